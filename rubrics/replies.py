"""Finding the answer inside whatever a judge wrote around it."""

from __future__ import annotations

import ast
import json
import re
import warnings
from collections.abc import Mapping
from typing import Any

from .base import ReplyError

_HEADING = re.compile(r"[\s#>*_\[(]*scores?[\s\])*_:]*(?:\([^()\n]*\)[\s*_:]*)?", re.IGNORECASE)
_SEPARATORS = (re.compile(r"[:=|：]"), re.compile(r"\s[–—-]\s"))
_NUMBER = re.compile(r"\s*(?P<number>-?\d+(?:\.\d+)?)(?![\d.]*\d|\s*[-–—]\s*\d)(?:\s*(?:/|out of)\s*(?P<of>\d+))?")
_ENDING = 2  # letters by which a name may differ at its end, as in "Weak Dialog" or "Unearned Transformation"
_MAX_STARTS = 2000  # an unbalanced run of braces must not make the scan quadratic


class _DuplicateKey(ValueError):
    pass


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    keys = [key for key, _ in pairs]
    if len(set(keys)) < len(keys):
        raise _DuplicateKey(next(key for key in keys if keys.count(key) > 1))
    return dict(pairs)


_DECODER = json.JSONDecoder(object_pairs_hook=_unique)


def last_object(reply: str, required: str) -> dict[str, Any]:
    """The last complete JSON object in `reply` that has the key `required`.

    Code fences and prose around the object do not matter. Single quotes and trailing commas are read
    by Python's literal parser, which accepts whole values only and so never completes a cut reply.

    Raises:
        ReplyError: no such object, or one that gives a key twice.
    """
    found: dict[str, Any] | None = None
    duplicate: str | None = None
    position = 0
    for _ in range(_MAX_STARTS):
        position = reply.find("{", position)
        if position < 0:
            break
        try:
            value, position = _DECODER.raw_decode(reply, position)
        except _DuplicateKey as error:
            duplicate = str(error)
            position += 1
        except (ValueError, RecursionError):
            position += 1
        else:
            if required in value:
                found, duplicate = value, None
    if found is None and duplicate is None:
        found = _python_literal(reply, required)
    if found is not None and duplicate is None:
        return found
    if duplicate is not None:
        raise ReplyError(f'the key "{duplicate}" is given twice in one object')
    if not reply.strip():
        raise ReplyError("the reply is empty")
    raise ReplyError(f'no complete JSON object with the key "{required}" was found; the reply may have been cut')


def _python_literal(reply: str, required: str) -> dict[str, Any] | None:
    start, end = reply.find("{"), reply.rfind("}")
    if start < 0 or end < start:
        return None
    try:
        with warnings.catch_warnings(action="ignore"):  # of escapes that only JSON knows
            value = ast.literal_eval(reply[start : end + 1])
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return None
    return value if isinstance(value, dict) and required in value else None


def whole_number(value: Any, name: str, low: int, high: int) -> int:
    """`value` as a whole number within `low`..`high`.

    Raises:
        ReplyError: naming `name` and what is wrong with its value.
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ReplyError(f"{name}: score must be a whole number from {low} to {high}, got {_shown(value)}")
    if isinstance(value, float) and not value.is_integer():
        raise ReplyError(f"{name}: score must be a whole number, got {_shown(value)}")
    if not low <= value <= high:
        raise ReplyError(f"{name}: score {_shown(value)} is outside {low} to {high}")
    return int(value)


def _shown(value: Any) -> str:
    text = "nothing" if value is None else repr(value)
    return text if len(text) <= 40 else text[:37] + "..."


def scores_section(reply: str, ranges: Mapping[str, int]) -> tuple[str, dict[str, float]]:
    """What stands before the last scores heading of a text reply, and the numbers after it by canonical name.

    Only the section after the last line that is a heading such as `[Scores]` is read, so numbers in the
    analysis are never marks. A line is a name, a colon and a number; markdown, list marks and comments around
    them do not matter. A name is known by its letters alone, or with up to two letters more or fewer at its
    end. Lines with other names, without a number (`N/A`), with a range of numbers, or on another scale than
    the maximum in `ranges` rate nothing.

    Raises:
        ReplyError: no scores heading, or one criterion with two different numbers.
    """
    lines = reply.splitlines()
    headings = [i for i, line in enumerate(lines) if _HEADING.fullmatch(line)]
    if not reply.strip():
        raise ReplyError("the reply is empty")
    if not headings:
        raise ReplyError("no [Scores] section was found; the reply may have been cut")
    known = {letters(name): name for name in ranges}
    found: dict[str, float] = {}
    for line in lines[headings[-1] + 1 :]:
        text = re.sub(r"[*_`]", "", line).strip(" \t>•|+-")
        parts = next((cut for by in _SEPARATORS if len(cut := by.split(text, maxsplit=1)) == 2), None)
        name = _canonical(parts[0], known) if parts else None
        number = _NUMBER.match(parts[1]) if parts else None
        if name is None or number is None or (number["of"] and int(number["of"]) != ranges[name]):
            continue
        value = float(number["number"])
        if found.setdefault(name, value) != value:
            raise ReplyError(f"{name}: two different scores, {found[name]:g} and {value:g}")
    return "\n".join(lines[: headings[-1]]).strip(), found


def letters(name: str) -> str:
    """The letters of a name in lower case, without what stands in brackets: by these, names are the same."""
    return "".join(c for c in re.sub(r"\([^()]*\)", "", name).lower() if c.isalpha())


def _canonical(name: str, known: Mapping[str, str]) -> str | None:
    given = letters(name)
    if given in known:
        return known[given]
    near = (n for k, n in known.items() if abs(len(k) - len(given)) <= _ENDING and given and _one_begins(k, given))
    return next(near, None)


def _one_begins(one: str, other: str) -> bool:
    return one.startswith(other) or other.startswith(one)

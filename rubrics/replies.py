"""Finding the answer inside whatever a judge wrote around it."""

from __future__ import annotations

import ast
import json
import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from .base import ReplyError

_HEADING = re.compile(r"[\W\d_]*(?:(?:final|overall|criteria)\s+)?scores?[\W_]*(?:\([^()\n]*\)[\W_]*)?", re.IGNORECASE)
_SEPARATORS = (re.compile(r"[:=|：]"), re.compile(r"\s[–—-]\s"))
_NUMBER = re.compile(
    r"\s*(?:score\s+)?[\[(~≈]?\s*(?P<number>-?\d+(?:\.\d+)?)(?![\d.]*\d|\s*[-–—]\s*\d+\W*$|[-–—]\d)\]?"
    r"(?:\s*(?:/|(?:out )?of)\s*(?P<of>\d+))?",
    re.IGNORECASE,
)
_NO_SCORE = re.compile(r"[\W_]*(?:n\W?a\b|not (?:applicable|rated|scored)|none\b|null\b|[-–—]+\s*$)", re.IGNORECASE)
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


def last_object(reply: str, required: str, key: Callable[[str], str] = str) -> dict[str, Any]:
    """The last complete JSON object in `reply` that has the key `required`; keys are taken as `key` gives them.

    Code fences and prose around the object do not matter. Single quotes and trailing commas are read
    by Python's literal parser, which accepts whole values only and so never completes a cut reply.

    Raises:
        ReplyError: no such object, or one that gives a key twice.
    """
    found: dict[str, Any] | None = None
    duplicate: str | None = None
    wanted = key(required)
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
            if wanted in map(key, value):
                found, duplicate = value, None
    if found is None and duplicate is None:
        found = _python_literal(reply, wanted, key)
    if found is not None and duplicate is None:
        try:
            return _unique([(key(str(name)), value) for name, value in found.items()])
        except _DuplicateKey as error:
            duplicate = str(error)
    if duplicate is not None:
        raise ReplyError(f'the key "{duplicate}" is given twice in one object')
    if not reply.strip():
        raise ReplyError("the reply is empty")
    raise ReplyError(f'no complete JSON object with the key "{required}" was found; the reply may have been cut')


def _python_literal(reply: str, wanted: str, key: Callable[[str], str]) -> dict[str, Any] | None:
    start, end = reply.find("{"), reply.rfind("}")
    if start < 0 or end < start:
        return None
    try:
        with warnings.catch_warnings(action="ignore"):  # of escapes that only JSON knows
            value = ast.literal_eval(reply[start : end + 1])
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return None
    return value if isinstance(value, dict) and wanted in (key(str(name)) for name in value) else None


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
    """What stands before the scores section of a text reply, and the numbers in it by canonical name.

    The section begins after the last line that is a heading such as `[Scores]` and has a score below it, so
    numbers in the analysis are never marks. A line is a name, a colon and a number; markdown, list marks,
    brackets and comments around them do not matter. A name is known by its letters alone, or with up to two
    letters more or fewer at its end. Lines with other names, and values such as `N/A`, rate nothing.

    Raises:
        ReplyError: no scores section, one criterion with two different numbers, or one with a value that is
            no number, a range of numbers, or on another scale than the maximum in `ranges`.
    """
    if not reply.strip():
        raise ReplyError("the reply is empty")
    lines = reply.splitlines()
    headings = [i for i, line in enumerate(lines) if _HEADING.fullmatch(line)]
    if not headings:
        raise ReplyError("no [Scores] section was found; the reply may have been cut")
    for start in reversed(headings):
        found, unread = _scores(lines[start + 1 :], ranges)
        if found:
            break
    for name, value in unread.items():
        if name not in found:  # a comment that repeats the name of a rated criterion is no score
            raise ReplyError(f"{name}: {_shown(value)} is not a number from 0 to {ranges[name]}")
    return "\n".join(lines[:start]).strip(), found


def _scores(lines: Sequence[str], ranges: Mapping[str, int]) -> tuple[dict[str, float], dict[str, str]]:
    """The numbers by canonical name, and the values of names that are no numbers."""
    known = {letters(name): name for name in ranges}
    found: dict[str, float] = {}
    unread: dict[str, str] = {}
    for line in lines:
        text = re.sub(r"[*_`]", "", line).lstrip(" \t>•|+-").rstrip(" \t|")
        parts = next((cut for by in _SEPARATORS if len(cut := by.split(text, maxsplit=1)) == 2), None)
        name = _canonical(parts[0], known) if parts else None
        if parts is None or name is None or _NO_SCORE.match(parts[1]):
            continue
        number = _NUMBER.match(parts[1])
        if number is None or (number["of"] and int(number["of"]) != ranges[name]):
            unread.setdefault(name, parts[1].strip())
            continue
        value = float(number["number"])
        if found.setdefault(name, value) != value:
            raise ReplyError(f"{name}: two different scores, {found[name]:g} and {value:g}")
    return found, unread


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

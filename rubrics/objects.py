"""Find the one JSON object with the answer in a judge's reply, whatever is around it."""

from __future__ import annotations

import ast
import json
import re
import warnings
from collections.abc import Callable, Iterator
from typing import Any

from .base import ReplyError, shown

_LONGEST = 400_000  # characters in a reply; the longest genuine one has a tenth of that
_LONGEST_LITERAL = 100_000  # characters of an object that is no JSON; Python's parser takes a second per megabyte
_MOST = 1000  # objects in a reply
_OPENS = re.compile(r"\{(?=\s{0,200}[\"'}])")  # braces in prose are followed by something else
_MARK = re.compile(r"\\.|[\"'{}\[\]]", re.DOTALL)


class _DuplicateKey(ValueError):
    pass


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise _DuplicateKey(key)
        found[key] = value
    return found


_DECODER = json.JSONDecoder(object_pairs_hook=_unique, strict=False)  # strings may hold raw line breaks


def only_object(reply: str, required: str, key: Callable[[str], str] = str) -> dict[str, Any]:
    """Return the one object in `reply` that has the key `required`; keys are first mapped by `key`.

    Code fences, prose and enclosing objects are ignored, and the same object may occur twice. Single quotes and
    trailing commas are read by Python's literal parser. The content of strings is never searched.

    Raises:
        ReplyError: no such object, two that differ, one with a duplicate key, or any object that cannot be read, since
            its content is unknown, as of what begins after the last one.
    """
    if not reply.strip():
        raise ReplyError("the reply is empty")
    if len(reply) > _LONGEST:
        raise ReplyError(f"the reply has {len(reply):,} characters; {_LONGEST:,} are the most")
    wanted = key(required)
    found: list[dict[str, Any]] = []
    position = objects = 0
    while opening := _OPENS.search(reply, position):
        between = reply[position : opening.start()]
        if between.count("{") > between.count("}"):
            raise ReplyError(
                f'no complete JSON object with the key "{required}" was found: one stands inside what is no JSON, and '
                "may be quoted there"
            )
        value, position = _read(reply, opening.start())
        objects += 1
        if objects > _MOST:
            raise ReplyError(f"the reply has over {_MOST:,} objects; give one")
        if value is None:
            raise ReplyError(
                f'no complete JSON object with the key "{required}" was found: what begins with '
                f"{shown(reply[opening.start() : opening.start() + 30])} cannot be read; the reply may have been cut"
            )
        found += _having(value, wanted, key)
    rest = reply[position:]
    if found and rest.count("{") > rest.count("}"):
        raise ReplyError(f'after the object with the key "{required}" another one begins, and cannot be read; give one')
    if not found:
        raise ReplyError(f'no complete JSON object with the key "{required}" was found; the reply may have been cut')
    if any(other != found[0] for other in found):
        raise ReplyError(f'several objects with the key "{required}" were found, and they differ; give one')
    try:
        return _unique([(key(str(name)), value) for name, value in found[0].items()])
    except _DuplicateKey as error:
        raise ReplyError(f'the key "{str(error)[:80]}" is given twice in one object') from None


def _read(reply: str, start: int) -> tuple[Any, int]:
    """Return the object that begins at `start`, or None if it cannot be read, and the position after it."""
    try:
        return _DECODER.raw_decode(reply, start)
    except _DuplicateKey as error:
        raise ReplyError(f'the key "{str(error)[:80]}" is given twice in one object') from None
    except (ValueError, RecursionError):
        end = _closing(reply, start)
    if end is None or end - start > _LONGEST_LITERAL:
        return None, start
    try:
        with warnings.catch_warnings(action="ignore"):  # about escapes that only JSON knows
            value = ast.literal_eval(reply[start:end])
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return None, start
    return value, end


def _closing(reply: str, start: int) -> int | None:
    """Return the position after the brace that closes the one at `start`, ignoring braces inside strings."""
    quote, depth = "", 0
    for mark in _MARK.finditer(reply, start):
        sign = mark.group()
        if quote:
            quote = "" if sign == quote else quote
        elif sign in "\"'":
            quote = sign
        elif sign in "{[":
            depth += 1
        elif sign in "}]":
            depth -= 1
            if not depth:
                return mark.end()
    return None


def _having(value: Any, wanted: str, key: Callable[[str], str]) -> Iterator[dict[str, Any]]:
    """Yield the outermost objects in a value that have the key `wanted`."""
    if isinstance(value, dict) and wanted in (key(str(name)) for name in value):
        yield value
    elif isinstance(value, dict | list):
        for part in value.values() if isinstance(value, dict) else value:
            yield from _having(part, wanted, key)


def whole_number(value: Any, name: str, low: int, high: int) -> int:
    """Return `value` as a whole number within `low`..`high`.

    Raises:
        ReplyError: naming `name` and what is wrong with its value.
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ReplyError(f"{name}: score must be a whole number from {low} to {high}, got {shown(value)}")
    if isinstance(value, float) and not value.is_integer():
        raise ReplyError(f"{name}: score must be a whole number, got {shown(value)}")
    if not low <= value <= high:
        raise ReplyError(f"{name}: score {shown(value)} is outside {low} to {high}")
    return int(value)

"""Finding the answer inside whatever a judge wrote around it."""

from __future__ import annotations

import ast
import json
import warnings
from typing import Any

from .base import ReplyError

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

"""Read a user's JSONL files of stories or prompts, checked line by line."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ..errors import UserError

_MOST = 10_000_000  # words
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f]")
_HALF = re.compile("[\ud800-\udfff]")
_TEXTS = ("prompt", "story", "model", "benchmark", "category")


def read_records(path: Path, required: Sequence[str], optional: Sequence[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the objects of a JSONL file, each with its location as text (file and line).

    `prompt`, `story`, `model`, `benchmark` and `category` are strings, `id` is a string or a whole number,
    `target_words` a positive whole number, `metadata` an object. Ids and models are not empty.

    Raises:
        UserError: if a line is not JSON or not UTF-8, or a field is missing, unknown or of the wrong type; the message
            names the file and the line.
    """
    try:
        lines = path.read_bytes().split(b"\n")
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from None
    for number, raw in enumerate(lines, 1):
        where = f"{path}, line {number}"
        try:
            line = raw.decode("utf-8-sig" if number == 1 else "utf-8").strip()
        except UnicodeDecodeError as error:
            raise UserError(f"{where}: not UTF-8 (byte {error.start + 1}); save the file as UTF-8") from None
        if line:
            try:
                record = json.loads(line)
            except (ValueError, RecursionError) as error:
                raise UserError(f"{where}: not JSON: {error}") from None
            yield where, check_record(where, record, required, optional)


def check_record(where: str, record: Any, required: Sequence[str], optional: Sequence[str]) -> dict[str, Any]:
    """Return the record if it has the fields that `read_records` describes; `where` is its location.

    Raises:
        UserError: if a field is missing, unknown or of the wrong type.
    """
    if not isinstance(record, dict):
        raise UserError(f"{where}: expected an object with {', '.join(required)}")
    missing = [name for name in required if record.get(name) is None]
    if missing:
        raise UserError(f"{where}: missing {', '.join(missing)}")
    unknown = sorted(set(record) - {*required, *optional})
    if unknown:
        raise UserError(f'{where}: unknown field {unknown[0]!r}; put your own data under "metadata"')
    for name in _TEXTS:
        if record.get(name) is not None and not isinstance(record[name], str):
            raise UserError(f'{where}: "{name}" must be a string')
    if record.get("model") is not None and not record["model"].strip():
        raise UserError(f'{where}: "model" is empty')
    if _HALF.search(json.dumps(record, ensure_ascii=False)):
        name = next(name for name, value in record.items() if _HALF.search(json.dumps(value, ensure_ascii=False)))
        raise UserError(f'{where}: "{name}" holds half of a character (a lone surrogate), which no file can hold')
    for name in ("id", "model", "benchmark", "category"):
        if _CONTROL.search(str(record.get(name) or "")):
            raise UserError(f'{where}: "{name}" holds a control character, such as an escape code; leave it out')
    if not isinstance(record["id"], str | int) or isinstance(record["id"], bool):
        raise UserError(f'{where}: "id" must be a string or a whole number')
    if record["id"] == "":
        raise UserError(f'{where}: "id" is empty')
    target = record.get("target_words")
    if target is not None and (not isinstance(target, int) or isinstance(target, bool) or not 0 < target <= _MOST):
        raise UserError(f'{where}: "target_words" must be a whole number from 1 to {_MOST:,}')
    if not isinstance(record.get("metadata") or {}, dict):
        raise UserError(f'{where}: "metadata" must be an object')
    texts = {name: record[name].replace("\0", "") for name in ("prompt", "story") if record.get(name)}
    return {**record, **texts}  # a zero byte shows nothing, and many programs end a text there

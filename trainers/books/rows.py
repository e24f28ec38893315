"""Stories that are already separate: rows of JSONL and Parquet files, and of datasets saved to disk."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ...harness.errors import UserError
from .archive import most_unpacked

_PART = 200_000_000  # bytes that a part may unpack to if every row has the longest value of its part of the file
SUFFIXES = (".jsonl", ".parquet")
_SAVED = ("dataset_info.json", "dataset_dict.json")  # what `save_to_disk` leaves in its folder


def is_dataset(path: Path) -> bool:
    """Whether a folder is a dataset that `save_to_disk` of Hugging Face datasets wrote."""
    return path.is_dir() and any((path / name).is_file() for name in _SAVED)


def read_rows(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the rows of a JSONL or Parquet file, or of a saved dataset, each with a description of its place.

    Raises:
        UserError: naming the file, and the line if there is one.
    """
    if path.suffix.lower() == ".jsonl":
        yield from _lines(path)
    else:
        for number, row in enumerate(_saved(path) if path.is_dir() else _table(path), 1):
            yield f"{path}, row {number}", row


def story_of(row: Mapping[str, Any]) -> str | None:
    """The story of a row: under `story` or `text`, or the last answer of its `messages` (or `conversations`)."""
    for name in ("story", "text"):
        if isinstance(row.get(name), str) and row[name].strip():
            return str(row[name])
    said = [text for role, text in _messages(row.get("messages") or row.get("conversations")) if role == "assistant"]
    return said[-1] if said and said[-1].strip() else None


def prompt_of(row: Mapping[str, Any]) -> str:
    """The prompt of a row: a text, chat messages (also as JSON), one message, or the questions of its `messages`."""
    value = row.get("prompt")
    if isinstance(value, str) and value[:1] in "[{":
        try:
            value = json.loads(value)
        except ValueError:
            return str(value)
    if isinstance(value, str):
        return value
    told = value if value is not None else row.get("messages") or row.get("conversations")
    return "\n".join(text for role, text in _messages(told) if role == "user")


def _messages(value: Any) -> Iterator[tuple[str, str]]:
    names = {"human": "user", "gpt": "assistant"}
    for message in [value] if isinstance(value, Mapping) else value if isinstance(value, list | tuple) else ():
        if isinstance(message, Mapping):
            role, text = message.get("role") or message.get("from"), message.get("content") or message.get("value")
            if isinstance(role, str) and isinstance(text, str):
                yield names.get(role, role), text


def _lines(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    with path.open(encoding="utf-8-sig") as lines:
        try:
            for number, line in enumerate(lines, 1):
                if line.strip():
                    row = json.loads(line)
                    if not isinstance(row, dict):
                        raise UserError(f"{path}, line {number}: is not a JSON object")
                    yield f"{path}, line {number}", row
        except json.JSONDecodeError as error:
            raise UserError(f"{path}, line {number}: is not JSON: {error.msg}") from None
        except UnicodeDecodeError:
            raise UserError(f"{path}: is not UTF-8") from None


def _table(path: Path) -> list[dict[str, Any]]:
    """The rows of a Parquet file, read in parts: a value that repeats takes no room in the file."""
    import pyarrow.parquet as parquet
    from pyarrow.lib import ArrowException

    most, unpacked, found = most_unpacked(path.stat().st_size), 0, []
    try:
        with parquet.ParquetFile(path) as file:
            groups = [file.metadata.row_group(number) for number in range(file.num_row_groups)]
            largest = max((group.total_byte_size for group in groups), default=0)
            if largest <= most:
                for part in file.iter_batches(batch_size=max(1, min(_PART, most) // max(1, largest))):
                    rows = part.to_pylist()
                    unpacked += _characters(rows)
                    if unpacked > most:
                        break
                    found += rows
    except (ArrowException, OSError) as error:
        raise UserError(f"{path}: cannot be read: {' '.join(str(error).split())[:160]}") from None
    if max(largest, unpacked) > most:
        raise UserError(f"{path}: unpacks to more than {most / 1e6:,.0f} MB, which is too much for its size; not read")
    return found


def _characters(value: Any) -> int:
    """How many characters all texts in a value have."""
    if isinstance(value, list | tuple):
        return sum(map(_characters, value))
    if isinstance(value, dict):
        return sum(map(_characters, value.values()))
    return len(value) if isinstance(value, str) else 0


def _saved(path: Path) -> list[dict[str, Any]]:
    from datasets import Dataset, load_from_disk

    try:
        found = load_from_disk(str(path))
        parts = [found] if isinstance(found, Dataset) else list(found.values())
        return [dict(row) for part in parts for row in part]
    except Exception as error:  # dataset readers raise dozens of types; all mean that nothing was read
        raise UserError(f"{path}: the dataset cannot be read: {' '.join(str(error).split())[:160]}") from None

"""Result files: file names, and results as JSON data."""

from __future__ import annotations

import hashlib
import json
import math
import re
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from ..words import printable

_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")
_DEVICE = re.compile(r"(?:con|prn|aux|nul|com\d|lpt\d)(?:\.|$)")


def slug(name: str) -> str:
    """A file name for any text: letters, digits, `.`, `_` and `-`, and a hash if anything was lost.

    Names with capitals and device names also get a hash: some systems ignore case or reserve such names.
    """
    kept = _UNSAFE.sub("-", name).strip(".-")[:60]
    if kept == name.lower() and kept and not _DEVICE.match(kept):
        return kept
    return f"{kept}-{hashlib.sha256(name.encode(errors='surrogatepass')).hexdigest()[:8]}".lstrip("-")


def plain_data(value: Any) -> Any:
    """Convert any of our results to JSON data: records become objects by field name (an interval is
    {value, low, high}), tables become lists of objects, and unknown values null."""
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain_data(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return {name: plain_data(part) for name, part in value._asdict().items()}
    if isinstance(value, pd.DataFrame):
        return plain_data(value.to_dict("records"))
    if isinstance(value, dict):
        return {str(name): plain_data(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [plain_data(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def cell(text: str) -> str:
    """A text as a cell of a CSV file: a spreadsheet would run one that begins like a formula, so it gets a quote."""
    text = printable(text)
    return f"'{text}" if text.startswith(_FORMULA) else text


def write_csv(path: Path, frame: pd.DataFrame) -> Path:
    """Write a table as CSV (gzipped if the path says so), with texts that no spreadsheet runs; returns the path."""
    texts = [name for name in frame if frame[name].dtype == object or pd.api.types.is_string_dtype(frame[name])]
    safe = frame.assign(**{str(name): [cell(v) if isinstance(v, str) else v for v in frame[name]] for name in texts})
    safe.to_csv(path, index=False, errors="replace")
    return path


def write_json(path: Path, value: Any, indent: int = 2) -> Path:
    """Write any of our results as JSON; returns the path."""
    text = json.dumps(plain_data(value), indent=indent, ensure_ascii=False)
    path.write_text(text, encoding="utf-8", errors="replace")
    return path

"""The review file: one line per piece, with keep or drop and the reason; people edit it in place."""

from __future__ import annotations

import csv
import dataclasses
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

from ...harness.errors import UserError
from ...harness.show.files import cell
from .reading.text import decode
from .sources import Candidate

COLUMNS = ("keep", "reason", "words", "book", "title", "first", "last", "id")
BY_HAND = "dropped by hand"
_YES, _NO = {"yes", "y", "true", "1", "x", "keep"}, {"no", "n", "false", "0", "", "drop"}


def write_review(
    path: Path, candidates: Sequence[Candidate], decided: Mapping[str, tuple[bool, str]] | None = None
) -> None:
    """Write the file atomically, in a form that spreadsheets open (CSV, UTF-8 with a byte order mark).

    Args:
        candidates: as the filters left them.
        decided: a person's decisions by id: whether to keep a piece, and its title; by default the filters' choice.
    """
    known = decided or {}
    unfinished = path.with_suffix(".new")
    with unfinished.open("w", encoding="utf-8-sig", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(COLUMNS)
        for c in candidates:
            keep, title = known.get(c.id, (c.reason is None, c.title))
            texts = map(cell, (c.book, title, c.first, c.last))
            rows.writerow(["yes" if keep else "no", c.reason or "", c.words, *texts, c.id])
    unfinished.replace(path)


def apply_review(path: Path, candidates: Sequence[Candidate]) -> list[Candidate]:
    """Return the candidates as edited in the file: only `keep` and `title` count; a deleted line means no.

    Raises:
        UserError: naming the file and the line.
    """
    by_id = {candidate.id: candidate for candidate in candidates}
    seen: dict[str, tuple[bool, str]] = {}
    text, _ = decode(path)  # a spreadsheet may have saved it in another encoding
    delimiter = ";" if text.partition("\n")[0].count(";") > text.partition("\n")[0].count(",") else ","
    rows = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter)
    if missing := {"keep", "title", "id"} - set(rows.fieldnames or ()):
        raise UserError(
            f"{path}: the columns {', '.join(sorted(missing))} are missing; restore them or delete the file"
        )
    for row in rows:
        where = f"{path}, line {rows.line_num}"
        if not any((value or "").strip() for value in row.values() if not isinstance(value, list)):
            continue  # an empty row
        key, said = (row["id"] or "").strip(), (row["keep"] or "").strip().lower()
        if key not in by_id:
            raise UserError(f"{where}: there is no piece {key!r}; do not change ids")
        if key in seen:
            raise UserError(f"{where}: {key!r} is listed twice")
        if said not in _YES | _NO:
            raise UserError(f"{where}: keep must be yes or no, not {row['keep']!r}")
        seen[key] = (said in _YES, (row["title"] or "").strip() or by_id[key].title)
    found = []
    for candidate in candidates:
        keep, title = seen.get(candidate.id, (False, candidate.title))
        title = candidate.title if title in (candidate.title.strip(), cell(candidate.title).strip()) else title
        reason = None if keep else candidate.reason or BY_HAND
        found.append(dataclasses.replace(candidate, reason=reason, title=title))
    return found

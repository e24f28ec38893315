"""What users hand over: files and folders of books, and stories that stand apart already."""

from __future__ import annotations

import dataclasses
import json
import multiprocessing
import os
import re
from collections.abc import Callable, Collection, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...harness.errors import UserError
from ...harness.words import count_words
from .filters import Rules, reason_to_drop, story_text, too_long, worth
from .near import sketch
from .reading.book import Book, tidy
from .reading.epub import read_epub
from .reading.paragraphs import text_blocks
from .reading.split import Piece, is_part, pieces
from .reading.text import read_markdown, read_text

READERS: dict[str, Callable[[Path, str], Book]] = {
    ".epub": read_epub, ".txt": read_text, ".text": read_text, ".md": read_markdown, ".markdown": read_markdown,
}  # fmt: skip
ROWS = ".jsonl"
_SHOWN = 140  # letters of a first or last sentence
_ABBREVIATED = "".join(rf"(?<!\b{word}\.)" for word in ("Mr", "Mrs", "Dr", "St", "Rev", "Prof", "Capt", "Col", "[A-Z]"))
_SENTENCES = re.compile(rf"(?:(?<=[.!?…])|(?<=[.!?…][\"'”’)\]])){_ABBREVIATED}\s+(?=[\w“‘\"'(\[])")
_WHOLE = 4  # times the most words of a story, over which a piece is no story at all
_FEW = 4  # books for which no further processes are started


@dataclass(frozen=True)
class Candidate:
    """A piece of a book, and what came of it: a `reason` to drop it, or none."""

    id: str
    book: str
    title: str
    author: str
    licence: str
    path: str
    text: str
    words: int
    reason: str | None = None

    @property
    def first(self) -> str:
        """How it begins: the first sentence, cut where it is long."""
        opening = next((part for part in self.text.split("\n\n") if not is_part(part)), self.text)
        return _cut(_SENTENCES.split(opening, maxsplit=1)[0], from_end=False)

    @property
    def last(self) -> str:
        """How it ends: the last sentence, cut where it is long."""
        return _cut(_SENTENCES.split(self.text.rpartition("\n\n")[2].rstrip())[-1], from_end=True)


@dataclass(frozen=True)
class Examined:
    """What a source holds: candidates in order, the MinHash of those that no filter dropped or that are only too long,
    and how whole and clean each is (see `worth`); or why it could not be read."""

    source: str
    candidates: tuple[Candidate, ...] = ()
    sketches: tuple[Any, ...] = ()
    worths: tuple[float, ...] = ()
    notes: tuple[str, ...] = ()
    error: str | None = None


def find_files(sources: Iterable[Path], out: Path | None = None) -> dict[str, Path]:
    """The files of all sources by the id of their book, in order of their names; none of them from the folder `out`.

    Raises:
        UserError: no such file, a kind that is not read, a folder with none, or a file in `out`.
    """
    files: list[Path] = []
    apart = out.resolve() if out else None
    for source in sources:
        known = [*READERS, ROWS]
        if source.is_file() and apart in source.resolve().parents:
            raise UserError(f"{source} lies in {out}, which is written to; name another folder with --out")
        if source.is_dir():
            found = sorted(
                path for path in source.rglob("*")
                if path.is_file() and path.suffix.lower() in known and apart not in path.resolve().parents
            )  # fmt: skip
            if not found:
                raise UserError(f"{source}: the folder holds no books ({', '.join(known)})")
            files += found
        elif not source.is_file():
            raise UserError(f"{source}: no such file or folder")
        elif source.suffix.lower() not in known:
            raise UserError(f"{source}: books are read from {', '.join(known)} files")
        else:
            files.append(source)
    named: dict[str, Path] = {}
    for path in dict.fromkeys(files):
        named[free(_slug(path.stem), named)] = path
    return named


def examine_all(
    files: dict[str, Path], rules: Rules, progress: Callable[[Iterable[Examined]], Iterable[Examined]]
) -> list[Examined]:
    """Read, cut and filter every file, on all cores; order is that of the files."""
    jobs = [(path, book, rules) for book, path in files.items()]
    workers = min(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1, len(jobs))
    if len(jobs) <= _FEW or workers < 2:
        return list(progress(examine(*job) for job in jobs))
    with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn")) as pool:
        return list(progress(pool.map(examine, *zip(*jobs, strict=True), chunksize=1)))


def examine(path: Path, book: str, rules: Rules) -> Examined:
    """Read one file, cut it into pieces and filter them. A file that cannot be read is told of, not raised."""
    try:
        if path.suffix.lower() == ROWS:
            return _examined(path, rules, _rows(path, book))
        read = READERS[path.suffix.lower()](path, book)
    except UserError as error:
        return Examined(str(path), error=error.text)
    except Exception as error:  # one odd book must not keep the others from being read
        return Examined(
            str(path), error=f"{path}: cannot be read: {type(error).__name__}: {' '.join(str(error).split())[:120]}"
        )
    found = (
        (Candidate("", book, piece.title, read.author, read.licence, str(path), text, 0), piece)
        for piece in pieces(read)
        if (text := story_text(piece.blocks))
    )
    notes = tuple(f"{path}: {note}" for note in read.notes)
    return dataclasses.replace(_examined(path, rules, found), notes=notes)


def _examined(path: Path, rules: Rules, found: Iterable[tuple[Candidate, Piece]]) -> Examined:
    candidates: dict[str, Candidate] = {}
    sketches, worths = [], []
    for candidate, piece in found:
        key = free(f"{candidate.book}/{_slug(candidate.title)}", candidates)
        reason = reason_to_drop(piece, candidate.text, rules)
        words = count_words(candidate.text)
        candidates[key] = dataclasses.replace(candidate, id=key, words=words, reason=reason)
        # a part of a story that is too long is no story of its own, but one of a whole book may be
        compared = reason is None or (reason == too_long(rules) and words <= _WHOLE * rules.most)
        sketches.append(sketch(candidate.text) if compared else None)
        worths.append(worth(words, candidate.text) if compared else 0.0)
    return Examined(str(path), tuple(candidates.values()), tuple(sketches), tuple(worths))


def _rows(path: Path, book: str) -> Iterator[tuple[Candidate, Piece]]:
    """Stories of a JSONL file: `story` (or `text`), optional `title`, `author`, `book` (or `source`), `licence`."""
    for number, row in read_rows(path):
        text = row.get("story") or row.get("text")
        if not isinstance(text, str) or not text.strip():
            raise UserError(f"{path}, line {number}: has no story (a text under story or text)")
        of = str(row.get("book") or row.get("source") or book)
        title = str(row.get("title") or row.get("id") or row.get("uid") or f"story {number}")
        licence = str(row.get("licence") or row.get("license") or "")
        text = tidy(text)
        # where no line is empty, every line is a paragraph
        blocks = text_blocks(text if "\n\n" in text else text.replace("\n", "\n\n"))
        about = (tidy(title).replace("\n", " "), tidy(str(row.get("author") or "")), tidy(licence))
        yield Candidate("", tidy(of).replace("\n", " "), *about, str(path), text, 0), Piece(about[0], tuple(blocks))


def read_rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Lines of a JSONL file with their numbers, from 1. Raises UserError naming the line."""
    with path.open(encoding="utf-8-sig") as lines:
        try:
            for number, line in enumerate(lines, 1):
                if line.strip():
                    row = json.loads(line)
                    if not isinstance(row, dict):
                        raise UserError(f"{path}, line {number}: is no JSON object")
                    yield number, row
        except json.JSONDecodeError as error:
            raise UserError(f"{path}, line {number}: is not JSON: {error.msg}") from None
        except UnicodeDecodeError:
            raise UserError(f"{path}: is not UTF-8") from None


def _cut(text: str, from_end: bool) -> str:
    text = " ".join(text.split())
    if len(text) <= _SHOWN:
        return text
    return "…" + text[-_SHOWN:] if from_end else text[:_SHOWN] + "…"


def _slug(text: str) -> str:
    return re.sub(r"[^\w.]+", "-", text.casefold()).strip("-.")[:80] or "untitled"


def free(name: str, taken: Collection[str]) -> str:
    """A name that is not taken: the name itself, or with a number after it."""
    number, found = 1, name
    while found in taken:
        number += 1
        found = f"{name}-{number}"
    return found

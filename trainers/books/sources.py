"""The user's input: files and folders of books, and stories that are already separate."""

from __future__ import annotations

import dataclasses
import multiprocessing
import os
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...harness.errors import UserError
from ...harness.words import count_words
from .archive import check_size, unpacked
from .filters import Rules, reason_to_drop, story_text, too_long, worth
from .near import sketch
from .reading.book import Book, tidy
from .reading.documents import read_docx, read_html
from .reading.epub import read_epub
from .reading.paragraphs import text_blocks
from .reading.split import Piece, is_part, pieces
from .reading.text import read_markdown, read_text
from .rows import SUFFIXES, is_dataset, read_rows, story_of

READERS: dict[str, Callable[[Path, str], Book]] = {
    ".epub": read_epub, ".txt": read_text, ".text": read_text, ".md": read_markdown, ".markdown": read_markdown,
    ".htm": read_html, ".html": read_html, ".docx": read_docx,
}  # fmt: skip
ZIP = ".zip"
KINDS = (*READERS, *SUFFIXES, ZIP)
_SHOWN = 140  # characters shown of a first or last sentence
_ABBREVIATED = "".join(rf"(?<!\b{word}\.)" for word in ("Mr", "Mrs", "Dr", "St", "Rev", "Prof", "Capt", "Col", "[A-Z]"))
_SENTENCES = re.compile(rf"(?:(?<=[.!?…])|(?<=[.!?…][\"'”’)\]])){_ABBREVIATED}\s+(?=[\w“‘\"'(\[])")
_WHOLE = 4  # times the most words of a story; a longer piece is not a story at all
_FEW = 4  # up to this many books, no further processes are started


@dataclass(frozen=True)
class Candidate:
    """A piece of a book, and the `reason` to drop it, if any."""

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
        """How it begins: the first sentence, cut if it is long."""
        opening = next((part for part in self.text.split("\n\n") if not is_part(part)), self.text)
        return _cut(_SENTENCES.split(opening, maxsplit=1)[0], from_end=False)

    @property
    def last(self) -> str:
        """How it ends: the last sentence, cut if it is long."""
        return _cut(_SENTENCES.split(self.text.rpartition("\n\n")[2].rstrip())[-1], from_end=True)


@dataclass(frozen=True)
class Examined:
    """The contents of a source: candidates in order, the MinHash of those that no filter dropped or that are only too
    long, and how complete and clean each is (see `worth`); or why it could not be read."""

    source: str
    candidates: tuple[Candidate, ...] = ()
    sketches: tuple[Any, ...] = ()
    worths: tuple[float, ...] = ()
    notes: tuple[str, ...] = ()
    error: str | None = None


def find_files(sources: Iterable[Path], out: Path | None = None) -> dict[str, Path]:
    """Return the files and saved datasets of all sources, by book id, in order of their names; none from the folder
    `out`.

    Raises:
        UserError: no such file, an unsupported kind, a folder with no books, or a file in `out`.
    """
    files: list[Path] = []
    apart = out.resolve() if out else None
    for source in sources:
        if source.is_file() and apart in source.resolve().parents:
            raise UserError(f"{source} lies in {out}, which is written to; name another folder with --out")
        if is_dataset(source):
            files.append(source)
        elif source.is_dir():
            found = sorted(path for path in source.rglob("*") if apart not in path.resolve().parents)
            saved = [path for path in found if is_dataset(path)]
            found = [path for path in found if path.is_file() and path.suffix.lower() in KINDS]
            found = sorted(path for path in (*saved, *found) if not {*saved} & {*path.parents})
            if not found:
                raise UserError(f"{source}: the folder holds no books ({', '.join(KINDS)})")
            files += found
        elif not source.is_file():
            raise UserError(f"{source}: no such file or folder")
        elif source.suffix.lower() not in KINDS:
            raise UserError(f"{source}: books are read from {', '.join(KINDS)} files")
        else:
            files.append(source)
    named: dict[str, Path] = {}
    for path in dict.fromkeys(files):
        named[free(_slug(path.stem), named)] = path
    return named


def examine_all(
    files: dict[str, Path], rules: Rules, progress: Callable[[Iterable[Examined]], Iterable[Examined]]
) -> list[Examined]:
    """Read, cut and filter every file, on all cores; results are in the order of the files."""
    jobs = [(path, book, rules) for book, path in files.items()]
    workers = min(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1, len(jobs))
    if len(jobs) <= _FEW or workers < 2:
        return list(progress(examine(*job) for job in jobs))
    with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn")) as pool:
        return list(progress(pool.map(examine, *zip(*jobs, strict=True), chunksize=1)))


def examine(path: Path, book: str, rules: Rules) -> Examined:
    """Read one file, cut it into pieces and filter them. A file that cannot be read is reported, not raised."""
    try:
        if path.is_file():
            check_size(path)
        if path.suffix.lower() == ZIP:
            return _joined(path, [_member(path, book, name, copy, rules) for name, copy in unpacked(path, KINDS)])
        if path.is_dir() or path.suffix.lower() in SUFFIXES:
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


def _member(path: Path, book: str, name: str, copy: Path, rules: Rules) -> Examined:
    """Examine a file of an archive, and report it by its name there."""
    if copy.suffix == ZIP:
        return Examined(str(path), error=f"{path}/{name}: archives inside archives are not read")
    found = examine(copy, f"{book}-{_slug(Path(name).stem)}", rules)

    def named(text: str) -> str:
        return text.replace(str(copy), f"{path}/{name}")

    return dataclasses.replace(
        found,
        candidates=tuple(
            dataclasses.replace(c, path=named(c.path), title=Path(name).stem if c.title == copy.stem else c.title)
            for c in found.candidates
        ),
        notes=tuple(map(named, found.notes)),
        error=named(found.error) if found.error else None,
    )


def _joined(path: Path, parts: Sequence[Examined]) -> Examined:
    """Combine the books of an archive, in order; unreadable ones become notes if others can be read."""
    errors = tuple(part.error for part in parts if part.error)
    if len(errors) == len(parts):
        return Examined(str(path), error=errors[0] if errors else f"{path}: the archive holds no books")
    return Examined(
        str(path),
        tuple(candidate for part in parts for candidate in part.candidates),
        tuple(sketched for part in parts for sketched in part.sketches),
        tuple(worth for part in parts for worth in part.worths),
        (*(note for part in parts for note in part.notes), *errors),
    )


def _examined(path: Path, rules: Rules, found: Iterable[tuple[Candidate, Piece]]) -> Examined:
    candidates: dict[str, Candidate] = {}
    sketches, worths = [], []
    for candidate, piece in found:
        key = free(f"{candidate.book}/{_slug(candidate.title)}", candidates)
        reason = reason_to_drop(piece, candidate.text, rules)
        words = count_words(candidate.text)
        candidates[key] = dataclasses.replace(candidate, id=key, words=words, reason=reason)
        # a part of a story that is too long is not a story of its own, but a part of a whole book may be
        compared = reason is None or (reason == too_long(rules) and words <= _WHOLE * rules.most)
        sketches.append(sketch(candidate.text) if compared else None)
        worths.append(worth(words, candidate.text) if compared else 0.0)
    return Examined(str(path), tuple(candidates.values()), tuple(sketches), tuple(worths))


def _rows(path: Path, book: str) -> Iterator[tuple[Candidate, Piece]]:
    """Stories of rows: `story` (or `text`, or the last answer of `messages`), optional `title`, `author`, `book` (or
    `source`), `licence`."""
    for number, (where, row) in enumerate(read_rows(path), 1):
        text = story_of(row)
        if text is None:
            raise UserError(f"{where}: has no story (a text under story or text, or an answer in messages)")
        of = str(row.get("book") or row.get("source") or book)
        title = str(row.get("title") or row.get("id") or row.get("uid") or f"story {number}")
        licence = str(row.get("licence") or row.get("license") or "")
        text = tidy(text)
        # if no line is empty, every line is a paragraph
        blocks = text_blocks(text if "\n\n" in text else text.replace("\n", "\n\n"))
        about = (tidy(title).replace("\n", " "), tidy(str(row.get("author") or "")), tidy(licence))
        yield Candidate("", tidy(of).replace("\n", " "), *about, str(path), text, 0), Piece(about[0], tuple(blocks))


def _cut(text: str, from_end: bool) -> str:
    text = " ".join(text.split())
    if len(text) <= _SHOWN:
        return text
    if from_end:
        return "…" + text[-_SHOWN:].partition(" ")[2]
    return text[:_SHOWN].rpartition(" ")[0] + "…"


def _slug(text: str) -> str:
    return re.sub(r"[^\w.]+", "-", text.casefold()).strip("-.")[:80] or "untitled"


def free(name: str, taken: Collection[str]) -> str:
    """Return a name that is not taken: the name itself, or the name with a number appended."""
    number, found = 1, name
    while found in taken:
        number += 1
        found = f"{name}-{number}"
    return found

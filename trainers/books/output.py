"""The rows of a build as Parquet, split by book, and the datasheet that describes them."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .build import Found
from .datasheet import facts_of, plot_lengths, same_works, sheet
from .exclude import Excluded
from .sources import Candidate

TRAIN, HELD_OUT = "train.parquet", "held_out.parquet"
SHEET, PLOT = "datasheet", "lengths.png"


@dataclass(frozen=True)
class Written:
    """What was written: rows by split, why kept stories gave no row, and how many have no answer yet."""

    train: int
    held_out: int
    dropped: dict[str, int]
    missing: int
    paths: tuple[Path, ...]


def write(
    folder: Path, found: Found, stories: Sequence[Candidate], outcomes: Mapping[str, Mapping[str, Any]],
    excluded: Excluded, model: str, share: float, about: Mapping[str, Any],
) -> Written:  # fmt: skip
    """Write Parquet, datasheet and plot; nothing if no story has a prompt.

    Args:
        stories: the kept ones that were asked about.
        outcomes: from `translate`.
        share: approximate share of rows to hold out; only whole books are held out.
        about: further lines of the datasheet.
    """
    rows: list[dict[str, Any]] = []
    dropped: Counter[str] = Counter()
    for story in stories:
        outcome = outcomes.get(story.id)
        if outcome is None:
            continue
        made = outcome.get("made")
        reason = outcome["reason"] if made is None else excluded.prompt(made["prompt"])
        if reason is not None:
            dropped[reason] += 1
        elif made is not None:
            rows.append(_row(story, made, str(outcome.get("by") or model)))
    missing = sum(story.id not in outcomes for story in stories)
    about = {**about, "held_out_share": share}
    together = works_together(stories)
    counts = Counter(together.get(row["source"], row["source"]) for row in rows)
    groups = held_out_books(counts, share, _sides(folder, share, together))
    held = {row["source"] for row in rows if together.get(row["source"], row["source"]) in groups}
    parts = {
        TRAIN: [row for row in rows if row["source"] not in held],
        HELD_OUT: [row for row in rows if row["source"] in held],
    }
    for name, part in parts.items():
        if part:
            _write_rows(folder / name, part)
        else:  # what an earlier call wrote is out of date
            (folder / name).unlink(missing_ok=True)
    if not rows:
        for name in (f"{SHEET}.md", f"{SHEET}.json", PLOT):
            (folder / name).unlink(missing_ok=True)
        return Written(0, 0, dict(dropped), missing, ())
    facts = facts_of(found, parts, dict(dropped.most_common()), missing, model, about)
    (folder / f"{SHEET}.json").write_text(json.dumps(facts, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    (folder / f"{SHEET}.md").write_text(sheet(facts, PLOT), encoding="utf-8")
    plot_lengths(folder / PLOT, parts)
    names = [*(name for name, part in parts.items() if part), f"{SHEET}.md", f"{SHEET}.json", PLOT]
    paths = tuple(folder / name for name in names)
    return Written(len(parts[TRAIN]), len(parts[HELD_OUT]), dict(dropped), missing, paths)


def held_out_books(counts: Mapping[str, int], share: float, sides: Mapping[str, str] | None = None) -> set[str]:
    """Choose books whose stories come closest to a share of all, in an order given by a hash of their names; never all.

    Args:
        counts: stories by book.
        share: 0 to 1; if holding out no book comes closest, none is held out.
        sides: the splits (`train` or `held_out`) of books that an earlier call has placed; they stay there.
    """
    known = {book: side for book, side in (sides or {}).items() if book in counts}
    held = {book for book, side in known.items() if side == "held_out"}
    if share <= 0 or len(counts) < 2:
        return set()
    wanted = share * sum(counts.values()) - sum(counts[book] for book in held)
    free = [book for book in counts if book not in known]
    order = sorted(free, key=lambda book: hashlib.sha256(book.encode(errors="surrogatepass")).hexdigest())
    # sets of books by their number of stories: a subset sum that keeps the first set found for each sum
    sums: dict[int, tuple[str, ...]] = {0: ()}
    for book in order:
        for total, books in list(sums.items()):
            if total + counts[book] <= 2 * wanted + max(counts.values()):
                sums.setdefault(total + counts[book], (*books, book))
    possible = [(abs(total - wanted), -total) for total, books in sums.items() if len(held) + len(books) < len(counts)]
    return held.union(sums[-min(possible)[1]] if possible else ())


def works_together(stories: Sequence[Candidate]) -> dict[str, str]:
    """Map each book to the name of its group of books that must stay together. These share a work, such as two
    translations, by title, and by author if both are known. Books that share none are not included."""
    books: dict[str, str] = {}

    def group(book: str) -> str:
        while books.get(book, book) != book:
            book = books[book]
        return book

    for works in same_works(stories):
        first, *others = sorted({group(story.book) for story in works})
        books |= dict.fromkeys((first, *others), first)
    return {book: group(book) for book in books}


def _sides(folder: Path, share: float, together: Mapping[str, str]) -> dict[str, str]:
    """Return the split that an earlier call with the same share and no missing answers gave each group of books: what
    was trained on must not be held out later."""
    try:
        facts = json.loads((folder / f"{SHEET}.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    if facts.get("held_out_share") != share or facts.get("without_an_answer_yet"):
        return {}
    placed = {book: said["split"] for book, said in facts["sources"].items() if said["split"]}
    sides: dict[str, str] = {}
    for book, side in placed.items():
        name = together.get(book, book)
        sides[name] = "train" if "train" in (side, sides.get(name)) else side
    return sides


def _row(story: Candidate, made: Mapping[str, Any], model: str) -> dict[str, Any]:
    return {
        "uid": story.id,
        "prompt": [{"role": "user", "content": made["prompt"]}],
        "story": story.text,
        "ground_truth_reasoning": made["reasoning"],
        "target_word_count": made["target_word_count"],
        "source": story.book,
        "extra_info": {"title": story.title, "author": story.author, "words": story.words,
                       "licence": story.licence, "prompt_by": model},
    }  # fmt: skip


def _write_rows(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as parquet

    text = pa.string()
    schema = pa.schema([
        ("uid", text), ("prompt", pa.list_(pa.struct([("role", text), ("content", text)]))), ("story", text),
        ("ground_truth_reasoning", text), ("target_word_count", pa.int64()), ("source", text),
        ("extra_info", pa.struct([("title", text), ("author", text), ("words", pa.int64()), ("licence", text),
                                  ("prompt_by", text)])),
    ])  # fmt: skip
    unfinished = path.with_suffix(".new")
    parquet.write_table(pa.Table.from_pylist([dict(row) for row in rows], schema=schema), unfinished)
    unfinished.replace(path)

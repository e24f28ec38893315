"""The rows of a build as Parquet, split by book, and the datasheet that says what they are."""

from __future__ import annotations

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from ...harness.length import ABOVE, BELOW, BUCKETS, bucket
from ...harness.show.figures import save, style
from ...harness.show.grid import grid, texts
from ...harness.show.render import markdown
from ...harness.words import count_words
from .build import Found, reason_kind
from .exclude import Excluded
from .sources import Candidate

TRAIN, HELD_OUT = "train.parquet", "held_out.parquet"
SHEET, PLOT = "datasheet", "lengths.png"


@dataclass(frozen=True)
class Written:
    """What was written: rows by split, why kept stories gave none, and how many have no answer yet."""

    train: int
    held_out: int
    dropped: dict[str, int]
    missing: int
    paths: tuple[Path, ...]


def write(
    folder: Path, found: Found, stories: Sequence[Candidate], outcomes: Mapping[str, Mapping[str, Any]],
    excluded: Excluded, model: str, share: float, about: Mapping[str, Any],
) -> Written:  # fmt: skip
    """Write Parquet, datasheet and plot; nothing where no story has a prompt.

    Args:
        stories: the kept ones that were asked about.
        outcomes: from `translate`.
        share: of the rows that are held out, about: whole books are.
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
    held = held_out_books(Counter(row["source"] for row in rows), share, _sides(folder, share))
    parts = {
        TRAIN: [row for row in rows if row["source"] not in held],
        HELD_OUT: [row for row in rows if row["source"] in held],
    }
    for name, part in parts.items():
        if part:
            _write_rows(folder / name, part)
        else:  # what an earlier call wrote does not hold any more
            (folder / name).unlink(missing_ok=True)
    if not rows:
        for name in (f"{SHEET}.md", f"{SHEET}.json", PLOT):
            (folder / name).unlink(missing_ok=True)
        return Written(0, 0, dict(dropped), missing, ())
    facts = _facts(found, parts, dict(dropped.most_common()), missing, model, about)
    (folder / f"{SHEET}.json").write_text(json.dumps(facts, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    (folder / f"{SHEET}.md").write_text(_sheet(facts), encoding="utf-8")
    _plot(folder / PLOT, parts)
    names = [*(name for name, part in parts.items() if part), f"{SHEET}.md", f"{SHEET}.json", PLOT]
    paths = tuple(folder / name for name in names)
    return Written(len(parts[TRAIN]), len(parts[HELD_OUT]), dict(dropped), missing, paths)


def held_out_books(counts: Mapping[str, int], share: float, sides: Mapping[str, str] | None = None) -> set[str]:
    """Books whose stories together come nearest to a share of all, from an order drawn by their names; never all.

    Args:
        counts: stories by book.
        share: 0 to 1; where no book is nearer to it than none at all, none is held out.
        sides: of books that an earlier call has placed (`train` or `held_out`), where they stay.
    """
    known = {book: side for book, side in (sides or {}).items() if book in counts}
    held = {book for book, side in known.items() if side == "held_out"}
    if share <= 0 or len(counts) < 2:
        return set()
    wanted = share * sum(counts.values()) - sum(counts[book] for book in held)
    free = [book for book in counts if book not in known]
    order = sorted(free, key=lambda book: hashlib.sha256(book.encode(errors="surrogatepass")).hexdigest())
    # the sets of books by their number of stories: a subset-sum, of which the first found of each sum is kept
    sums: dict[int, tuple[str, ...]] = {0: ()}
    for book in order:
        for total, books in list(sums.items()):
            if total + counts[book] <= 2 * wanted + max(counts.values()):
                sums.setdefault(total + counts[book], (*books, book))
    possible = [(abs(total - wanted), -total) for total, books in sums.items() if len(held) + len(books) < len(counts)]
    return held.union(sums[-min(possible)[1]] if possible else ())


def _sides(folder: Path, share: float) -> dict[str, str]:
    """Where an earlier call with the same share, which left nothing unanswered, has put each book: what was trained on
    must not be held out later."""
    try:
        facts = json.loads((folder / f"{SHEET}.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    if facts.get("held_out_share") != share or facts.get("without_an_answer_yet"):
        return {}
    return {book: said["split"] for book, said in facts["sources"].items() if said["split"]}


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


def _facts(
    found: Found, parts: Mapping[str, Sequence[Mapping[str, Any]]], dropped: Mapping[str, int], missing: int,
    model: str, about: Mapping[str, Any],
) -> dict[str, Any]:  # fmt: skip
    split = {row["source"]: name.partition(".")[0] for name, rows in parts.items() for row in rows}
    books: dict[str, dict[str, Any]] = {}
    pairs = Counter(row["source"] for rows in parts.values() for row in rows)
    per_book: dict[str, list[Candidate]] = defaultdict(list)
    for candidate in found.candidates:
        per_book[candidate.book].append(candidate)
    for book, candidates in per_book.items():
        books[book] = {
            "author": _all(c.author for c in candidates) or "–",
            "licence": _all(c.licence for c in candidates) or "not declared", "pieces": len(candidates),
            "kept": sum(c.reason is None for c in candidates), "pairs": pairs[book], "split": split.get(book),
        }  # fmt: skip
    return {
        "pairs": {name.partition(".")[0]: len(rows) for name, rows in parts.items()},
        "prompts_by": model,
        **about,
        "lengths": {name.partition(".")[0]: _lengths(rows) for name, rows in parts.items() if rows},
        "dropped": found.drops(),
        "dropped_in_back_translation": {reason_kind(reason): count for reason, count in dropped.items()},
        "without_an_answer_yet": missing,
        "edited_by_hand": found.edited,
        "sources": books,
        "unreadable": list(found.unreadable),
        "notes": list(found.notes),
    }


def _all(texts: Iterable[str]) -> str:
    return "; ".join(dict.fromkeys(text for text in texts if text))


def _lengths(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    words = [row["extra_info"]["words"] for row in rows]
    buckets = Counter(bucket(row["target_word_count"]) for row in rows)
    return {
        "story_words": {"least": min(words), "median": median(words), "most": max(words), "all": sum(words)},
        "prompt_words_median": median(count_words(row["prompt"][0]["content"]) for row in rows),
        "reasoning_words_median": median(count_words(row["ground_truth_reasoning"]) for row in rows),
        "target_buckets": {name: buckets[name] for name in (BELOW, *BUCKETS, ABOVE) if buckets[name]},
    }


def _sheet(facts: Mapping[str, Any]) -> str:
    lines = ["# Prompt–story pairs", ""]
    lines += [f"* {count} pairs in {name}" for name, count in facts["pairs"].items()]
    lines += [f"* Prompts and reasoning were written by {facts['prompts_by']}, not by people."]
    known = ("pairs", "prompts_by", "lengths", "dropped", "dropped_in_back_translation", "without_an_answer_yet",
             "edited_by_hand", "sources", "unreadable", "notes", "held_out_share")  # fmt: skip
    lines += [f"* {name.replace('_', ' ').capitalize()}: {value}" for name, value in facts.items() if name not in known]
    if facts["without_an_answer_yet"]:
        lines.append(
            f"* {facts['without_an_answer_yet']} kept stories have no prompt yet; the same command asks again."
        )
    if facts["edited_by_hand"]:
        lines.append("* The review file was edited by hand.")
    lines += ["", "No book is in both splits.", "", f"![Lengths]({PLOT})", "", "## Lengths", ""]
    lines += _table(
        ("split", "words of stories (least, median, most)", "in all", "prompt, median", "reasoning, median", "targets"),
        [
            (name, f"{s['story_words']['least']:,}, {s['story_words']['median']:,.0f}, {s['story_words']['most']:,}",
             f"{s['story_words']['all']:,}", f"{s['prompt_words_median']:.0f}", f"{s['reasoning_words_median']:.0f}",
             ", ".join(f"{bucket}: {count}" for bucket, count in s["target_buckets"].items()))
            for name, s in facts["lengths"].items()
        ],
    )  # fmt: skip
    dropped = [*facts["dropped"].items(),
               *((f"back-translation: {k}", v) for k, v in facts["dropped_in_back_translation"].items())]  # fmt: skip
    lines += ["", "## Pieces that were dropped", "", *_table(("why", "pieces"), dropped)]
    lines += ["", "## Sources", ""]
    lines += _table(
        ("book", "author", "licence", "pieces", "kept", "pairs", "split"),
        [(book, *(said[k] for k in ("author", "licence", "pieces", "kept", "pairs")), said["split"] or "–")
         for book, said in facts["sources"].items()],
    )  # fmt: skip
    for title, told in (("Could not be read", facts["unreadable"]), ("Noticed", facts["notes"])):
        if told:
            lines += ["", f"## {title}", "", *(f"* {text}" for text in told)]
    return "\n".join(lines) + "\n"


def _table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> list[str]:
    return [markdown(grid("", texts(*head), ([str(cell) for cell in row] for row in rows)))]


def _plot(path: Path, parts: Mapping[str, Sequence[Mapping[str, Any]]]) -> None:
    with style("data"):
        from matplotlib.figure import Figure
        from matplotlib.ticker import MaxNLocator

        figure = Figure(figsize=(7, 3.4))
        axes = figure.subplots()
        words = {name.partition(".")[0]: [row["extra_info"]["words"] for row in rows] for name, rows in parts.items()}
        least, most = min(map(min, filter(None, words.values()))), max(map(max, filter(None, words.values())))
        step = max(10, round((most - least) / 25 / 50) * 50)
        edges = list(range(least // step * step, most + 2 * step, step))
        axes.hist(list(words.values()), bins=edges, stacked=True, label=[n.replace("_", " ") for n in words])
        axes.set_xlabel("words in the story")
        axes.set_ylabel("stories")
        axes.yaxis.set_major_locator(MaxNLocator(integer=True))
        axes.legend()
    save(figure, path, "png")

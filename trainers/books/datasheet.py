"""The datasheet: what the data are, where they come from, and what was left out."""

from __future__ import annotations

import hashlib
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from statistics import median, quantiles
from typing import Any

from ...harness.length import ABOVE, BELOW, BUCKETS, bucket
from ...harness.show.figures import save
from ...harness.show.figures import style as plot_style
from ...harness.show.grid import grid, texts
from ...harness.show.render import markdown
from ...harness.text.style import style
from ...harness.words import count_words
from .build import TWIN, Found, reason_kind
from .filters import language_of
from .reading.contents import title_key
from .sources import Candidate

_OPENINGS = 10
_LONG = 6  # letters; a word of more is long
_SENTENCE = re.compile(r"[.!?:…]+(?=[\s\"'”’)\]]|$)")
_ANYBODY = ("", "various", "anonymous", "unknown")


def lix(text: str) -> float:
    """LIX (Björnsson 1968): words per sentence plus the percentage of words of over six letters. 0 without words."""
    words = re.findall(r"[^\W\d_]+", text)
    if not words:
        return 0.0
    sentences = max(1, len(_SENTENCE.findall(text)))
    return len(words) / sentences + 100 * sum(len(word) > _LONG for word in words) / len(words)


def same_works(stories: Sequence[Candidate]) -> Iterator[list[Candidate]]:
    """Yield stories from several books with the same title, and the same author if both books name one."""
    by_title: dict[str, list[Candidate]] = defaultdict(list)
    for story in stories:
        by_title[title_key(story.title)].append(story)
    for title, same in by_title.items():
        groups: list[list[Candidate]] = []
        for story in same:
            fits = next((g for g in groups if all(_one_author(title, story, other) for other in g)), None)
            if fits is None:
                groups.append([story])
            else:
                fits.append(story)
        yield from (group for group in groups if len({story.book for story in group}) > 1)


def _one_author(title: str, one: Candidate, other: Candidate) -> bool:
    names = [story.author.casefold().strip() for story in (one, other)]
    if any(name in _ANYBODY for name in names):
        return len(title.split()) > 1  # “The Ghost” may be anybody's
    words = [set(re.findall(r"[^\W\d_]{3,}", name)) for name in names]
    return bool(words[0] & words[1])


def facts_of(
    found: Found, parts: Mapping[str, Sequence[Mapping[str, Any]]], dropped: Mapping[str, int], missing: int,
    model: str, about: Mapping[str, Any],
) -> dict[str, Any]:  # fmt: skip
    """Return the facts for the datasheet, as plain data."""
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
            "dropped": dict(Counter(reason_kind(c.reason) for c in candidates if c.reason is not None).most_common()),
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
        "languages": _languages(found.candidates),
        "near_duplicates": _clusters(found.candidates),
        "works_in_several_books": [
            {"title": works[0].title, "stories": [story.id for story in works]} for works in same_works(found.kept)
        ],
        "openings": [{"id": c.id, "title": c.title, "words": c.words, "opening": c.first} for c in _some(found.kept)],
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
        "readability_lix": _quartiles([lix(row["story"]) for row in rows]),
        "dialogue_share": _quartiles([style(row["story"])["dialogue"] for row in rows]),
        "prompt_words_median": median(count_words(row["prompt"][0]["content"]) for row in rows),
        "reasoning_words_median": median(count_words(row["ground_truth_reasoning"]) for row in rows),
        "target_buckets": {name: buckets[name] for name in (BELOW, *BUCKETS, ABOVE) if buckets[name]},
    }


def sheet(facts: Mapping[str, Any], plot: str) -> str:
    """The datasheet as Markdown, with the plot of lengths."""
    lines = ["# Prompt–story pairs", ""]
    lines += [f"* {count} pairs in {name}" for name, count in facts["pairs"].items()]
    lines += [f"* Prompts and reasoning were written by {facts['prompts_by']}, not by people."]
    known = ("pairs", "prompts_by", "lengths", "dropped", "dropped_in_back_translation", "without_an_answer_yet",
             "edited_by_hand", "sources", "unreadable", "notes", "held_out_share", "languages", "near_duplicates",
             "works_in_several_books", "openings")  # fmt: skip
    lines += [f"* {name.replace('_', ' ').capitalize()}: {value}" for name, value in facts.items() if name not in known]
    if facts["without_an_answer_yet"]:
        lines.append(
            f"* {facts['without_an_answer_yet']} kept stories have no prompt yet; the same command asks again."
        )
    if facts["edited_by_hand"]:
        lines.append("* The review file was edited by hand.")
    lines += ["", "No book is in both splits.", "", f"![Lengths]({plot})", "", "## Lengths", ""]
    lines += _table(
        ("split", "words of stories (least, median, most)", "in all", "prompt, median", "reasoning, median", "targets"),
        [
            (name, f"{s['story_words']['least']:,}, {s['story_words']['median']:,.0f}, {s['story_words']['most']:,}",
             f"{s['story_words']['all']:,}", f"{s['prompt_words_median']:.0f}", f"{s['reasoning_words_median']:.0f}",
             ", ".join(f"{bucket}: {count}" for bucket, count in s["target_buckets"].items()))
            for name, s in facts["lengths"].items()
        ],
    )  # fmt: skip
    legend = (
        "First quartile, median and third quartile of the stories. LIX (Björnsson 1968) is words per sentence plus the "
        "percentage of words of over six letters: about 25 for children's books, 40 for newspapers. Dialogue is the "
        "share of words in quotation marks."
    )
    lines += ["", "## What the stories are like", "", legend, ""]
    lines += _table(("split", "LIX", "dialogue"), [
        (name, " · ".join(f"{value:.0f}" for value in s["readability_lix"]),
         " · ".join(f"{100 * value:.0f} %" for value in s["dialogue_share"])) for name, s in facts["lengths"].items()
    ])  # fmt: skip
    spoken = ", ".join(f"{code}: {count}" for code, count in facts["languages"].items())
    lines += ["", f"Languages of the kept stories and of those dropped for their language: {spoken}."]
    dropped = [*facts["dropped"].items(),
               *((f"back-translation: {k}", v) for k, v in facts["dropped_in_back_translation"].items())]  # fmt: skip
    lines += ["", "## Pieces that were dropped", "", *_table(("why", "pieces"), dropped)]
    if facts["near_duplicates"]:
        lines += ["", "## Near-duplicates", ""]
        lines += _table(("kept", "left out"), [(k, ", ".join(v)) for k, v in facts["near_duplicates"].items()])
    if facts["works_in_several_books"]:
        told = "By title and author, such as translations of one story. Their books are in the same split."
        lines += ["", "## The same work in several books", "", told, ""]
        works = facts["works_in_several_books"]
        lines += _table(("title", "stories"), [(work["title"], ", ".join(work["stories"])) for work in works])
    lines += ["", "## Ten openings, drawn at random", ""]
    lines += _table(("story", "words", "opening"), [(o["title"], o["words"], o["opening"]) for o in facts["openings"]])
    lines += ["", "## Sources", ""]
    lines += _table(
        ("book", "author", "licence", "pieces", "kept", "pairs", "split", "dropped because"),
        [(book, *(said[k] for k in ("author", "licence", "pieces", "kept", "pairs")), said["split"] or "–",
          ", ".join(f"{reason}: {count}" for reason, count in said["dropped"].items()) or "–")
         for book, said in facts["sources"].items()],
    )  # fmt: skip
    for title, told in (("Could not be read", facts["unreadable"]), ("Noticed", facts["notes"])):
        if told:
            lines += ["", f"## {title}", "", *(f"* {text}" for text in told)]
    return "\n".join(lines) + "\n"


def _table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> list[str]:
    return [markdown(grid("", texts(*head), ([str(cell) for cell in row] for row in rows)))]


def plot_lengths(path: Path, parts: Mapping[str, Sequence[Mapping[str, Any]]]) -> None:
    """A histogram of the stories' lengths by split."""
    with plot_style("data"):
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


def _clusters(candidates: Iterable[Candidate]) -> dict[str, list[str]]:
    """Map each kept story to its near-duplicates that were left out."""
    found: dict[str, list[str]] = defaultdict(list)
    for candidate in candidates:
        if (candidate.reason or "").startswith(TWIN):
            found[(candidate.reason or "").removeprefix(TWIN)].append(candidate.id)
    return dict(found)


def _languages(candidates: Iterable[Candidate]) -> dict[str, int]:
    said = (c for c in candidates if c.reason is None or c.reason.startswith("not in language"))
    return dict(Counter(language_of(candidate.text) for candidate in said).most_common())


def _some(kept: Sequence[Candidate]) -> list[Candidate]:
    """Pick ten stories by a hash of their ids, so that the same build shows the same ones."""
    order = sorted(kept, key=lambda story: hashlib.sha256(story.id.encode(errors="surrogatepass")).hexdigest())
    return order[:_OPENINGS]


def _quartiles(values: Sequence[float]) -> list[float]:
    found = quantiles(values, n=4, method="inclusive") if len(values) > 1 else [values[0]] * 3
    return [round(value, 3) for value in found]

"""The tables of a leaderboard, as grids."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import pandas as pd

from ..show.grid import Grid, Head, grid, model_head, numbers, texts
from ..show.numbers import NONE, bounds, dollars, natural, number, over_bounds, probability, ranked, share
from ..stats.intervals import Interval
from .comparison import Comparison, Row
from .lens import BUCKET_ORDER, SPLIT_ORDER, Cell
from .published import Published
from .rows import StoryRow

_FLAGS = {"length-runaway": " ▲", "under-generation": " ▼"}
# what the columns mean, by their headings
LEGEND = {
    "score": "mean, with its 95 % interval below (bootstrap over prompts)",
    "rank": "place by score, and letters: models that have a letter in common are not told apart by the paired tests, "
    "all others are",
    "released": "the variant of the score that was published",
    "uniform": "a variant of the score that was published",
    "S_L": "length score",
    "combined": "score times S_L / 100",
    "slope": "points of score per length bucket",
    "/1k": "slope per 1,000 words asked for",
    "length": "words written per word asked for",
    "area": "quality times length adherence over the six buckets (0 to 100)",
    "words": "words per story",
    "reasoning": "words of reasoning per story, not counted in its words",
    "slop": "stock words and phrases of language models per 1,000 words (English)",
    "diversity": "distinct words in windows of 100 (moving-average type-token ratio, 0 to 1)",
    "sentences": "variation in sentence length: standard deviation of words per sentence, divided by the mean",
    "repet.": "repetition penalty (0 to 1.5)",
    "cut": "share of stories without a natural end",
    "cover.": "share of stories that have a score",
    "$": "US dollars per story at list prices, writing and judging (j: judging only)",
}


def overview_grid(sections: Sequence[Comparison]) -> Grid:
    """One row per model, one column per benchmark and judge; length and slope of the first that asks for lengths."""
    lengths = next((section for section in sections if section.by_length), None)
    title = "All benchmarks: score (coverage), 95 % interval, rank"
    if lengths is not None:
        title += f"; length and slope are those of {lengths.title}"
    heads = [model_head(row.model for section in sections for row in section.rows)]
    for section in sections:
        alike = [other for other in sections if (other.benchmark, other.judge) == (section.benchmark, section.judge)]
        which = f"\n{section.prompts}" if len(alike) > 1 else ""
        heads += numbers(f"{section.title}\n{section.scale}\n{section.marked_judge}\n{section.rubric}{which}")
    heads += numbers(*(("length", "slope") if lengths is not None else ()), "$")
    writers = dict.fromkeys((row.model, row.overrides) for section in sections for row in section.rows)
    rows = []
    for model, overrides in writers:
        several = sum(name == model for name, _ in writers) > 1
        found = [[r for r in s.rows if (r.model, r.overrides) == (model, overrides)] for s in sections]
        cells = ["\n".join(map(_overview_cell, part)) or NONE for part in found]
        if lengths is not None:
            same = [part for s, part in zip(sections, found, strict=True) if s.benchmark == lengths.benchmark and part]
            own = found[sections.index(lengths)]
            cells.append("\n".join(_length(row, 0, 2) for row in same[0]) if same else NONE)
            cells.append("\n".join(_length(row, 1, 1) for row in own) or NONE)
        cells.append(_cost([row for part in found for row in part]))
        rows.append([model + (f"\n  {overrides or 'usual settings'}" if several else ""), *cells])
    return grid(title, heads, rows, main=True)


def summary_grid(heading: str, rows: Sequence[StoryRow], side: Mapping[str, str], by_length: bool) -> Grid:
    """The models of a section, one row each; `side` has the headings of the rubric's further scores."""
    heads = [*texts("rank"), model_head(row.model for row in rows)]
    heads += numbers("score", *side.values(), *(("slope", "/1k", "length", "area") if by_length else ()))
    heads += numbers("words", "repet.", "cut", "cover.", "$", "stories")
    return grid(heading, heads, (_summary(row, side, by_length) for row in rows), main=True)


def _summary(row: StoryRow, side: Mapping[str, str], by_length: bool) -> list[str]:
    without = f"\n{number(row.score_without_empty)} without {row.empty} empty" if row.empty else ""
    settings = f"\n  {row.settings}" if row.label != row.model else ""
    raised = "".join(mark for flag, mark in _FLAGS.items() if "all" in row.flags.get(flag, ()))
    scored = row.stories - row.unscored - row.refused - row.error - row.missing
    some = f"\n{row.asked} of {scored}" if row.asked < scored else ""
    slopes = [over_bounds(row.slope), over_bounds(row.slope_per_1000)]
    lengths = [*slopes, over_bounds(row.ratio, 2, raised) + some, over_bounds(row.area)]
    return [
        ranked(row.rank),
        row.model + settings,
        over_bounds(row.score) + without,
        *(number(row.side.get(name)) for name in side),
        *(lengths if by_length else ()),
        number(row.words, 0),
        number(row.repetition, 2),
        share(row.truncated),
        share(row.coverage),
        _cost([row]),
        str(row.stories),
    ]


def surface_grid(rows: Sequence[StoryRow]) -> Grid | None:
    """The measures counted without a judge, or None if there are none."""
    columns: dict[str, tuple[Callable[[StoryRow], float], int]] = {
        "words": (lambda row: row.words, 0),
        "reasoning": (lambda row: row.reasoning_words or math.nan, 0),
        "slop": (lambda row: row.slop, 1),
        "diversity": (lambda row: row.diversity, 2),
        "sentences": (lambda row: row.sentence_variety, 2),
    }
    shown = {name: (of, n) for name, (of, n) in columns.items() if not all(math.isnan(of(row)) for row in rows)}
    if not shown:
        return None
    heads = [model_head(row.label for row in rows), *numbers(*shown)]
    lines = ([row.label, *(number(of(row), digits) for of, digits in shown.values())] for row in rows)
    return grid("Counted without a judge", heads, lines)


def published_grid(
    rows: Sequence[StoryRow], published: Sequence[Published], metric: str, heading: str, proxy: bool
) -> Grid | None:
    """The published score (`metric`, under the heading `heading`), for the models here (each marked if the judge is a
    proxy) and, below a rule, as published; None if nothing was published."""
    columns: dict[str, tuple[Callable[[StoryRow], float], Callable[[Published], float], int]] = {
        heading: (
            lambda row: row.score.value if metric == "score" else row.side.get(metric, math.nan),
            lambda row: row.score,
            1,
        ),
        **{split: _split(split) for split in SPLIT_ORDER},
        "slope": (lambda row: row.slope.value, lambda row: row.slope, 1),
        "length": (lambda row: row.ratio.value, lambda row: row.ratio, 2),
    }
    shown = {name: parts for name, parts in columns.items() if not all(math.isnan(parts[1](p)) for p in published)}
    if not shown:
        return None
    mark = "PROXY " if proxy else ""
    own = [[mark + row.label, *(number(mine(row), digits) for mine, _, digits in shown.values())] for row in rows]
    theirs = [
        [f"{row.model} (published)", *(number(of(row), digits) for _, of, digits in shown.values())]
        for row in published
    ]  # fmt: skip
    heads = [model_head(mark + row.model for row in rows), *numbers(*shown)]
    return grid(f"Compared with published numbers ({heading})", heads, own).and_rows(theirs, faint=True)


def _split(name: str) -> tuple[Callable[[StoryRow], float], Callable[[Published], float], int]:
    def mine(row: StoryRow) -> float:
        return row.splits[name].published if name in row.splits else math.nan

    return mine, lambda row: row.splits.get(name, math.nan), 1


def bucket_grid(rows: Sequence[StoryRow]) -> Grid | None:
    """Score and length ratio by length bucket and split, or None if no story was asked for a length."""
    names = [name for name in BUCKET_ORDER if any(name in row.buckets for row in rows)]
    splits = [name for name in SPLIT_ORDER if any(name in row.splits for row in rows)]
    if not names:
        return None
    found = grid("By requested length (words)", [*texts("model", ""), *numbers(*names, *splits)], ())
    for row in rows:
        cells = [*(row.buckets.get(name) for name in names), *(row.splits.get(name) for name in splits)]
        lines = {
            "score": [number(cell.score.value) if cell else "" for cell in cells],
            "95 %": [bounds(cell.score, 0) if cell else "" for cell in cells],
            "length": [number(cell.ratio.value, 2) + _FLAGS.get(cell.flag or "", "") if cell else "" for cell in cells],
            "stories (cut)": [_count(cell) if cell else "" for cell in cells],
        }
        named = enumerate(lines.items())
        found = found.and_rows(
            ([row.label if not place else "", name, *line] for place, (name, line) in named), end=True
        )
    return found


def pairs_grid(pairs: pd.DataFrame) -> Grid | None:
    """Every two models compared on their common prompts or matches, or None for a single model."""
    if pairs.empty:
        return None
    met = "prompts" if "prompts" in pairs else "matches"
    heads = [*texts("model", "minus"), *numbers("difference", "95 %", "p", "p (Holm)", met)]
    rows = []
    for pair in pairs.to_dict("records"):
        interval = Interval(pair["difference"], pair["low"], pair["high"])
        told = [f"{pair['difference']:+.1f}", bounds(interval), probability(pair["p"]), probability(pair["p_holm"])]
        rows.append([str(pair["a"]), str(pair["b"]), *told, str(pair[met])])
    return grid("Differences between all pairs of models", heads, rows)


def detail_grids(rows: Sequence[StoryRow], names: Mapping[str, str]) -> list[Grid]:
    """Mean mark per criterion, and score per category, one column per model; `names` are those of the criteria."""
    criteria = dict.fromkeys(name for row in rows for name in row.criteria)
    categories = sorted({name for row in rows for name in row.categories}, key=natural)
    heads = [Head(""), *numbers(*(row.label for row in rows))]
    by_criterion = ([names.get(name, name), *(number(row.criteria.get(name)) for row in rows)] for name in criteria)
    by_category = ([name, *(_category(row, name) for row in rows)] for name in categories)
    found = {"By criterion (mean mark)": by_criterion, "By category (score, stories)": by_category}
    return [made for title, cells in found.items() if (made := grid(title, heads, cells)).rows]


def _category(row: StoryRow, name: str) -> str:
    found = row.categories.get(name)
    return NONE if found is None else f"{number(found.score.value)} ({found.stories})"


def _overview_cell(row: Row) -> str:
    return f"{number(row.score.value)} ({share(row.coverage)})\n{bounds(row.score)}\n{ranked(row.rank)}"


def _length(row: Row, place: int, digits: int) -> str:
    return number(row.lengths[place] if row.lengths else None, digits)


def _cost(rows: Sequence[Row]) -> str:
    """Dollars per story, over all stories of the rows."""
    known = [spent for row in rows if (spent := row.spent) is not None]
    for which, mark in ((0, ""), (1, " j")):
        if known and not any(math.isnan(spent[which]) for spent in known):
            return dollars(sum(spent[which] * spent[2] for spent in known) / sum(n for *_, n in known)) + mark
    return NONE


def _count(cell: Cell) -> str:
    cut = 0 if math.isnan(cell.truncated) else round(cell.truncated * cell.stories)
    return f"{cell.stories} ({cut})"

"""Compare two models, runs or training steps by benchmark, length bucket and criterion, prompt by prompt."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from ..errors import UserError
from ..judge.named import marked
from ..logs.rubrics import rubric_for
from ..logs.sides import HELD_OUT
from ..logs.table import KEYS, SCORED
from ..show.grid import Grid, grid, numbers, texts
from ..show.numbers import NONE, bounds, number, probability
from ..stats.compare import compare_pairs, holm
from ..stats.intervals import ALPHA, Interval
from .lens import BUCKET_ORDER

A, B = "A", "B"
_CHANGED = 5  # number of prompts shown
_ALSO = {
    "ratio": "words per word asked for",
    "words": "words",
    "repetition": "repetition",
    "slop": "slop per 1,000 words",
    "diversity": "vocabulary diversity",
    "sentence_variety": "sentence variety",
}


@dataclass(frozen=True)
class Difference:
    """B minus A in one measure over the prompts that both have: the means, and the mean difference with its interval
    and the p of the paired sign-flip test."""

    measure: str
    prompts: int
    a: float
    b: float
    difference: Interval
    p: float


@dataclass(frozen=True)
class Changed:
    """A prompt whose score changed: its mean score on both sides, and its stories (those of A first), each by its
    `log`, `id` and `epoch`."""

    prompt: str
    a: float
    b: float
    stories: Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Change:
    """B compared with A on one benchmark, judge, rubric and prompt set, whose `name` tells it from the others.

    `p_holm` is corrected over all of them. `unscored`: the stories of A and of B that have no score and are left out.
    """

    name: str
    benchmark: str
    judge: str
    rubric: str
    prompts: str
    unscored: tuple[int, int]
    score: Difference
    p_holm: float
    by_bucket: Sequence[Difference]
    by_measure: Sequence[Difference]
    changed: Sequence[Changed]

    @property
    def verdict(self) -> str:
        """`better`, `worse`, or `not told apart` if the corrected p is not below 0.05."""
        if not self.p_holm < ALPHA:
            return "not told apart"
        return "better" if self.score.difference.value > 0 else "worse"


@dataclass(frozen=True)
class Outcome:
    """B compared with A wherever both were judged alike; `only_a`, `only_b`: what just one side was judged on."""

    changes: Sequence[Change]
    only_a: Sequence[str]
    only_b: Sequence[str]

    @property
    def notes(self) -> list[str]:
        """What the comparison leaves out."""
        notes = [
            f"{which} alone was judged on {', '.join(names)}"
            for which, names in ((A, self.only_a), (B, self.only_b))
            if names
        ]
        for change in self.changes:
            if any(change.unscored):
                a, b = change.unscored
                notes.append(f"{change.name}: left out without a score: {a} of A's stories, {b} of B's")
        return notes


def compare(a: pd.DataFrame, b: pd.DataFrame) -> Outcome:
    """Compare B with A wherever benchmark, judge, rubric and prompts are the same.

    Raises:
        UserError: A and B have nothing comparable.
    """
    keys = [*KEYS, "gate"]
    there = [[key for key, _ in frame.groupby(keys)] for frame in (a, b)]
    shared = [key for key in there[0] if key in there[1]]
    if not shared:
        told = [" on ".join(sorted({*frame["judge"]} | {*frame["benchmark"]})) for frame in (a, b)]
        raise UserError(
            f"A and B have no benchmark, judge, rubric and prompts in common ({told[0]}; {told[1]}): "
            "first judge both in the same way"
        )
    found = [_change(_of(a, keys, key), _of(b, keys, key)) for key in shared]
    names = _names([[*key] for key in shared])
    corrected = holm([change.score.p for change in found])
    changes = [replace(c, name=name, p_holm=float(p)) for c, name, p in zip(found, names, corrected, strict=True)]
    alone = [[str(key[0]) for key in mine if key not in others] for mine, others in (there, there[::-1])]
    return Outcome(changes, *alone)


def change_grids(found: Outcome, a: str, b: str, titles: Mapping[tuple[str, str], str]) -> list[Grid]:
    """The main table, then each benchmark's measures and the prompts that changed most.

    `titles` are those of the prompts, by the change's name and the prompt's id.
    """
    parts = [grid for c in found.changes for grid in (measures_grid(c), changed_grid(c, titles)) if grid.rows]
    return [main_grid(found, a, b), *parts]


def main_grid(found: Outcome, a: str, b: str) -> Grid:
    """One row per benchmark: both means, the difference and the verdict."""
    heads = [*texts("benchmark"), *numbers("A", "B", "B − A", "95 %", "p (Holm)", "prompts"), *texts("B is")]
    rows = (
        [c.name, *_cells(c.score)[:4], probability(c.p_holm), str(c.score.prompts), c.verdict] for c in found.changes
    )
    judged = (f"{c.name}: judged by {marked(c.judge)} on the rubric {c.rubric}" for c in found.changes)
    notes = (*judged, *found.notes)
    return replace(grid(f"A: {a}\nB: {b}", heads, rows, main=True), notes=notes)


def measures_grid(change: Change) -> Grid:
    """One row per length bucket, measure and criterion of a benchmark."""
    heads = [*texts("measure"), *numbers("A", "B", "B − A", "95 %", "p", "prompts")]
    rows = ([d.measure, *_cells(d), str(d.prompts)] for d in (*change.by_bucket, *change.by_measure))
    return grid(f"{change.name}: by length and measure (p not corrected)", heads, rows)


def changed_grid(change: Change, titles: Mapping[tuple[str, str], str]) -> Grid:
    """The prompts that changed most, by title."""
    heads = [*texts("prompt"), *numbers("A", "B", "B − A")]
    rows = ([titles[change.name, c.prompt], number(c.a), number(c.b), f"{c.b - c.a:+.1f}"] for c in change.changed)
    return grid(f"{change.name}: the prompts that changed most", heads, rows)


def _names(keys: Sequence[Sequence[Any]]) -> list[str]:
    """The names of benchmarks; where one was judged in several ways, with what differs."""
    names = []
    for key in keys:
        alike = [other for other in keys if other[0] == key[0]]
        differs = [str(part)[:24] for place, part in enumerate(key) if any(other[place] != part for other in alike)]
        names.append(str(key[0]) + (f" ({', '.join(differs)})" if differs else ""))
    return names


def _of(frame: pd.DataFrame, keys: Sequence[str], key: Any) -> pd.DataFrame:
    same = (frame[list(keys)].astype(object) == list(key)).all(axis=1)
    return frame[same]


def _change(a: pd.DataFrame, b: pd.DataFrame) -> Change:
    every, first = (a, b), a.iloc[0]
    a, b = (frame[frame["status"].isin(SCORED)] for frame in every)
    measures = _measures(a, first["benchmark"])
    buckets = [name for name in BUCKET_ORDER if "bucket" in a and (a["bucket"] == name).any()]
    return Change(
        name="",
        benchmark=str(first["benchmark"]),
        judge=str(first["judge"]),
        rubric=f"{first['rubric']} {first['rubric_digest'][:8]}".strip(),
        prompts=f"{first['prompts']} {first['prompts_digest'][:8]}".strip(),
        unscored=(len(every[0]) - len(a), len(every[1]) - len(b)),
        score=_difference("score", a, b, "score"),
        p_holm=float("nan"),
        by_bucket=[
            _difference(f"score, {name} words", a[a["bucket"] == name], b[b["bucket"] == name], "score")
            for name in buckets
        ],
        by_measure=[_difference(told, a, b, column) for column, told in measures.items() if column in b],
        changed=list(_changed(a, b)),
    )


def _measures(frame: pd.DataFrame, benchmark: str) -> dict[str, str]:
    known = {name: told for name, told in _ALSO.items() if name in frame and frame[name].notna().any()}
    if benchmark == HELD_OUT:
        return {name: name.replace("_", " ") for name in frame.attrs["measures"]}
    rubric = rubric_for(frame)
    names = {d.id: d.id if d.id == d.name else f"{d.id} {d.name}" for d in rubric.dimensions}
    marks = {name: names.get(name, name) for name in rubric.mark_names if name in frame and not frame["proxy"].any()}
    return {**known, **marks}


def _difference(measure: str, a: pd.DataFrame, b: pd.DataFrame, column: str) -> Difference:
    means = [frame.groupby("prompt_id")[column].mean().astype(float) for frame in (b, a)]
    table = pd.concat(means, axis=1, keys=[B, A]).dropna()
    if table.empty:
        return Difference(measure, 0, float("nan"), float("nan"), Interval(*[float("nan")] * 3), float("nan"))
    (pair,) = compare_pairs(table).to_dict("records")
    found = Interval(pair["difference"], pair["low"], pair["high"])
    return Difference(measure, len(table), float(table[A].mean()), float(table[B].mean()), found, float(pair["p"]))


def _changed(a: pd.DataFrame, b: pd.DataFrame) -> Iterator[Changed]:
    means = [frame.groupby("prompt_id")["score"].mean().astype(float) for frame in (a, b)]
    table = pd.concat(means, axis=1, keys=[A, B]).dropna()
    table = table[table[A] != table[B]]
    order = (table[B] - table[A]).abs().sort_values(ascending=False, kind="stable").index[:_CHANGED]
    for prompt in order:
        rows = (frame[frame["prompt_id"] == prompt].to_dict("records") for frame in (a, b))
        stories = [{key: row[key] for key in ("log", "id", "epoch")} for part in rows for row in part]
        yield Changed(str(prompt), float(table[A][prompt]), float(table[B][prompt]), stories)


def _cells(found: Difference) -> list[str]:
    digits = 1 if max(abs(found.a), abs(found.b)) >= 10 else 3
    value = found.difference
    told = NONE if value.value != value.value else f"{value.value:+.{digits}f}"
    return [number(found.a, digits), number(found.b, digits), told, bounds(value, digits), probability(found.p)]

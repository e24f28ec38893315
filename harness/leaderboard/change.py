"""Compare two models, runs or training steps by benchmark, length bucket and criterion, prompt by prompt."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from ..errors import UserError
from ..judge.named import marked
from ..logs.headers import log_files
from ..logs.rubrics import rubric_for
from ..logs.table import KEYS, SCORED, stories_frame
from ..show.grid import Grid, grid, numbers, texts
from ..show.numbers import NONE, bounds, number, probability
from ..stats.compare import compare_pairs, holm
from ..stats.intervals import ALPHA, Interval
from .lens import BUCKET_ORDER

A, B = "A", "B"
HELD_OUT = "held out"
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
    """B compared with A on one benchmark, judge, rubric and prompt set. `p_holm` is corrected over all benchmarks."""

    benchmark: str
    judge: str
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


def side(place: str, logs: Sequence[str], name: str) -> pd.DataFrame:
    """Return the scored stories of a model in the logs, of a log or log folder, or of a training run's file of held-out
    stories.

    Raises:
        UserError: no such model or path, or the path has stories of several models.
    """
    path = Path(place)
    if path.suffix == ".jsonl" and path.is_file():
        return _held_out(path)
    if "://" in place or path.exists():
        frame = stories_frame(log_files([place]))
        if frame["model"].nunique() > 1:
            models = ", ".join(sorted(frame["model"].unique()))
            raise UserError(
                f"{name} {place}: contains stories of several models ({models}); name one, with --logs {place}"
            )
    else:
        frame = stories_frame(log_files(logs))
        known = sorted(frame["model"].unique())
        if place not in known:
            raise UserError(f"{name} {place}: no such file, folder, or model in these logs; known: {', '.join(known)}")
        frame = frame[frame["model"] == place]
    scored = frame[frame["status"].isin(SCORED)]
    return scored.assign(score_label=scored["label"], label=scored["model"])


def compare(a: pd.DataFrame, b: pd.DataFrame) -> list[Change]:
    """Compare B with A wherever benchmark, judge, rubric and prompts are the same.

    Raises:
        UserError: A and B have nothing comparable.
    """
    keys = [*KEYS, "gate"]
    shared = [key for key, _ in a.groupby(keys) if len(_of(b, keys, key))]
    if not shared:
        told = [" on ".join(sorted({*frame["judge"]} | {*frame["benchmark"]})) for frame in (a, b)]
        raise UserError(
            f"A and B have no benchmark, judge, rubric and prompts in common ({told[0]}; {told[1]}): "
            "first judge both in the same way"
        )
    found = [_change(_of(a, keys, key), _of(b, keys, key)) for key in shared]
    corrected = holm([change.score.p for change in found])
    return [
        Change(c.benchmark, c.judge, c.score, float(p), c.by_bucket, c.by_measure, c.changed)
        for c, p in zip(found, corrected, strict=True)
    ]


def change_grids(found: Sequence[Change], a: str, b: str, titles: Mapping[str, str]) -> list[Grid]:
    """The main table, then each benchmark's measures and the prompts that changed most, by title."""
    parts = [grid for c in found for grid in (measures_grid(c), changed_grid(c, titles)) if grid.rows]
    return [main_grid(found, a, b), *parts]


def main_grid(found: Sequence[Change], a: str, b: str) -> Grid:
    """One row per benchmark: both means, the difference and the verdict."""
    heads = [*texts("benchmark"), *numbers("A", "B", "B − A", "95 %", "p (Holm)", "prompts"), *texts("B is")]
    rows = ([c.benchmark, *_cells(c.score)[:4], probability(c.p_holm), str(c.score.prompts), c.verdict] for c in found)
    notes = tuple(f"{change.benchmark}: judged by {marked(change.judge)}" for change in found)
    return replace(grid(f"A: {a}\nB: {b}", heads, rows, main=True), notes=notes)


def measures_grid(change: Change) -> Grid:
    """One row per length bucket, measure and criterion of a benchmark."""
    heads = [*texts("measure"), *numbers("A", "B", "B − A", "95 %", "p", "prompts")]
    rows = ([d.measure, *_cells(d), str(d.prompts)] for d in (*change.by_bucket, *change.by_measure))
    return grid(f"{change.benchmark}: by length and measure (p not corrected)", heads, rows)


def changed_grid(change: Change, titles: Mapping[str, str]) -> Grid:
    """The prompts that changed most, by title."""
    heads = [*texts("prompt"), *numbers("A", "B", "B − A")]
    rows = ([titles[c.prompt], number(c.a), number(c.b), f"{c.b - c.a:+.1f}"] for c in change.changed)
    return grid(f"{change.benchmark}: the prompts that changed most", heads, rows)


def _of(frame: pd.DataFrame, keys: Sequence[str], key: Any) -> pd.DataFrame:
    same = (frame[list(keys)].astype(object) == list(key)).all(axis=1)
    return frame[same]


def _change(a: pd.DataFrame, b: pd.DataFrame) -> Change:
    first = a.iloc[0]
    measures = _measures(a, first["benchmark"])
    buckets = [name for name in BUCKET_ORDER if "bucket" in a and (a["bucket"] == name).any()]
    return Change(
        benchmark=str(first["benchmark"]),
        judge=str(first["judge"]),
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


def _held_out(path: Path) -> pd.DataFrame:
    """Read the held-out stories of one step: the run's measures of each, with the reward as the score."""
    rows = []
    names: dict[str, None] = {}
    for number_, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        try:
            record = json.loads(line)
            told: Mapping[str, Any] = record["metadata"]
            measured = {k: float(v) for k, v in told.items() if isinstance(v, int | float) and not isinstance(v, bool)}
            names_ = {"id": record["id"], "prompt_id": record["id"], "model": record["model"], "label": record["model"]}
            rows.append({**measured, **names_, "prompt": record["prompt"], "story": record["story"]})
            names |= dict.fromkeys(measured)
        except (ValueError, KeyError, TypeError, AttributeError):
            raise UserError(f"{path}, line {number_}: not a held-out story of a training run") from None
    frame = pd.DataFrame(rows)
    if "reward" not in frame:
        raise UserError(f"{path}: not held-out stories of a training run (no reward); for other stories, give logs")
    frame = frame.assign(score=frame["reward"], status="scored", log=str(path), epoch=1, proxy=False, gate=False)
    frame = frame.assign(**dict.fromkeys(KEYS, "") | {"benchmark": HELD_OUT, "judge": "the run's held-out judge"})
    frame.attrs["measures"] = [name for name in names if name != "reward"]
    return frame.dropna(subset="score")


def _cells(found: Difference) -> list[str]:
    digits = 1 if max(abs(found.a), abs(found.b)) >= 10 else 3
    value = found.difference
    told = NONE if value.value != value.value else f"{value.value:+.{digits}f}"
    return [number(found.a, digits), number(found.b, digits), told, bounds(value, digits), probability(found.p)]

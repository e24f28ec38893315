"""Rows of a leaderboard: the results of one model's stories on one benchmark."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from ...rubrics import Rubric
from ..logs.table import SCORED
from ..stats.intervals import NOTHING, Interval, mean_interval, spearman_interval
from .comparison import Row
from .lens import Cell, length_lens


@dataclass(frozen=True)
class Category:
    """Stories of one category of prompts: their number, score, and the means of the rubric's further scores."""

    stories: int
    score: Interval
    side: Mapping[str, float]


@dataclass(frozen=True, kw_only=True)
class StoryRow(Row):
    """A model's results, from the marks of its stories.

    `stories` is the number requested; `refused`, `unscored`, `error` and `missing` of these have no score. `asked` is
    the number of scored stories with a requested length. `side` has the means of the rubric's further scores,
    `criteria` those of its marks (none for a proxy, whose marks are one number). The other fields are means over
    scored stories, intervals over prompts, and the fields of `lens.Lens`. Dollars are per story.
    """

    stories: int
    asked: int
    refused: int
    unscored: int
    error: int
    missing: int
    score_without_empty: float
    side: Mapping[str, float]
    words: float
    reasoning_words: float
    length_score: float
    repetition: float
    slop: float
    diversity: float
    sentence_variety: float
    truncated: float
    quotes_found: float
    quotes_missing: float
    misadded: float
    rated: float
    cost: float
    cost_writing: float
    cost_judging: float
    ratio: Interval
    slope: Interval
    slope_per_1000: Interval
    area: Interval
    length_correlation: Interval
    buckets: Mapping[str, Cell]
    splits: Mapping[str, Cell]
    flags: Mapping[str, tuple[str, ...]]
    categories: Mapping[str, Category]
    criteria: Mapping[str, float]

    @property
    def spent(self) -> tuple[float, float, int]:
        return self.cost, self.cost_judging, self.stories

    @property
    def lengths(self) -> tuple[float, float] | None:
        return (self.ratio.value, self.slope.value) if self.buckets else None

    def flat(self) -> dict[str, Any]:
        return {**super().flat(), **self.side}


def story_row(rubric: Rubric, key: Hashable, group: pd.DataFrame) -> StoryRow:
    """The row of one model's stories; `key` is its label, model, settings and overrides. It has no rank yet."""
    scored = group[group["status"].isin(SCORED)]
    written = scored[scored["status"] == "scored"]
    label, model, settings, overrides = map(str, key)  # type: ignore[call-overload]
    lens = length_lens(scored, rubric.published)

    def counted(status: str) -> int:
        return int((group["status"] == status).sum())

    parts = scored.groupby("category") if "category" in scored else ()
    return StoryRow(
        label=label,
        model=model,
        settings=settings,
        overrides=overrides,
        rank=None,
        score=_interval(scored, "score"),
        coverage=len(scored) / len(group),
        stories=len(group),
        asked=int(scored["target"].notna().sum()) if "target" in scored else 0,
        empty=counted("empty"),
        refused=counted("refused"),
        unscored=counted("unscored"),
        error=counted("error"),
        missing=counted("missing"),
        score_without_empty=_mean(written, "score"),
        side={name: _mean(scored, name) for name in rubric.side},
        words=_mean(scored, "words"),
        reasoning_words=_mean(scored, "reasoning_words"),
        length_score=_mean(scored, "length_score"),
        repetition=_mean(scored, "repetition"),
        slop=_mean(scored, "slop"),
        diversity=_mean(scored, "diversity"),
        sentence_variety=_mean(scored, "sentence_variety"),
        truncated=_mean(scored, "truncated"),
        quotes_found=_mean(scored, "quotes_found"),
        quotes_missing=_mean(scored, "quotes_missing"),
        misadded=_mean(scored, "misadded"),
        rated=_mean(scored, "rated"),
        cost=_mean(scored, "cost"),
        cost_writing=_mean(scored, "cost_writing"),
        cost_judging=_mean(scored, "cost_judging"),
        ratio=_interval(scored, "ratio"),
        slope=lens.slope,
        slope_per_1000=lens.slope_per_1000,
        area=lens.area,
        length_correlation=correlation(scored, within=False),
        buckets=lens.buckets,
        splits=lens.splits,
        flags=lens.flags,
        categories={
            str(name): Category(len(part), _interval(part, "score"), {side: _mean(part, side) for side in rubric.side})
            for name, part in parts
        },
        criteria={}
        if scored["proxy"].any()
        else {
            name: _mean(scored, name) for name in rubric.mark_names if name in scored and name not in rubric.score_names
        },
    )


def correlation(scored: pd.DataFrame, within: bool) -> Interval:
    """Spearman's correlation of score and words over stories, or among the stories of one prompt."""
    if "words" not in scored or scored.empty:
        return NOTHING
    prompts = scored["prompt_id"].tolist()
    return spearman_interval(scored["score"].astype(float), scored["words"].astype(float), prompts, within)


def _mean(group: pd.DataFrame, column: str) -> float:
    return float(group[column].astype(float).mean()) if column in group else math.nan


def _interval(group: pd.DataFrame, column: str) -> Interval:
    if column not in group or group.empty:
        return NOTHING
    return mean_interval(group[column].astype(float), group["prompt_id"].tolist())

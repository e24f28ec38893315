"""The length lens: how quality and length adherence change as longer stories are requested."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from ..length import ABOVE, BELOW, BUCKETS, SPLITS, bucket_steps, slope_weights
from ..stats.intervals import NOTHING, Interval, contrast_interval, mean_interval

BUCKET_ORDER = (BELOW, *BUCKETS, ABOVE)
SPLIT_ORDER = tuple(dict.fromkeys(SPLITS.values()))
RUNAWAY, SHORT = 1.25, 0.75  # length ratios beyond which a model is flagged


@dataclass(frozen=True)
class Cell:
    """Stories of one length bucket or split: their number, mean words asked for, score and length ratio, and the share
    that was cut off.

    `flag` is "length-runaway" or "under-generation" if the ratio's whole interval is above 1.25 or below 0.75;
    `published` is the mean of the score that published numbers use.
    """

    stories: int
    asked: float
    score: Interval
    ratio: Interval
    flag: str | None
    truncated: float
    published: float


@dataclass(frozen=True)
class Lens:
    """Length generalisation of one model.

    `buckets` and `splits` are those with stories. `slope` is the least-squares slope of the score through the bucket
    means, in points per bucket; `slope_per_1000` is in points per 1,000 requested words, with each bucket at its mean
    target and including "<1k" and ">12k". `area` is `area_under_length`. `flags` maps each flag to the splits and
    buckets where it is raised, and "all" for all stories.
    """

    buckets: Mapping[str, Cell]
    splits: Mapping[str, Cell]
    slope: Interval
    slope_per_1000: Interval
    area: Interval
    flags: Mapping[str, tuple[str, ...]]


def length_lens(scored: pd.DataFrame, published: str = "score") -> Lens:
    """Length generalisation of one model, from its scored stories with a target.

    Args:
        scored: one row per scored story.
        published: the score that published numbers use.
    """
    asked = scored[scored["bucket"].notna()] if "bucket" in scored else scored.iloc[:0]
    buckets = {
        name: _cell(part, published) for name in BUCKET_ORDER if len(part := asked[asked["bucket"] == name])
    }  # fmt: skip
    splits = {name: _cell(part, published) for name in SPLIT_ORDER if len(part := asked[asked["split"] == name])}
    steps = bucket_steps(buckets)
    thousands = {name: float(asked.loc[asked["bucket"] == name, "target"].mean()) / 1000 for name in buckets}
    slope, per_1000 = (_contrast(asked, asked["score"], slope_weights(places)) for places in (steps, thousands))
    everywhere = {"all": _cell(asked, published)} if len(asked) else {}
    flags: dict[str, tuple[str, ...]] = {}
    for place, cell in (everywhere | splits | buckets).items():
        if cell.flag:
            flags[cell.flag] = (*flags.get(cell.flag, ()), place)
    return Lens(buckets, splits, slope, per_1000, area_under_length(asked), flags)


def area_under_length(asked: pd.DataFrame) -> Interval:
    """Area under quality x adherence over length, 0 to 100, with its interval: one number for long writing.

    Each story contributes q * a, where q is its score clipped to 0..100 and a is its evaluation length score (0 to 1,
    `length.length_score`). The area is the mean over the six length buckets, with equal weights, of the bucket's
    mean q * a. It is 100 if every story is perfect and of the requested length, up to 12,000 words. NaN unless
    all six buckets have stories.
    """
    if "length_score" not in asked:
        return NOTHING
    product = asked["score"].astype(float).clip(0, 100) * asked["length_score"].astype(float)
    return _contrast(asked, product, dict.fromkeys(BUCKETS, 1 / len(BUCKETS)))


def flag_of(ratio: Interval) -> str | None:
    """The flag for a length ratio's interval: "length-runaway", "under-generation", or None."""
    if ratio.low > RUNAWAY:
        return "length-runaway"
    return "under-generation" if ratio.high < SHORT else None


def _contrast(asked: pd.DataFrame, values: pd.Series, weights: Mapping[str, float]) -> Interval:
    inside = asked["bucket"].isin(list(weights))
    return contrast_interval(
        values[inside].astype(float),
        asked.loc[inside, "prompt_id"].tolist(),
        asked.loc[inside, "bucket"].tolist(),
        weights,
    )


def _cell(part: pd.DataFrame, published: str) -> Cell:
    prompts = part["prompt_id"].tolist()
    ratio = mean_interval(part["ratio"].astype(float), prompts)
    return Cell(
        stories=len(part),
        asked=float(part["target"].astype(float).mean()),
        score=mean_interval(part["score"].astype(float), prompts),
        ratio=ratio,
        flag=flag_of(ratio),
        truncated=float(part["truncated"].astype(float).mean()) if "truncated" in part else math.nan,
        published=float(part[published].astype(float).mean()) if published in part else math.nan,
    )

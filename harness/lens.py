"""The length lens: how quality and length adherence hold up as longer stories are asked for."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd

from .length import ABOVE, BELOW, BUCKETS, SPLITS, slope_weights
from .stats import NOTHING, Interval, contrast_interval, mean_interval

BUCKET_ORDER = (BELOW, *BUCKETS, ABOVE)
SPLIT_ORDER = tuple(dict.fromkeys(SPLITS.values()))
RUNAWAY, SHORT = 1.25, 0.75  # length ratios beyond which a model has lost the length


def length_lens(scored: pd.DataFrame, published: str = "score") -> dict[str, Any]:
    """Length generalisation of one model, from its scored stories with a target.

    Returns:
        `buckets` and `splits`: for each with stories, their number, `score` and `ratio` with intervals, and
            `flag`, "length-runaway" or "under-generation" where the ratio's whole interval is above 1.25 or
            below 0.75; splits also `published`, the mean of the score that published numbers use;
        `slope`: least-squares slope of the score through the bucket means, points per bucket;
        `area`: `area_under_length`;
        `flags`: each flag of all stories, splits and buckets, with the places where it is raised.
    """
    asked = scored[scored["bucket"].notna()] if "bucket" in scored else scored.iloc[:0]
    lens: dict[str, Any] = {
        "buckets": {name: _cell(part) for name in BUCKET_ORDER if len(part := asked[asked["bucket"] == name])},
        "splits": {
            name: {**_cell(part), "published": float(part[published].astype(float).mean())}
            for name in SPLIT_ORDER
            if len(part := asked[asked["split"] == name])
        },
    }
    weights = slope_weights(lens["buckets"])
    lens["slope"] = _contrast(asked, asked["score"], weights) if weights else NOTHING
    lens["area"] = area_under_length(asked)
    everywhere = {"all": _cell(asked)} if len(asked) else {}
    flags: dict[str, list[str]] = {}
    for place, cell in (everywhere | lens["splits"] | lens["buckets"]).items():
        if cell["flag"]:
            flags.setdefault(cell["flag"], []).append(place)
    return {**lens, "flags": flags}


def area_under_length(asked: pd.DataFrame) -> Interval:
    """Area under quality x adherence over length, 0 to 100, with its interval: one number for long writing.

    Every story gives q * a, where q is its score cut to 0..100 and a its evaluation length score (0 to 1,
    `length.length_score`). The area is the mean over the six length buckets, each weighing the same, of the
    bucket's mean q * a. 100 is a model whose every story is perfect and of the length asked for, up to
    12,000 words. NaN unless there are stories in all six.
    """
    if "length_score" not in asked:
        return NOTHING
    product = asked["score"].astype(float).clip(0, 100) * asked["length_score"].astype(float)
    return _contrast(asked, product, dict.fromkeys(BUCKETS, 1 / len(BUCKETS)))


def flag_of(ratio: Interval) -> str | None:
    """What a length ratio's interval shows: "length-runaway", "under-generation", or nothing."""
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


def _cell(part: pd.DataFrame) -> dict[str, Any]:
    prompts = part["prompt_id"].tolist()
    ratio = mean_interval(part["ratio"].astype(float), prompts)
    return {
        "stories": len(part),
        "score": mean_interval(part["score"].astype(float), prompts),
        "ratio": ratio,
        "flag": flag_of(ratio),
        "truncated": float(part["truncated"].astype(float).mean()) if "truncated" in part else math.nan,
    }

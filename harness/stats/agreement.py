"""Agreement of a rater with itself (ICC) and among raters (Krippendorff's alpha)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from inspect_ai.scorer import SampleScore, Score, krippendorff_alpha
from numpy.typing import ArrayLike

from .intervals import ALPHA, MIN_CLUSTERS, NOTHING, Floats, Interval, resample_blocks

_RESAMPLES = 1000


def alpha_interval(units: Sequence[Sequence[float]], level: Literal["nominal", "ordinal", "interval"]) -> Interval:
    """Krippendorff's alpha (Inspect's) over units with two or more ratings; NaN ratings are missing.

    The interval is a seeded percentile bootstrap over units; fewer than five units give no bounds.
    """
    known = [[float(rating) for rating in unit if not math.isnan(rating)] for unit in units]
    scores = [SampleScore(score=Score(value=unit)) for unit in known if len(unit) > 1]
    if len(scores) < 2:
        return NOTHING
    metric: Any = krippendorff_alpha(level=level)
    value = float(metric(scores))
    if len(scores) < MIN_CLUSTERS:
        return Interval(value, math.nan, math.nan)
    draws = np.random.default_rng(0).integers(len(scores), size=(_RESAMPLES, len(scores)))
    low, high = np.nanquantile([metric([scores[i] for i in draw]) for draw in draws], [0.025, 0.975])
    return Interval(value, float(low), float(high))


def icc_interval(table: ArrayLike) -> Interval:
    """Test-retest reliability ICC(1) of a table with one row per story and one column per judgment, with its interval.

    One-way analysis of variance (Shrout and Fleiss 1979): (MSB - MSW) / (MSB + (k - 1) MSW); rows with a NaN are left
    out, and stories are resampled. 1 if repeats never differ; NaN if stories do not differ either.
    """
    values = np.asarray(table, dtype=float)
    values = values[~np.isnan(values).any(axis=1)]
    n, k = values.shape
    if n < 2 or k < 2:
        return NOTHING
    values = np.round(values - values.mean(), 9)  # so that equal values stay exactly equal
    means = values.mean(axis=1)
    moments = np.column_stack([means, means**2, ((values - means[:, None]) ** 2).sum(axis=1)])
    value = float(_icc(moments.sum(axis=0)[None, :], n, k)[0])
    if n < MIN_CLUSTERS or math.isnan(value):
        return Interval(value, math.nan, math.nan)
    found = np.concatenate([_icc(block @ moments, n, k) for block in resample_blocks(n)])
    low, high = np.nanquantile(found, [ALPHA / 2, 1 - ALPHA / 2])
    return Interval(value, float(low), float(high))


def _icc(moments: Floats, n: int, k: int) -> Floats:
    mean, square, within = moments.T
    between = k * np.maximum(0, square - mean**2 / n) / (n - 1)
    within = within / (n * (k - 1))
    with np.errstate(invalid="ignore"):
        found: Floats = (between - within) / (between + (k - 1) * within)
    return found

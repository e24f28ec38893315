"""Intervals that respect repeated stories: the bootstrap resamples prompts, not stories."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.stats import bootstrap

RESAMPLES = 10_000
SEED = 20260604


class Interval(NamedTuple):
    """A mean and the bounds of its 95 % interval; NaN where there is nothing to average."""

    mean: float
    low: float
    high: float


def mean_interval(values: Sequence[float], clusters: Sequence[Hashable]) -> Interval:
    """Mean over all known values with a percentile bootstrap over clusters.

    NaN values are unscored and take no part. With fewer than two clusters the bounds are NaN: one prompt
    says nothing about how prompts vary. The resampling is seeded, so the same numbers give the same bounds.
    """
    frame = pd.DataFrame({"value": values, "cluster": clusters}).dropna(subset="value")
    if frame.empty:
        return Interval(np.nan, np.nan, np.nan)
    mean = float(frame["value"].mean())
    grouped = frame.groupby("cluster")["value"].agg(["sum", "count"]).to_numpy(dtype=float)
    if len(grouped) < 2:
        return Interval(mean, np.nan, np.nan)
    found = bootstrap(
        tuple(grouped.T),
        lambda sums, counts, axis: sums.sum(axis) / counts.sum(axis),
        paired=True,
        n_resamples=RESAMPLES,
        batch=1000,  # bounds the memory; the numbers are the same
        method="percentile",
        rng=SEED,
    ).confidence_interval
    return Interval(mean, float(found.low), float(found.high))

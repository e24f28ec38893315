"""Intervals that account for repeated stories: prompts are resampled, not stories."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import islice
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr, stdtrit  # importing scipy.stats takes half a second

RESAMPLES = 10_000
MIN_CLUSTERS = 5
ALPHA = 0.05
SEED = 20260604
BLOCK = 1000
_CACHED_CLUSTERS = 1000

Floats = NDArray[np.float64]


class Interval(NamedTuple):
    """An estimate and the bounds of its 95 % interval; NaN if not available."""

    value: float
    low: float
    high: float


NOTHING = Interval(math.nan, math.nan, math.nan)


def mean_interval(values: ArrayLike, clusters: Sequence[Hashable]) -> Interval:
    """Mean of all known values with a bootstrap interval over clusters (prompts).

    NaN values are unscored and ignored. Fewer than five clusters give no bounds. The resampling is seeded, so the same
    numbers give the same bounds.
    """
    return contrast_interval(values, clusters, [0] * len(clusters), {0: 1.0})


def contrast_interval(
    values: ArrayLike, clusters: Sequence[Hashable], strata: Sequence[Hashable], weights: Mapping[Any, float]
) -> Interval:
    """Sum of `weights` times the means of the strata, with an interval; clusters are resampled within strata.

    A cluster belongs to one stratum. The sum may be a slope or an area over length buckets, or a plain mean.
    Percentile bootstrap intervals are too narrow for few clusters, so each stratum's resampled means are spread by
    sqrt(n / (n - 1)) and the normal quantile is replaced by Student's t (Hesterberg 2015, "What teachers should know
    about the bootstrap", section 5.3), with Satterthwaite's degrees of freedom over the strata. NaN if a stratum is
    empty; no bounds with fewer than five clusters, or fewer than two in a stratum.
    """
    frame = pd.DataFrame({"value": np.asarray(values, dtype=float), "cluster": clusters, "stratum": strata})
    grouped = frame.dropna(subset="value").groupby(["stratum", "cluster"], sort=False)["value"].agg(["sum", "count"])
    found: dict[Hashable, Floats] = {
        part.index[0][0]: part.to_numpy(dtype=float) for _, part in grouped.groupby(level="stratum")
    }
    if not weights or any(name not in found for name in weights):
        return NOTHING
    parts = [(weight, found[name]) for name, weight in weights.items()]
    value = sum(weight * part[:, 0].sum() / part[:, 1].sum() for weight, part in parts)
    clusters_known = sum(len(part) for _, part in parts)
    if clusters_known < MIN_CLUSTERS or any(len(part) < 2 for _, part in parts):
        return Interval(float(value), math.nan, math.nan)
    spread, variances = np.zeros(RESAMPLES), []
    for stream, (weight, part) in enumerate(parts):
        sums, counts = np.concatenate([block @ part for block in resample_blocks(len(part), stream)]).T
        deviation = sums / counts - part[:, 0].sum() / part[:, 1].sum()
        deviation *= weight * math.sqrt(len(part) / (len(part) - 1))
        spread += deviation
        variances.append((float(deviation.var()), len(part) - 1))
    total = sum(variance for variance, _ in variances)
    if total == 0:
        return Interval(float(value), float(value), float(value))
    low, high = np.quantile(value + spread, _tails(total**2 / sum(v * v / df for v, df in variances)))
    return Interval(float(value), float(low), float(high))


def spearman_interval(
    x: ArrayLike, y: ArrayLike, clusters: Sequence[Hashable], within_clusters: bool = False
) -> Interval:
    """Spearman's correlation of two columns with a bootstrap interval over clusters.

    Pairs with a NaN are ignored. `within_clusters` first subtracts each cluster's mean from both columns, and leaves
    out clusters of one: what remains is the correlation of x and y among the stories of one prompt. Ranks are computed
    once over all stories, and not again in the resamples. NaN if a column does not vary.
    """
    columns = {"x": np.asarray(x, dtype=float), "y": np.asarray(y, dtype=float), "cluster": clusters}
    frame = pd.DataFrame(columns).dropna(subset=["x", "y"])
    if within_clusters:
        groups = frame.groupby("cluster")[["x", "y"]]
        frame[["x", "y"]] -= groups.transform("mean")
        frame = frame[groups.transform("size") > 1]
    if len(frame) < 3 or frame["x"].nunique() < 2 or frame["y"].nunique() < 2:
        return NOTHING
    a, b = (frame[name].round(9).rank().to_numpy() for name in ("x", "y"))
    a, b = a - a.mean(), b - b.mean()
    products = pd.DataFrame({"n": 1.0, "a": a, "b": b, "aa": a * a, "bb": b * b, "ab": a * b})
    moments = products.groupby(frame["cluster"].to_numpy()).sum().to_numpy()
    value = float(_correlation(moments.sum(axis=0)[None, :])[0])
    n = len(moments)
    if n < MIN_CLUSTERS:
        return Interval(value, math.nan, math.nan)
    found = np.concatenate([_correlation(block @ moments) for block in resample_blocks(n)])
    # on Fisher's scale, where the spread does not depend on the value
    scale = np.arctanh(np.clip(found, -0.9999999, 0.9999999))
    centre = math.atanh(min(max(value, -0.9999999), 0.9999999))
    low, high = np.nanquantile(centre + (scale - centre) * math.sqrt(n / (n - 1)), _tails(n - 1))
    return Interval(value, float(np.tanh(low)), float(np.tanh(high)))


def _correlation(moments: Floats) -> Floats:
    n, a, b, aa, bb, ab = moments.T
    with np.errstate(invalid="ignore", divide="ignore"):
        found: Floats = (n * ab - a * b) / np.sqrt((n * aa - a * a) * (n * bb - b * b))
    return found


def share_interval(found: Interval) -> Interval:
    """The interval of a share, clipped to 0..1."""
    return Interval(found.value, *(float(bound) for bound in np.clip([found.low, found.high], 0, 1)))


def draws_interval(value: float, draws: Floats, clusters: int) -> Interval:
    """An estimate with the interval given by its values in bootstrap resamples of `clusters` clusters.

    Percentiles are widened for few clusters, as in `contrast_interval`; no bounds with fewer than five clusters.
    """
    if clusters < MIN_CLUSTERS or math.isnan(value):
        return Interval(value, math.nan, math.nan)
    spread = (draws - value) * math.sqrt(clusters / (clusters - 1))
    low, high = np.quantile(value + spread, _tails(clusters - 1))
    return Interval(value, float(low), float(high))


def resamples(n: int, count: int) -> Iterator[Floats]:
    """How often each of n clusters is drawn, in each of `count` (at most 10,000) resamples; the same in every call."""
    return islice((row for block in resample_blocks(n) for row in block), count)


def _tails(df: float) -> tuple[float, float]:
    tail = float(ndtr(stdtrit(df, ALPHA / 2)))
    return tail, 1 - tail


def resample_blocks(n: int, stream: int = 0) -> Iterator[Floats]:
    """How often each of n clusters is drawn: blocks of shape (1,000, n), 10,000 resamples, the same in every call."""
    block = _block if n <= _CACHED_CLUSTERS else _block.__wrapped__
    for number in range(RESAMPLES // BLOCK):
        yield block(n, stream, number)


@lru_cache(maxsize=16 * RESAMPLES // BLOCK)
def _block(n: int, stream: int, number: int) -> Floats:
    drawn = np.random.default_rng((SEED, stream, number)).integers(0, n, size=(BLOCK, n))
    places = drawn + n * np.arange(BLOCK)[:, None]
    return np.bincount(places.ravel(), minlength=BLOCK * n).reshape(BLOCK, n).astype(float)

"""Intervals, paired comparisons and ranks that respect repeated stories: prompts are resampled, not stories."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import combinations, islice
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.stats import norm, rankdata
from scipy.stats import t as student

RESAMPLES = 10_000
MIN_CLUSTERS = 5
ALPHA = 0.05
POWER = 0.8
_SEED = 20260604
_BLOCK = 1000
_CACHED_CLUSTERS = 1000
_EXACT_FLIPS = 13

Floats = NDArray[np.float64]


class Interval(NamedTuple):
    """An estimate and the bounds of its 95 % interval; NaN where it cannot be had."""

    value: float
    low: float
    high: float


NOTHING = Interval(math.nan, math.nan, math.nan)


def mean_interval(values: ArrayLike, clusters: Sequence[Hashable]) -> Interval:
    """Mean over all known values with a bootstrap interval over clusters (prompts).

    NaN values are unscored and take no part. Fewer than five clusters give no bounds. The resampling is
    seeded, so the same numbers give the same bounds.
    """
    return contrast_interval(values, clusters, [0] * len(clusters), {0: 1.0})


def contrast_interval(
    values: ArrayLike, clusters: Sequence[Hashable], strata: Sequence[Hashable], weights: Mapping[Any, float]
) -> Interval:
    """Sum of `weights` times the means of the strata, with an interval; clusters are resampled within strata.

    A cluster belongs to one stratum. This is a slope or an area over length buckets, or a plain mean.
    A percentile bootstrap is too short for few clusters: each stratum's resampled means are spread by
    sqrt(n / (n - 1)) and the normal quantile gives way to Student's (Hesterberg 2015, "What teachers should know
    about the bootstrap", section 5.3), with Satterthwaite's degrees of freedom over the strata. NaN where a stratum
    is empty; no bounds with fewer than five clusters, or fewer than two in a stratum.
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
        sums, counts = np.concatenate([block @ part for block in _resamples(len(part), stream)]).T
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

    Pairs with a NaN take no part. `within_clusters` takes each cluster's mean from both columns first, and leaves
    out clusters of one: what remains is how x and y go together among the stories of one prompt. Ranks
    are those of all stories and stay as they are in the resamples. NaN where a column does not vary.
    """
    columns = {"x": np.asarray(x, dtype=float), "y": np.asarray(y, dtype=float), "cluster": clusters}
    frame = pd.DataFrame(columns).dropna(subset=["x", "y"])
    if within_clusters:
        groups = frame.groupby("cluster")[["x", "y"]]
        frame[["x", "y"]] -= groups.transform("mean")
        frame = frame[groups.transform("size") > 1]
    if len(frame) < 3 or frame["x"].nunique() < 2 or frame["y"].nunique() < 2:
        return NOTHING
    a, b = (rankdata(frame[name].round(9)) for name in ("x", "y"))
    a, b = a - a.mean(), b - b.mean()
    products = pd.DataFrame({"n": 1.0, "a": a, "b": b, "aa": a * a, "bb": b * b, "ab": a * b})
    moments = products.groupby(frame["cluster"].to_numpy()).sum().to_numpy()
    value = float(_correlation(moments.sum(axis=0)[None, :])[0])
    n = len(moments)
    if n < MIN_CLUSTERS:
        return Interval(value, math.nan, math.nan)
    found = np.concatenate([_correlation(block @ moments) for block in _resamples(n)])
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


def icc_interval(table: ArrayLike) -> Interval:
    """Test-retest reliability ICC(1) of a table with a row a story and a column a judgment, with its interval.

    One-way analysis of variance (Shrout and Fleiss 1979): (MSB - MSW) / (MSB + (k - 1) MSW); rows with a NaN take no
    part, and stories are resampled. 1 where repeats never differ; NaN where stories do not differ either.
    """
    values = np.asarray(table, dtype=float)
    values = values[~np.isnan(values).any(axis=1)]
    n, k = values.shape
    if n < 2 or k < 2:
        return NOTHING
    values = np.round(values - values.mean(), 9)  # equal values must come out equal
    means = values.mean(axis=1)
    moments = np.column_stack([means, means**2, ((values - means[:, None]) ** 2).sum(axis=1)])
    value = float(_icc(moments.sum(axis=0)[None, :], n, k)[0])
    if n < MIN_CLUSTERS or math.isnan(value):
        return Interval(value, math.nan, math.nan)
    found = np.concatenate([_icc(block @ moments, n, k) for block in _resamples(n)])
    low, high = np.nanquantile(found, [ALPHA / 2, 1 - ALPHA / 2])
    return Interval(value, float(low), float(high))


def _icc(moments: Floats, n: int, k: int) -> Floats:
    mean, square, within = moments.T
    between = k * np.maximum(0, square - mean**2 / n) / (n - 1)
    within = within / (n * (k - 1))
    with np.errstate(invalid="ignore"):
        found: Floats = (between - within) / (between + (k - 1) * within)
    return found


def compare_pairs(table: pd.DataFrame) -> pd.DataFrame:
    """Every two columns (models) of a table with a row a prompt, compared on the prompts that both have.

    Returns one row a pair: `a`, `b`, `prompts` in common, mean `difference` (a - b) with `low` and `high`
    (95 %, over prompts), `sd` of the differences, `p` of a sign-flip permutation test (two-sided; exact with at most
    13 prompts), and `p_holm`, corrected over all pairs of the table by Holm's method. Fewer than two prompts in
    common give NaN.
    """
    pairs = list(combinations(table.columns, 2))
    if not pairs:
        return pd.DataFrame(columns=["a", "b", "prompts", "difference", "low", "high", "sd", "p", "p_holm"])
    apart = np.column_stack([table[a].to_numpy(dtype=float) - table[b].to_numpy(dtype=float) for a, b in pairs])
    p = _sign_flip(apart)
    rows = []
    for (a, b), column, value in zip(pairs, apart.T, p, strict=True):
        known = column[~np.isnan(column)]
        found = mean_interval(known, range(len(known)))
        sd = float(known.std(ddof=1)) if len(known) > 1 else math.nan
        rows.append((a, b, len(known), *found, sd, value))
    result = pd.DataFrame(rows, columns=["a", "b", "prompts", "difference", "low", "high", "sd", "p"])
    result["p_holm"] = holm(result["p"])
    return result


def _sign_flip(apart: Floats) -> Floats:
    """Two-sided p of each column's mean under random signs; the same signs for all columns, NaN is no evidence."""
    known = ~np.isnan(apart)
    values = np.where(known, apart, 0.0)
    observed = np.abs(values.sum(axis=0)) * (1 - 1e-9)
    n, pairs = values.shape
    if n <= _EXACT_FLIPS:
        flips = 1 - 2 * ((np.arange(2**n)[:, None] >> np.arange(n)) & 1)
        p = (np.abs(flips @ values) >= observed).mean(axis=0)
    else:
        rng = np.random.default_rng(_SEED)
        blocks = math.ceil(max(RESAMPLES, 40 * pairs) / _BLOCK)  # enough for a p that survives Holm's correction
        count = np.zeros(pairs)
        for _ in range(blocks):
            signs = rng.integers(0, 2, size=(_BLOCK, n)) * 2.0 - 1
            count += (np.abs(signs @ values) >= observed).sum(axis=0)
        p = (1 + count) / (1 + blocks * _BLOCK)
    return np.where(known.sum(axis=0) > 1, p, math.nan)


def holm(p: Sequence[float] | pd.Series[float]) -> Floats:
    """p values corrected for their number by Holm's step-down method; NaN values stay and are not counted."""
    values = np.asarray(p, dtype=float)
    result = np.full(len(values), math.nan)
    order = [i for i in np.argsort(values) if not math.isnan(values[i])]
    reached = 0.0
    for step, i in enumerate(order):
        reached = max(reached, min(1.0, values[i] * (len(order) - step)))
        result[i] = reached
    return result


def rank_groups(best_first: Sequence[str], pairs: pd.DataFrame) -> dict[str, str]:
    """Ranks with ties: "1–3" for three models of which none is shown to be worse than the first of them.

    From the best model down, a group holds the models that follow until one differs significantly (`p_holm` of
    `compare_pairs` under 0.05) from the group's best; that one starts the next group.
    """
    p = {frozenset(names): value for *names, value in pairs[["a", "b", "p_holm"]].itertuples(index=False, name=None)}
    groups: list[list[str]] = []
    for name in best_first:
        if groups and not p.get(frozenset((groups[-1][0], name)), math.nan) < ALPHA:
            groups[-1].append(name)
        else:
            groups.append([name])
    ranks: dict[str, str] = {}
    first = 1
    for group in groups:
        last = first + len(group) - 1
        ranks |= dict.fromkeys(group, str(first) if first == last else f"{first}–{last}")
        first = last + 1
    return ranks


def minimum_detectable_difference(pairs: pd.DataFrame) -> float:
    """Difference between two models that a paired test at 5 % finds with 80 % power, in points; NaN without pairs.

    (t_0.975 + t_0.8) * s / sqrt(n), with s²/n the mean over the pairs of `compare_pairs`: what one comparison
    can see; Holm's correction over many asks for more.
    """
    known = pairs[pairs["prompts"] >= MIN_CLUSTERS]
    if known.empty:
        return math.nan
    df = float(known["prompts"].median()) - 1
    error = math.sqrt(float((known["sd"] ** 2 / known["prompts"]).mean()))
    return float(student.ppf(1 - ALPHA / 2, df) + student.ppf(POWER, df)) * error


def share_interval(found: Interval) -> Interval:
    """The interval of a share, without what lies below 0 or above 1."""
    return Interval(found.value, *(float(bound) for bound in np.clip([found.low, found.high], 0, 1)))


def draws_interval(value: float, draws: Floats, clusters: int) -> Interval:
    """An estimate with the interval that its values in bootstrap resamples over `clusters` clusters give.

    Percentiles widened for few clusters, as of `contrast_interval`; no bounds with fewer than five clusters.
    """
    if clusters < MIN_CLUSTERS or math.isnan(value):
        return Interval(value, math.nan, math.nan)
    spread = (draws - value) * math.sqrt(clusters / (clusters - 1))
    low, high = np.quantile(value + spread, _tails(clusters - 1))
    return Interval(value, float(low), float(high))


def resamples(n: int, count: int) -> Iterator[Floats]:
    """How often each of n clusters is drawn, in each of `count` (at most 10,000) resamples; the same in every call."""
    return islice((row for block in _resamples(n) for row in block), count)


def _tails(df: float) -> tuple[float, float]:
    tail = float(norm.cdf(student.ppf(ALPHA / 2, df)))
    return tail, 1 - tail


def _resamples(n: int, stream: int = 0) -> Iterator[Floats]:
    """How often each of n clusters is drawn: blocks of 1,000 resamples by n, 10,000 in all, the same in every call."""
    block = _block if n <= _CACHED_CLUSTERS else _block.__wrapped__
    for number in range(RESAMPLES // _BLOCK):
        yield block(n, stream, number)


@lru_cache(maxsize=16 * RESAMPLES // _BLOCK)
def _block(n: int, stream: int, number: int) -> Floats:
    drawn = np.random.default_rng((_SEED, stream, number)).integers(0, n, size=(_BLOCK, n))
    places = drawn + n * np.arange(_BLOCK)[:, None]
    return np.bincount(places.ravel(), minlength=_BLOCK * n).reshape(_BLOCK, n).astype(float)

"""Paired comparisons of models, prompt by prompt, and the resulting ranks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import combinations, count
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.special import stdtrit

from .intervals import ALPHA, BLOCK, MIN_CLUSTERS, RESAMPLES, SEED, Floats, mean_interval

POWER = 0.8
_EXACT_FLIPS = 13


def compare_pairs(table: pd.DataFrame) -> pd.DataFrame:
    """Compare every two columns (models) of a table with one row per prompt, on the prompts that both have.

    Returns one row per pair: `a`, `b`, `prompts` in common, mean `difference` (a - b) with `low` and `high`
    (95 %, over prompts), `sd` of the differences, `p` of a sign-flip permutation test (two-sided; exact with at most
    13 prompts), `p_holm`, corrected over all pairs of the table by Holm's method, and `detectable` (see
    `detectable_differences`). Fewer than two prompts in common give NaN.
    """
    pairs = list(combinations(table.columns, 2))
    if not pairs:
        return pd.DataFrame(
            columns=["a", "b", "prompts", "difference", "low", "high", "sd", "p", "p_holm", "detectable"]
        )
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
    result["detectable"] = detectable_differences(result)
    return result


def _sign_flip(apart: Floats) -> Floats:
    """Two-sided p of each column's mean under random signs, the same for all columns; NaN values are ignored."""
    known = ~np.isnan(apart)
    values = np.where(known, apart, 0.0)
    observed = np.abs(values.sum(axis=0)) * (1 - 1e-9)
    n, pairs = values.shape
    if n <= _EXACT_FLIPS:
        flips = 1 - 2 * ((np.arange(2**n)[:, None] >> np.arange(n)) & 1)
        p = (np.abs(flips @ values) >= observed).mean(axis=0)
    else:
        rng = np.random.default_rng(SEED)
        blocks = math.ceil(max(RESAMPLES, 40 * pairs) / BLOCK)  # enough for p to survive Holm's correction
        as_far = np.zeros(pairs)
        for _ in range(blocks):
            signs = rng.integers(0, 2, size=(BLOCK, n)) * 2.0 - 1
            as_far += (np.abs(signs @ values) >= observed).sum(axis=0)
        p = (1 + as_far) / (1 + blocks * BLOCK)
    return np.where(known.sum(axis=0) > 1, p, math.nan)


def holm(p: Sequence[float] | pd.Series[float]) -> Floats:
    """Correct p values by Holm's step-down method; NaN values stay NaN and are not counted."""
    values = np.asarray(p, dtype=float)
    result = np.full(len(values), math.nan)
    order = [i for i in np.argsort(values) if not math.isnan(values[i])]
    reached = 0.0
    for step, i in enumerate(order):
        reached = max(reached, min(1.0, values[i] * (len(order) - step)))
        result[i] = reached
    return result


class Rank(NamedTuple):
    """A model's place by its score, and its letters: two models share a letter exactly if they are not told apart."""

    place: int
    letters: str

    def __str__(self) -> str:
        return f"{self.place} {self.letters}"


def ranks(best_first: Sequence[str], pairs: pd.DataFrame) -> dict[str, Rank]:
    """Compact letter display of all pairwise tests; models are told apart if `p_holm` of `compare_pairs` is under 0.05.

    By insertion and absorption (Piepho 2004, "An algorithm for a letter-based representation of all-pairwise
    comparisons"). "Not told apart" does not mean equal: a model may share letters with two that are told apart.
    """
    told = {frozenset(pair) for *pair, p in pairs[["a", "b", "p_holm"]].itertuples(index=False, name=None) if p < ALPHA}
    place = {name: number for number, name in enumerate(best_first)}
    groups = [frozenset(best_first)]
    known = (pair for pair in told if pair <= place.keys())
    for pair in sorted(known, key=lambda pair: sorted(place[name] for name in pair)):
        split = [group - {name} for group in groups if pair <= group for name in pair]
        groups = [group for group in groups if not pair <= group]
        for group in sorted(split, key=len, reverse=True):
            if not any(group <= other for other in groups):
                groups.append(group)
    groups.sort(key=lambda group: sorted(place[name] for name in group))
    letters = {name: "".join(_letter(n) for n, group in enumerate(groups) if name in group) for name in best_first}
    return {name: Rank(place[name] + 1, letters[name]) for name in best_first}


def _letter(number: int) -> str:
    return (_letter(number // 26 - 1) if number >= 26 else "") + chr(ord("a") + number % 26)


def smallest_p(prompts: int) -> float:
    """The smallest p that the sign-flip test can give with this many prompts."""
    return min(1.0, 2.0 ** (1 - prompts))


def prompts_needed(pairs: int) -> int:
    """The smallest number of prompts with which one of `pairs` pairs can be told apart, after Holm's correction."""
    return next(n for n in count(2) if smallest_p(n) * pairs < ALPHA)


def detectable_differences(pairs: pd.DataFrame) -> Floats:
    """The difference that the test detects with 80 % power, in points, for each pair of `compare_pairs`.

    (t_(1 - alpha/2) + t_0.8) * sd / sqrt(n) with alpha = 5 % divided by the number of pairs, as in Holm's first step.
    NaN for a pair with fewer than five prompts, or too few for any difference to be significant.
    """
    tests = int(pairs["p"].notna().sum())
    n = pairs["prompts"].to_numpy(dtype=float)
    df = np.maximum(1.0, n - 1)
    reach = stdtrit(df, 1 - ALPHA / (2 * max(1, tests))) + stdtrit(df, POWER)
    enough = (n >= MIN_CLUSTERS) & (np.array([smallest_p(int(k)) for k in n]) * tests < ALPHA)
    return np.where(enough, reach * pairs["sd"].to_numpy(dtype=float) / np.sqrt(np.maximum(1.0, n)), math.nan)

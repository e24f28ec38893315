"""Models compared in pairs, prompt by prompt, and the ranks that this gives."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import combinations

import numpy as np
import pandas as pd
from scipy.stats import t as student

from .intervals import ALPHA, BLOCK, MIN_CLUSTERS, RESAMPLES, SEED, Floats, mean_interval

POWER = 0.8
_EXACT_FLIPS = 13


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
        rng = np.random.default_rng(SEED)
        blocks = math.ceil(max(RESAMPLES, 40 * pairs) / BLOCK)  # enough for a p that survives Holm's correction
        count = np.zeros(pairs)
        for _ in range(blocks):
            signs = rng.integers(0, 2, size=(BLOCK, n)) * 2.0 - 1
            count += (np.abs(signs @ values) >= observed).sum(axis=0)
        p = (1 + count) / (1 + blocks * BLOCK)
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

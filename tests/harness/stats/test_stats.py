"""Intervals, tests and ranks: against scipy, by hand, and by simulation."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import product

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import permutation_test, spearmanr

from polaris_eval.harness.stats.compare import (
    compare_pairs,
    detectable_differences,
    holm,
    prompts_needed,
    ranks,
    smallest_p,
)
from polaris_eval.harness.stats.intervals import Interval, contrast_interval, mean_interval, spearman_interval

SLOPE = {name: (name - 2.5) / 17.5 for name in range(6)}


def clustered(rng: np.random.Generator) -> Interval:
    values = rng.normal(size=40).repeat(3) + rng.normal(size=120)
    return mean_interval(values, np.arange(40).repeat(3).tolist())


def slope(rng: np.random.Generator) -> Interval:
    step = np.arange(6).repeat(6)
    values = 50 - 2 * step + rng.normal(size=36) * 10 * (1 + step / 5)
    return contrast_interval(values, range(36), step.tolist(), SLOPE)


def ratio_of_one_model(rng: np.random.Generator) -> Interval:
    return mean_interval(np.exp(rng.normal(-0.02, 0.2, size=36)), range(36))


def difference(rng: np.random.Generator) -> Interval:
    prompts = rng.normal(size=30) * 10
    table = pd.DataFrame({"a": prompts + 3 + rng.normal(size=30), "b": prompts + rng.normal(size=30) * 2})
    row = compare_pairs(table).iloc[0]
    return Interval(row["difference"], row["low"], row["high"])


def correlation(rng: np.random.Generator) -> Interval:
    x = rng.normal(size=36)
    return spearman_interval(x, 0.5 * x + math.sqrt(0.75) * rng.normal(size=36), range(36))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("draw", "truth"),
    [
        (lambda rng: mean_interval(rng.normal(size=6), range(6)), 0),
        (lambda rng: mean_interval(rng.normal(size=180), range(180)), 0),
        (clustered, 0),
        (slope, -2),
        (ratio_of_one_model, 1),
        (difference, 3),
        (correlation, 6 / math.pi * math.asin(0.25)),
    ],
    ids=["mean of 6", "mean of 180", "clusters", "slope", "ratio", "paired difference", "correlation"],
)
def test_intervals_cover_95_percent(draw: Callable[[np.random.Generator], Interval], truth: float) -> None:
    rng, simulations = np.random.default_rng(4), 2000
    found = [draw(rng) for _ in range(simulations)]
    covered = sum(interval.low <= truth <= interval.high for interval in found) / simulations
    assert 0.93 <= covered <= 0.97


def test_intervals_respect_clusters_and_unknown_values() -> None:
    assert mean_interval([1, 2, 3, math.nan], list("abcd")).value == 2
    assert math.isnan(mean_interval([math.nan], ["a"]).value)
    four = mean_interval([1, 2, 3, 4], list("abcd"))
    assert four.value == 2.5
    assert math.isnan(four.low)
    values = np.random.default_rng(0).normal(size=30)
    once = mean_interval(values, range(30))
    repeated = mean_interval(np.tile(values, 5), list(range(30)) * 5)
    assert (repeated.low, repeated.high) == pytest.approx((once.low, once.high))
    assert mean_interval(values, range(30)) == once
    assert mean_interval([7.0] * 9, range(9)) == (7, 7, 7)


def test_contrast_by_hand() -> None:
    """Bucket means 5, 4, 3, 2, 1, 0 fall by one point a bucket, whatever the number of stories in each."""
    counts = (1, 2, 3, 4, 5, 6)
    step = np.arange(6).repeat(counts)
    found = contrast_interval(5.0 - step, range(21), step.tolist(), SLOPE)
    assert found.value == pytest.approx(-1)
    assert math.isnan(found.low)  # one prompt in the first bucket tells no spread
    assert math.isnan(contrast_interval([1.0], [0], [0], SLOPE).value)


def test_correlation_agrees_with_scipy() -> None:
    rng = np.random.default_rng(2)
    x = rng.normal(size=50).round(1)
    y = (x + rng.normal(size=50)).round(1)
    assert spearman_interval(x, y, range(50)).value == pytest.approx(spearmanr(x, y).statistic)
    assert math.isnan(spearman_interval([1, 1, 1], [1, 2, 3], range(3)).value)


def test_correlation_within_prompts_forgets_what_prompts_differ_in() -> None:
    """Prompts that get long stories get high scores; among the stories of one prompt the longer is worse."""
    prompt = np.arange(40).repeat(2)
    longer = np.tile([0.0, 1.0], 40)
    words, score = 10.0 * prompt + longer, 10.0 * prompt - longer
    assert spearman_interval(words, score, prompt.tolist()).value > 0.99
    within = spearman_interval(words, score, prompt.tolist(), within_clusters=True)
    assert within.value == pytest.approx(-1)
    alone = spearman_interval(words, score, range(80), within_clusters=True)
    assert math.isnan(alone.value)


@pytest.mark.parametrize("prompts", [8, 40])
def test_sign_flips_agree_with_scipy(prompts: int) -> None:
    rng = np.random.default_rng(3)
    table = pd.DataFrame({"a": rng.normal(0.4, 1, prompts), "b": rng.normal(0, 1, prompts)})
    found = compare_pairs(table).iloc[0]
    options = {"permutation_type": "samples", "n_resamples": 100_000 if prompts > 13 else 2**prompts, "rng": 1}
    theirs = permutation_test((table["a"], table["b"]), lambda x, y, axis: np.mean(x - y, axis=axis),
                              vectorized=True, **options)  # fmt: skip
    assert found["p"] == pytest.approx(theirs.pvalue, abs=1e-9 if prompts == 8 else 0.015)
    assert found["difference"] == pytest.approx((table["a"] - table["b"]).mean())


def test_pairs_use_the_prompts_that_both_have() -> None:
    table = pd.DataFrame({"a": [3.0, 4, 5, math.nan], "b": [1.0, 2, 3, 99], "c": [math.nan] * 3 + [1]})
    found = compare_pairs(table).set_index(["a", "b"])
    assert tuple(found.loc[("a", "b"), ["prompts", "difference", "p"]]) == (3, 2, 0.25)  # two of eight sign patterns
    assert math.isnan(found.loc[("a", "c"), "p"])
    assert found.loc[("b", "c"), "prompts"] == 1
    assert compare_pairs(table[["a"]]).empty


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.4, 0.9, math.nan])[:2] == pytest.approx([0.8, 0.9])
    assert math.isnan(holm([0.4, 0.9, math.nan])[2])


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_never_lowers_nor_reorders(p: list[float]) -> None:
    corrected = holm(p)
    assert all(p[i] <= corrected[i] <= 1 for i in range(len(p)))
    assert all(corrected[i] <= corrected[j] for i, j in product(range(len(p)), repeat=2) if p[i] < p[j])


def test_ranks_by_hand() -> None:
    """a is told from c, d and e, b from e alone: b shares a letter with a, and another with c and d."""
    apart = {("a", "c"), ("a", "d"), ("a", "e"), ("b", "e")}
    names = "abcde"
    pairs = pd.DataFrame(
        [(x, y, 0.01 if (x, y) in apart else 0.4) for i, x in enumerate(names) for y in names[i + 1 :]],
        columns=["a", "b", "p_holm"],
    )
    assert {name: str(rank) for name, rank in ranks(list(names), pairs).items()} == {
        "a": "1 a", "b": "2 ab", "c": "3 bc", "d": "4 bc", "e": "5 c"
    }  # fmt: skip
    assert ranks(["a"], pairs.iloc[:0]) == {"a": (1, "a")}


@given(st.integers(1, 9), st.data())
def test_models_share_a_letter_exactly_if_they_are_not_told_apart(count: int, data: st.DataObject) -> None:
    names = [f"m{i}" for i in range(count)]
    rows = [
        (x, y, data.draw(st.sampled_from([0.01, 0.2, math.nan]))) for i, x in enumerate(names) for y in names[i + 1 :]
    ]
    found = ranks(names, pd.DataFrame(rows, columns=["a", "b", "p_holm"]))
    assert [found[name].place for name in names] == list(range(1, count + 1))
    for x, y, p in rows:
        assert bool(set(found[x].letters) & set(found[y].letters)) == (not p < 0.05)


def test_few_prompts_can_tell_nothing_apart() -> None:
    """Six prompts: the smallest p is 2/64, and 6/64 for the best of three pairs."""
    table = pd.DataFrame({"a": [9.0] * 6, "b": [5.0] * 6, "c": [1.0] * 6})
    pairs = compare_pairs(table)
    assert pairs["p"].tolist() == [2 / 64] * 3 == [smallest_p(6)] * 3
    assert pairs["p_holm"].min() > 0.05
    assert pairs["detectable"].isna().all()
    assert prompts_needed(3) == 7
    assert compare_pairs(pd.concat([table, table.iloc[:1]], ignore_index=True))["p_holm"].max() < 0.05
    assert compare_pairs(table[["a", "b"]])["detectable"].notna().all()  # one pair needs six


def test_what_is_detectable_is_of_each_pair() -> None:
    """One erratic model does not speak for the others."""
    rng = np.random.default_rng(3)
    base = rng.normal(size=30)
    wild = pd.DataFrame({"a": base, "b": base + rng.normal(0, 0.1, 30), "wild": rng.normal(0, 20, 30)})
    found = compare_pairs(wild).set_index(["a", "b"])["detectable"]
    assert found["a", "b"] < 0.2
    assert found["a", "wild"] > 5


@pytest.mark.slow
def test_minimum_detectable_difference_is_found_with_80_percent_power() -> None:
    rng = np.random.default_rng(5)
    pilot = pd.DataFrame(rng.normal(size=(2000, 2)), columns=["a", "b"])
    pairs = compare_pairs(pilot).assign(prompts=30)
    size = float(detectable_differences(pairs)[0])
    tables = [pd.DataFrame({"a": rng.normal(size, 1, 30), "b": rng.normal(0, 1, 30)}) for _ in range(400)]
    assert 0.74 <= np.mean([compare_pairs(table)["p"].iloc[0] < 0.05 for table in tables]) <= 0.86
    assert np.isnan(detectable_differences(pairs.assign(prompts=3))).all()

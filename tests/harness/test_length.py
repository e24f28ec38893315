from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from polaris_eval.harness.length import (
    BUCKETS,
    blank_penalty,
    bucket,
    bucket_steps,
    length_penalty,
    length_ratio,
    length_score,
    length_score_longbench,
    slope_weights,
)

WORDS = st.integers(0, 50_000)
TARGETS = st.integers(1, 20_000)


@pytest.mark.parametrize(
    ("target", "name"),
    [(999, "<1k"), (1000, "1-2k"), (2000, "1-2k"), (2001, "2-3k"), (3000, "2-3k"), (4000, "3-4k"), (4001, "4-6k"),
     (6000, "4-6k"), (8000, "6-8k"), (8001, "8-12k"), (12000, "8-12k"), (12001, ">12k")],
)  # fmt: skip
def test_buckets(target: int, name: str) -> None:
    assert bucket(target) == name


@pytest.mark.parametrize(("target", "low", "high"), [(1000, 650, 1600), (4000, 3400, 5000), (12000, 11000, 13500)])
def test_length_penalty_is_free_within_the_tolerances(target: int, low: int, high: int) -> None:
    assert length_penalty(low, target) == length_penalty(high, target) == 0
    assert length_penalty(low - 1, target) == pytest.approx(1 / low)
    assert length_penalty(high + 1, target) == pytest.approx(1 / high)
    assert length_penalty(0, target) == length_penalty(2 * high, target) == 1


def test_length_penalty_of_small_targets() -> None:
    assert length_penalty(75, 150) == 0
    assert length_penalty(74, 150) > 0
    assert length_penalty(0, 150) == length_penalty(0, 10) == 1
    assert length_penalty(176, 351) == 0
    assert length_penalty(175, 351) == pytest.approx(1 / 176)


@pytest.mark.parametrize(
    ("words", "target", "score"),
    [(1000, 1000, 1), (900, 1000, 1), (1100, 1000, 1), (450, 1000, 0.5), (0, 1000, 0), (1650, 1000, 0.5),
     (2200, 1000, 0),
     (50, 100, 1), (25, 100, 0.5), (0, 40, 1)],
)  # fmt: skip
def test_length_score(words: int, target: int, score: float) -> None:
    assert length_score(words, target) == pytest.approx(score)


@pytest.mark.parametrize(
    ("requested", "written", "score"),
    [
        (1000, 1000, 100),
        (1000, 500, 50),
        (1000, 2000, 200 / 3),
        (1000, 4000, 0),
        (1000, 5000, 0),
        (1000, 0, 0),
        (900, 300, 0),
    ],
)
def test_longbench_length_score(requested: int, written: int, score: float) -> None:
    assert length_score_longbench(requested, written) == pytest.approx(score)


@given(WORDS, TARGETS)
def test_bounds(words: int, target: int) -> None:
    assert 0 <= length_penalty(words, target) <= 1
    assert 0 <= length_score(words, target) <= 1
    assert 0 <= length_score_longbench(target, words) <= 100


@given(WORDS, WORDS, TARGETS)
def test_further_from_the_target_is_never_better(a: int, b: int, target: int) -> None:
    near, far = sorted((a, b)) if min(a, b) >= target else sorted((a, b), reverse=True)
    if (near >= target) != (far >= target):
        return
    assert length_penalty(near, max(target, 150)) <= length_penalty(far, max(target, 150)) or near < 150
    assert length_score(near, target) >= length_score(far, target)
    assert length_score_longbench(target, near) >= length_score_longbench(target, far)


def test_ratio() -> None:
    assert length_ratio(500, 1000) == 0.5
    with pytest.raises(ValueError, match="positive"):
        length_ratio(1, 0)


def test_blank() -> None:
    assert blank_penalty("word " * 150) == 0
    assert blank_penalty("word " * 149) == 1
    assert blank_penalty("") == 1
    assert blank_penalty("word" + " " * 40 + ("word" + " " * 40) * 200) == 1


def length_slope(means: dict[str, float]) -> float:
    return sum(weight * means[name] for name, weight in slope_weights(bucket_steps(means)).items())


def test_slope_by_hand() -> None:
    assert length_slope(dict(zip(BUCKETS, [60, 58, 56, 54, 52, 50], strict=True))) == pytest.approx(-2)
    # deviations of the steps are -2.5 .. 2.5, their squares add up to 17.5
    assert length_slope(dict(zip(BUCKETS, [0, 0, 0, 0, 0, 35], strict=True))) == pytest.approx(35 * 2.5 / 17.5)
    assert length_slope({"1-2k": 10, "8-12k": 0}) == pytest.approx(-2)
    assert slope_weights(bucket_steps(["1-2k", ">12k"])) == {}


@given(st.lists(st.floats(-159, 108), min_size=6, max_size=6))
def test_slope_is_the_least_squares_line(means: list[float]) -> None:
    expected = np.polyfit(range(6), means, 1)[0]
    assert length_slope(dict(zip(BUCKETS, means, strict=True))) == pytest.approx(expected, abs=1e-6)

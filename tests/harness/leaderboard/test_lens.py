"""The length lens: slopes, flags and the area by hand, and the published aggregates."""

from __future__ import annotations

import math
from importlib.resources import files
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from polaris_eval.harness.leaderboard.lens import area_under_length, flag_of, length_lens
from polaris_eval.harness.length import ABOVE, BELOW, BUCKETS, SPLITS
from polaris_eval.harness.stats.intervals import Interval

TARGETS = dict(zip((BELOW, *BUCKETS, ABOVE), (500, 1500, 2500, 3500, 5000, 7000, 10000, 16000), strict=True))


def asked(scores: list[float], ratios: list[float], each: int = 5, spread: float = 0.0) -> pd.DataFrame:
    """`each` stories a bucket, with a mean score and ratio for each of the six."""
    around = np.linspace(-spread, spread, each)
    return pd.DataFrame(
        [
            {
                "prompt_id": f"{name}{i}",
                "bucket": name,
                "target": TARGETS[name],
                "split": SPLITS[name],
                "score": score + away,
                "ratio": ratio,
                "length_score": min(1.0, ratio),
                "truncated": 0.0,
            }
            for name, score, ratio in zip(BUCKETS, scores, ratios, strict=True)
            for i, away in enumerate(around)
        ]
    )


def test_slope_through_bucket_means_with_its_interval() -> None:
    lens = length_lens(asked([60, 58, 56, 54, 52, 50], [1] * 6, spread=4))
    assert lens.slope.value == pytest.approx(-2)
    assert lens.slope.low < -2 < lens.slope.high
    assert lens.buckets["3-4k"].score.value == pytest.approx(56)
    assert lens.splits["ID"].score.value == pytest.approx(58)
    exact = length_lens(asked([60, 58, 56, 54, 52, 50], [1] * 6))
    assert exact.slope == pytest.approx((-2, -2, -2))


def test_slope_per_1000_words_by_hand() -> None:
    """Buckets are of unequal width: 2 points lost per 1,000 words are more per bucket, the further out the bucket."""
    words = [TARGETS[name] / 1000 for name in BUCKETS]
    lens = length_lens(asked([60 - 2 * n for n in words], [1] * 6))
    assert lens.slope_per_1000 == pytest.approx((-2, -2, -2))
    assert lens.slope.value == pytest.approx(np.polyfit(range(6), [60 - 2 * n for n in words], 1)[0])
    outside = asked([60 - 2 * n for n in words], [1] * 6)
    for name in (BELOW, ABOVE):
        more = asked([0] * 6, [1] * 6).query("bucket == '1-2k'")
        outside = pd.concat(
            [outside, more.assign(bucket=name, target=TARGETS[name], score=60 - 2 * TARGETS[name] / 1000)]
        )
    lens = length_lens(outside.reset_index(drop=True))
    assert lens.slope_per_1000.value == pytest.approx(-2)
    assert lens.slope.value == pytest.approx(np.polyfit(range(6), [60 - 2 * n for n in words], 1)[0])
    far = outside.assign(score=outside["score"].where(outside["bucket"] != ABOVE, 60.0))
    assert length_lens(far.reset_index(drop=True)).slope_per_1000.value > -1  # what lies outside the six counts here


def test_area_by_hand() -> None:
    """Half quality at full length is 50; nothing below 0 or above 100 counts; short stories lose their share."""
    assert area_under_length(asked([50] * 6, [1] * 6)).value == pytest.approx(50)
    assert area_under_length(asked([-80, 108, 50, 50, 50, 50], [1] * 6)).value == pytest.approx((0 + 100 + 200) / 6)
    assert area_under_length(asked([50] * 6, [1, 1, 1, 0.5, 0.5, 0.2])).value == pytest.approx(50 * 4.2 / 6)
    missing = asked([50] * 6, [1] * 6)
    assert math.isnan(area_under_length(missing[missing["bucket"] != "8-12k"]).value)
    uneven = pd.concat([asked([50] * 6, [1] * 6), asked([50] * 6, [1] * 6).query("bucket == '1-2k'").assign(score=0)])
    assert area_under_length(uneven).value == pytest.approx((25 + 5 * 50) / 6)  # a bucket weighs the same, however full


def test_flags_need_the_whole_interval() -> None:
    assert flag_of(Interval(1.4, 1.26, 1.6)) == "length-runaway"
    assert flag_of(Interval(1.4, 1.2, 1.6)) is None
    assert flag_of(Interval(0.5, 0.4, 0.74)) == "under-generation"
    assert flag_of(Interval(0.5, math.nan, math.nan)) is None
    lens = length_lens(asked([50] * 6, [1.5, 1, 1, 0.9, 0.5, 0.3]))
    assert lens.flags == {"length-runaway": ("1-2k",), "under-generation": ("far OOD", "6-8k", "8-12k")}


def test_without_lengths_there_is_nothing_to_see() -> None:
    frame = asked([50] * 6, [1] * 6).assign(bucket=None, split=None)
    lens = length_lens(frame)
    assert (lens.buckets, lens.splits, lens.flags) == ({}, {}, {})
    assert math.isnan(lens.slope.value)
    assert math.isnan(lens.area.value)


def test_the_published_aggregates_weigh_every_bucket_the_same() -> None:
    """Published "all" = 1/2 ID + 1/3 near + 1/6 far, but for one: no-HRI's Story Quality parts give 50.2, not 49.7."""
    table = pd.read_csv(Path(str(files("polaris_eval.results") / "published.csv")))
    weights = {split: list(SPLITS.values()).count(split) / len(BUCKETS) for split in dict.fromkeys(SPLITS.values())}
    assert weights == {"ID": 1 / 2, "near OOD": 1 / 3, "far OOD": 1 / 6}
    derived, exceptions = 0, {}
    for (model, benchmark, metric), group in table.groupby(["model", "benchmark", "metric"]):
        by_slice = {str(name).split(" (")[0]: value for name, value in zip(group["slice"], group["value"], strict=True)}
        if not {*weights, "all"} <= by_slice.keys():
            continue
        found = sum(weight * by_slice[split] for split, weight in weights.items())
        derived += 1
        if abs(found - by_slice["all"]) > (0.01 if metric == "ratio" else 0.1) + 1e-9:
            exceptions[model, benchmark] = (round(found, 1), by_slice["all"])
    assert derived >= 9
    assert exceptions == {("POLARIS-no-HRI-9B", "story_quality"): (50.2, 49.7)}

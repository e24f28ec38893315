"""The proxy's fit to real judgments: reproducible, honest about models it never saw, and not length in disguise."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from scipy.stats import spearmanr

from polaris_eval.harness.models.calibrate import family, fit, held_out, read, report
from polaris_eval.harness.models.lexical import marks, quality, shipped
from polaris_eval.rubrics import Marks, load_rubric, rubric_names

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("calibration")]


@pytest.fixture(scope="module")
def recorded(shared: Path) -> pd.DataFrame:
    return read(shared / "eqbench_creative_replay", shared / "eqbench_creative_replay_more")


@pytest.fixture(scope="module")
def scores(recorded: pd.DataFrame) -> pd.Series:
    return held_out(recorded)


def test_the_script_reproduces_the_shipped_numbers(recorded: pd.DataFrame) -> None:
    again, known = fit(recorded), shipped()
    assert again["intercept"] == pytest.approx(known["intercept"], abs=1e-3)
    assert again["features"].keys() == known["features"].keys()
    for name, fitted in again["features"].items():
        assert fitted == pytest.approx(known["features"][name], abs=1e-3), name


def test_on_models_it_never_saw(recorded: pd.DataFrame, scores: pd.Series) -> None:
    found, known = report(recorded, scores, resamples=20), shipped()["report"]
    assert (found["stories"], found["models"], found["families"]) == (1920, 20, 8)
    assert {name: known[name] for name in ("stories", "models", "families")} == {
        "stories": 1920, "models": 20, "families": 8,
    }  # fmt: skip
    names = ("story", "within_prompt", "within_model", "model", "constant", "length_partialled_out", "with_length")
    for name in names:
        assert found[name]["value"] == pytest.approx(known[name]["value"], abs=0.02), name
        assert known[name]["low"] <= known[name]["value"] <= known[name]["high"]
    assert found["story"]["value"] >= 0.65
    assert found["within_prompt"]["value"] >= 0.70
    assert found["model"]["value"] >= 0.85


def test_a_family_is_left_out_as_a_whole() -> None:
    assert family("google/gemma-3-27b-it") == family("gemini-2.5-pro-exp-03-25") == "Google"
    assert family("ministral-3b") == family("mistralai/Mistral-Small-24B-Instruct-2501") == "Mistral"
    assert family("liquid/lfm-7b") == "liquid/lfm-7b"


def test_it_is_not_length_in_disguise(recorded: pd.DataFrame) -> None:
    known = shipped()
    assert known["report"]["length_partialled_out"]["value"] >= known["report"]["story"]["value"] - 0.02
    assert abs(known["report"]["with_length"]["value"]) < 0.2
    for name in known["features"]:
        assert abs(spearmanr(recorded[f"f:{name}"], recorded["words"]).statistic) < 0.5, name


def test_every_rubric_ranks_stories_by_the_same_quality(recorded: pd.DataFrame) -> None:
    some = recorded.sample(60, random_state=1)
    good = [quality(measured, shipped()) for measured in some["all"]]
    for name in {*rubric_names()} - {"pairwise"}:
        rubric = load_rubric(name)
        parts = range(1, 6) if rubric.slots else [None]
        given = [
            sum(rubric.score(_whole(marks(rubric, measured, part)))["score"] for part in parts)
            for measured in some["all"]
        ]
        assert spearmanr(good, given).statistic > 0.85, name


def _whole(found: Marks) -> Marks:
    assert all(mark == int(mark) for mark in found.scores.values())
    return found

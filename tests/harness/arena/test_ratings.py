"""Ratings: known strengths come back, the order of matches means nothing, and style cannot buy rank."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit

from polaris_eval.harness.arena.ratings import ELO, rate
from polaris_eval.harness.errors import UserError
from polaris_eval.harness.stats.bradley_terry import strengths
from polaris_eval.harness.text.style import STYLE, style

TRUE = np.array([1.2, 0.6, 0.1, -0.6, -1.3])


def simulated(
    seed: int, prompts: int = 40, position: float = 0.3, verbosity: float = 0.0, wordy: int | None = None
) -> pd.DataFrame:
    """A round-robin of five models; the judge answers in the five steps of a real one, and likes words by `verbosity`
    (logits for twice as many). The model `wordy` writes longer stories, and so do the others now and then."""
    rng = np.random.default_rng(seed)
    rows = []
    for prompt in range(prompts):
        length = rng.normal(0, 0.5, 5) + (np.arange(5) == wordy) * 1.0
        form = rng.normal(0, 0.7, 5)  # how well a model does on this prompt
        for a in range(5):
            for b in range(a + 1, 5):
                apart = TRUE[a] - TRUE[b] + form[a] - form[b] + verbosity * (length[a] - length[b]) / math.log(2)
                drawn = [_outcome(rng, expit(apart + side * position)) for side in (1, -1)]
                rows.append((f"m{a}", f"m{b}", f"p{prompt}", *drawn, length[a] - length[b], 0.0, 0.0))
    return pd.DataFrame(rows, columns=["a", "b", "prompt_id", "first", "second", *STYLE])


def _outcome(rng: np.random.Generator, expected: float) -> float:
    """A share of a win in quarters with this mean."""
    low = math.floor(expected * 4)
    return (low + (rng.random() < expected * 4 - low)) / 4


def test_two_models_by_hand() -> None:
    row = {"a": "x", "b": "y", "first": 0.75, "second": 0.75, **dict.fromkeys(STYLE, 0.0)}
    found = rate(pd.DataFrame([{**row, "prompt_id": f"p{i}"} for i in range(500)]))
    # a share of 3/4 is odds of 3, and Elo points are 400 for a factor of ten
    apart = found.rating["x"].value - found.rating["y"].value
    assert apart == pytest.approx(400 * math.log10(3), abs=0.2)  # the ridge takes a little
    assert np.mean([found.rating[name].value for name in found.models]) == pytest.approx(1500)
    assert found.first.value == pytest.approx(0.5)
    assert found.models == ("x", "y")
    assert found.ranks == {"x": (1, "a"), "y": (2, "b")}  # the same on every prompt leaves no doubt
    even = rate(pd.DataFrame([{**row, "first": 0.5, "second": 0.5, "prompt_id": f"p{i}"} for i in range(9)]))
    assert {rank.letters for rank in even.ranks.values()} == {"a"}
    assert found.win_rate["y"].value == 0.25
    assert found.pairs["difference"].item() == pytest.approx(apart)


def test_position_bias_is_its_own_term() -> None:
    biased = simulated(1, prompts=200, position=0.8)
    found = rate(biased)
    assert found.first.low < expit(0.8) < found.first.high or abs(found.first.value - expit(0.8)) < 0.04
    assert found.first.low > 0.6
    swapped = biased.rename(columns={"first": "second", "second": "first"})
    turned = rate(swapped)
    assert turned.first.value == pytest.approx(1 - found.first.value, abs=1e-6)
    assert turned.rating["m0"].value == pytest.approx(found.rating["m0"].value, abs=1e-4)


def test_the_order_of_matches_and_of_names_means_nothing() -> None:
    matches = simulated(2)
    found = rate(matches)
    shuffled = rate(matches.sample(frac=1, random_state=3))
    turned = matches.copy()
    half = np.arange(len(turned)) % 2 == 0
    turned.loc[half, ["a", "b"]] = matches.loc[half, ["b", "a"]].to_numpy()
    turned.loc[half, "first"] = 1 - matches.loc[half, "second"]
    turned.loc[half, "second"] = 1 - matches.loc[half, "first"]
    turned.loc[half, list(STYLE)] *= -1
    other_way = rate(turned)
    for name in found.models:
        for again in (shuffled, other_way):
            assert again.rating[name] == pytest.approx(found.rating[name], abs=1e-6)
            assert again.controlled[name] == pytest.approx(found.controlled[name], abs=1e-6)
    assert shuffled.ranks == found.ranks == {f"m{i}": (i + 1, "abcde"[i]) for i in range(5)}


@pytest.mark.slow
def test_known_strengths_lie_in_their_intervals_at_the_nominal_rate() -> None:
    # the judge answers with the mean over a prompt's form, which flattens differences: find what a fit of very many
    # prompts converges to, and count how often intervals of few prompts hold it
    many = pd.concat(
        [simulated(s, prompts=500).assign(prompt_id=lambda t, s=s: t["prompt_id"] + f"-{s}") for s in range(1000, 1008)]
    )
    names = [f"m{i}" for i in range(5)]
    known = strengths(names, many)
    true = (known - known.mean()) * ELO + 1500
    assert np.all(np.diff(true) < -50)
    held = []
    for seed in range(40):
        found = rate(simulated(seed, prompts=30))
        held += [found.rating[n].low <= t <= found.rating[n].high for n, t in zip(names, true, strict=True)]
    assert np.mean(held) >= 0.88  # of 125


def test_a_judge_that_likes_words_fools_the_plain_rating_only() -> None:
    honest = rate(simulated(5, prompts=120, wordy=2))
    fooled = rate(simulated(5, prompts=120, wordy=2, verbosity=0.9))
    assert honest.models.index("m2") == 2
    assert fooled.models.index("m2") < 2
    assert sorted(fooled.controlled, key=lambda n: -fooled.controlled[n].value).index("m2") == 2
    assert fooled.style["length"].low > 50
    assert abs(honest.style["length"].value) < 30
    assert abs(fooled.controlled["m2"].value - honest.rating["m2"].value) < 60
    assert math.isnan(fooled.style["markdown"].value)  # no story has any


def test_a_model_that_loses_everything_has_a_finite_rating() -> None:
    matches = simulated(6)
    lost = matches["b"] == "m4"
    matches.loc[lost, ["first", "second"]] = 1.0
    found = rate(matches)
    assert found.models[-1] == "m4"
    assert -2000 < found.rating["m4"].value < 1000
    assert found.win_rate["m4"].value == 0


def test_a_style_that_never_changes_is_no_trouble() -> None:
    matches = simulated(10)
    matches[["length", "dialogue"]] = 0.1  # every a is longer than its b by as much
    found = rate(matches)
    assert all(math.isfinite(number) for interval in found.controlled.values() for number in interval)


def test_anchors_pin_two_models() -> None:
    matches = simulated(7)
    free, pinned = rate(matches), rate(matches, {"m0": 1500, "m4": 200})
    assert pinned.rating["m0"].value == pytest.approx(1500)
    assert pinned.rating["m4"].value == pytest.approx(200)
    scale = 1300 / (free.rating["m0"].value - free.rating["m4"].value)
    middle = 1500 + scale * (free.rating["m2"].value - free.rating["m0"].value)
    assert pinned.rating["m2"].value == pytest.approx(middle)
    assert pinned.ranks == free.ranks
    for anchors, complaint in (
        ({"m0": 1500.0}, "two models"),
        ({"m0": 1500.0, "nobody": 200.0}, "nobody"),
        ({"m0": 200.0, "m4": 1500.0}, "cannot be pinned"),
    ):
        with pytest.raises(UserError, match=complaint):
            rate(matches, anchors)


def test_what_cannot_be_rated_is_refused_with_a_sentence() -> None:
    matches = simulated(8)
    apart = matches[matches["a"].isin(["m0", "m1"]) == matches["b"].isin(["m0", "m1"])]
    with pytest.raises(UserError, match=r"no chain of matches connects \(m0, m1\) with \(m2, m3, m4\)"):
        rate(apart)
    with pytest.raises(UserError, match="two models or more"):
        rate(matches.iloc[:0])


def test_few_prompts_give_no_intervals_and_one_rank() -> None:
    found = rate(simulated(9, prompts=4))
    assert all(math.isnan(interval.low) for interval in found.rating.values())
    assert {rank.letters for rank in found.ranks.values()} == {"a"}


def test_style_of_a_story() -> None:
    found = style("# One\n\nTwo three. “Four five,” said six.\n* seven")
    assert found["length"] == pytest.approx(math.log(8))
    assert found["dialogue"] == pytest.approx(2 / 8)
    assert found["markdown"] == pytest.approx(2 / 3)
    assert style("") == {"length": 0, "dialogue": 0, "markdown": 0}

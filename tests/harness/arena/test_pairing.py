"""Which matches are played: everybody is connected, prompts are shared, and the budget goes where it tells."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from samples import entries
from scipy.special import expit

from polaris_eval.harness.arena.entries import Entry, Match, possible_matches
from polaris_eval.harness.arena.pairing import next_round, round_robin
from polaris_eval.harness.errors import UserError
from polaris_eval.harness.text.style import STYLE

Matches = dict[tuple[str, str], list[Match]]
NOTHING = pd.DataFrame(columns=["a", "b", "prompt_id", "first", "second", *STYLE])


def judged(chosen: list[Match], strength: dict[str, float]) -> pd.DataFrame:
    """Matches as a judge without noise sees them."""
    rows = [
        (m.a.model, m.b.model, m.a.prompt_id, *[expit(strength[m.a.model] - strength[m.b.model])] * 2, 0.0, 0.0, 0.0)
        for m in chosen
    ]
    return pd.DataFrame(rows, columns=NOTHING.columns)


def played(matches: Matches, per_model: int, strength: dict[str, float], seed: int = 0) -> list[list[Match]]:
    rounds: list[list[Match]] = []
    while True:
        so_far = [m for round_ in rounds for m in round_]
        chosen = next_round(matches, [m.id for m in so_far], judged(so_far, strength), per_model, {}, seed)
        if not chosen:
            return rounds
        rounds.append(chosen)


@settings(max_examples=30, deadline=None)
@given(st.integers(2, 9), st.integers(1, 12), st.integers(1, 20), st.integers(0, 3))
def test_every_model_plays_its_number_on_shared_prompts_and_is_connected(
    models: int, prompts: int, per_model: int, seed: int
) -> None:
    matches = possible_matches(entries(models, prompts))
    rng = np.random.default_rng(seed)
    strength = {name: float(rng.normal()) for pair in matches for name in pair}
    chosen = [m for round_ in played(matches, per_model, strength, seed) for m in round_]
    assert len({m.id for m in chosen}) == len(chosen)
    assert all(m.a.key == m.b.key and m.a.model < m.b.model for m in chosen)
    counts = Counter(name for m in chosen for name in m.pair)
    assert all(counts[name] >= min(per_model, (models - 1) * prompts) for name in strength)
    assert len(chosen) <= per_model * models  # where every match serves one of its models only
    group = {name: name for name in strength}
    for m in chosen:
        old, new = group[m.a.model], group[m.b.model]
        group = {name: new if held == old else held for name, held in group.items()}
    assert len(set(group.values())) == 1


def test_the_budget_goes_to_neighbours_in_rank() -> None:
    matches = possible_matches(entries(12, 40))
    strength = {f"m{i:02}": 4.0 - 0.7 * i for i in range(12)}
    rounds = played(matches, 60, strength)
    assert len(rounds) == 4
    assert sum(map(len, rounds)) < 1.3 * 12 * 60 / 2
    places = [sorted(int(name[1:]) for name in m.pair) for m in rounds[-1]]
    apart = Counter(b - a for a, b in places)
    assert apart[1] + apart[2] > 0.8 * len(places)
    assert sum(count for distance, count in apart.items() if distance > 5) == 0
    prompts = Counter((name, m.a.key) for round_ in rounds for m in round_ for name in m.pair)
    assert max(prompts.values()) <= 4  # some 70 matches over 40 prompts: none is worn out


def test_scores_of_a_rubric_decide_who_meets_first() -> None:
    matches = possible_matches(entries(10, 40))
    expected = {f"m{i:02}": 1.5 * ((i * 7) % 10) for i in range(10)}
    chosen = next_round(matches, [], NOTHING, 40, expected, 0)
    apart = [abs(expected[m.a.model] - expected[m.b.model]) for m in chosen]
    assert np.mean(apart) < 3


def test_the_same_seed_gives_the_same_schedule() -> None:
    matches = possible_matches(entries(6, 10))
    strength = {f"m{i:02}": -0.3 * i for i in range(6)}
    ids = [[m.id for r in played(matches, 12, strength, seed) for m in r] for seed in (1, 1, 2)]
    assert ids[0] == ids[1] != ids[2]


def test_a_model_that_joins_plays_its_own_matches_only() -> None:
    old = possible_matches(entries(6, 20))
    strength = {f"m{i:02}": -0.3 * i for i in range(7)}
    before = [m for r in played(old, 16, strength) for m in r]
    matches = possible_matches(entries(7, 20))
    done = list(before)
    while chosen := next_round(matches, [m.id for m in done], judged(done, strength), 16, {}, 0):
        assert all("m06" in m.pair for m in chosen)
        done += chosen
    assert sum("m06" in m.pair for m in done) == 16


def test_everybody_meets_everybody() -> None:
    chosen = round_robin(possible_matches(entries(4, 3)))
    assert len(chosen) == 18
    assert len({m.pair for m in chosen[:6]}) == 6  # prompt by prompt


def test_what_cannot_meet_is_refused() -> None:
    with pytest.raises(UserError, match="only m00 has stories"):
        possible_matches(entries(1, 3))
    other = [Entry(e.model, e.id, "x" + e.key, e.prompt, e.prompt_id, e.text, e.digest) for e in entries(2, 3, first=2)]
    with pytest.raises(UserError, match=r"no prompts in common connect \(m00, m01\) with \(m02, m03\)"):
        next_round(possible_matches([*entries(2, 3), *other]), [], NOTHING, 3, {}, 0)
    with pytest.raises(UserError, match="no prompt in common"):
        possible_matches([*entries(1, 3), *other[:3]])

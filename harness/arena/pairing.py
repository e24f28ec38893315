"""Which matches to play next: the most informative ones, for a given number of matches per model."""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pandas as pd
from scipy.special import expit

from ..errors import UserError
from ..stats.bradley_terry import Floats, strengths
from .entries import Match, Pair

ROUNDS = 4  # rounds in which a budget is spent; after each, the ratings so far decide the next matches
FEW = 8  # up to this many models, every model meets every other by default
_PRIOR = 1.0  # logits: spread of strengths around those expected from the rubric scores


def next_round(
    matches: Mapping[Pair, Sequence[Match]],
    scheduled: Iterable[str],
    judged: pd.DataFrame,
    per_model: int,
    expected: Mapping[str, float],
    seed: int,
) -> list[Match]:
    """The matches of the next round, in playing order; empty if every model has played its number.

    A round brings every model to the next quarter of `per_model`. First, models that no match connects yet are
    connected in order of strength. Then pairs are taken one at a time, each the one whose match is most informative:
    p (1 − p) times the variance of the difference of their strengths, as known so far. This favours neighbours in rank
    and models with wide intervals; a match that was taken counts as played for the next choice. Only models short of
    their number get matches (a match counts half if only one of its models is short, so some play a few more), and
    when a model joins later only its own matches are played. For each pair, the prompts that both have played least
    come first.

    Args:
        matches: all possible matches.
        scheduled: ids of the matches that are played or scheduled.
        judged: judged matches, as `ratings.rate` takes them.
        per_model: final number of matches per model.
        expected: strengths before any match, in logits, by model (0 if unknown).
        seed: breaks ties.

    Raises:
        UserError: models that are not connected by common prompts.
    """
    models = sorted({name for pair in matches for name in pair})
    taken = set(scheduled)
    played = [m for pair in matches.values() for m in pair if m.id in taken]
    count = Counter(name for match in played for name in match.pair)
    choice = _Choice(matches, taken, seed)
    asked = _step([count[name] for name in {name for pair in choice.left for name in pair}], per_model)
    if asked is None:
        return []
    centre = np.array([expected.get(name, 0.0) for name in models])
    known = judged[judged["a"].isin(models) & judged["b"].isin(models)]
    strength = strengths(models, known, 1 / _PRIOR**2, centre) if len(known) else centre
    table = _Knowledge(models, strength, played)
    round_: list[Match] = []

    def take(pair: Pair) -> None:
        round_.append(choice.take(pair))
        count.update(pair)
        table.add(pair)

    for pair in _links(models, strength, matches, played):
        take(pair)
    while True:
        short = {name for name in models if count[name] < asked}
        wanted = [pair for pair in choice.left if short & set(pair)]
        if not wanted:
            return round_
        take(table.best(short, wanted))


def round_robin(matches: Mapping[Pair, Sequence[Match]]) -> list[Match]:
    """All matches, prompt by prompt, so that after a stop all models have played about equally many."""
    every = [match for pair in matches.values() for match in pair]
    return sorted(every, key=lambda match: (match.a.key, match.pair))


def _step(counts: Sequence[int], per_model: int) -> int | None:
    """The next quarter of `per_model` for those who have played least, among models with matches left."""
    steps = [math.ceil(per_model * part / ROUNDS) for part in range(1, ROUNDS + 1)]
    return next((step for step in steps if counts and min(counts) < step), None)


class _Choice:
    """The unplayed matches of every pair, those on the least played prompts first."""

    def __init__(self, matches: Mapping[Pair, Sequence[Match]], taken: set[str], seed: int) -> None:
        self.seed = seed
        self.used: Counter[tuple[str, str]] = Counter()
        self.left: dict[Pair, dict[str, Match]] = {}
        for pair, listed in matches.items():
            for match in listed:
                if match.id in taken:
                    self.used.update((name, match.a.key) for name in pair)
                else:
                    self.left.setdefault(pair, {})[match.id] = match

    def take(self, pair: Pair) -> Match:
        """Remove and return a match of a pair that has one left."""
        chosen = min(self.left[pair].values(), key=self._worn)
        del self.left[pair][chosen.id]
        if not self.left[pair]:
            del self.left[pair]
        self.used.update((name, chosen.a.key) for name in pair)
        return chosen

    def _worn(self, match: Match) -> tuple[int, str]:
        order = hashlib.sha256(f"{self.seed}|{match.id}".encode()).hexdigest()
        return sum(self.used[name, match.a.key] for name in match.pair), order


class _Knowledge:
    """How well the strengths are known: their covariance, by the Laplace approximation, after each match."""

    def __init__(self, models: Sequence[str], strength: Floats, played: Iterable[Match]) -> None:
        self.place = {name: i for i, name in enumerate(models)}
        p = expit(strength[:, None] - strength[None, :])
        self.told = 2 * p * (1 - p)  # information of a match, which is two judgments
        information = np.eye(len(models)) / _PRIOR**2
        for (a, b), times in Counter(match.pair for match in played).items():
            i, j = self.place[a], self.place[b]
            amount = times * self.told[i, j]
            information[[i, j], [i, j]] += amount
            information[[i, j], [j, i]] -= amount
        self.covariance = np.linalg.inv(information)

    def add(self, pair: Pair) -> None:
        """Add one match (Sherman–Morrison update)."""
        i, j = (self.place[name] for name in pair)
        change = self.covariance[:, i] - self.covariance[:, j]
        self.covariance -= np.outer(change, change) / (1 / self.told[i, j] + change[i] - change[j])

    def best(self, short: set[str], pairs: Sequence[Pair]) -> Pair:
        """The pair whose match is most informative; a pair with only one model short counts half."""
        own = np.diag(self.covariance)
        gain = self.told * (own[:, None] + own[None, :] - 2 * self.covariance)

        def key(pair: Pair) -> tuple[float, Pair]:
            i, j = (self.place[name] for name in pair)
            return -round(float(gain[i, j]) * sum(name in short for name in pair), 12), pair

        return min(pairs, key=key)


def _links(
    models: Sequence[str], strength: Floats, matches: Mapping[Pair, Sequence[Match]], played: Iterable[Match]
) -> list[Pair]:
    """Pairs of neighbours in strength that connect models not connected yet."""
    group = {name: name for name in models}

    def root(name: str) -> str:
        while group[name] != name:
            name = group[name]
        return name

    for match in played:
        group[root(match.a.model)] = root(match.b.model)
    order = [models[i] for i in np.argsort(-strength, kind="stable")]
    links: list[Pair] = []
    for reach in range(1, len(order)):
        for one, other in zip(order, order[reach:], strict=False):
            pair = (min(one, other), max(one, other))
            if matches.get(pair) and root(one) != root(other):
                group[root(one)] = root(other)
                links.append(pair)
    apart = {root(name) for name in models}
    if len(apart) > 1:
        groups = [", ".join(name for name in models if root(name) == head) for head in sorted(apart)]
        raise UserError(
            f"no prompts in common connect {' with '.join(f'({names})' for names in groups)}, so they cannot be rated "
            "on one scale"
        )
    return links

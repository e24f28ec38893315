"""Bradley–Terry strengths by maximum likelihood from fractional outcomes, with bootstrap resamples of prompts.

For a judgment with a shown first, the logit of a's expected share of a win is strength(a) − strength(b) + style +
position; with b shown first, it is strength(a) − strength(b) + style − position. The parameters maximise the Bernoulli
log-likelihood of the outcomes (each 0 to 1) minus RIDGE/2 times the sum of their squares, which keeps the strengths of
models that won or lost everything finite. This is concave: there is one maximum, whatever the order of the matches.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit

from .intervals import Interval, draws_interval, resamples

RIDGE = 0.1  # pull towards equal strength: less than half the information (1/4) of one judgment between equals
DRAWS = 1000
_STEPS = 50

Floats = NDArray[np.float64]
Places = NDArray[np.integer[Any]]


@dataclass(frozen=True)
class Fit:
    """Strengths, position and style coefficients in logits: the estimate, and one row per resample."""

    value: Floats
    draws: Floats

    def interval(self, place: int, prompts: int) -> Interval:
        """A parameter with its interval, by index (order: models, position, style)."""
        return draws_interval(float(self.value[place]), self.draws[:, place], prompts)


def strengths(
    models: Sequence[str], matches: pd.DataFrame, ridge: float = RIDGE, centre: Floats | None = None
) -> Floats:
    """Strengths in logits, one per model, from matches as in `rate`, pulled towards `centre` (default 0) by `ridge`."""
    place = {name: i for i, name in enumerate(models)}
    a, b = (matches[side].map(place).to_numpy(dtype=int) for side in ("a", "b"))
    n, wins = np.ones(len(a)), matches[["first", "second"]].to_numpy(dtype=float)
    return _maximum(len(models), a, b, np.zeros((len(a), 0)), n, wins, ridge, centre)[: len(models)]


def fit_pairs(count: int, a: Places, b: Places, outcomes: Floats, cluster: Places, prompts: int) -> Fit:
    """Fit without style: all matches of two models have one expected outcome, so sums by pair and prompt are enough."""
    flipped = a > b
    shares = np.where(flipped[:, None], 1 - outcomes[:, ::-1], outcomes)  # of the model that comes first by name
    codes, pair = np.unique(np.minimum(a, b) * count + np.maximum(a, b), return_inverse=True)
    sums = np.zeros((3, prompts, len(codes)))
    for total, part in zip(sums, (np.ones(len(a)), shares[:, 0], shares[:, 1]), strict=True):
        np.add.at(total, (cluster, pair), part)
    fixed = (count, codes // count, codes % count, np.zeros((len(codes), 0)))
    whole = sums.sum(axis=1)
    value = _maximum(*fixed, whole[0], whole[1:].T)
    draws = [
        _refit(value, *fixed, weights @ sums[0], np.stack([weights @ sums[1], weights @ sums[2]], axis=1))
        for weights in resamples(prompts, DRAWS)
    ]
    return Fit(value, np.array(draws))


def fit_rows(
    count: int,
    a: Places,
    b: Places,
    outcomes: Floats,
    cluster: Places,
    prompts: int,
    dressed: Floats,
) -> Fit:
    """Fit with style differences, one row per match (standardised, so that the ridge penalises them equally)."""
    fixed = (count, a, b, dressed)
    value = _maximum(*fixed, np.ones(len(a)), outcomes)
    draws = []
    for weights in resamples(prompts, DRAWS):
        n = weights[cluster]
        drawn = n > 0
        rows = (count, a[drawn], b[drawn], dressed[drawn])
        draws.append(_refit(value, *rows, n[drawn], outcomes[drawn] * n[drawn, None]))
    return Fit(value, np.array(draws))


def _maximum(
    count: int,
    a: Places,
    b: Places,
    x: Floats,
    n: Floats,
    wins: Floats,
    ridge: float = RIDGE,
    centre: Floats | None = None,
) -> Floats:
    """The parameters (strengths, position, style) that maximise the penalised likelihood.

    `n` matches of row i are between a[i] and b[i]; `wins` are a's shares of wins in them, shown first and second.
    """
    middle = np.zeros(count + 1 + x.shape[1])
    if centre is not None:
        middle[:count] = centre

    def loss(values: Floats) -> float:
        apart, position = _expected(values, count, a, b, x)
        lost = sum(
            (n * np.logaddexp(0, logit) - won * logit).sum()
            for logit, won in ((apart + position, wins[:, 0]), (apart - position, wins[:, 1]))
        )
        return float(lost + ridge / 2 * ((values - middle) ** 2).sum())

    def slope(values: Floats) -> Floats:
        return -_derivatives(values, count, a, b, x, n, wins)[0] + ridge * (values - middle)

    def curve(values: Floats) -> Floats:
        return _derivatives(values, count, a, b, x, n, wins)[1] + ridge * np.eye(len(values))

    found = minimize(loss, middle, jac=slope, hess=curve, method="trust-exact", options={"gtol": 1e-8})
    return np.asarray(found.x, dtype=float)


def _refit(start: Floats, count: int, a: Places, b: Places, x: Floats, n: Floats, wins: Floats) -> Floats:
    """The same maximum, by Newton steps from a nearby starting point."""
    values = start
    for _ in range(_STEPS):
        gradient, information = _derivatives(values, count, a, b, x, n, wins)
        information += RIDGE * np.eye(len(values))
        step = np.linalg.solve(information, gradient - RIDGE * values)
        values = values + np.clip(step, -1, 1)
        if np.abs(step).max() < 0.01:  # convergence is quadratic: the next step would be about its square
            break
    return values


def _expected(values: Floats, count: int, a: Places, b: Places, x: Floats) -> tuple[Floats, float]:
    return values[a] - values[b] + x @ values[count + 1 :], float(values[count])


def _derivatives(
    values: Floats, count: int, a: Places, b: Places, x: Floats, n: Floats, wins: Floats
) -> tuple[Floats, Floats]:
    """Gradient and Fisher information of the log-likelihood, without the ridge."""
    apart, position = _expected(values, count, a, b, x)
    p, q = expit(apart + position), expit(apart - position)
    over, under = wins[:, 0] - n * p, wins[:, 1] - n * q
    first, second = n * p * (1 - p), n * q * (1 - q)
    both, skew = first + second, first - second
    # terms that only depend on the two models are first summed by pair
    code = a * count + b
    weighted = [over + under, both, skew, *(both * column for column in x.T)]
    by_pair = [np.bincount(code, part, count * count).reshape(count, count) for part in weighted]
    by_model = [part.sum(axis=1) - part.sum(axis=0) for part in by_pair]
    gradient = np.concatenate([by_model[0], [(over - under).sum()], x.T @ (over + under)])
    size = len(gradient)
    information = np.zeros((size, size))
    between = by_pair[1] + by_pair[1].T
    information[:count, :count] = np.triu(np.diag(between.sum(axis=1)) - between)
    information[count, count] = both.sum()
    information[count + 1 :, count + 1 :] = np.triu((x * both[:, None]).T @ x)
    information[count, count + 1 :] = skew @ x
    information[:count, count:] = np.column_stack(by_model[2:])
    information += np.triu(information, 1).T  # only the upper half was filled in
    return gradient, information

"""Ratings from pairwise matches: Bradley–Terry with a position term, intervals over prompts, and control for style."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.linalg import solve
from scipy.optimize import minimize
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.special import expit
from scipy.stats import t as student

from .errors import UserError
from .stats import MIN_CLUSTERS, Interval, draws_interval, holm, mean_interval, rank_groups, resamples
from .style import STYLE

ELO = 400 / math.log(10)  # Elo points of one logit
CENTRE = 1500.0
RIDGE = 0.1  # pull towards equal strength: less than half of one judgment between equals tells (a quarter)
DRAWS = 1000
_STEPS = 50
# what one step of a style difference is: its size in the units of `style`, and in words
UNITS = {"length": (math.log(2), "twice the words"), "dialogue": (0.1, "10 points more dialogue"),
         "markdown": (0.1, "10 points more lines with markdown")}  # fmt: skip

Floats = NDArray[np.float64]
Places = NDArray[np.integer[Any]]


@dataclass(frozen=True)
class Ratings:
    """Ratings of models, best first, on the Elo scale.

    `rating` and `controlled` (as if all stories were dressed alike, see `style`) are with 95 % intervals over prompts;
    `ranks` and `controlled_ranks` are shared by models that are not told apart; `pairs` compares every two models as
    `stats.compare_pairs` does; `win_rate` is the mean outcome of a model's matches; `first` is the share of a win that
    the story shown first gets between equals (0.5: no position bias); `style` the points that one step of a style
    difference is worth (see `UNITS`).
    """

    models: tuple[str, ...]
    rating: Mapping[str, Interval]
    controlled: Mapping[str, Interval]
    ranks: Mapping[str, str]
    controlled_ranks: Mapping[str, str]
    win_rate: Mapping[str, Interval]
    pairs: pd.DataFrame
    first: Interval
    style: Mapping[str, Interval]


def rate(matches: pd.DataFrame, anchors: Mapping[str, float] | None = None) -> Ratings:
    """Ratings from one row a match: `a`, `b`, `prompt_id`, `first` and `second` (a's share of a win when its story was
    shown first and second, each 0 to 1), and the style differences a − b by the names in `STYLE`.

    For a judgment with a shown first, the logit of a's expected share is strength(a) − strength(b) + position, for
    one with b first it is strength(a) − strength(b) − position; the strengths maximise the Bernoulli likelihood of the
    fractional outcomes less RIDGE/2 times their squares, which keeps models that won or lost everything finite. The
    likelihood is concave, so the order of matches means nothing. Strengths times 400/ln 10 are Elo points. Style
    differences (in standard deviations) are three more regressors of the controlled ratings.

    Args:
        matches: as above; of each match both orders were judged.
        anchors: two models and the ratings to pin them to; without, the mean is 1500.

    Raises:
        UserError: fewer than two models, models that no chain of matches connects, or anchors that do not fit.
    """
    models, a, b = _indexed(matches)
    _check_connected(models, a, b)
    prompts, cluster = np.unique(matches["prompt_id"].astype(str).to_numpy(), return_inverse=True)
    outcomes = matches[["first", "second"]].to_numpy(dtype=float)
    plain = _fit_pairs(len(models), a, b, outcomes, cluster, len(prompts))
    spread = matches[list(STYLE)].std(ddof=0).to_numpy(dtype=float)
    dressed = matches[list(STYLE)].to_numpy(dtype=float) / np.where(spread > 0, spread, 1.0)
    ruled = _fit_rows(len(models), a, b, outcomes, cluster, len(prompts), dressed)
    shown = [_scaled(models, found, anchors, len(prompts)) for found in (plain, ruled)]
    order = sorted(range(len(models)), key=lambda i: -plain.value[i])
    best = tuple(models[i] for i in order)
    pairs = _pairs(models, order, plain, matches, shown[0].scale, len(prompts))
    ruled_order = sorted(range(len(models)), key=lambda i: -ruled.value[i])
    ruled_pairs = _pairs(models, ruled_order, ruled, matches, shown[1].scale, len(prompts))
    worth = {name: UNITS[name][0] * ELO / s if s > 0 else math.nan for name, s in zip(STYLE, spread, strict=True)}
    return Ratings(
        models=best,
        rating={name: shown[0].ratings[name] for name in best},
        controlled={name: shown[1].ratings[name] for name in best},
        ranks=rank_groups(best, pairs),
        controlled_ranks=rank_groups([models[i] for i in ruled_order], ruled_pairs),
        win_rate={name: _win_rate(matches, name) for name in best},
        pairs=pairs,
        first=Interval(*(float(expit(bound)) for bound in plain.interval(len(models), len(prompts)))),
        style={
            name: Interval(*(bound * worth[name] for bound in ruled.interval(len(models) + 1 + k, len(prompts))))
            for k, name in enumerate(STYLE)
        },
    )


def strengths(
    models: Sequence[str], matches: pd.DataFrame, ridge: float = RIDGE, centre: Floats | None = None
) -> Floats:
    """Strengths in logits, one a model, from matches as of `rate`, pulled towards `centre` (0) by `ridge`."""
    place = {name: i for i, name in enumerate(models)}
    a, b = (matches[side].map(place).to_numpy(dtype=int) for side in ("a", "b"))
    n, wins = np.ones(len(a)), matches[["first", "second"]].to_numpy(dtype=float)
    return _maximum(len(models), a, b, np.zeros((len(a), 0)), n, wins, ridge, centre)[: len(models)]


@dataclass(frozen=True)
class _Fit:
    """Strengths, position and style coefficients in logits: the estimate, and one row a resample."""

    value: Floats
    draws: Floats

    def interval(self, place: int, prompts: int) -> Interval:
        return draws_interval(float(self.value[place]), self.draws[:, place], prompts)


@dataclass(frozen=True)
class _Scaled:
    ratings: dict[str, Interval]
    scale: float


def _indexed(matches: pd.DataFrame) -> tuple[list[str], Places, Places]:
    models = sorted({*matches["a"], *matches["b"]})
    place = {name: i for i, name in enumerate(models)}
    return models, matches["a"].map(place).to_numpy(dtype=int), matches["b"].map(place).to_numpy(dtype=int)


def _check_connected(models: list[str], a: Places, b: Places) -> None:
    if len(models) < 2:
        raise UserError("ratings need matches between two models or more; give the stories of another model too")
    graph = coo_array((np.ones(len(a)), (a, b)), shape=(len(models), len(models)))
    count, label = connected_components(graph, directed=False)
    if count > 1:
        groups = [", ".join(m for m, k in zip(models, label, strict=True) if k == part) for part in range(count)]
        raise UserError(
            f"no chain of matches connects {' with '.join(f'({group})' for group in groups)}, so they cannot be rated "
            "on one scale; they need prompts in common, and matches on them"
        )


def _fit_pairs(count: int, a: Places, b: Places, outcomes: Floats, cluster: Places, prompts: int) -> _Fit:
    """Without style, all matches of two models have one expected outcome: sums by pair and prompt are enough."""
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
    return _Fit(value, np.array(draws))


def _fit_rows(
    count: int,
    a: Places,
    b: Places,
    outcomes: Floats,
    cluster: Places,
    prompts: int,
    dressed: Floats,
) -> _Fit:
    fixed = (count, a, b, dressed)
    value = _maximum(*fixed, np.ones(len(a)), outcomes)
    draws = []
    for weights in resamples(prompts, DRAWS):
        n = weights[cluster]
        drawn = n > 0
        rows = (count, a[drawn], b[drawn], dressed[drawn])
        draws.append(_refit(value, *rows, n[drawn], outcomes[drawn] * n[drawn, None]))
    return _Fit(value, np.array(draws))


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
    """The parameters (strengths, position, style) of the greatest penalised likelihood.

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
    """The same maximum by Newton's steps from one that is near."""
    values = start
    for _ in range(_STEPS):
        gradient, information = _derivatives(values, count, a, b, x, n, wins)
        information[np.diag_indices_from(information)] += RIDGE
        step = solve(information, gradient - RIDGE * values, assume_a="pos")
        values = values + np.clip(step, -1, 1)
        if np.abs(step).max() < 0.01:  # the next step would be its square
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
    # what depends on the two models only is summed by pair first
    code = a * count + b
    weighted = [over + under, both, skew, *(both * column for column in x.T)]
    by_pair = [np.bincount(code, part, count * count).reshape(count, count) for part in weighted]
    by_model = [part.sum(axis=1) - part.sum(axis=0) for part in by_pair]
    gradient = np.concatenate([by_model[0], [(over - under).sum()], x.T @ (over + under)])
    size = len(gradient)
    information = np.zeros((size, size))
    between = by_pair[1] + by_pair[1].T
    information[:count, :count] = np.diag(between.sum(axis=1)) - between
    information[count, count] = both.sum()
    information[count + 1 :, count + 1 :] = (x * both[:, None]).T @ x
    information[count, count + 1 :] = skew @ x
    information[:count, count:] = np.column_stack(by_model[2:])
    lower = np.tril_indices(size, -1)
    information[lower] = information.T[lower]
    return gradient, information


def _scaled(models: list[str], found: _Fit, anchors: Mapping[str, float] | None, prompts: int) -> _Scaled:
    """Strengths on the Elo scale; resampled ones are centred on their own mean, and mapped as the estimate is."""
    count = len(models)
    value = (found.value[:count] - found.value[:count].mean()) * ELO
    draws = (found.draws[:, :count] - found.draws[:, :count].mean(axis=1, keepdims=True)) * ELO
    scale, shift = _anchored(dict(zip(models, value, strict=True)), anchors) if anchors else (1.0, CENTRE)
    return _Scaled(
        {
            name: draws_interval(float(value[i] * scale + shift), draws[:, i] * scale + shift, prompts)
            for i, name in enumerate(models)
        },
        scale,
    )


def _anchored(value: Mapping[str, float], anchors: Mapping[str, float]) -> tuple[float, float]:
    """The linear map that brings both anchors to their ratings, as EQ-Bench's does."""
    if len(anchors) != 2:
        raise UserError(f"anchors are two models and their ratings; {len(anchors)} given")
    for name in anchors:
        if name not in value:
            raise UserError(f"anchor {name!r} is no model of this arena; there are {', '.join(sorted(value))}")
    (one, high), (other, low) = anchors.items()
    apart = value[one] - value[other]
    if abs(apart) < 1e-6 or (high - low) / apart <= 0:
        raise UserError(
            f"the anchors {one} and {other} cannot be pinned to {high:g} and {low:g}: these matches put them "
            f"{apart:+.1f} points apart"
        )
    scale = (high - low) / apart
    return scale, high - scale * value[one]


def _pairs(
    models: list[str], order: Sequence[int], found: _Fit, matches: pd.DataFrame, scale: float, prompts: int
) -> pd.DataFrame:
    """Every two models: difference in points, its interval, p from its bootstrap spread (Student's t over prompts)."""
    met = matches.groupby([matches[["a", "b"]].min(axis=1), matches[["a", "b"]].max(axis=1)]).size()
    rows = []
    for place, i in enumerate(order):
        for j in order[place + 1 :]:
            value = float(found.value[i] - found.value[j]) * ELO * scale
            draws = (found.draws[:, i] - found.draws[:, j]) * ELO * scale
            interval = draws_interval(value, draws, prompts)
            sd = float(draws.std()) * math.sqrt(prompts / max(1, prompts - 1))
            p = 2 * float(student.sf(abs(value) / sd, prompts - 1)) if prompts >= MIN_CLUSTERS and sd > 0 else math.nan
            names = (models[i], models[j])
            rows.append((*names, int(met.get((min(names), max(names)), 0)), *interval, sd, p))
    table = pd.DataFrame(rows, columns=["a", "b", "matches", "difference", "low", "high", "sd", "p"])
    table["p_holm"] = holm(table["p"])
    return table


def _win_rate(matches: pd.DataFrame, model: str) -> Interval:
    outcome = (matches["first"] + matches["second"]) / 2
    own = pd.concat([outcome[matches["a"] == model], 1 - outcome[matches["b"] == model]])
    return mean_interval(own, matches.loc[own.index, "prompt_id"].tolist())

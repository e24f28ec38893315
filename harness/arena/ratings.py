"""Ratings from pairwise matches: Bradley–Terry with a position term, intervals over prompts, and control for style."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.special import expit, stdtr

from ..errors import UserError
from ..stats.bradley_terry import Fit, Places, fit_pairs, fit_rows
from ..stats.compare import Rank, holm
from ..stats.compare import ranks as ranks_of
from ..stats.intervals import MIN_CLUSTERS, Interval, draws_interval, mean_interval, share_interval
from ..text.style import STYLE

ELO = 400 / math.log(10)  # Elo points of one logit
CENTRE = 1500.0
_NOTHING = 1e-6  # points: smaller spreads or differences are rounding errors
# one step of a style difference: its size in the units of `style`, and in words
UNITS = {"length": (math.log(2), "twice the words"), "dialogue": (0.1, "10 points more dialogue"),
         "markdown": (0.1, "10 points more lines with markdown")}  # fmt: skip


@dataclass(frozen=True)
class Ratings:
    """Ratings of models, best first, on the Elo scale.

    `rating` and `controlled` (as if all stories had the same style, see `style`) have 95 % intervals over prompts. In
    `ranks` and `controlled_ranks`, models that are not told apart have a letter in common. `pairs` compares every two
    models as `stats.compare_pairs` does. `win_rate` is the mean outcome of a model's matches. `first` is the share of a
    win that the story shown first gets between equals (0.5: no position bias). `style` is the effect in points of one
    step of a style difference (see `UNITS`).
    """

    models: tuple[str, ...]
    rating: Mapping[str, Interval]
    controlled: Mapping[str, Interval]
    ranks: Mapping[str, Rank]
    controlled_ranks: Mapping[str, Rank]
    win_rate: Mapping[str, Interval]
    pairs: pd.DataFrame
    first: Interval
    style: Mapping[str, Interval]


def rate(matches: pd.DataFrame, anchors: Mapping[str, float] | None = None) -> Ratings:
    """Rate models, given one row per match: `a`, `b`, `prompt_id`, `first` and `second` (a's share of a win when its
    story was shown first and second, each 0 to 1), and the style differences a − b by the names in `STYLE`.

    Strengths are those of `bradley_terry`, times 400/ln 10. Style differences (each divided by its root mean square)
    are three additional regressors for the controlled ratings.

    Args:
        matches: as above; both orders of each match were judged.
        anchors: two models and the ratings to pin them to; if None, the mean is 1500.

    Raises:
        UserError: fewer than two models, models that no chain of matches connects, or anchors that do not fit.
    """
    models, a, b = _indexed(matches)
    _check_connected(models, a, b)
    prompts, cluster = np.unique(matches["prompt_id"].astype(str).to_numpy(), return_inverse=True)
    outcomes = matches[["first", "second"]].to_numpy(dtype=float)
    plain = fit_pairs(len(models), a, b, outcomes, cluster, len(prompts))
    spread = np.sqrt((matches[list(STYLE)].astype(float) ** 2).mean().to_numpy())  # the same whichever story is a
    dressed = matches[list(STYLE)].to_numpy(dtype=float) / np.where(spread > 0, spread, 1.0)
    ruled = fit_rows(len(models), a, b, outcomes, cluster, len(prompts), dressed)
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
        ranks=ranks_of(best, pairs),
        controlled_ranks=ranks_of([models[i] for i in ruled_order], ruled_pairs),
        win_rate={name: _win_rate(matches, name) for name in best},
        pairs=pairs,
        first=Interval(*(float(expit(bound)) for bound in plain.interval(len(models), len(prompts)))),
        style={
            name: Interval(*(bound * worth[name] for bound in ruled.interval(len(models) + 1 + k, len(prompts))))
            for k, name in enumerate(STYLE)
        },
    )


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


def _scaled(models: list[str], found: Fit, anchors: Mapping[str, float] | None, prompts: int) -> _Scaled:
    """Strengths on the Elo scale; each resample is centred on its own mean, then mapped like the estimate."""
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
    """The linear map that gives both anchors their ratings, as in EQ-Bench."""
    if len(anchors) != 2:
        raise UserError(f"anchors must be two models with ratings, got {len(anchors)}")
    for name in anchors:
        if name not in value:
            raise UserError(f"anchor {name!r} is not a model of this arena; known: {', '.join(sorted(value))}")
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
    models: list[str], order: Sequence[int], found: Fit, matches: pd.DataFrame, scale: float, prompts: int
) -> pd.DataFrame:
    """For every two models: difference in points, interval, p from its bootstrap spread (Student's t over prompts)."""
    met = matches.groupby([matches[["a", "b"]].min(axis=1), matches[["a", "b"]].max(axis=1)]).size()
    rows = []
    for place, i in enumerate(order):
        for j in order[place + 1 :]:
            value = float(found.value[i] - found.value[j]) * ELO * scale
            draws = (found.draws[:, i] - found.draws[:, j]) * ELO * scale
            interval = draws_interval(value, draws, prompts)
            sd = float(draws.std()) * math.sqrt(prompts / max(1, prompts - 1))
            p = math.nan
            if prompts >= MIN_CLUSTERS and sd > _NOTHING:
                p = 2 * float(stdtr(prompts - 1, -abs(value) / sd))
            elif prompts >= MIN_CLUSTERS:  # the same on every prompt: no doubt which is better, or that both are equal
                p = float(abs(value) < _NOTHING)
            names = (models[i], models[j])
            rows.append((*names, int(met.get((min(names), max(names)), 0)), *interval, sd, p))
    table = pd.DataFrame(rows, columns=["a", "b", "matches", "difference", "low", "high", "sd", "p"])
    table["p_holm"] = holm(table["p"])
    return table


def _win_rate(matches: pd.DataFrame, model: str) -> Interval:
    outcome = (matches["first"] + matches["second"]) / 2
    own = pd.concat([outcome[matches["a"] == model], 1 - outcome[matches["b"] == model]])
    return share_interval(mean_interval(own, matches.loc[own.index, "prompt_id"].tolist()))

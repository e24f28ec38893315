"""Arenas as grids: standings, and who beats whom."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from ..show.grid import Grid, Head, grid, model_head, numbers, texts
from ..show.numbers import bounds, number, over_bounds, ranked, share
from ..stats.intervals import Interval
from .rows import ArenaRow

# what the columns mean, by their headings
LEGEND = {
    "rank": "place by rating, and letters: models that have a letter in common are not told apart, all others are",
    "rating": "Bradley–Terry on the Elo scale, with its 95 % interval below (bootstrap over prompts)",
    "controlled": "the rating after controlling for length, dialogue and markdown",
    "rank (c.)": "the rank by the controlled rating",
    "win rate": "mean outcome over both orders, against the opponents it met",
    "cover.": "share of the model's judgments that have a result",
}
_AGAINST = "Win rate against each other, %"


def standings_grid(heading: str, rows: Sequence[ArenaRow]) -> Grid:
    """The models of an arena, one row each."""
    heads = [*texts("rank"), model_head(row.model for row in rows)]
    heads += numbers("rating", "controlled", "rank (c.)", "win rate", "matches", "opponents", "cover.")
    return grid(heading, heads, map(_standing, rows), main=True)


def _standing(row: ArenaRow) -> list[str]:
    rate = Interval(*(100 * part for part in row.win_rate))
    return [
        ranked(row.rank),
        row.model,
        over_bounds(row.score, 0),
        over_bounds(row.controlled, 0),
        ranked(row.controlled_rank),
        f"{number(rate.value)}%\n{bounds(rate)}",
        str(row.matches),
        str(row.opponents),
        share(row.coverage),
    ]


def matrix_grid(rows: Sequence[ArenaRow]) -> Grid:
    """Win rate of each model (row) against each other (column, by its place), in per cent."""
    heads = [*numbers(""), model_head(row.model for row in rows), *numbers(*map(str, range(1, len(rows) + 1)))]
    cells = ([str(place), row.model, *(_rate(row, other.model) for other in rows)] for place, row in enumerate(rows, 1))
    return grid(_AGAINST, heads, cells)


def criteria_grid(rows: Sequence[ArenaRow], criteria: Mapping[str, str]) -> Grid:
    """Share of the judgments in which a model won each criterion, in per cent; `criteria` maps ids to names."""
    heads = [model_head(row.model for row in rows), *numbers(*(name.replace(" ", "\n") for name in criteria.values()))]
    cells = ([row.model, *(number(100 * row.criteria[key], 0) for key in criteria)] for row in rows)
    return grid("Judgments won by criterion, %", heads, cells)


def against_grid(rows: Sequence[ArenaRow]) -> Grid:
    """Win rate of the models of the rows against every model they met, in per cent."""
    names = list(dict.fromkeys(name for row in rows for name in row.against))
    heads: list[Head] = [model_head(names), *numbers(*(row.model for row in rows))]
    return grid(_AGAINST, heads, ([name, *(_rate(row, name) for row in rows)] for name in names))


def _rate(row: ArenaRow, other: str) -> str:
    return number(100 * row.against.get(other, math.nan), 0)

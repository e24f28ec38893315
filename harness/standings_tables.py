"""Arenas as rich tables: standings, and who beats whom."""

from __future__ import annotations

import math

from rich.markup import escape
from rich.table import Table

from ..rubrics import load_rubric
from .cells import add_model_column, bounds, number, share
from .standings import Standings
from .stats import Interval

ARENA_LEGEND = (
    "rating: Bradley–Terry on the Elo scale, with its 95 % interval below (bootstrap over prompts); controlled: the "
    "rating with differences of length, dialogue and markdown held equal, rank (c.) its rank; win rate: mean outcome, "
    "both orders, against those it met; cover.: share of the model's judgments that have a result."
)


def standings_table(section: Standings) -> Table:
    """The models of an arena, one row each."""
    table = Table(title=escape(section.heading), title_justify="left", title_style="bold")
    table.add_column("rank")
    add_model_column(table, [row["model"] for row in section.rows])
    for name in ("rating", "controlled", "rank (c.)", "win rate", "matches", "opponents", "cover."):
        table.add_column(name, justify="right")
    for row in section.rows:
        intervals = [Interval(row[key], row[f"{key}_low"], row[f"{key}_high"]) for key in ("score", "controlled")]
        rate = Interval(*(100 * row[f"win_rate{end}"] for end in ("", "_low", "_high")))
        shown = [f"{number(interval.value, 0)}\n{bounds(interval, 0)}" for interval in intervals]
        shown += [row["controlled_rank"], f"{number(rate.value)}%\n{bounds(rate)}"]
        counts = (str(row["matches"]), str(row["opponents"]), share(row["coverage"]))
        table.add_row(row["rank"], escape(row["model"]), *shown, *counts)
    return table


def matrix_table(section: Standings) -> Table:
    """Win rate of each model (row) against each other (column, by its place), in per cent."""
    table = Table(title="Win rate against each other, %", title_justify="left")
    table.add_column("", justify="right")
    add_model_column(table, [row["model"] for row in section.rows])
    for place in range(1, len(section.rows) + 1):
        table.add_column(str(place), justify="right")
    for place, row in enumerate(section.rows, 1):
        met = (row["against"].get(other["model"], math.nan) for other in section.rows)
        table.add_row(str(place), escape(row["model"]), *(number(100 * value, 0) for value in met))
    return table


def criteria_table(section: Standings) -> Table:
    """Share of the judgments in which a model won each criterion, in per cent."""
    table = Table(title="Judgments won by criterion, %", title_justify="left")
    add_model_column(table, [row["model"] for row in section.rows])
    dimensions = load_rubric("pairwise").dimensions
    for dimension in dimensions:
        table.add_column(dimension.name.replace(" ", "\n"), justify="right")
    for row in section.rows:
        table.add_row(escape(row["model"]), *(number(100 * row["criteria"][d.id], 0) for d in dimensions))
    return table


def against_table(section: Standings) -> Table:
    """Win rate of the models of the rows against every model they met, in per cent."""
    table = Table(title="Win rate against each other, %", title_justify="left")
    names = list(dict.fromkeys(name for row in section.rows for name in row["against"]))
    add_model_column(table, names)
    for row in section.rows:
        table.add_column(escape(row["model"]), justify="right", overflow="fold")
    for name in names:
        table.add_row(escape(name), *(number(100 * row["against"].get(name, math.nan), 0) for row in section.rows))
    return table

"""The charts of an arena: ratings with and without style, and win rates."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from ..show.charts import Axis, Chart, Panel, Point, Series
from ..show.numbers import ranked
from .rows import ArenaRow

Rows = Sequence[ArenaRow]
Caption = Callable[[str], str]
_SHIFT = 0.14  # vertical offset of each of a model's two ratings


def charts(rows: Rows, caption: Caption) -> dict[str, Chart]:
    """The charts `ratings` and `wins`."""
    return {"ratings": _ratings(rows, caption), "wins": _wins(rows, caption)}


def _ratings(rows: Rows, caption: Caption) -> Chart:
    """Ratings and style-controlled ratings with their intervals, best first."""
    names = {float(place): f"{row.label}  {ranked(row.rank)}" for place, row in enumerate(rows)}
    both = {"rating": ("score", -_SHIFT), "style-controlled": ("controlled", _SHIFT)}
    series = []
    for colour, (name, (field, shift)) in enumerate(both.items()):
        found = [(place, getattr(row, field)) for place, row in enumerate(rows)]
        points = [Point(rating.value, place + shift, rating.low, rating.high) for place, rating in found]
        series.append(Series(name, points, colour, "bars"))
    panel = Panel(Axis("rating, Elo points", digits=0), Axis("", names), series, "Ratings and rank groups", across=True)
    alt = "Ratings with 95 % intervals, plain and style-controlled"
    return Chart(caption("ratings (bars: 95 %)"), alt, [panel])


def _wins(rows: Rows, caption: Caption) -> Chart:
    """The mean outcome of each model against each other, one line per model; a gap where they never met."""
    names = {float(place): row.label for place, row in enumerate(rows)}
    series = [
        Series(
            row.label,
            [
                Point(100 * row.against[other.model], float(n))
                for n, other in enumerate(rows)
                if not math.isnan(row.against.get(other.model, math.nan))
            ],
            place,
            "cloud",
        )
        for place, row in enumerate(rows)
    ]
    rate = Axis("win rate against it, %", limits=(-2, 102), digits=0)
    panel = Panel(rate, Axis("", names), series, "Win rates against each opponent", across=True)
    return Chart(caption("win rate against each opponent, %"), "Win rate of every model against every other", [panel])

"""Plots of an arena: ratings, and who beats whom."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from ..show.figures import ROW, new_figure, short_name, style
from ..show.numbers import ranked
from .rows import ArenaRow

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Rows = Sequence[ArenaRow]
Caption = Callable[[str], str]
_NUMBERED = 16  # models up to which the cells of the matrix have room for a number


def figures(rows: Rows, caption: Caption) -> dict[str, tuple[Figure, str]]:
    """The plots `ratings` and `wins`, each with a description. Raises UserError where matplotlib is not installed."""
    with style():
        return {
            "ratings": (ratings(rows, caption), "Ratings with 95 % intervals, plain and style-controlled"),
            "wins": (wins(rows, caption), "Win rate of every model against every other"),
        }


def ratings(rows: Rows, caption: Caption) -> Figure:
    """Ratings and style-controlled ratings with their intervals, best first."""
    height = 1.5 + 1.4 * ROW * len(rows)
    figure, (axes,) = new_figure(caption("ratings (bars: 95 %)"), 7.5, height)
    places = np.arange(len(rows))
    looks = {
        "score": {"label": "rating", "marker": "o", "color": "#0072B2"},
        "controlled": {"label": "style-controlled", "marker": "D", "color": "#E69F00", "markerfacecolor": "none"},
    }
    for shift, (key, look) in zip((-0.14, 0.14), looks.items(), strict=True):
        found = [getattr(row, key) for row in rows]
        values = np.array([interval.value for interval in found])
        bounds = np.array([[i.value - i.low, i.high - i.value] for i in found]).T
        bars = None if np.isnan(bounds).any() else np.maximum(bounds, 0)
        axes.errorbar(values, places + shift, xerr=bars, linestyle="none", capsize=3, **look)  # type: ignore[arg-type]
    axes.set_yticks(places, [f"{short_name(row.label)}  ({ranked(row.rank)})" for row in rows])
    axes.invert_yaxis()
    axes.set_xlabel("rating, Elo points (in brackets: rank)")
    figure.legend(*axes.get_legend_handles_labels(), loc="outside right upper")
    return figure


def wins(rows: Rows, caption: Caption) -> Figure:
    """Win rate of the model of each row against that of each column; grey where they never met."""
    names = [row.model for row in rows]
    table = np.array([[row.against.get(other, math.nan) for other in names] for row in rows])
    side = 2.2 + 1.4 * ROW * len(names)
    head = caption("win rate of the row's model against the column's, %")
    figure, (axes,) = new_figure(head, side + 2.2, side)
    axes.set_facecolor("#dddddd")
    image = axes.imshow(100 * table, cmap="cividis", vmin=0, vmax=100)
    axes.set_xticks(range(len(names)), [str(place) for place in range(1, len(names) + 1)])
    axes.set_yticks(range(len(names)), [f"{short_name(name)}  {place}" for place, name in enumerate(names, 1)])
    axes.grid(False)
    if len(names) <= _NUMBERED:
        for (i, j), value in np.ndenumerate(table):
            if not math.isnan(value):
                colour = "white" if value < 0.5 else "black"
                axes.text(j, i, f"{100 * value:.0f}", ha="center", va="center", color=colour, fontsize=8)
    figure.colorbar(image, ax=axes, shrink=0.8)
    return figure

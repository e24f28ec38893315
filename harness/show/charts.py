"""Charts as data: what is drawn, not how it looks. `figures` draws them for print, `svg` for pages."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from .grid import Grid, grid, numbers, texts
from .numbers import NONE

NAN = math.nan


@dataclass(frozen=True)
class Point:
    """A value and the bounds of its interval (NaN: none). The value is `y`, or `x` in a panel with `across`."""

    x: float
    y: float
    low: float = NAN
    high: float = NAN


@dataclass(frozen=True)
class Series:
    """Points under one name. `look` is a `line` with a band, `bars` (dots with intervals) or a `cloud` of faint dots;
    `colour` is the index of its colour, line style and marker among those for all charts."""

    name: str
    points: Sequence[Point]
    colour: int
    look: Literal["line", "bars", "cloud"] = "line"


@dataclass(frozen=True)
class Axis:
    """An axis: its label, custom ticks (by position) if any, whether it is logarithmic, its limits, and the number of
    decimals shown."""

    label: str
    ticks: Mapping[float, str] | None = None
    log: bool = False
    limits: tuple[float, float] | None = None
    digits: int = 1

    def text(self, value: float) -> str:
        """A position on the axis as text."""
        if math.isnan(value):
            return NONE
        return (self.ticks or {}).get(float(round(value))) or f"{value:,.{self.digits}f}"


@dataclass(frozen=True)
class Panel:
    """One pair of axes. `across`: categories are on the y axis, top to bottom, and values on x. `guide` is a line at
    y = 1 (`one`) or at y = x (`same`)."""

    x: Axis
    y: Axis
    series: Sequence[Series]
    title: str = ""
    across: bool = False
    guide: Literal["", "one", "same"] = ""

    @property
    def points(self) -> list[Point]:
        """The points of all series."""
        return [point for series in self.series for point in series.points]

    def told(self, series: Series, point: Point) -> str:
        """A point in words: its name, value, interval and position."""
        value, place = (self.x, self.y) if self.across else (self.y, self.x)
        at, where = (point.x, point.y) if self.across else (point.y, point.x)
        reach = "" if math.isnan(point.low) else f" ({value.text(point.low)} to {value.text(point.high)})"
        there = place.text(where)
        return f"{series.name}: {value.text(at)}{reach}" + (
            "" if series.name in there else f" at {there} {place.label}"
        )


@dataclass(frozen=True)
class Chart:
    """Panels under one title. `alt` describes the chart in one line; `legend`: whether series names are shown."""

    head: str
    alt: str
    panels: Sequence[Panel]
    legend: bool = True

    def grids(self) -> list[Grid]:
        """The numbers of each panel as a table; clouds of individual stories are left out."""
        found = []
        for panel in self.panels:
            value, place = (panel.x, panel.y) if panel.across else (panel.y, panel.x)
            rows = []
            for series in panel.series:
                for point in series.points if series.look != "cloud" else ():
                    at, where = (point.x, point.y) if panel.across else (point.y, point.x)
                    rows.append([series.name, place.text(where), *map(value.text, (at, point.low, point.high))])
            heads = [*texts("name", place.label or "row"), *numbers(value.label, "low", "high")]
            found.append(grid(panel.title or self.alt, heads, rows))
        return [one for one in found if one.rows]

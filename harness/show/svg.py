"""Charts as SVG for pages: colours come from the page's style, and each point has its numbers as a tooltip."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from .charts import Axis, Chart, Panel, Point, Series
from .render import page

COLOURS, DASHES, MARKERS = 7, 4, 5
_WIDTH, _HEIGHT, _ROW = 520.0, 320.0, 22.0
_RIGHT, _TOP, _BOTTOM = 14.0, 12.0, 46.0
_LETTER = 7.3  # mean width of a letter of a tick label
_NAME = 36

Scale = Callable[[float], float]


def drawn(chart: Chart) -> dict[str, Any]:
    """A chart for the template `chart`: the geometry of its panels in units of their viewBox, the legend, and the
    numbers as tables."""
    names: dict[str, str] = {}
    for panel in chart.panels:
        for series in panel.series:
            names.setdefault(series.name, _classes(series))
    return {
        "alt": chart.alt,
        "panels": [_panel(panel, list(names)) for panel in chart.panels],
        "legend": [{"name": name, "look": look} for name, look in names.items()] if chart.legend else [],
        "tables": [page(grid) for grid in chart.grids()],
    }


def _classes(series: Series) -> str:
    return f"c{series.colour % COLOURS} d{series.colour % DASHES}"


def _panel(panel: Panel, names: Sequence[str]) -> dict[str, Any]:
    labels = list((panel.y.ticks or {}).values())
    left = (66 if panel.y.label else 56) + _LETTER * max((min(len(text), _NAME) - 6 for text in labels), default=0)
    height = _TOP + _BOTTOM + _ROW * len(labels) if panel.across else _HEIGHT
    inner = (left, _WIDTH - _RIGHT, _TOP, height - _BOTTOM)
    x_ticks, x = _scale(panel.x, _reach(panel, "x"), (inner[0], inner[1]))
    down = (inner[2], inner[3]) if panel.across else (inner[3], inner[2])
    y_ticks, y = _scale(panel.y, _reach(panel, "y"), down)
    return {
        "title": panel.title,
        "width": _WIDTH,
        "height": height,
        "box": inner,
        "x": {"label": panel.x.label, "ticks": [{"at": round(x(v), 1), "text": t} for v, t in x_ticks]},
        "y": {
            "label": panel.y.label,
            "ticks": [{"at": round(y(v), 1), "text": _short(t)} for v, t in y_ticks],
        },
        "guide": _guide(panel, x, y),
        "series": [_series(panel, series, names.index(series.name), x, y) for series in panel.series],
    }


def _short(text: str) -> str:
    return text if len(text) <= _NAME else f"{text[: _NAME - 12]}…{text[-11:]}"


def _reach(panel: Panel, axis: str) -> tuple[float, float]:
    """The smallest and largest value that an axis has to show."""
    values = [getattr(point, axis) for point in panel.points]
    if (axis == "x") == panel.across:
        values += [bound for point in panel.points for bound in (point.low, point.high)]
    if axis == "y" and panel.guide == "one":
        values.append(1.0)
    known = [value for value in values if math.isfinite(value)] or [0.0, 1.0]
    return min(known), max(known)


def _scale(axis: Axis, reach: tuple[float, float], ends: tuple[float, float]) -> tuple[list[tuple[float, str]], Scale]:
    """The ticks of an axis and the map from its values to positions."""
    from matplotlib.ticker import LogLocator, MaxNLocator

    low, high = reach
    if axis.ticks is not None:
        low, high = (low - 0.5, high + 0.5) if not axis.limits else axis.limits
        places: Sequence[float] = list(axis.ticks)
    elif axis.log:
        low, high = low / 1.08, high * 1.08
        places = LogLocator(base=10, subs=(1, 2, 5)).tick_values(low, high)
    else:
        room = (high - low or abs(high) or 1.0) * 0.05
        low, high = axis.limits or (low - room, high + room)
        places = MaxNLocator(5, steps=[1, 2, 5, 10]).tick_values(low, high)
    to: Scale = math.log if axis.log else float
    a, b = to(low), to(high)

    def at(value: float) -> float:
        return ends[0] + (to(value) - a) / (b - a) * (ends[1] - ends[0])

    shown = [float(place) for place in places if low <= place <= high]
    digits = next(d for d in range(9) if d == 8 or all(math.isclose(round(p, d), p, abs_tol=1e-9) for p in shown))
    return [(place, (axis.ticks or {}).get(place) or f"{place + 0.0:,.{digits}f}") for place in shown], at


def _guide(panel: Panel, x: Scale, y: Scale) -> tuple[float, float, float, float] | None:
    if not panel.guide:
        return None
    low, high = _reach(panel, "x")
    if panel.guide == "one":
        return x(low), y(1.0), x(high), y(1.0)
    both = max(low, _reach(panel, "y")[0]), min(high, _reach(panel, "y")[1])
    return x(both[0]), y(both[0]), x(both[1]), y(both[1])


def _series(panel: Panel, series: Series, number: int, x: Scale, y: Scale) -> dict[str, Any]:
    known = [point for point in series.points if math.isfinite(point.x) and math.isfinite(point.y)]
    bounded = [point for point in known if math.isfinite(point.low)]
    return {
        "number": number,
        "name": series.name,
        "look": f"{series.look} {_classes(series)}",
        "marker": series.colour % MARKERS if series.look != "cloud" else 0,
        "line": _path((x(p.x), y(p.y)) for p in known) if series.look == "line" and len(known) > 1 else None,
        "band": _band(bounded, x, y) if series.look == "line" and not panel.across and len(bounded) > 1 else None,
        "bars": [_bar(panel, point, x, y) for point in bounded] if series.look == "bars" or panel.across else [],
        "dots": [
            {"x": round(x(point.x), 1), "y": round(y(point.y), 1), "told": panel.told(series, point)} for point in known
        ],
    }


def _bar(panel: Panel, point: Point, x: Scale, y: Scale) -> tuple[float, float, float, float]:
    if panel.across:
        return x(point.low), y(point.y), x(point.high), y(point.y)
    return x(point.x), y(point.low), x(point.x), y(point.high)


def _band(points: Sequence[Point], x: Scale, y: Scale) -> str:
    upper = [(x(point.x), y(point.high)) for point in points]
    return f"{_path([*upper, *((x(point.x), y(point.low)) for point in reversed(points))])}Z"


def _path(places: Any) -> str:
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in places)

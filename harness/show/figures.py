"""Draw and save plots, all in one style that is readable in greyscale and by colour-blind readers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import as_file, files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import need_extra
from .charts import Chart, Panel, Series

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LINES = ("-", "--", "-.", ":")
MARKERS = "osD^vPX*<>"
ROW = 0.32  # height of a model's row in inches
_NAME = 34


@contextmanager
def style(extra: str = "report") -> Iterator[None]:
    """Context manager in which plots are drawn in our style.

    Raises:
        UserError: matplotlib is not installed; `extra` is the one to install.
    """
    try:
        import matplotlib as mpl
    except ImportError:
        raise need_extra("matplotlib", extra) from None
    with as_file(files(__package__) / "polaris.mplstyle") as path, mpl.rc_context(fname=str(path)):
        yield


def new_figure(head: str, width: float, height: float, columns: int = 1) -> tuple[Figure, list[Axes]]:
    """Create a figure (size in inches) with a row of axes, under a title of a few lines."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height))
    axes = figure.subplots(1, columns, squeeze=False)[0].tolist()
    figure.suptitle(head, fontsize=9, x=0.01, ha="left")
    return figure, axes


def save(figure: Figure, target: Any, form: str) -> None:
    """Write a figure to a path or an open file, as `png` or `pdf`; the same numbers give the same bytes."""
    with style():
        figure.savefig(target, format=form, metadata={"CreationDate": None} if form == "pdf" else {"Software": None})


def save_both(figure: Figure, stem: Path) -> list[Path]:
    """Write a figure as STEM.png and STEM.pdf; returns the paths."""
    paths = [stem.with_name(f"{stem.name}.{form}") for form in ("png", "pdf")]
    for path in paths:
        save(figure, path, path.suffix[1:])
    return paths


def short_name(name: str) -> str:
    """A model's name, shortened to one line; control characters, which fonts lack, become spaces."""
    clean = "".join(c if c.isprintable() else " " for c in name)
    if clean.startswith("_"):
        clean = f" {clean}"  # a label that begins with _ is left out of legends
    return clean if len(clean) <= _NAME else f"{clean[: _NAME - 12]}…{clean[-11:]}"


def legend(figure: Figure, axes: Axes) -> None:
    """Add the legend of the axes, to the right of the plots."""
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside right center")


def draw(chart: Chart) -> Figure:
    """Draw a chart as a matplotlib figure.

    Raises:
        UserError: matplotlib is not installed.
    """
    with style():
        rows = max(len(panel.y.ticks or ()) for panel in chart.panels)
        lying = any(panel.across for panel in chart.panels)
        height = 1.5 + 1.2 * ROW * rows if lying else 4.2
        figure, drawn = new_figure(chart.head, 5.5 * len(chart.panels) + 2, height, len(chart.panels))
        for axes, panel in zip(drawn, chart.panels, strict=True):
            for series in panel.series:
                _add(axes, panel, series)
            _finish(axes, panel)
        if chart.legend:
            legend(figure, drawn[0])
        return figure


def _add(axes: Axes, panel: Panel, series: Series) -> None:
    """Draw one series."""
    from matplotlib import rcParams

    colours = rcParams["axes.prop_cycle"].by_key()["color"]
    colour = f"#{str(colours[series.colour % len(colours)]).lstrip('#')}"
    look: dict[str, Any] = {"color": colour, "marker": MARKERS[series.colour % len(MARKERS)]}
    label = short_name(series.name)
    table = np.array([(p.x, p.y, p.low, p.high) for p in series.points], dtype=float).reshape(-1, 4)
    x, y, low, high = table.T
    value = x if panel.across else y
    if series.look == "cloud":
        axes.scatter(x, y, label=label, color=colour, alpha=0.5, s=14, linewidths=0)
    elif series.look == "bars":
        reach = np.nan_to_num(np.maximum([value - low, high - value], 0))
        across, up = (reach, None) if panel.across else (None, reach)
        axes.errorbar(x, y, xerr=across, yerr=up, linestyle="none", capsize=3, label=label, **look)
    else:
        axes.plot(x, y, label=label, linestyle=LINES[series.colour % len(LINES)], **look)
        if not panel.across:
            axes.fill_between(x, low, high, color=colour, alpha=0.12, lw=0)


def _finish(axes: Axes, panel: Panel) -> None:
    """Set the axes, ticks and guide of a panel."""
    if panel.guide == "one":
        axes.axhline(1, color="#555555", linewidth=1)
    for name, axis in (("x", panel.x), ("y", panel.y)):
        if axis.log and panel.points:
            axes.set(**{f"{name}scale": "log"})
            shown = getattr(axes, f"{name}axis")
            shown.set_major_formatter(lambda value, _, axis=axis: axis.text(value))
            shown.set_minor_formatter(lambda value, _, axis=axis: axis.text(value) if _labelled(value) else "")
        if axis.ticks is not None:
            named = [short_name(text) for text in axis.ticks.values()]
            axes.set(**{f"{name}ticks": list(axis.ticks), f"{name}ticklabels": named})
        if axis.limits is not None:
            axes.set(**{f"{name}lim": axis.limits})
        axes.set(**{f"{name}label": axis.label})
    if panel.guide == "same":
        ends = axes.get_xlim()
        axes.plot(ends, ends, color="#555555", linewidth=1)
    if panel.across:
        axes.invert_yaxis()
    axes.set_title(panel.title)


def _labelled(value: float) -> bool:
    """Whether a tick between powers of ten gets a label: those that begin with 2 or 5."""
    return f"{value:e}"[0] in "25"

"""Plots of a leaderboard: readable in grey and for colour-blind readers, a proxy's marked as such."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ...rubrics import Rubric
from ..length import BUCKETS
from ..logs.table import SCORED
from ..show.figures import LINES, MARKERS, ROW, legend, new_figure, short_name, style
from .rows import StoryRow

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Rows = Sequence[StoryRow]
Caption = Callable[[str], str]


def figures(rows: Rows, stories: pd.DataFrame, rubric: Rubric, caption: Caption) -> dict[str, tuple[Figure, str]]:
    """The plots of a section by name, each with a description; those for which it has the numbers.

    Names: `quality_by_length`, `words`, `profile`, `distribution`, `cost`. `caption` makes the head of a plot.

    Raises:
        UserError: matplotlib is not installed.
    """
    with style():
        drawn = {
            "quality_by_length": (
                quality_by_length(rows, rubric.scale, caption),
                "Score and length ratio by requested length, with 95 % bands",
            ),
            "words": (words(rows, stories, caption), "Words written against words asked for"),
            "profile": (profile(rows, rubric, caption), "Mean mark by dimension"),
            "distribution": (distribution(rows, stories, rubric.scale, caption), "Distribution of scores"),
            "cost": (cost(rows, rubric.scale, caption), "Cost and quality"),
        }
    return {name: (figure, alt) for name, (figure, alt) in drawn.items() if figure is not None}


def _looks(rows: Rows) -> dict[str, dict[str, Any]]:
    """Colour, line and marker of each model, the same in all plots of a section."""
    from matplotlib import rcParams

    colours = rcParams["axes.prop_cycle"].by_key()["color"]
    return {
        row.label: {
            "color": f"#{str(colours[i % len(colours)]).lstrip('#')}",
            "linestyle": LINES[i % len(LINES)],
            "marker": MARKERS[i % len(MARKERS)],
        }
        for i, row in enumerate(rows)
    }


def quality_by_length(rows: Rows, scale: str, caption: Caption) -> Figure | None:
    """Score and length ratio by length bucket, a line a model."""
    asked = [row for row in rows if any(name in BUCKETS for name in row.buckets)]
    if not asked:
        return None
    head = caption("quality and length by requested length (bands: 95 %)")
    figure, (left, right) = new_figure(head, 11, 4, 2)
    looks = _looks(rows)
    for row in asked:
        places = [i for i, name in enumerate(BUCKETS) if name in row.buckets]
        for axes, measure in ((left, "score"), (right, "ratio")):
            values = np.array([getattr(row.buckets[BUCKETS[i]], measure) for i in places], dtype=float)
            axes.plot(places, values[:, 0], label=short_name(row.label), **looks[row.label])
            axes.fill_between(places, values[:, 1], values[:, 2], color=looks[row.label]["color"], alpha=0.12, lw=0)
    right.axhline(1, color="#555555", linewidth=1)
    for axes, label in ((left, f"score ({scale})"), (right, "words written per word asked")):
        axes.set_xticks(range(len(BUCKETS)), BUCKETS)
        axes.set_xlabel("words asked for")
        axes.set_ylabel(label)
    legend(figure, left)
    return figure


def words(rows: Rows, stories: pd.DataFrame, caption: Caption) -> Figure | None:
    """Words written against words asked for, a dot a story."""
    if "target" not in stories or "words" not in stories:
        return None
    known = stories[stories["status"].isin(SCORED) & stories["target"].notna() & (stories["words"] > 0)]
    if known.empty:
        return None
    figure, (axes,) = new_figure(caption("words written against words asked for"), 7, 4.6)
    looks = _looks(rows)
    for label, look in looks.items():
        part = known[known["label"] == label]
        marks = {"color": look["color"], "marker": look["marker"], "alpha": 0.6, "s": 16, "linewidths": 0}
        axes.scatter(part["target"], part["words"], label=short_name(label), **marks)
    ends = [float(known["target"].min()) * 0.8, float(known["target"].max()) * 1.25]
    axes.plot(ends, ends, color="#555555", linewidth=1, label="as asked")
    axes.set_xscale("log")
    axes.set_yscale("log")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(lambda value, _: f"{value:,.0f}")
        axis.set_minor_formatter(lambda value, _: f"{value:,.0f}" if str(int(value))[0] in "25" else "")
    axes.set_xlabel("words asked for")
    axes.set_ylabel("words written")
    legend(figure, axes)
    return figure


def profile(rows: Rows, rubric: Rubric, caption: Caption) -> Figure | None:
    """Mean mark of each dimension, as a share of its range, a line a model."""
    dimensions = {d.id: d for d in rubric.dimensions}
    panels = {
        title: [name for name, d in dimensions.items() if d.sign == sign and any(name in r.criteria for r in rows)]
        for sign, title in (("positive", "strengths (higher is better)"), ("negative", "faults (higher is worse)"))
    }
    panels = {title: names for title, names in panels.items() if names}
    if not panels:
        return None
    height = 1.5 + ROW * max(map(len, panels.values()))
    head = caption("mean mark by dimension, as a share of its range")
    figure, drawn = new_figure(head, 5.5 * len(panels) + 1.5, height, len(panels))
    looks = _looks(rows)
    for axes, (title, names) in zip(drawn, panels.items(), strict=True):
        for row in rows:
            spans = [dimensions[name].max - dimensions[name].min for name in names]
            marks = [row.criteria.get(name, math.nan) - dimensions[name].min for name in names]
            shares = [mark / span for mark, span in zip(marks, spans, strict=True)]
            axes.plot(shares, range(len(names)), label=short_name(row.label), alpha=0.85, **looks[row.label])
        shown = [f"{name} {d.name}" if (d := dimensions[name]).id != d.name else name for name in names]
        axes.set_yticks(range(len(names)), [name if len(name) <= 30 else f"{name[:29]}…" for name in shown])
        axes.set_xlim(-0.02, 1.02)
        axes.invert_yaxis()
        axes.set_title(title)
    legend(figure, drawn[0])
    return figure


def distribution(rows: Rows, stories: pd.DataFrame, scale: str, caption: Caption) -> Figure | None:
    """Every score, and their quartiles and mean, a row a model."""
    parts = {
        row.label: values
        for row in rows
        if len(values := stories.loc[stories["label"] == row.label, "score"].dropna().to_numpy(dtype=float))
    }
    if not parts:
        return None
    head = caption("distribution of scores (box: quartiles; bar: mean)")
    figure, (axes,) = new_figure(head, 7.5, 1.4 + 1.3 * ROW * len(parts))
    rng = np.random.default_rng(0)
    for place, values in enumerate(parts.values()):
        axes.scatter(
            values, place + rng.uniform(-0.28, 0.28, len(values)), s=6, color="#999999", alpha=0.6, linewidths=0
        )
    axes.boxplot(
        list(parts.values()),
        positions=range(len(parts)),
        orientation="horizontal",
        widths=0.5,
        showfliers=False,
        showmeans=True,
        meanline=True,
        meanprops={"color": "#D55E00", "linewidth": 2, "linestyle": "-"},
        medianprops={"color": "none"},
    )
    axes.set_yticks(range(len(parts)), [short_name(label) for label in parts])
    axes.invert_yaxis()
    axes.set_xlabel(f"score ({scale})")
    return figure


def cost(rows: Rows, scale: str, caption: Caption) -> Figure | None:
    """Score against dollars a story, a dot a model."""
    known = [row for row in rows if not math.isnan(row.cost) and not math.isnan(row.score.value)]
    if not any(row.cost > 0 for row in known):
        return None
    figure, (axes,) = new_figure(caption("cost and quality (bars: 95 %)"), 7, 4.2)
    looks = _looks(rows)
    for row in known:
        look = looks[row.label]
        reach = np.array([[row.score.value - row.score.low], [row.score.high - row.score.value]])
        bars: dict[str, Any] = {"yerr": None if np.isnan(reach).any() else reach, "capsize": 3, "linestyle": "none"}
        bars |= {"color": look["color"], "marker": look["marker"], "label": short_name(row.label)}
        axes.errorbar(row.cost, row.score.value, **bars)
    axes.set_xscale("symlog", linthresh=min(row.cost for row in known if row.cost > 0))
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.set_xlabel("US dollars a story, writing and judging, at list prices")
    axes.set_ylabel(f"score ({scale})")
    legend(figure, axes)
    return figure

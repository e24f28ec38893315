"""Plots of a leaderboard: readable in grey and for colour-blind readers, a proxy's marked as such."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from importlib.resources import as_file, files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..rubrics import load_rubric
from .errors import need_extra
from .export import slug
from .leaderboard import Comparison, Section
from .length import BUCKETS
from .standings import Standings
from .table import SCORED

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_LINES = ("-", "--", "-.", ":")
_MARKERS = "osD^vPX*<>"
ROW = 0.32  # inches of height for a model's line
_NAME = 34


def figures(section: Comparison) -> dict[str, Figure]:
    """The plots of a section by name; those for which the section has the numbers.

    Names: `quality_by_length`, `words`, `profile`, `distribution`, `cost`; of an arena `ratings`, `wins`.

    Raises:
        UserError: matplotlib is not installed.
    """
    try:
        import matplotlib as mpl
    except ImportError:
        raise need_extra("matplotlib", "report") from None
    with as_file(files(__package__) / "polaris.mplstyle") as style, mpl.rc_context(fname=str(style)):
        found = _arena(section) if isinstance(section, Standings) else _stories(section)
    return {name: figure for name, figure in found.items() if figure is not None}


def _stories(section: Comparison) -> dict[str, Figure | None]:
    assert isinstance(section, Section)
    drawn: dict[str, Callable[[Section], Figure | None]] = {
        "quality_by_length": _quality_by_length,
        "words": _words,
        "profile": _profile,
        "distribution": _distribution,
        "cost": _cost,
    }
    return {name: draw(section) for name, draw in drawn.items()}


def _arena(section: Standings) -> dict[str, Figure | None]:
    from .standings_plots import ratings, wins

    return {"ratings": ratings(section), "wins": wins(section)}


def save(figure: Figure, target: Any, form: str) -> None:
    """Write a figure to a path or an open file, as `png` or `pdf`; the same numbers give the same bytes."""
    import matplotlib as mpl

    with as_file(files(__package__) / "polaris.mplstyle") as style, mpl.rc_context(fname=str(style)):
        figure.savefig(target, format=form, metadata={"CreationDate": None} if form == "pdf" else {"Software": None})


def write_plots(sections: Sequence[Comparison], folder: Path) -> list[Path]:
    """Write every section's plots as PNG and PDF; returns the paths."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, section in named(sections):
        for plot, figure in figures(section).items():
            for form in ("png", "pdf"):
                paths.append(folder / f"{name}_{plot}.{form}")
                save(figure, paths[-1], form)
    return paths


def named(sections: Sequence[Comparison]) -> Iterator[tuple[str, Comparison]]:
    """The sections with short names for files: the benchmark, and the judge where a benchmark has several."""
    seen: dict[str, int] = {}
    for section in sections:
        several = sum(other.benchmark == section.benchmark for other in sections) > 1
        name = slug(f"{section.benchmark}-{section.judge}") if several else section.benchmark
        seen[name] = seen.get(name, 0) + 1
        yield (name if seen[name] == 1 else f"{name}-{seen[name]}"), section


def new_figure(
    section: Comparison, title: str, width: float, height: float, columns: int = 1
) -> tuple[Figure, list[Axes]]:
    """A figure (inches) with a row of axes, under the section's name."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height))
    axes = figure.subplots(1, columns, squeeze=False)[0].tolist()
    judge = f"PROXY judge {section.judge}" if section.proxy else f"judge {section.judge}"
    figure.suptitle(
        f"{section.title}: {title}\n{judge} · {section.rubric} · prompts {section.prompts}",
        fontsize=9,
        x=0.01,
        ha="left",
    )
    return figure, axes


def _looks(section: Section) -> dict[str, dict[str, Any]]:
    """Colour, line and marker of each model, the same in all plots of a section."""
    from matplotlib import rcParams

    colours = rcParams["axes.prop_cycle"].by_key()["color"]
    return {
        row["label"]: {
            "color": f"#{str(colours[i % len(colours)]).lstrip('#')}",
            "linestyle": _LINES[i % len(_LINES)],
            "marker": _MARKERS[i % len(_MARKERS)],
        }
        for i, row in enumerate(section.rows)
    }


def short_name(name: str) -> str:
    """A model's name on one line; control characters, which fonts lack, become spaces."""
    clean = "".join(c if c.isprintable() else " " for c in name)
    return clean if len(clean) <= _NAME else f"{clean[: _NAME - 12]}…{clean[-11:]}"


def _legend(figure: Figure, axes: Axes) -> None:
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside right center")


def _quality_by_length(section: Section) -> Figure | None:
    rows = [row for row in section.rows if any(name in BUCKETS for name in row["buckets"])]
    if not rows:
        return None
    figure, (left, right) = new_figure(section, "quality and length by requested length (bands: 95 %)", 11, 4, 2)
    looks = _looks(section)
    for row in rows:
        places = [i for i, name in enumerate(BUCKETS) if name in row["buckets"]]
        for axes, measure in ((left, "score"), (right, "ratio")):
            values = np.array([row["buckets"][BUCKETS[i]][measure] for i in places], dtype=float)
            axes.plot(places, values[:, 0], label=short_name(row["label"]), **looks[row["label"]])
            axes.fill_between(places, values[:, 1], values[:, 2], color=looks[row["label"]]["color"], alpha=0.12, lw=0)
    right.axhline(1, color="#555555", linewidth=1)
    for axes, label in ((left, f"score ({section.scale})"), (right, "words written per word asked")):
        axes.set_xticks(range(len(BUCKETS)), BUCKETS)
        axes.set_xlabel("words asked for")
        axes.set_ylabel(label)
    _legend(figure, left)
    return figure


def _words(section: Section) -> Figure | None:
    stories = section.stories
    if "target" not in stories or "words" not in stories:
        return None
    known = stories[stories["status"].isin(SCORED) & stories["target"].notna() & (stories["words"] > 0)]
    if known.empty:
        return None
    figure, (axes,) = new_figure(section, "words written against words asked for", 7, 4.6)
    looks = _looks(section)
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
    _legend(figure, axes)
    return figure


def _profile(section: Section) -> Figure | None:
    dimensions = {d.id: d for d in load_rubric(section.benchmark).dimensions}
    panels = {
        title: [
            name
            for name, d in dimensions.items()
            if d.sign == sign and any(name in r["criteria"] for r in section.rows)
        ]
        for sign, title in (("positive", "strengths (higher is better)"), ("negative", "faults (higher is worse)"))
    }
    panels = {title: names for title, names in panels.items() if names}
    if not panels:
        return None
    height = 1.5 + ROW * max(map(len, panels.values()))
    figure, drawn = new_figure(
        section, "mean mark by dimension, as a share of its range", 5.5 * len(panels) + 1.5, height, len(panels)
    )
    looks = _looks(section)
    for axes, (title, names) in zip(drawn, panels.items(), strict=True):
        for row in section.rows:
            spans = [dimensions[name].max - dimensions[name].min for name in names]
            marks = [row["criteria"].get(name, math.nan) - dimensions[name].min for name in names]
            shares = [mark / span for mark, span in zip(marks, spans, strict=True)]
            axes.plot(shares, range(len(names)), label=short_name(row["label"]), alpha=0.85, **looks[row["label"]])
        shown = [f"{name} {d.name}" if (d := dimensions[name]).id != d.name else name for name in names]
        axes.set_yticks(range(len(names)), [name if len(name) <= 30 else f"{name[:29]}…" for name in shown])
        axes.set_xlim(-0.02, 1.02)
        axes.invert_yaxis()
        axes.set_title(title)
    _legend(figure, drawn[0])
    return figure


def _distribution(section: Section) -> Figure | None:
    parts = {
        row["label"]: values
        for row in section.rows
        if len(
            values := section.stories.loc[section.stories["label"] == row["label"], "score"]
            .dropna()
            .to_numpy(dtype=float)
        )
    }
    if not parts:
        return None
    figure, (axes,) = new_figure(
        section, "distribution of scores (box: quartiles; bar: mean)", 7.5, 1.4 + 1.3 * ROW * len(parts)
    )
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
    axes.set_xlabel(f"score ({section.scale})")
    return figure


def _cost(section: Section) -> Figure | None:
    known = [row for row in section.rows if not math.isnan(row["cost"]) and not math.isnan(row["score"])]
    if not any(row["cost"] > 0 for row in known):
        return None
    figure, (axes,) = new_figure(section, "cost and quality (bars: 95 %)", 7, 4.2)
    looks = _looks(section)
    for row in known:
        look = looks[row["label"]]
        reach = np.array([[row["score"] - row["score_low"]], [row["score_high"] - row["score"]]])
        bars: dict[str, Any] = {"yerr": None if np.isnan(reach).any() else reach, "capsize": 3, "linestyle": "none"}
        bars |= {"color": look["color"], "marker": look["marker"], "label": short_name(row["label"])}
        axes.errorbar(row["cost"], row["score"], **bars)
    axes.set_xscale("symlog", linthresh=min(row["cost"] for row in known if row["cost"] > 0))
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.set_xlabel("US dollars a story, writing and judging, at list prices")
    axes.set_ylabel(f"score ({section.scale})")
    _legend(figure, axes)
    return figure

"""The charts of a section of a leaderboard."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

from ...rubrics import Rubric
from ..length import bucket
from ..logs.table import SCORED
from ..show.charts import NAN, Axis, Chart, Panel, Point, Series
from ..show.numbers import ranked
from ..stats.intervals import Interval, mean_interval
from .lens import BUCKET_ORDER, Cell
from .rows import StoryRow

Rows = Sequence[StoryRow]
Caption = Callable[[str], str]
_ASKED = Axis("words asked for", log=True, digits=0)


def charts(rows: Rows, stories: pd.DataFrame, rubric: Rubric, caption: Caption) -> dict[str, Chart]:
    """The charts of a section that have data, by name.

    Names: `quality_by_length`, `length_ratio`, `scores`, `quality_by_words`, `words`, `profile`, `distribution`,
    `cost`. `caption` makes the title of a chart.
    """
    drawn = {
        "quality_by_length": _by_length(rows, rubric.scale, caption),
        "length_ratio": _length_ratio(rows, caption),
        "scores": _scores(rows, rubric.scale, caption),
        "quality_by_words": _by_words(rows, stories, rubric.scale, caption),
        "words": _words(rows, stories, caption),
        "profile": _profile(rows, rubric, caption),
        "distribution": _distribution(rows, stories, rubric.scale, caption),
        "cost": _cost(rows, rubric.scale, caption),
    }
    return {name: chart for name, chart in drawn.items() if any(panel.points for panel in chart.panels)}


def _by_length(rows: Rows, scale: str, caption: Caption) -> Chart:
    """Score against words asked for, one line per model with a point per length bucket."""
    panel = Panel(
        _ASKED, Axis(f"score ({scale})"), _cells(rows, lambda cell: cell.score), "Quality by requested length"
    )
    return Chart(
        caption("quality by requested length (bands: 95 %)"), "Score by requested length; bands: 95 %", [panel]
    )


def _length_ratio(rows: Rows, caption: Caption) -> Chart:
    """Words written per word asked for against words asked for."""
    ratio = Axis("words written per word asked for", digits=2)
    panel = Panel(_ASKED, ratio, _cells(rows, lambda cell: cell.ratio), "Length adherence", guide="one")
    alt = "Length ratio by requested length; bands: 95 %, line: as asked"
    return Chart(caption("length ratio by requested length (bands: 95 %)"), alt, [panel])


def _cells(rows: Rows, measure: Callable[[Cell], Interval]) -> list[Series]:
    """A series per model with a point per length bucket, at the mean of the words asked for."""
    found = []
    for place, row in enumerate(rows):
        cells = [row.buckets[name] for name in BUCKET_ORDER if name in row.buckets]
        found.append(Series(row.label, [_point(cell.asked, measure(cell)) for cell in cells], place))
    return found


def _scores(rows: Rows, scale: str, caption: Caption) -> Chart:
    """The score of each model with its interval and rank, best first."""
    names = {float(place): f"{row.label}  {ranked(row.rank)}" for place, row in enumerate(rows)}
    series = [
        Series(row.label, [Point(row.score.value, place, row.score.low, row.score.high)], place, "bars")
        for place, row in enumerate(rows)
        if not math.isnan(row.score.value)
    ]
    panel = Panel(Axis(f"score ({scale})"), Axis("", names), series, "Scores and rank groups", across=True)
    alt = "Scores with 95 % intervals; models with a letter in common are not told apart"
    return Chart(caption("scores (bars: 95 %)"), alt, [panel], legend=False)


def _by_words(rows: Rows, stories: pd.DataFrame, scale: str, caption: Caption) -> Chart:
    """Score against words written, one line per model with a point per length bucket of the stories as written."""
    known = _known(stories, "words", "score")
    parts = known.assign(as_written=[bucket(int(words)) for words in known["words"]]) if len(known) else known
    series = []
    for place, row in enumerate(rows):
        own = parts[parts["label"] == row.label] if len(parts) else parts
        groups = [own[own["as_written"] == name] for name in BUCKET_ORDER] if len(own) else []
        points = [
            _point(
                float(group["words"].astype(float).mean()),
                mean_interval(group["score"].astype(float), group["prompt_id"].tolist()),
            )
            for group in groups
            if len(group)
        ]
        series.append(Series(row.label, points, place))
    written = Axis("words written", log=True, digits=0)
    panel = Panel(written, Axis(f"score ({scale})"), series, "Quality by length as written")
    alt = "Score by length as written; bands: 95 %"
    return Chart(caption("quality by length as written (bands: 95 %)"), alt, [panel])


def _words(rows: Rows, stories: pd.DataFrame, caption: Caption) -> Chart:
    """Words written against words asked for, one dot per story."""
    known = _known(stories, "target", "words")
    series = [
        Series(row.label, [Point(float(x), float(y)) for x, y in zip(own["target"], own["words"], strict=True)], place,
               "cloud")
        for place, row in enumerate(rows)
        for own in ([known[known["label"] == row.label]] if len(known) else [])
    ]  # fmt: skip
    written = Axis("words written", log=True, digits=0)
    panel = Panel(_ASKED, written, series, "Words written against words asked for", guide="same")
    alt = "Words written against words asked for, one dot per story; line: as asked"
    return Chart(caption("words written against words asked for"), alt, [panel])


def _profile(rows: Rows, rubric: Rubric, caption: Caption) -> Chart:
    """Mean mark of each dimension, as a share of its range, one line per model."""
    panels = []
    for sign, title in (("positive", "Strengths (higher is better)"), ("negative", "Faults (higher is worse)")):
        shown = [d for d in rubric.dimensions if d.sign == sign and any(d.id in row.criteria for row in rows)]
        if not shown:
            continue
        names = {float(n): d.name if d.id == d.name else f"{d.id} {d.name}" for n, d in enumerate(shown)}
        series = [
            Series(
                row.label,
                [Point((row.criteria.get(d.id, NAN) - d.min) / (d.max - d.min), float(n)) for n, d in enumerate(shown)],
                place,
            )
            for place, row in enumerate(rows)
        ]
        share = Axis("mean mark, as a share of its range", limits=(0, 1), digits=2)
        panels.append(Panel(share, Axis("", names), series, title, across=True))
    return Chart(caption("mean mark by dimension, as a share of its range"), "Mean mark by dimension", panels)


def _distribution(rows: Rows, stories: pd.DataFrame, scale: str, caption: Caption) -> Chart:
    """Every score, and the quartiles and mean of each model."""
    rng = np.random.default_rng(0)
    known = _known(stories, "score")
    parts = {r.label: known.loc[known["label"] == r.label, "score"].to_numpy(float) for r in rows if len(known)}
    series, names = [], {}
    for place, (name, values) in enumerate((name, values) for name, values in parts.items() if len(values)):
        names[float(place)] = name
        low, high = np.quantile(values, [0.25, 0.75])
        dots = zip(values, place + rng.uniform(-0.28, 0.28, len(values)), strict=True)
        series.append(Series(name, [Point(float(x), float(y)) for x, y in dots], place, "cloud"))
        series.append(Series(name, [Point(float(values.mean()), place, low, high)], place, "bars"))
    panel = Panel(Axis(f"score ({scale})"), Axis("", names), series, "Distribution of scores", across=True)
    alt = "Every score; dot: mean, bar: from the first to the third quartile"
    return Chart(caption("distribution of scores (dot: mean; bar: quartiles)"), alt, [panel], legend=False)


def _cost(rows: Rows, scale: str, caption: Caption) -> Chart:
    """Score against dollars per story, one dot per model."""
    known = [(place, row) for place, row in enumerate(rows) if not math.isnan(row.cost + row.score.value)]
    paid = any(row.cost > 0 for _, row in known)
    series = [Series(row.label, [_point(row.cost, row.score)], place, "bars") for place, row in known if paid]
    scaled = all(row.cost > 0 for _, row in known)  # a cost of 0 cannot be shown on a logarithmic axis
    dollars = Axis("US dollars per story, writing and judging, at list prices", log=scaled, digits=4)
    panel = Panel(dollars, Axis(f"score ({scale})"), series, "Cost and quality")
    return Chart(caption("cost and quality (bars: 95 %)"), "Score against cost per story; bars: 95 %", [panel])


def _point(x: float, interval: Interval) -> Point:
    return Point(x, interval.value, interval.low, interval.high)


def _known(stories: pd.DataFrame, *columns: str) -> pd.DataFrame:
    """The scored stories that have a value in all of these columns (above 0 for `words`)."""
    if not {*columns, "status"} <= {*stories}:
        return stories.iloc[:0]
    known = stories[stories["status"].isin(SCORED)].dropna(subset=list(columns))
    return known[known["words"].astype(float) > 0] if "words" in columns else known

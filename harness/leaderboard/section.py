"""A section of a leaderboard: models compared on one benchmark, judge, rubric and prompt set, by the marks of their
stories."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar

from ...rubrics import Rubric
from ..show.charts import Chart
from ..show.grid import Grid
from ..stats.intervals import Interval
from . import plots, tables
from .comparison import Comparison
from .jury import JuryTable, jury_grid
from .published import Published
from .rows import StoryRow


@dataclass(frozen=True, kw_only=True)
class Section(Comparison):
    """Models compared by the marks of their stories.

    `side` has the headings of further scores; `published_metric` is the score that published numbers report.
    `length_bias` is the correlation of score with words among stories of the same prompt. `jury` compares the judges
    if there are several. `judged_on` is the rubric.
    """

    legend: ClassVar[Mapping[str, str]] = tables.LEGEND

    rows: Sequence[StoryRow]
    side: Mapping[str, str]
    published_metric: str
    length_bias: Interval
    published: Sequence[Published] = ()
    jury: JuryTable | None = None
    judged_on: Rubric = field(repr=False)

    @property
    def criteria(self) -> dict[str, str]:
        """The rubric's dimensions by id, with id and name, where the two differ."""
        return {d.id: f"{d.id} {d.name}" for d in self.judged_on.dimensions if d.id != d.name}

    def grids(self, details: bool) -> list[Grid]:
        more = (tables.pairs_grid(self.pairs), *tables.detail_grids(self.rows, self.criteria)) if details else ()
        shown = (*self._main(), *more)
        return [grid for grid in shown if grid is not None]

    def model_grids(self) -> list[Grid]:
        return replace(self, published=(), jury=None).grids(details=True)

    def charts(self) -> dict[str, Chart]:
        return plots.charts(self.rows, self.stories, self.judged_on, self.caption)

    def _main(self) -> tuple[Grid | None, ...]:
        metric = self.published_metric
        heading = {"overall_released": "released"}.get(metric, self.side.get(metric, metric))
        return (
            tables.summary_grid(self.heading, self.rows, self.side, self.by_length),
            tables.bucket_grid(self.rows),
            tables.surface_grid(self.rows),
            jury_grid(self.jury),
            tables.published_grid(self.rows, self.published, metric, heading, self.proxy),
        )

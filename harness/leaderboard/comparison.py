"""Comparisons of models: the common base of a leaderboard's sections and an arena's standings."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, ClassVar, Self

import pandas as pd

from ..show.charts import Chart
from ..show.files import plain_data
from ..show.grid import Grid
from ..stats.compare import Rank
from ..stats.intervals import Interval


def digest(table: pd.DataFrame, columns: Sequence[str]) -> str:
    """SHA-256 of these columns of a table, independent of the order of its rows."""
    rows = table.reindex(columns=list(columns)).itertuples(index=False, name=None)
    text = "\n".join(sorted("\t".join(map(str, row)) for row in rows))
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()


@dataclass(frozen=True, kw_only=True)
class Row:
    """A model (with its generation settings) in a table; `label` distinguishes its rows, `score` is the headline, and
    `rank` is None if there is none.

    `cost` and `cost_judging` are US dollars per story, NaN if unknown.
    """

    label: str
    model: str
    settings: str
    overrides: str
    rank: Rank | None
    score: Interval
    coverage: float
    empty: int

    @property
    def spent(self) -> tuple[float, float, int] | None:
        """Dollars per story for writing and judging, for judging only, and the number of stories; None if not
        counted."""
        return None

    @property
    def lengths(self) -> tuple[float, float] | None:
        """Length ratio and slope, or None if no lengths were asked for."""
        return None

    def flat(self) -> dict[str, Any]:
        """The row as columns of a CSV file: an interval becomes three; nested tables are left out."""
        found: dict[str, Any] = {}
        for name, value in vars(self).items():
            if isinstance(value, Rank):
                found |= {name: value.place, name.replace("rank", "group"): value.letters}
            elif isinstance(value, Interval):
                found |= {name: value.value, f"{name}_low": value.low, f"{name}_high": value.high}
            elif not isinstance(value, Mapping):
                found[name] = value
        return found


@dataclass(frozen=True, kw_only=True)
class Comparison(ABC):
    """Models with comparable numbers: one benchmark, rubric digest, judge and prompt set.

    `digests` are the SHA-256 of what the numbers depend on: rubric file, prompt set, and stories with their scores (or
    judgments). `rows` are in display order; `pairs` compares every two of them (see
    `compare.compare_pairs`); `stories` has one row per story if stories were marked individually, else it is empty.
    """

    legend: ClassVar[Mapping[str, str]]
    shared: ClassVar[tuple[str, ...]] = ("benchmark", "title", "rubric", "judge", "proxy", "prompts")

    benchmark: str
    title: str
    scale: str
    judge: str
    proxy: bool
    prompts: str
    rubric: str
    digests: Mapping[str, str]
    rows: Sequence[Row]
    pairs: pd.DataFrame
    notes: list[str] = field(default_factory=list)
    stories: pd.DataFrame = field(default_factory=pd.DataFrame, repr=False)

    @property
    def by_length(self) -> bool:
        """Whether stories were asked for a length."""
        return any(row.lengths is not None for row in self.rows)

    @property
    def heading(self) -> str:
        """Benchmark, judge, rubric and prompts in one line; a proxy is marked as such."""
        proxy = "PROXY judge " if self.proxy else "judge "
        return f"{self.title} · {proxy}{self.judge} · rubric {self.rubric} · prompts {self.prompts}"

    @property
    def marked_judge(self) -> str:
        """The judge, marked if it is a proxy."""
        return f"PROXY {self.judge}" if self.proxy else self.judge

    def caption(self, plot: str) -> str:
        """The title of a plot: what it shows, and the benchmark, judge, rubric and prompts."""
        judge = f"PROXY judge {self.judge}" if self.proxy else f"judge {self.judge}"
        return f"{self.title}: {plot}\n{judge} · {self.rubric} · prompts {self.prompts}"

    @abstractmethod
    def grids(self, details: bool) -> list[Grid]:
        """The non-empty tables, the main one first; `details` adds pairs and criteria."""

    @abstractmethod
    def model_grids(self) -> list[Grid]:
        """The tables for one model's page, from a comparison with only its rows."""

    @abstractmethod
    def charts(self) -> dict[str, Chart]:
        """The charts that have data, by name, the most informative first."""

    def about(self, model: str) -> Self:
        """Restrict to one model: its rows, and its pairs with all others. Ranks and notes are not recomputed."""
        rows = [row for row in self.rows if row.model == model]
        labels = {row.label for row in rows}
        return replace(self, rows=rows, pairs=self.pairs[self.pairs["a"].isin(labels) | self.pairs["b"].isin(labels)])

    def among(self, models: set[str]) -> Self:
        """Restrict to these models. Ranks and notes are not recomputed."""
        rows = [row for row in self.rows if row.model in models]
        labels = {row.label for row in rows}
        return replace(self, rows=rows, pairs=self.pairs[self.pairs["a"].isin(labels) & self.pairs["b"].isin(labels)])

    def data(self) -> dict[str, Any]:
        """Return what is shown as JSON data, without the stories and the rubric."""
        found: dict[str, Any] = plain_data({part.name: getattr(self, part.name) for part in fields(self) if part.repr})
        return found

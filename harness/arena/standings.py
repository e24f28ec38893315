"""Standings of arenas: ratings, win rates and what they depend on, from the judgments of pairs."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import pandas as pd

from ...rubrics import Rubric
from ..leaderboard.comparison import Comparison, digest
from ..leaderboard.tables import pairs_grid
from ..logs.pairs import ARENA, DONE, complete_matches
from ..logs.rubrics import rubric_for
from ..show.charts import Chart
from ..show.grid import Grid
from ..stats.intervals import Interval
from . import plots, tables
from .ratings import UNITS, Ratings, rate
from .rows import ArenaRow

SIDES = ("first", "second")


@dataclass(frozen=True, kw_only=True)
class Standings(Comparison):
    """Models of an arena by their ratings, best first.

    `first` is the share of a win that the story shown first gets between equals; `style` is the effect of style
    differences in points; `judged_on` is the rubric.
    """

    legend: ClassVar[Mapping[str, str]] = tables.LEGEND

    rows: Sequence[ArenaRow]
    first: Interval
    style: Mapping[str, Interval]
    judged_on: Rubric = field(repr=False)

    def grids(self, details: bool) -> list[Grid]:
        pairs = pairs_grid(self.pairs) if details else None
        main = [tables.standings_grid(self.heading, self.rows), tables.matrix_grid(self.rows), self._criteria()]
        return [*main, *([pairs] if pairs else [])]

    def model_grids(self) -> list[Grid]:
        pairs = pairs_grid(self.pairs)
        main = [tables.standings_grid(self.heading, self.rows), tables.against_grid(self.rows), self._criteria()]
        return [*main, *([pairs] if pairs else [])]

    def charts(self) -> dict[str, Chart]:
        return plots.charts(self.rows, self.caption)

    def _criteria(self) -> Grid:
        return tables.criteria_grid(self.rows, {d.id: d.name for d in self.judged_on.dimensions})


def build_standings(judgments: pd.DataFrame, anchors: Mapping[str, float] | None = None) -> list[Standings]:
    """Build the standings for each judge, rubric and truncation in the judgments (see `judgments_frame`).

    Raises:
        UserError: models that cannot be rated on one scale, or anchors that do not fit.
    """
    keys = ["judge", "rubric_digest", "truncate"]
    groups = judgments.groupby(keys, sort=True, dropna=False)
    return [_standings(group, anchors) for _, group in groups]


def _standings(judgments: pd.DataFrame, anchors: Mapping[str, float] | None) -> Standings:
    matches = complete_matches(judgments)
    found, rubric = rate(matches, anchors), rubric_for(judgments)
    first = judgments.iloc[0]
    cut = "" if pd.isna(first["truncate"]) else f" · first {int(first['truncate'])} characters"
    keys = sorted(judgments.loc[judgments["match"].isin(matches["match"]), "key"].unique())
    prompts = hashlib.sha256("|".join(keys).encode()).hexdigest()
    return Standings(
        benchmark=ARENA,
        title=rubric.title,
        scale="Elo",
        judge=first["judge"],
        proxy=bool(first["proxy"]),
        prompts=f"{matches['prompt_id'].nunique()} ({prompts[:8]}){cut}",
        rubric=f"{first['rubric']} {first['rubric_digest'][:8]}",
        digests={
            "rubric": first["rubric_digest"],
            "prompts": prompts,
            "judgments": digest(judgments, ("id", "first_digest", "second_digest", "status", "score")),
        },
        rows=[_row(found, name, judgments, matches, rubric) for name in found.models],
        pairs=found.pairs,
        notes=list(_notes(found, judgments, matches, anchors)),
        first=found.first,
        style=found.style,
        judged_on=rubric,
    )


def _row(found: Ratings, name: str, judgments: pd.DataFrame, matches: pd.DataFrame, rubric: Rubric) -> ArenaRow:
    own = matches[(matches["a"] == name) | (matches["b"] == name)]
    outcome = (own["first"] + own["second"]) / 2
    outcome = outcome.where(own["a"] == name, 1 - outcome)
    other = own["b"].where(own["a"] == name, own["a"])
    shown = judgments[(judgments["first"] == name) | (judgments["second"] == name)]
    return ArenaRow(
        label=name,
        model=name,
        settings="",
        overrides="",
        rank=found.ranks[name],
        score=found.rating[name],
        controlled=found.controlled[name],
        win_rate=found.win_rate[name],
        controlled_rank=found.controlled_ranks[name],
        coverage=float(shown["status"].isin(DONE).mean()),
        matches=len(own),
        opponents=int(other.nunique()),
        empty=int(shown.loc[shown["status"] == "empty", "match"].nunique()),
        criteria=_criteria(name, judgments[judgments["match"].isin(own["match"])], rubric),
        against={str(key): float(value) for key, value in outcome.groupby(other).mean().items()},
    )


def _criteria(name: str, judgments: pd.DataFrame, rubric: Rubric) -> dict[str, float]:
    """Share of the judgments in which a model won each criterion; both orders count equally."""
    signs = {True: judgments[judgments["first"] == name], False: judgments[judgments["second"] == name]}
    won: dict[str, float] = {}
    for mark in rubric.mark_names:
        values = pd.concat([part[mark].astype(float) * (1 if first else -1) for first, part in signs.items()]).dropna()
        won[mark] = float((values > 0).mean()) if len(values) else math.nan
    return won


def _notes(found: Ratings, judgments: pd.DataFrame, matches: pd.DataFrame, anchors: Mapping[str, float] | None) -> Any:
    if bool(judgments["proxy"].iloc[0]):
        yield "PROXY: judged by the offline lexical proxy, which counts and cannot read; not a quality score."
    pinned = " and ".join(f"{name} at {value:g}" for name, value in (anchors or {}).items())
    scale = f"pinned: {pinned}" if anchors else "mean 1500"
    yield f"Elo scale, {scale}; models with a letter in common are not told apart."
    yield (
        f"Position bias: between equals, the story shown first gets {_percent(found.first)} of a win; every match is "
        "judged in both orders, and the ratings exclude this effect."
    )
    known = {words: found.style[key] for key, (_, words) in UNITS.items() if not math.isnan(found.style[key].value)}
    worth = [f"{words} {_points(points)}" for words, points in known.items()]
    if worth:
        yield f"Style, in points: {'; '.join(worth)}. The controlled rating excludes these."
    told = pd.concat(
        [judgments[[side, "key", f"{side}_digest"]].set_axis(["model", "key", "digest"], axis=1) for side in SIDES]
    ).drop_duplicates()
    mixed = told[told.duplicated(["model", "key"])]["model"].unique()
    if len(mixed):
        yield f"These logs hold several arenas, with different stories of {', '.join(sorted(mixed))} for one prompt."
    if matches.groupby(["a", "b"]).ngroups < len(found.pairs):
        yield "Models met different opponents: compare ratings, not win rates."
    empty = judgments.loc[judgments["status"] == "empty", "match"].nunique()
    if empty:
        yield f"{empty} matches hold a story without words, which lost unread; they count in ratings, not in criteria."
    begun = judgments["match"].nunique()
    if begun > len(matches):
        yield f"{begun - len(matches)} matches lack a judgment and are left out (see coverage)."


def _percent(interval: Interval) -> str:
    bounds = "" if math.isnan(interval.low) else f" [{100 * interval.low:.1f}, {100 * interval.high:.1f}]"
    return f"{100 * interval.value:.1f} %{bounds}"


def _points(interval: Interval) -> str:
    bounds = "" if math.isnan(interval.low) else f" [{interval.low:+.0f}, {interval.high:+.0f}]"
    return f"{interval.value:+.0f}{bounds}"

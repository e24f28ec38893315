"""Rows of an arena's standings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ..leaderboard.comparison import Row
from ..stats.compare import Rank
from ..stats.intervals import Interval


@dataclass(frozen=True, kw_only=True)
class ArenaRow(Row):
    """A model by its rating, which is its `score`.

    `controlled` is the style-controlled rating, with a rank of its own; `win_rate` the mean outcome of its matches;
    `empty` counts matches with a story without words; `criteria` is the share of judgments in which the model won each
    criterion, `against` its mean outcome against each other model.
    """

    controlled: Interval
    win_rate: Interval
    controlled_rank: Rank
    matches: int
    opponents: int
    criteria: Mapping[str, float]
    against: Mapping[str, float]

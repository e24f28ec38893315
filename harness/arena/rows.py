"""Rows of an arena's standings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ..leaderboard.comparison import Row
from ..stats.compare import Rank
from ..stats.intervals import Interval


@dataclass(frozen=True, kw_only=True)
class ArenaRow(Row):
    """One model in the standings; its rating is `score`.

    `controlled` is the style-controlled rating, with its own rank; `win_rate` is the mean outcome of its matches;
    `empty` counts matches with a story without words; `criteria` is the share of judgments in which the model won each
    criterion, and `against` its mean outcome against each other model.
    """

    controlled: Interval
    win_rate: Interval
    controlled_rank: Rank
    matches: int
    opponents: int
    criteria: Mapping[str, float]
    against: Mapping[str, float]

"""Compare the members of a jury: the scores that each gave, and how well they agree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import pandas as pd

from ..judge.named import marked
from ..logs.juries import MEMBER, member_columns
from ..logs.table import SCORED
from ..show.grid import Grid, grid, numbers, texts
from ..show.numbers import number, with_bounds
from ..stats.agreement import alpha_interval
from ..stats.intervals import Interval, spearman_interval


@dataclass(frozen=True)
class Member:
    """One judge of a jury: the number of stories it judged, the mean and standard deviation of its scores, and their
    Spearman correlation with the mean of the other members."""

    judge: str
    judged: int
    mean: float
    sd: float
    with_others: Interval


@dataclass(frozen=True)
class JuryTable:
    """The members, and Krippendorff's alpha (interval) of their original scores."""

    members: Sequence[Member]
    alpha: Interval


def jury_table(stories: pd.DataFrame) -> JuryTable | None:
    """The jury of one section's stories, or None if there was only one judge."""
    columns = member_columns(stories)
    if not columns:
        return None
    known = stories[stories["status"].isin([*SCORED, "unscored"])]
    scores = known[columns].astype(float)
    prompts = known["prompt_id"].tolist()
    members = [
        Member(
            judge=name.removeprefix(MEMBER),
            judged=int(scores[name].notna().sum()),
            mean=float(scores[name].mean()),
            sd=float(scores[name].std(ddof=0)),
            with_others=spearman_interval(scores[name], scores.drop(columns=name).mean(axis=1), prompts),
        )
        for name in columns
    ]
    return JuryTable(members, alpha_interval(scores.to_numpy().tolist(), "interval"))


def jury_grid(found: JuryTable | None) -> Grid | None:
    """The table of a jury's members."""
    if found is None:
        return None
    heads = [*texts("judge"), *numbers("stories", "mean", "sd", "agrees with the others")]
    rows = (
        [marked(one.judge), str(one.judged), number(one.mean), number(one.sd), with_bounds(one.with_others, 2)]
        for one in found.members
    )
    note = f"Agreement of all: Krippendorff's alpha (interval) {with_bounds(found.alpha, 2)}; by member: Spearman."
    return replace(grid("The jury", heads, rows), notes=(note,))

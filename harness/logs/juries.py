"""The scores of jury members in a table of stories, and how they are put on one scale."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

MEMBER = "score of "  # prefix of columns with one member's scores, followed by the member's name


def member_columns(frame: pd.DataFrame) -> list[str]:
    """The columns of members that gave at least one score."""
    return [str(name) for name in frame if str(name).startswith(MEMBER) and frame[name].notna().any()]


def member_scores(details: Mapping[str, Any]) -> dict[str, float]:
    """Each member's score of a story, from the score's metadata; empty if there was only one judge."""
    return {f"{MEMBER}{member['judge']}": member["value"]["score"] for member in details.get("members", ())}


def equated(scores: pd.DataFrame) -> pd.Series[float]:
    """The mean of the members' scores (one row per story, one column per member) after they are put on one scale.

    Mean and sigma equating: each member's scores are shifted and scaled so that, over the stories that all members
    judged, their mean and standard deviation equal the average of the members' means and standard deviations. A member
    that gave all of these the same score counts as average for every story. All NaN if fewer than two stories were
    judged by all members.
    """
    shared = scores.dropna()
    if len(shared) < 2:
        return pd.Series(float("nan"), index=scores.index)
    spread = shared.std(ddof=0)
    z = (scores - shared.mean()) / spread.where(spread > 0)
    for name in spread.index[spread == 0]:
        z[name] = scores[name] * 0
    return shared.mean().mean() + z.mean(axis=1) * spread.mean()


def on_one_scale(frame: pd.DataFrame, apart: list[str]) -> pd.DataFrame:
    """Put the scores of z-scored juries on one scale, separately for each combination of the columns `apart`.

    Empty stories keep the lowest score. If fewer than two stories were judged by all members, no story gets a score.
    """
    for _, part in frame[frame["jury"] == "zscore"].groupby(apart):
        judged = part[part["status"] == "scored"]
        columns = member_columns(judged)
        if not columns:
            continue
        found = equated(judged[columns].astype(float))
        frame.loc[judged.index, "score"] = found
        if "combined" in frame:
            frame.loc[judged.index, "combined"] = found * frame.loc[judged.index, "s_l"] / 100
        if found.isna().all():
            why = "z-scores need at least two stories judged by every member of the jury"
            frame.loc[judged.index, ["status", "reason"]] = ["unscored", why]
    return frame

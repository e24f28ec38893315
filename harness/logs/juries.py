"""The scores of a jury's members in a table of stories, and how they are put on one scale."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

MEMBER = "score of "  # columns with a member's score of a story; the member's name follows


def member_columns(frame: pd.DataFrame) -> list[str]:
    """The columns of members that gave any score here."""
    return [str(name) for name in frame if str(name).startswith(MEMBER) and frame[name].notna().any()]


def member_scores(details: Mapping[str, Any]) -> dict[str, float]:
    """What each member gave a story, from a score's metadata; nothing where one judge judged."""
    return {f"{MEMBER}{member['judge']}": member["value"]["score"] for member in details.get("members", ())}


def equated(scores: pd.DataFrame) -> pd.Series[float]:
    """The mean of the members' scores (a row a story, a column a member) after each is put on one scale.

    Mean and sigma equating: a member's scores are moved and stretched so that their mean and standard deviation over
    the stories that all members judged are those of the members on average. A member that gave all of these the same
    score has nothing to say of others. NaN for all where fewer than two stories were judged by all.
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
    """The table with the scores of juries that are z-scored; `apart` are the columns that keep tables apart.

    Stories without words keep the lowest score. Where fewer than two stories were judged by all members, none of them
    has a score.
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
            why = "z-scores need two stories that all judges of the jury judged"
            frame.loc[judged.index, ["status", "reason"]] = ["unscored", why]
    return frame

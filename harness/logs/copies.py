"""Logs that hold the same stories: of a run that was continued, or of two runs at the same time."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import PurePosixPath

import pandas as pd

_SAME = ("data", "model", "settings", "overrides", "gate", "jury", "id", "epoch")


def progress(table: pd.DataFrame) -> tuple[bool, int, str]:
    """How far a log came, to sort by: finished, then stories, then time, since clocks may go back."""
    return bool(table["finished"].iloc[0]), int((table["status"] != "missing").sum()), table["created"].iloc[0]


def once(frame: pd.DataFrame, keys: Sequence[str]) -> pd.DataFrame:
    """The table without stories that two logs of one folder have, written and judged in the same way.

    Twice as many of them are not twice the evidence: they were meant to be one run. The last one that is not missing
    stays, and a line on standard error tells of the others.
    """
    folder = frame["log"].map(lambda log: str(PurePosixPath(log).parent))
    same = frame[[*keys, *_SAME]].assign(folder=folder, written=frame["status"] != "missing")
    ordered = same.sort_values("written", kind="stable").drop(columns="written")
    copies = ordered.duplicated(keep="last").reindex(frame.index)
    for (place, model), twice in frame[copies].groupby([folder, "model"]):
        print(
            f"{place}: {len(twice)} stories of {model} were run twice, by two runs in one folder; each counts once",
            file=sys.stderr,
        )
    return frame[~copies].reset_index(drop=True)

"""The stories of one side of a comparison: of a model, of logs, or of one step of a training run."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from ..errors import UserError
from .headers import log_files
from .records import read_records
from .table import KEYS, stories_frame

HELD_OUT = "held out"


def side(place: str, logs: Sequence[str], name: str) -> pd.DataFrame:
    """Return the stories of a model in the logs, of a log or log folder, or of a training run's file of held-out
    stories.

    Raises:
        UserError: no such model or path, or stories of several models, or written with several settings.
    """
    path = Path(place)
    if path.suffix == ".jsonl" and path.is_file():
        return _held_out(path)
    if "://" in place or path.exists():
        frame = stories_frame(log_files([place]))
        if frame["model"].nunique() > 1:
            models = ", ".join(sorted(frame["model"].unique()))
            raise UserError(
                f"{name} {place}: contains stories of several models ({models}); name one, with --logs {place}"
            )
    else:
        frame = stories_frame(log_files(logs))
        known = sorted(frame["model"].unique())
        if place not in known:
            raise UserError(f"{name} {place}: no such file, folder, or model in these logs; known: {', '.join(known)}")
        frame = frame[frame["model"] == place]
    if frame["settings"].nunique() > 1:
        told = "; ".join(sorted(map(str, frame["settings"].unique())))
        raise UserError(
            f"{name} {place}: its stories were written with several settings ({told}); name one log or folder"
        )
    return frame.assign(score_label=frame["label"], label=frame["model"])


def _held_out(path: Path) -> pd.DataFrame:
    """Read the held-out stories of one step: the run's measures of each, with the reward as the score."""
    rows = []
    names: dict[str, None] = {}
    for where, record in read_records(path, ("id", "prompt", "story", "model", "metadata"), ("target_words",)):
        told: Mapping[str, Any] = record["metadata"]
        measured = {k: float(v) for k, v in told.items() if isinstance(v, int | float) and not isinstance(v, bool)}
        reward = measured.get("reward", math.nan)
        if "reward" not in told or math.isinf(reward):
            raise UserError(
                f"{where}: not a held-out story of a training run (no finite reward); for others, give logs"
            )
        names |= dict.fromkeys(measured)
        name = str(record["id"])
        rows.append(
            {**measured, "id": name, "prompt_id": name, "model": record["model"], "label": record["model"],
             "prompt": record["prompt"], "story": record["story"], "score": reward,
             "status": "unscored" if math.isnan(reward) else "scored"}
        )  # fmt: skip
    if not rows:
        raise UserError(f"{path}: holds no stories")
    same: dict[str, Any] = {
        "rubric": "of the recipe",
        "prompts": "held out",
        "log": str(path),
        "epoch": 1,
        "proxy": False,
        "gate": False,
    }
    keys = dict.fromkeys(KEYS, "") | {"benchmark": HELD_OUT, "judge": "the run's held-out judge"}
    frame = pd.DataFrame(rows).assign(**same, **keys)
    frame.attrs["measures"] = [name for name in names if name != "reward"]
    return frame

"""The authors' published figures, shown next to the user's and never averaged in."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path

import pandas as pd

NOTE = "Published rows are the authors' figures (other prompts and judge runs) and are never averaged in."
_SPLITS = {"ID (1-4k)": "ID", "near OOD (4-8k)": "near OOD", "far OOD (8-12k)": "far OOD"}
_LENGTHS_OF = "story_quality"  # length ratios were published only once; they are shown with this benchmark


@dataclass(frozen=True)
class Published:
    """A model's published figures on a benchmark; NaN, or no split, if not published."""

    model: str
    score: float = math.nan
    splits: Mapping[str, float] = field(default_factory=dict)
    slope: float = math.nan
    ratio: float = math.nan


def published(benchmark: str) -> list[Published]:
    """The published rows of a benchmark, best first. They were judged with its own rubric and apply to no other."""
    table = pd.read_csv(Path(str(files("polaris_eval.results") / "published.csv")))
    found: dict[str, dict[str, float]] = {}
    splits: dict[str, dict[str, float]] = {}
    for record in table[table["benchmark"] == benchmark].to_dict("records"):
        model, split = record["model"], _SPLITS.get(record["slice"])
        row = found.setdefault(model, {})
        if split:
            splits.setdefault(model, {})[split] = record["value"]
        else:
            row["slope" if record["metric"] == "slope" else "score"] = record["value"]
    if benchmark == _LENGTHS_OF:
        for record in table[(table["benchmark"] == "length") & (table["slice"] == "all")].to_dict("records"):
            found.setdefault(record["model"], {})["ratio"] = record["value"]
    rows = [Published(model, splits=splits.get(model, {}), **row) for model, row in found.items()]
    return sorted(rows, key=_place)


def _place(row: Published) -> float:
    known = [value for value in (row.score, row.splits.get("ID", math.nan)) if not math.isnan(value)]
    return -known[0] if known else math.inf

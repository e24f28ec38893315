"""Models beside one another, from one row a story. Numbers that do not compare stay apart."""

from __future__ import annotations

import math
from collections.abc import Hashable
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any

import pandas as pd

from ..rubrics import Rubric, load_rubric
from .judges import BENCHMARKS
from .length import ABOVE, BELOW, BUCKETS, length_slope
from .stats import Interval, mean_interval
from .table import KEYS, differences

BUCKET_ORDER = (BELOW, *BUCKETS, ABOVE)
_PUBLISHED = ["Published rows are the authors' own (other prompts and judge runs); never averaged in."]
SPLIT_ORDER = ("ID", "near OOD", "far OOD")


@dataclass(frozen=True)
class Section:
    """Models whose numbers compare: one benchmark, rubric digest, judge and prompt set.

    `side` holds the headings of further scores, `published_metric` the score that published numbers are of.
    """

    benchmark: str
    title: str
    scale: str
    judge: str
    proxy: bool
    prompts: str
    rubric: str
    side: dict[str, str]
    published_metric: str
    rows: list[dict[str, Any]]
    notes: list[str] = field(default_factory=list)
    published: list[dict[str, Any]] = field(default_factory=list)

    @property
    def by_length(self) -> bool:
        """Whether stories were asked for a length."""
        return any(row["buckets"] for row in self.rows)


def build(frame: pd.DataFrame, with_published: bool = False) -> list[Section]:
    """Sections of a leaderboard from one row a story, in the order of the benchmarks, best model first in each."""
    keys = [*KEYS, "gate"]
    apart = {benchmark: differences(group, keys) for benchmark, group in frame.groupby("benchmark")}
    sections = []
    for _, group in frame.groupby(keys, sort=True):
        first = group.iloc[0]
        rubric = load_rubric(first["benchmark"])
        parts = group.groupby(["model", "settings", "overrides"])
        rows = [_row(rubric, key, part) for key, part in parts]
        rows.sort(key=lambda row: -math.inf if math.isnan(row["score"]) else row["score"], reverse=True)
        sections.append(
            Section(
                benchmark=first["benchmark"],
                title=first["title"],
                scale=rubric.scale,
                judge=first["judge"],
                proxy=bool(first["proxy"]),
                prompts=f"{first['prompts']} ({first['prompts_digest'][:8]})",
                rubric=f"{first['benchmark']} {first['rubric_digest'][:8]}" + (" gated" if first["gate"] else ""),
                side=dict(rubric.side),
                published_metric=rubric.published,
                rows=rows,
                notes=_notes(rubric, group, apart[first["benchmark"]]) + (_PUBLISHED if with_published else []),
                published=_published(rubric) if with_published else [],
            )
        )
    return sorted(sections, key=lambda section: BENCHMARKS.index(section.benchmark))


def _row(rubric: Rubric, key: Hashable, group: pd.DataFrame) -> dict[str, Any]:
    scored = group[group["status"].isin(["scored", "empty"])]
    written = scored[scored["status"] == "scored"]
    row: dict[str, Any] = dict(zip(("model", "settings", "overrides"), map(str, key), strict=True))  # type: ignore[call-overload]
    row |= {"stories": len(group), "coverage": len(scored) / len(group)}
    row |= {status: int((group["status"] == status).sum()) for status in ("empty", "unscored", "error", "missing")}
    row |= dict(zip(("score", "score_low", "score_high"), _interval(scored, "score"), strict=True))
    row["score_without_empty"] = _mean(written, "score")
    for name in (*rubric.side, "ratio", "length_score", "repetition", "truncated", "quotes_found", "misadded", "rated"):
        row[name] = _mean(scored, name)
    for split in SPLIT_ORDER:
        row[f"{rubric.published}_{split}"] = _mean(_where(scored, "split", split), rubric.published)
    row["buckets"] = {
        name: {**_cell(part), "ratio": _mean(part, "ratio"), "truncated": _mean(part, "truncated")}
        for name in BUCKET_ORDER
        if len(part := _where(scored, "bucket", name))
    }
    row["slope"] = length_slope({name: value["score"] for name, value in row["buckets"].items()})
    row["categories"] = {
        str(name): {**_cell(part), **{side: _mean(part, side) for side in rubric.side}}
        for name, part in (scored.groupby("category") if "category" in scored else ())
    }
    row["criteria"] = {
        name: _mean(scored, name) for name in rubric.mark_names if name in scored and name not in rubric.score_names
    }
    return row


def _cell(part: pd.DataFrame) -> dict[str, Any]:
    return {"stories": len(part), **dict(zip(("score", "low", "high"), _interval(part, "score"), strict=True))}


def _where(group: pd.DataFrame, column: str, value: str) -> pd.DataFrame:
    return group.loc[group[column] == value] if column in group else group.iloc[:0]


def _mean(group: pd.DataFrame, column: str) -> float:
    return float(group[column].astype(float).mean()) if column in group else math.nan


def _interval(group: pd.DataFrame, column: str) -> Interval:
    if column not in group or group.empty:
        return Interval(math.nan, math.nan, math.nan)
    return mean_interval(group[column].astype(float).tolist(), group["prompt_id"].tolist())


def _notes(rubric: Rubric, group: pd.DataFrame, apart: dict[str, list[str]]) -> list[str]:
    notes = []
    if bool(group["proxy"].iloc[0]):
        notes.append("PROXY: judged by the offline lexical proxy, which counts and cannot read; not a quality score.")
    names = {"rubric_digest": "rubric file", "judge": "judge", "prompts_digest": "prompt set", "gate": "gate"}
    apart = {key: values for key, values in apart.items() if key in names}
    if apart:
        shown = "; ".join(
            f"{names[k]} ({', '.join(v[:8] if len(v) == 64 else v for v in values)})" for k, values in apart.items()
        )
        notes.append(f"Kept apart from other tables of this benchmark: they differ in {shown}.")
    if rubric.length_score:
        notes.append("Score is S_Q. The source of the published figures does not say which of the three they are.")
    if rubric.digest != group["rubric_digest"].iloc[0]:
        notes.append("Judged on another version of the rubric file than the one installed here.")
    if group["settings"].nunique() > 1:
        notes.append("Rows differ in generation settings: compare with care.")
    if group.groupby(["model", "settings"])["id"].nunique().nunique() > 1:
        notes.append("Rows cover different numbers of prompts: compare with care.")
    failed = group[group["status"].isin(["unscored", "error", "missing"])]
    if len(failed):
        notes.append(f"{len(failed)} stories have no score and take no part in any mean (see coverage).")
    if group.get("truncated", pd.Series(dtype=float)).sum() > 0:
        notes.append(f"{int(group['truncated'].sum())} stories were cut off by the writer's token limit (cut).")
    return notes


def _published(rubric: Rubric) -> list[dict[str, Any]]:
    """Published rows of a benchmark: the published metric by split, and with Story Quality length ratio and slope."""
    table = pd.read_csv(Path(str(files("polaris_eval.results") / "published.csv")))
    names = {"ID (1-4k)": "ID", "near OOD (4-8k)": "near OOD", "far OOD (8-12k)": "far OOD"}
    rows: dict[str, dict[str, Any]] = {}
    for record in table[table["benchmark"] == rubric.name].to_dict("records"):
        row = rows.setdefault(record["model"], {"model": record["model"]})
        name = "slope" if record["metric"] == "slope" else rubric.published
        split = names.get(record["slice"])
        row[f"{name}_{split}" if split else name] = record["value"]
    lengths = table[(table["benchmark"] == "length") & (table["slice"] == "all")]
    for record in lengths.to_dict("records") if rubric.name == BENCHMARKS[0] else ():
        rows.setdefault(record["model"], {"model": record["model"]})["ratio"] = record["value"]
    best = (rubric.published, f"{rubric.published}_ID")
    return sorted(rows.values(), key=lambda row: -next((row[name] for name in best if name in row), -math.inf))

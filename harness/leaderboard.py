"""Models beside one another, from one row a story. Numbers that do not compare stay apart."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from importlib.resources import files
from pathlib import Path
from typing import Any

import pandas as pd

from ..rubrics import Rubric, load_rubric
from .errors import UserError
from .judges import BENCHMARKS
from .lens import length_lens
from .stats import (
    NOTHING,
    Interval,
    compare_pairs,
    mean_interval,
    minimum_detectable_difference,
    rank_groups,
    spearman_interval,
)
from .table import KEYS, SCORED, differences

# what tables can be sorted by besides a benchmark's name, and whether the largest comes first
SORTS = {"score": True, "length": True, "slope": True, "area": True, "coverage": True, "repetition": False,
         "cost": False, "model": False}  # fmt: skip
_PUBLISHED = ["Published rows are the authors' own (other prompts and judge runs); never averaged in."]
_MEANS = ("length_score", "repetition", "truncated", "quotes_found", "quotes_missing", "misadded", "rated",
          "cost", "cost_writing", "cost_judging")  # fmt: skip
_SPLITS = {"ID (1-4k)": "ID", "near OOD (4-8k)": "near OOD", "far OOD (8-12k)": "far OOD"}


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Models whose numbers compare: one benchmark, rubric digest, judge and prompt set.

    `rows` has an entry a model (and generation settings), with `score` and its interval; `pairs` compares every two of
    them (see `stats.compare_pairs`).
    """

    benchmark: str
    title: str
    scale: str
    judge: str
    proxy: bool
    prompts: str
    rubric: str
    rows: list[dict[str, Any]]
    pairs: pd.DataFrame
    notes: list[str] = field(default_factory=list)

    @property
    def by_length(self) -> bool:
        """Whether stories were asked for a length."""
        return any(row.get("buckets") for row in self.rows)

    @property
    def heading(self) -> str:
        """Benchmark, judge, rubric and prompts in one line; a proxy is named as such."""
        proxy = "PROXY judge " if self.proxy else "judge "
        return f"{self.title} · {proxy}{self.judge} · rubric {self.rubric} · prompts {self.prompts}"


@dataclass(frozen=True, kw_only=True)
class Section(Comparison):
    """Models by the marks of their stories.

    `side` holds the headings of further scores, `published_metric` the score that published numbers are of.
    `detectable` is the smallest difference that this many prompts can show; `length_bias` is the correlation of score
    with words among the stories of one prompt.
    """

    side: dict[str, str]
    published_metric: str
    detectable: float
    length_bias: Interval
    stories: pd.DataFrame
    published: list[dict[str, Any]] = field(default_factory=list)


def chosen(column: str, names: Iterable[str], patterns: Sequence[str]) -> set[str]:
    """Those of the names that match one of the patterns (`*`, `?`); all of them without any.

    Raises:
        UserError: a pattern that matches nothing, with the names that there are.
    """
    there = sorted({*names})
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in there):
            raise UserError(f"--{column} {pattern}: no such {column} in these logs; there are {', '.join(there)}")
    return {name for name in there if not patterns or any(fnmatchcase(name, pattern) for pattern in patterns)}


def build(frame: pd.DataFrame, with_published: bool = False, sort: str = "score") -> list[Section]:
    """Sections of a leaderboard from one row a story, in the order of the benchmarks, each sorted by `sort`."""
    keys = [*KEYS, "gate"]
    apart = {benchmark: differences(group, keys) for benchmark, group in frame.groupby("benchmark")}
    sections = []
    for _, group in frame.groupby(keys, sort=True):
        first = group.iloc[0]
        rubric = load_rubric(first["benchmark"])
        group = group.assign(label_=_labels(group))
        rows = [_row(rubric, key, part) for key, part in group.groupby(["label_", "model", "settings", "overrides"])]
        rows.sort(key=lambda row: -math.inf if math.isnan(row["score"]) else row["score"], reverse=True)
        scored = group[group["status"].isin(SCORED)]
        table = scored.pivot_table(index="prompt_id", columns="label_", values="score", aggfunc="mean")
        pairs = compare_pairs(table.reindex(columns=[row["label"] for row in rows if row["label"] in table]))
        for row, rank in zip(rows, _ranks(rows, pairs), strict=True):
            row["rank"] = rank
        bias = _spearman(scored, within=True)
        detectable = minimum_detectable_difference(pairs)
        notes = _notes(rubric, group, apart[first["benchmark"]])
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
                rows=_sorted(rows, sort),
                pairs=pairs,
                detectable=detectable,
                length_bias=bias,
                stories=group.rename(columns={"label": "score_label", "label_": "label"}),
                notes=[*notes, *_checks(rows, table, detectable, bias), *(_PUBLISHED if with_published else [])],
                published=_published(rubric) if with_published else [],
            )
        )
    return sorted(sections, key=lambda section: BENCHMARKS.index(section.benchmark))


def _labels(group: pd.DataFrame) -> pd.Series:
    """The model's name of each story, with what tells its rows apart where it has several."""
    labels = group["model"]
    for column in ("settings", "overrides"):
        several = group.groupby(labels)[column].transform("nunique") > 1
        labels = labels.where(~several, labels + " · " + group[column].replace("", "usual settings"))
    return labels


def _row(rubric: Rubric, key: Hashable, group: pd.DataFrame) -> dict[str, Any]:
    scored = group[group["status"].isin(SCORED)]
    written = scored[scored["status"] == "scored"]
    names = ("label", "model", "settings", "overrides")
    row: dict[str, Any] = dict(zip(names, map(str, key), strict=True))  # type: ignore[call-overload]
    row |= {"stories": len(group), "coverage": len(scored) / len(group)}
    row |= {status: int((group["status"] == status).sum()) for status in ("empty", "unscored", "error", "missing")}
    row |= _flat("score", _interval(scored, "score")) | {"score_without_empty": _mean(written, "score")}
    row |= {name: _mean(scored, name) for name in (*rubric.side, *_MEANS)}
    lens = length_lens(scored, rubric.published)
    row |= _flat("ratio", _interval(scored, "ratio")) | _flat("slope", lens["slope"]) | _flat("area", lens["area"])
    row |= _flat("length_correlation", _spearman(scored, within=False))
    row |= {name: lens[name] for name in ("buckets", "splits", "flags")}
    row["categories"] = {
        str(name): {"stories": len(part), "score": _interval(part, "score")}
        | {side: _mean(part, side) for side in rubric.side}
        for name, part in (scored.groupby("category") if "category" in scored else ())
    }
    row["criteria"] = {
        name: _mean(scored, name) for name in rubric.mark_names if name in scored and name not in rubric.score_names
    }
    return row


def _flat(name: str, interval: Interval) -> dict[str, float]:
    return {name: interval.value, f"{name}_low": interval.low, f"{name}_high": interval.high}


def _mean(group: pd.DataFrame, column: str) -> float:
    return float(group[column].astype(float).mean()) if column in group else math.nan


def _interval(group: pd.DataFrame, column: str) -> Interval:
    if column not in group or group.empty:
        return NOTHING
    return mean_interval(group[column].astype(float), group["prompt_id"].tolist())


def _spearman(scored: pd.DataFrame, within: bool) -> Interval:
    if "words" not in scored or scored.empty:
        return NOTHING
    prompts = scored["prompt_id"].tolist()
    return spearman_interval(scored["score"].astype(float), scored["words"].astype(float), prompts, within)


def _ranks(best_first: Sequence[dict[str, Any]], pairs: pd.DataFrame) -> list[str]:
    ranks = rank_groups([row["label"] for row in best_first if not math.isnan(row["score"])], pairs)
    return [ranks.get(row["label"], "–") for row in best_first]


def _sorted(rows: list[dict[str, Any]], by: str) -> list[dict[str, Any]]:
    if by == "model":
        return sorted(rows, key=lambda row: row["label"].lower())
    name = {"length": "ratio"}.get(by, by if by in SORTS else "score")
    sign = -1 if SORTS.get(by, True) else 1
    return sorted(rows, key=lambda row: math.inf if math.isnan(row[name]) else sign * row[name])


def _checks(rows: list[dict[str, Any]], table: pd.DataFrame, detectable: float, bias: Interval) -> list[str]:
    """Notes on how far the numbers carry."""
    notes = []
    limits = {"length-runaway": "▲ above 1.25", "under-generation": "▼ below 0.75"}
    for flag, limit in limits.items():
        found = [f"{row['label']} ({', '.join(row['flags'][flag])})" for row in rows if flag in row["flags"]]
        if found:
            notes.append(f"{flag.capitalize()} ({limit} with the whole interval): {', '.join(found)}.")
    if not math.isnan(detectable):
        notes.append(
            f"With {len(table)} prompts, two models must differ by about {detectable:.1f} points to be told apart "
            "(80 % power at 5 %); models that share a rank are not."
        )
    if not math.isnan(bias.value):
        shown = "" if math.isnan(bias.low) else f" [{bias.low:.2f}, {bias.high:.2f}]"
        notes.append(f"Score and length: Spearman {bias.value:.2f}{shown} with words among the stories of one prompt.")
    return notes


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
    failed = group[~group["status"].isin(SCORED)]
    if len(failed):
        notes.append(f"{len(failed)} stories have no score and take no part in any mean (see coverage).")
    if group.get("truncated", pd.Series(dtype=float)).sum() > 0:
        notes.append(f"{int(group['truncated'].sum())} stories were cut off by the writer's token limit (cut).")
    return notes


def _published(rubric: Rubric) -> list[dict[str, Any]]:
    """Published rows of a benchmark: the published metric by split, and with Story Quality length ratio and slope."""
    table = pd.read_csv(Path(str(files("polaris_eval.results") / "published.csv")))
    rows: dict[str, dict[str, Any]] = {}
    for record in table[table["benchmark"] == rubric.name].to_dict("records"):
        row = rows.setdefault(record["model"], {"model": record["model"]})
        name = "slope" if record["metric"] == "slope" else rubric.published
        split = _SPLITS.get(record["slice"])
        row[f"published {split}" if split else name] = record["value"]
    lengths = table[(table["benchmark"] == "length") & (table["slice"] == "all")]
    for record in lengths.to_dict("records") if rubric.name == BENCHMARKS[0] else ():
        rows.setdefault(record["model"], {"model": record["model"]})["ratio"] = record["value"]
    best = (rubric.published, "published ID")
    return sorted(rows.values(), key=lambda row: -next((row[name] for name in best if name in row), -math.inf))

"""Tables of models: on screen, as Markdown, CSV and JSON. Numbers that do not compare stay apart."""

from __future__ import annotations

import html
import json
import math
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any

import pandas as pd
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ..rubrics import load_rubric, rubric_names
from .length import ABOVE, BELOW, BUCKETS, length_slope
from .stats import Interval, mean_interval
from .table import KEYS, differences

_LEGEND = """\
  score: mean and 95 % interval (bootstrap over prompts); released: the published variant of it;
  slope: points of score per length bucket; length: words written per word asked;
  repet.: repetition penalty (0 to 1.5); cut: share cut off by the writer's token limit;
  coverage: share of stories that have a score."""
_BUCKET_ORDER = (BELOW, *BUCKETS, ABOVE)
_SPLIT_ORDER = ("ID", "near OOD", "far OOD")


@dataclass(frozen=True)
class Section:
    """Models whose numbers compare: one benchmark, rubric digest, judge and prompt set."""

    title: str
    judge: str
    proxy: bool
    prompts: str
    rubric: str
    rows: list[dict[str, Any]]
    notes: list[str] = field(default_factory=list)
    published: list[dict[str, Any]] = field(default_factory=list)


def build(frame: pd.DataFrame, with_published: bool = False) -> list[Section]:
    """Sections of a leaderboard from one row a story, best model first in each."""
    keys = [*KEYS, "gate"]
    apart = differences(frame, keys)
    sections = []
    for _, group in frame.groupby(keys, sort=True):
        rows = [_row(str(model), str(settings), g) for (model, settings), g in group.groupby(["model", "settings"])]
        rows.sort(key=lambda row: -math.inf if math.isnan(row["score"]) else row["score"], reverse=True)
        first = group.iloc[0]
        sections.append(
            Section(
                title=first["title"],
                judge=first["judge"],
                proxy=bool(first["proxy"]),
                prompts=f"{first['prompts']} ({first['prompts_digest'][:8]})",
                rubric=f"{first['benchmark']} {first['rubric_digest'][:8]}" + (" gated" if first["gate"] else ""),
                rows=rows,
                notes=_notes(group, apart),
                published=_published(first["benchmark"]) if with_published else [],
            )
        )
    return sections


def _row(model: str, settings: str, group: pd.DataFrame) -> dict[str, Any]:
    scored = group[group["status"].isin(["scored", "empty"])]
    written = scored[scored["status"] == "scored"]
    row: dict[str, Any] = {"model": model, "settings": settings, "stories": len(group)}
    row["coverage"] = len(scored) / len(group)
    row |= {status: int((group["status"] == status).sum()) for status in ("empty", "unscored", "error", "missing")}
    overall = _interval(scored, "score")
    row |= {"score": overall.mean, "score_low": overall.low, "score_high": overall.high}
    row["score_without_empty"] = _mean(written, "score")
    row["released"] = _mean(scored, "overall_released")
    for split in _SPLIT_ORDER:
        row[f"released_{split}"] = _mean(_where(scored, "split", split), "overall_released")
    for name in ("ratio", "length_score", "repetition", "truncated", "quotes_found", "misadded"):
        row[name] = _mean(scored, name)
    by_bucket = {name: _where(scored, "bucket", name) for name in _BUCKET_ORDER}
    row["buckets"] = {
        name: {
            "stories": len(part),
            **dict(zip(("score", "low", "high"), _interval(part, "score"), strict=True)),
            "ratio": _mean(part, "ratio"),
            "truncated": _mean(part, "truncated"),
        }
        for name, part in by_bucket.items()
        if len(part)
    }
    row["slope"] = length_slope({name: value["score"] for name, value in row["buckets"].items()})
    return row


def _where(group: pd.DataFrame, column: str, value: str) -> pd.DataFrame:
    return group.loc[group[column] == value] if column in group else group.iloc[:0]


def _mean(group: pd.DataFrame, column: str) -> float:
    return float(group[column].astype(float).mean()) if column in group else math.nan


def _interval(group: pd.DataFrame, column: str) -> Interval:
    if column not in group or group.empty:
        return Interval(math.nan, math.nan, math.nan)
    return mean_interval(group[column].astype(float).tolist(), group["prompt_id"].tolist())


def _notes(group: pd.DataFrame, apart: dict[str, list[str]]) -> list[str]:
    notes = []
    if bool(group["proxy"].iloc[0]):
        notes.append("PROXY: judged by the offline lexical proxy, which counts and cannot read; not a quality score.")
    names = {"rubric_digest": "rubric file", "judge": "judge", "prompts_digest": "prompt set", "gate": "gate"}
    apart = {key: values for key, values in apart.items() if key in names}
    if apart:
        shown = "; ".join(
            f"{names[k]} ({', '.join(v[:8] if len(v) == 64 else v for v in values)})" for k, values in apart.items()
        )
        notes.append(f"Kept apart from the other tables: they differ in {shown}.")
    benchmark, digest = group["benchmark"].iloc[0], group["rubric_digest"].iloc[0]
    if benchmark in rubric_names() and load_rubric(benchmark).digest != digest:
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


def _published(benchmark: str) -> list[dict[str, Any]]:
    path = Path(str(files("polaris_eval.results") / "published.csv"))
    table = pd.read_csv(path)
    wanted = table[table["benchmark"].isin([benchmark, "length"])]
    names = {"ID (1-4k)": "ID", "near OOD (4-8k)": "near OOD", "far OOD (8-12k)": "far OOD"}
    rows: dict[str, dict[str, Any]] = {}
    for record in wanted.to_dict("records"):
        row = rows.setdefault(record["model"], {"model": record["model"]})
        if record["metric"] == "overall_released":
            split = names.get(record["slice"])
            row[f"released_{split}" if split else "released"] = record["value"]
        elif record["metric"] == "ratio" and record["slice"] == "all":
            row["ratio"] = record["value"]
        elif record["metric"] == "slope":
            row["slope"] = record["value"]
    return sorted(rows.values(), key=lambda row: -row.get("released", row.get("released_ID", -math.inf)))


def summary_table(section: Section) -> Table:
    """The models of a section, one row each; with published rows, those under a line and the columns they fill."""
    table = Table(title=escape(_title(section)), title_justify="left", title_style="bold")
    compare = ["released", *(f"rel. {split}" for split in _SPLIT_ORDER)] if section.published else []
    table.add_column("model", overflow="fold")
    for name in ["score", "95 %", *compare, "slope", "length", "repet.", "cut", "coverage", "stories"]:
        table.add_column(name, justify="right", no_wrap=True)
    several = len({row["settings"] for row in section.rows}) > 1
    for row in section.rows:
        released = [row["released"], *(row[f"released_{split}"] for split in _SPLIT_ORDER)] if compare else []
        without = f"\n{_number(row['score_without_empty'])}" if row["empty"] else ""
        why = f"\nwithout {row['empty']} empty" if row["empty"] else ""
        table.add_row(
            escape(row["model"] + (f"\n  {row['settings']}" if several else "")),
            _number(row["score"]) + without,
            _bounds(row["score_low"], row["score_high"]) + why,
            *map(_number, released),
            _number(row["slope"]),
            _number(row["ratio"], 2),
            _number(row["repetition"], 2),
            _share(row["truncated"]),
            _share(row["coverage"]),
            str(row["stories"]),
        )
    if section.published:
        table.add_section()
    for row in section.published:
        values = [row.get("released"), *(row.get(f"released_{split}") for split in _SPLIT_ORDER), row.get("slope")]
        cells = ["", "", *map(_number, values), _number(row.get("ratio"), 2), "", "", "", ""]
        table.add_row(escape(f"{row['model']} (published)"), *cells, style="dim")
    return table


def bucket_table(section: Section) -> Table | None:
    """Score and length ratio by length bucket, or None where no story was asked for a length."""
    names = [name for name in _BUCKET_ORDER if any(name in row["buckets"] for row in section.rows)]
    if not names:
        return None
    table = Table(title="By requested length (words)", title_justify="left")
    table.add_column("model", overflow="fold")
    table.add_column("", no_wrap=True)
    for name in names:
        table.add_column(name, justify="right", no_wrap=True)
    for row in section.rows:
        cells = [row["buckets"].get(name) for name in names]
        table.add_row(escape(row["model"]), "score", *(_number(cell["score"]) if cell else "" for cell in cells))
        table.add_row("", "95 %", *(_bounds(cell["low"], cell["high"], 0) if cell else "" for cell in cells))
        table.add_row("", "length", *(_number(cell["ratio"], 2) if cell else "" for cell in cells))
        table.add_row("", "stories (cut)", *map(_count, cells), end_section=True)
    return table


def show(sections: list[Section], console: Console) -> None:
    """Print every section with its notes."""
    for section in sections:
        console.print()
        console.print(summary_table(section))
        by_length = bucket_table(section)
        if by_length is not None:
            console.print(by_length)
        for note in section.notes:
            console.print(f"  {note}", markup=False, highlight=False)
        if section.published:
            console.print("  Published rows are the authors' own (other prompts and judge runs); never averaged in.")
    console.print(_LEGEND, highlight=False)


def write_files(sections: list[Section], frame: pd.DataFrame, folder: Path) -> list[Path]:
    """Write leaderboard.md, leaderboard.csv (a row a model), leaderboard.json and stories.csv (a row a story)."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / name for name in ("leaderboard.md", "leaderboard.csv", "leaderboard.json", "stories.csv")]
    paths[0].write_text(_markdown(sections), encoding="utf-8")
    flat = [
        {"title": s.title, "rubric": s.rubric, "judge": s.judge, "proxy": s.proxy, "prompts": s.prompts}
        | {key: value for key, value in row.items() if key != "buckets"}
        for s in sections
        for row in s.rows
    ]
    pd.DataFrame(flat).to_csv(paths[1], index=False)
    content = json.loads(json.dumps([vars(section) for section in sections]), parse_constant=lambda _: None)
    paths[2].write_text(json.dumps(content, indent=2, ensure_ascii=False), encoding="utf-8")
    frame.to_csv(paths[3], index=False)
    return paths


def _markdown(sections: list[Section]) -> str:
    parts = ["# Leaderboard"]
    for section in sections:
        tables = [summary_table(section), bucket_table(section)]
        parts.append(f"## {_title(section)}")
        parts += [_markdown_table(table) for table in tables if table is not None]
        parts += [f"* {note}" for note in section.notes]
    return "\n\n".join(parts) + "\n"


def _markdown_table(table: Table) -> str:
    def line(cells: list[str]) -> str:
        return "| " + " | ".join(c.replace("|", "\\|").replace("\n", "<br>") for c in cells) + " |"

    columns = [list(column.cells) for column in table.columns]
    heads = [str(column.header) for column in table.columns]
    rule = ["---:" if column.justify == "right" else "---" for column in table.columns]
    body = [line([_plain(cell) for cell in cells]) for cells in zip(*columns, strict=True)]
    return "\n".join([line(heads), line(rule), *body])


def _plain(cell: object) -> str:
    """A cell's text without rich's escapes, and inert in Markdown: model names are other people's text."""
    return html.escape(str(cell).replace("\\[", "["), quote=False)


def _title(section: Section) -> str:
    proxy = "PROXY judge " if section.proxy else "judge "
    return f"{section.title} · {proxy}{section.judge} · rubric {section.rubric} · prompts {section.prompts}"


def _count(cell: dict[str, Any] | None) -> str:
    if not cell:
        return ""
    cut = 0 if math.isnan(cell["truncated"]) else round(cell["truncated"] * cell["stories"])
    return f"{cell['stories']} ({cut})"


def _bounds(low: float, high: float, digits: int = 1) -> str:
    return "–" if math.isnan(low) else f"{low:.{digits}f} to {high:.{digits}f}"


def _number(value: float | None, digits: int = 1) -> str:
    return "–" if value is None or math.isnan(value) else f"{value:.{digits}f}"


def _share(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.0%}"

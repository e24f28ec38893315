"""Leaderboards for people and for machines: on screen, as Markdown, CSV and JSON."""

from __future__ import annotations

import html
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from .leaderboard import BUCKET_ORDER, SPLIT_ORDER, Section

_MODEL_WIDTH = 26
_LEGEND = """\
  score: mean and 95 % interval (bootstrap over prompts); released, uniform: the variants that were published;
  S_L: length score, combined: score times S_L / 100; slope: points of score per length bucket;
  length: words written per word asked; repet.: repetition penalty (0 to 1.5);
  cut: share cut off by the writer's token limit; coverage: share of stories that have a score."""


def overview_table(sections: Sequence[Section]) -> Table:
    """One row a model, one column a benchmark and judge; length ratio and slope of the first that asks for lengths."""
    lengths = next((section for section in sections if section.by_length), None)
    title = "All benchmarks: score (coverage), 95 % interval"
    if lengths is not None:
        title += f"; length and slope are those of {lengths.title}"
    table = Table(title=escape(title), title_justify="left", title_style="bold")
    longest = max(len(row["model"]) for section in sections for row in section.rows)
    table.add_column("model", overflow="fold", min_width=min(longest, _MODEL_WIDTH))
    for section in sections:
        judge = f"{'PROXY ' if section.proxy else ''}{section.judge}"
        alike = [other for other in sections if (other.benchmark, other.judge) == (section.benchmark, section.judge)]
        which = f"\n{section.prompts}\n{section.rubric}" if len(alike) > 1 else ""
        heading = escape(f"{section.title}\n{section.scale}\n{judge}{which}")
        table.add_column(heading, justify="right", overflow="fold")
    if lengths is not None:
        table.add_column("length", justify="right")
        table.add_column("slope", justify="right")
    writers = dict.fromkeys((row["model"], row["overrides"]) for section in sections for row in section.rows)
    for model, overrides in writers:
        several = sum(name == model for name, _ in writers) > 1
        found = [[r for r in s.rows if (r["model"], r["overrides"]) == (model, overrides)] for s in sections]
        cells = ["\n".join(map(_overview_cell, rows)) or "–" for rows in found]
        if lengths is not None:
            same = [rows for s, rows in zip(sections, found, strict=True) if s.benchmark == lengths.benchmark and rows]
            cells.append("\n".join(_number(row["ratio"], 2) for row in same[0]) if same else "–")
            cells.append("\n".join(_number(row["slope"]) for row in found[sections.index(lengths)]) or "–")
        table.add_row(escape(model + (f"\n  {overrides or 'usual settings'}" if several else "")), *cells)
    return table


def summary_table(section: Section) -> Table:
    """The models of a section, one row each; with published rows, those under a line and the columns they fill."""
    table = Table(title=escape(_title(section)), title_justify="left", title_style="bold")
    columns = dict(section.side)
    if section.published:
        metric = section.published_metric
        heading = {"overall_released": "rel."}.get(metric, section.side.get(metric, metric))
        splits = {f"{metric}_{split}": f"{heading} {split}" for split in SPLIT_ORDER}
        columns |= {name: text for name, text in splits.items() if any(name in row for row in section.published)}
    if section.by_length:
        columns |= {"slope": "slope", "ratio": "length"}
    table.add_column("model", overflow="fold")
    for name in ["score", "95 %", *columns.values(), "repet.", "cut", "coverage", "stories"]:
        table.add_column(name, justify="right", no_wrap=True)
    several = len({row["settings"] for row in section.rows}) > 1
    for row in section.rows:
        without = f"\n{_number(row['score_without_empty'])}" if row["empty"] else ""
        why = f"\nwithout {row['empty']} empty" if row["empty"] else ""
        table.add_row(
            escape(row["model"] + (f"\n  {row['settings']}" if several else "")),
            _number(row["score"]) + without,
            _bounds(row["score_low"], row["score_high"]) + why,
            *(_number(row[name], 2 if name == "ratio" else 1) for name in columns),
            _number(row["repetition"], 2),
            _share(row["truncated"]),
            _share(row["coverage"]),
            str(row["stories"]),
        )
    if section.published:
        table.add_section()
    for row in section.published:
        values = [_number(row.get(name), 2 if name == "ratio" else 1) for name in columns]
        score = _number(row["score"]) if "score" in row else ""
        table.add_row(escape(f"{row['model']} (published)"), score, "", *values, "", "", "", "", style="dim")
    return table


def bucket_table(section: Section) -> Table | None:
    """Score and length ratio by length bucket, or None where no story was asked for a length."""
    names = [name for name in BUCKET_ORDER if any(name in row["buckets"] for row in section.rows)]
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


def detail_tables(section: Section) -> list[Table]:
    """Mean mark by criterion, and score by category, one column a model; those that the benchmark has."""
    tables = []
    for title, key in (("By criterion (mean mark)", "criteria"), ("By category (score, stories)", "categories")):
        names = dict.fromkeys(name for row in section.rows for name in row[key])
        if not names:
            continue
        table = Table(title=title, title_justify="left")
        table.add_column("", overflow="fold")
        for row in section.rows:
            table.add_column(escape(row["model"]), justify="right", overflow="fold")
        for name in names:
            table.add_row(escape(name), *(_detail(row[key].get(name)) for row in section.rows))
        tables.append(table)
    return tables


def show(sections: Sequence[Section], console: Console, details: bool = False) -> None:
    """Print the overview, then every section with its notes; `details` adds criteria and categories."""
    if len(sections) > 1:
        console.print(overview_table(sections))
    for section in sections:
        console.print()
        for table in _tables(section, details):
            console.print(table)
        for note in section.notes:
            console.print(f"  {note}", markup=False, highlight=False)
    console.print(_LEGEND, highlight=False)


def write_files(sections: Sequence[Section], frame: pd.DataFrame, folder: Path) -> list[Path]:
    """Write leaderboard.md, leaderboard.csv (a row a model and benchmark), leaderboard.json and stories.csv."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / name for name in ("leaderboard.md", "leaderboard.csv", "leaderboard.json", "stories.csv")]
    paths[0].write_text(_markdown(sections), encoding="utf-8")
    nested = ("buckets", "categories", "criteria")
    flat = [
        {key: getattr(s, key) for key in ("benchmark", "title", "rubric", "judge", "proxy", "prompts")}
        | {key: value for key, value in row.items() if key not in nested}
        for s in sections
        for row in s.rows
    ]
    pd.DataFrame(flat).to_csv(paths[1], index=False)
    content = json.loads(json.dumps([vars(section) for section in sections]), parse_constant=lambda _: None)
    paths[2].write_text(json.dumps(content, indent=2, ensure_ascii=False), encoding="utf-8")
    frame.to_csv(paths[3], index=False)
    return paths


def _tables(section: Section, details: bool) -> list[Table]:
    tables = [summary_table(section), bucket_table(section), *(detail_tables(section) if details else ())]
    return [table for table in tables if table is not None]


def _markdown(sections: Sequence[Section]) -> str:
    parts = ["# Leaderboard"]
    if len(sections) > 1:
        overview = overview_table(sections)
        parts += [f"## {_plain(overview.title)}", _markdown_table(overview)]
    for section in sections:
        parts.append(f"## {_plain(_title(section))}")
        parts += [_markdown_table(table) for table in _tables(section, details=True)]
        parts += [f"* {_plain(note)}" for note in section.notes]
    return "\n\n".join(parts) + "\n"


def _markdown_table(table: Table) -> str:
    def line(cells: list[str]) -> str:
        return "| " + " | ".join(c.replace("|", "\\|").replace("\n", "<br>") for c in cells) + " |"

    columns = [list(column.cells) for column in table.columns]
    heads = [_plain(column.header) for column in table.columns]
    rule = ["---:" if column.justify == "right" else "---" for column in table.columns]
    body = [line([_plain(cell) for cell in cells]) for cells in zip(*columns, strict=True)]
    return "\n".join([line(heads), line(rule), *body])


def _plain(cell: object) -> str:
    """A cell's text without rich's escapes, and inert in Markdown: model names are other people's text."""
    return html.escape(str(cell).replace("\\[", "["), quote=False)


def _title(section: Section) -> str:
    proxy = "PROXY judge " if section.proxy else "judge "
    return f"{section.title} · {proxy}{section.judge} · rubric {section.rubric} · prompts {section.prompts}"


def _overview_cell(row: dict[str, Any]) -> str:
    return f"{_number(row['score'])} ({_share(row['coverage'])})\n{_bounds(row['score_low'], row['score_high'])}"


def _detail(value: float | dict[str, Any] | None) -> str:
    if isinstance(value, dict):
        return f"{_number(value['score'])} ({value['stories']})"
    return _number(value)


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

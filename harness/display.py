"""Leaderboards as rich tables: on screen as they are, elsewhere through `export` and the report."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from .cells import add_model_column, bounds, number, share
from .leaderboard import Comparison, Section
from .lens import BUCKET_ORDER, SPLIT_ORDER
from .standings import Standings
from .standings_tables import ARENA_LEGEND, criteria_table, matrix_table, standings_table
from .stats import Interval

_FLAGS = {"length-runaway": " ▲", "under-generation": " ▼"}
LEGEND = (
    "score: mean, with its 95 % interval below (bootstrap over prompts); rank: models that share one are not told "
    "apart by a paired test; released, uniform: the variants that were published; S_L: length score, combined: score "
    "times S_L / 100; slope: points of score per length bucket; length: words written per word asked; area: quality "
    "times length adherence over the six buckets (0 to 100); repet.: repetition penalty (0 to 1.5); cut: share cut off "
    "by the writer's token limit; cover.: share of stories that have a score; $: US dollars a story at list prices, "
    "writing and judging (j: judging alone)."
)


def overview_table(sections: Sequence[Comparison]) -> Table:
    """One row a model, one column a benchmark and judge; length and slope of the first that asks for lengths."""
    lengths = next((section for section in sections if section.by_length), None)
    title = "All benchmarks: score (coverage), 95 % interval, rank"
    if lengths is not None:
        title += f"; length and slope are those of {lengths.title}"
    table = Table(title=escape(title), title_justify="left", title_style="bold")
    add_model_column(table, [row["model"] for section in sections for row in section.rows])
    for section in sections:
        judge = f"{'PROXY ' if section.proxy else ''}{section.judge}"
        alike = [other for other in sections if (other.benchmark, other.judge) == (section.benchmark, section.judge)]
        which = f"\n{section.prompts}" if len(alike) > 1 else ""
        heading = escape(f"{section.title}\n{section.scale}\n{judge}\n{section.rubric}{which}")
        table.add_column(heading, justify="right", overflow="fold")
    if lengths is not None:
        table.add_column("length", justify="right")
        table.add_column("slope", justify="right")
    table.add_column("$", justify="right")
    writers = dict.fromkeys((row["model"], row["overrides"]) for section in sections for row in section.rows)
    for model, overrides in writers:
        several = sum(name == model for name, _ in writers) > 1
        found = [[r for r in s.rows if (r["model"], r["overrides"]) == (model, overrides)] for s in sections]
        cells = ["\n".join(map(_overview_cell, rows)) or "–" for rows in found]
        if lengths is not None:
            same = [rows for s, rows in zip(sections, found, strict=True) if s.benchmark == lengths.benchmark and rows]
            cells.append("\n".join(number(row["ratio"], 2) for row in same[0]) if same else "–")
            cells.append("\n".join(number(row["slope"]) for row in found[sections.index(lengths)]) or "–")
        cells.append(_cost([row for rows in found for row in rows if "cost" in row]))
        table.add_row(escape(model + (f"\n  {overrides or 'usual settings'}" if several else "")), *cells)
    return table


def sorted_sections(sections: Sequence[Comparison], by: str) -> list[Comparison]:
    """The sections, that of the benchmark `by` first, so that its order is the overview's too."""
    return sorted(sections, key=lambda section: section.benchmark != by)


def summary_table(section: Section) -> Table:
    """The models of a section, one row each."""
    table = Table(title=escape(section.heading), title_justify="left", title_style="bold")
    lengths = {"slope": "slope", "ratio": "length", "area": "area"} if section.by_length else {}
    table.add_column("rank")
    add_model_column(table, [row["model"] for row in section.rows])
    for name in ["score", *section.side.values(), *lengths.values(), "repet.", "cut", "cover.", "$", "stories"]:
        table.add_column(name, justify="right")
    for row in section.rows:
        without = f"\n{number(row['score_without_empty'])} without {row['empty']} empty" if row["empty"] else ""
        settings = f"\n  {row['settings']}" if row["label"] != row["model"] else ""
        table.add_row(
            row["rank"],
            escape(row["model"] + settings),
            _cell(row, "score") + without,
            *(number(row[name]) for name in section.side),
            *(_cell(row, name, 2 if name == "ratio" else 1, _flag(row, name)) for name in lengths),
            number(row["repetition"], 2),
            share(row["truncated"]),
            share(row["coverage"]),
            _cost([row]),
            str(row["stories"]),
        )
    return table


def published_table(section: Section) -> Table | None:
    """The score that was published, for the models here and, under a line, as published; None where nothing was."""
    if not section.published:
        return None
    metric = section.published_metric
    heading = {"overall_released": "released"}.get(metric, section.side.get(metric, metric))
    table = Table(title=f"Beside the published numbers ({heading})", title_justify="left")
    columns = [metric, *(f"published {split}" for split in SPLIT_ORDER), "slope", "ratio"]
    columns = [name for name in columns if any(name in row for row in section.published)]
    names = {metric: heading, "ratio": "length"}
    add_model_column(table, [row["model"] for row in section.rows])
    for name in columns:
        table.add_column(names.get(name, name.removeprefix("published ")), justify="right")
    for row in section.rows:
        splits = {f"published {name}": cell["published"] for name, cell in row["splits"].items()}
        table.add_row(escape(row["label"]), *_digits(columns, {**row, **splits}))
    table.add_section()
    for row in section.published:
        table.add_row(escape(f"{row['model']} (published)"), *_digits(columns, row), style="dim")
    return table


def bucket_table(section: Section) -> Table | None:
    """Score and length ratio by length bucket and split, or None where no story was asked for a length."""
    names = [name for name in BUCKET_ORDER if any(name in row["buckets"] for row in section.rows)]
    splits = [name for name in SPLIT_ORDER if any(name in row["splits"] for row in section.rows)]
    if not names:
        return None
    table = Table(title="By requested length (words)", title_justify="left")
    table.add_column("model", overflow="fold")
    table.add_column("", no_wrap=True)
    for name in (*names, *splits):
        table.add_column(name, justify="right", no_wrap=True)
    for row in section.rows:
        cells = [*(row["buckets"].get(name) for name in names), *(row["splits"].get(name) for name in splits)]
        lines = {
            "score": [number(cell["score"].value) if cell else "" for cell in cells],
            "95 %": [bounds(cell["score"], 0) if cell else "" for cell in cells],
            "length": [number(cell["ratio"].value, 2) + _FLAGS.get(cell["flag"], "") if cell else "" for cell in cells],
            "stories (cut)": [_count(cell) if cell else "" for cell in cells],
        }
        for place, (name, line) in enumerate(lines.items(), 1):
            label = "" if place > 1 else escape(row["label"])
            table.add_row(label, name, *line, end_section=place == len(lines))
    return table


def pairs_table(section: Comparison) -> Table | None:
    """Every two models compared on the prompts that both have, or None for a single model."""
    if section.pairs.empty:
        return None
    table = Table(title="Differences of every two models", title_justify="left")
    for name in ("model", "minus"):
        table.add_column(name, overflow="fold")
    met = "prompts" if "prompts" in section.pairs else "matches"
    for name in ("difference", "95 %", "p", "p (Holm)", met):
        table.add_column(name, justify="right", no_wrap=True)
    for pair in section.pairs.to_dict("records"):
        interval = Interval(pair["difference"], pair["low"], pair["high"])
        numbers = [f"{pair['difference']:+.1f}", bounds(interval), _p(pair["p"]), _p(pair["p_holm"])]
        table.add_row(escape(str(pair["a"])), escape(str(pair["b"])), *numbers, str(pair[met]))
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
            table.add_column(escape(row["label"]), justify="right", overflow="fold")
        for name in names:
            table.add_row(escape(name), *(_detail(row[key].get(name)) for row in section.rows))
        tables.append(table)
    return tables


def section_tables(section: Comparison, details: bool = True) -> list[Table]:
    """The tables of a section that have something to show; `details` adds pairs, criteria and categories."""
    if isinstance(section, Standings):
        extra = [pairs_table(section)] if details else []
        found = [standings_table(section), matrix_table(section), criteria_table(section), *extra]
        return [table for table in found if table is not None]
    assert isinstance(section, Section)
    more = (pairs_table(section), *detail_tables(section)) if details else ()
    tables = (summary_table(section), bucket_table(section), published_table(section), *more)
    return [table for table in tables if table is not None]


def show(sections: Sequence[Comparison], console: Console, details: bool = False) -> None:
    """Print the overview, then every section with its notes; `details` adds pairs, criteria and categories."""
    if len(sections) > 1:
        console.print(overview_table(sections))
    for section in sections:
        console.print()
        for table in section_tables(section, details):
            console.print(table)
        for note in section.notes:
            console.print(f"  {note}", markup=False, highlight=False)
    for text in legends(sections):
        console.print(f"  {text}", highlight=False)


def legends(sections: Sequence[Comparison]) -> list[str]:
    """What the columns of the tables mean."""
    arenas = [isinstance(section, Standings) for section in sections]
    return [LEGEND] * (not all(arenas)) + [ARENA_LEGEND] * any(arenas)


def _overview_cell(row: Mapping[str, Any]) -> str:
    interval = Interval(row["score"], row["score_low"], row["score_high"])
    return f"{number(row['score'])} ({share(row['coverage'])})\n{bounds(interval)}\n{row['rank']}"


def _cell(row: Mapping[str, Any], name: str, digits: int = 1, mark: str = "") -> str:
    interval = Interval(row[name], row[f"{name}_low"], row[f"{name}_high"])
    return f"{number(row[name], digits)}{mark}\n{bounds(interval, digits)}"


def _flag(row: Mapping[str, Any], name: str) -> str:
    raised = [mark for flag, mark in _FLAGS.items() if name == "ratio" and "all" in row["flags"].get(flag, ())]
    return "".join(raised)


def _digits(columns: Sequence[str], row: Mapping[str, Any]) -> list[str]:
    return [number(row.get(name), 2 if name == "ratio" else 1) for name in columns]


def _cost(rows: Sequence[Mapping[str, Any]]) -> str:
    """Dollars a story, over all stories of the rows."""
    for name, mark in (("cost", ""), ("cost_judging", " j")):
        known = [(row[name], row["stories"]) for row in rows]
        if known and not any(math.isnan(cost) for cost, _ in known):
            return f"{sum(cost * n for cost, n in known) / sum(n for _, n in known):.3g}{mark}"
    return "–"


def _detail(value: float | Mapping[str, Any] | None) -> str:
    if isinstance(value, Mapping):
        return f"{number(value['score'].value)} ({value['stories']})"
    return number(value)


def _count(cell: Mapping[str, Any]) -> str:
    cut = 0 if math.isnan(cell["truncated"]) else round(cell["truncated"] * cell["stories"])
    return f"{cell['stories']} ({cut})"


def _p(value: float) -> str:
    return "–" if math.isnan(value) else "<0.001" if value < 0.001 else f"{value:.3f}"

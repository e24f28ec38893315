"""Leaderboards in files: Markdown, LaTeX, CSV and JSON, and the table behind them as CSV and Parquet."""

from __future__ import annotations

import hashlib
import html
import json
import math
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from rich.table import Table
from rich.text import Text

from .display import legends, overview_table, section_tables
from .leaderboard import Comparison
from .stats import Interval

_NESTED = ("buckets", "splits", "flags", "categories", "criteria", "against")
_SHARED = ("benchmark", "title", "rubric", "judge", "proxy", "prompts")
_LATEX = {c: f"\\{c}" for c in "&%$#_{}"} | {
    "\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "–": "--", "·": r"$\cdot$",
    "▲": r"$\blacktriangle$", "▼": r"$\blacktriangledown$", "−": "$-$", "<": r"\textless{}", ">": r"\textgreater{}",
}  # fmt: skip
_MARKUP = re.compile(r"[\\`*_\[\]!|~]")
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")


def slug(name: str) -> str:
    """A file name for any text: letters, digits, `.`, `_` and `-`, and a hash where that lost something."""
    kept = _UNSAFE.sub("-", name).strip(".-")[:60]
    if kept and kept == name:
        return kept
    return f"{kept}-{hashlib.sha256(name.encode(errors='surrogatepass')).hexdigest()[:8]}".lstrip("-")


def write_files(sections: Sequence[Comparison], folder: Path, name: str, pairs_name: str) -> list[Path]:
    """Write NAME.md, .tex, .csv (a row a model and benchmark) and .json, and every two models compared."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{name}.{form}" for form in ("md", "tex", "csv", "json")]
    paths.append(folder / pairs_name)
    paths[0].write_text(_markdown(sections, name.capitalize()), encoding="utf-8")
    paths[1].write_text(_latex(sections), encoding="utf-8")
    shared = [{key: getattr(section, key) for key in _SHARED} for section in sections]
    flat = [
        head | {key: value for key, value in row.items() if key not in _NESTED}
        for head, section in zip(shared, sections, strict=True)
        for row in section.rows
    ]
    pd.DataFrame(flat).to_csv(paths[2], index=False)
    paths[3].write_text(json.dumps(as_json(sections), indent=2, ensure_ascii=False), encoding="utf-8")
    pairs = [section.pairs.assign(**head) for head, section in zip(shared, sections, strict=True)]
    pd.concat(pairs).to_csv(paths[4], index=False)
    return paths


def as_json(sections: Sequence[Comparison]) -> list[dict[str, Any]]:
    """The sections as plain data: intervals are {value, low, high}, what is unknown is null."""
    left_out = {"stories"}
    return [{k: plain_data(v) for k, v in vars(section).items() if k not in left_out} for section in sections]


def plain_data(value: Any) -> Any:
    """Any of our results as JSON data."""
    if isinstance(value, Interval):
        return {name: plain_data(part) for name, part in zip(("value", "low", "high"), value, strict=True)}
    if isinstance(value, pd.DataFrame):
        return plain_data(value.to_dict("records"))
    if isinstance(value, dict):
        return {str(name): plain_data(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [plain_data(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def cells(table: Table) -> tuple[list[str], list[list[str]], list[bool]]:
    """Headings and rows of a rich table as plain text, and after which rows a section ends."""
    columns = [[_plain(cell) for cell in column.cells] for column in table.columns]
    heads = [_plain(column.header) for column in table.columns]
    return heads, [list(row) for row in zip(*columns, strict=True)], [row.end_section for row in table.rows]


def markdown_table(table: Table) -> str:
    """A rich table in Markdown. Names of models are other people's text: inert."""
    heads, rows, _ = cells(table)
    rule = ["---:" if column.justify == "right" else "---" for column in table.columns]
    return "\n".join(_piped([_inert(cell) for cell in row]) for row in [heads, rule, *rows])


def title_of(table: Table) -> str:
    """A rich table's title as plain text."""
    return _plain(table.title)


def _markdown(sections: Sequence[Comparison], title: str) -> str:
    parts = [f"# {title}"]
    if len(sections) > 1:
        overview = overview_table(sections)
        parts += [f"## {_inert(title_of(overview))}", markdown_table(overview)]
    for section in sections:
        parts.append(f"## {_inert(section.heading)}")
        parts += [
            f"### {_inert(title_of(table))}\n\n{markdown_table(table)}" if number else markdown_table(table)
            for number, table in enumerate(section_tables(section))
        ]
        parts += [f"* {_inert(note)}" for note in section.notes]
    return "\n\n".join([*parts, *map(_inert, legends(sections))]) + "\n"


def _latex(sections: Sequence[Comparison]) -> str:
    """The overview (of several benchmarks) and each section's first table, for booktabs."""
    found = [overview_table(sections)] if len(sections) > 1 else []
    found += [section_tables(section, details=False)[0] for section in sections]
    head = "% Needs \\usepackage{booktabs}, \\usepackage{amssymb} and UTF-8 input.\n"
    notes = "".join(f"% {' '.join(line.split())}\n" for s in sections for line in (s.heading, *s.notes))
    return head + notes + "\n".join(map(_latex_table, found))


def _latex_table(table: Table) -> str:
    heads, rows, ends = cells(table)
    places = "".join("r" if column.justify == "right" else "l" for column in table.columns)
    lines = [r"\begin{table}", rf"\caption{{{_tex(title_of(table))}}}", rf"\begin{{tabular}}{{{places}}}", r"\toprule"]
    lines += [_row(heads, _tex), r"\midrule"]
    for row, end in zip(rows, ends, strict=True):
        lines += [_row(row, _tex), *([r"\midrule"] if end and row is not rows[-1] else [])]
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", r"\end{table}"]) + "\n"


def _row(row: Sequence[str], text: Callable[[str], str]) -> str:
    """A row of a table; cells of several lines become as many lines of the table."""
    height = max(cell.count("\n") + 1 for cell in row)
    columns = [[*cell.split("\n"), *[""] * (height - cell.count("\n") - 1)] for cell in row]
    return "\n".join(" & ".join(map(text, line)) + r" \\" for line in zip(*columns, strict=True))


def _tex(text: str) -> str:
    return "".join(_LATEX.get(c, c) for c in text)


def _piped(row: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("\n", "<br>") for cell in row) + " |"


def _inert(text: str) -> str:
    return _MARKUP.sub(r"\\\g<0>", html.escape(text, quote=False))


def _plain(cell: object) -> str:
    return Text.from_markup(str(cell or ""), emoji=False).plain

"""Render grids on the screen, in Markdown, in LaTeX and in pages. Each format is made directly from the grid."""

from __future__ import annotations

import html as markup
import re
import sys
import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from .grid import Grid

_LATEX = {c: f"\\{c}" for c in "&%$#_{}"} | {
    "\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "–": "--", "·": r"$\cdot$",
    "▲": r"$\blacktriangle$", "▼": r"$\blacktriangledown$", "−": "$-$", "<": r"\textless{}", ">": r"\textgreater{}",
}  # fmt: skip
_MARKUP = re.compile(r"[\\`*_\[\]!|~]")
_NAME = 18  # characters per line of a folded name
_RULES = 3  # characters taken by a column's rules and spaces
LATEX_HEAD = "% Needs \\usepackage{booktabs}, \\usepackage{amssymb} and UTF-8 input.\n"


def console(width: int = 160, stderr: bool = False) -> Console:
    """The console for results: as wide as the terminal, or `width` if there is none."""
    shown = (sys.stderr if stderr else sys.stdout).isatty()
    return Console(emoji=False, stderr=stderr) if shown else Console(emoji=False, stderr=stderr, width=width)


def on_screen(grid: Grid) -> Table:
    """A grid as a table for the screen. Numbers are never cut; long names and headings are folded."""
    table = Table(title=escape(grid.title), title_justify="left", title_style="bold" if grid.main else None)
    for place, head in enumerate(grid.heads):
        justify: Literal["left", "right"] = "right" if head.number else "left"
        least = _width(grid, place)
        text = "\n".join(textwrap.fill(line, least) for line in head.text.split("\n"))
        table.add_column(escape(text), justify=justify, overflow="fold", min_width=least, no_wrap=head.number)
    for place, row in enumerate(grid.rows):
        style = "dim" if place in grid.faint else None
        table.add_row(*map(escape, row), end_section=place in grid.ends, style=style)
    return table


def fitted(grid: Grid, width: int) -> list[Grid]:
    """Split the grid, if needed, into tables that are no wider than `width`: each has the columns that identify a row,
    and some of the others; no column is left out."""
    named = next((place for place, head in enumerate(grid.heads) if not head.number), 0)
    keys = next((n for n in range(named + 1, len(grid.heads)) if grid.heads[n].number), len(grid.heads))
    fixed = 1 + sum(_width(grid, place) + _RULES for place in range(keys))
    parts: list[list[int]] = [[]]
    used = fixed
    for place in range(keys, len(grid.heads)):
        more = _width(grid, place) + _RULES
        if parts[-1] and used + more > width:
            parts.append([])
            used = fixed
        parts[-1].append(place)
        used += more
    return [_part(grid, [*range(keys), *part], number) for number, part in enumerate(parts)]


def _part(grid: Grid, places: Sequence[int], number: int) -> Grid:
    """A grid with some of the columns, without the notes."""
    return replace(
        grid,
        title=grid.title if number == 0 else f"{grid.title} (continued)",
        heads=tuple(grid.heads[place] for place in places),
        rows=tuple(tuple(row[place] for place in places) for row in grid.rows),
        notes=(),
    )


def _width(grid: Grid, place: int) -> int:
    """The minimum width of a column: the longest line for numbers, the width of a folded name for text."""
    head = grid.heads[place]
    words = min(max(map(len, head.text.split()), default=1), _NAME)
    longest = max((len(line) for row in grid.rows for line in row[place].split("\n")), default=1)
    return max(words, longest if head.number else min(longest, max(head.least, _NAME)))


def print_grids(grids: Sequence[Grid], to: Console) -> None:
    """Print grids, each with its notes below; a grid too wide for the console becomes several tables."""
    for grid in grids:
        for part in fitted(grid, to.width):
            to.print(on_screen(part))
        print_notes(grid.notes, to)


def print_notes(notes: Sequence[str], to: Console) -> None:
    """Print notes under tables."""
    for note in notes:
        to.print(f"  {note}", markup=False, highlight=False)


def print_written(paths: Sequence[Path], to: Console) -> None:
    """Print the paths of the files that were written."""
    for path in paths:
        to.print(f"  wrote {path}", highlight=False, markup=False, soft_wrap=True)


def markdown(grid: Grid) -> str:
    """Format a grid in Markdown, without its title. Model names are other people's text, so cells are escaped."""
    heads = [inert(head.text) for head in grid.heads]
    rule = ["---:" if head.number else "---" for head in grid.heads]
    return "\n".join(_piped(row) for row in [heads, rule, *(map(inert, row) for row in grid.rows)])


def markdown_page(title: str, grids: Sequence[Grid], notes: Sequence[str] = ()) -> str:
    """Format grids as a Markdown page, each under its title, with notes below."""
    parts = [f"## {inert(grid.title)}\n\n{markdown(grid)}" for grid in grids]
    return "\n\n".join([f"# {title}", *parts, *(f"* {inert(note)}" for note in notes)]) + "\n"


def inert(text: str) -> str:
    """Escape a text so that Markdown shows it literally."""
    return _MARKUP.sub(r"\\\g<0>", markup.escape(text, quote=False))


def latex(grid: Grid) -> str:
    """Format a grid in LaTeX, for booktabs."""
    places = "".join("r" if head.number else "l" for head in grid.heads)
    lines = [r"\begin{table}", rf"\caption{{{_tex(grid.title)}}}", rf"\begin{{tabular}}{{{places}}}", r"\toprule"]
    lines += [_lines([head.text for head in grid.heads], _tex), r"\midrule"]
    last = len(grid.rows) - 1
    for place, row in enumerate(grid.rows):
        lines += [_lines(row, _tex), *([r"\midrule"] if place in grid.ends and place != last else [])]
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", r"\end{table}"]) + "\n"


def page(grid: Grid, links: Mapping[str, str] | None = None, hrefs: Sequence[str] = ()) -> dict[str, Any]:
    """Convert a grid for the page templates; text cells whose first line is a key of `links` become links, and the
    first text cell of each row links to its entry in `hrefs`."""
    wanted = links or {}
    first = next((place for place, head in enumerate(grid.heads) if not head.number), -1)
    rows = []
    for number, (row, target) in enumerate(zip(grid.rows, hrefs or [""] * len(grid.rows), strict=True)):
        cells = [
            {
                "text": text,
                "right": head.number,
                "href": (target if place == first else "")
                or (None if head.number else wanted.get(text.split("\n  ")[0])),
            }
            for place, (text, head) in enumerate(zip(row, grid.heads, strict=True))
        ]
        rows.append({"end": number in grid.ends, "cells": cells})
    return {
        "title": grid.title, "rows": rows, "heads": [{"text": head.text, "right": head.number} for head in grid.heads]
    }  # fmt: skip


def _piped(row: Any) -> str:
    return "| " + " | ".join(cell.replace("\n", "<br>") for cell in row) + " |"


def _lines(row: Sequence[str], text: Callable[[str], str]) -> str:
    """A row of a LaTeX table; cells with several lines become that many lines of the table."""
    height = max(cell.count("\n") + 1 for cell in row)
    columns = [[*cell.split("\n"), *[""] * (height - cell.count("\n") - 1)] for cell in row]
    return "\n".join(" & ".join(map(text, line)) + r" \\" for line in zip(*columns, strict=True))


def _tex(text: str) -> str:
    return "".join(_LATEX.get(c, c) for c in text)

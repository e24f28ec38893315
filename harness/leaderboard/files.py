"""Leaderboard files: Markdown, LaTeX, CSV and JSON, and plots."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd
from rich.console import Console

from ..show.figures import draw, save_both
from ..show.files import slug, write_csv, write_json
from ..show.render import LATEX_HEAD, inert, latex, markdown, print_grids, print_notes
from .comparison import Comparison
from .tables import overview_grid

SCHEMA = 1  # version of leaderboard.schema.json, raised when a field is removed or changes its meaning


def show(sections: Sequence[Comparison], to: Console, details: bool = False) -> None:
    """Print the overview, then every section with its notes; `details` adds pairs, criteria and categories."""
    if len(sections) > 1:
        print_grids([overview_grid(sections)], to)
    for section in sections:
        to.print()
        print_grids(section.grids(details), to)
        print_notes(section.notes, to)
    print_notes(legends(sections), to)


def legends(sections: Sequence[Comparison]) -> list[str]:
    """Explain the columns that occur in the tables, once per kind of section."""
    found: dict[str, None] = {}
    for kind in dict.fromkeys(type(section) for section in sections):
        same = [section for section in sections if type(section) is kind]
        heads = {head.text for section in same for grid in section.grids(details=False) for head in grid.heads}
        told = "; ".join(f"{name}: {meaning}" for name, meaning in kind.legend.items() if name in heads)
        found[f"{told}."] = None
    return list(found)


def first_section(sections: Sequence[Comparison], benchmark: str) -> list[Comparison]:
    """Return the sections with those of the benchmark first, so that the overview follows its order."""
    return sorted(sections, key=lambda section: section.benchmark != benchmark)


def named(sections: Sequence[Comparison]) -> Iterator[tuple[str, Comparison]]:
    """Yield the sections with short file names: the benchmark, plus the judge if it has several sections."""
    seen: dict[str, int] = {}
    for section in sections:
        several = sum(other.benchmark == section.benchmark for other in sections) > 1
        name = slug(f"{section.benchmark}-{section.judge}") if several else section.benchmark
        seen[name] = seen.get(name, 0) + 1
        yield (name if seen[name] == 1 else f"{name}-{seen[name]}"), section


def write_files(sections: Sequence[Comparison], folder: Path, name: str, pairs_name: str) -> list[Path]:
    """Write NAME.md, .tex, .csv (one row per model and benchmark) and .json, and the paired comparisons."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{name}.{form}" for form in ("md", "tex", "csv", "json")]
    paths.append(folder / pairs_name)
    paths[0].write_text(_markdown(sections, name.capitalize()), encoding="utf-8")
    paths[1].write_text(_latex(sections), encoding="utf-8")
    shared = [{key: getattr(section, key) for key in section.shared} for section in sections]
    flat = [head | row.flat() for head, section in zip(shared, sections, strict=True) for row in section.rows]
    write_csv(paths[2], pd.DataFrame(flat))
    write_json(paths[3], as_data(sections))
    heads = [{"prompt_set" if key == "prompts" else key: value for key, value in head.items()} for head in shared]
    pairs = [section.pairs.assign(**head) for head, section in zip(heads, sections, strict=True)]
    write_csv(paths[4], pd.concat(pairs))
    return paths


def as_data(sections: Sequence[Comparison]) -> dict[str, Any]:
    """The sections as JSON data, in the format described by `leaderboard.schema.json`."""
    return {
        "schema": SCHEMA,
        "polaris_eval": version("polaris-eval"),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "sections": [section.data() for section in sections],
    }


def write_plots(sections: Sequence[Comparison], folder: Path) -> list[Path]:
    """Write every section's plots as PNG and PDF; returns the paths.

    Raises:
        UserError: matplotlib is not installed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    return [
        path
        for name, section in named(sections)
        for plot, chart in section.charts().items()
        for path in save_both(draw(chart), folder / f"{name}_{plot}")
    ]


def _markdown(sections: Sequence[Comparison], title: str) -> str:
    parts = [f"# {title}"]
    if len(sections) > 1:
        overview = overview_grid(sections)
        parts += [f"## {inert(overview.title)}", markdown(overview)]
    for section in sections:
        parts.append(f"## {inert(section.heading)}")
        parts += [
            f"### {inert(grid.title)}\n\n{markdown(grid)}" if number else markdown(grid)
            for number, grid in enumerate(section.grids(details=True))
        ]
        parts += [f"* {inert(note)}" for note in section.notes]
    return "\n\n".join([*parts, *map(inert, legends(sections))]) + "\n"


def _latex(sections: Sequence[Comparison]) -> str:
    """The overview (if there are several sections) and each section's first table, for booktabs."""
    found = [overview_grid(sections)] if len(sections) > 1 else []
    found += [section.grids(details=False)[0] for section in sections]
    notes = "".join(f"% {' '.join(line.split())}\n" for s in sections for line in (s.heading, *s.notes))
    return LATEX_HEAD + notes + "\n".join(map(latex, found))

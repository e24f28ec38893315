"""Tables as data: what they contain, not how they look. `render` turns them into text, markup and pages."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..words import printable

_MODEL_WIDTH = 26


@dataclass(frozen=True)
class Head:
    """A column: its heading (line feeds separate lines), whether it holds numbers, and its minimum width."""

    text: str
    number: bool = False
    least: int = 0


@dataclass(frozen=True)
class Grid:
    """Headings and rows of plain text; a cell may have several lines.

    `ends` are the indices of rows that end a group, `faint` those of rows shown dimmed, `notes` the notes under the
    table.
    """

    title: str
    heads: tuple[Head, ...]
    rows: tuple[tuple[str, ...], ...] = ()
    ends: frozenset[int] = frozenset()
    faint: frozenset[int] = frozenset()
    notes: tuple[str, ...] = ()
    main: bool = False

    def __post_init__(self) -> None:
        """Names are other people's text: what would act on a terminal or a page is left out."""
        for name in ("rows", "notes"):
            object.__setattr__(self, name, _shown(getattr(self, name)))
        object.__setattr__(self, "title", printable(self.title))
        for row in self.rows:
            if len(row) != len(self.heads):
                raise ValueError(f"{self.title}: a row of {len(row)} cells under {len(self.heads)} headings")

    def and_rows(self, rows: Iterable[Sequence[str]], *, faint: bool = False, end: bool = False) -> Grid:
        """Return the grid with another group of rows, below a rule if it already has rows; with `end`, also above
        one."""
        more, count = tuple(map(tuple, rows)), len(self.rows)
        ends = self.ends | ({count - 1} if count and more else set()) | ({count + len(more) - 1} if end else set())
        added = range(count, count + len(more)) if faint else ()
        return replace(self, rows=self.rows + more, ends=ends, faint=self.faint | set(added))


def _shown(value: Any) -> Any:
    return printable(value) if isinstance(value, str) else tuple(map(_shown, value))


def grid(title: str, heads: Sequence[Head], rows: Iterable[Sequence[str]], main: bool = False) -> Grid:
    """Make a grid from these rows; `main`: it is the first of its kind, and its title is a heading."""
    return Grid(title, tuple(heads), tuple(map(tuple, rows)), main=main)


def texts(*names: str) -> list[Head]:
    """Columns of text."""
    return [Head(name) for name in names]


def numbers(*names: str) -> list[Head]:
    """Columns of numbers."""
    return [Head(name, number=True) for name in names]


def model_head(models: Iterable[str]) -> Head:
    """A column for model names, which may be long."""
    return Head("model", least=min(max(map(len, models), default=0), _MODEL_WIDTH))

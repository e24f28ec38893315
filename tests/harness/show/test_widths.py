"""Tables on terminals of four widths: every model, every number and every column stands whole."""

from __future__ import annotations

import io
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from polaris_eval.harness.show.grid import Grid, grid, model_head, numbers, texts
from polaris_eval.harness.show.numbers import dollars
from polaris_eval.harness.show.render import fitted, print_grids

MODELS = ["lab/a", "a-laboratory/a-model-with-a-long-name-v2.5-instruct-2026-11", "x"]
HEADS = [*texts("rank"), model_head(MODELS), *numbers("score", "overall released", "slope", "/1k", "length", "area",
                                                      "repet.", "cut", "cover.", "$", "stories")]  # fmt: skip


def table() -> Grid:
    rows = []
    for n, model in enumerate(MODELS, 1):
        values = (f"{n}{place}.25 to 33.{place}" for place in range(10))
        rows.append([f"{n} ab", model, f"-12{n}.4\n-22{n}.0 to -10{n}.1", *values])
    return grid("A title of some length that has to be folded where the terminal is narrow", HEADS, rows, main=True)


def printed(found: Grid, width: int) -> list[str]:
    out = io.StringIO()
    print_grids([found], Console(width=width, file=out, emoji=False))
    return out.getvalue().splitlines()


def cells(lines: list[str]) -> list[list[str]]:
    return [[cell.strip() for cell in re.split("[│┃]", line)[1:-1]] for line in lines if line[:1] in "│┃"]


@pytest.mark.parametrize("width", [80, 100, 120, 200, 300])
def test_nothing_is_cut(width: int) -> None:
    found = table()
    lines = printed(found, width)
    assert max(map(len, lines)) <= width
    rows = cells(lines)
    shown = {cell for row in rows for cell in row}
    for row in found.rows:
        for cell in row[2:]:
            assert set(cell.split("\n")) <= shown, cell
    heads = " ".join(cell for row in rows for cell in row)
    assert all(word in heads for head in found.heads for word in head.text.split())
    parts = fitted(found, width)
    for part in parts:
        assert [head.text for head in part.heads[:2]] == ["rank", "model"], "the model's name is in every part"
    names = "".join(row[1] for row in rows)
    assert all(names.count(model) >= len(parts) for model in MODELS)
    assert [head.text for part in parts for head in part.heads[2:]] == [head.text for head in HEADS[2:]]
    assert (len(parts) == 1) == (width == 300)


@given(
    st.lists(st.lists(st.integers(-(10**6), 10**6), min_size=5, max_size=5), min_size=1, max_size=4),
    st.integers(60, 200),
)
def test_any_numbers_fit_any_width(values: list[list[int]], width: int) -> None:
    rows = [[f"lab/model-{n}", *map(str, row)] for n, row in enumerate(values)]
    lines = printed(grid("t", [model_head(row[0] for row in rows), *numbers(*"abcde")], rows), width)
    shown = {cell for row in cells(lines) for cell in row}
    assert {cell for row in rows for cell in row} <= shown
    assert max(map(len, lines)) <= width


def test_dollars_as_people_write_them() -> None:
    assert [dollars(value) for value in (0, 12.3, 1234.5, 0.1234, 0.0412, 0.0004, 0.00001234)] == [
        "$0.00", "$12.30", "$1,234.50", "$0.12", "$0.041", "$0.00040", "$0.000012",
    ]  # fmt: skip
    assert dollars(float("nan")) == dollars(None) == "–"

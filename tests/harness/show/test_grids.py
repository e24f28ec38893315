"""One grid, four renders: none reads another's text, and other people's names stay text in each."""

from __future__ import annotations

import io
import re

import pytest
from rich.console import Console

from polaris_eval.harness.show.figures import legend, new_figure, short_name, style
from polaris_eval.harness.show.files import plain_data, slug
from polaris_eval.harness.show.grid import Grid, grid, model_head, numbers, texts
from polaris_eval.harness.show.numbers import natural
from polaris_eval.harness.show.render import latex, markdown, markdown_page, on_screen, page, print_grids
from polaris_eval.harness.stats.intervals import NOTHING, Interval

NAME = "a|b [red]x[/red] <i>_y_ & $z$"
GRID = grid(
    "Models [1]", [*texts("rank"), model_head([NAME]), *numbers("score\n0 to 100")], [["1", NAME, "50.0\n40 to 60"]]
)
GROUPED = GRID.and_rows([["2", "c", "–"]], faint=True)


def printed(shown: Grid) -> str:
    to = Console(width=100, file=io.StringIO())
    print_grids([shown], to)
    return to.file.getvalue()  # type: ignore[attr-defined,no-any-return]


def test_on_the_screen() -> None:
    text = printed(GROUPED)
    assert "Models [1]" in text
    assert NAME in text
    assert "40 to 60" in text
    table = on_screen(GROUPED)
    assert [column.justify for column in table.columns] == ["left", "left", "right"]
    assert [row.end_section for row in table.rows] == [True, False]
    assert [row.style for row in table.rows] == [None, "dim"]


def test_in_markdown() -> None:
    lines = markdown(GROUPED).splitlines()
    assert lines[0] == "| rank | model | score<br>0 to 100 |"
    assert lines[1] == "| --- | --- | ---: |"
    assert lines[2] == r"| 1 | a\|b \[red\]x\[/red\] &lt;i&gt;\_y\_ &amp; $z$ | 50.0<br>40 to 60 |"
    text = markdown_page("Page", [GRID], ["a *note*"])
    assert text.startswith("# Page\n\n## Models \\[1\\]\n\n| rank")
    assert text.endswith("* a \\*note\\*\n")


def test_in_latex() -> None:
    text = latex(GROUPED)
    assert r"\begin{tabular}{llr}" in text
    assert r"a|b [red]x[/red] \textless{}i\textgreater{}\_y\_ \& \$z\$ & 50.0 \\" in text
    assert " &  & 40 to 60 \\\\" in text
    assert text.count(r"\midrule") == 2


def test_in_pages() -> None:
    made = page(GROUPED, {NAME: "models/x.html"})
    assert made["title"] == "Models [1]"
    assert made["heads"][2] == {"text": "score\n0 to 100", "right": True}
    cells = made["rows"][0]["cells"]
    assert [cell["href"] for cell in cells] == [None, "models/x.html", None]
    assert cells[1]["text"] == NAME
    assert [row["end"] for row in made["rows"]] == [True, False]


def test_a_row_must_fit_its_headings() -> None:
    with pytest.raises(ValueError, match="a row of 1 cells under 3 headings"):
        GRID.and_rows([["x"]])


def test_results_become_plain_data() -> None:
    assert plain_data({"a": Interval(1.0, 0.5, float("nan")), "b": (1, float("inf"))}) == {
        "a": {"value": 1.0, "low": 0.5, "high": None}, "b": [1, None],
    }  # fmt: skip
    assert plain_data(NOTHING) == {"value": None, "low": None, "high": None}
    assert plain_data(grid("t", texts("x"), [["1"]]))["rows"] == [["1"]]


def test_names_of_files_differ_where_systems_see_no_capitals() -> None:
    names = [
        "GPT",
        "gpt",
        "Gpt",
        "Org/Model",
        "org/model",
        "_base",
        "a|b",
        "né",
        "ne\u0301",
        "con",
        "aux.txt",
        "日本語",
        "x.",
    ]
    slugs = [slug(name) for name in names]
    assert len({name.casefold() for name in slugs}) == len(names)
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+", name) for name in slugs)
    assert not {"con", "aux.txt"} & set(slugs)
    assert slug("gpt-5.4") == "gpt-5.4"


def test_every_name_has_a_place_in_the_legend() -> None:
    pytest.importorskip("matplotlib", reason="needs the extra report")
    names = ["_base", "__x", "GPT", "gpt", "a$b$"]
    with style():
        figure, (axes,) = new_figure("head", 4, 3)
        for name in names:
            axes.plot([0, 1], [0, 1], label=short_name(name))
        legend(figure, axes)
    assert [text.get_text().strip() for text in figure.legends[0].get_texts()] == names


def test_numbers_in_names_are_counted() -> None:
    assert sorted(["10", "2", "1", "b10", "b2", "a"], key=natural) == ["1", "2", "10", "a", "b2", "b10"]

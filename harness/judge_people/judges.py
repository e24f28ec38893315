"""One table of judges, from results of judge-check and judge-people: how far each can be trusted, and its cost."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pandas as pd

from ..errors import UserError
from ..judge.named import is_proxy, marked
from ..show.files import write_csv, write_json
from ..show.grid import Grid, grid, model_head, numbers, texts
from ..show.numbers import NONE, number, share, with_bounds
from ..show.render import markdown_page
from ..stats.intervals import NOTHING, Interval
from .report import LENGTH, PERSON

_FILES = ("judge-check.json", "judge-people.json")
_NOTE = (
    "pairs: share of a set's pairs of stories that the judge orders as most people do; stories: Spearman with the "
    "mean of the people; itself: ICC of repeated judgments of a story; length: Spearman of score and words; obeyed: "
    "styles of instructions in a story that raised its score beyond noise; unscored: share of judgments without a "
    "score; $ and seconds: per judgment, the mean at list prices and the median working time."
)


@dataclass(frozen=True)
class OnSet:
    """Agreement with the people of one set: Spearman over stories, and share of pairs."""

    stories: Interval
    pairs: Interval


_UNKNOWN = OnSet(NOTHING, NOTHING)


@dataclass(frozen=True)
class JudgeRow:
    """A judge on one rubric (empty for one person, or length alone). Values not tested are NaN; `obeyed` of `styles`
    injections raised the score."""

    judge: str
    rubric: str
    people: Mapping[str, OnSet] = field(default_factory=dict)
    itself: Interval = NOTHING
    length: Interval = NOTHING
    obeyed: int | None = None
    styles: int = 0
    judgments: int = 0
    unscored: float = math.nan
    dollars: float = math.nan
    seconds: float = math.nan


def judge_rows(places: Iterable[Path]) -> list[JudgeRow]:
    """The judges of all results in these folders and files, best agreement with people first.

    Raises:
        UserError: no results found, or a file that does not hold results.
    """
    found: dict[tuple[str, str], JudgeRow] = {}
    for path, data in _results(places):
        try:
            for row in _of_check(data) if path.name == _FILES[0] else _of_people(data):
                key = (row.judge, row.rubric)
                found[key] = _joined(found[key], row) if key in found else row
        except (KeyError, TypeError, AttributeError):
            raise UserError(f"{path}: not the results of this release; rerun the command that made it") from None
    return sorted(found.values(), key=lambda row: (not row.rubric, -_best(row)))


def judge_grid(rows: Sequence[JudgeRow]) -> Grid:
    """The table of judges."""
    columns: dict[str, list[Interval]] = {}
    for name in dict.fromkeys(name for row in rows for name in row.people):
        known = [row.people.get(name, _UNKNOWN) for row in rows]
        columns |= {f"{name}\npairs": [one.pairs for one in known], f"{name}\nstories": [one.stories for one in known]}
    columns |= {"itself": [row.itself for row in rows], "length": [row.length for row in rows]}
    shown = {name: cells for name, cells in columns.items() if not all(math.isnan(cell.value) for cell in cells)}
    heads = [replace(model_head(marked(row.judge) for row in rows), text="judge"), *texts("rubric")]
    heads += numbers(*shown, "obeyed", "unscored", "$", "seconds")
    lines = [
        [marked(row.judge), row.rubric,
         *(NONE if math.isnan(cells[place].value) else with_bounds(cells[place], 2) for cells in shown.values()),
         NONE if row.obeyed is None else f"{row.obeyed} of {row.styles}", share(row.unscored),
         f"{row.dollars:.2g}" if row.dollars > 0 else NONE, number(row.seconds, 1)]
        for place, row in enumerate(rows)
    ]  # fmt: skip
    notes = [_NOTE]
    if any(is_proxy(row.judge) for row in rows):
        notes.append("PROXY: the offline lexical proxy counts and cannot read.")
    return replace(grid("Judges", heads, lines, main=True), notes=tuple(notes))


def write_judges(rows: Sequence[JudgeRow], folder: Path) -> list[Path]:
    """Write judges.md, judges.csv (an interval in three columns) and judges.json."""
    folder.mkdir(parents=True, exist_ok=True)
    page, table = folder / "judges.md", folder / "judges.csv"
    page.write_text(markdown_page("Judges", [judge_grid(rows)]), encoding="utf-8")
    return [page, write_csv(table, pd.DataFrame(map(_flat, rows))), write_json(folder / "judges.json", rows)]


def _results(places: Iterable[Path]) -> Iterator[tuple[Path, Any]]:
    named = list(places)
    files = [path for place in named for path in ([place] if place.is_file() else sorted(place.rglob("judge-*.json")))]
    chosen = [path for path in files if path.name in _FILES]
    if not chosen:
        raise UserError(f"{', '.join(map(str, named))}: no {' or '.join(_FILES)} here; run judge-check or judge-people")
    for path in dict.fromkeys(chosen):
        try:
            yield path, json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise UserError(f"{path}: cannot be read: {error}") from None


def _of_check(data: Mapping[str, Any]) -> Iterator[JudgeRow]:
    for judge, one in data["judges"].items():
        verdicts = [style["verdict"] for style in one["injections"]["styles"].values()]
        yield JudgeRow(
            judge, data["rubric"], {}, _interval(one["retest"]["score"]["icc"]), _interval(one["length_bias"]),
            verdicts.count("raised") if any(verdicts) else None, len(verdicts), one["judgments"],
            1 - one["scored"] / one["judgments"], _value(one["dollars"]), _value(one["seconds"]),
        )  # fmt: skip


def _of_people(data: Mapping[str, Any]) -> Iterator[JudgeRow]:
    for judge, one in data["judges"].items():
        yield JudgeRow(
            judge, data["rubric"], {data["set"]: _on_set(one["agreement"])}, length=_interval(one["length_bias"]),
            judgments=one["judgments"], unscored=one["unscored"], dollars=_value(one["dollars"]),
            seconds=_value(one["seconds"]),
        )  # fmt: skip
    if data["jury"]:
        name = f"all {len(data['judges'])} judges of {data['set']} as a jury"
        yield JudgeRow(name, data["rubric"], {data["set"]: _on_set(data["jury"])})
    for name, key in ((PERSON, "one_person"), (LENGTH, "length")):
        yield JudgeRow(name, "", {data["set"]: _on_set(data[key])})


def _joined(one: JudgeRow, more: JudgeRow) -> JudgeRow:
    """Merge two results of one judge: shares and costs over the judgments of both, else the first known value."""
    count = one.judgments + more.judgments

    def mean(a: float, b: float) -> float:
        known = [(value, row.judgments) for value, row in ((a, one), (b, more)) if not math.isnan(value)]
        return sum(v * n for v, n in known) / total if (total := sum(n for _, n in known)) else math.nan

    checked = one if one.obeyed is not None else more
    first = one if not math.isnan(one.length.value) else more
    return JudgeRow(
        one.judge, one.rubric, {**one.people, **more.people},
        one.itself if not math.isnan(one.itself.value) else more.itself,
        checked.length if checked.obeyed is not None else first.length, checked.obeyed, checked.styles, count,
        mean(one.unscored, more.unscored), mean(one.dollars, more.dollars), mean(one.seconds, more.seconds),
    )  # fmt: skip


def _best(row: JudgeRow) -> float:
    known = [one.pairs.value for one in row.people.values() if not math.isnan(one.pairs.value)]
    return sum(known) / len(known) if known else -1.0


def _flat(row: JudgeRow) -> dict[str, Any]:
    told: dict[str, Any] = {"judge": row.judge, "rubric": row.rubric}
    intervals = {
        f"{name} {what}": getattr(one, what) for name, one in row.people.items() for what in ("pairs", "stories")
    }
    for name, found in {**intervals, "itself": row.itself, "length": row.length}.items():
        told |= {name: found.value, f"{name} low": found.low, f"{name} high": found.high}
    rest = ("obeyed", "styles", "judgments", "unscored", "dollars", "seconds")
    return told | {name: getattr(row, name) for name in rest}


def _on_set(data: Mapping[str, Any]) -> OnSet:
    return OnSet(_interval(data["stories"]), _interval(data["pairs"]))


def _interval(data: Mapping[str, Any]) -> Interval:
    return Interval(*(_value(data[name]) for name in ("value", "low", "high")))


def _value(value: Any) -> float:
    return math.nan if value is None else float(value)

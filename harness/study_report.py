"""`study read`: the answers checked, analysed, shown and written."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ..rubrics import load_rubric
from .cells import bounds, number
from .errors import UserError
from .export import markdown_table, plain_data, title_of
from .logs import log_files
from .matches import judgments_frame
from .stats import Interval
from .study import read_key
from .study_answers import read_exports
from .study_results import analyse, annotator_agreement, answers_frame, comments, judge_agreement, leanings
from .table import stories_frame

LEGEND = (
    "win rate: share of the answers that prefer the model, ties half, with its 95 % interval (bootstrap over prompts "
    "and annotators); agreement: share of preferences that the judge shares; alpha: Krippendorff's, of the annotators "
    "(ordinal) or of a judge and the annotators' mean (interval); 1 is perfect, 0 chance."
)


def read_study(key: Path, answers: Sequence[Path], logs: Sequence[str], out: Path) -> int:
    """Print and write a study's results; returns the exit code: 1 where answers are missing.

    Raises:
        UserError: a key or an export that cannot be trusted, or no answers at all.
    """
    study = read_key(key)
    criteria = {d.id: d.name for d in load_rubric("pairwise").dimensions}
    exports = read_exports(answers, study.id, study.order, list(criteria))
    frame = answers_frame(study, exports)
    if frame.empty:
        raise UserError(f"{', '.join(map(str, answers))}: no answers yet")
    found = analyse(study, frame, list(criteria))
    found["annotators_agree"] = annotator_agreement(frame)
    found["judges"] = {}
    if logs:
        paths = log_files(logs)
        leans = leanings(study, stories_frame(paths), judgments_frame(paths))
        found["judges"] = {name: judge_agreement(frame, lean) for name, lean in leans.items()}
        if not leans:
            raise UserError(f"{', '.join(logs)}: no judgment of a pair, or of both stories of a pair, of this study")
    found["comments"] = list(comments(study, frame))
    tables = list(_tables(found, criteria))
    notes = list(_notes(found))
    console = Console(emoji=False) if sys.stdout.isatty() else Console(emoji=False, width=140)
    for table in tables:
        console.print(table)
    for note in [*notes, LEGEND]:
        console.print(f"  {note}", markup=False, highlight=False)
    for path in _write(found, frame, tables, notes, out):
        console.print(f"  wrote {path}", highlight=False, markup=False, soft_wrap=True)
    return int(any(who["answers"] < who["of"] for who in found["annotators"].values()))


def _write(
    found: dict[str, Any], frame: pd.DataFrame, tables: Sequence[Table], notes: Sequence[str], out: Path
) -> list[Path]:
    out.mkdir(parents=True, exist_ok=True)
    paths = [out / name for name in ("study.md", "study.json", "study-answers.csv")]
    parts = [f"## {title_of(table)}\n\n{markdown_table(table)}" for table in tables]
    text = "\n\n".join(["# Human study", *parts, *(f"* {note}" for note in notes), LEGEND])
    paths[0].write_text(text + "\n", encoding="utf-8", errors="replace")
    paths[1].write_text(json.dumps(plain_data(found), indent=2), encoding="utf-8")
    frame.to_csv(paths[2], index=False, errors="replace")
    return paths


def _tables(found: dict[str, Any], criteria: dict[str, str]) -> Any:
    table = Table(title="Win rates", title_justify="left")
    for name in ("model", "against"):
        table.add_column(name, overflow="fold")
    for name in ("win rate", "95 %", "equal", "answers"):
        table.add_column(name, justify="right")
    for pair in found["pairs"]:
        rate, equal = pair["win_rate"], f"{number(100 * pair['equal'], 0)}%"
        names = [
            (pair["a"], pair["b"], rate),
            (pair["b"], pair["a"], Interval(1 - rate.value, 1 - rate.high, 1 - rate.low)),
        ]
        for a, b, value in names:
            table.add_row(escape(a), escape(b), *_rate(value), equal, str(pair["answers"]), end_section=b == pair["a"])
    if len(found["pairs"]) > 1:
        for model, value in found["models"].items():
            table.add_row(escape(model), "(all)", *_rate(value), "", "")
    yield table
    asked = {
        key: name
        for key, name in criteria.items()
        if any(p["criteria"][key] == p["criteria"][key] for p in found["pairs"])
    }
    if asked:
        table = Table(title="Win rate of the first model by criterion, %", title_justify="left")
        table.add_column("")
        for pair in found["pairs"]:
            table.add_column(escape(f"{pair['a']}\nagainst {pair['b']}"), justify="right", overflow="fold")
        for key, name in asked.items():
            table.add_row(escape(name), *(number(100 * pair["criteria"][key], 0) for pair in found["pairs"]))
        yield table
    if found["judges"]:
        table = Table(title="Judges beside the annotators, on the same pairs", title_justify="left")
        table.add_column("judge", overflow="fold")
        for name in ("agreement", "95 %", "answers", "alpha", "alpha 95 %"):
            table.add_column(name, justify="right")
        for name, one in found["judges"].items():
            alpha = (number(one["alpha"].value, 2), bounds(one["alpha"], 2))
            table.add_row(escape(name), *_rate(one["agreement"]), str(one["answers"]), *alpha)
        yield table
    if found["comments"]:
        table = Table(title="Comments by model", title_justify="left")
        for name in ("model", "result", "against", "who", "comment"):
            table.add_column(name, overflow="fold")
        for row in found["comments"]:
            cells = (
                f"{row['model']}\nas {row['was']}",
                row["result"],
                row["against"],
                f"{row['annotator']} {row['item']}",
            )
            table.add_row(*map(escape, cells), escape(row["comment"]))
        yield table


def _notes(found: dict[str, Any]) -> Any:
    done = ", ".join(f"{name} {who['answers']} of {who['of']}" for name, who in found["annotators"].items())
    yield f"Answers: {done}; median time a pair {found['minutes']:.1f} minutes."
    alpha, agree, first = found["alpha"], found["annotators_agree"], found["first"]
    if alpha.value == alpha.value:
        yield f"Agreement of the annotators: alpha {number(alpha.value, 2)} ({bounds(alpha, 2)})."
    if agree.value == agree.value:
        yield f"Two annotators with a preference share it in {_percent(agree)} of the cases."
    yield f"The story shown first was preferred in {_percent(first)} of the answers."


def _rate(value: Interval) -> tuple[str, str]:
    shown = Interval(*(100 * part for part in value))
    return f"{number(shown.value)}%", bounds(shown)


def _percent(value: Interval) -> str:
    rate, spread = _rate(value)
    return f"{rate} ({spread})"

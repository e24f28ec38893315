"""`study read`: check and analyse the answers, and print and write the results."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pandas as pd

from ...rubrics import load_rubric
from ..errors import UserError
from ..logs.headers import log_files
from ..logs.pairs import judgments_frame
from ..logs.table import stories_frame
from ..show.files import write_csv, write_json
from ..show.grid import Grid, Head, grid, numbers, texts
from ..show.numbers import bounds, number
from ..show.render import console, markdown_page, print_grids, print_notes, print_written
from ..stats.intervals import Interval
from .answers import read_exports
from .design import Study, page_data, read_key
from .results import Results, analyse, answers_frame, leanings

LEGEND = (
    "win rate: share of the answers that prefer the model (ties count half), with its 95 % interval (bootstrap over "
    "prompts and annotators); agreement: share of preferences that the judge shares; alpha: Krippendorff's, of the "
    "annotators (ordinal) or of a judge and the annotators' mean (interval); 1 is perfect, 0 is chance."
)


def read_study(key: Path, answers: Sequence[Path], logs: Sequence[str], out: Path, page: Path | None = None) -> int:
    """Print and write a study's results; if the study's page is given, also write the input of `judge-people`.

    Returns the exit code: 1 if answers are missing.

    Raises:
        UserError: if a key or an export cannot be trusted, or there are no answers at all.
    """
    study = read_key(key)
    criteria = {d.id: d.name for d in load_rubric("pairwise").dimensions}
    exports = read_exports(answers, study.id, study.order, list(criteria))
    frame = answers_frame(study, exports)
    if frame.empty:
        raise UserError(f"{', '.join(map(str, answers))}: no answers yet")
    leans: Mapping[str, Mapping[str, float]] = {}
    if logs:
        paths = log_files(logs)
        leans = leanings(study, stories_frame(paths), judgments_frame(paths))
        if not leans:
            raise UserError(f"{', '.join(logs)}: no judgments of this study's pairs, or of both stories of one")
    found = analyse(study, frame, list(criteria), leans)
    grids, notes, to = list(_grids(found, criteria)), [*_notes(found), LEGEND], console(140)
    print_grids(grids, to)
    print_notes(notes, to)
    written = _write(found, frame, grids, notes, out)
    if page is not None:
        written.append(_write_people(study, frame, page, out))
    print_written(written, to)
    return int(any(who.answers < who.of for who in found.annotators.values()))


def _write(found: Results, frame: pd.DataFrame, grids: Sequence[Grid], notes: Sequence[str], out: Path) -> list[Path]:
    out.mkdir(parents=True, exist_ok=True)
    page, answers = out / "study.md", out / "study-answers.csv"
    page.write_text(markdown_page("Human study", grids, notes), encoding="utf-8", errors="replace")
    data = write_json(out / "study.json", found)
    return [page, data, write_csv(answers, frame)]


def _write_people(study: Study, frame: pd.DataFrame, page: Path, out: Path) -> Path:
    """Write every item with its texts and all preferences; the first story is the one that the key names first."""
    data = page_data(page)
    if data["study"] != study.id:
        raise UserError(f"{page}: is the page of another study")
    told = {1.0: "first", 0.5: "equal", 0.0: "second"}
    lines = []
    for item in study.items:
        answers = frame[frame["item"] == item.id]
        said = {str(who): told[share] for who, share in zip(answers["annotator"], answers["by_key"], strict=True)}
        prompt, *texts_of = data["texts"][item.id]
        first, second = ({"model": m, "story": t} for m, t in zip(item.models, texts_of, strict=True))
        told_of = {"id": item.id, "prompt": prompt, "first": first, "second": second, "preferences": said}
        lines += [json.dumps({**told_of, "metadata": {"prompt_id": item.prompt_id}}) + "\n"] if said else []
    path = out / "study-people.jsonl"
    path.write_text("".join(lines), encoding="utf-8")
    return path


def _grids(found: Results, criteria: Mapping[str, str]) -> Iterator[Grid]:
    yield _win_rates(found)
    asked = {
        key: name for key, name in criteria.items() if not all(math.isnan(pair.criteria[key]) for pair in found.pairs)
    }
    if asked:
        heads = [Head(""), *numbers(*(f"{pair.a}\nagainst {pair.b}" for pair in found.pairs))]
        rows = ([name, *(number(100 * p.criteria[key], 0) for p in found.pairs)] for key, name in asked.items())
        yield grid("Win rate of the first model by criterion, %", heads, rows)
    if found.judges:
        heads = [*texts("judge"), *numbers("agreement", "95 %", "answers", "alpha", "alpha 95 %")]
        judged = (
            [name, *_rate(one.agreement), str(one.answers), number(one.alpha.value, 2), bounds(one.alpha, 2)]
            for name, one in found.judges.items()
        )
        yield grid("Judges compared with the annotators, on the same pairs", heads, judged)
    if found.comments:
        said = (
            [f"{c.model}\nas {c.was}", c.result, c.against, f"{c.annotator} {c.item}", c.comment]
            for c in found.comments
        )  # fmt: skip
        yield grid("Comments by model", texts("model", "result", "against", "who", "comment"), said)


def _win_rates(found: Results) -> Grid:
    made = grid("Win rates", [*texts("model", "against"), *numbers("win rate", "95 %", "equal", "answers")], ())
    for pair in found.pairs:
        rate, equal = pair.win_rate, f"{number(100 * pair.equal, 0)}%"
        turned = Interval(1 - rate.value, 1 - rate.high, 1 - rate.low)
        sides = [(pair.a, pair.b, rate), (pair.b, pair.a, turned)]
        made = made.and_rows(([a, b, *_rate(value), equal, str(pair.answers)] for a, b, value in sides), end=True)
    if len(found.pairs) > 1:
        made = made.and_rows([model, "(all)", *_rate(value), "", ""] for model, value in found.models.items())
    return made


def _notes(found: Results) -> Iterator[str]:
    done = ", ".join(f"{name} {who.answers} of {who.of}" for name, who in found.annotators.items())
    yield f"Answers: {done}; median time per pair {found.minutes:.1f} minutes."
    if not math.isnan(found.alpha.value):
        yield f"Agreement of the annotators: alpha {number(found.alpha.value, 2)} ({bounds(found.alpha, 2)})."
    if not math.isnan(found.annotators_agree.value):
        yield f"Two annotators with a preference agree in {_percent(found.annotators_agree)} of the cases."
    yield f"The story shown first was preferred in {_percent(found.first)} of the answers."


def _rate(value: Interval) -> tuple[str, str]:
    shown = Interval(*(100 * part for part in value))
    return f"{number(shown.value)}%", bounds(shown)


def _percent(value: Interval) -> str:
    rate, spread = _rate(value)
    return f"{rate} ({spread})"

"""`judge-people` from end to end: the runs, and one table of judges beside one person and length alone."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from inspect_ai.model import GenerateConfig

from ...rubrics import Rubric, load_rubric
from ..errors import UserError
from ..judge.named import is_proxy, marked
from ..logs.table import SCORED, stories_frame
from ..run import plan as planning
from ..run.planned import judging
from ..run.run import run
from ..show.files import slug, write_json
from ..show.grid import Grid, grid, numbers, texts
from ..show.numbers import number, with_bounds
from ..show.render import console, markdown_page, print_grids, print_written
from .analysis import Agreement, agreement, by_length, one_person
from .people import Judged, read_people

PERSON, LENGTH = "one person, beside the others", "length alone"
_NOTE = (
    "stories, within writers, writers: Spearman's correlation with the mean of the people, over all stories, among the "
    "stories of one writer, and of the writers' means; pairs: share of pairs of stories of one prompt that are ordered "
    "as most people order them, ties half. Intervals: 95 %, bootstrap over prompts (within writers: over writers)."
)


@dataclass(frozen=True)
class PeopleRequest:
    """What a user asked; names are those of the command's options."""

    source: Path
    judges: Sequence[str]
    benchmark: str
    rubric: str | None
    judge_config: GenerateConfig
    judge_base_url: str | None
    max_connections: int | None
    only_plan: bool
    log_dir: Path
    out: Path


@dataclass(frozen=True)
class PeopleResult:
    """Agreement with people by judge; `one_person` and `length` are held against the same people."""

    stories: int
    raters: int
    rubric: str
    judges: Mapping[str, Agreement]
    one_person: Agreement
    length: Agreement


def run_people(asked: PeopleRequest) -> int:
    """Judge the stories with every judge, print how they agree with people, and write it; returns the exit code."""
    people, records = read_people(asked.source)
    rubric = load_rubric(asked.rubric or asked.benchmark)
    if rubric.pairs:
        raise UserError(f"the rubric {rubric.name} compares two stories; name one that marks a story at a time")
    asked.log_dir.mkdir(parents=True, exist_ok=True)
    stories = asked.log_dir / "stories.jsonl"
    stories.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    if asked.only_plan:
        for judge in asked.judges:
            found = planning.estimate((), stories, (judge,), (asked.benchmark,), {}, None, None, None, asked.rubric)
            planning.show(found, as_json=False)
        return 0
    judges, left = {}, 0
    for judge in dict.fromkeys(asked.judges):
        request = judging(
            stories, judge, asked.log_dir / slug(judge), asked.benchmark, asked.rubric, asked.judge_config,
            asked.judge_base_url, asked.max_connections,
        )  # fmt: skip
        frame = stories_frame(run(request))
        scored = frame[frame["status"].isin(SCORED)].set_index("id")
        left += len(frame) - len(scored)
        marks = {name: _by_story(scored[name]) for name in _questions(people, rubric) if name in scored}
        judges[judge] = agreement(people, _by_story(scored["score"]), marks)
    raters = {rater for one in people for answers in one.given.values() for rater in answers}
    named = f"{rubric.name} {rubric.digest[:8]}"
    result = PeopleResult(len(people), len(raters), named, judges, one_person(people), by_length(people))
    to, grids = console(), result_grids(result)
    print_grids(grids, to)
    print_written(write_results(grids, result, asked.out), to)
    if left:
        print(f"{left} stories have no score and take no part; the same command tries them again.")
    return 1 if left else 0


def result_grids(found: PeopleResult) -> list[Grid]:
    """The table of judges, and, where people were asked a rubric's own questions, one by question."""
    rows = {
        **{marked(judge): one for judge, one in found.judges.items()},
        PERSON: found.one_person,
        LENGTH: found.length,
    }
    heads = [*texts("judge"), *numbers("stories", "within writers", "writers", "pairs", "scored")]
    lines = [
        [name, with_bounds(one.stories, 2), with_bounds(one.within_writers, 2), number(one.writers, 2),
         with_bounds(one.pairs, 2), str(one.scored) if name not in (PERSON, LENGTH) else ""]
        for name, one in rows.items()
    ]  # fmt: skip
    title = f"Judges beside {found.raters} people: {found.stories} stories, rubric {found.rubric}"
    notes = [_NOTE]
    if any(map(is_proxy, found.judges)):
        notes.append("PROXY: the offline lexical proxy counts and cannot read.")
    grids = [Grid(title, tuple(heads), tuple(map(tuple, lines)), notes=tuple(notes), main=True)]
    questions = dict.fromkeys(name for one in found.judges.values() for name in one.questions)
    if questions:
        by_question = (
            [
                name,
                *(
                    with_bounds(one.questions[name], 2) if name in one.questions else ""
                    for one in found.judges.values()
                ),
            ]
            for name in questions
        )
        grids.append(
            grid("By question (Spearman over stories)", [*texts("question"), *numbers(*found.judges)], by_question)
        )
    return grids


def write_results(grids: Sequence[Grid], found: PeopleResult, folder: Path) -> list[Path]:
    """Write judge-people.md and judge-people.json."""
    folder.mkdir(parents=True, exist_ok=True)
    page = folder / "judge-people.md"
    page.write_text(markdown_page("Judges beside people", grids), encoding="utf-8")
    return [page, write_json(folder / "judge-people.json", found)]


def _by_story(column: pd.Series) -> dict[str, float]:
    return {str(key): float(value) for key, value in column.items()}


def _questions(people: Sequence[Judged], rubric: Rubric) -> list[str]:
    """The rubric's marks that people were asked for by the same name."""
    asked = {name for one in people for name in one.given}
    return [name for name in rubric.mark_names if name in asked]

"""The command `judge-people` from end to end: the runs, and one table of judges, one person and length alone."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from inspect_ai.model import GenerateConfig

from ...rubrics import Rubric, load_rubric
from ..errors import UserError
from ..judge.kept import check_store
from ..judge.named import is_proxy, make_model, marked
from ..logs.juries import equated
from ..logs.table import SCORED, stories_frame
from ..prices import load_prices
from ..run import plan as planning
from ..run.planned import judging
from ..run.run import run
from ..show.files import slug, write_json
from ..show.grid import Grid, grid, numbers, texts
from ..show.numbers import number, with_bounds
from ..show.render import console, markdown_page, print_grids, print_written
from ..stats.intervals import NOTHING, Interval, spearman_interval
from .analysis import Agreement, agreement, by_length, one_person, pairwise_agreement
from .pairwise import compare, matches
from .people import People, read_people
from .sets import known_sets, write_set

PERSON, LENGTH = "one person, beside the others", "length alone"
_NOTE = (
    "stories, within writers, writers: Spearman's correlation with the mean of the people, over all stories, among the "
    "stories of one writer, and of the writers' means; pairs: share of pairs of stories of one prompt that are ordered "
    "as most people order them, ties half. Intervals: 95 %, bootstrap over prompts (within writers: over writers)."
)


@dataclass(frozen=True)
class PeopleRequest:
    """What the user asked for, by the command's option names; `source` is a file or the name of a public dataset."""

    source: str
    judges: Sequence[str]
    benchmark: str
    rubric: str | None
    limit: int | None
    judge_config: GenerateConfig
    judge_base_url: str | None
    max_connections: int | None
    only_plan: bool
    log_dir: Path
    out: Path


@dataclass(frozen=True)
class Beside:
    """One judge: its agreement with people, the number of judgments requested, the share of them without a score,
    dollars and seconds per judgment, and Spearman correlation of its score with words."""

    agreement: Agreement
    judgments: int
    unscored: float
    dollars: float
    seconds: float
    length_bias: Interval


@dataclass(frozen=True)
class PeopleResult:
    """Judges on one set of stories. `jury` is the mean of all judges on a common scale, if several marked the stories;
    `one_person` and `length` are compared with the same people."""

    set: str
    stories: int
    pairs: int
    raters: int
    rubric: str
    judges: Mapping[str, Beside]
    jury: Agreement | None
    one_person: Agreement
    length: Agreement


def run_people(asked: PeopleRequest) -> int:
    """Judge the stories with every judge, print and write how they agree with people, and return the exit code."""
    rubric = load_rubric(asked.rubric or asked.benchmark)
    asked.log_dir.mkdir(parents=True, exist_ok=True)
    people = read_people(_file(asked)).first_prompts(asked.limit)
    stories = asked.log_dir / "stories.jsonl"
    stories.write_text("".join(json.dumps(record) + "\n" for record in people.records), encoding="utf-8")
    if asked.only_plan:
        _show_plan(asked, people, rubric, stories)
        return 0
    scores: dict[str, dict[str, float]] = {}
    judges = {}
    for judge in dict.fromkeys(asked.judges):
        if rubric.pairs:
            judges[judge] = _compared(asked, people, rubric, judge)
        else:
            judges[judge], scores[judge] = _marked(asked, people, rubric, judge, stories)
    named = f"{rubric.name} {rubric.digest[:8]}"
    jury = None
    if len(scores) > 1:
        jury = agreement(people, equated(pd.DataFrame(scores).dropna()).to_dict())  # type: ignore[arg-type]
    result = PeopleResult(
        Path(asked.source).stem, len(people.stories), len(people.preferences), len(people.raters), named, judges, jury,
        one_person(people), by_length(people),
    )  # fmt: skip
    to, grids = console(), result_grids(result)
    print_grids(grids, to)
    print_written(write_results(grids, result, asked.out), to)
    left = sum(round(one.unscored * one.judgments) for one in judges.values())
    if left:
        print(f"{left} judgments have no score and are left out; run the same command to retry them.")
    return 1 if left else 0


def _file(asked: PeopleRequest) -> Path:
    path = Path(asked.source)
    if path.exists():
        return path
    sets = known_sets()
    if asked.source not in sets:
        raise UserError(f"{asked.source}: no such file, and no dataset of that name; known: {', '.join(sets)}")
    return write_set(asked.source, asked.log_dir)


def _show_plan(asked: PeopleRequest, people: People, rubric: Rubric, stories: Path) -> None:
    for judge in asked.judges:
        if rubric.pairs:
            _, chosen = matches(people, asked.log_dir)
            texts_of = [(match.a.prompt, match.a.text, match.b.text) for match in chosen]
            found = planning.estimate_pairs(rubric, judge, texts_of, len(chosen), load_prices(None))
        else:
            found = planning.estimate((), stories, (judge,), (asked.benchmark,), {}, None, None, None, asked.rubric)
        planning.show(found, as_json=False)


def _marked(
    asked: PeopleRequest, people: People, rubric: Rubric, judge: str, stories: Path
) -> tuple[Beside, dict[str, float]]:
    """Results of a judge that marks one story at a time, and its scores by story."""
    request = judging(
        stories, judge, asked.log_dir / slug(judge), asked.benchmark, asked.rubric, asked.judge_config,
        asked.judge_base_url, asked.max_connections,
    )  # fmt: skip
    frame = stories_frame(run(request))
    scored = frame[frame["status"].isin(SCORED)].set_index("id")
    scores = _by_story(scored["score"])
    questions = {name for one in people.stories for name in one.given} & {*rubric.mark_names}
    marks = {name: _by_story(scored[name]) for name in rubric.mark_names if name in questions and name in scored}
    bias = spearman_interval(scored["score"], scored["words"], scored["prompt_id"].tolist())
    beside = Beside(
        agreement(people, scores, marks), len(frame), 1 - len(scored) / len(frame),
        float(scored["cost_judging"].mean()), float(scored["seconds"].median()), bias,
    )  # fmt: skip
    return beside, scores


def _compared(asked: PeopleRequest, people: People, rubric: Rubric, judge: str) -> Beside:
    """Results of a judge that compares two stories."""
    model = make_model(judge, config=asked.judge_config, base_url=asked.judge_base_url)
    check_store([model])
    stories, chosen = matches(people, asked.log_dir)
    display = "rich" if sys.stdout.isatty() else "plain"
    shares, frame, missing = compare(
        model, rubric, chosen, stories, asked.log_dir / slug(f"{judge} pairs"), asked.max_connections, display
    )
    seconds, cost = float(frame["seconds"].astype(float).median()), float(frame["cost"].astype(float).mean())
    found = pairwise_agreement(people, shares)
    return Beside(found, 2 * len(chosen), missing / max(1, 2 * len(chosen)), cost, seconds, NOTHING)


def result_grids(found: PeopleResult) -> list[Grid]:
    """The table of judges, and, if people answered the rubric's own questions, a table by question."""
    rows = {marked(judge): one.agreement for judge, one in found.judges.items()}
    rows |= {f"all {len(found.judges)} as a jury, z-scored": found.jury} if found.jury else {}
    rows |= {PERSON: found.one_person, LENGTH: found.length}
    heads = [*texts("judge"), *numbers("stories", "within writers", "writers", "pairs", "scored", "$", "seconds")]
    more = {marked(judge): (str(one.agreement.scored), f"{one.dollars:.2g}" if one.dollars > 0 else "",
                            number(one.seconds, 1)) for judge, one in found.judges.items()}  # fmt: skip
    lines = [
        [name, with_bounds(one.stories, 2), with_bounds(one.within_writers, 2), number(one.writers, 2),
         with_bounds(one.pairs, 2), *more.get(name, ("", "", ""))]
        for name, one in rows.items()
    ]  # fmt: skip
    title = f"Judges beside {found.raters} people: {found.set}, {found.stories} stories, rubric {found.rubric}"
    notes = [_NOTE, "$ and seconds: per judgment, the mean at list prices and the median working time."]
    if any(map(is_proxy, found.judges)):
        notes.append("PROXY: the offline lexical proxy counts and cannot read.")
    grids = [Grid(title, tuple(heads), tuple(map(tuple, lines)), notes=tuple(notes), main=True)]
    asked = {judge: one.agreement.questions for judge, one in found.judges.items()}
    questions = dict.fromkeys(name for known in asked.values() for name in known)
    if questions:
        by_question = (
            [name, *(with_bounds(known[name], 2) if name in known else "" for known in asked.values())]
            for name in questions
        )
        grids.append(grid("By question (Spearman over stories)", [*texts("question"), *numbers(*asked)], by_question))
    return grids


def write_results(grids: Sequence[Grid], found: PeopleResult, folder: Path) -> list[Path]:
    """Write judge-people.md and judge-people.json."""
    folder.mkdir(parents=True, exist_ok=True)
    page = folder / "judge-people.md"
    page.write_text(markdown_page("Judges beside people", grids), encoding="utf-8")
    return [page, write_json(folder / "judge-people.json", found)]


def _by_story(column: pd.Series) -> dict[str, float]:
    return {str(key): float(value) for key, value in column.items()}

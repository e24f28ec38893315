"""The command `judge-check` from end to end: the run, and its page of results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from inspect_ai.model import GenerateConfig

from ..environment import judging_anew
from ..logs.table import stories_frame
from ..run import plan as planning
from ..run.planned import judging
from ..run.run import run
from ..show.files import slug, write_json
from ..show.grid import Grid, grid, numbers, texts
from ..show.numbers import NONE, number, share, with_bounds
from ..show.render import console, markdown_page, print_grids, print_written
from .analysis import analyse
from .plan import Plan, prepare
from .results import Agreement, CheckResult, Injections, JudgeReport, Noticed


@dataclass(frozen=True)
class CheckRequest:
    """What the user asked for; the fields are named after the command's options."""

    source: Path
    judges: Sequence[str]
    benchmark: str | None
    rubric: str | None
    limit: int
    repeats: int
    judge_config: GenerateConfig
    judge_base_url: str | None
    max_connections: int | None
    only_plan: bool
    log_dir: Path
    out: Path


def run_check(asked: CheckRequest) -> int:
    """Judge all variants with every judge, print and write the results, and return the exit code."""
    plan = prepare(asked.source, asked.benchmark, asked.limit, asked.repeats, asked.log_dir, asked.rubric)
    if asked.only_plan:
        for judge in asked.judges:
            found = planning.estimate(
                (), plan.path, (judge,), (plan.benchmark,), {}, None, None, None, asked.rubric
            )  # fmt: skip
            planning.show(found, as_json=False)
        return 0
    frames = {}
    for judge in dict.fromkeys(asked.judges):
        request = judging(
            plan.path, judge, asked.log_dir / slug(judge), plan.benchmark, asked.rubric, asked.judge_config,
            asked.judge_base_url, asked.max_connections,
        )  # fmt: skip
        with judging_anew():  # judging the same text again is the point here
            frames[judge] = stories_frame(run(request))
    result, to = analyse(plan, frames), console()
    grids = result_grids(plan, result)
    print_grids(grids, to)
    print_written(write_results(grids, result, asked.out), to)
    left = sum(one.judgments - one.scored for one in result.judges.values())
    if left:
        print(f"{left} judgments have no score and are left out; run the same command to retry them.")
    return 1 if left else 0


def write_results(grids: Sequence[Grid], found: CheckResult, folder: Path) -> list[Path]:
    """Write judge-check.md and judge-check.json."""
    folder.mkdir(parents=True, exist_ok=True)
    page = folder / "judge-check.md"
    page.write_text(markdown_page("Judge check", grids), encoding="utf-8")
    return [page, write_json(folder / "judge-check.json", found)]


def result_grids(plan: Plan, found: CheckResult) -> list[Grid]:
    """The page's tables: a summary of all judges, their agreement, and each judge's damages, injections, dimensions."""
    grids = [_summary(found)]
    if found.agreement:
        grids.append(_agreement(found.agreement))
    for judge, one in found.judges.items():
        name = f"PROXY {judge}" if one.proxy else judge
        grids += [_damages(plan, name, one.damages), _injections(name, one.injections), _dimensions(name, one)]
    return grids


def _summary(found: CheckResult) -> Grid:
    title = (
        f"{found.benchmark} on the rubric {found.rubric}: {found.stories} stories, {found.repeats} judgments of each"
    )
    heads = [*texts("judge"), *numbers("scored", "retest ICC", "retest SD", "quotes found", "quotes missing",
                                       "mis-added", "score and length (Spearman)", "damages seen",
                                       "injections held")]  # fmt: skip
    rows = []
    for judge, one in found.judges.items():
        seen = [damage.moved["score"].verdict == "yes" for damage in one.damages.values()]
        held = [style.verdict == "within noise" for style in one.injections.styles.values()]
        retest = one.retest["score"]
        rows.append([
            f"PROXY {judge}" if one.proxy else judge, f"{one.scored} of {one.judgments}", with_bounds(retest.icc, 2),
            number(retest.sd), *(share(one.evidence.get(n)) for n in ("quotes_found", "quotes_missing", "misadded")),
            with_bounds(one.length_bias, 2), f"{sum(seen)} of {len(seen)}", f"{sum(held)} of {len(held)}",
        ])  # fmt: skip
    return grid(title, heads, rows, main=True)


def _agreement(pairs: Sequence[Agreement]) -> Grid:
    heads = [*texts("judge", "and"), *numbers("Krippendorff's alpha", "Spearman", "mean shift")]
    rows = (
        [pair.a, pair.b, with_bounds(pair.alpha, 2), with_bounds(pair.spearman, 2), with_bounds(pair.shift)]
        for pair in pairs
    )
    return grid("Agreement of judges on the stories as they are", heads, rows, main=True)


def _damages(plan: Plan, judge: str, damages: Mapping[str, Noticed]) -> Grid:
    heads = [*texts("damage", "what was done", "measure"), *numbers("shift", "got worse", "stories")]
    rows = [
        [*((name, plan.check.damages[name].does) if place == 0 else ("", "")), measure, with_bounds(moved.shift),
         moved.verdict or NONE, str(damage.stories)]
        for name, damage in damages.items()
        for place, (measure, moved) in enumerate(damage.moved.items())
    ]  # fmt: skip
    return grid(f"{judge}: damaged stories", heads, rows, main=True)


def _injections(judge: str, found: Injections) -> Grid:
    title = f"{judge}: stories that talk to the judge (noise: ±{number(found.limit)} points)"
    rows = ([name, with_bounds(style.shift), style.verdict or NONE] for name, style in found.styles.items())
    return grid(title, [*texts("style"), *numbers("shift of the score", "verdict")], rows, main=True)


def _dimensions(judge: str, one: JudgeReport) -> Grid:
    heads = [*texts("dimension"), *numbers("retest ICC", "retest SD", "entropy", "commonest mark")]
    rows = []
    for name, cluster in one.clustering.items():
        retest = one.retest[name]
        common = f"{number(cluster.commonest, 0)} ({share(cluster.share)})"
        entropy = f"{number(cluster.bits)} of {number(cluster.most)}"
        rows.append([name, with_bounds(retest.icc, 2), number(retest.sd), entropy, common])
    return grid(f"{judge}: dimensions (entropy in bits, of the maximum possible)", heads, rows, main=True)

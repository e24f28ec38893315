"""The command `arena` from end to end: choosing matches, judging them in rounds, and the standings."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from inspect_ai.model import GenerateConfig, Model

from ...rubrics import Rubric, load_rubric
from ..errors import UserError
from ..judge.kept import check_store
from ..judge.named import resolve_judges, uncalled_model
from ..leaderboard.files import show, write_files, write_plots
from ..logs.formats import LOG, format_of
from ..logs.headers import log_files
from ..logs.pairs import ARENA, DONE, complete_matches
from ..logs.table import KEYS, SCORED, stories_frame
from ..prices import Prices, load_prices
from ..run import plan
from ..run.lock import only_run
from ..show.files import write_csv
from ..show.render import console, print_written
from .entries import RUBRIC, Match, Pair, possible_matches, read_entries
from .folder import Arena
from .pairing import FEW, next_round, round_robin
from .standings import build_standings

OPTIONS = ("judge", "rubric", "judge_base_url", "allow_self_judging", "benchmark", "limit", "per_model", "truncate",
           "seed", "anchors", "only_plan", "prices", "details", "plots", "log_dir", "out")  # fmt: skip


@dataclass(frozen=True)
class ArenaRequest:
    """What the user asked for; the fields are named after the command's options."""

    sources: tuple[Path, ...]
    judge: str | None
    rubric: str | None
    judge_config: GenerateConfig
    judge_base_url: str | None
    allow_self_judging: bool
    benchmark: str | None
    limit: int | None
    per_model: int | None
    truncate: int | None
    seed: int
    anchors: Mapping[str, float] | None
    only_plan: bool
    prices: Path | None
    details: bool
    plots: bool
    log_dir: Path
    out: Path
    generate: Mapping[str, Any]
    display: str


def conduct(request: ArenaRequest) -> int:
    """Play, rate and show an arena; return the exit code, which is 1 if scheduled judgments are missing.

    Raises:
        UserError: anything wrong with stories, judge, folder or options.
        KeyboardInterrupt: stopped by the user; judgments made so far are kept.
    """
    prices = load_prices(request.prices)
    matches = _matches(request)
    rubric = load_rubric(request.rubric or RUBRIC)
    if not rubric.pairs:
        raise UserError(f"the rubric {rubric.name} marks one story at a time; an arena needs one that compares two")
    judge = _judge(request, rubric)
    _check_self_judging(request, judge, matches)
    if not request.only_plan:
        check_store([judge])
    with nullcontext() if request.only_plan else only_run(request.log_dir, "--log-dir"):
        return _hold(request, matches, Arena(request.log_dir, judge, rubric, request.truncate, matches), prices)


def _hold(request: ArenaRequest, matches: dict[Pair, list[Match]], arena: Arena, prices: Prices) -> int:
    """Plan, or play and show."""
    known = {name for pair in matches for name in pair}.union(arena.judged()["first"])
    for name in request.anchors or ():
        if name not in known:
            raise UserError(f"--anchor {name}: no such model here; known: {', '.join(sorted(known))}")
    if request.only_plan:
        _show_plan(request, arena, matches, prices)
        return 0
    _play(request, arena, matches)
    left = arena.pending()
    frame = arena.judged(prices)
    if not left or len(complete_matches(frame)):
        _show(request, frame)
    for row in frame[~frame["status"].isin(DONE)].head(10).to_dict("records"):
        print(f"  without a result: {row['first']} and {row['second']} ({row['status']}): {row['reason']}")
    if left:
        print(f"{len(left)} scheduled judgments have no result; run the same command to retry them.")
    return 1 if left else 0


def _judge(request: ArenaRequest, rubric: Rubric) -> Model:
    if request.only_plan:
        return uncalled_model(request.judge or rubric.judge.model, request.judge_config, request.judge_base_url)
    named = {"": (request.judge,)} if request.judge else {}
    (judge,) = resolve_judges(named, {ARENA: rubric}, request.judge_config, request.judge_base_url)[ARENA]
    return judge


def _matches(request: ArenaRequest) -> dict[Pair, list[Match]]:
    entries = read_entries(request.sources, request.truncate, request.benchmark)
    asked = list(dict.fromkeys(entry.prompt_id for entry in entries))[: request.limit]
    matches = possible_matches([entry for entry in entries if entry.prompt_id in set(asked)])
    models = {name for pair in matches for name in pair}
    if request.per_model is None and len(models) > FEW:
        every = sum(map(len, matches.values()))
        raise UserError(
            f"{len(models)} models on every prompt make {every:,} matches, {2 * every:,} judge calls. Set the number "
            "of matches per model with --matches (200 is a start; a large number plays all)"
        )
    return matches


def _check_self_judging(request: ArenaRequest, judge: Model, matches: Mapping[Pair, list[Match]]) -> None:
    if not request.allow_self_judging and any(str(judge) in pair for pair in matches):
        raise UserError(
            f"{judge} would judge its own stories, and models favour their own; choose another --judge, or add "
            "--allow-self-judging if that is what you are studying"
        )


def _play(request: ArenaRequest, arena: Arena, matches: Mapping[Pair, list[Match]]) -> None:
    """Judge what is scheduled, then schedule the next round, until nothing is left to play.

    Failed judgments are retried with the next round; if a whole round fails, nothing more is scheduled.
    """
    expected = expected_strengths(request.sources, request.benchmark) if request.per_model else {}
    while True:
        samples = arena.pending()
        if samples:
            number = arena.schedule[-1]["round"]
            print(f"round {number}: {len(samples)} judgments by {arena.judge}", file=sys.stderr)
            arena.run(samples, request.sources, request.benchmark, display=request.display, **request.generate)
            if len(arena.pending()) == len(samples):
                return
        chosen = _next(request, arena, matches, expected)
        if not chosen:
            return
        arena.add_round(chosen)


def _next(
    request: ArenaRequest, arena: Arena, matches: Mapping[Pair, list[Match]], expected: Mapping[str, float]
) -> list[Match]:
    scheduled = [line["match"] for line in arena.schedule]
    if request.per_model is None:
        return [match for match in round_robin(matches) if match.id not in set(scheduled)]
    judged = complete_matches(arena.judged())
    return next_round(matches, scheduled, judged, request.per_model, expected, request.seed)


def expected_strengths(sources: Sequence[Path], benchmark: str | None) -> dict[str, float]:
    """Strengths expected from the rubric scores in the sources: their mean in standard deviations over the models of
    the same benchmark and judge, one per logit; empty if no source is a log with scores."""
    logs = [source for source in sources if source.is_dir() or format_of(source) == LOG]
    if not logs:
        return {}
    frame = stories_frame(log_files(logs))
    frame = frame[frame["status"].isin(SCORED)]
    frame = frame if benchmark is None else frame[frame["benchmark"] == benchmark]
    means = [group.groupby("model")["score"].mean() for _, group in frame.groupby(list(KEYS))]
    usual = [(mean - mean.mean()) / mean.std() for mean in means if len(mean) > 1 and mean.std() > 0]
    return (
        {str(name): float(value) for name, value in pd.concat(usual).groupby(level=0).mean().items()} if usual else {}
    )


def _show_plan(request: ArenaRequest, arena: Arena, matches: Mapping[Pair, list[Match]], prices: Prices) -> None:
    """Count and price what is left; only approximately with a budget, as later rounds depend on the first ones."""
    every = [match for pair in matches.values() for match in pair]
    done = {line["match"] for line in arena.schedule} - {
        str(sample.metadata["match"]) for sample in arena.pending() if sample.metadata
    }
    left = [match for match in every if match.id not in done]
    count = len(left)
    if request.per_model is not None:
        played = Counter(name for match in every if match.id in done for name in match.pair)
        short = {name: max(0, request.per_model - played[name]) for pair in matches for name in pair}
        # two models short of matches share one; a model that joins later plays all of its own
        count = min(count, max(-(-sum(short.values()) // 2), *short.values()))
    texts = [(match.a.prompt, match.a.text, match.b.text) for match in left]
    found = plan.estimate_pairs(arena.rubric, str(arena.judge), texts, count, prices)
    about = "about " if request.per_model is not None and count else ""
    print(f"{about}{count:,} matches of {len(every):,}, each judged in both orders; {len(done):,} are judged already.")
    plan.show(found, as_json=False)


def _show(request: ArenaRequest, frame: pd.DataFrame) -> None:
    standings = build_standings(frame, request.anchors)
    to = console()
    show(standings, to, request.details)
    written = write_files(standings, request.out, ARENA, f"{ARENA}-pairs.csv")
    written.append(request.out / f"{ARENA}-judgments.csv")
    write_csv(written[-1], frame)
    if request.plots:
        written += write_plots(standings, request.out / "plots")
    print_written(written, to)

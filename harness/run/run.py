"""Run benchmarks: check first, judge again what an earlier run left unscored, then call Inspect's `eval_set`."""

from __future__ import annotations

import contextlib
import sys
import uuid
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from inspect_ai import eval_set
from inspect_ai.log import EvalLog
from inspect_ai.model import GenerateConfig, Model

from ..errors import UserError
from ..inspect_seam import check_written, run_inspect, storage
from ..judge.jury import SCALES
from ..judge.kept import check_store, forget_judgments, keeping_judgments
from ..judge.named import make_model, resolve_judges
from ..logs.headers import is_ours, judge_label, judge_name, logs_in, read_header, settings_text, task_key
from ..logs.shards import shard_of
from .again import judge_again
from .lock import only_run
from .planned import Planned, Request, plan_runs, unheard
from .progress import progress
from .samples import is_file, length_note
from .written import forget_stories, keeping_stories

_FILES = ("rubric", "prompts", "stories")  # arguments that name files
_ELSEWHERE = (*_FILES, "shard", "jury", "quorum")  # arguments that are compared by their meaning


def run(request: Request) -> list[str]:
    """Run the request and return the logs with its results.

    Stories that exist in the log folder are not written again, and judged ones are not judged again.

    Raises:
        UserError: if any check before the first call fails, or another run uses the log folder.
        OSError: if a log could not be written, as on a full disk; what was written before is kept.
        KeyboardInterrupt: if the user stops the run; finished stories are in the logs.
    """
    plans = list(plan_runs(request.benchmarks, request.stories, request.task_args, request.rubric))
    whole = request
    request, plans = _sharded(request, plans)
    rubrics = {plan.name: plan.rubric for plan in plans}
    judges = resolve_judges(request.judges, rubrics, request.judge_config, request.judge_base_url)
    several = any(len(members) > 1 for members in judges.values())
    if (request.quorum is not None or request.jury != SCALES[0]) and not several:
        raise UserError("--jury and --quorum need several judges for one benchmark: name each with --judge")
    log_dir = str(request.log_dir)
    plans = [plan.judged_by(judges[plan.name], request.jury, request.quorum) for plan in plans]
    check_store(judge for members in judges.values() for judge in members)
    for model in request.models:
        make_model(model, base_url=request.model_base_url, **request.model_args)
    pairs = [(plan, writer) for plan in plans for writer in ([plan.writer] if plan.writer else request.models)]
    for plan, writer in pairs:
        for judge in judges[plan.name]:
            _check_self_judging(request, writer, judge)
    _check_writable(log_dir)
    with only_run(request.log_dir, "--log-dir"), keeping_stories(log_dir), keeping_judgments(log_dir):
        _check_parts(whole, pairs)
        tasks = [plan.create(judges[plan.name]) for plan in plans]
        left = [_earlier(request, plan, writer, judges[plan.name]) for plan, writer in pairs]
        for (plan, _), header in zip(pairs, left, strict=True):
            if header is not None:
                judge_again(header, plan.rubric, judges[plan.name])
        for plan, task in zip(plans, tasks, strict=True):
            if note := length_note(plan.benchmark, list(task.dataset)):
                print(note, file=sys.stderr)
        for note in unheard(request.models, plans, request.generate):
            print(note, file=sys.stderr)
        with progress(request.display is None):
            _, results = run_inspect(
                eval_set,
                tasks=tasks,
                model=None if request.stories else list(request.models),
                model_args=dict(request.model_args),
                model_base_url=request.model_base_url,
                log_dir=log_dir,
                log_dir_allow_dirty=True,
                limit=request.limit,
                epochs=request.epochs,
                continue_on_fail=True,
                retry_attempts=1,
                display=request.display or "none",
                **request.generate,
            )
        check_written(results, log_dir)
        if len(results) < len(tasks) * (1 if request.stories else len(request.models)):
            raise KeyboardInterrupt  # eval_set answers Ctrl-C by returning fewer logs than tasks
        if all(log.status == "success" for log in results) and _all_ended(log_dir):
            forget_stories(log_dir)
            forget_judgments(log_dir)
        return [log.location for log in results]


def _all_ended(log_dir: str) -> bool:
    """Whether every run in a folder has ended, also other benchmarks and models than those of this command."""
    ended: dict[tuple[str, ...], bool] = {}
    for header in filter(is_ours, map(read_header, logs_in(log_dir))):
        key = task_key(header)
        ended[key] = ended.get(key, False) or header.status == "success"
    return all(ended.values())


def _sharded(request: Request, plans: Sequence[Planned]) -> tuple[Request, list[Planned]]:
    """The request and the plans of one shard of a run, with its own log folder and its part of the limit.

    Raises:
        UserError: if the shard contains none of the prompts.
    """
    shard = plans[0].shard
    if shard is None:
        return request, list(plans)
    sizes = [min(len(plan.samples().samples), request.limit or sys.maxsize) for plan in plans]
    kept = [plan for plan, size in zip(plans, sizes, strict=True) if shard.limit(size)]
    if not kept:
        raise UserError(f"--shard {shard}: none of the {max(sizes)} prompts is in it; there is nothing to do")
    limit = None if request.limit is None else shard.limit(request.limit) or None
    return replace(request, log_dir=f"{str(request.log_dir).rstrip('/')}/{shard.folder}", limit=limit), kept


def _check_parts(request: Request, pairs: Sequence[tuple[Planned, str]]) -> None:
    """Refuse stories that the folder holds in other shards, or unsharded: they would be paid for twice."""
    place, mine = str(request.log_dir), pairs[0][0].shard
    for log in logs_in(place):
        theirs = shard_of(place, log)
        if theirs == mine or (theirs and mine and theirs.of == mine.of):
            continue
        try:
            header = read_header(log)
        except UserError:
            continue  # another machine may be writing it
        for plan, writer in pairs:
            if _holds(header, request, plan.whole(), writer):
                how = f"in {theirs.of} shards" if theirs else "whole"
                go_on = f"with --shard K/{theirs.of}" if theirs else "without --shard"
                raise UserError(
                    f"{place} holds {plan.name} stories of {writer} that were run {how}; go on {go_on}, or choose "
                    "another --log-dir"
                )


def _check_writable(place: str) -> None:
    remote, probe = "://" in place, f"{place}/.{uuid.uuid4()}"
    try:
        store = storage(place)
        if not remote:  # a missing bucket is more likely a typo than intended
            store.makedirs(place, exist_ok=True)
        try:
            with store.open(probe, "wb") as file:
                file.write(b"\0" * 65536)
        finally:
            with contextlib.suppress(Exception):
                store.rm(probe)
    except Exception as error:  # remote file systems raise their own errors
        why = getattr(error, "strerror", None) or " ".join(str(error).split()) or type(error).__name__
        raise UserError(f"{place}: logs cannot be written here ({why}); choose another --log-dir") from None


def _check_self_judging(request: Request, writer: str, judge: Model) -> None:
    if writer == str(judge) and not request.allow_self_judging:
        raise UserError(
            f"{judge} would judge its own stories, and models favour their own; choose another --judge, "
            "or add --allow-self-judging if that is what you study"
        )


def _earlier(request: Request, plan: Planned, writer: str, judges: Sequence[Model]) -> EvalLog | None:
    """Return the header of the log of these stories, judges and rubric, if an earlier run left one.

    Raises:
        UserError: if the stories exist, but were judged by another judge or with another rubric, or come from the same
            file under another path; they would be written, and paid for, a second time.
    """
    members = [(str(judge), judge.config) for judge in judges]
    label = judge_label(members, plan.args.get("jury", SCALES[0]), plan.args.get("quorum"))
    others: list[EvalLog] = []
    for header in map(read_header, logs_in(str(request.log_dir))):
        if not _holds(header, request, plan, writer):
            continue
        stamped, given = header.eval.metadata or {}, header.eval.task_args_passed
        rejudged = stamped["rubric_digest"] != plan.rubric.digest
        if rejudged and plan.writer:
            continue
        if judge_name(header) != label or rejudged:
            others.append(header)
        elif moved := [name for name in _FILES if given.get(name) != plan.args.get(name)]:
            raise UserError(
                f"{request.log_dir} already holds these {plan.name} stories of {writer}. To continue, name the file as "
                f"before (--{moved[0]} {given.get(moved[0]) or 'left out'}), else choose another --log-dir"
            )
        elif header.status != "started":
            return header
    if others:
        named = " ".join(f"--judge {judge}" for judge in judges)
        how = "".join(f" --{name} {plan.args[name]}" for name in ("jury", "quorum") if name in plan.args)
        changed = how + "".join(f" --judge-option {setting}" for setting in settings_text(judges[0].config).split())
        on = f" --rubric {request.rubric}" if request.rubric else ""
        log = Path(others[0].location.removeprefix("file://"))
        stamped = others[0].eval.metadata or {}
        told = f"{judge_name(others[0])} on the rubric {stamped['rubric']} ({stamped['rubric_digest'][:8]})"
        place = str(request.log_dir)
        source = f"copy {log.name} here, and polaris-eval score ." if "://" in place else f"polaris-eval score {place}"
        raise UserError(
            f"{place} holds the {plan.name} stories of {writer} judged by {told}. "
            f"To have {label} judge the same stories without writing them again: "
            f"{source}/{log.name} {named}{changed}{on} --log-dir ANOTHER_FOLDER"
        )
    return None


def _holds(header: EvalLog, request: Request, plan: Planned, writer: str) -> bool:
    """Whether a log's stories are those of a plan: same benchmark, writer, settings and texts."""
    stamped = header.eval.metadata or {}
    if stamped.get("benchmark") != plan.name or (stamped.get("writer") or header.eval.model) != writer:
        return False
    asked = settings_text(GenerateConfig(**request.generate))
    return settings_text(header.eval.model_generate_config) == asked and _same_texts(header, plan)


def _same_texts(header: EvalLog, plan: Planned) -> bool:
    """Whether a log's stories or prompts have the same texts as a plan's, whatever path they were read from."""
    stamped, given, nothing = header.eval.metadata or {}, header.eval.task_args_passed, dict.fromkeys(_ELSEWHERE)
    if {**given, **nothing} != {**plan.args, **nothing}:
        return False
    if not plan.own_texts and not is_file(given.get("prompts")):
        return bool(given.get("prompts") == plan.args.get("prompts"))
    return bool(plan.samples().data == stamped.get("data_digest"))

"""Running: checks first, then a second try for stories that an earlier run left unscored, then Inspect's `eval_set`."""

from __future__ import annotations

import sys
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from inspect_ai import eval_set
from inspect_ai.log import EvalLog
from inspect_ai.model import GenerateConfig, Model

from ..errors import UserError
from ..inspect_seam import run_inspect, storage
from ..judge.kept import check_store
from ..judge.named import make_model, resolve_judges
from ..logs.headers import judge_label, judge_name, logs_in, read_header, settings_text
from ..logs.shards import shards_at
from .again import judge_again
from .planned import Planned, Request, plan_runs
from .samples import is_file, length_note

_FILES = ("rubric", "prompts", "stories")  # arguments that name files


def run(request: Request) -> list[str]:
    """Run what was asked and return the logs that hold it.

    Stories that exist in the log folder are not written again, and judged ones not judged again.

    Raises:
        UserError: anything that can be found wrong before the first call.
        KeyboardInterrupt: stopped by the user; what was finished is in the logs.
    """
    plans = list(plan_runs(request.benchmarks, request.stories, request.task_args, request.rubric))
    request = _sharded(request, plans)
    rubrics = {plan.name: plan.rubric for plan in plans}
    judges = resolve_judges(request.judges, rubrics, request.judge_config, request.judge_base_url)
    check_store(judges.values())
    for model in request.models:
        make_model(model, base_url=request.model_base_url, **request.model_args)
    _check_writable(str(request.log_dir))
    pairs = [(plan, writer) for plan in plans for writer in ([plan.writer] if plan.writer else request.models)]
    for plan, writer in pairs:
        _check_self_judging(request, writer, judges[plan.name])
    tasks = [plan.create(judges[plan.name]) for plan in plans]
    left = [_earlier(request, plan, writer, judges[plan.name]) for plan, writer in pairs]
    for (plan, _), header in zip(pairs, left, strict=True):
        if header is not None:
            judge_again(header, plan.rubric, judges[plan.name])
    for plan, task in zip(plans, tasks, strict=True):
        if note := length_note(plan.benchmark, list(task.dataset)):
            print(note, file=sys.stderr)
    _, results = run_inspect(
        eval_set,
        tasks=tasks,
        model=None if request.stories else list(request.models),
        model_args=dict(request.model_args),
        model_base_url=request.model_base_url,
        log_dir=str(request.log_dir),
        log_dir_allow_dirty=True,
        limit=request.limit,
        epochs=request.epochs,
        continue_on_fail=True,
        retry_attempts=1,
        display=request.display,
        **request.generate,
    )
    if len(results) < len(tasks) * (1 if request.stories else len(request.models)):
        raise KeyboardInterrupt  # eval_set answers Ctrl-C by returning fewer logs than tasks
    return [log.location for log in results]


def _sharded(request: Request, plans: Sequence[Planned]) -> Request:
    """The request of one shard of a run: its own folder among the logs, and its part of the limit.

    Raises:
        UserError: the same stories are there in other parts, or whole; they would be paid for twice.
    """
    shard, named = plans[0].shard, str(request.log_dir).rstrip("/")
    others = {found.of for found in shards_at(named)} - {shard.of if shard else 0}
    if others:
        raise UserError(
            f"{named} holds the parts of a run in {min(others)} shards; go on with --shard K/{min(others)}, or choose "
            "another --log-dir"
        )
    if shard is None:
        return request
    for header in _headers(named, skip="/shard-"):
        stamped, given = header.eval.metadata or {}, header.eval.task_args_passed
        for plan in plans:
            if stamped.get("benchmark") == plan.name and _same_texts(stamped, given, plan.whole()):
                raise UserError(
                    f"{named} holds {plan.name} stories that were not run in shards; leave --shard out to continue "
                    "them, or choose another --log-dir"
                )
    limit = None if request.limit is None else shard.limit(request.limit)
    if limit == 0:
        raise UserError(f"--shard {shard}: none of the first {request.limit} prompts is in it")
    return replace(request, log_dir=f"{named}/{shard.folder}", limit=limit)


def _check_writable(place: str) -> None:
    store, probe = storage(place), f"{place}/.{uuid.uuid4()}"
    try:
        store.makedirs(place, exist_ok=True)
        with store.open(probe, "wb") as file:
            file.write(b"\0" * 65536)
        store.rm(probe)
    except Exception as error:  # file systems far away have errors of their own
        why = getattr(error, "strerror", None) or " ".join(str(error).split()) or type(error).__name__
        raise UserError(f"{place}: logs cannot be written here ({why}); choose another --log-dir") from None


def _check_self_judging(request: Request, writer: str, judge: Model) -> None:
    if writer == str(judge) and not request.allow_self_judging:
        raise UserError(
            f"{judge} would judge its own stories, and models favour their own; choose another --judge, "
            "or add --allow-self-judging if that is what you study"
        )


def _earlier(request: Request, plan: Planned, writer: str, judge: Model) -> EvalLog | None:
    """Header of the log of these stories, judge and rubric, if an earlier run left one.

    Raises:
        UserError: the stories exist, but were judged by another judge or on another rubric, or come from the same file
            under another path; they would be written, and paid for, a second time.
    """
    label = judge_label(str(judge), judge.config)
    overrides = settings_text(GenerateConfig(**request.generate))
    others: list[EvalLog] = []
    for header in _headers(str(request.log_dir)):
        stamped, given = header.eval.metadata or {}, header.eval.task_args_passed
        if stamped.get("benchmark") != plan.name or (stamped.get("writer") or header.eval.model) != writer:
            continue
        rejudged = stamped["rubric_digest"] != plan.rubric.digest
        if settings_text(header.eval.model_generate_config) != overrides or (rejudged and plan.writer):
            continue
        if not _same_texts(stamped, given, plan):
            continue
        if judge_name(header) != label or rejudged:
            others.append(header)
        elif moved := [name for name in _FILES if given.get(name) != plan.args.get(name)]:
            raise UserError(
                f"{request.log_dir} holds these {plan.name} stories of {writer} already. To continue, name the file as "
                f"before (--{moved[0]} {given.get(moved[0]) or 'left out'}), else choose another --log-dir"
            )
        elif header.status != "started":
            return header
    if others:
        changed = "".join(f" --judge-option {setting}" for setting in settings_text(judge.config).split())
        on = f" --rubric {request.rubric}" if request.rubric else ""
        log = Path(others[0].location.removeprefix("file://"))
        stamped = others[0].eval.metadata or {}
        told = f"{judge_name(others[0])} on the rubric {stamped['rubric']} ({stamped['rubric_digest'][:8]})"
        raise UserError(
            f"{request.log_dir} holds the {plan.name} stories of {writer} judged by {told}. "
            f"To have {label} judge the same stories without writing them again: polaris-eval score "
            f"{request.log_dir}/{log.name} --judge {judge}{changed}{on} --log-dir ANOTHER_FOLDER"
        )
    return None


def _same_texts(stamped: Mapping[str, Any], given: Mapping[str, Any], plan: Planned) -> bool:
    """Whether a log's stories are, or are written for, the texts of a plan, whatever path they were read from."""
    nothing = dict.fromkeys(_FILES)
    if {**given, **nothing} != {**plan.args, **nothing}:
        return False
    if not plan.own_texts and not is_file(given.get("prompts")):
        return bool(given.get("prompts") == plan.args.get("prompts"))
    return bool(plan.samples().data == stamped.get("data_digest"))


def _headers(place: str, skip: str | None = None) -> list[EvalLog]:
    """Headers of the logs in a folder, without those whose path holds `skip`."""
    return [read_header(path) for path in logs_in(place) if skip is None or skip not in path]

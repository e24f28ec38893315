"""Running: checks first, then a second try for stories that an earlier run left unscored, then Inspect's `eval_set`."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from inspect_ai import eval_set
from inspect_ai.log import EvalLog
from inspect_ai.model import GenerateConfig, Model

from ..errors import UserError
from ..inspect_seam import run_inspect
from ..judge.kept import check_store
from ..judge.named import make_model, resolve_judges
from ..logs.headers import judge_label, judge_name, log_files, read_header, settings_text
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
    rubrics = {plan.name: plan.rubric for plan in plans}
    judges = resolve_judges(request.judges, rubrics, request.judge_config, request.judge_base_url)
    check_store(judges.values())
    for model in request.models:
        make_model(model, base_url=request.model_base_url, **request.model_args)
    _check_writable(request.log_dir)
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
        display=request.display,  # type: ignore[arg-type]
        **request.generate,
    )
    if len(results) < len(tasks) * (1 if request.stories else len(request.models)):
        raise KeyboardInterrupt  # eval_set answers Ctrl-C by returning fewer logs than tasks
    return [log.location for log in results]


def _check_writable(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as probe:
            probe.write(b"\0" * 65536)
            probe.flush()
    except OSError as error:
        raise UserError(f"{folder}: logs cannot be written here ({error.strerror}); choose another --log-dir") from None


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
    for header in _headers(request.log_dir):
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
            f"{request.log_dir / log.name} --judge {judge}{changed}{on} --log-dir ANOTHER_FOLDER"
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


def _headers(folder: Path) -> list[EvalLog]:
    return [read_header(path) for path in log_files([folder])] if any(folder.rglob("*.eval")) else []

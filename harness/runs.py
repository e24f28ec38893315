"""Running: checks first, then a second try for stories that an earlier run left unscored, then Inspect's `eval_set`."""

from __future__ import annotations

import inspect
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from inspect_ai import Task, eval_set, task_with
from inspect_ai import score as rescore
from inspect_ai._eval.registry import task_create
from inspect_ai._util.registry import registry_lookup
from inspect_ai.log import EvalLog, EvalSample, read_eval_log, recompute_metrics, write_eval_log
from inspect_ai.model import GenerateConfig, Model
from inspect_ai.model._model import init_model_roles

from ..rubrics import load_rubric
from .errors import UserError
from .judges import BENCHMARKS, PACKAGE, make_model, resolve_judges
from .logs import judge_label, judge_name, log_files, read_header, settings_text
from .scorers import KEPT, judged
from .stories import fingerprint, read_stories, stories_of
from .verdicts import check_store


@dataclass(frozen=True)
class Request:
    """What a user asked to run.

    `stories` replaces generation; without `benchmarks` all are run, and stories are judged on their own.
    `judges` names a judge by benchmark, with "" for all others; an option in `task_args` goes to the benchmarks
    that take it; `generate` overrides the tasks' settings.
    """

    models: tuple[str, ...]
    log_dir: Path
    benchmarks: tuple[str, ...] = ()
    judges: Mapping[str, str] = field(default_factory=dict)
    judge_config: GenerateConfig = field(default_factory=GenerateConfig)
    judge_base_url: str | None = None
    allow_self_judging: bool = False
    task_args: dict[str, Any] = field(default_factory=dict)
    stories: Path | None = None
    limit: int | None = None
    epochs: int | None = None
    generate: dict[str, Any] = field(default_factory=dict)
    model_args: dict[str, Any] = field(default_factory=dict)
    model_base_url: str | None = None
    display: str | None = None


@dataclass(frozen=True)
class Plan:
    """One benchmark to run: its task arguments, and in place of generation the `writer` whose stories are judged."""

    benchmark: str
    args: dict[str, Any]
    writer: str | None = None

    def create(self, judge: Model) -> Task:
        """The Inspect task, judged by `judge`."""
        roles: dict[str, Any] = {"grader": judge}
        init_model_roles(roles)  # the task looks for its judge as it is made
        task = task_create(f"{PACKAGE}/{self.benchmark}", **self.args)
        # progress lines have room for a short name only
        return task_with(task, name=self.benchmark, model_roles=roles)


def run(request: Request) -> list[str]:
    """Run what was asked and return the logs that hold it.

    Stories that exist in the log folder are not written again, and judged ones not judged again.

    Raises:
        UserError: anything that can be found wrong before the first call.
        KeyboardInterrupt: stopped by the user; what was finished is in the logs.
    """
    plans = list(plan_runs(request.benchmarks, request.stories, request.task_args))
    names = list(dict.fromkeys(plan.benchmark for plan in plans))
    judges = resolve_judges(request.judges, names, request.judge_config, request.judge_base_url)
    check_store(judges.values())
    for model in request.models:
        make_model(model, base_url=request.model_base_url, **request.model_args)
    _check_writable(request.log_dir)
    pairs = [(plan, writer) for plan in plans for writer in ([plan.writer] if plan.writer else request.models)]
    for plan, writer in pairs:
        _check_self_judging(request, writer, judges[plan.benchmark])
    tasks = [plan.create(judges[plan.benchmark]) for plan in plans]
    left = [_earlier(request, plan, writer, judges[plan.benchmark]) for plan, writer in pairs]
    for (plan, _), header in zip(pairs, left, strict=True):
        if header is not None:
            judge_again(header, judges[plan.benchmark])
    _, results = eval_set(
        tasks=tasks,
        model=None if request.stories else list(request.models),
        model_args=request.model_args,
        model_base_url=request.model_base_url,
        log_dir=str(request.log_dir),
        log_dir_allow_dirty=True,
        log_buffer=1,  # a story that was paid for is on disk before the next one
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


def plan_runs(benchmarks: Sequence[str], stories: Path | None, options: Mapping[str, Any]) -> Iterator[Plan]:
    """What has to be run: every benchmark asked for, or by default all, or those of the stories.

    Raises:
        UserError: an unknown benchmark, or an option that no benchmark to be run takes.
    """
    for name in benchmarks:
        if name not in BENCHMARKS:
            raise UserError(f"unknown benchmark {name!r}; known: {', '.join(BENCHMARKS)}")
    found = read_stories(stories) if stories else []
    own = bool(found) and not benchmarks
    chosen = {story.benchmark for story in found} if own else set(benchmarks or BENCHMARKS)
    unknown = chosen - set(BENCHMARKS)
    if unknown:
        raise UserError(f"{stories}: unknown benchmark {min(unknown)!r} in a story; known: {', '.join(BENCHMARKS)}")
    names = [name for name in BENCHMARKS if name in chosen]
    takes = {name: _defaults(name) for name in names}
    for option in options:
        if stories and option != "disqualify":
            raise UserError(f"--{option.replace('_', '-')} is about writing; leave it out with --stories")
        if not any(option in defaults for defaults in takes.values()):
            raise UserError(f"--{option.replace('_', '-')} means nothing to {', '.join(names)}")
    for name in names:
        # Inspect knows a task by its arguments: naming a default must not make another task of it
        args = {k: v for k, v in options.items() if k in takes[name] and v != takes[name][k]}
        if stories is None:
            yield Plan(name, args)
            continue
        args |= {"stories": str(stories.resolve())} | ({"own": True} if own else {})
        for writer in dict.fromkeys(story.model for story in stories_of(found, None, name if own else None)):
            yield Plan(name, {**args, "writer": writer}, writer)


def _defaults(benchmark: str) -> dict[str, Any]:
    task: Any = registry_lookup("task", f"{PACKAGE}/{benchmark}")
    return {name: parameter.default for name, parameter in inspect.signature(task).parameters.items()}


def judge_again(header: EvalLog, judge: Model) -> int:
    """Judge the unscored stories of a log once more, in place, without writing them again.

    Returns:
        How many stories were asked about.
    """
    log = read_eval_log(header.location)
    samples = log.samples or []
    left = [sample for sample in samples if _unscored(sample)]
    if not left:
        return 0
    print(f"{len(left)} stories were left unscored last time; asking {judge} again", file=sys.stderr)
    stamped = log.eval.metadata or {}
    scorer = judged(stamped["rubric"], disqualify=bool(log.eval.task_args.get("disqualify")))
    subset = log.model_copy(update={"samples": [_with_kept_replies(sample) for sample in left]})
    scored = rescore(subset, [scorer], action="overwrite", model_roles={"grader": judge}, display="none")
    fresh = {(sample.id, sample.epoch): sample for sample in scored.samples or []}
    for sample in samples:
        again = fresh.get((sample.id, sample.epoch))
        if again is not None and sample.scores is not None and again.scores:
            sample.scores["judged"] = again.scores["judged"]
    recompute_metrics(log)
    location = Path(header.location.removeprefix("file://"))
    whole = location.with_suffix(".new")
    write_eval_log(log, str(whole), format="eval")
    whole.replace(location)
    return len(left)


def _unscored(sample: EvalSample) -> bool:
    found = (sample.scores or {}).get("judged")
    return found is not None and (found.metadata or {}).get("status") == "unscored"


def _with_kept_replies(sample: EvalSample) -> EvalSample:
    """The sample with the replies on those of its criteria that were judged: only the others are asked again."""
    criteria = ((sample.scores or {})["judged"].metadata or {}).get("criteria")
    if not criteria:
        return sample
    kept = [criterion["reply"] for criterion in criteria]
    return sample.model_copy(update={"metadata": {**(sample.metadata or {}), KEPT: kept}})


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


def _earlier(request: Request, plan: Plan, writer: str, judge: Model) -> EvalLog | None:
    """Header of the log of these stories and this judge, if an earlier run left one.

    Raises:
        UserError: the stories exist, but another judge read them; they would be written, and paid for, a second
            time.
    """
    rubric_digest = load_rubric(plan.benchmark).digest
    data = None
    if request.stories:
        own = plan.benchmark if plan.args.get("own") else None
        data = fingerprint(stories_of(read_stories(request.stories), writer, own))
    label = judge_label(str(judge), judge.config)
    overrides = settings_text(GenerateConfig(**request.generate))
    others: list[EvalLog] = []
    for header in _headers(request.log_dir):
        stamped, given = header.eval.metadata or {}, header.eval.task_args_passed
        same = stamped.get("benchmark") == plan.benchmark and (stamped.get("writer") or header.eval.model) == writer
        same = same and stamped["rubric_digest"] == rubric_digest and data in (None, stamped.get("data_digest"))
        if not same or given != plan.args or settings_text(header.eval.model_generate_config) != overrides:
            continue
        if judge_name(header) != label:
            others.append(header)
        elif header.status != "started":
            return header
    if others:
        changed = "".join(f" --judge-option {setting}" for setting in settings_text(judge.config).split())
        log = Path(others[0].location.removeprefix("file://"))
        raise UserError(
            f"{request.log_dir} holds the {plan.benchmark} stories of {writer} judged by {judge_name(others[0])}. "
            f"To have {label} judge the same stories without writing them again: polaris-eval score "
            f"{request.log_dir / log.name} --judge {judge}{changed} --log-dir ANOTHER_FOLDER"
        )
    return None


def _headers(folder: Path) -> list[EvalLog]:
    return [read_header(path) for path in log_files([folder])] if any(folder.rglob("*.eval")) else []

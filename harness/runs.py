"""Running: checks first, then Inspect's `eval_set`, then a second try for stories the judge left unscored."""

from __future__ import annotations

import importlib.util
import os
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from inspect_ai import eval_set
from inspect_ai import score as rescore
from inspect_ai._util.registry import registry_find, registry_info
from inspect_ai.log import EvalLog, EvalSample, read_eval_log, recompute_metrics, write_eval_log
from inspect_ai.model import GenerateConfig, Model, get_model

from ..rubrics import JudgeSettings, load_rubric
from .errors import PrerequisiteError, UserError, need_extra, plain_message
from .scorers import judged
from .stories import fingerprint, read_stories
from .table import judge_label, judge_name, log_files, read_header, settings_text

PACKAGE = "polaris_eval"
KEYS = {
    "openai": "OPENAI_API_KEY",
    "anthropic": "ANTHROPIC_API_KEY",
    "google": "GOOGLE_API_KEY",
}


@dataclass(frozen=True)
class Request:
    """What a user asked to run. `stories` replaces generation; `generate` overrides the task's settings."""

    models: tuple[str, ...]
    log_dir: Path
    benchmarks: tuple[str, ...] = ("story_quality",)
    judge: str | None = None
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


def benchmarks() -> list[str]:
    """Names of the benchmarks that are installed, as Inspect's registry has them."""
    found = registry_find(lambda info: info.type == "task" and info.name.startswith(f"{PACKAGE}/"))
    return sorted(registry_info(task).name.removeprefix(f"{PACKAGE}/") for task in found)


def run(request: Request) -> list[str]:
    """Run what was asked and return the logs that hold it.

    Stories that exist in the log folder are not written again, and judged ones not judged again.

    Raises:
        UserError: anything that can be found wrong before the first call.
        KeyboardInterrupt: stopped by the user; what was finished is in the logs.
    """
    known = benchmarks()
    for name in request.benchmarks:
        if name not in known:
            raise UserError(f"unknown benchmark {name!r}; known: {', '.join(known)}")
    judges = {name: resolve_judge(request, name) for name in request.benchmarks}
    for model in request.models:
        make_model(model, base_url=request.model_base_url, **request.model_args)
    _check_writable(request.log_dir)
    plans = [(name, args) for name in request.benchmarks for args in _task_args(request)]
    for name, args in plans:
        for writer in [args["writer"]] if "writer" in args else request.models:
            _check_self_judging(request, writer, judges[name])
            _continue(request, name, args, writer, judges[name])
    logs: list[str] = []
    for name, args in plans:
        _, results = eval_set(
            tasks=f"{PACKAGE}/{name}",
            task_args=args,
            model=None if request.stories else list(request.models),
            model_args=request.model_args,
            model_base_url=request.model_base_url,
            model_roles={"grader": judges[name]},
            log_dir=str(request.log_dir),
            log_dir_allow_dirty=True,
            limit=request.limit,
            epochs=request.epochs,
            continue_on_fail=True,
            retry_attempts=1,
            display=request.display,  # type: ignore[arg-type]
            **request.generate,
        )
        if len(results) < (1 if request.stories else len(request.models)):
            raise KeyboardInterrupt  # eval_set answers Ctrl-C by returning fewer logs than tasks
        logs += [log.location for log in results]
    return logs


def resolve_judge(request: Request, benchmark: str) -> Model:
    """The judge of a benchmark: the one asked for, else the paper's; never the model under test by default.

    Raises:
        UserError: no such model, or no key for it.
    """
    paper = load_rubric(benchmark).judge
    name = request.judge or paper.model
    if request.judge is None:
        _check_paper_judge(benchmark, paper)
    return make_model(name, config=request.judge_config, base_url=request.judge_base_url)


def make_model(name: str, config: GenerateConfig | None = None, base_url: str | None = None, **args: Any) -> Model:
    """A model by name. Raises UserError with one line: unknown name, no key, a missing package."""
    # Inspect looks for vLLM only when the first story is due
    local_vllm = name.startswith("vllm/") and not (base_url or os.environ.get("VLLM_BASE_URL"))
    if local_vllm and importlib.util.find_spec("vllm") is None:
        raise need_extra("vllm", "vllm")
    try:
        return get_model(name, config=config or GenerateConfig(), base_url=base_url, memoize=False, **args)
    except ValueError as error:
        raise UserError(
            f"{error} Model names are PROVIDER/MODEL, for example openai/gpt-5.4, vllm/NAME or {PACKAGE}/local."
        ) from None
    except UserError:
        raise
    except PrerequisiteError as error:
        raise UserError(f"{name}: {plain_message(error)}") from None
    except (ImportError, TypeError) as error:
        raise UserError(f"{name}: {error}") from None


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
    scorer = judged(stamped["benchmark"], disqualify=bool(log.eval.task_args.get("disqualify")))
    subset = log.model_copy(update={"samples": left})
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


def _check_paper_judge(benchmark: str, paper: JudgeSettings) -> None:
    key = KEYS[paper.model.partition("/")[0]]
    if not os.environ.get(key):
        raise UserError(
            f"{benchmark} needs a judge: the paper's is {paper.model}, which needs {key}, and that is not set. "
            f"Set it, or name another judge with --judge ({PACKAGE}/lexical is an offline proxy, to try things out)."
        )


def _task_args(request: Request) -> Iterator[dict[str, Any]]:
    if request.stories is None:
        yield request.task_args
        return
    for writer in dict.fromkeys(story.model for story in read_stories(request.stories)):
        yield {**request.task_args, "stories": str(request.stories.resolve()), "writer": writer}


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


def _continue(request: Request, benchmark: str, args: dict[str, Any], writer: str, judge: Model) -> None:
    """Prepare to go on where an earlier run stopped.

    Stories that the same judge left unscored are judged again. Where the stories exist but another judge
    read them, refuse: they would be written, and paid for, a second time.
    """
    others: list[str] = []
    rubric_digest = load_rubric(benchmark).digest
    data = fingerprint([s for s in read_stories(request.stories) if s.model == writer]) if request.stories else None
    label = judge_label(str(judge), judge.config)
    for header in _headers(request.log_dir):
        stamped, given = header.eval.metadata or {}, header.eval.task_args_passed
        same = stamped.get("benchmark") == benchmark and (stamped.get("writer") or header.eval.model) == writer
        overrides = header.eval.model_generate_config
        same = same and stamped["rubric_digest"] == rubric_digest and data in (None, stamped.get("data_digest"))
        if not same or given != args or settings_text(overrides) != settings_text(GenerateConfig(**request.generate)):
            continue
        if judge_name(header) != label:
            others.append(judge_name(header))
        elif header.status != "started":
            judge_again(header, judge)
            return
    if others:
        raise UserError(
            f"{request.log_dir} holds these stories of {writer} judged by {others[0]}. To have {label} judge the same "
            f"stories without writing them again: polaris-eval score {request.log_dir} --judge {judge} "
            "--log-dir ANOTHER_FOLDER"
        )


def _headers(folder: Path) -> list[EvalLog]:
    return [read_header(path) for path in log_files([folder])] if any(folder.rglob("*.eval")) else []

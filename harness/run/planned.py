"""The user's request for a run, and the Inspect tasks that it results in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from inspect_ai import Task, task_with
from inspect_ai.model import GenerateConfig, Model

from ...rubrics import Rubric, load_rubric
from ..benchmarks import Benchmark, benchmarks, find_benchmark
from ..errors import UserError
from ..inspect_seam import create_task, grader_role
from ..judge.jury import SCALES, check_jury
from ..judge.named import PACKAGE
from ..logs.headers import HF, OPEN_PROVIDERS
from ..logs.shards import Shard, parse_shard
from ..logs.stories import Story, read_stories, stories_of
from .samples import Samples, check_criteria, is_file, prompts_of, stories_samples

_REASONING, _NO_REASONING = ("reasoning_effort", "reasoning_tokens"), (HF, PACKAGE)
_OTHERS_PROMPTS = (Story.benchmark,)  # run by default if the rubric or the prompts are the user's own


@dataclass(frozen=True)
class Request:
    """The user's request for a run.

    `stories` replaces generation; without `benchmarks` all are run, and each story is judged on its own benchmark.
    `rubric` replaces the benchmarks' rubrics. `log_dir` may be remote, such as `s3://bucket/logs`. `judges` names the
    judges by benchmark ("" for all others): one, or a jury; `jury` is its scale (see `judge.jury`), `quorum` the number
    of verdicts needed for a score. Options in `task_args` go to the benchmarks that accept them; `generate` overrides
    the tasks' settings. `display` is one of Inspect's displays; by default there is a line per benchmark.
    """

    models: tuple[str, ...]
    log_dir: Path | str
    benchmarks: tuple[str, ...] = ()
    rubric: str | None = None
    judges: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    jury: str = SCALES[0]
    quorum: int | None = None
    judge_config: GenerateConfig = field(default_factory=GenerateConfig)
    judge_base_url: str | None = None
    allow_self_judging: bool = False
    task_args: Mapping[str, Any] = field(default_factory=dict)
    stories: Path | None = None
    limit: int | None = None
    epochs: int | None = None
    generate: Mapping[str, Any] = field(default_factory=dict)
    model_args: Mapping[str, Any] = field(default_factory=dict)
    model_base_url: str | None = None
    display: str | None = None


def judging(
    stories: Path,
    judge: str,
    log_dir: Path,
    benchmark: str,
    rubric: str | None,
    config: GenerateConfig,
    base_url: str | None,
    max_connections: int | None,
) -> Request:
    """The request to have one judge mark a file of stories, for commands that study judges rather than writers."""
    return Request(
        models=(),
        log_dir=log_dir,
        benchmarks=(benchmark,),
        rubric=rubric,
        judges={"": (judge,)},
        judge_config=config,
        judge_base_url=base_url,
        allow_self_judging=True,  # the judge is being studied, on its own stories too
        stories=stories,
        generate={"max_connections": max_connections} if max_connections else {},
    )


@dataclass(frozen=True)
class Planned:
    """One benchmark to run: its task arguments, and the `writer` if existing stories are judged."""

    benchmark: Benchmark
    rubric: Rubric
    args: Mapping[str, Any]
    writer: str | None = None

    @property
    def name(self) -> str:
        """The name of the benchmark."""
        return self.benchmark.name

    def create(self, judges: Sequence[Model]) -> Task:
        """The Inspect task, judged by all of `judges`."""
        task = create_task(f"{PACKAGE}/{self.name}", judges, **self.args)
        # progress lines only have room for a short name
        return task_with(task, name=self.name, model_roles=grader_role(judges))

    def judged_by(self, judges: Sequence[Model], scale: str, quorum: int | None) -> Planned:
        """The same plan with the arguments needed for a jury of these judges; a single judge needs none.

        Raises:
            UserError: if the jury, scale or quorum is invalid.
        """
        check_jury([str(judge) for judge in judges], scale, quorum if len(judges) > 1 else None)
        given = {"jury": scale if scale != SCALES[0] else None, "quorum": quorum if quorum != len(judges) else None}
        jury = {name: value for name, value in given.items() if value is not None and len(judges) > 1}
        return replace(self, args={**self.args, **jury})

    def samples(self) -> Samples:
        """The samples to run over; no judge is needed."""
        asked = {name: self.args.get(name) for name in ("prompts", "split", "language", "iterations")}
        if "stories" in self.args:
            file, own = self.args["stories"], self.args.get("own", False)
            found = stories_samples(self.benchmark, file, self.writer, own, None)
        else:
            found = prompts_of(self.benchmark, **asked)
        check_criteria(self.benchmark, self.rubric, found.samples)
        return found

    def whole(self) -> Planned:
        """The same plan with all samples."""
        return replace(self, args={name: value for name, value in self.args.items() if name != "shard"})

    @property
    def shard(self) -> Shard | None:
        """The shard of the samples to run, or None for all samples."""
        return parse_shard(self.args["shard"]) if "shard" in self.args else None

    @property
    def own_texts(self) -> bool:
        """Whether the stories or prompts come from a file that the user may have edited since."""
        return "stories" in self.args or is_file(self.args.get("prompts"))


def plan_runs(
    names: Sequence[str], stories: Path | None, options: Mapping[str, Any], rubric: str | None = None
) -> Iterator[Planned]:
    """Yield what has to be run: the requested benchmarks, or by default all, or those of the stories.

    Args:
        names: the requested benchmarks.
        stories: file, log or folder of stories that replace generation.
        options: task arguments; each goes to the benchmarks that accept it.
        rubric: name or file of a rubric that replaces the benchmarks' own.

    Raises:
        UserError: if a benchmark is unknown, or no benchmark to be run accepts an option.
        RubricError: if the rubric must not be used.
    """
    known = benchmarks()
    for name in names:
        find_benchmark(name)
    if rubric is not None and load_rubric(rubric).pairs:
        raise UserError(f"the rubric {load_rubric(rubric).name} compares two stories: it is for polaris-eval arena")
    found = read_stories(stories) if stories else []
    own = bool(found) and not names
    by_default = _OTHERS_PROMPTS if rubric or is_file(options.get("prompts")) else tuple(known)
    chosen = {story.benchmark for story in found} if own else {*(names or by_default)}
    if unknown := chosen - known.keys():
        raise UserError(f"{stories}: unknown benchmark {min(unknown)!r} in a story; known: {', '.join(known)}")
    picked = [benchmark for name, benchmark in known.items() if name in chosen]
    rubrics = {benchmark.name: load_rubric(rubric or benchmark.rubric) for benchmark in picked}
    takes = {benchmark.name: _takes(benchmark, rubrics[benchmark.name]) for benchmark in picked}
    for option, value in options.items():
        if stories and option not in ("disqualify", "shard"):
            raise UserError(f"--{option.replace('_', '-')} is about writing; leave it out with --stories")
        if not any(option in defaults for defaults in takes.values()):
            raise UserError(f"--{option.replace('_', '-')} does not apply to {', '.join(takes)}")
        if option == "prompts" and not any(_has_set(benchmark, value) for benchmark in picked):
            picked[0].choose(value)
    if is_file(options.get("prompts")):
        options = {**options, "prompts": str(Path(options["prompts"]).resolve())}
    for benchmark in picked:
        name, used = benchmark.name, rubrics[benchmark.name]
        # Inspect identifies a task by its arguments: passing a default value must not make it a different task
        args = {k: v for k, v in options.items() if k in takes[name] and v != takes[name][k]}
        if "prompts" in args and not _has_set(benchmark, args["prompts"]):
            del args["prompts"]
        splits = benchmark.sets.get(args.get("prompts", ""), ())
        if splits and args.get("split") == splits[0]:
            del args["split"]
        if used.digest != benchmark.load_rubric().digest:
            args["rubric"] = used.source
        if stories is None:
            yield Planned(benchmark, used, args)
            continue
        args |= {"stories": str(stories.resolve())} | ({"own": True} if own else {})
        for writer in dict.fromkeys(story.model for story in stories_of(found, None, name if own else None)):
            yield Planned(benchmark, used, {**args, "writer": writer}, writer)


def unheard(models: Sequence[str], plans: Sequence[Planned], generate: Mapping[str, Any]) -> Iterator[str]:
    """Notes on writing settings that a model's provider does not obey, one per model that has any."""
    usual = dict.fromkeys(name for plan in plans for name in plan.benchmark.body)
    for model in models:
        provider = model.partition("/")[0]
        deaf = [] if provider in OPEN_PROVIDERS else list(usual)
        deaf += [name for name in _REASONING if name in generate] if provider in _NO_REASONING else []
        if deaf:
            named = ", ".join(name.replace("_", " ") for name in deaf)
            yield f"{model}: stories are written without {named}, which {provider} is not known to obey"


def _has_set(benchmark: Benchmark, prompts: str) -> bool:
    return prompts in benchmark.sets or (is_file(prompts) and benchmark.any_prompt)


def _takes(benchmark: Benchmark, rubric: Rubric) -> dict[str, Any]:
    """The options that apply to a benchmark judged with a rubric, with their defaults."""
    gate = {"disqualify": False} if rubric.rule.gate else {}
    return {**benchmark.defaults(), "repetition_penalty": None, "shard": None, **gate}

"""A benchmark as an Inspect task: its prompts or stories, a solver, the scorers, and the stamps that tables read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from inspect_ai import Task, task
from inspect_ai.model import GenerateConfig

from ...harness.benchmarks import Benchmark
from ...harness.judge.jury import SCALES, check_jury
from ...harness.logs.headers import OPEN_PROVIDERS
from ...harness.logs.shards import parse_shard
from ...harness.run.samples import check_criteria, prompts_of, stories_samples
from ...harness.scorers import graders, judged, length_adherence, repetition, surface
from ...rubrics import load_rubric
from ..writing import MAX_RETRIES, recorded, write

VERSION = 1


def benchmark_task(benchmark: Benchmark) -> Callable[..., Task]:
    """Register the Inspect task `polaris_eval/NAME` of a benchmark."""

    @task(name=benchmark.name)
    def build(
        prompts: str | None = None,
        split: str | None = None,
        language: str | None = None,
        iterations: int | None = None,
        data_dir: str | None = None,
        stories: str | None = None,
        writer: str | None = None,
        own: bool = False,
        rubric: str | None = None,
        judge: str | list[str] | None = None,
        jury: str = SCALES[0],
        quorum: int | None = None,
        repetition_penalty: float | None = None,
        disqualify: bool = False,
        shard: str | None = None,
    ) -> Task:
        """Write and judge the stories of a benchmark; also measure length adherence and repetition.

        Args:
            prompts: one of the benchmark's prompt sets, or (if it accepts any) a JSONL file of prompts.
            split: split of the prompt set.
            language: one of the benchmark's languages, or `all`.
            iterations: texts per prompt, if the benchmark has several.
            data_dir: folder with copies of the files that prompts are read from.
            stories: stories file, log or folder of logs; replaces generation.
            writer: with `stories`, judge this model's stories only.
            own: with `stories`, leave out those that were written for another benchmark.
            rubric: name or file of a rubric, instead of the benchmark's own.
            judge: judging model, or several for a jury; by default the model role `grader`, which is then required.
            jury: how tables put a jury's scores on one scale, mean or zscore (Inspect's own metrics are plain means).
            quorum: how many of a jury's verdicts are needed for a score; by default all of them.
            repetition_penalty: for writing; if given, sent to any provider.
            disqualify: apply the rubric's optional disqualification gate.
            shard: K/N, every Nth prompt starting at the Kth; tables combine the parts.
        """
        part = parse_shard(shard) if shard else None
        chosen = load_rubric(rubric or benchmark.rubric)
        theirs = chosen.digest == benchmark.load_rubric().digest
        # refuse now, before the first story is paid for
        named = [judge] if isinstance(judge, str) else judge or [str(member) for member in graders(None).members]
        check_jury(named, jury, quorum)
        scorers = [
            judged(chosen.source, judge, disqualify, quorum),
            length_adherence(benchmark.length_score == "longbench"),
            repetition(),
            surface(),
        ]
        if stories is None:
            found = prompts_of(benchmark, prompts, split, language, iterations, data_dir)
        else:
            found = stories_samples(benchmark, stories, writer, own, data_dir)
        check_criteria(benchmark, chosen, found.samples)
        given = {} if repetition_penalty is None else {"repetition_penalty": repetition_penalty}
        stamps: dict[str, Any] = {
            "benchmark": benchmark.name,
            "title": benchmark.title if theirs else f"{chosen.title} (benchmark {benchmark.title})",
            "rubric": chosen.name,
            "rubric_digest": chosen.digest,
            "rubric_text": chosen.text,
            "headline": "score",
            "scale": chosen.scale,
            "split": benchmark.domain,
            "prompts": found.name,
            "prompts_digest": found.digest,
            "data_digest": found.data,
            "usual": dict(benchmark.body),
            "usual_for": list(OPEN_PROVIDERS),
            "writer": writer,
            "settings": found.settings,
            "shard": str(part) if part else None,
        }
        return Task(
            dataset=part.take(found.samples) if part else found.samples,
            solver=recorded() if stories is not None else write(dict(benchmark.body), given),
            scorer=scorers,
            config=benchmark.config.merge(GenerateConfig(max_retries=MAX_RETRIES)),
            # a log is resumed only if task, rubric and data are the ones it was made with
            version=f"{VERSION}+{chosen.digest[:8]}.{found.data[:8]}",
            metadata=stamps,
        )

    return build

"""The benchmarks on the Story Quality prompts: Story Quality itself, and EQ-Bench LongForm."""

from __future__ import annotations

from inspect_ai import Task, task

from .benchmark import PENALTY, POLICY, benchmark, check_language
from .prompts import prompt_samples


@task
def story_quality(
    prompts: str = "mini",
    split: str = "test",
    data_dir: str | None = None,
    language: str = "en",
    stories: str | None = None,
    writer: str | None = None,
    own: bool = False,
    judge: str | None = None,
    repetition_penalty: float | None = None,
    disqualify: bool = False,
) -> Task:
    """Story Quality, with length adherence and repetition beside it.

    Args:
        prompts: prompt set, `mini` or `official`.
        split: `test` or `train` of the official prompts.
        data_dir: folder with a copy of the official dataset, itself or as its subfolder POLARIS.
        language: `en`; there are no prompts in others.
        stories: stories file, log or folder of logs; replaces generation.
        writer: with `stories`, judge this model's stories only.
        own: with `stories`, leave out those that were written for another benchmark.
        judge: judging model; by default the model role `grader`, which is then required.
        repetition_penalty: for writing; by default 1.10 where the provider takes it.
        disqualify: apply the rubric's optional disqualification gate.
    """
    return _on_the_prompts("story_quality", prompts, split, data_dir, language, stories=stories, writer=writer, own=own,
                           judge=judge, repetition_penalty=repetition_penalty, disqualify=disqualify)  # fmt: skip


@task
def eqbench_longform(
    prompts: str = "mini",
    split: str = "test",
    data_dir: str | None = None,
    language: str = "en",
    stories: str | None = None,
    writer: str | None = None,
    own: bool = False,
    judge: str | None = None,
    repetition_penalty: float | None = None,
) -> Task:
    """EQ-Bench LongForm, adapted to stories written in one go, on the Story Quality prompts.

    Args: as of `story_quality`.
    """
    return _on_the_prompts("eqbench_longform", prompts, split, data_dir, language, stories=stories, writer=writer,
                           own=own, judge=judge, repetition_penalty=repetition_penalty)  # fmt: skip


def _on_the_prompts(
    name: str, prompts: str, split: str, data_dir: str | None, language: str, **options: object
) -> Task:
    check_language(name, language, ("en", "all"))
    return benchmark(
        name,
        lambda: prompt_samples(prompts, split, data_dir),
        f"official/{split}" if prompts == "official" else prompts,
        "ID",
        config=POLICY,
        extra_body=PENALTY,
        fixed=False,
        **options,  # type: ignore[arg-type]
    )

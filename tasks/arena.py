"""The arena as an Inspect task: compare every two models' stories for a prompt, in both orders."""

from __future__ import annotations

from pathlib import Path

from inspect_ai import Task, task
from inspect_ai.model import GenerateConfig

from ..harness.arena.entries import RUBRIC, possible_matches, read_entries
from ..harness.logs.pairs import ARENA
from ..harness.scorers import compared, grader
from ..rubrics import load_rubric
from .writing import MAX_RETRIES, paired

VERSION = 1


@task
def arena(
    stories: str | list[str],
    truncate: int | None = None,
    benchmark: str | None = None,
    rubric: str = RUBRIC,
    judge: str | None = None,
) -> Task:
    """Compare the stories of every two models on the prompts that both have, each pair in both orders.

    Args:
        stories: stories files, logs or folders of logs (several: a list, or separated by commas).
        truncate: judge only the first N characters of each story; by default all of it.
        benchmark: only stories that were written for this benchmark.
        rubric: name or file of a pairwise rubric.
        judge: judging model; by default the model role `grader`, which is then required.
    """
    chosen = load_rubric(rubric)
    if judge is None:
        grader(None)  # refuse now, before the first call
    sources = [Path(place) for place in (stories.split(",") if isinstance(stories, str) else stories)]
    matches = possible_matches(read_entries(sources, truncate, benchmark))
    return Task(
        dataset=[sample for pair in matches.values() for match in pair for sample in match.samples()],
        solver=paired(),
        scorer=compared(chosen.source, judge),
        config=GenerateConfig(max_retries=MAX_RETRIES),
        version=f"{VERSION}+{chosen.digest[:8]}",
        metadata={
            "benchmark": ARENA,
            "title": chosen.title,
            "rubric": chosen.name,
            "rubric_digest": chosen.digest,
            "rubric_text": chosen.text,
            "headline": "score",
            "scale": chosen.scale,
            "truncate": truncate,
        },
    )

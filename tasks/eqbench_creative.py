"""EQ-Bench Creative Writing v3: 32 prompts, each with seed modifiers, three iterations."""

from __future__ import annotations

import json
from typing import Any

from inspect_ai import Task, task
from inspect_ai.dataset import Sample
from inspect_ai.model import GenerateConfig

from ..harness.errors import UserError
from .benchmark import benchmark, check_language
from .sources import load, rows

NAME = "eqbench_creative"
SEED = "<SEED>"


@task
def eqbench_creative(
    iterations: int = 3,
    data_dir: str | None = None,
    language: str = "en",
    stories: str | None = None,
    writer: str | None = None,
    own: bool = False,
    judge: str | None = None,
    repetition_penalty: float | None = None,
) -> Task:
    """EQ-Bench Creative Writing v3. Upstream's settings: temperature 0.7, min_p 0.1, three iterations.

    Args:
        iterations: stories for each prompt, each with the next seed modifier; ids are PROMPT-ITERATION.
        data_dir: folder with the prompt file, in place of the user's cache.
        language: `en`; there are no prompts in others.
        stories, writer, own, judge, repetition_penalty: as of `story_quality`; a story's id, or `prompt_id` in
            its metadata, must be of this benchmark.
    """
    check_language(NAME, language, ("en", "all"))
    return benchmark(
        NAME,
        lambda: samples(iterations, data_dir),
        f"v3, {iterations} iterations",
        "OOD",
        config=GenerateConfig(temperature=0.7),
        extra_body={"min_p": 0.1},
        fixed=True,
        stories=stories,
        writer=writer,
        own=own,
        judge=judge,
        repetition_penalty=repetition_penalty,
    )


def samples(iterations: int, data_dir: str | None) -> list[Sample]:
    """All prompts of the first iteration, then all of the second, …

    In iteration i `<SEED>` is replaced by modifier (i - 1) mod n of the prompt's n. The iterations of a prompt
    are samples that share a `prompt_id`, so that each is a text of its own and statistics see one cluster.
    """
    if iterations < 1:
        raise UserError(f"{NAME}: iterations must be at least 1, got {iterations}")
    prompts: dict[str, dict[str, Any]] = rows(NAME, load(NAME, data_dir), json.loads)
    return [_sample(key, entry, i) for i in range(1, iterations + 1) for key, entry in prompts.items()]


def _sample(key: str, entry: dict[str, Any], iteration: int) -> Sample:
    modifiers = entry["seed_modifiers"]
    modifier = modifiers[(iteration - 1) % len(modifiers)]
    return Sample(
        input=entry["writing_prompt"].replace(SEED, modifier),
        id=f"{key}-{iteration}",
        metadata={
            "prompt_id": key,
            "target_words": None,
            "category": entry["category"],
            "title": entry["title"],
            "iteration": iteration,
            "seed_modifier": modifier,
        },
    )

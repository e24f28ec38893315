"""EQ-Bench Creative Writing v3: 32 prompts, each with seed modifiers, three iterations."""

from __future__ import annotations

import json
from typing import Any

from inspect_ai.dataset import Sample
from inspect_ai.model import GenerateConfig

from ....harness.benchmarks import Benchmark, Choice
from ....harness.sources import parsed, read_sources

NAME = "eqbench_creative"
SEED = "<SEED>"
_SOURCES = read_sources(__package__)


def samples(choice: Choice) -> list[Sample]:
    """All prompts of the first iteration, then all of the second, …; ids are PROMPT-ITERATION.

    In iteration i `<SEED>` is replaced by modifier (i - 1) mod n of the prompt's n. The iterations of a prompt
    are separate samples with the same `prompt_id`, so statistics treat them as one cluster.
    """
    prompts: dict[str, dict[str, Any]] = parsed(_SOURCES[NAME], json.loads, choice.folder)
    iterations = range(1, (choice.iterations or 1) + 1)
    return [_sample(key, entry, i) for i in iterations for key, entry in prompts.items()]


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


BENCHMARK = Benchmark(
    name=NAME,
    title="EQ-Bench Creative v3",
    rubric=NAME,
    prompts=samples,
    sets={"v3": ()},
    iterations=3,
    config=GenerateConfig(temperature=0.7),
    body={"min_p": 0.1},
    sources=tuple(_SOURCES.values()),
    order=3,
)

"""LongBench-Write: 120 requests of 100 to 20,000 words in two languages; quality judged, length computed."""

from __future__ import annotations

from typing import Any

from inspect_ai.dataset import Sample

from ....harness.benchmarks import Benchmark, Choice
from ....harness.sources import json_lines, parsed, read_sources
from ...writing import PENALTY, POLICY

NAME = "longbench_write"
_SOURCES = read_sources(__package__)


def samples(choice: Choice) -> list[Sample]:
    """The prompts of a language; ids are positions in the file of all languages, from 1."""
    everything: list[dict[str, Any]] = parsed(_SOURCES[NAME], json_lines, choice.folder)
    every = choice.language == "all"
    listed: list[dict[str, Any]] = [] if every else parsed(_SOURCES[f"{NAME}_en"], json_lines, choice.folder)
    english = {entry["prompt"] for entry in listed}
    return [
        Sample(
            input=entry["prompt"],
            id=str(number),
            metadata={"prompt_id": str(number), "target_words": entry["length"], "category": entry["type"]},
        )
        for number, entry in enumerate(everything, 1)
        if every or (entry["prompt"] in english) == (choice.language == "en")
    ]


BENCHMARK = Benchmark(
    name=NAME,
    title="LongBench-Write",
    rubric=NAME,
    prompts=samples,
    sets={"LongBench-Write": ()},
    languages=("all", "en", "zh"),
    config=POLICY,
    body=PENALTY,
    length_score="longbench",
    sources=tuple(_SOURCES.values()),
    order=5,
)

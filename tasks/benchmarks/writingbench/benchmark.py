"""WritingBench, domain D4 (Literature & Arts): five criteria of its own for every query, one judge call each."""

from __future__ import annotations

from typing import Any

from inspect_ai.dataset import Sample
from inspect_ai.model import GenerateConfig

from ....harness.benchmarks import Benchmark, Choice
from ....harness.errors import UserError
from ....harness.sources import json_lines, parsed, read_sources

NAME = "writingbench"
DOMAIN = "Literature & Arts"
CRITERIA = 5
_SOURCES = read_sources(__package__)
BANDS = ("1-2", "3-4", "5-6", "7-8", "9-10")


def samples(choice: Choice) -> list[Sample]:
    """The queries of the domain in a language, with their criteria as the rubric's slots.

    Raises:
        UserError: a query without five complete criteria.
    """
    queries: list[dict[str, Any]] = parsed(_SOURCES[NAME], json_lines, choice.folder)
    wanted = [query for query in queries if query["domain1"] == DOMAIN and choice.language in ("all", _language(query))]
    return [
        Sample(
            input=query["query"],
            id=str(query["index"]),
            metadata={
                "prompt_id": str(query["index"]),
                "target_words": None,
                "category": query["domain2"],
                "criteria": _criteria(query),
            },
        )
        for query in wanted
    ]


def is_english(text: str) -> bool:
    """Whether more than 90 % of the characters are below U+2E80, where the CJK blocks begin."""
    return sum(ord(c) < 0x2E80 for c in text) > 0.9 * len(text)


def _language(query: dict[str, Any]) -> str:
    return "en" if is_english(query["query"]) else "zh"


def _criteria(query: dict[str, Any]) -> list[dict[str, str]]:
    given = query["checklist"]
    needed = ("name", "criteria_description", *BANDS)
    if len(given) != CRITERIA or any(not criterion.get(key) for criterion in given for key in needed):
        raise UserError(
            f"{NAME}: query {query['index']} has {len(given)} criteria, or one without its name, description and "
            f"bands; {CRITERIA} complete ones are needed, and a story is never scored on fewer"
        )
    return [
        {
            "criterion": criterion["name"],
            "description": criterion["criteria_description"],
            "bands": "\n".join(f"{band}: {criterion[band]}" for band in BANDS),
        }
        for criterion in given
    ]


BENCHMARK = Benchmark(
    name=NAME,
    title="WritingBench D4",
    rubric=NAME,
    prompts=samples,
    sets={"D4": ()},
    languages=("en", "zh"),
    config=GenerateConfig(temperature=0.7, top_p=0.8, top_k=20, max_tokens=16_000),
    body={"top_k": 20},
    sources=tuple(_SOURCES.values()),
    order=4,
)

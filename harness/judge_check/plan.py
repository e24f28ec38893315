"""Which stories a judge is tested on, and their variants."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any

from ...rubrics import Rubric, load_rubric
from ..benchmarks import find_benchmark
from ..errors import UserError
from ..logs.stories import Story, read_stories
from ..text.reasoning import strip_reasoning
from ..words import count_words
from .damage import DAMAGES, Check, inserted, load_check

WRITER = "judge-check"
MIN_WORDS = 50  # shorter texts have nothing to shuffle, cut or swap


@dataclass(frozen=True)
class Plan:
    """The stories of a check and the file that holds all their variants; ids are NUMBER.VARIANT."""

    benchmark: str
    stories: tuple[Story, ...]
    path: Path
    repeats: int
    check: Check
    rubric: Rubric


def prepare(
    source: Path, benchmark: str | None, limit: int, repeats: int, folder: Path, rubric: str | None = None
) -> Plan:
    """Choose stories (as evenly over writers as possible) and write their variants to one stories file.

    The same source and numbers give the same file, so that a check is resumed like any run; others make another check.

    Raises:
        UserError: stories of several benchmarks but no `benchmark`, or none long enough.
    """
    if benchmark is not None:
        find_benchmark(benchmark)
    found = [story for story in read_stories(source) if benchmark in (None, story.benchmark)]
    kinds = sorted({story.benchmark for story in found})
    if len(kinds) > 1:
        raise UserError(f"{source}: holds stories of {', '.join(kinds)}; choose one with --benchmark")
    usable = [story for story in found if count_words(strip_reasoning(story.story)) >= MIN_WORDS]
    if not usable:
        raise UserError(f"{source}: holds no story of {benchmark or 'any benchmark'} with {MIN_WORDS} words or more")
    chosen = tuple(_spread(usable)[:limit])
    judged_on = load_rubric(rubric or find_benchmark(kinds[0], f"{source}: ").rubric)
    if judged_on.pairs:
        raise UserError(f"the rubric {judged_on.name} compares two stories: it is for polaris-eval arena")
    plan = Plan(kinds[0], chosen, folder / "variants.jsonl", repeats, load_check(), judged_on)
    folder.mkdir(parents=True, exist_ok=True)
    lines = [
        json.dumps(_record(plan, story, f"{number}.{name}", text))
        for number, story in enumerate(chosen)
        for name, text in variants(strip_reasoning(story.story), repeats, plan.check).items()
    ]
    plan.path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return plan


def variants(story: str, repeats: int, check: Check) -> dict[str, str]:
    """Every text that is judged for one story, by name; a damage that changes nothing is left out."""
    texts = {f"repeat {number}": story for number in range(1, repeats + 1)}
    texts |= {name: changed for name, change in DAMAGES.items() if (changed := change(story)) != story}
    texts |= {f"control {number}": inserted(story, passage) for number, passage in enumerate(check.controls, 1)}
    return texts | {f"injection {name}": inserted(story, passage) for name, passage in check.injections.items()}


def _spread(stories: Sequence[Story]) -> list[Story]:
    """Take writers in turn, and each writer's stories in the order of a hash."""
    key = {id(s): hashlib.sha256(f"{s.model}|{s.id}".encode(errors="surrogatepass")).hexdigest() for s in stories}
    writers: dict[str, list[Story]] = {}
    for story in sorted(stories, key=lambda story: key[id(story)]):
        writers.setdefault(story.model, []).append(story)
    return [story for turn in zip_longest(*(writers[name] for name in sorted(writers))) for story in turn if story]


def _record(plan: Plan, story: Story, name: str, text: str) -> dict[str, Any]:
    known = story.metadata.get("prompt_id") or story.metadata.get("given", {}).get("prompt_id")
    prompt = known or (story.prompt_id if find_benchmark(plan.benchmark).any_prompt else story.id)
    record = {"id": name, "prompt": story.prompt, "story": text, "model": WRITER, "benchmark": plan.benchmark}
    target = {"target_words": story.target_words} if story.target_words else {}
    return {**record, **target, "metadata": {"prompt_id": prompt}}

"""Story Quality: 6 strengths and 10 faults, each against anchored bands and with quotes."""

from __future__ import annotations

from ....harness.benchmarks import Benchmark
from ...prompts.sets import SETS, UNPINNED, story_prompts
from ...writing import PENALTY, POLICY

BENCHMARK = Benchmark(
    name="story_quality",
    title="Story Quality",
    rubric="story_quality",
    prompts=story_prompts,
    sets=SETS,
    unpinned=UNPINNED,
    any_prompt=True,
    domain="ID",
    config=POLICY,
    body=PENALTY,
    order=1,
)

"""EQ-Bench LongForm, adapted to stories written in one go: 12 criteria, on the Story Quality prompts."""

from __future__ import annotations

from ....harness.benchmarks import Benchmark
from ...prompts.sets import SETS, UNPINNED, story_prompts
from ...writing import PENALTY, POLICY

BENCHMARK = Benchmark(
    name="eqbench_longform",
    title="EQ-Bench LongForm",
    rubric="eqbench_longform",
    prompts=story_prompts,
    sets=SETS,
    unpinned=UNPINNED,
    any_prompt=True,
    domain="ID",
    config=POLICY,
    body=PENALTY,
    order=2,
)

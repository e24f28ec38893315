"""Long stories written in one go, on 12 of the 16 criteria of EQ-Bench LongForm and on the Story Quality prompts."""

from __future__ import annotations

from ....harness.benchmarks import Benchmark
from ...prompts.sets import SETS, UNPINNED, story_prompts
from ...writing import PENALTY, POLICY

BENCHMARK = Benchmark(
    name="eqbench_longform",
    title="LongForm in one go",
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

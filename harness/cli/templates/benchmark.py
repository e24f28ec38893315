"""The benchmark NAME: what it asks for, how stories are written, and what they are judged on."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from inspect_ai.dataset import Sample
from inspect_ai.model import GenerateConfig

from polaris_eval.harness.benchmarks import Benchmark, Choice
from polaris_eval.harness.run.samples import own_prompts

_HERE = Path(str(files(__package__)))


def prompts(choice: Choice) -> list[Sample]:
    """The samples: each has an id and metadata with prompt_id, target_words (or None) and, optionally, category."""
    return own_prompts(_HERE / "prompts.jsonl")


BENCHMARK = Benchmark(
    name="NAME",
    title="My benchmark NAME",
    # a rubric that ships with polaris-eval, by its name, or the path of a file
    rubric=str(_HERE / "rubric.yaml"),
    prompts=prompts,
    # prompt sets, each with its splits; `choice` says which one to use
    sets={"first": ()},
    languages=("en",),
    # True: stories for other prompts may be judged on it too
    any_prompt=True,
    # how stories are written, unless the user says otherwise
    config=GenerateConfig(temperature=0.8, top_p=0.95),
)

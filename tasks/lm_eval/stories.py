"""The interface to lm-eval: its tasks in `lm_eval/` call these functions, which call the same scorers as Inspect.

lm-eval writes the stories; prompts, measurements and judge are ours, so the same story gets the same numbers there.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from inspect_ai.model import GenerateConfig, ModelOutput
from inspect_ai.scorer import Scorer, Target
from inspect_ai.solver import TaskState

from ...harness.errors import UserError
from ...harness.inspect_seam import outside_loop, prompt_text
from ...harness.judge.named import resolve_judges
from ...harness.run.samples import prompts_of
from ...harness.scorers import judged, length_adherence, repetition
from ..benchmarks.story_quality.benchmark import BENCHMARK

MEASURED = ("words", "ratio", "length_score", "length_penalty", "blank", "repetition")
# what `polaris_story_quality` reports in addition; a reply's individual marks are in its samples
JUDGED = ("score", "positive", "negative", "bonus", "penalty", "overall_released", "coverage", "empty", "quotes_found")


def load_docs(
    prompts: str = "mini", split: str = "test", data_dir: str | None = None, judge: str | None = None, **_: Any
) -> dict[str, Any]:
    """Return the Story Quality prompts as lm-eval documents. Arguments come from `--metadata`.

    Args:
        prompts, split, data_dir: as in the Inspect task `story_quality`.
        judge: judging model, for `polaris_story_quality`; by default the paper's.
    """
    from datasets import Dataset

    asked = split if BENCHMARK.sets.get(prompts) else None
    samples = prompts_of(BENCHMARK, prompts, asked, data_dir=data_dir).samples
    rows = [
        {
            "id": str(s.id),
            "prompt": prompt_text(s),
            "target_words": (s.metadata or {}).get("target_words"),
            "judge": judge,
        }
        for s in samples
    ]
    return {"test": Dataset.from_list(rows)}


def measure(responses: Sequence[Sequence[str]], docs: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Length adherence and repetition of every story (the first response), under the names of Inspect's metrics."""
    return _run(responses, docs, [length_adherence(), repetition()])


def measure_and_judge(responses: Sequence[Sequence[str]], docs: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The same, and the judge's marks on Story Quality; stories are judged concurrently.

    Raises:
        UserError: unknown judge, or no key for it; raised before any story is judged.
    """
    names = {doc["judge"] for doc in docs}
    if len(names) != 1:
        raise UserError("lm-eval's documents name several judges")
    name = names.pop()
    rubric = BENCHMARK.load_rubric()
    resolve_judges({"": (name,)} if name else {}, {BENCHMARK.name: rubric}, GenerateConfig(), None)
    judge = judged(rubric.source, name or rubric.judge.model)
    return _run(responses, docs, [judge, length_adherence(), repetition()])


def results(doc: Mapping[str, Any], found: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """lm-eval's `process_results`: the numbers that `measure` or `measure_and_judge` put in the story's place."""
    known = found[0]
    names = (*JUDGED, *MEASURED) if "score" in known else MEASURED
    return {name: known[name] for name in names}


def mean_of_known(values: Sequence[float]) -> float:
    """The mean as Inspect computes it: stories without a value (NaN) are left out; NaN if none has a value."""
    known = [value for value in values if not math.isnan(value)]
    return float(np.mean(known)) if known else math.nan


def _run(
    responses: Sequence[Sequence[str]], docs: Sequence[Mapping[str, Any]], scorers: Sequence[Scorer]
) -> list[dict[str, Any]]:
    return outside_loop(lambda: asyncio.run(_scored(responses, docs, scorers)))


async def _scored(
    responses: Sequence[Sequence[str]], docs: Sequence[Mapping[str, Any]], scorers: Sequence[Scorer]
) -> list[dict[str, Any]]:
    async def one(texts: Sequence[str], doc: Mapping[str, Any]) -> dict[str, Any]:
        output = ModelOutput.from_content("lm-eval", texts[0])
        state = TaskState(
            model="lm-eval",  # type: ignore[arg-type]
            sample_id=doc["id"],
            epoch=1,
            input=doc["prompt"],
            messages=[output.message],
            output=output,
            metadata={"target_words": doc["target_words"]},
        )
        values: dict[str, Any] = {}
        for scorer in scorers:
            score = await scorer(state, Target(""))
            assert score is not None
            if isinstance(score.value, dict):
                values |= score.value
            else:
                values["repetition"] = score.value
            if reason := (score.metadata or {}).get("reason"):
                values["reason"] = reason
        return values

    return list(await asyncio.gather(*(one(texts, doc) for texts, doc in zip(responses, docs, strict=True))))

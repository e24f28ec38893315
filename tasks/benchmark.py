"""What all benchmarks share: prompts or stories, solver, scorers and stamps become an Inspect task."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from inspect_ai import Task
from inspect_ai.dataset import Sample
from inspect_ai.model import GenerateConfig

from ..harness.errors import UserError
from ..harness.scorers import grader, judged, length_adherence, repetition
from ..harness.stories import Story, fingerprint, read_stories, stories_of
from ..rubrics import load_rubric
from .prompts import prompts_digest, story_samples
from .writing import recorded, write

VERSION = 1
# Inspect retries for ever by default; this is about three minutes of a provider that is down
MAX_RETRIES = 6
# how the paper's policy writes in validation; the penalty goes to providers known to take it
POLICY = GenerateConfig(temperature=0.8, top_p=0.95)
PENALTY = {"repetition_penalty": 1.10}
_KNOWN = ("prompt_id", "target_words", "category", "criteria")


def benchmark(
    name: str,
    prompts: Callable[[], list[Sample]],
    source: str,
    split: str,
    *,
    config: GenerateConfig,
    extra_body: Mapping[str, float],
    fixed: bool,
    stories: str | None,
    writer: str | None,
    own: bool,
    judge: str | None,
    repetition_penalty: float | None,
    disqualify: bool = False,
) -> Task:
    """The task of a benchmark whose rubric has the same name.

    Args:
        name: benchmark and rubric.
        prompts: gives the samples; called only where they are needed.
        source: name of the prompt set.
        split: `ID` (prompts like the training's) or `OOD`.
        config: upstream's settings for writing.
        extra_body: upstream's settings for writing that only some providers take.
        fixed: the benchmark has prompts of its own, and stories must be written for one of them.
        stories, writer, own: stories that exist already, of one writer, of this benchmark alone.
        judge: judging model; by default the model role `grader`, which is then required.
        repetition_penalty: sent to any provider where given.
        disqualify: apply the rubric's optional gate.
    """
    rubric = load_rubric(name)
    if judge is None:
        grader(None)  # refuse now, before the first story is paid for
    if stories is None:
        samples = prompts()
        digest = data = prompts_digest(samples)
        settings = None
    else:
        chosen = stories_of(read_stories(Path(stories)), writer, name if own else None)
        if not chosen:
            raise UserError(f"{stories}: holds no stories of {writer!r}" + (f" for {name}" if own else ""))
        known = prompts() if fixed else None
        samples = story_samples(chosen) if known is None else _placed(name, stories, chosen, known)
        digest, data, source = prompts_digest(samples), fingerprint(chosen), "stories"
        settings = "; ".join(sorted({story.settings for story in chosen}))
    given = {} if repetition_penalty is None else {"repetition_penalty": repetition_penalty}
    return Task(
        dataset=samples,
        solver=recorded() if stories is not None else write(dict(extra_body), given),
        scorer=[
            judged(rubric.name, judge, disqualify),
            length_adherence(rubric.length_score == "longbench"),
            repetition(),
        ],
        config=config.merge(GenerateConfig(max_retries=MAX_RETRIES)),
        # a log is resumed only where task, rubric and data are the ones it was made with
        version=f"{VERSION}+{rubric.digest[:8]}.{data[:8]}",
        metadata={
            "benchmark": rubric.name,
            "title": rubric.title,
            "rubric": rubric.name,
            "rubric_digest": rubric.digest,
            "headline": "score",
            "scale": rubric.scale,
            "split": split,
            "prompts": source,
            "prompts_digest": digest,
            "data_digest": data,
            "usual": dict(extra_body),
            "writer": writer,
            "settings": settings,
        },
    )


def check_language(benchmark: str, language: str, known: Sequence[str]) -> None:
    """Refuse a language in which a benchmark has no prompts."""
    if language not in known:
        raise UserError(f"{benchmark} has no prompts in language {language!r}; it has {', '.join(known)}")


def _placed(benchmark: str, file: str, stories: list[Story], prompts: list[Sample]) -> list[Sample]:
    """Samples of stories, with what the benchmark knows about their prompts: lengths, categories, criteria.

    A story's prompt is the one that its metadata names as `prompt_id`, else the one of its id, where further
    iterations (PROMPT-N) are of the same prompt.
    """
    known: dict[str, dict[str, Any]] = {}
    for prompt in prompts:
        metadata = prompt.metadata or {}
        known[metadata["prompt_id"]] = {k: metadata[k] for k in _KNOWN if k in metadata}
    samples = story_samples(stories)
    for story, sample in zip(stories, samples, strict=True):
        key = story.metadata.get("prompt_id", story.id)
        found = known.get(key) or known.get(key.rpartition("-")[0])
        if found is None:
            raise UserError(
                f"{file}: the story {story.id!r} of {story.model!r} is for no prompt of {benchmark}. Its id, or "
                f"prompt_id in its metadata, must be one of the benchmark's: {', '.join(list(known)[:4])}, …"
            )
        if found["target_words"] and story.target_words not in (None, found["target_words"]):
            raise UserError(
                f"{file}: the story {story.id!r} of {story.model!r} has target_words {story.target_words}, but prompt "
                f"{found['prompt_id']} of {benchmark} asks for {found['target_words']}"
            )
        sample.metadata = {**(sample.metadata or {}), **found}
    return samples

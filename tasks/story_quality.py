"""Story Quality: one story a prompt, judged on the project's own rubric."""

from __future__ import annotations

from pathlib import Path

from inspect_ai import Task, task
from inspect_ai.model import GenerateConfig

from ..harness.errors import UserError
from ..harness.scorers import grader, judged, length_adherence, repetition
from ..harness.stories import fingerprint, read_stories
from ..rubrics import load_rubric
from .prompts import prompt_samples, prompts_digest, story_samples
from .writing import recorded, write

VERSION = 1
# Inspect retries for ever by default; this is about three minutes of a provider that is down
MAX_RETRIES = 6


@task
def story_quality(
    prompts: str = "mini",
    split: str = "test",
    data_dir: str | None = None,
    stories: str | None = None,
    writer: str | None = None,
    judge: str | None = None,
    disqualify: bool = False,
    repetition_penalty: float | None = None,
) -> Task:
    """Story Quality, with length adherence and repetition beside it.

    Args:
        prompts: prompt set, `mini` or `official`.
        split: `test` or `train` of the official prompts.
        data_dir: folder with a copy of the official dataset, in place of the hub.
        stories: stories file, log or folder of logs; replaces generation.
        writer: with `stories`, judge this model's stories only.
        judge: judging model; by default the model role `grader`, which is then required.
        disqualify: apply the rubric's optional disqualification gate.
        repetition_penalty: for writing; by default 1.10 where the provider takes it.
    """
    rubric = load_rubric("story_quality")
    if judge is None:
        grader(None)  # refuse now, before the first story is paid for
    if stories is None:
        samples = prompt_samples(prompts, split, data_dir)
        digest = data = prompts_digest(samples)
        source, settings = f"official/{split}" if prompts == "official" else prompts, None
    else:
        chosen = [story for story in read_stories(Path(stories)) if writer in (None, story.model)]
        if not chosen:
            raise UserError(f"{stories}: holds no stories of {writer!r}")
        samples = story_samples(chosen)
        digest, data, source = prompts_digest(samples), fingerprint(chosen), "stories"
        settings = "; ".join(sorted({story.settings for story in chosen}))
    return Task(
        dataset=samples,
        solver=recorded() if stories is not None else write(repetition_penalty),
        scorer=[judged(rubric.name, judge, disqualify), length_adherence(), repetition()],
        config=GenerateConfig(temperature=0.8, top_p=0.95, max_retries=MAX_RETRIES),
        # a log is resumed only where task, rubric and data are the ones it was made with
        version=f"{VERSION}+{rubric.digest[:8]}.{data[:8]}",
        metadata={
            "benchmark": rubric.name,
            "title": rubric.title,
            "rubric": rubric.name,
            "rubric_digest": rubric.digest,
            "headline": rubric.headline,
            "scale": rubric.scale,
            "prompts": source,
            "prompts_digest": digest,
            "data_digest": data,
            "writer": writer,
            "settings": settings,
        },
    )

"""LongBench-Write: 120 requests of 100 to 20,000 words; quality judged, length computed."""

from __future__ import annotations

from typing import Any

from inspect_ai import Task, task
from inspect_ai.dataset import Sample

from .benchmark import PENALTY, POLICY, benchmark, check_language
from .sources import json_lines, load, rows

NAME = "longbench_write"


@task
def longbench_write(
    language: str = "all",
    data_dir: str | None = None,
    stories: str | None = None,
    writer: str | None = None,
    own: bool = False,
    judge: str | None = None,
    repetition_penalty: float | None = None,
) -> Task:
    """LongBench-Write: quality S_Q (the score), length S_L, and S_Q * S_L / 100 combined, each 0 to 100.

    Stories are written with the settings of the paper's policy.

    Args:
        language: `all` (120 prompts), `en` (60) or `zh` (60).
        data_dir: folder with the prompt files, in place of the user's cache.
        stories, writer, own, judge, repetition_penalty: as of `story_quality`; a story's id, or `prompt_id` in
            its metadata, must be of this benchmark.
    """
    check_language(NAME, language, ("all", "en", "zh"))
    return benchmark(
        NAME,
        lambda: samples("all" if stories else language, data_dir),
        language,
        "OOD",
        config=POLICY,
        extra_body=PENALTY,
        fixed=True,
        stories=stories,
        writer=writer,
        own=own,
        judge=judge,
        repetition_penalty=repetition_penalty,
    )


def samples(language: str, data_dir: str | None) -> list[Sample]:
    """The prompts of a language; ids are places in the file of all languages, from 1."""
    everything = _prompts("longbench_write", data_dir)
    english = set() if language == "all" else {entry["prompt"] for entry in _prompts("longbench_write_en", data_dir)}
    return [
        Sample(
            input=entry["prompt"],
            id=str(number),
            metadata={"prompt_id": str(number), "target_words": entry["length"], "category": entry["type"]},
        )
        for number, entry in enumerate(everything, 1)
        if language == "all" or (entry["prompt"] in english) == (language == "en")
    ]


def _prompts(file: str, data_dir: str | None) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = rows(file, load(file, data_dir), json_lines)
    return entries

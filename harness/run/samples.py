"""The samples of a benchmark: a prompt set, a user's own prompts, or existing stories."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from inspect_ai.dataset import Sample

from ...rubrics import Rubric
from .. import environment
from ..benchmarks import Benchmark
from ..errors import UserError
from ..inspect_seam import prompt_text
from ..length import Length
from ..logs.records import read_records
from ..logs.stories import Story, fingerprint, prompt_id, read_stories, stories_of
from ..text.length_request import find_length, with_length_request

_KNOWN = ("prompt_id", "target_words", "target_range", "category", "criteria")
_PROMPT, _MORE = ("id", "prompt"), ("target_words", "category", "metadata")


@dataclass(frozen=True)
class Samples:
    """The samples of a run.

    `name` says where they come from; `digest` is a sha256 over prompts and targets: numbers are only comparable if it
    matches. `data` is a digest of all inputs of a log, including stories; `settings` says how existing stories were
    written (None: they are to be written).
    """

    samples: list[Sample]
    name: str
    digest: str
    data: str
    settings: str | None = None


def is_file(prompts: str | None) -> bool:
    """Whether the given prompt set is a user's own file."""
    return prompts is not None and Path(prompts).suffix == ".jsonl"


def prompts_of(
    benchmark: Benchmark,
    prompts: str | None = None,
    split: str | None = None,
    language: str | None = None,
    iterations: int | None = None,
    data_dir: str | None = None,
) -> Samples:
    """The prompts of a benchmark that the options select, or those of a user's JSONL file.

    Raises:
        UserError: if the benchmark does not have what was selected, or prompts cannot be read.
    """
    if prompts is not None and is_file(prompts):
        if not benchmark.any_prompt:
            raise UserError(f"{benchmark.name} has its own prompts, so --prompts {prompts} does not apply to it")
        if any(option is not None for option in (split, language, iterations)):
            raise UserError(f"--prompts {prompts}: a file of prompts has no splits, languages or iterations")
        samples, name = own_prompts(Path(prompts)), f"file {Path(prompts).name}"
    else:
        folder = Path(data_dir) if data_dir else environment.data_dir()
        choice = benchmark.choose(prompts, split, language, iterations, folder)
        samples, name = benchmark.prompts(choice), benchmark.describe(choice)
    digest = prompts_digest(samples)
    return Samples(samples, name, digest, digest)


def own_prompts(path: Path) -> list[Sample]:
    """Read samples from a JSONL file with `id`, `prompt`, and optionally `target_words`, `category` and `metadata`.

    If `target_words` is given and the prompt asks for no length, the request is added in the official wording.

    Raises:
        UserError: if a record is broken, an id is given twice, or a prompt asks for a length other than `target_words`;
            the message names the file and the line.
    """
    samples: dict[str, Sample] = {}
    for where, record in read_records(path, _PROMPT, _MORE):
        key, text, words = str(record["id"]), record["prompt"], record.get("target_words")
        asked = find_length(text)
        if key in samples:
            raise UserError(f"{where}: the id {key!r} was given before")
        if not text.strip():
            raise UserError(f"{where}: the prompt is empty")
        if words is not None and asked is not None and asked.nearest(words) != words:
            raise UserError(f"{where}: the prompt asks for {asked} words, but target_words is {words}")
        if words is not None and asked is None:
            text = with_length_request(text, words)
        wanted = Length(words, words) if words else asked
        stated = wanted.data() if wanted else {"target_words": None}
        metadata: dict[str, Any] = {"prompt_id": prompt_id(text), **stated}
        if record.get("category") is not None:
            metadata["category"] = record["category"]
        samples[key] = Sample(input=text, id=key, metadata={**metadata, "given": record.get("metadata") or {}})
    if not samples:
        raise UserError(f"{path}: holds no prompts")
    return list(samples.values())


def stories_samples(benchmark: Benchmark, file: str, writer: str | None, own: bool, data_dir: str | None) -> Samples:
    """Existing stories of one writer, with what the benchmark knows about their prompts.

    Args:
        benchmark: the benchmark whose prompts they answer.
        file: stories file, log or folder of logs.
        writer: the model whose stories are taken (None: all).
        own: leave out stories written for another benchmark.
        data_dir: folder with copies of the benchmark's prompt files.

    Raises:
        UserError: if there are no such stories, or a story belongs to none of the prompts of a benchmark that has its
            own.
    """
    chosen = stories_of(read_stories(Path(file)), writer, benchmark.name if own else None)
    if not chosen:
        raise UserError(f"{file}: holds no stories of {writer!r}" + (f" for {benchmark.name}" if own else ""))
    samples = story_samples(chosen)
    if not benchmark.any_prompt:
        every = [(name, split) for name, splits in benchmark.sets.items() for split in splits or (None,)]
        there = [prompts_of(benchmark, name, split, "all", data_dir=data_dir).samples for name, split in every]
        samples = _placed(benchmark, file, chosen, samples, [sample for part in there for sample in part])
    settings = "; ".join(sorted({story.settings for story in chosen}))
    return Samples(samples, "stories", prompts_digest(samples), fingerprint(chosen), settings)


def story_samples(stories: Sequence[Story]) -> list[Sample]:
    """Samples that carry their story; the solver `recorded` puts it in place of a model's answer.

    Different benchmarks use the same prompt ids, so if stories of several benchmarks are mixed, ids are prefixed with
    the benchmark's name, and prompts are identified by their text.
    """
    mixed = len({story.benchmark for story in stories}) > 1
    return [
        Sample(
            input=story.prompt,
            id=f"{story.benchmark}/{story.id}" if mixed else story.id,
            metadata={
                **story.metadata,
                **({"target_words": story.target_words} if story.target_words else {}),
                "prompt_id": prompt_id(story.prompt) if mixed else story.prompt_id,
                "writer": story.model,
                "story": story.story,
                "stop": story.stop,
                "refused": story.refused,
            },
        )
        for story in stories
    ]


def prompts_digest(samples: Sequence[Sample]) -> str:
    """sha256 over the distinct prompts and targets; numbers are only comparable if it matches."""
    asked = {(prompt_text(sample), (sample.metadata or {}).get("target_words")) for sample in samples}
    return hashlib.sha256(json.dumps(sorted(asked, key=str)).encode()).hexdigest()


def length_note(benchmark: Benchmark, samples: Sequence[Sample]) -> str | None:
    """A note about a user's prompts in which no request for a length was found, or None."""
    found = [sample for sample in samples if (sample.metadata or {}).get("target_words") or _open(sample)]
    missing = len(samples) - len(found)
    if not missing or not benchmark.any_prompt or not any("given" in (sample.metadata or {}) for sample in samples):
        return None
    return (
        f"{benchmark.name}: no request for a length was found in {missing} of {len(samples)} prompts, so "
        'the length of their stories has no target; give "target_words" with the prompt in the file'
    )


def _open(sample: Sample) -> bool:
    """Whether the sample has no `target_words` entry and its prompt's text asks for a length."""
    return "target_words" not in (sample.metadata or {}) and find_length(prompt_text(sample)) is not None


def check_criteria(benchmark: Benchmark, rubric: Rubric, samples: Sequence[Sample]) -> None:
    """Refuse a rubric that is asked once per criterion if the prompts have no criteria that fill its slots."""
    for sample in samples if rubric.slots else ():
        criteria = (sample.metadata or {}).get("criteria")
        if not criteria or any(set(slots) != set(rubric.slots) for slots in criteria):
            raise UserError(
                f"the rubric {rubric.name} is asked once per criterion ({', '.join(rubric.slots)}), and the prompt "
                f"{sample.id} of {benchmark.name} has no criteria for it"
            )


def _placed(
    benchmark: Benchmark, file: str, stories: Sequence[Story], samples: list[Sample], prompts: Sequence[Sample]
) -> list[Sample]:
    """The samples with what the benchmark knows about their prompts: lengths, categories, criteria.

    A story's prompt is the one given by `prompt_id` in its metadata, else by its id; further iterations (PROMPT-N)
    belong to the same prompt.
    """
    known: dict[str, dict[str, Any]] = {}
    for prompt in prompts:
        metadata = prompt.metadata or {}
        known[metadata["prompt_id"]] = {k: metadata[k] for k in _KNOWN if k in metadata}
    for story, sample in zip(stories, samples, strict=True):
        key = story.metadata.get("prompt_id", story.id)
        found = known.get(key) or known.get(key.rpartition("-")[0])
        if found is None:
            raise UserError(
                f"{file}: the story {story.id!r} of {story.model!r} does not belong to any prompt of {benchmark.name}. "
                f"Its id, or prompt_id in its metadata, must be one of the benchmark's: {', '.join(list(known)[:4])}, …"
            )
        if not found["target_words"] and story.target_words:  # the benchmark asks for no length, but the user did
            found = {**found, "target_words": story.target_words}
        if story.target_words not in (None, found["target_words"]):
            raise UserError(
                f"{file}: the story {story.id!r} of {story.model!r} has target_words {story.target_words}, but prompt "
                f"{found['prompt_id']} of {benchmark.name} asks for {found['target_words']}"
            )
        sample.metadata = {**(sample.metadata or {}), **found}
    return samples

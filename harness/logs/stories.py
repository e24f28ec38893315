"""Read existing stories, from a JSONL file or from the Inspect logs of earlier runs."""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from inspect_ai.log import EvalLog, read_eval_log_samples

from ..errors import UserError
from ..inspect_seam import is_withheld, prompt_text, stop_reason
from ..text.reasoning import strip_reasoning
from .formats import JSONL, LOG, format_of, read_other
from .headers import latest_logs, log_files, writer_name, writing_settings
from .records import check_record, read_records
from .shards import Shard, parse_shard

_REQUIRED = ("id", "prompt", "story", "model")
_OURS = ("prompt_id", "category")  # metadata keys that are used here; all others are only kept
_OPTIONAL = ("target_words", "benchmark", "metadata")


@dataclass(frozen=True)
class Story:
    """One story and the prompt it was written for.

    `benchmark`: the benchmark whose prompt it answers; `stop`: Inspect's stop reason; `refused`: whether the provider
    returned no story; `settings`: the settings it was written with, if known.
    """

    id: str
    prompt: str
    story: str
    model: str
    target_words: int | None = None
    benchmark: str = "story_quality"
    stop: str = "stop"
    refused: bool = False
    settings: str = "as recorded"
    metadata: dict[str, Any] = field(default_factory=dict)

    @property
    def prompt_id(self) -> str:
        """The prompt's id, shared by all its stories: the logged one, else a hash of the prompt's text."""
        return str(self.metadata.get("prompt_id") or prompt_id(self.prompt))


def prompt_id(prompt: str) -> str:
    """A short hash of a prompt's text, used to cluster repeated stories."""
    return hashlib.sha256(prompt.encode(errors="surrogatepass")).hexdigest()[:12]


def read_stories(path: Path) -> list[Story]:
    """Read the stories of a JSONL file, of another tool's file (see `formats`), of one Inspect log, or of all logs in a
    folder.

    Raises:
        UserError: if a line is not JSON or not UTF-8, a field is missing or unknown, or an id is given twice for one
            model; the message names the file and the line.
    """
    if not path.exists():
        raise UserError(f"{path}: no such file or folder")
    files = sorted(path.rglob("*")) if path.is_dir() else [path]
    return list(_read(path, tuple((file, file.stat().st_mtime_ns, file.stat().st_size) for file in files)))


@functools.lru_cache(maxsize=1)
def _read(path: Path, state: tuple[tuple[Path, int, int], ...]) -> tuple[Story, ...]:
    """The stories, read once per state of the files, since a run needs them for every writer and benchmark."""
    is_log = path.is_dir() or format_of(path) == LOG
    stories = tuple(_from_logs(path)) if is_log else tuple(_from_records(path))
    if not stories:
        raise UserError(f"{path}: holds no stories")
    return stories


def stories_of(stories: list[Story], writer: str | None, benchmark: str | None) -> list[Story]:
    """The stories of one writer that were written for one benchmark (None: any)."""
    return [story for story in stories if writer in (None, story.model) and benchmark in (None, story.benchmark)]


def fingerprint(stories: list[Story]) -> str:
    """sha256 over what is judged, so that an edited stories file is never mistaken for the one judged before."""
    digest = hashlib.sha256()
    for story in stories:
        parts = (story.id, story.model, story.prompt, story.story, str(story.target_words))
        digest.update(json.dumps(parts).encode())
    return digest.hexdigest()


def _from_records(path: Path) -> list[Story]:
    stories: list[Story] = []
    seen: dict[tuple[str, str, str], str] = {}
    for where, record in _records(path):
        metadata = record.get("metadata") or {}
        ours = {key: str(metadata[key]) for key in _OURS if metadata.get(key) is not None}
        story = Story(
            id=str(record["id"]),
            prompt=record["prompt"],
            story=record["story"],
            model=record["model"],
            target_words=record.get("target_words"),
            benchmark=record.get("benchmark") or Story.benchmark,
            metadata={**ours, "given": metadata},
        )
        first = seen.setdefault((story.model, story.benchmark, story.id), where)
        if first != where:
            before = first.removeprefix(f"{path}, ")
            raise UserError(f"{where}: the id {story.id!r} of model {story.model!r} was given before, in {before}")
        stories.append(story)
    return stories


def _records(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    if format_of(path) == JSONL:
        yield from read_records(path, _REQUIRED, _OPTIONAL)
    else:
        for where, record in read_other(path):
            yield where, check_record(where, record, _REQUIRED, _OPTIONAL)


def _from_logs(path: Path) -> Iterator[Story]:
    """The stories of logs; if they were run in shards, each writer's are sorted by prompt."""
    headers = latest_logs(log_files([path]))
    placed = list(_placed(headers))
    if any((header.eval.metadata or {}).get("shard") for header in headers):
        groups = list(dict.fromkeys((story.model, story.benchmark) for _, story in placed))
        placed.sort(key=lambda item: (groups.index((item[1].model, item[1].benchmark)), item[0]))
    yield from (story for _, story in placed)


def _placed(headers: Sequence[EvalLog]) -> Iterator[tuple[tuple[int, int], Story]]:
    """Stories with their epoch and position among the prompts."""
    seen: dict[tuple[str, str, str], str] = {}
    for header in headers:
        writer, stamped = writer_name(header), (header.eval.metadata or {}).get("shard")
        part = parse_shard(stamped) if stamped else Shard(1, 1)
        places = {str(name): part.position(n) for n, name in enumerate(header.eval.dataset.sample_ids or [])}
        samples = read_eval_log_samples(header.location, all_samples_required=False, resolve_attachments=True)
        for sample in samples:
            if sample.error or not sample.output.choices:
                continue  # no story was written; rerun the command that wrote the log to get it
            metadata = sample.metadata or {}
            refused = is_withheld(sample.output, strip_reasoning(sample.output.completion))
            story = Story(
                id=str(sample.id) if sample.epoch == 1 else f"{sample.id}@{sample.epoch}",
                prompt=prompt_text(sample),
                story="" if refused else sample.output.completion,
                model=writer,
                target_words=metadata.get("target_words"),
                benchmark=(header.eval.metadata or {})["benchmark"],
                stop=stop_reason(sample.output),
                refused=refused,
                settings=writing_settings(header),
                metadata=metadata,
            )
            first = seen.setdefault((story.model, story.benchmark, story.id), header.location)
            if first != header.location:
                raise UserError(
                    f"{first} and {header.location} both hold the story {story.id!r} of {story.model}; "
                    "name one of these logs instead of the folder"
                )
            yield (sample.epoch, places.get(str(sample.id), 0)), story

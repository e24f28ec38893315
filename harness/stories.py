"""Stories that exist already: a JSONL file, or the Inspect logs of earlier runs."""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .errors import UserError

_REQUIRED = ("id", "prompt", "story", "model")
_OURS = ("prompt_id", "category")  # keys of a user's metadata that mean something here; the rest is only kept
_OPTIONAL = ("target_words", "benchmark", "metadata")


@dataclass(frozen=True)
class Story:
    """One story and what it was written for.

    `benchmark`: the one whose prompt it answers; `truncated`: the writer was cut off by its token
    limit; `settings`: how it was written, where known.
    """

    id: str
    prompt: str
    story: str
    model: str
    target_words: int | None = None
    benchmark: str = "story_quality"
    truncated: bool = False
    settings: str = "as recorded"
    metadata: dict[str, Any] = field(default_factory=dict)

    @property
    def prompt_id(self) -> str:
        """The same for all stories of one prompt: the logged one, else a hash of the prompt's text."""
        return str(self.metadata.get("prompt_id") or prompt_id(self.prompt))


def prompt_id(prompt: str) -> str:
    """A short identifier of a prompt's text, by which repeated stories are clustered."""
    return hashlib.sha256(prompt.encode(errors="surrogatepass")).hexdigest()[:12]


def read_stories(path: Path) -> list[Story]:
    """Stories of a JSONL file, of one Inspect log, or of all logs in a folder.

    Raises:
        UserError: naming the file and the line, for a line that is not JSON or not UTF-8, missing or
            unknown fields, and an id given twice for one model.
    """
    if not path.exists():
        raise UserError(f"{path}: no such file or folder")
    files = sorted(path.rglob("*")) if path.is_dir() else [path]
    return list(_read(path, tuple((file, file.stat().st_mtime_ns, file.stat().st_size) for file in files)))


@functools.lru_cache(maxsize=1)
def _read(path: Path, state: tuple[tuple[Path, int, int], ...]) -> tuple[Story, ...]:
    """The stories, read once for each state of the files: a run asks for them once a writer and benchmark."""
    is_log = path.is_dir() or path.suffix in (".eval", ".json")
    stories = tuple(_from_logs(path)) if is_log else tuple(_from_jsonl(path))
    if not stories:
        raise UserError(f"{path}: holds no stories")
    return stories


def stories_of(stories: list[Story], writer: str | None, benchmark: str | None) -> list[Story]:
    """The stories of one writer, without those that were written for another benchmark (None: any)."""
    return [story for story in stories if writer in (None, story.model) and benchmark in (None, story.benchmark)]


def fingerprint(stories: list[Story]) -> str:
    """sha256 over what is judged, so that an edited stories file is never taken for the one judged before."""
    digest = hashlib.sha256()
    for story in stories:
        parts = (story.id, story.model, story.prompt, story.story, str(story.target_words))
        digest.update(json.dumps(parts).encode())
    return digest.hexdigest()


def _from_jsonl(path: Path) -> list[Story]:
    stories: list[Story] = []
    seen: dict[tuple[str, str, str], int] = {}
    try:
        lines = path.read_bytes().split(b"\n")
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from None
    for number, raw in enumerate(lines, 1):
        where = f"{path}, line {number}"
        try:
            line = raw.decode("utf-8-sig" if number == 1 else "utf-8").strip()
        except UnicodeDecodeError as error:
            raise UserError(f"{where}: not UTF-8 (byte {error.start + 1}); save the file as UTF-8") from None
        if not line:
            continue
        story = _record(where, line)
        first = seen.setdefault((story.model, story.benchmark, story.id), number)
        if first != number:
            raise UserError(f"{where}: the id {story.id!r} of model {story.model!r} was given on line {first} already")
        stories.append(story)
    return stories


def _record(where: str, line: str) -> Story:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{where}: not JSON: {error}") from None
    if not isinstance(record, dict):
        raise UserError(f"{where}: expected an object with {', '.join(_REQUIRED)}")
    missing = [name for name in _REQUIRED if record.get(name) is None]
    if missing:
        raise UserError(f"{where}: missing {', '.join(missing)}")
    unknown = sorted(set(record) - {*_REQUIRED, *_OPTIONAL})
    if unknown:
        raise UserError(f'{where}: unknown field {unknown[0]!r}; put data of your own under "metadata"')
    for name in ("prompt", "story", "model"):
        if not isinstance(record[name], str):
            raise UserError(f'{where}: "{name}" must be a string')
    if not isinstance(record["id"], str | int) or isinstance(record["id"], bool):
        raise UserError(f'{where}: "id" must be a string or a whole number')
    target, metadata = record.get("target_words"), record.get("metadata") or {}
    if target is not None and (not isinstance(target, int) or isinstance(target, bool) or target <= 0):
        raise UserError(f'{where}: "target_words" must be a positive whole number')
    if not isinstance(metadata, dict):
        raise UserError(f'{where}: "metadata" must be an object')
    if not isinstance(record.get("benchmark", ""), str):
        raise UserError(f'{where}: "benchmark" must be a string')
    return Story(
        id=str(record["id"]),
        prompt=record["prompt"],
        story=record["story"],
        model=record["model"],
        target_words=target,
        benchmark=record.get("benchmark") or Story.benchmark,
        metadata={**{key: str(metadata[key]) for key in _OURS if key in metadata}, "given": metadata},
    )


def _from_logs(path: Path) -> Iterator[Story]:
    from inspect_ai.log import read_eval_log_samples

    from .logs import latest_logs, log_files, writer_name, writing_settings

    seen: dict[tuple[str, str, str], str] = {}
    for header in latest_logs(log_files([path])):
        writer = writer_name(header)
        samples = read_eval_log_samples(header.location, all_samples_required=False, resolve_attachments=True)
        for sample in samples:
            if sample.error or not sample.output.choices:
                continue  # no story was written; a rerun of the command that wrote the log writes it
            metadata = sample.metadata or {}
            story = Story(
                id=str(sample.id) if sample.epoch == 1 else f"{sample.id}@{sample.epoch}",
                prompt=sample.input if isinstance(sample.input, str) else sample.input[-1].text,
                story=sample.output.completion,
                model=writer,
                target_words=metadata.get("target_words"),
                benchmark=(header.eval.metadata or {})["benchmark"],
                truncated=sample.output.stop_reason in ("max_tokens", "model_length"),
                settings=writing_settings(header),
                metadata=metadata,
            )
            first = seen.setdefault((story.model, story.benchmark, story.id), header.location)
            if first != header.location:
                raise UserError(
                    f"{first} and {header.location} both hold the story {story.id!r} of {story.model}; "
                    "name one of these logs in place of the folder"
                )
            yield story

"""Stories that are written and not judged yet: Inspect logs a story only with its scores, so a killed run would pay for
such stories twice. They lie in the log folder, one file each, until the run has ended."""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import uuid
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from typing import Any

from inspect_ai.model import GenerateConfig, ModelOutput, get_model
from inspect_ai.solver import TaskState
from pydantic import ValidationError

from ..inspect_seam import count_usage, storage

FOLDER = ".stories"
_folder: ContextVar[str | None] = ContextVar("folder", default=None)
# how calls are made does not affect a story
_OPERATION = set(GenerateConfig.model_fields) & {
    "max_connections", "adaptive_connections", "max_retries", "timeout", "attempt_timeout", "stream_idle_timeout",
    "batch", "cache", "cache_prompt",
}  # fmt: skip


@contextlib.contextmanager
def keeping_stories(log_dir: str) -> Iterator[None]:
    """Keep stories in this log folder within the `with` block."""
    token = _folder.set(f"{log_dir.rstrip('/')}/{FOLDER}")
    try:
        yield
    finally:
        _folder.reset(token)


def forget_stories(log_dir: str) -> None:
    """Remove the stories that are kept in a log folder: they are all in its logs."""
    place, store = f"{log_dir.rstrip('/')}/{FOLDER}", storage(log_dir)
    with contextlib.suppress(OSError):
        if store.isdir(place):
            store.rm(place, recursive=True)


def kept_story(state: TaskState, body: Mapping[str, float]) -> ModelOutput | None:
    """The story of this sample, model and settings if an earlier run has written it; its tokens are counted again, as
    those of the story in this log."""
    place = _place(state, body)
    if place is None:
        return None
    try:
        output = ModelOutput.model_validate_json(storage(place).cat_file(place))
    except (OSError, ValidationError):  # none, or cut off by a full disk
        return None
    if output.usage is not None:
        count_usage(get_model(), output.usage)
    return output


def keep_story(state: TaskState, body: Mapping[str, float]) -> None:
    """Keep the story of this sample; log a warning if it cannot be written, since the run can go on without."""
    place = _place(state, body, asked=-1)
    if place is None or state.output.error or not state.output.completion:
        return
    store, partial = storage(place), f"{place}.{uuid.uuid4().hex}"
    try:
        store.makedirs(place.rpartition("/")[0], exist_ok=True)
        store.pipe_file(partial, state.output.model_dump_json().encode(errors="surrogatepass"))
        store.mv(partial, place)
    except Exception as error:  # remote file systems raise their own errors
        logging.getLogger(__name__).warning("a story could not be kept before it is judged: %s", error)


def _place(state: TaskState, body: Mapping[str, float], asked: int | None = None) -> str | None:
    """The file of a story; `asked` is the number of messages before it, from the end."""
    folder = _folder.get()
    if folder is None:
        return None
    model = get_model()
    what: dict[str, Any] = {
        "model": str(model),
        "settings": model.config.model_dump(exclude_none=True, exclude=_OPERATION),
        "body": dict(body),
        "asked": [[message.role, message.text] for message in state.messages[:asked]],
        "sample": [str(state.sample_id), state.epoch],
    }
    key = hashlib.sha256(json.dumps(what, sort_keys=True, default=str).encode(errors="surrogatepass")).hexdigest()
    return f"{folder}/{key}.story"  # not .json: Inspect would take it for a log

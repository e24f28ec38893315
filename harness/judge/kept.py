"""Paid judgments: the same story, rubric and judge are never asked about twice, here or in training."""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextvars import ContextVar
from pathlib import Path
from threading import get_ident
from typing import Any, NamedTuple

from inspect_ai.model import GenerateConfig, Model, ModelUsage

from ...rubrics import Rubric
from ..environment import KEPT, base_urls, cache_dir, keeps_judgments
from ..errors import UserError
from ..inspect_seam import address_of
from .named import PACKAGE

RUN = ".judgments"
_run: ContextVar[Path | None] = ContextVar("run", default=None)


class Kept(NamedTuple):
    """A reply that was paid for before; `usage` is what it took, if the same run paid for it and was stopped."""

    reply: str
    usage: ModelUsage | None = None


class Places(NamedTuple):
    """The files of a judgment: the one for this run, and the one for all runs."""

    run: Path | None
    shared: Path | None


@contextlib.contextmanager
def keeping_judgments(log_dir: str) -> Iterator[None]:
    """Keep judgments in this log folder as well, until its runs have ended: a stopped run does not pay for them again,
    and still counts what they cost. Not in remote folders (`s3://…`)."""
    token = _run.set(None if "://" in log_dir else Path(log_dir) / RUN)
    try:
        yield
    finally:
        _run.reset(token)


def forget_judgments(log_dir: str) -> None:
    """Remove the judgments that are kept in a log folder: they are all in its logs."""
    shutil.rmtree(Path(log_dir) / RUN, ignore_errors=True)


def recall(places: Places) -> Kept | None:
    """The reply that was kept, if any. Raises UserError if the store of all runs cannot be read."""
    if places.run is not None:
        with contextlib.suppress(OSError, ValueError, TypeError, KeyError):
            found = json.loads(places.run.read_bytes().decode(errors="surrogatepass"))
            return Kept(found["reply"], ModelUsage.model_validate(found["usage"]))
    if places.shared is None:
        return None
    try:
        return Kept(places.shared.read_bytes().decode(errors="surrogatepass"))
    except (FileNotFoundError, UnicodeDecodeError):  # a damaged reply is asked for again
        return None
    except OSError as error:
        raise _unusable(error) from None


def keep(places: Places, reply: str, usage: ModelUsage) -> None:
    """Keep a reply that was parsed, and what it took with the malformed ones before it; log a warning if it cannot be
    written.

    A reply that could not be parsed must not be kept: it would be wrong forever.
    """
    told = json.dumps({"reply": reply, "usage": usage.model_dump(exclude_none=True)})
    for place, text in ((places.run, told), (places.shared, reply)):
        if place is not None:
            try:
                _write(place, text)
            except OSError as error:  # the judgment itself is good, and was paid for
                logging.getLogger(__name__).warning("a judgment could not be kept: %s", error)


def check_store(judges: Iterable[Model]) -> None:
    """Raise UserError if judgments of any of these judges are to be kept for all runs but cannot be."""
    if keeps_judgments() and any(map(_costs, judges)):
        try:
            _shared().mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=_shared()):
                pass
        except OSError as error:
            raise _unusable(error) from None


def _unusable(error: OSError) -> UserError:
    return UserError(
        f"{_shared()}: judgments cannot be kept there ({error.strerror or error}). Set {KEPT}=off, or POLARIS_CACHE to "
        "a writable folder"
    )


def _costs(judge: Model) -> bool:
    """Whether a judge costs anything: the offline ones do not, and nothing of theirs is kept."""
    return not str(judge).startswith(f"{PACKAGE}/")


def places(
    rubric: Rubric, messages: list[dict[str, str]], model: Model, config: GenerateConfig, epoch: int, story: object
) -> Places:
    """Where a judgment is kept, under a key of all that matters: rubric file, what the judge is shown, the judge with
    its address and settings.

    Each epoch of a story has its own judgment, so that repeated judgments stay independent. Within a run, so has each
    `story` (its id and writer). If POLARIS_JUDGE_CACHE is `off`, nothing is kept for other runs.
    """
    if not _costs(model):
        return Places(None, None)
    asked: dict[str, Any] = {
        "rubric": rubric.digest,
        "messages": messages,
        "judge": str(model),
        "address": address_of(model) or base_urls(str(model).partition("/")[0]),
        "settings": config.model_dump(exclude_none=True, exclude=_OPERATION),
        "epoch": epoch,
    }
    run = _run.get()
    return Places(
        run and _place(run, {**asked, "story": story}),
        _place(_shared(), asked) if keeps_judgments() else None,
    )


# how calls are made does not affect a judgment; the schema follows from the rubric
_OPERATION = {
    "max_connections", "adaptive_connections", "max_retries", "timeout", "attempt_timeout", "stream_idle_timeout",
    "batch", "cache", "cache_prompt", "response_schema", "fail_on_refusal",
}  # fmt: skip


def _write(place: Path, reply: str) -> None:
    """Write one file per reply, atomically: no locks, on any file system, with any number of processes."""
    place.parent.mkdir(parents=True, exist_ok=True)
    partial = place.with_name(f"{place.name}.{os.getpid()}.{get_ident()}")
    try:
        partial.write_bytes(reply.encode(errors="surrogatepass"))
        partial.replace(place)
    except OSError:
        partial.unlink(missing_ok=True)
        raise


def _shared() -> Path:
    return cache_dir() / "judgments"


def _place(folder: Path, asked: Mapping[str, Any]) -> Path:
    text = json.dumps(asked, sort_keys=True, default=str)
    key = hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()
    return folder / key[:2] / key[2:]

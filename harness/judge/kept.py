"""Paid judgments: the same story, rubric and judge are never asked about twice, here or in training."""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextvars import ContextVar
from pathlib import Path
from threading import get_ident
from typing import Any

from inspect_ai.model import GenerateConfig, Model

from ...rubrics import Rubric
from ..environment import KEPT, base_urls, cache_dir, keeps_judgments
from ..errors import UserError
from ..inspect_seam import address_of
from .named import PACKAGE

RUN = ".judgments"  # folder of a run that judges anew
_run: ContextVar[Path | None] = ContextVar("run", default=None)


@contextlib.contextmanager
def keeping_judgments(log_dir: str) -> Iterator[None]:
    """Keep judgments that are made anew in this log folder, for this run alone: stopped, it does not pay twice."""
    token = _run.set(None if "://" in log_dir else Path(log_dir) / RUN)
    try:
        yield
    finally:
        _run.reset(token)


def forget_judgments(log_dir: str) -> None:
    """Remove the judgments that are kept in a log folder: they are all in its logs."""
    shutil.rmtree(Path(log_dir) / RUN, ignore_errors=True)


def recall(key: str | None) -> str | None:
    """The reply that was kept under a key, if any. Raises UserError if the store cannot be read."""
    if key is None:
        return None
    try:
        return _place(key).read_bytes().decode(errors="surrogatepass")
    except (FileNotFoundError, UnicodeDecodeError):  # a damaged reply is asked for again
        return None
    except OSError as error:
        raise _unusable(error) from None


def keep(key: str | None, reply: str) -> None:
    """Keep a reply that was parsed; log a warning if it cannot be written.

    A reply that could not be parsed must not be kept: it would be wrong forever.
    """
    if key is not None:
        try:
            _write(_place(key), reply)
        except OSError as error:  # the judgment itself is good, and was paid for
            logging.getLogger(__name__).warning("a judgment could not be kept: %s", error)


def check_store(judges: Iterable[Model]) -> None:
    """Raise UserError if judgments of any of these judges are to be kept but cannot be."""
    if any(_kept(judge) for judge in judges):
        try:
            _folder().mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=_folder()):
                pass
        except OSError as error:
            raise _unusable(error) from None


def _unusable(error: OSError) -> UserError:
    return UserError(
        f"{_folder()}: judgments cannot be kept there ({error.strerror or error}). Set {KEPT}=off, or POLARIS_CACHE to "
        "a writable folder"
    )


def _kept(judge: Model) -> bool:
    return (keeps_judgments() or _run.get() is not None) and not str(judge).startswith(f"{PACKAGE}/")


def verdict_key(
    rubric: Rubric,
    messages: list[dict[str, str]],
    model: Model,
    config: GenerateConfig,
    epoch: int,
    sample_id: str | int | None,
) -> str | None:
    """The key of a judgment: rubric file, all that the judge is shown, the judge with its address and settings.

    Each epoch of a story has its own judgment, so that repeated judgments stay independent; so has each sample of a run
    that judges anew. None if nothing is kept: for the offline judges, which cost nothing, and outside runs if
    POLARIS_JUDGE_CACHE is `off`.
    """
    if not _kept(model):
        return None
    asked: dict[str, Any] = {
        "rubric": rubric.digest,
        "messages": messages,
        "judge": str(model),
        "address": address_of(model) or base_urls(str(model).partition("/")[0]),
        "settings": config.model_dump(exclude_none=True, exclude=_OPERATION),
        "epoch": epoch,
        **({} if keeps_judgments() else {"sample": str(sample_id)}),
    }
    return hashlib.sha256(json.dumps(asked, sort_keys=True, default=str).encode(errors="surrogatepass")).hexdigest()


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


def _folder() -> Path:
    own = None if keeps_judgments() else _run.get()
    return own or cache_dir() / "judgments"


def _place(key: str) -> Path:
    return _folder() / key[:2] / key[2:]

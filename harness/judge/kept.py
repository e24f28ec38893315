"""Judgments that were paid for: the same story, rubric and judge are not asked about twice, here or in training."""

from __future__ import annotations

import functools
import hashlib
import json
import logging
import sqlite3
from collections.abc import Iterable
from pathlib import Path
from threading import get_ident
from typing import Any

from inspect_ai.model import GenerateConfig, Model

from ...rubrics import Rubric
from ..environment import KEPT, cache_dir, keeps_judgments
from ..errors import UserError
from .named import PACKAGE


def recall(key: str | None) -> str | None:
    """The reply that was kept under a key, if any. Raises UserError where what is kept cannot be read."""
    if key is None:
        return None
    try:
        found = _store(_path(), get_ident()).execute("SELECT reply FROM replies WHERE key = ?", (key,)).fetchone()
    except (OSError, sqlite3.Error) as error:
        raise UserError(
            f"{_path()}: the judgments kept there cannot be used ({error}). Set {KEPT}=off, or POLARIS_CACHE to a "
            "folder that can be written"
        ) from None
    return str(found[0]) if found else None


def keep(key: str | None, reply: str) -> None:
    """Keep a reply that was read; where that fails there is a warning.

    One that could not be read must not be kept: it would be wrong forever.
    """
    if key is not None:
        try:
            _store(_path(), get_ident()).execute("INSERT OR REPLACE INTO replies VALUES (?, ?)", (key, reply))
        except (OSError, sqlite3.Error) as error:  # the judgment itself is good, and was paid for
            logging.getLogger(__name__).warning("a judgment could not be kept: %s", error)


def check_store(judges: Iterable[Model]) -> None:
    """Raise UserError where judgments of any of these judges are to be kept and cannot be."""
    if any(_kept(judge) for judge in judges):
        recall("")


def _kept(judge: Model) -> bool:
    return keeps_judgments() and not str(judge).startswith(f"{PACKAGE}/")


def verdict_key(
    rubric: Rubric, messages: list[dict[str, str]], model: Model, config: GenerateConfig, epoch: int
) -> str | None:
    """What a judgment is kept under: rubric file, all that the judge is shown, the judge with its address and settings.

    The n-th epoch of a story has a judgment of its own, so that repeated judgments stay independent. None where
    nothing is kept: the offline judges, which cost nothing, and where POLARIS_JUDGE_CACHE is `off`.
    """
    if not _kept(model):
        return None
    asked: dict[str, Any] = {
        "rubric": rubric.digest,
        "messages": messages,
        "judge": str(model),
        "address": model.api.base_url,
        "settings": config.model_dump(exclude_none=True, exclude=_OPERATION),
        "epoch": epoch,
    }
    return hashlib.sha256(json.dumps(asked, sort_keys=True, default=str).encode(errors="surrogatepass")).hexdigest()


# how calls are made changes no judgment; the schema follows from the rubric
_OPERATION = {
    "max_connections", "adaptive_connections", "max_retries", "timeout", "attempt_timeout", "stream_idle_timeout",
    "batch", "cache", "cache_prompt", "response_schema", "fail_on_refusal",
}  # fmt: skip


@functools.cache
def _store(path: Path, thread: int) -> sqlite3.Connection:
    """The connection of a thread; several processes may write at the same time."""
    path.parent.mkdir(parents=True, exist_ok=True)
    store = sqlite3.connect(path, timeout=30, isolation_level=None)
    # a power cut may cost the last judgments, not the file
    store.execute("PRAGMA journal_mode = WAL")
    store.execute("PRAGMA synchronous = NORMAL")
    store.execute("CREATE TABLE IF NOT EXISTS replies (key TEXT PRIMARY KEY, reply TEXT)")
    return store


def _path() -> Path:
    return cache_dir() / "judgments.sqlite"

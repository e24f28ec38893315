"""Environment variables: folders, addresses, switches. No other module of the harness reads these variables."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

import platformdirs

CACHE = "POLARIS_CACHE"  # folder to use instead of the user's cache
DATA = "POLARIS_DATA"  # folder with copies of the prompt files
MIRROR = "POLARIS_MIRROR"  # address to use instead of UPSTREAM
KEPT = "POLARIS_JUDGE_CACHE"  # `off` judges everything anew
UPSTREAM = "https://raw.githubusercontent.com"

_SECRET = re.compile(r"(?:KEY|TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIALS)$")
_SHORTEST = 8  # characters of a secret; a shorter value, such as "none", is no secret

_data: ContextVar[Path | None] = ContextVar("data", default=None)
_anew: ContextVar[bool] = ContextVar("anew", default=False)


def cache_dir() -> Path:
    """The user's cache folder for this package; POLARIS_CACHE overrides it."""
    return Path(os.environ.get(CACHE) or platformdirs.user_cache_dir("polaris-eval"))


def threads() -> int | None:
    """Number of threads that OMP_NUM_THREADS allows a local model, if it is set."""
    allowed = os.environ.get("OMP_NUM_THREADS", "")
    return int(allowed) if allowed.isdecimal() and int(allowed) > 0 else None


def data_dir() -> Path | None:
    """The folder with copies of prompt files, set by the command or POLARIS_DATA; None: use cache and network."""
    named = os.environ.get(DATA)
    return _data.get() or (Path(named) if named else None)


@contextmanager
def reading_prompts_from(folder: Path) -> Iterator[None]:
    """Read prompt files from this folder within the `with` block."""
    token = _data.set(folder)
    try:
        yield
    finally:
        _data.reset(token)


def mirror() -> str:
    """Address that prompt files are fetched from."""
    return (os.environ.get(MIRROR) or UPSTREAM).rstrip("/")


def keeps_judgments() -> bool:
    """Whether judgments are kept and reused."""
    return not _anew.get() and os.environ.get(KEPT) != "off"


@contextmanager
def judging_anew() -> Iterator[None]:
    """Do not reuse judgments of other runs within the `with` block, nor keep any for them."""
    token = _anew.set(True)
    try:
        yield
    finally:
        _anew.reset(token)


def masked(text: str) -> str:
    """A text without the values of variables that hold keys, tokens or passwords, which servers repeat in errors."""
    secrets = {value for name, value in os.environ.items() if _SECRET.search(name) and len(value) >= _SHORTEST}
    for value in sorted(secrets, key=len, reverse=True):
        text = text.replace(value, "***")
    return text


def base_urls(provider: str) -> dict[str, str]:
    """The base URLs that are set for an Inspect provider, by name of the variable."""
    named = {name: value for name, value in os.environ.items() if name.endswith("_BASE_URL") and value}
    own = f"{provider.replace('-', '_').upper()}_"
    return {name: value for name, value in sorted(named.items()) if name.startswith((own, "INSPECT_EVAL_MODEL_"))}


def is_set(name: str) -> bool:
    """Whether a variable, such as a provider's key, has a value."""
    return bool(os.environ.get(name))

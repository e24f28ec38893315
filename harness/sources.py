"""Third-party files, such as prompts: pinned, fetched once, and verified."""

from __future__ import annotations

import functools
import hashlib
import json
import sys
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any

import httpx
import yaml
from pydantic import BaseModel, ConfigDict, Field, model_validator
from rich.console import Console
from rich.progress import DownloadColumn, Progress

from . import environment
from .errors import UserError
from .wheels import fetch_member, installed_file, keep


class Source(BaseModel):
    """One upstream file, pinned by `blob` (git blob id), in a repository at `commit` or in a `wheel` (NAME==VERSION)
    of the Python index."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    repository: str | None = None
    commit: str | None = Field(default=None, pattern=r"^[0-9a-f]{40}$")
    wheel: str | None = Field(default=None, pattern=r"^[\w.-]+==[\w.]+$")
    path: str
    blob: str = Field(pattern=r"^[0-9a-f]{40}$")
    licence: str

    @model_validator(mode="after")
    def _one_origin(self) -> Source:
        if (self.repository is None) == (self.wheel is None) or (self.repository is None) != (self.commit is None):
            raise ValueError(f"{self.name}: give repository and commit, or wheel")
        return self

    @property
    def origin(self) -> str:
        """Where the file comes from, in words."""
        return f"the wheel {self.wheel}" if self.wheel else f"github.com/{self.repository} @ {self.commit}"

    @property
    def url(self) -> str:
        """Address of the file; a file in a repository is on the mirror given by POLARIS_MIRROR, if set."""
        if self.wheel:
            return f"{self.wheel}/{self.path}"
        return f"{environment.mirror()}/{self.repository}/{self.commit}/{self.path}"


@functools.cache
def read_sources(package: str) -> dict[str, Source]:
    """The files that a package declares in its `sources.yaml`, by name."""
    data = yaml.safe_load((files(package) / "sources.yaml").read_text(encoding="utf-8"))
    return {source.name: source for source in map(Source.model_validate, data["files"])}


def blob_id(data: bytes) -> str:
    """The git blob id of a file with this content."""
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


def location(source: Source, data_dir: Path | None = None) -> Path:
    """Where to look for the file: in the folder that the user named, else in an installed release of its package with
    the pinned content, else in the user's cache if no folder was named."""
    folder = _folder(data_dir)
    named = None if folder is None else folder / Path(source.path).name
    if named is not None and named.is_file():
        return named
    installed = installed_file(source.wheel, source.path) if source.wheel else None
    if installed is not None and blob_id(installed.read_bytes()) == source.blob:
        return installed
    return named or _kept(source)


def load(source: Source, data_dir: Path | None = None) -> bytes:
    """Return the verified content of a declared file, fetching it once into the user's cache.

    Raises:
        UserError: not found, cannot be fetched, or not the pinned content.
    """
    path = location(source, data_dir)
    named = _folder(data_dir) is not None
    if path.is_file():
        data = path.read_bytes()
        if blob_id(data) == source.blob:
            return data
        if named:
            raise UserError(f"{path}: {_changed(source, data)}")
    elif named:
        raise UserError(f"{path}: no such file; it is {source.path} of {source.origin}")
    data = _fetch(source)
    try:
        keep(data, _kept(source))
    except OSError as error:
        print(f"{_kept(source)}: {error.strerror}; it is fetched again next time", file=sys.stderr)
    return data


def pull(source: Source) -> bytes:
    """Download a file into the user's cache and verify it; a file that fails verification is not kept.

    Raises:
        UserError: no network, an interrupted download, or content that differs from the pin.
    """
    data = _fetch(source)
    keep(data, _kept(source))
    return data


def state(source: Source, data_dir: Path | None = None) -> str:
    """`verified`, `not fetched`, `missing` (in the folder that the user named) or `changed`. Nothing is downloaded."""
    path = location(source, data_dir)
    if not path.is_file():
        return "missing" if _folder(data_dir) else "not fetched"
    return "verified" if blob_id(path.read_bytes()) == source.blob else "changed"


def json_lines(data: bytes) -> list[dict[str, Any]]:
    """The objects of a JSONL file; only a line feed ends a line."""
    return [json.loads(line) for line in data.decode().split("\n") if line.strip()]


def parsed(source: Source, parse: Callable[[bytes], Any], data_dir: Path | None = None) -> Any:
    """Parse a file's verified content with `parse`, and report its errors as a one-line UserError."""
    try:
        return parse(load(source, data_dir))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{source.name}: its file cannot be read: {type(error).__name__}: {error}") from None


def _kept(source: Source) -> Path:
    """The file's place in the user's cache; files of different repositories may have the same name."""
    return environment.cache_dir() / "prompts" / f"{source.blob[:12]}-{Path(source.path).name}"


def _folder(data_dir: Path | None) -> Path | None:
    """The folder that the user named to replace cache and network, if any."""
    return data_dir or environment.data_dir()


def _changed(source: Source, data: bytes) -> str:
    return (
        f"not the pinned file: its git blob id is {blob_id(data)} ({len(data):,} bytes), expected {source.blob} "
        f"of {source.origin}"
    )


def _fetch(source: Source) -> bytes:
    if source.wheel:
        data = fetch_member(source.wheel, source.path, f"the prompts of {source.name}", _kept(source))
    else:
        data = _download(source)
    if blob_id(data) != source.blob:
        raise UserError(f"{source.url}: {_changed(source, data)}; nothing was kept")
    return data


def _download(source: Source) -> bytes:
    console = Console(stderr=True)
    chunks: list[bytes] = []
    try:
        with (
            httpx.stream("GET", source.url, follow_redirects=True, timeout=30) as response,
            Progress(*Progress.get_default_columns(), DownloadColumn(), console=console, transient=True) as progress,
        ):
            response.raise_for_status()
            length = response.headers.get("Content-Length")
            job = progress.add_task(f"fetching {Path(source.path).name}", total=int(length) if length else None)
            for chunk in response.iter_bytes():
                chunks.append(chunk)
                progress.update(job, completed=response.num_bytes_downloaded)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        why = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UserError(
            f"{source.url} could not be fetched ({why}). Go online and run the command again, or put "
            f"{Path(source.path).name} into a folder and name it with --data-dir or {environment.DATA}."
        ) from None
    return b"".join(chunks)

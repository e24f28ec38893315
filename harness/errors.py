"""Errors that the user can fix: shown as one line, exit code 2."""

from __future__ import annotations

import importlib.util
import json
import shlex
import sys
from importlib.metadata import distributions
from pathlib import Path
from urllib.parse import unquote, urlsplit

from rich.markup import escape
from rich.text import Text

from .environment import masked
from .inspect_seam import PrerequisiteError
from .words import printable

__all__ = ["PrerequisiteError", "UserError", "check_address", "install_command", "need_extra", "plain_message"]

_NAME = "polaris-eval"


class UserError(PrerequisiteError):
    """Wrong usage or missing configuration. The message says what is wrong, where, and what to do.

    A PrerequisiteError, so that plain `inspect eval` shows it as one line too.
    """

    def __init__(self, text: str) -> None:
        text = printable(masked(text))
        super().__init__(escape(text))
        self.text = text

    def __str__(self) -> str:
        return self.text


def plain_message(error: PrerequisiteError) -> str:
    """The message of one of Inspect's errors or ours, as one line of plain text."""
    if isinstance(error, UserError):
        return error.text
    return " ".join(Text.from_markup(str(error.message)).plain.split()).removeprefix("ERROR: ")


def check_address(address: str | None, where: str) -> None:
    """Refuse an address with a user or password in it, which would be written into every log. Raises UserError."""
    try:
        parts = urlsplit(address or "")
        named = parts.username or parts.password
    except ValueError as error:
        raise UserError(f"{where}: not an address: {error}") from None
    if named is not None:
        raise UserError(
            f"{where}: the address has a user or password in it, which logs would keep; leave it out, and set the key "
            "as an environment variable"
        )


def need_extra(package: str, extra: str) -> UserError:
    """The error for an optional package that is not installed."""
    return UserError(f"{package} is not installed; run: {install_command(extra)}")


def install_command(extra: str) -> str:
    """The command that adds an extra to this installation, from its clone, repository or file, or else an index."""
    has_pip = importlib.util.find_spec("pip") is not None
    python = shlex.quote(sys.executable)
    installer = f"{python} -m pip install" if has_pip else f"uv pip install --python {python}"
    return f"{installer} {_requirement(extra)}"


def _requirement(extra: str) -> str:
    # PEP 610; if the current folder is a clone, its metadata hides that of the installed package
    told = (found.read_text("direct_url.json") for found in distributions(name=_NAME))
    origin = json.loads(next(filter(None, told), "{}"))
    url = origin.get("url", "")
    if "dir_info" in origin and Path(place := unquote(urlsplit(url).path)).is_dir():
        return f'{"-e " if origin["dir_info"].get("editable") else ""}"{place}[{extra}]"'
    if "vcs_info" in origin:
        vcs = origin["vcs_info"]
        return f'"{_NAME}[{extra}] @ {vcs["vcs"]}+{url}@{vcs["commit_id"]}"'
    return f'"{_NAME}[{extra}] @ {url}"' if "archive_info" in origin else f'"{_NAME}[{extra}]"'

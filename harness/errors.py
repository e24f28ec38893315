"""Errors that are the user's to mend: shown as one line, exit code 2."""

from __future__ import annotations

from rich.markup import escape
from rich.text import Text

from .inspect_seam import PrerequisiteError

__all__ = ["PrerequisiteError", "UserError", "need_extra", "plain_message"]


class UserError(PrerequisiteError):
    """Wrong usage or missing configuration. The message says what is wrong, where, and what to do.

    A PrerequisiteError, so that plain `inspect eval` shows it as one line too.
    """

    def __init__(self, text: str) -> None:
        super().__init__(escape(text))
        self.text = text

    def __str__(self) -> str:
        return self.text


def plain_message(error: PrerequisiteError) -> str:
    """One line of plain text from an error of Inspect's or ours."""
    if isinstance(error, UserError):
        return error.text
    return " ".join(Text.from_markup(str(error.message)).plain.split()).removeprefix("ERROR: ")


def need_extra(package: str, extra: str) -> UserError:
    """The error for an optional package that is not installed."""
    return UserError(f'{package} is not installed; run: pip install "polaris-eval[{extra}]"')

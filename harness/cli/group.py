"""Shared by our two programs: user errors, Ctrl-C and SIGTERM are reported in one line."""

from __future__ import annotations

import errno
import gc
import json
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import click

_FULL = (errno.ENOSPC, errno.EDQUOT)
_JSON = "polaris_eval.json"  # whether the output has to be JSON, in the context of a command
# threshold of the garbage collector; at Python's default of 700 it takes a tenth of a command's time in vain
_COLLECT_AFTER = 20_000


class OneLineGroup(click.Group):
    """Commands that report user errors in one line with exit code 2, and Ctrl-C or SIGTERM with exit code 1."""

    program = "polaris-eval"
    kept = "finished work is kept, and the same command continues from there"

    def list_commands(self, ctx: click.Context) -> list[str]:
        """List commands in order of registration, which is the order in which people use them."""
        return list(self.commands)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        ctx.meta[_JSON] = "--json" in args
        return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        gc.set_threshold(_COLLECT_AFTER)
        try:
            with _sigterm_as_ctrl_c():
                return super().invoke(ctx)
        except click.exceptions.Exit:
            raise
        except click.ClickException as error:
            if not ctx.meta[_JSON]:
                raise
            self.fail(error.format_message(), error.exit_code)
        except KeyboardInterrupt:
            self.fail(f"stopped; {self.kept}", 1)
        except Exception as error:
            self.fail(_explain(error), 2)

    def fail(self, message: str, code: int) -> None:
        """Print a one-line message and exit; a command with --json prints its message as JSON too."""
        if click.get_current_context().meta[_JSON]:
            click.echo(json.dumps({"error": message}, ensure_ascii=False))
        click.echo(f"{self.program}: {message}", err=True)
        sys.exit(code)


@contextmanager
def _sigterm_as_ctrl_c() -> Iterator[None]:
    """Treat SIGTERM, which schedulers send before they kill, as Ctrl-C, which Inspect and the trainer answer."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, frame: FrameType | None) -> None:
        if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as in a shell's background jobs
            signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.raise_signal(signal.SIGINT)

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _explain(error: Exception) -> str:
    """Return one line for an error that the user can fix; raise any other again."""
    from ...rubrics import RubricError
    from ..errors import PrerequisiteError, plain_message

    if isinstance(error, RubricError):
        return str(error)
    if isinstance(error, PrerequisiteError):
        return plain_message(error)
    if isinstance(error, OSError) and error.strerror:
        after = ", and the same command continues once there is room" if error.errno in _FULL else ""
        return f"{error.filename or 'a file'}: {error.strerror}; finished work is kept{after}"
    raise error

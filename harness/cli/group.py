"""What our two programs share: a user's mistake is one line, and stops are told."""

from __future__ import annotations

import gc
import sys
from typing import Any

import click

# objects made until the garbage collector looks; at Python's 700 it takes a tenth of the time of a command, in vain
_COLLECT_AFTER = 20_000


class OneLineGroup(click.Group):
    """Commands whose user's mistakes become one line and exit code 2, and Ctrl-C one line and 1."""

    program = "polaris-eval"
    kept = "what was finished is kept, and the same command continues from there"

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order in which people use them, which is that of their registration."""
        return list(self.commands)

    def invoke(self, ctx: click.Context) -> Any:
        gc.set_threshold(_COLLECT_AFTER)
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit):
            raise
        except KeyboardInterrupt:
            self.fail(f"stopped; {self.kept}", 1)
        except Exception as error:
            self.fail(_explain(error), 2)

    def fail(self, message: str, code: int) -> None:
        """Say one line and end."""
        click.echo(f"{self.program}: {message}", err=True)
        sys.exit(code)


def _explain(error: Exception) -> str:
    """One line for an error that is the user's to mend; any other is raised again."""
    from ...rubrics import RubricError
    from ..errors import PrerequisiteError, plain_message

    if isinstance(error, RubricError):
        return str(error)
    if isinstance(error, PrerequisiteError):
        return plain_message(error)
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename or 'a file'}: {error.strerror}; what was finished is kept"
    raise error

"""The command reference, made from --help: python tests/reference.py writes COMMANDS.md of both programs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click

from polaris_eval.harness.cli import main as evaluation
from polaris_eval.trainers.cli import main as training

ROOT = Path(__file__).parents[1]
PROGRAMS = {
    ROOT / "harness/cli/COMMANDS.md": ("polaris-eval", evaluation),
    ROOT / "trainers/cli/COMMANDS.md": ("polaris-train", training),
}


def commands(name: str, command: click.Command, parent: click.Context | None = None) -> Iterator[tuple[str, str]]:
    """Every command below this one with its help, as on a terminal of 100 columns."""
    settings = {**command.context_settings, "max_content_width": 100, "terminal_width": 100}
    context = click.Context(command, info_name=name, parent=parent, **settings)
    yield context.command_path, command.get_help(context)
    for below in command.list_commands(context) if isinstance(command, click.Group) else ():
        yield from commands(below, command.commands[below], context)  # type: ignore[attr-defined]


def reference(name: str, program: click.Command) -> str:
    """The reference of a program as Markdown."""
    parts = [f"# {name}", "Made from `--help` by `make reference`; `make check` fails if it is out of date."]
    parts += [f"## {path}\n\n```\n{text.rstrip()}\n```" for path, text in commands(name, program)]
    return "\n\n".join(parts) + "\n"


if __name__ == "__main__":
    for path, (name, program) in PROGRAMS.items():
        path.write_text(reference(name, program), encoding="utf-8")

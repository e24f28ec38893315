"""`polaris-eval new`: a commented, working starting point for your own rubric or benchmark."""

from __future__ import annotations

import re
from importlib.resources import files
from pathlib import Path

import click

_NAME = re.compile(r"[a-z][a-z0-9_]{1,40}")
_PROXY = "polaris_eval/lexical"


@click.group()
def new() -> None:
    """Write a starting point: a rubric file, or a package with a benchmark.

    \b
    Examples:
      polaris-eval new rubric mine          mine.yaml, for use with --rubric mine.yaml
      polaris-eval new benchmark mine       a folder mine/, to install with pip install ./mine
    """


@new.command()
@click.argument("name")
def rubric(name: str) -> None:
    """Write NAME.yaml, a rubric with comments on every part.

    \b
    Examples:
      polaris-eval new rubric mine
      polaris-eval run --model openai/gpt-5.4-mini --rubric mine.yaml
    """
    _check(name)
    path = Path(f"{name}.yaml")
    _write({path: _filled("rubric.yaml", name)})
    click.echo("Try it offline, with the proxy judge:")
    click.echo(
        f"  polaris-eval run --model polaris_eval/local --judge {_PROXY} --rubric {path} --limit 2 --max-tokens 512"
    )


@new.command()
@click.argument("name")
def benchmark(name: str) -> None:
    """Write the folder NAME: a package with a benchmark, its prompts and its rubric, with comments on every part.

    \b
    Examples:
      polaris-eval new benchmark mine && pip install -e ./mine
      polaris-eval run --model openai/gpt-5.4-mini --benchmark mine
    """
    _check(name)
    package = Path(name) / name
    _write({
        Path(name) / "pyproject.toml": _filled("pyproject.toml", name),
        Path(name) / "README.md": _filled("README.md", name),
        package / "__init__.py": _filled("benchmark.py", name),
        package / "prompts.jsonl": _filled("prompts.jsonl", name),
        package / "rubric.yaml": _filled("rubric.yaml", name),
    })  # fmt: skip
    click.echo("Install it, and try it offline, with the proxy judge:")
    click.echo(f"  pip install -e ./{name}")
    click.echo(
        f"  polaris-eval run --model polaris_eval/local --judge {_PROXY} --benchmark {name} --limit 2 --max-tokens 512"
    )


def _check(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise click.UsageError(f"{name!r}: a name has lower-case letters, digits and _, and starts with a letter")


def _filled(template: str, name: str) -> str:
    text = (files("polaris_eval.harness.cli") / "templates" / template).read_text(encoding="utf-8")
    return text.replace("NAME", name)


def _write(made: dict[Path, str]) -> None:
    for path in made:
        if path.exists():
            raise click.UsageError(f"{path} exists already; nothing was written")
    for path, text in made.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        click.echo(f"wrote {path}")

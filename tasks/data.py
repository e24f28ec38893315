"""`polaris-eval data`: the prompt files of other people's benchmarks."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

_DATA_DIR = click.option(
    "--data-dir", type=click.Path(path_type=Path), help="Folder with the files, in place of the cache."
)


@click.group()
def data() -> None:
    """Prompt files of other people's benchmarks: list, pull, verify.

    \b
    polaris-eval data list       what is declared, from where, under which licence, and whether it is here
    polaris-eval data pull       fetch everything now, for a machine that will be offline later
    polaris-eval data verify     check what is here against the pins; exit code 1 where a file is missing or changed
    """


@data.command(name="list")
@_DATA_DIR
@click.option("--json", "as_json", is_flag=True, help="Machine-readable output.")
def list_(data_dir: Path | None, as_json: bool) -> None:
    """Every declared file: origin, pin, licence, and whether it is here."""
    from rich.console import Console
    from rich.table import Table

    from .sources import sources, state

    found = [{**s.model_dump(exclude_none=True), "state": state(s, data_dir)} for s in sources().values()]
    if as_json:
        click.echo(json.dumps(found, indent=2))
        return
    table = Table(title="Prompt files", title_justify="left")
    for heading in ("name", "file", "from", "git blob", "licence", "state"):
        table.add_column(heading, overflow="fold")
    for source in sources().values():
        cells = (source.name, source.path, source.origin, source.blob[:12], source.licence)
        table.add_row(*cells, state(source, data_dir))
    console = Console() if sys.stdout.isatty() else Console(width=170)
    console.print(table)
    console.print(
        "Story Quality and EQ-Bench LongForm use the set mini, which ships here, or the dataset "
        "rishanthrajendhran/POLARIS (--prompts official), which the Hugging Face hub serves and which is not pinned.",
        highlight=False,
    )


@data.command()
@click.argument("names", nargs=-1)
def pull(names: tuple[str, ...]) -> None:
    """Fetch the files NAMES (all by default) into the user's cache and verify them."""
    import os

    from ..harness.errors import UserError
    from . import sources

    if os.environ.get(sources.DATA):
        raise UserError(f"{sources.DATA} is set, so files are read from there; unset it to fetch into the cache")
    known = sources.sources()
    for name in names or known:
        if name not in known:
            raise UserError(f"unknown file {name!r}; known: {', '.join(known)}")
        source = known[name]
        if source.package:
            sources.load(name)
            click.echo(f"{name}: verified, in {source.origin}")
        elif sources.location(source).is_file() and sources.state(source) == "verified":
            click.echo(f"{name}: verified already, {sources.location(source)}")
        else:
            sources.pull(source)
            click.echo(f"{name}: fetched and verified, {source.url}")


@data.command()
@_DATA_DIR
def verify(data_dir: Path | None) -> None:
    """Check every file against its pin; exit code 1 where one is missing or changed."""
    from .sources import location, sources, state

    bad = 0
    for source in sources().values():
        found = state(source, data_dir)
        bad += found != "verified"
        where = f", {location(source, data_dir)}" if found != "not installed" else ""
        click.echo(f"{source.name}: {found}{where}")
    sys.exit(1 if bad else 0)

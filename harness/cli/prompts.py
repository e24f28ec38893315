"""`polaris-eval prompts`: the benchmarks' prompts, and the files that they come from."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from .options import data_dir, shown_prompts

if TYPE_CHECKING:
    from ..sources import Source

_DATA_DIR = click.option(
    "--data-dir", type=click.Path(path_type=Path), help="Folder with the files, instead of the cache."
)


@click.group()
def prompts() -> None:
    """Prompts of the benchmarks, and the third-party files that they come from.

    \b
    polaris-eval prompts show story_quality > mine.jsonl
                                    the prompts of a benchmark, as a file for `run --prompts mine.jsonl`
    polaris-eval prompts list       the declared files, with their origin, licence, and whether they are present
    polaris-eval prompts pull       fetch everything now, for offline use later
    polaris-eval prompts verify     check the files against their pins; exit code 1 if one is missing or changed
    """


@prompts.command()
@click.argument("benchmark")
@shown_prompts
@data_dir
@click.option("--limit", type=click.IntRange(min=1), help="Only the first N prompts.")
def show(
    benchmark: str, prompts: str | None, split: str | None, language: str | None, iterations: int | None,
    limit: int | None,
) -> None:  # fmt: skip
    """Print the prompts of BENCHMARK as JSON lines: id, prompt, target_words, category. Needs no judge."""
    from ..benchmarks import find_benchmark
    from ..inspect_seam import prompt_text
    from ..run.samples import prompts_of

    found = prompts_of(find_benchmark(benchmark), prompts, split, language, iterations)
    for sample in found.samples[:limit]:
        known = {name: (sample.metadata or {}).get(name) for name in ("target_words", "category")}
        record = {"id": str(sample.id), "prompt": prompt_text(sample), **{k: v for k, v in known.items() if v}}
        click.echo(json.dumps(record, ensure_ascii=False))


@prompts.command(name="list")
@_DATA_DIR
@click.option("--json", "as_json", is_flag=True, help="Machine-readable output.")
def list_(data_dir: Path | None, as_json: bool) -> None:
    """List every declared file: origin, pin, licence, and whether it is present."""
    from dataclasses import replace

    from ..show.grid import grid, texts
    from ..show.render import console, print_grids
    from ..sources import state

    declared = _sources().values()
    if as_json:
        found = [{**s.model_dump(exclude_none=True), "state": state(s, data_dir)} for s in declared]
        click.echo(json.dumps(found, indent=2))
        return
    heads = texts("name", "file", "from", "git blob", "licence", "state")
    rows = ([s.name, s.path, s.origin, s.blob[:12], s.licence, state(s, data_dir)] for s in declared)
    note = (
        "story_quality and eqbench_longform use the set mini, which ships here, or the dataset "
        "rishanthrajendhran/POLARIS (--prompts official) from the Hugging Face hub, which is not pinned."
    )
    print_grids([replace(grid("Prompt files", heads, rows), notes=(note,))], console(170))


@prompts.command()
@click.argument("names", nargs=-1)
def pull(names: tuple[str, ...]) -> None:
    """Fetch the files NAMES (all by default) into the user's cache and verify them."""
    from .. import environment, sources
    from ..errors import UserError

    if environment.data_dir():
        told = f"{environment.DATA} is set, so files are read from there; unset it to fetch into the cache"
        raise UserError(told)
    known = _sources()
    for name in names or known:
        if name not in known:
            raise UserError(f"unknown file {name!r}; known: {', '.join(known)}")
        source = known[name]
        if sources.state(source) == "verified":
            click.echo(f"{name}: verified already, {sources.location(source)}")
        else:
            sources.pull(source)
            click.echo(f"{name}: fetched and verified, {source.url}")


@prompts.command()
@_DATA_DIR
def verify(data_dir: Path | None) -> None:
    """Check every file against its pin; exit code 1 if one is missing or changed."""
    from ..sources import location, state

    bad = 0
    for source in _sources().values():
        found = state(source, data_dir)
        bad += found != "verified"
        click.echo(f"{source.name}: {found}, {location(source, data_dir)}")
    sys.exit(1 if bad else 0)


def _sources() -> dict[str, Source]:
    """The files that the benchmarks of all installed packages declare, by name."""
    from ..benchmarks import benchmarks

    return {source.name: source for benchmark in benchmarks().values() for source in benchmark.sources}

"""`compare`: is B better than A?"""

from __future__ import annotations

import sys
from pathlib import Path

import click

from .options import PATH


@click.command(
    epilog="""\b
Examples:
  polaris-eval compare lab/base lab/tuned --logs logs
  polaris-eval compare logs-before logs-after --fail-if-worse
  polaris-eval compare run/held_out/step-00000.jsonl run/held_out/step-00040.jsonl
A and B are models in --logs, logs or log folders with the stories of one model each, or files of held-out stories from
a training run."""
)
@click.argument("a", metavar="A")
@click.argument("b", metavar="B")
@click.option(
    "--logs", multiple=True, default=("logs",), show_default=True, help="Where to look for models (repeatable)."
)
@click.option(
    "--fail-if-worse",
    is_flag=True,
    help="Exit code 1 if B is worse than A on any benchmark (p < 0.05, Holm), or was not judged on one that A was.",
)
@click.option(
    "--out",
    type=PATH,
    default=Path("results"),
    show_default=True,
    help="Folder for compare.md, compare.json and pages (compare/).",
)
def compare(a: str, b: str, logs: tuple[str, ...], fail_if_worse: bool, out: Path) -> None:
    """Compare two models, runs or training steps, prompt by prompt: is B better than A?

    Shows the difference per benchmark, length bucket and criterion, with intervals and paired tests, and the prompts
    that changed most, with pages to read both stories side by side.
    """
    import pandas as pd

    from ..errors import UserError
    from ..leaderboard.change import change_grids
    from ..leaderboard.change import compare as changes
    from ..logs.sides import side
    from ..report.change import titles_of, told_stories, write_change
    from ..show.files import write_json
    from ..show.render import console, markdown_page, print_grids, print_written

    sides = side(a, logs, "A"), side(b, logs, "B")
    found, to, stories = changes(*sides), console(100), pd.concat(sides)
    told = told_stories(found, stories)
    grids = change_grids(found, a, b, titles_of(found, told))
    print_grids(grids, to)
    out.mkdir(parents=True, exist_ok=True)
    written = [out / "compare.md", write_json(out / "compare.json", {"a": a, "b": b, **vars(found)})]
    written[0].write_text(markdown_page("Comparison", grids, grids[0].notes), encoding="utf-8")
    try:
        written.append(write_change(found, (a, b), stories, told, out / "compare"))
    except UserError as error:
        click.echo(f"Story pages not written: {error}")
    print_written(written, to)
    worse = [change.name for change in found.changes if change.verdict == "worse"]
    if fail_if_worse and worse:
        click.echo(f"B is worse than A on {', '.join(worse)}")
    if fail_if_worse and found.only_a:
        click.echo(f"Whether B is worse on {', '.join(found.only_a)} cannot be told: only A was judged on it")
    if fail_if_worse and (worse or found.only_a):
        sys.exit(1)

"""The commands over logs that exist: leaderboard, report and judge-check."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .options import FILE, PATH, data_dir, pairs

if TYPE_CHECKING:
    import pandas as pd

    from .leaderboard import Comparison

SORTING = ("score", "length", "slope", "area", "coverage", "repetition", "cost", "model",
           "story_quality", "eqbench_longform", "eqbench_creative", "writingbench", "longbench_write",
           "arena")  # fmt: skip


def _choosing(command: Any) -> Any:
    """Options that say which stories of the logs take part."""
    for option in (
        click.option("--prices", type=FILE, help="Price file of your own, in the form of the one that ships here."),
        click.option("--limit", type=click.IntRange(min=1), help="First so many prompts of each log only."),
        click.option("--judge", "judges", multiple=True, help="Only this judge; * and ? stand for any (repeatable)."),
        click.option("--benchmark", "benchmarks", multiple=True, help="Only this benchmark (repeatable)."),
        click.option("--model", "models", multiple=True, help="Only this model; * and ? stand for any (repeatable)."),
        click.option("--with-published", is_flag=True, help="Show the published rows too, apart from the others."),
    ):
        command = option(command)
    return command


@click.command(
    epilog="""\b
Examples:
  polaris-eval leaderboard logs
  polaris-eval leaderboard logs 'other/*.eval' s3://bucket/logs --with-published --out results
  polaris-eval leaderboard logs --benchmark story_quality --model 'openai/*' --sort slope --plots
LOGS are folders, files or patterns, here or wherever Inspect can read (s3://, gs://, …)."""
)
@click.argument("logs", nargs=-1, required=True)
@_choosing
@click.option("--sort", type=click.Choice(SORTING), default="score", show_default=True,
              help="Order of the rows; a benchmark's name orders the overview by its score.")  # fmt: skip
@click.option("--details", is_flag=True, help="Show pairs, criteria and categories too (the files always hold them).")
@click.option("--plots", is_flag=True, help="Draw the plots too, as PNG and PDF, into the subfolder plots.")
@click.option("--out", type=PATH, default=Path("results"), show_default=True,
              help="Folder of leaderboard.md, .tex, .csv, .json, pairs.csv, stories.csv and scores.*")  # fmt: skip
def leaderboard(logs: tuple[str, ...], details: bool, plots: bool, out: Path, sort: str, **chosen: Any) -> None:
    """Tables from logs: on screen, and as Markdown, LaTeX, CSV, JSON and Parquet."""
    from . import export, table

    frame, sections = _sections(logs, sort, **chosen)
    console = print_tables(sections, details)
    written = export.write_files(sections, out, "leaderboard", "pairs.csv")
    written += table.write_table(frame, out) if len(frame) else []
    if plots:
        from .plots import write_plots

        written += write_plots(sections, out / "plots")
    for path in written:
        console.print(f"  wrote {path}", highlight=False, markup=False, soft_wrap=True)


@click.command(
    epilog="""\b
Examples:
  polaris-eval report logs
  polaris-eval report logs other-logs --with-published --out report-june
  polaris-eval report logs --transcripts
The pages open from disk, need no network, and can be put on any web server."""
)
@click.argument("logs", nargs=-1, required=True)
@_choosing
@click.option("--transcripts", is_flag=True,
              help="Copy the logs of one folder in too, with Inspect's viewer, and link stories to them (that part "
              "needs a web server: python -m http.server).")  # fmt: skip
@click.option("--out", type=PATH, default=Path("report"), show_default=True, help="Folder of the pages.")
def report(logs: tuple[str, ...], transcripts: bool, out: Path, **chosen: Any) -> None:
    """Pages to read: tables, plots, and every story beside the others of its prompt, with marks and quotes."""
    folder = Path(logs[0]) if len(logs) == 1 else None
    if transcripts and (folder is None or not folder.is_dir()):
        raise click.UsageError("--transcripts copies the logs of one folder; name one, and nothing else")
    from .report import write_report

    _, sections = _sections(logs, "score", **chosen)
    index = write_report(sections, out, folder if transcripts else None)
    click.echo(f"wrote {index} ({len(list((out / 'prompts').iterdir()))} prompts)")


@click.command(
    "judge-check",
    epilog="""\b
Examples:
  polaris-eval judge-check logs --judge openai/gpt-5.4-mini --plan
  polaris-eval judge-check stories.jsonl --judge openai/gpt-5.4-mini --judge anthropic/claude-sonnet-4-6
  polaris-eval judge-check stories.jsonl --judge polaris_eval/lexical --limit 12
Every story is judged --repeats times as it is, and once for each of 5 damages, 3 harmless passages and 10 injections.
The same command again continues a broken check.""",
)
@click.argument("source", type=FILE)
@click.option("--judge", "judges", multiple=True, required=True, help="Judge to be tested (repeatable).")
@click.option("--benchmark", help="Stories of this benchmark. [default: of the only one in SOURCE]")
@click.option("--limit", type=click.IntRange(min=1), default=24, show_default=True, help="Stories.")
@click.option("--repeats", type=click.IntRange(min=2), default=3, show_default=True, help="Judgments of each story.")
@click.option("--judge-option", "judge_options", multiple=True, callback=pairs, metavar="NAME=VALUE",
              help="Setting of the judge that replaces the rubric's own (repeatable).")  # fmt: skip
@click.option("--judge-base-url", help="Address of the judge's server.")
@click.option("--max-connections", type=click.IntRange(min=1), help="Calls at a time to each provider.")
@data_dir
@click.option("--plan", "only_plan", is_flag=True, help="Count and price the calls; call nothing.")
@click.option("--log-dir", type=PATH, default=Path("judge-check"), show_default=True,
              help="Folder of the variants and logs.")  # fmt: skip
@click.option("--out", type=PATH, default=Path("results"), show_default=True,
              help="Folder of judge-check.md and judge-check.json.")  # fmt: skip
def judge_check(source: Path, judges: tuple[str, ...], only_plan: bool, out: Path, **options: Any) -> None:
    """How far a judge can be trusted: retests, agreement, evidence, damaged stories, length bias, injections."""
    from . import check_report

    sys.exit(check_report.run_check(source, judges, only_plan, out, **options))


def show_tables(logs: Sequence[str], limit: int | None, epochs: int | None, published: bool) -> pd.DataFrame:
    """Print the tables of logs; returns the stories."""
    from . import leaderboard, table

    frame = _stories(table.stories_frame(logs, limit, epochs))
    print_tables(leaderboard.build(frame, published), details=False)
    return frame


def _sections(
    places: Sequence[str],
    sort: str,
    models: Sequence[str],
    benchmarks: Sequence[str],
    judges: Sequence[str],
    limit: int | None,
    prices: Path | None,
    with_published: bool,
) -> tuple[pd.DataFrame, list[Comparison]]:
    """The stories of the logs, and the sections of a leaderboard: benchmarks, then arenas."""
    from . import display, leaderboard, matches, table
    from .arena import BENCHMARK
    from .errors import UserError
    from .logs import log_files
    from .prices import load_prices

    logs = log_files(places)
    listed = load_prices(prices)
    frame = table.stories_frame(logs, limit, prices=listed)
    pairs = matches.judgments_frame(logs, listed)
    if pairs.empty:
        frame = _stories(frame)
    arena = {BENCHMARK} if len(pairs) else set()
    wanted = leaderboard.chosen("model", {*frame["model"], *pairs["first"], *pairs["second"]}, models)
    named = leaderboard.chosen("benchmark", arena.union(frame["benchmark"]), benchmarks)
    trusted = leaderboard.chosen("judge", {*frame["judge"], *pairs["judge"]}, judges)
    frame = frame[frame["model"].isin(wanted) & frame["benchmark"].isin(named) & frame["judge"].isin(trusted)]
    pairs = pairs[pairs["judge"].isin(trusted) & (BENCHMARK in named)]
    sections = [*leaderboard.build(frame, with_published, sort), *_arenas(pairs, wanted)]
    if not sections:
        raise UserError("nothing is left: no model chosen was judged on a benchmark and by a judge chosen")
    return frame, display.sorted_sections(sections, sort)


def _arenas(judgments: pd.DataFrame, models: set[str]) -> list[Comparison]:
    """Standings of the arenas, rated with all their models and shown with those chosen."""
    from dataclasses import replace

    from .errors import UserError
    from .standings import build_standings

    found: list[Comparison] = []
    for judge, group in judgments.groupby("judge", sort=True):
        try:
            standings = build_standings(group)
        except UserError as error:
            click.echo(f"polaris-eval: the arena of judge {judge} is left out: {error}", err=True)
            continue
        for one in standings:
            rows = [row for row in one.rows if row["model"] in models]
            pairs = one.pairs[one.pairs["a"].isin(models) & one.pairs["b"].isin(models)]
            found += [replace(one, rows=rows, pairs=pairs)] if rows else []
    return found


def _stories(frame: pd.DataFrame) -> pd.DataFrame:
    from .errors import UserError

    if frame.empty:
        raise UserError("no stories in these logs: none of them is of a benchmark of ours, or none got that far")
    return frame


def print_tables(sections: Sequence[Comparison], details: bool) -> Any:
    """Print tables; returns the console that they were printed on."""
    from rich.console import Console

    from . import display

    console = Console(emoji=False) if sys.stdout.isatty() else Console(emoji=False, width=160)
    display.show(sections, console, details)
    return console

"""Commands that read existing logs, stories or results: leaderboard, report, judge-check, judge-people and judges."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .options import FILE, PATH, data_dir, name_values, price_file, rubric_option

if TYPE_CHECKING:
    import pandas as pd

    from ..leaderboard.comparison import Comparison


def _choosing(command: Any) -> Any:
    """Add the options that choose stories from the logs."""
    for option in (
        price_file,
        click.option("--limit", type=click.IntRange(min=1), help="Only the first N prompts of each log."),
        click.option("--judge", "judges", multiple=True, help="Only this judge; * and ? are wildcards (repeatable)."),
        click.option("--benchmark", "benchmarks", multiple=True, help="Only this benchmark (repeatable)."),
        click.option("--model", "models", multiple=True, help="Only this model; * and ? are wildcards (repeatable)."),
        click.option("--with-published", is_flag=True, help="Also show the published rows, apart from the others."),
    ):
        command = option(command)
    return command


@click.command(
    epilog="""\b
Examples:
  polaris-eval leaderboard logs
  polaris-eval leaderboard logs 'other/*.eval' s3://bucket/logs --with-published --out results
  polaris-eval leaderboard logs --benchmark story_quality --model 'openai/*' --sort slope --plots
LOGS are folders, files or patterns, local or anywhere that Inspect can read (s3://, gs://, …)."""
)
@click.argument("logs", nargs=-1, required=True)
@_choosing
@click.option("--sort", metavar="BY", default="score", show_default=True,
              help="Order of the rows: score, length, slope, area, coverage, repetition, cost or model; a benchmark's "
              "name (or arena) orders the overview by its score.")  # fmt: skip
@click.option("--details", is_flag=True, help="Also show pairs, criteria and categories (always in the files).")
@click.option("--plots", is_flag=True, help="Also draw the plots, as PNG and PDF, into the subfolder plots.")
@click.option("--out", type=PATH, default=Path("results"), show_default=True,
              help="Folder of leaderboard.*, pairs.csv, stories.csv, scores.* and judgments.*")  # fmt: skip
def leaderboard(logs: tuple[str, ...], details: bool, plots: bool, out: Path, sort: str, **chosen: Any) -> None:
    """Tables from logs: on screen, and as Markdown, LaTeX, CSV, JSON and Parquet."""
    from ..leaderboard import files
    from ..logs import table
    from ..logs.judgments import write_judgments
    from ..show.render import print_written

    frame, sections = _sections(logs, sort, **chosen)
    console = print_tables(sections, details)
    written = files.write_files(sections, out, "leaderboard", "pairs.csv")
    if len(frame):
        written += [*table.write_table(frame, out), *write_judgments(frame, out)]
    if plots:
        written += files.write_plots(sections, out / "plots")
    print_written(written, console)


@click.command(
    epilog="""\b
Examples:
  polaris-eval report logs
  polaris-eval report logs other-logs --with-published --out report-june
  polaris-eval report logs --transcripts
  polaris-eval report logs --judges results
The pages open from disk, need no network, and can be put on any web server."""
)
@click.argument("logs", nargs=-1, required=True)
@_choosing
@click.option("--transcripts", is_flag=True,
              help="Also copy in the logs of one folder, with Inspect's viewer, and link stories to them (this part "
              "needs a web server: python -m http.server).")  # fmt: skip
@click.option("--judges", "judged", multiple=True, type=FILE,
              help="Results of judge-check and judge-people, for a page about the judges (repeatable).")  # fmt: skip
@click.option("--out", type=PATH, default=Path("report"), show_default=True, help="Folder of the pages.")
def report(logs: tuple[str, ...], transcripts: bool, judged: tuple[Path, ...], out: Path, **chosen: Any) -> None:
    """Write web pages: tables, plots, and every story next to the others for its prompt, with marks and quotes."""
    folder = Path(logs[0]) if len(logs) == 1 else None
    if transcripts and (folder is None or not folder.is_dir()):
        raise click.UsageError("--transcripts copies the logs of one folder; give exactly one folder")
    from ..judge_people.judges import judge_grid, judge_rows
    from ..report.report import write_report

    table = judge_grid(judge_rows(judged)) if judged else None
    _, sections = _sections(logs, "score", **chosen)
    index = write_report(sections, out, folder if transcripts else None, table)
    click.echo(f"wrote {index} ({len(list((out / 'prompts').iterdir()))} prompts)")


@click.command(
    "judge-check",
    epilog="""\b
Examples:
  polaris-eval judge-check logs --judge openai/gpt-5.4-mini --plan
  polaris-eval judge-check stories.jsonl --judge openai/gpt-5.4-mini --judge anthropic/claude-sonnet-4-6
  polaris-eval judge-check stories.jsonl --judge polaris_eval/lexical --limit 12
Every story is judged --repeats times as it is, and once for each of 5 damages, 3 harmless passages and 20 injections.
Run the same command again to resume a stopped check.""",
)
@click.argument("source", type=FILE)
@click.option("--judge", "judges", multiple=True, required=True, help="Judge to test (repeatable).")
@click.option("--benchmark", help="Only stories of this benchmark. [default: the only one in SOURCE]")
@rubric_option
@click.option("--limit", type=click.IntRange(min=1), default=24, show_default=True, help="Number of stories.")
@click.option("--repeats", type=click.IntRange(min=2), default=3, show_default=True, help="Judgments per story.")
@click.option("--judge-option", "judge_options", multiple=True, callback=name_values, metavar="NAME=VALUE",
              help="Setting of the judge that replaces the rubric's own (repeatable).")  # fmt: skip
@click.option("--judge-base-url", help="Address of the judge's server.")
@click.option("--max-connections", type=click.IntRange(min=1), help="Concurrent calls per provider.")
@data_dir
@click.option("--plan", "only_plan", is_flag=True, help="Count and price the calls without making any.")
@click.option("--log-dir", type=PATH, default=Path("judge-check"), show_default=True,
              help="Folder of the variants and logs.")  # fmt: skip
@click.option("--out", type=PATH, default=Path("results"), show_default=True,
              help="Folder of judge-check.md and judge-check.json.")  # fmt: skip
def judge_check(judge_options: dict[str, Any], **options: Any) -> None:
    """Test how far a judge can be trusted: retests, agreement, evidence, damaged stories, length bias, injections."""
    from ..judge.named import as_judge_config
    from ..judge_check.report import CheckRequest, run_check

    sys.exit(run_check(CheckRequest(judge_config=as_judge_config(judge_options), **options)))


@click.command(
    "judge-people",
    epilog="""\b
Examples:
  polaris-eval judge-people judged-by-people.jsonl --judge openai/gpt-5.4-mini --judge polaris_eval/lexical
  polaris-eval judge-people judged-by-people.jsonl --judge openai/gpt-5.4-mini --rubric ttcw --plan
  polaris-eval judge-people hanna --judge openai/gpt-5.4-mini --limit 24 --out results/hanna
  polaris-eval judge-people results/study-people.jsonl --judge openai/gpt-5.4-mini --rubric pairwise
SOURCE is a file or the dataset hanna (1,056 stories, three raters; fetched once). Each line of the file is a line of a
stories file with added "ratings" by people, {"ANNA": 7, "BEN": 5} or {"ANNA": {"Plot": 3, "Style": 4}}, or "ranks"
among the stories of its prompt, {"ANNA": 1}, 1 for the best. Or it is a pair: "id", "prompt", "first" and "second",
{"model": …, "story": …}, and "preferences", {"ANNA": "first"} (or "second", "equal"); study read writes such a file.
Run the same command again to resume; nothing is judged twice.""",
)
@click.argument("source")
@click.option("--judge", "judges", multiple=True, required=True, help="Judge to compare with people (repeatable).")
@click.option("--benchmark", default="story_quality", show_default=True, help="Benchmark to judge the stories on.")
@rubric_option
@click.option("--limit", type=click.IntRange(min=1), help="Only stories for the first N prompts.")
@click.option("--judge-option", "judge_options", multiple=True, callback=name_values, metavar="NAME=VALUE",
              help="Setting of the judge that replaces the rubric's own (repeatable).")  # fmt: skip
@click.option("--judge-base-url", help="Address of the judge's server.")
@click.option("--max-connections", type=click.IntRange(min=1), help="Concurrent calls per provider.")
@click.option("--plan", "only_plan", is_flag=True, help="Count and price the calls without making any.")
@click.option("--log-dir", type=PATH, default=Path("judge-people"), show_default=True, help="Folder of the logs.")
@click.option("--out", type=PATH, default=Path("results"), show_default=True,
              help="Folder of judge-people.md and judge-people.json.")  # fmt: skip
def judge_people(judge_options: dict[str, Any], **options: Any) -> None:
    """Test whether judges agree with people, compared with one person's agreement with the others, and length alone."""
    from ..judge.named import as_judge_config
    from ..judge_people.report import PeopleRequest, run_people

    sys.exit(run_people(PeopleRequest(judge_config=as_judge_config(judge_options), **options)))


@click.command(
    epilog="""\b
Example:
  polaris-eval judge-check stories.jsonl --judge openai/gpt-5.4-mini --out results/check
  polaris-eval judge-people hanna --judge openai/gpt-5.4-mini --out results/hanna
  polaris-eval judges results"""
)
@click.argument("results", nargs=-1, required=True, type=FILE)
@click.option("--out", type=PATH, default=Path("results"), show_default=True,
              help="Folder of judges.md, judges.csv and judges.json.")  # fmt: skip
def judges(results: tuple[Path, ...], out: Path) -> None:
    """One table of judges from RESULTS: files of judge-check and judge-people, or folders to search for them."""
    from ..judge_people.judges import judge_grid, judge_rows, write_judges
    from ..show.render import console, print_grids, print_written

    rows, to = judge_rows(results), console(200)
    print_grids([judge_grid(rows)], to)
    print_written(write_judges(rows, out), to)


def show_summary(logs: Sequence[str], limit: int | None, epochs: int | None, published: bool) -> pd.DataFrame:
    """Print the summary of a run, one screen of 80 columns per benchmark, or all tables if `published`.

    Returns the stories.
    """
    from ..leaderboard.build import build
    from ..leaderboard.summary import summary
    from ..logs.table import stories_frame
    from ..show.render import console, print_grids, print_notes

    frame = _stories(stories_frame(logs, limit, epochs))
    sections, to = build(frame, published), console(80)
    if published:
        print_tables(sections, details=False)
        return frame
    for section in sections:
        above, table, below = summary(section, section.rows)
        to.print()
        for line in above:
            to.print(line, markup=False, highlight=False)
        print_grids([table], to)
        print_notes(below, to)
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
    from ..errors import UserError
    from ..leaderboard.build import SORTS, build, chosen
    from ..leaderboard.files import first_section
    from ..logs.headers import log_files
    from ..logs.pairs import ARENA, judgments_frame
    from ..logs.table import stories_frame
    from ..prices import load_prices

    logs = log_files(places)
    listed = load_prices(prices)
    frame = stories_frame(logs, limit, prices=listed)
    pairs = judgments_frame(logs, listed)
    if pairs.empty:
        frame = _stories(frame)
    there = {*frame["benchmark"], *([ARENA] if len(pairs) else [])}
    if sort not in (*SORTS, "model", *there):
        raise UserError(f"--sort {sort}: cannot sort by this; known: {', '.join([*SORTS, 'model', *sorted(there)])}")
    wanted = chosen("model", {*frame["model"], *pairs["first"], *pairs["second"]}, models)
    named = chosen("benchmark", there, benchmarks)
    trusted = chosen("judge", {*frame["judge"], *pairs["judge"]}, judges)
    frame = frame[frame["model"].isin(wanted) & frame["benchmark"].isin(named) & frame["judge"].isin(trusted)]
    pairs = pairs[pairs["judge"].isin(trusted) & (ARENA in named)]
    sections = [*build(frame, with_published, sort), *_arenas(pairs, wanted)]
    if not sections:
        raise UserError("nothing is left: no chosen model was judged on a chosen benchmark by a chosen judge")
    return frame, first_section(sections, sort)


def _arenas(judgments: pd.DataFrame, models: set[str]) -> list[Comparison]:
    """Standings of the arenas, rated with all their models but showing only those chosen."""
    if judgments.empty:
        return []
    from ..arena.standings import build_standings
    from ..errors import UserError

    found: list[Comparison] = []
    for judge, group in judgments.groupby("judge", sort=True):
        try:
            found += [shown for one in build_standings(group) if (shown := one.among(models)).rows]
        except UserError as error:
            click.echo(f"polaris-eval: the arena of judge {judge} is left out: {error}", err=True)
    return found


def _stories(frame: pd.DataFrame) -> pd.DataFrame:
    from ..errors import UserError

    if frame.empty:
        raise UserError("no stories in these logs: they are not from benchmarks, or were stopped too early")
    return frame


def print_tables(sections: Sequence[Comparison], details: bool) -> Any:
    """Print tables; return the console that they were printed on."""
    from ..leaderboard.files import show
    from ..show.render import console

    to = console()
    show(sections, to, details)
    return to

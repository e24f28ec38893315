"""The program `polaris-eval`. Imports nothing heavy until a command runs, so that --help is fast."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from .arena import arena
from .compare import compare
from .group import OneLineGroup
from .new import new
from .options import (
    FILE,
    PATH,
    TASK_OPTIONS,
    data_dir,
    given,
    judging,
    model_place,
    price_file,
    prompting,
    rubric_option,
    shard,
    stories_format,
    which_benchmarks,
)
from .options import request as as_request
from .prompts import prompts
from .results import judge_check, judge_people, judges, leaderboard, report, show_summary
from .run_file import run_file
from .study import study


@click.group(cls=OneLineGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="polaris-eval")
def main() -> None:
    """Can this model write a long story? Write, judge, measure, compare.

    \b
    polaris-eval run --model openai/gpt-5.4-mini              all five benchmarks, judged by the paper's judges
    polaris-eval run --model polaris_eval/local --judge polaris_eval/lexical --benchmark story_quality --limit 6
                                                              one of them, offline, with a proxy judge
    polaris-eval leaderboard logs                             tables (and plots) from any logs
    polaris-eval compare A B                                  is B better than A? models, runs or training steps
    polaris-eval arena logs                                   which of two stories is better: ratings from pairs
    polaris-eval study make logs                              the same question for people, as a page to read in
    polaris-eval report logs                                  web pages: tables, plots, every story with its marks
    polaris-eval judge-check stories.jsonl --judge MODEL      how far a judge can be trusted
    polaris-eval judge-people judged.jsonl --judge MODEL      whether it agrees with people
    polaris-eval judges results                               one table of judges from both
    polaris-eval new rubric mine                              a starting point for your own rubric
    """


@main.command(
    epilog="""\b
Examples:
  polaris-eval run --model openai/gpt-5.4-mini --limit 6
  polaris-eval run --model vllm/Qwen/Qwen3.5-9B --benchmark story_quality --prompts official
  polaris-eval run --model A --model B --judge openai/gpt-5.4 --judge writingbench=google/gemini-3.1-pro-preview
  polaris-eval run --model A --judge openai/gpt-5.4 --judge anthropic/claude-sonnet-4-6 --jury zscore
  polaris-eval run --stories my.jsonl --judge anthropic/claude-sonnet-4-6
  polaris-eval run --model openai/gpt-5.4-mini --prompts mine.jsonl --rubric mine.yaml
  polaris-eval run my-run.yaml --limit 6
RUN.yaml has option names with values (model: openai/gpt-5.4-mini); options on the command line win. Paths in it are
relative to the current folder.
Run the same command again to resume a stopped run: nothing is written or judged twice."""
)
@run_file("plan")
@click.option("--model", "models", multiple=True, help="Writing model, as PROVIDER/MODEL (repeatable).")
@click.option(
    "--stories",
    type=PATH,
    help="File of stories to judge, instead of writing any: JSONL, or another tool's file (see --format).",
)
@stories_format
@rubric_option
@judging
@prompting
@data_dir
@click.option("--temperature", type=float, help="[default: the benchmark's]")
@click.option("--top-p", type=float, help="[default: the benchmark's]")
@click.option("--top-k", type=int)
@click.option("--max-tokens", type=click.IntRange(min=1), help="Maximum tokens per answer, including reasoning.")
@click.option("--seed", type=int, help="Seed for writing.")
@click.option("--repetition-penalty", type=float, help="[default: the benchmark's, if the provider supports it]")
@click.option("--reasoning-effort", type=click.Choice(["none", "minimal", "low", "medium", "high", "xhigh", "max"]))
@click.option("--reasoning-tokens", type=int, help="Maximum tokens of reasoning.")
@model_place
@click.option("--with-published", is_flag=True, help="Show the published rows under the table.")
def run(**options: Any) -> None:
    """Write a story for every prompt and judge it; or judge the stories of a file."""
    if options["stories"] is None and not options["models"]:
        raise click.UsageError("name a model with --model, or stories to judge with --stories FILE")
    if options["stories"] is not None and options["models"]:
        raise click.UsageError("--stories replaces writing: leave --model out")
    _check_format(options["stories"], options.pop("stories_format"))
    published = options.pop("with_published")
    request = as_request(options, tuple(options["models"]), options["stories"])
    _finish(request, published)


@main.command(
    epilog="""\b
Examples:
  polaris-eval score logs --judge anthropic/claude-sonnet-4-6 --log-dir logs-sonnet
  polaris-eval score logs/2026-11-23T10-00-00_story-quality_X.eval --benchmark eqbench_longform --log-dir second
  polaris-eval score logs --rubric mine.yaml --judge openai/gpt-5.4-mini --log-dir mine"""
)
@click.argument("source", type=FILE)
@which_benchmarks
@rubric_option
@judging
@data_dir
def score(source: Path, **options: Any) -> None:
    """Judge existing stories (a log, a folder of logs, a stories file) with another judge or rubric.

    No story is written again, and SOURCE is not changed: the new judgments go to --log-dir.
    """
    if source.resolve() == Path(options["log_dir"]).resolve():
        raise click.UsageError(f"--log-dir {options['log_dir']} is the source itself; name another folder")
    _finish(as_request(options, (), source), False)


main.add_command(arena)
main.add_command(study)
main.add_command(leaderboard)
main.add_command(compare)
main.add_command(report)
main.add_command(judge_check)
main.add_command(judge_people)
main.add_command(judges)
main.add_command(prompts)
main.add_command(new)


@main.command(
    epilog="""\b
Example:
  polaris-eval plan --model openai/gpt-5.4-mini --prompts official
  polaris-eval plan --model openai/gpt-5.4-mini --benchmark writingbench --judge openai/gpt-5.4
  polaris-eval plan my-run.yaml"""
)
@run_file("run")
@click.option("--model", "models", multiple=True, help="Writing model (repeatable).")
@click.option("--stories", type=PATH, help="Stories file to judge.")
@stories_format
@click.option(
    "--judge",
    "judges",
    multiple=True,
    metavar="[BENCHMARK=]MODEL",
    help="Judging model for all benchmarks, or for one; by default each rubric's. Several form a jury.",
)
@rubric_option
@prompting
@data_dir
@click.option("--limit", type=click.IntRange(min=1), help="Only the first N prompts.")
@shard
@price_file
@click.option("--json", "as_json", is_flag=True, help="Machine-readable output.")
def plan(as_json: bool, **options: Any) -> None:
    """Count before paying: stories, judge calls, tokens, and dollars if prices are known. Makes no calls."""
    if not options["models"] and options["stories"] is None:
        raise click.UsageError("name a model with --model, or stories to judge with --stories FILE")
    _check_format(options["stories"], options.pop("stories_format"))
    from ..run import plan as planning

    task_args = {name: options.pop(name) for name in TASK_OPTIONS if name in options}
    planning.show(planning.estimate(task_args=given(task_args), **options), as_json)


@main.command()
@click.option("--log-dir", type=PATH, default=Path("logs"), show_default=True, help="Folder of the logs.")
@click.option("--json", "as_json", is_flag=True, help="Machine-readable output.")
def doctor(log_dir: Path, as_json: bool) -> None:
    """Check what is installed, set and cached, and what each benchmark still needs. Makes no calls."""
    from ..run import doctor as checks

    checks.show(log_dir, as_json)


@main.command()
@click.option("--log-dir", type=FILE, default=Path("logs"), show_default=True, help="Folder of the logs.")
@click.option("--port", type=int, default=7575, show_default=True)
def view(log_dir: Path, port: int) -> None:
    """Read stories and judgments in Inspect's log viewer (in the browser)."""
    import subprocess

    command = [
        sys.executable,
        "-P",
        "-m",
        "inspect_ai",
        "view",
        "start",
        "--log-dir",
        str(log_dir),
        "--port",
        str(port),
    ]
    try:
        sys.exit(subprocess.run(command, check=False).returncode)
    except KeyboardInterrupt:
        sys.exit(0)


@main.command("lm-eval")
def lm_eval() -> None:
    """Print the folder of our tasks for lm-eval, for its --include_path.

    \b
    lm_eval --model hf --model_args pretrained=MODEL --apply_chat_template \\
        --tasks polaris_length,ifeval --include_path "$(polaris-eval lm-eval)"
    lm_eval … --tasks polaris_story_quality --include_path "$(polaris-eval lm-eval)" \\
        --metadata '{"prompts": "official", "judge": "openai/gpt-5.4"}'
    """
    from importlib.resources import files

    click.echo(files("polaris_eval.tasks.lm_eval"))


def _check_format(stories: Path | None, wanted: str | None) -> None:
    if wanted is None:
        return
    if stories is None:
        raise click.UsageError("--format is about --stories")
    from ..logs.formats import check_format

    check_format(stories, wanted)


def _finish(request: Any, published: bool) -> None:
    from ..run.run import run as run_all

    logs = run_all(request)
    frame = show_summary(logs, request.limit, request.epochs, published)
    left = int((~frame["status"].isin(["scored", "empty"])).sum())
    if left:
        has = "story has" if len(frame) == 1 else "stories have"
        click.echo(f"{left} of {len(frame)} {has} no score; run the same command to retry.")
    if shard := request.task_args.get("shard"):
        click.echo(f"This was shard {shard}. All shards so far: polaris-eval leaderboard {request.log_dir}")
    click.echo(f"All tables: polaris-eval leaderboard {request.log_dir}")
    click.echo(f"Stories and judgments: polaris-eval report {request.log_dir}")
    sys.exit(1 if left else 0)

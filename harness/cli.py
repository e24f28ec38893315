"""`polaris-eval`. Imports nothing heavy until a command runs, so that --help answers at once."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

_PATH = click.Path(path_type=Path)
_FILE = click.Path(path_type=Path, exists=True)


class _Group(click.Group):
    """Commands in the order in which people use them; our own errors become one line and exit code 2."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit):
            raise
        except KeyboardInterrupt:
            _fail("stopped; what was finished is kept, and the same command continues from there", 1)
        except Exception as error:
            _fail(_explain(error), 2)


def _explain(error: Exception) -> str:
    from ..rubrics import RubricError
    from .errors import PrerequisiteError, plain_message

    if isinstance(error, RubricError):
        return str(error)
    if isinstance(error, PrerequisiteError):
        return plain_message(error)
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename or 'a file'}: {error.strerror}; what was finished is kept"
    raise error


def _fail(message: str, code: int) -> None:
    click.echo(f"polaris-eval: {message}", err=True)
    sys.exit(code)


def _pairs(ctx: click.Context, param: click.Parameter, values: tuple[str, ...]) -> dict[str, Any]:
    """`name=value` options; values are read as YAML, so numbers are numbers."""
    import yaml

    pairs: dict[str, Any] = {}
    for value in values:
        name, equals, text = value.partition("=")
        if not equals or not name:
            raise click.BadParameter(f"{value!r} is not NAME=VALUE", ctx, param)
        pairs[name.replace("-", "_")] = yaml.safe_load(text)
    return pairs


def _options(*options: Callable[..., Any]) -> Callable[..., Any]:
    def add(command: Callable[..., Any]) -> Callable[..., Any]:
        for option in reversed(options):
            command = option(command)
        return command

    return add


_judging = _options(
    click.option("--judge", help="Judging model; by default the paper's judge of the benchmark."),
    click.option("--judge-option", "judge_options", multiple=True, callback=_pairs, metavar="NAME=VALUE",
                 help="Setting of the judge that replaces the rubric's own, such as temperature=0 (repeatable)."),
    click.option("--judge-base-url", help="Address of the judge's server."),
    click.option("--allow-self-judging", is_flag=True, help="Let a model judge its own stories."),
    click.option("--disqualify", is_flag=True, help="Apply the rubric's optional disqualification gate."),
    click.option("--log-dir", type=_PATH, default=Path("logs"), show_default=True, help="Folder of the logs."),
    click.option("--limit", type=click.IntRange(min=1), help="First so many prompts only."),
    click.option("--max-connections", type=click.IntRange(min=1), help="Calls at a time to each provider."),
    click.option("--max-retries", type=click.IntRange(min=0), help="Tries of a failing call again. [default: 6]"),
    click.option("--timeout", type=click.IntRange(min=1), help="Seconds for one call with all its retries."),
    click.option("--batch", is_flag=True, help="Use the provider's batch interface (half the price, slower)."),
    click.option("--display", type=click.Choice(["full", "rich", "plain", "log", "none"]),
                 help="How progress is shown. [default: rich, plain where the output is no terminal]"),
)  # fmt: skip
_prompting = _options(
    click.option("--benchmark", "benchmarks", multiple=True, default=["story_quality"], show_default=True,
                 help="What to run (repeatable)."),
    click.option("--prompts", type=click.Choice(["mini", "official"]), default="mini", show_default=True,
                 help="Prompt set: 36 prompts that ship here, or the official dataset (180 in its test split)."),
    click.option("--split", type=click.Choice(["test", "train"]), default="test", show_default=True,
                 help="Split of the official prompts."),
    click.option("--data-dir", type=_PATH, help="Folder with a copy of the official dataset, in place of the hub."),
    click.option("--epochs", type=click.IntRange(min=1), help="Stories for each prompt."),
)  # fmt: skip


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="polaris-eval")
def main() -> None:
    """Can this model write a long story? Write, judge, measure, compare.

    \b
    polaris-eval run --model openai/gpt-5.4-mini              a judged run (the paper's judge)
    polaris-eval run --model polaris_eval/local --judge polaris_eval/lexical --limit 6
                                                              the same offline, with a proxy judge
    polaris-eval leaderboard logs                             tables from any logs
    """


@main.command(
    epilog="""\b
Examples:
  polaris-eval run --model openai/gpt-5.4-mini --limit 6
  polaris-eval run --model vllm/Qwen/Qwen3.5-9B --judge openai/gpt-5.4 --prompts official
  polaris-eval run --stories my.jsonl --judge anthropic/claude-sonnet-4-6
The same command again continues a broken run: nothing is written or judged twice."""
)
@click.option("--model", "models", multiple=True, help="Model that writes, as PROVIDER/MODEL (repeatable).")
@click.option("--stories", type=_PATH, help="JSONL file of stories to judge, in place of writing any.")
@_judging
@_prompting
@click.option("--temperature", type=float, help="[default: 0.8]")
@click.option("--top-p", type=float, help="[default: 0.95]")
@click.option("--top-k", type=int)
@click.option("--max-tokens", type=click.IntRange(min=1), help="Longest answer, reasoning included.")
@click.option("--seed", type=int, help="Seed of the writer.")
@click.option("--repetition-penalty", type=float, help="[default: 1.10 where the provider takes it]")
@click.option("--reasoning-effort", type=click.Choice(["none", "minimal", "low", "medium", "high", "xhigh", "max"]))
@click.option("--reasoning-tokens", type=int, help="Most tokens of reasoning.")
@click.option(
    "-M",
    "--model-arg",
    "model_args",
    multiple=True,
    callback=_pairs,
    metavar="NAME=VALUE",
    help="Argument of the writing model's provider (repeatable).",
)
@click.option("--model-base-url", help="Address of the writing model's server.")  # fmt: skip
@click.option("--with-published", is_flag=True, help="Show the published rows under the table.")
def run(**options: Any) -> None:
    """Write a story for every prompt and judge it; or judge the stories of a file."""
    if options["stories"] is None and not options["models"]:
        raise click.UsageError("name a model with --model, or stories to judge with --stories FILE")
    if options["stories"] is not None and options["models"]:
        raise click.UsageError("--stories replaces writing: leave --model out")
    published = options.pop("with_published")
    request = _request(options, tuple(options["models"]), options["stories"])
    _finish(request, published)


@main.command(
    epilog="""\b
Examples:
  polaris-eval score logs --judge anthropic/claude-sonnet-4-6 --log-dir logs-sonnet
  polaris-eval score logs/2026-11-23T10-00-00_story-quality_X.eval --judge openai/gpt-5.4 --log-dir second"""
)
@click.argument("source", type=_FILE)
@click.option("--rubric", default="story_quality", show_default=True, help="Rubric to judge on.")
@_judging
def score(source: Path, rubric: str, **options: Any) -> None:
    """Judge stories that exist (a log, a folder of logs, a stories file) with another judge or rubric.

    Nothing is written again, and SOURCE stays as it is: the new judgments go to --log-dir.
    """
    if source.resolve() == options["log_dir"].resolve():
        raise click.UsageError(f"--log-dir {options['log_dir']} is the source itself; name another folder")
    options |= {"benchmarks": (rubric,), "epochs": None}
    _finish(_request(options, (), source), False)


@main.command(
    epilog="""\b
Examples:
  polaris-eval leaderboard logs
  polaris-eval leaderboard logs other/run.eval --with-published --out results"""
)
@click.argument("logs", nargs=-1, required=True, type=_PATH)
@click.option("--with-published", is_flag=True, help="Show the published rows under the table.")
@click.option("--limit", type=click.IntRange(min=1), help="First so many prompts of each log only.")
@click.option("--out", type=_PATH, default=Path("results"), show_default=True,
              help="Folder for leaderboard.md, .csv, .json and stories.csv.")  # fmt: skip
def leaderboard(logs: tuple[Path, ...], with_published: bool, limit: int | None, out: Path) -> None:
    """Tables from logs: on screen, and as Markdown, CSV and JSON."""
    from . import table

    _show(table.log_files(logs), limit, None, with_published, out)


@main.command(
    epilog="""\b
Example:
  polaris-eval plan --model openai/gpt-5.4-mini --prompts official --judge openai/gpt-5.4"""
)
@click.option("--model", "models", multiple=True, help="Model that writes (repeatable).")
@click.option("--stories", type=_PATH, help="Stories file to judge.")
@click.option("--judge", help="Judging model; by default the paper's.")
@_prompting
@click.option("--limit", type=click.IntRange(min=1), help="First so many prompts only.")
@click.option("--prices", type=_FILE, help="Price file of your own, in the form of the one that ships here.")
@click.option("--json", "as_json", is_flag=True, help="Machine-readable output.")
def plan(as_json: bool, **options: Any) -> None:
    """Count before paying: stories, judge calls, tokens, and dollars where prices are known. Calls nothing."""
    if not options["models"] and options["stories"] is None:
        raise click.UsageError("name a model with --model, or stories to judge with --stories FILE")
    from . import plan as planning

    planning.show(planning.estimate(**options), as_json)


@main.command()
@click.option("--log-dir", type=_PATH, default=Path("logs"), show_default=True, help="Folder of the logs.")
def doctor(log_dir: Path) -> None:
    """What is installed, what is set, what is cached, and what each benchmark still needs."""
    from . import doctor as checks

    checks.show(log_dir)


@main.command()
@click.option("--log-dir", type=_FILE, default=Path("logs"), show_default=True, help="Folder of the logs.")
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


def _request(options: dict[str, Any], models: tuple[str, ...], stories: Path | None) -> Any:
    from inspect_ai.model import GenerateConfig
    from pydantic import ValidationError

    from .errors import UserError
    from .runs import Request

    task_args = {"disqualify": options["disqualify"]}
    if stories is None:
        task_args |= {name: options[name] for name in ("prompts", "split") if options[name]}
        task_args |= {"data_dir": str(options["data_dir"])} if options["data_dir"] else {}
        penalty = options["repetition_penalty"]
        task_args |= {"repetition_penalty": penalty} if penalty is not None else {}
    try:
        judge_config = GenerateConfig.model_validate(options["judge_options"], extra="forbid")
    except ValidationError as error:
        first = error.errors()[0]
        where = " ".join(["--judge-option", *map(str, first["loc"])])
        raise UserError(f"{where}: {first['msg'].removeprefix('Value error, ')}") from None
    settings = ("temperature", "top_p", "top_k", "max_tokens", "seed", "reasoning_effort", "reasoning_tokens")
    operation = ("max_connections", "max_retries", "timeout", "batch")
    given = {name: options.get(name) for name in (*settings, *operation)}
    return Request(
        models=models,
        log_dir=options["log_dir"],
        benchmarks=tuple(options["benchmarks"]),
        judge=options["judge"],
        judge_config=judge_config,
        judge_base_url=options["judge_base_url"],
        allow_self_judging=options["allow_self_judging"],
        task_args=task_args,
        stories=stories,
        limit=options["limit"],
        epochs=options["epochs"],
        generate={name: value for name, value in given.items() if value not in (None, False)},
        model_args=options.get("model_args", {}),
        model_base_url=options.get("model_base_url"),
        display=options["display"] or ("rich" if sys.stdout.isatty() else "plain"),
    )


def _finish(request: Any, published: bool) -> None:
    from .runs import run as run_all

    logs = run_all(request)
    frame = _show(logs, request.limit, request.epochs, published, None)
    left = frame[~frame["status"].isin(["scored", "empty"])]
    for row in left.to_dict("records"):
        click.echo(f"  without a score: {row['model']} {row['id']} ({row['status']}): {row.get('reason')}")
    if len(left):
        click.echo(f"{len(left)} of {len(frame)} stories have no score; the same command tries them again.")
    click.echo(f"Read the stories and judgments: polaris-eval view --log-dir {request.log_dir}")
    sys.exit(1 if len(left) else 0)


def _show(logs: list[str], limit: int | None, epochs: int | None, published: bool, out: Path | None) -> Any:
    from rich.console import Console

    from . import leaderboard, table
    from .errors import UserError

    frame = table.stories_frame(logs, limit, epochs)
    if frame.empty:
        raise UserError("no stories in these logs: none of them is of a benchmark of ours, or none got that far")
    sections = leaderboard.build(frame, published)
    console = Console() if sys.stdout.isatty() else Console(width=150)
    leaderboard.show(sections, console)
    if out is not None:
        for path in leaderboard.write_files(sections, frame, out):
            console.print(f"  wrote {path}", highlight=False)
    return frame


if __name__ == "__main__":
    main()

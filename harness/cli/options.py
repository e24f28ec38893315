"""Options of the commands that run and judge, and the request built from them."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click


class _Place(click.Path):
    """A local folder as a path, or a remote one as its address."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        return value if "://" in str(value) else super().convert(value, param, ctx)


PATH = click.Path(path_type=Path)
PLACE = _Place(path_type=Path)
FILE = click.Path(path_type=Path, exists=True)
# options that are passed as arguments to the tasks that take them
TASK_OPTIONS = ("prompts", "split", "language", "iterations", "repetition_penalty", "disqualify", "shard")
_SAMPLING = ("temperature", "top_p", "top_k", "max_tokens", "seed", "reasoning_effort", "reasoning_tokens")
OPERATION = ("max_connections", "max_retries", "timeout", "batch")


def name_values(ctx: click.Context, param: click.Parameter, values: tuple[str, ...]) -> dict[str, Any]:
    """Parse `name=value` options; values are read as YAML, so numbers are numbers."""
    import yaml

    found: dict[str, Any] = {}
    for value in values:
        name, equals, text = value.partition("=")
        if not equals or not name:
            raise click.BadParameter(f"{value!r} is not NAME=VALUE", ctx, param)
        found[name.replace("-", "_")] = yaml.safe_load(text)
    return found


def _options(*options: Callable[..., Any]) -> Callable[..., Any]:
    def add(command: Callable[..., Any]) -> Callable[..., Any]:
        for option in reversed(options):
            command = option(command)
        return command

    return add


def _use_data_dir(ctx: click.Context, param: click.Parameter, folder: Path | None) -> None:
    """Set where prompt files are read from for the whole command; it is not part of the request."""
    if folder is not None:
        from ..environment import reading_prompts_from

        ctx.with_resource(reading_prompts_from(folder.resolve()))


data_dir = click.option(
    "--data-dir", type=PATH, expose_value=False, callback=_use_data_dir,
    help="Folder with copies of the prompt files (subfolder POLARIS: the official dataset), instead of cache and "
    "network. [default: POLARIS_DATA, if set]",
)  # fmt: skip
operating = _options(
    click.option("--max-connections", type=click.IntRange(min=1), help="Concurrent calls per provider."),
    click.option("--max-retries", type=click.IntRange(min=0), help="Retries of a failing call. [default: 6]"),
    click.option("--timeout", type=click.IntRange(min=1), help="Seconds for one call, including its retries."),
    click.option("--batch", is_flag=True, help="Use the provider's batch interface (half the price, slower)."),
    click.option("--display", type=click.Choice(["full", "rich", "plain", "log", "none"]),
                 help="Show progress and metrics as Inspect does. [default: one line per benchmark]"),
)  # fmt: skip


def _as_shard(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
    from ..logs.shards import parse_shard

    return None if value is None else str(parse_shard(value))


shard = click.option(
    "--shard", metavar="K/N", callback=_as_shard,
    help="Every Nth prompt, from the Kth: N machines share a run, each with its own K and the same --log-dir.",
)  # fmt: skip
judging = _options(
    click.option("--judge", "judges", multiple=True, metavar="[BENCHMARK=]MODEL",
                 help="Judging model for all benchmarks, or for one; by default each rubric's. Several form a jury: "
                 "each judges every story."),
    click.option("--jury", type=click.Choice(["mean", "zscore"]), default="mean", show_default=True,
                 help="How a jury's scores are put on one scale: unchanged, or each judge's rescaled to the same mean "
                 "and spread over the stories that all of them judged."),
    click.option("--quorum", type=click.IntRange(min=1), metavar="N",
                 help="How many verdicts a jury needs for a score. [default: all]"),
    click.option("--judge-option", "judge_options", multiple=True, callback=name_values, metavar="NAME=VALUE",
                 help="Setting of the judge that replaces the rubric's own, such as temperature=0 (repeatable)."),
    click.option("--judge-base-url", help="Address of the judge's server."),
    click.option("--allow-self-judging", is_flag=True, help="Let a model judge its own stories."),
    click.option("--disqualify", is_flag=True, help="Apply Story Quality's optional disqualification gate."),
    click.option("--log-dir", type=PLACE, default=Path("logs"), show_default=True,
                 help="Folder of the logs, local or remote (s3://…)."),
    shard,
    click.option("--limit", type=click.IntRange(min=1), help="Only the first N prompts of each benchmark."),
    operating,
)  # fmt: skip
shown_prompts = _options(
    click.option("--prompts", metavar="mini|official|FILE",
                 help="Prompts of story_quality and eqbench_longform: 36 that ship here, the official dataset (180 in "
                 "its test split), or your own JSONL file. [default: mini]"),
    click.option("--split", help="Split of the official prompts, test or train. [default: test]"),
    click.option("--language", help="en, zh or all. [default: en; longbench_write: all]"),
    click.option("--iterations", type=click.IntRange(min=1),
                 help="Seeds per eqbench_creative prompt. [default: 3]"),
)  # fmt: skip
which_benchmarks = click.option(
    "--benchmark", "benchmarks", multiple=True, metavar="NAME",
    help="What to run (repeatable): story_quality, eqbench_longform, eqbench_creative, writingbench, "
    "longbench_write, or one of another installed package (polaris-eval doctor lists all). [default: all; "
    "with stories, those of the stories; with a rubric or prompts of your own, story_quality]",
)  # fmt: skip
prompting = _options(
    which_benchmarks,
    shown_prompts,
    click.option("--epochs", type=click.IntRange(min=1), help="Stories per prompt."),
)  # fmt: skip


rubric_option = click.option(
    "--rubric", metavar="NAME|FILE",
    help="Rubric to judge on, one that ships here or your own YAML file, instead of the benchmark's.",
)  # fmt: skip
stories_format = click.option(
    "--format", "stories_format", type=click.Choice(["polaris", "eqbench-creative", "alpaca-eval"]),
    help="Format that the file of --stories must have: our JSONL, a runs file of EQ-Bench Creative Writing, or model "
    "outputs of alpaca_eval. [default: recognised by the content]",
)  # fmt: skip
price_file = click.option(
    "--prices", type=FILE, help="Your own price file, in the format of the one that ships here."
)  # fmt: skip
model_place = _options(
    click.option("-M", "--model-arg", "model_args", multiple=True, callback=name_values, metavar="NAME=VALUE",
                 help="Argument of the writing model's provider (repeatable)."),
    click.option("--model-base-url", help="Address of the writing model's server."),
)  # fmt: skip


def request(options: dict[str, Any], models: tuple[str, ...], stories: Path | None) -> Any:
    """Build the `Request` from the options of a command."""
    writing = given({name: options.get(name) for name in (*_SAMPLING, "model_base_url")})
    if stories is not None and (writing or options.get("model_args")):
        name = next(iter(writing), "model_arg").replace("_", "-")
        raise click.UsageError(f"--{name} is about writing; leave it out when judging existing stories")
    from ..judge.named import as_judge_config, parse_judges
    from ..run.planned import Request

    return Request(
        models=models,
        log_dir=options["log_dir"],
        benchmarks=tuple(options["benchmarks"]),
        rubric=options["rubric"],
        judges=parse_judges(options["judges"]),
        jury=options["jury"],
        quorum=options["quorum"],
        judge_config=as_judge_config(options["judge_options"]),
        judge_base_url=options["judge_base_url"],
        allow_self_judging=options["allow_self_judging"],
        task_args=given({name: options.get(name) for name in TASK_OPTIONS}),
        stories=stories,
        limit=options["limit"],
        epochs=options.get("epochs"),
        generate=given({name: options.get(name) for name in (*_SAMPLING, *OPERATION)}),
        model_args=options.get("model_args", {}),
        model_base_url=options.get("model_base_url"),
        display=options["display"],
    )


def shown(display: str | None) -> str:
    """The display to use, with a default if the user chose none."""
    return display or ("rich" if sys.stdout.isatty() else "plain")


def operation(options: dict[str, Any]) -> dict[str, Any]:
    """The given options that control how calls are made."""
    return given({name: options.get(name) for name in OPERATION})


def given(options: dict[str, Any]) -> dict[str, Any]:
    """The options that were given."""
    return {name: value for name, value in options.items() if value is not None and value is not False}

"""The command `arena`."""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import Any

import click

from .options import FILE, PATH, name_values, operating, operation, price_file, shown


def _anchors(ctx: click.Context, param: click.Parameter, values: tuple[str, ...]) -> dict[str, float] | None:
    found: dict[str, float] = {}
    for value in values:
        name, _, number = value.rpartition("=")
        try:
            found[name] = float(number)
            if not math.isfinite(found[name]):
                raise ValueError
        except ValueError:
            raise click.BadParameter(f"{value!r} is not MODEL=RATING", ctx, param) from None
    if values and (len(found) != 2 or "" in found):
        raise click.BadParameter("give two models, each with its rating", ctx, param)
    return found or None


@click.command(
    epilog="""\b
Examples:
  polaris-eval arena logs --plan                              count and price the matches
  polaris-eval arena logs stories.jsonl --judge openai/gpt-5.4-mini
  polaris-eval arena logs --matches 200                       200 matches per model, the most informative
  polaris-eval arena old.jsonl new.jsonl --log-dir arena      a new model joins: only its matches are played
SOURCES are stories files, logs and folders of logs of two models or more. The same command resumes a stopped arena."""
)
@click.argument("sources", nargs=-1, required=True, type=FILE)
@click.option("--judge", help="Judging model. [default: the paper's, google/gemini-3-flash-preview]")
@click.option("--judge-option", "judge_options", multiple=True, callback=name_values, metavar="NAME=VALUE",
              help="Setting of the judge that replaces the rubric's own (repeatable).")  # fmt: skip
@click.option("--rubric", metavar="NAME|FILE", help="Pairwise rubric, such as your own YAML file. [default: pairwise]")
@click.option("--judge-base-url", help="Address of the judge's server.")
@click.option("--allow-self-judging", is_flag=True, help="Let a model judge its own stories.")
@click.option("--benchmark", help="Only stories that were written for this benchmark.")
@click.option("--limit", type=click.IntRange(min=1), help="Only the first N prompts.")
@click.option("--matches", "per_model", type=click.IntRange(min=1),
              help="Matches per model, the most informative ones. [default for up to 8 models: all]")  # fmt: skip
@click.option("--truncate", type=click.IntRange(min=1), help="Judge only the first N characters of each story "
              "(EQ-Bench: 4000). [default: all]")  # fmt: skip
@click.option("--seed", type=int, default=0, show_default=True, help="Breaks ties between equally informative matches.")
@click.option("--anchor", "anchors", multiple=True, callback=_anchors, metavar="MODEL=RATING",
              help="Pin two models to given ratings (give it twice). [default: mean 1500]")  # fmt: skip
@operating
@click.option("--plan", "only_plan", is_flag=True, help="Count and price the matches left to play, without any calls.")
@price_file
@click.option("--details", is_flag=True, help="Also show all pairwise comparisons (always in the files).")
@click.option("--plots", is_flag=True, help="Also draw the plots, as PNG and PDF, into the subfolder plots.")
@click.option("--log-dir", type=PATH, default=Path("arena"), show_default=True,
              help="Folder of the arena: schedule and logs.")  # fmt: skip
@click.option("--out", type=PATH, default=Path("results"), show_default=True,
              help="Folder of arena.md, .tex, .csv, .json, arena-pairs.csv and arena-judgments.csv.")  # fmt: skip
def arena(sources: tuple[Path, ...], judge_options: dict[str, Any], **options: Any) -> None:
    """Which of two stories is better? Judge pairs in both orders, and rate the models independently of order."""
    from ..arena import play as arena_run
    from ..judge.named import as_judge_config

    request = arena_run.ArenaRequest(
        sources=sources,
        judge_config=as_judge_config(judge_options),
        generate=operation(options),
        display=shown(options["display"]),
        **{name: options[name] for name in arena_run.OPTIONS},
    )
    sys.exit(arena_run.conduct(request))

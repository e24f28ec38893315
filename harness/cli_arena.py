"""The commands about pairs of stories: arena and study."""

from __future__ import annotations

import math
import secrets
import sys
from pathlib import Path
from typing import Any

import click

from .options import FILE, PATH, as_judge_config, operating, operation, pairs, shown


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
  polaris-eval arena logs --matches 200                       200 matches a model, where they tell most
  polaris-eval arena old.jsonl new.jsonl --log-dir arena      a new model joins: only its matches are played
SOURCES are stories files, logs and folders of logs of two models or more. The same command continues a broken arena."""
)
@click.argument("sources", nargs=-1, required=True, type=FILE)
@click.option("--judge", help="Judging model. [default: the paper's, google/gemini-3-flash-preview]")
@click.option("--judge-option", "judge_options", multiple=True, callback=pairs, metavar="NAME=VALUE",
              help="Setting of the judge that replaces the rubric's own (repeatable).")  # fmt: skip
@click.option("--judge-base-url", help="Address of the judge's server.")
@click.option("--allow-self-judging", is_flag=True, help="Let a model judge its own stories.")
@click.option("--benchmark", help="Only stories that were written for this benchmark.")
@click.option("--limit", type=click.IntRange(min=1), help="First so many prompts only.")
@click.option("--matches", "per_model", type=click.IntRange(min=1),
              help="Matches of each model, chosen where they tell most. [default, up to 8 models: all]")  # fmt: skip
@click.option("--truncate", type=click.IntRange(min=1), help="Judge the first so many characters of each story "
              "(EQ-Bench: 4000). [default: the whole]")  # fmt: skip
@click.option("--seed", type=int, default=0, show_default=True, help="Decides among matches that tell as much.")
@click.option("--anchor", "anchors", multiple=True, callback=_anchors, metavar="MODEL=RATING",
              help="Pin two models to given ratings (twice). [default: mean 1500]")  # fmt: skip
@operating
@click.option("--plan", "only_plan", is_flag=True, help="Count and price the matches left to play; call nothing.")
@click.option("--prices", type=FILE, help="Price file of your own, in the form of the one that ships here.")
@click.option("--details", is_flag=True, help="Show every two models compared too (the files always hold them).")
@click.option("--plots", is_flag=True, help="Draw the plots too, as PNG and PDF, into the subfolder plots.")
@click.option("--log-dir", type=PATH, default=Path("arena"), show_default=True,
              help="Folder of the arena: schedule and logs.")  # fmt: skip
@click.option("--out", type=PATH, default=Path("results"), show_default=True,
              help="Folder of arena.md, .tex, .csv, .json, arena-pairs.csv and arena-judgments.csv.")  # fmt: skip
def arena(sources: tuple[Path, ...], judge_options: dict[str, Any], **options: Any) -> None:
    """Which of two stories is better? Every pair judged in both orders; ratings that do not depend on order."""
    from . import arena_run

    request = arena_run.ArenaRequest(
        sources=sources,
        judge_config=as_judge_config(judge_options),
        generate=operation(options),
        display=shown(options["display"]),
        **{name: options[name] for name in arena_run.OPTIONS},
    )
    sys.exit(arena_run.conduct(request))


@click.group()
def study() -> None:
    """Which story do people prefer? A blinded study of pairs, as one page to read in, and what its answers show.

    \b
    polaris-eval study make ours.jsonl base.jsonl     the page, study.html, and its key
    polaris-eval study serve                          host the page on this machine and collect the answers
    polaris-eval study read answers.jsonl             win rates, agreement, comments
    """


@study.command(
    epilog="""\b
Examples:
  polaris-eval study make logs --pairs 60 --annotators 2          the paper's design
  polaris-eval study make logs --focus vllm/ours --out study.html --key private/study-key.json
Send study.html to the annotators, or serve it; keep the key to yourself."""
)
@click.argument("sources", nargs=-1, required=True, type=FILE)
@click.option("--pairs", "count", type=click.IntRange(min=1), default=60, show_default=True,
              help="Pairs that each annotator judges, each of another prompt.")  # fmt: skip
@click.option("--annotators", type=click.IntRange(min=1), default=2, show_default=True)
@click.option("--focus", help="Compare this model with every other, and no others with one another.")
@click.option("--benchmark", help="Only stories that were written for this benchmark.")
@click.option("--title", default="Which story is better?", show_default=True, help="Heading of the page.")
@click.option("--seed", type=int, help="Of the choice, order and sides of pairs, kept in the key. [default: random]")
@click.option("--out", type=PATH, default=Path("study.html"), show_default=True, help="The page.")
@click.option("--key", type=PATH, default=Path("study-key.json"), show_default=True, help="The key, for you alone.")
def make(sources: tuple[Path, ...], count: int, annotators: int, focus: str | None, benchmark: str | None, title: str,
         seed: int | None, out: Path, key: Path) -> None:  # fmt: skip
    """Make the page of a study, and its key: SOURCES are stories files, logs and folders of logs."""
    from . import study as studies
    from .arena import possible_matches, read_entries

    matches = possible_matches(read_entries(sources, None, benchmark))
    made = studies.make_study(matches, count, annotators, focus, title, secrets.randbits(32) if seed is None else seed)
    studies.write_study(made, out, key)
    click.echo(f"wrote {out} ({count} pairs for {', '.join(made.order)}) and {key}, which stays with you")
    named = studies.named_in_texts(made)
    if named:
        click.echo(f"{len(named)} pairs hold a story that mentions a model's name: {', '.join(named)}", err=True)


@study.command(epilog="\b\nExample:\n  polaris-eval study serve study.html --answers answers.jsonl")
@click.argument("page", type=FILE, default=Path("study.html"))
@click.option("--answers", type=PATH, default=Path("answers.jsonl"), show_default=True,
              help="File to which every answer is added.")  # fmt: skip
@click.option("--port", type=click.IntRange(0, 65535), default=8765, show_default=True, help="0: any that is free.")
def serve(page: Path, answers: Path, port: int) -> None:
    """Host the page on this machine (127.0.0.1) and collect the answers as they are given. Ctrl-C ends it."""
    from .study_serve import HOST, make_server

    server = make_server(page, answers, port)
    click.echo(f"http://{HOST}:{server.server_port}/ (answers go to {answers}; Ctrl-C ends)")
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        click.echo("stopped; all answers that came are kept")


@study.command(
    epilog="""\b
Examples:
  polaris-eval study read answers.jsonl
  polaris-eval study read annotator-1.json annotator-2.json --logs arena --logs logs"""
)
@click.argument("answers", nargs=-1, required=True, type=FILE)
@click.option("--key", type=FILE, default=Path("study-key.json"), show_default=True, help="The study's key.")
@click.option("--logs", multiple=True, help="Logs of arenas and benchmarks whose judges to compare (repeatable).")
@click.option("--out", type=PATH, default=Path("results"), show_default=True,
              help="Folder of study.md, study.json and study-answers.csv.")  # fmt: skip
def read(answers: tuple[Path, ...], key: Path, logs: tuple[str, ...], out: Path) -> None:
    """Win rates with intervals, agreement of annotators and judges, comments. Changed or foreign files are refused."""
    from .study_report import read_study

    sys.exit(read_study(key, answers, logs, out))

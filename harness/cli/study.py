"""The commands `study make`, `serve` and `read`."""

from __future__ import annotations

import secrets
import sys
from pathlib import Path

import click

from .options import FILE, PATH


@click.group()
def study() -> None:
    """Which story do people prefer? A blinded study of pairs on a single page, and the analysis of its answers.

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
              help="Pairs per annotator, each for a different prompt.")  # fmt: skip
@click.option("--annotators", type=click.IntRange(min=1), default=2, show_default=True)
@click.option("--focus", help="Only compare this model with the others, not the others with each other.")
@click.option("--benchmark", help="Only stories that were written for this benchmark.")
@click.option("--title", default="Which story is better?", show_default=True, help="Heading of the page.")
@click.option("--seed", type=int, help="Seed for choice, order and sides of pairs, kept in the key. [default: random]")
@click.option("--out", type=PATH, default=Path("study.html"), show_default=True, help="The page.")
@click.option("--key", type=PATH, default=Path("study-key.json"), show_default=True, help="The key; keep it private.")
def make(sources: tuple[Path, ...], count: int, annotators: int, focus: str | None, benchmark: str | None, title: str,
         seed: int | None, out: Path, key: Path) -> None:  # fmt: skip
    """Make the page of a study, and its key: SOURCES are stories files, logs and folders of logs."""
    from ..arena.entries import possible_matches, read_entries
    from ..study import design as studies

    matches = possible_matches(read_entries(sources, None, benchmark))
    made = studies.make_study(matches, count, annotators, focus, title, secrets.randbits(32) if seed is None else seed)
    studies.write_study(made, out, key)
    click.echo(f"wrote {out} ({count} pairs for {', '.join(made.order)}) and {key}, which you keep to yourself")
    named = studies.named_in_texts(made)
    if named:
        click.echo(f"{len(named)} pairs hold a story that mentions a model's name: {', '.join(named)}", err=True)


@study.command(epilog="\b\nExample:\n  polaris-eval study serve study.html --answers answers.jsonl")
@click.argument("page", type=FILE, default=Path("study.html"))
@click.option("--answers", type=PATH, default=Path("answers.jsonl"), show_default=True,
              help="File that answers are appended to.")  # fmt: skip
@click.option("--port", type=click.IntRange(0, 65535), default=8765, show_default=True, help="0: any free port.")
def serve(page: Path, answers: Path, port: int) -> None:
    """Serve the page on this machine (127.0.0.1) and collect the answers as they come in. Ctrl-C stops it."""
    from ..study.serve import HOST, make_server

    server = make_server(page, answers, port)
    click.echo(f"http://{HOST}:{server.server_port}/ (answers go to {answers}; Ctrl-C stops)")
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        click.echo("stopped; all answers received are kept")


@study.command(
    epilog="""\b
Examples:
  polaris-eval study read answers.jsonl
  polaris-eval study read annotator-1.json annotator-2.json --logs arena --logs logs
  polaris-eval study read answers.jsonl --page study.html"""
)
@click.argument("answers", nargs=-1, required=True, type=FILE)
@click.option("--key", type=FILE, default=Path("study-key.json"), show_default=True, help="The study's key.")
@click.option("--logs", multiple=True, help="Logs of arenas and benchmarks with judges to compare (repeatable).")
@click.option("--page", type=FILE, help="The study's page; also writes study-people.jsonl, for judge-people.")
@click.option("--out", type=PATH, default=Path("results"), show_default=True,
              help="Folder of study.md, study.json and study-answers.csv.")  # fmt: skip
def read(answers: tuple[Path, ...], key: Path, logs: tuple[str, ...], page: Path | None, out: Path) -> None:
    """Win rates with intervals, agreement of annotators and judges, comments. Changed or foreign files are refused."""
    from ..study.report import read_study

    sys.exit(read_study(key, answers, logs, out, page))

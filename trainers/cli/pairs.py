"""`polaris-train pairs`: from books to training pairs."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click

from ...harness.cli.options import FILE, PATH, data_dir, model_place, operating, price_file


@click.group()
def pairs() -> None:
    """Build and check prompt-story pairs from books that you may use.

    \b
    polaris-train pairs build books/ --out pairs                  cut into stories, filter
    polaris-train pairs review pairs                              review them on a local page; keep or drop each
    polaris-train pairs build books/ --out pairs --model MODEL    also let a model write the prompts and the plans
    polaris-train pairs check pairs/train.parquet                 check rows as a training run does
    """


@pairs.command(
    epilog="""\b
Examples:
  polaris-train pairs build books/ more.epub --out pairs
  polaris-train pairs build books/ more.epub --out pairs --model openai/gpt-5.4-mini --plan
  polaris-train pairs build books/ more.epub --out pairs --model openai/gpt-5.4-mini --batch
  polaris-train pairs build books/ --out pairs --model openai/gpt-5.4-mini --retry-model anthropic/claude-sonnet-4-6
  polaris-train pairs build books/ --out pairs --licence "CC0" --licence my-anthology="bought, own use only"
Run the same command again to continue. The column keep of review.csv decides what is kept; edit it in between."""
)
@click.argument("sources", nargs=-1, required=True, type=PATH)
@click.option("--out", type=PATH, default=Path("pairs"), show_default=True, help="Folder of the build.")
@click.option("--model", help="Model that writes prompt and reasoning. Without one, stop after the review file.")
@click.option("--retry-model", help="Another model, for stories for which --model wrote no usable prompt.")
@click.option(
    "--checker",
    metavar="MODEL",
    help="Model that checks if a prompt reveals the ending; a cheap one will do. [default: the one that wrote it]",
)
@model_place
@click.option("--min-words", type=click.IntRange(min=1), default=1000, show_default=True)
@click.option("--max-words", type=click.IntRange(min=1), default=4000, show_default=True)
@click.option("--language", default="en", show_default=True, help="ISO 639-1 code; stories in others are dropped.")
@click.option(
    "--exclude",
    multiple=True,
    type=FILE,
    metavar="FILE",
    help="Texts to keep out of training: books, or JSONL or Parquet with story or prompt (repeatable).",
)
@click.option("--no-test-prompts", is_flag=True, help="Do not compare with the official test prompts.")
@data_dir
@click.option(
    "--licence",
    "licences",
    multiple=True,
    metavar="[BOOK=]TEXT",
    help="Licence for the datasheet, for all books or for one (repeatable). [default: what each book says]",
)
@click.option(
    "--held-out",
    type=click.FloatRange(0, 0.9),
    default=0.1,
    show_default=True,
    help="Share of the pairs to hold out, in whole books.",
)
@click.option("--limit", type=click.IntRange(min=1), help="Only the first N kept stories.")
@click.option("--plan", "only_plan", is_flag=True, help="With --model: estimate calls and cost; call nothing.")
@price_file
@operating
def build(**options: Any) -> None:
    """Make prompt-story pairs from SOURCES: EPUB, plain text, Markdown, HTML, Word (.docx), JSONL, Parquet,
    saved datasets, .zip, or folders of these."""
    from ...harness.errors import UserError
    from ...harness.show.render import console as make_console
    from ..books.build import REVIEW, Request, collect
    from ..books.filters import Rules, check_language, check_packages

    check_packages()
    check_language(options["language"])
    if options["min_words"] > options["max_words"]:
        raise UserError(f"--min-words {options['min_words']} is more than --max-words {options['max_words']}")
    if options["only_plan"] and not options["model"]:
        raise UserError("--plan estimates the cost of a model's calls; name it with --model")
    out: Path = options["out"]
    request = Request(
        sources=options["sources"],
        out=out,
        rules=Rules(options["min_words"], options["max_words"], options["language"]),
        exclude=options["exclude"],
        test_prompts=not options["no_test_prompts"],
        licences=_licences(options["licences"]),
    )
    console = make_console(150)
    found, excluded = collect(request, _progress)
    if unknown := set(request.licences) - {"", *(c.book for c in found.candidates)}:
        some = ", ".join(sorted({c.book for c in found.candidates})[:5])
        raise UserError(f"--licence {min(unknown)}=…: no such book; some of the books: {some}")
    _show(found, console)
    kept = found.kept[: options["limit"]]
    if not kept:
        raise UserError(f"no story is kept; {out / REVIEW} says why (column keep)")
    if not options["model"]:
        console.print(
            f"Review them: polaris-train pairs review {out}; then run the same command with --model.", highlight=False
        )
        return
    _translate(out, found, kept, excluded, options, console)


def _translate(out: Path, found: Any, kept: list[Any], excluded: Any, options: dict[str, Any], console: Any) -> None:
    from ...harness.cli.options import operation, shown
    from ...harness.judge.named import make_model
    from ...harness.prices import load_prices
    from ...harness.run import plan
    from ...harness.show.render import print_written
    from ..books import output
    from ..books.translate import estimate, failed, made_so_far, translate

    names = [options["model"], *([options["retry_model"]] if options["retry_model"] else [])]
    checker = options["checker"]
    if options["only_plan"]:
        done = [made_so_far(out, kept, name) for name in names]
        left = [story for story in kept if story.id not in done[0]]
        plan.show(estimate(names[0], checker or names[0], left, load_prices(options["prices"])), as_json=False)
        for name, known in zip(names[1:], done[1:], strict=True):
            left = [story for story in failed(kept, done[0]) if story.id not in known]
            plan.show(estimate(name, checker or name, left, load_prices(options["prices"])), as_json=False)
        return
    outcomes: dict[str, Any] = {}
    asked = kept
    for name in names:
        model = make_model(name, base_url=options["model_base_url"], **options["model_args"])
        checking = make_model(checker) if checker else None
        outcomes |= translate(out, asked, model, checking, display=shown(options["display"]), **operation(options))
        asked = failed(kept, outcomes)
        if not asked:
            break
    compared = "not compared with the official test prompts" if options["no_test_prompts"] else (
        f"compared with {len(excluded)} prompts, including the official test prompts")  # fmt: skip
    words = f"{options['min_words']} to {options['max_words']} words, {options['language']}"
    about = {
        "test_set": compared,
        "excluded_files": ", ".join(map(str, options["exclude"])) or "none",
        "stories_asked_for": words,
        "spoilers_checked_by": checker or "the model that wrote the prompt",
        "kept_but_not_asked_about": len(found.kept) - len(kept),
    }
    written = output.write(out, found, kept, outcomes, excluded, " and ".join(names), options["held_out"], about)
    for reason, count in sorted(written.dropped.items(), key=lambda item: -item[1]):
        console.print(f"  dropped in back-translation: {count:4} {reason}", highlight=False, markup=False)
    print_written(written.paths, console)
    console.print(f"{written.train} pairs to train on, {written.held_out} held out (no book is in both).")
    if options["held_out"] and written.train and not written.held_out:
        console.print(
            "Only whole books are held out, and holding out none comes closest to --held-out.", highlight=False
        )
    if written.missing:
        click.echo(
            f"Stories without a prompt so far: {written.missing} (see {out / 'logs'}); run the same command to retry."
        )
    if written.missing or not written.train:
        sys.exit(1)


@pairs.command(epilog="\b\nExample:\n  polaris-train pairs review pairs")
@click.argument("folder", type=FILE, default=Path("pairs"))
@click.option("--port", type=click.IntRange(0, 65535), default=8766, show_default=True, help="0: any free port.")
@click.option("--open/--no-open", "opened", default=True, help="Open the page in the browser.")
def review(folder: Path, port: int, opened: bool) -> None:
    """Review the pieces of a build on a local page (127.0.0.1), and keep or drop each. Ctrl-C stops it.

    Every decision is written to FOLDER/review.csv at once, and takes effect with the next pairs build.
    """
    import webbrowser

    from ..books.page.server import HOST, make_server

    server = make_server(folder, port)
    address = f"http://{HOST}:{server.server_port}/"
    click.echo(f"{address} (decisions go to {folder / 'review.csv'}; Ctrl-C stops)")
    if opened and sys.stdout.isatty():
        webbrowser.open(address)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        click.echo("stopped; all decisions are saved")


@pairs.command(
    epilog="""\b
Examples:
  polaris-train pairs check pairs/train.parquet --held-out pairs/held_out.parquet
  polaris-train pairs check mine.jsonl"""
)
@click.argument("source")
@click.option("--held-out", help="Held-out rows, which SOURCE must not contain.")
def check(source: str, held_out: str | None) -> None:
    """Check rows as polaris-train does: SOURCE is a JSONL or Parquet file, or a dataset on the hub. Exit code 1 if
    a row cannot be trained on."""
    from ..pairs import check_rows, read_pairs

    rows = read_pairs(source)
    found = check_rows(rows, read_pairs(held_out) if held_out else [])
    for problem in found:
        click.echo(f"{'error' if problem.severe else 'note'}: {problem.summary}")
    severe = sum(problem.severe for problem in found)
    click.echo(f"{source}: {len(rows)} rows, {'usable' if not severe else f'{severe} kinds of errors'}")
    sys.exit(1 if severe else 0)


def _licences(values: tuple[str, ...]) -> dict[str, str]:
    named: dict[str, str] = {}
    for value in values:
        book, equals, text = value.partition("=")
        named[book if equals else ""] = text if equals else value
    return named


def _progress(found: Iterable[Any], total: int) -> Iterable[Any]:
    from rich.progress import track

    from ...harness.show.render import console

    yield from track(found, "reading", total, console=console(stderr=True), disable=not sys.stderr.isatty())


def _show(found: Any, console: Any) -> None:
    from ...harness.show.grid import grid, numbers, texts
    from ...harness.show.render import print_grids, print_notes
    from ..books.datasheet import same_works

    title = f"{len(found.candidates)} pieces, {len(found.kept)} kept"
    rows = ([reason, str(count)] for reason, count in found.drops().items())
    print_grids([grid(title, [*texts("dropped because"), *numbers("pieces")], rows)], console)
    several = [
        f"{works[0].title}: in {' and '.join(sorted({work.book for work in works}))}, whose stories stay in one split"
        for works in same_works(found.kept)
    ]
    print_notes((*found.unreadable, *found.notes, *several), console)

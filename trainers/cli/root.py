"""`polaris-train`. Imports nothing heavy until a command runs, so that --help answers at once."""

from __future__ import annotations

import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import click

from ...harness.cli.group import OneLineGroup
from ...harness.cli.options import FILE, PATH, name_values, price_file
from .pairs import pairs


class _Group(OneLineGroup):
    """Treat a first word that is not a command as a recipe: `polaris-train smoke` is `polaris-train run smoke`."""

    program = "polaris-train"

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in self.commands and not args[0].startswith("-"):
            args = ["run", *args]
        return super().resolve_command(ctx, args)

    def fail(self, message: str, code: int) -> None:
        from ..run.processes import rank

        super().fail(f"process {rank()}: {message}" if rank() else message, code)


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="polaris-eval")
def main() -> None:
    """Train a model to write better stories: GRPO with the evaluation's judge as its reward, and human stories added
    to the rollouts (HRI).

    \b
    polaris-train smoke                                       a complete run on a CPU, in minutes
    polaris-train polaris-9b-lora data.train=pairs.parquet    a recipe, with your prompt-story pairs
    polaris-train polaris-9b data.train=pairs.parquet --dry-run
                                                              check everything and print the plan; make no calls
    polaris-train show polaris-9b > mine.yaml                 copy a recipe to edit; then: polaris-train mine.yaml
    polaris-train merge runs/polaris-9b-lora                  merge LoRA and base into one model, with a model card
    polaris-train pairs build books/ --out pairs              prompt-story pairs from your books
    polaris-train audit --model runs/mine --data pairs.parquet
                                                              what it has memorised of its training stories
    """


@main.command(
    epilog="""\b
Examples:
  polaris-train smoke
  polaris-train polaris-9b-lora data.train=pairs.parquet trl.learning_rate=2e-5 --run-dir runs/second
  polaris-train polaris-9b data.train=pairs.parquet judge.model=openai/gpt-5.4-mini --max-cost 200
  accelerate launch --config_file fsdp.yaml -m polaris_eval.trainers.cli polaris-9b data.train=pairs.parquet
Run the same command again to continue from the last checkpoint."""
)
@click.argument("recipe")
@click.argument("changes", nargs=-1, metavar="[KEY=VALUE]…")
@click.option("--run-dir", type=PATH, help="Folder of the run. [default: runs/RECIPE]")
@click.option("--max-cost", type=click.FloatRange(min=0), help="Stop at a checkpoint before judging costs more, in $.")
@price_file
@click.option("--dry-run", is_flag=True, help="Check and print the plan, without weights, judge calls or a key.")
@click.option("--json", "as_json", is_flag=True, help="With --dry-run: print the plan as JSON.")
def run(
    recipe: str, changes: tuple[str, ...], run_dir: Path | None, max_cost: float | None, prices: Path | None,
    dry_run: bool, as_json: bool,
) -> None:  # fmt: skip
    """Train with a recipe: a bundled one, or a file. Change settings with dotted keys."""
    from ..packages import check_packages

    check_packages()
    from ...harness.show.render import console as make_console
    from ..recipe_files import load_recipe
    from ..run.prepare import Options, prepare
    from ..run.processes import rank

    console = make_console(150, stderr=as_json)
    chosen = load_recipe(recipe, changes)
    options = Options(run_dir or Path("runs") / chosen.name, max_cost, prices)
    job = prepare(chosen, options, console, dry=dry_run)
    if dry_run:
        if as_json:
            import json

            click.echo(json.dumps(job.plan, indent=2))
        return
    from ...harness.run.lock import only_run
    from ..run.train import train

    with only_run(options.folder, "--run-dir") if rank() == 0 else nullcontext():
        stopped = train(job, console)
    if stopped and rank() == 0:
        click.echo(f"polaris-train: {stopped}; run the same command again to continue", err=True)
    if stopped:
        sys.exit(1)
    if rank() == 0:
        console.print(f"Done. Plots: {options.folder}/curves.png, stories: {options.folder}/samples.md")


@main.command()
@click.argument("name", required=False)
def show(name: str | None) -> None:
    """Print a bundled recipe or accelerate configuration; without a name, list them."""
    from ..recipe_files import shipped

    recipes, configs = shipped(), shipped("accelerate")
    if name is None:
        import yaml

        for key, text in recipes.items():
            click.echo(f"{key}: {' '.join(yaml.safe_load(text)['about'].split())}")
        for key, text in configs.items():
            click.echo(f"{key} (accelerate): {text.partition(chr(10))[0].lstrip('# ')}")
        return
    found = {**recipes, **configs}.get(name)
    if found is None:
        raise click.UsageError(f"{name}: no such recipe or configuration; available: {', '.join([*recipes, *configs])}")
    click.echo(found, nl=False)


@main.command(
    epilog="""\b
Example:
  polaris-train merge runs/polaris-9b-lora --out polaris-9b-mine
  polaris-eval run --model hf/polaris-9b-mine --judge MODEL
  polaris-train merge runs/polaris-9b-lora --out polaris-9b-mine --logs logs --push me/polaris-9b-mine"""
)
@click.argument("run_dir", type=FILE)
@click.option(
    "--checkpoint", type=int, help="Step of the checkpoint. [default: the best if the recipe selects it, else the last]"
)
@click.option("--out", type=PATH, help="Folder of the model. [default: RUN_DIR/merged]")
@click.option("--logs", multiple=True, help="Logs of an evaluation, for the model card (repeatable).")
@click.option("--push", metavar="REPO", help="Upload to this repository of the Hugging Face hub; a new one is private.")
def merge(run_dir: Path, checkpoint: int | None, out: Path | None, logs: tuple[str, ...], push: str | None) -> None:
    """Export a run as a model: merged weights (safetensors), tokenizer, recipe, and a model card with the held-out
    curve, the datasheet and, with --logs, the evaluation.

    For a checkpoint that is merged already, only the card is written again.
    """
    from ..recipe_files import read_recipe
    from ..run.merge import merge as merge_run
    from ..run.merge import push as push_model

    path = merge_run(run_dir, checkpoint, out, logs)
    if push is not None:
        click.echo(f"{path}: uploaded to {push_model(path, push)}")
        return
    thinking = " -M enable_thinking=true" if read_recipe(path / "recipe.yaml").thinking else ""
    click.echo(f"{path}: weights, tokenizer and README.md. To evaluate it (with vllm/ in place of hf/ on a GPU):")
    click.echo(f"  polaris-eval run --model hf/{path}{thinking} --benchmark story_quality --limit 6 --judge MODEL")


@main.command(
    epilog="""\b
Examples:
  polaris-train audit --model runs/polaris-9b-lora --data pairs/train.parquet --control pairs/held_out.parquet
  polaris-train audit --model merged --base Qwen/Qwen3.5-9B --data pairs/train.parquet --backend vllm --threshold 0.02
Run the same command again to continue an interrupted audit."""
)
@click.option("--model", required=True, help="What to audit: a run's folder, an adapter or a model.")
@click.option("--data", "data_", required=True, metavar="FILE", help="Rows that the model was trained on.")
@click.option("--base", help="Model before training, as a control. [default: base of the run or adapter]")
@click.option("--control", metavar="FILE", help="Rows not used in training, as a control.")
@click.option("--out", type=PATH, default=Path("audit"), show_default=True, help="Folder of the audit.")
@click.option(
    "--threshold",
    type=click.FloatRange(0, 1),
    default=0.0,
    show_default=True,
    help="Exit with code 1 if, in any attack, a larger share of continuations copies 50 tokens or more.",
)
@click.option("--limit", type=click.IntRange(min=1), help="Only the first N stories of each file.")
@click.option("--tokens", type=click.IntRange(min=1), default=512, show_default=True, help="Length of a continuation.")
@click.option("--backend", type=click.Choice(["transformers", "vllm"]), default="transformers", show_default=True)
@click.option(
    "--template",
    multiple=True,
    callback=name_values,
    metavar="NAME=VALUE",
    help="Argument of the chat template, such as enable_thinking=true (repeatable). [default: the run's]",
)
@click.option("--batch", type=click.IntRange(min=1), default=8, show_default=True, help="Continuations per batch.")
def audit(
    model: str, data_: str, base: str | None, control: str | None, out: Path, threshold: float, limit: int | None,
    tokens: int, backend: str, batch: int, template: dict[str, Any],
) -> None:  # fmt: skip
    """Measure what a model copies of its training stories, compared with controls: greedy continuations after the
    prompt alone, and after the reasoning and the first 50, 100 and 200 tokens of the story."""
    from collections.abc import Iterable

    from rich.progress import track

    from ...harness.show.render import console, print_grids, print_written
    from ..audit import audit as auditing
    from ..audit.report import table, worst, write_report
    from ..packages import check_packages

    check_packages()

    def progress(found: Iterable[Any], total: int, role: str) -> Iterable[Any]:
        hidden = not sys.stderr.isatty()
        return track(found, f"continuing, {role}", total, console=console(stderr=True), disable=hidden)

    request = auditing.Request(model, data_, base, control, out, limit, tokens, backend, batch, template)
    rows, names = auditing.audit(request, progress)
    to = console(150)
    print_grids([table(rows)], to)
    print_written(write_report(out, rows, names, threshold), to)
    if auditing.BASE not in names or control is None:
        click.echo("Without --base and --control, chance and boilerplate cannot be distinguished from memory.")
    share, of_controls = worst(rows)
    beside = "" if of_controls is None else f" (controls: {of_controls:.1%})"
    click.echo(f"Copied runs of 50 tokens or more: {share:.1%} of the continuations in the worst attack{beside}.")
    if share > threshold:
        click.echo(f"polaris-train: that is above the threshold of {threshold:.1%}", err=True)
        sys.exit(1)


main.add_command(pairs)

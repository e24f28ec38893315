"""Export a run as a model that others can load, with a model card, and put it on the Hugging Face hub."""

from __future__ import annotations

import json
import shutil
import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from statistics import fmean
from typing import Any

from ...harness.errors import UserError
from ...harness.judge.named import marked
from ...harness.leaderboard.build import build
from ...harness.logs.headers import log_files
from ...harness.logs.table import stories_frame
from ...harness.show.render import inert, markdown
from ..models import first_line, model_path
from ..recipe import Recipe
from ..recipe_files import read_recipe
from ..reward.judged import rewarders
from ..reward.ledger import terms_in
from .estimate import told_reward
from .folder import last_checkpoint, step_of
from .samples import held_out_rows, select, told

_SHEET = "datasheet.md"  # beside the rows that `pairs build` makes
_MADE = "polaris.json"  # in a merged model: which checkpoint it is


def merge(folder: Path, step: int | None, out: Path | None, logs: Sequence[str] = ()) -> Path:
    """Write a run's checkpoint as one model: full weights in safetensors, tokenizer, recipe, and a model card with the
    curves, the data's datasheet if there is one beside them, and an evaluation.

    If `out` already holds this checkpoint as a model, only its card is written again.

    Args:
        folder: the run's folder.
        step: which checkpoint; by default the best one if the recipe selects it by validation, else the last.
        out: the output folder; by default `merged` in the run's folder.
        logs: logs of an evaluation, whose tables go into the card.

    Raises:
        UserError: no run, no such checkpoint, an output folder that holds something else, or a base model or logs that
            cannot be read.
    """
    if not (folder / "recipe.yaml").is_file():
        raise UserError(f"{folder}: holds no run (no recipe.yaml)")
    recipe = read_recipe(folder / "recipe.yaml")
    checkpoint = folder / f"checkpoint-{step}" if step is not None else _chosen(folder, recipe)
    if checkpoint is None or not checkpoint.is_dir():
        there = sorted(path.name for path in folder.glob("checkpoint-*"))
        raise UserError(f"{folder}: no such checkpoint; there {'are ' + ', '.join(there) if there else 'is none'}")
    out = out or folder / "merged"
    told = _evaluation(logs)
    made = json.dumps({"run": recipe.name, "step": step_of(checkpoint), "recipe": recipe.model_dump(mode="json")})
    if out.exists():
        same = out / _MADE
        if not same.is_file() or same.read_text(encoding="utf-8") != made:
            raise UserError(f"{out}: exists already and is not this checkpoint; name another folder with --out")
        _write_card(recipe, folder, step_of(checkpoint), told, out)
        return out
    unfinished = out.with_name(out.name + ".unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    try:
        _write_model(recipe, checkpoint, unfinished)
    except UserError:
        raise
    except Exception as error:  # whatever the loaders of weights raise
        raise UserError(f"{checkpoint}: cannot be converted to a model: {first_line(error)}") from None
    _write_card(recipe, folder, step_of(checkpoint), told, unfinished)
    shutil.copy(folder / "recipe.yaml", unfinished / "recipe.yaml")
    (unfinished / _MADE).write_text(made, encoding="utf-8")
    unfinished.replace(out)
    return out


def push(model: Path, repository: str) -> str:
    """Upload a model's folder to a repository on the Hugging Face hub, made private if it is new; returns its address.

    Raises:
        UserError: not logged in, no right to write there, or no connection.
    """
    from huggingface_hub import HfApi

    try:
        api = HfApi()
        place = api.create_repo(repository, private=True, exist_ok=True)
        api.upload_folder(repo_id=repository, folder_path=model, commit_message=f"Upload {model.name}")
    except Exception as error:  # the hub client raises dozens of types
        raise UserError(
            f"{repository}: not uploaded: {first_line(error)} (log in with `hf auth login`, or set HF_TOKEN)"
        ) from None
    return str(place)


def _chosen(folder: Path, recipe: Recipe) -> Path | None:
    """The checkpoint that the recipe selects. Raises UserError if no step did better than none."""
    last = last_checkpoint(folder)
    if recipe.validation.select == "last" or last is None:
        return last
    found = select(folder, recipe.validation.metric, step_of(last))
    if found is None:
        raise UserError(
            f"{folder}: no held-out story has a verdict, so no checkpoint is the best; name one with --checkpoint"
        )
    if found.best == 0:
        raise UserError(
            f"{folder}: no checkpoint did better on the held-out prompts than the model before training "
            f"({told(found)}); name one with --checkpoint"
        )
    return folder / f"checkpoint-{found.best}"


def _write_model(recipe: Recipe, checkpoint: Path, out: Path) -> None:
    from transformers import AutoTokenizer
    from transformers.utils.logging import disable_progress_bar
    from trl.trainer.utils import create_model_from_path

    disable_progress_bar()
    # as TRL loads it for training: the class named in the model's configuration
    settings: dict[str, Any] = {"dtype": "bfloat16" if recipe.bf16 else "float32", "device_map": None}
    if recipe.lora is not None:
        from peft import PeftModel

        base = create_model_from_path(model_path(recipe.model), **settings)
        with warnings.catch_warnings():
            warnings.filterwarnings("error", message=".*missing adapter keys.*")
            model = PeftModel.from_pretrained(base, str(checkpoint)).merge_and_unload()
    else:
        model = create_model_from_path(str(checkpoint), **settings)
    model.save_pretrained(out)
    AutoTokenizer.from_pretrained(checkpoint).save_pretrained(out)


def _evaluation(logs: Sequence[str]) -> str:
    """The tables of an evaluation as Markdown; empty without logs."""
    if not logs:
        return ""
    frame = stories_frame(log_files(logs))
    parts = []
    for section in build(frame, with_published=False):
        table = markdown(replace(section.grids(details=False)[0], title=""))
        parts.append("\n\n".join([f"### {inert(section.heading)}", table, *(f"* {inert(n)}" for n in section.notes)]))
    return "\n\n".join(parts)


def _write_card(recipe: Recipe, folder: Path, step: int, evaluation: str, out: Path) -> None:
    """Write README.md, and the files that it shows."""
    curves, rows = folder / "curves.png", Path(recipe.data.train or "")
    sheet = (rows if rows.is_dir() else rows.parent) / _SHEET if recipe.data.train and rows.exists() else rows
    shown = [file for file in (curves, sheet) if file.name in (curves.name, _SHEET) and file.is_file()]
    for file in shown:
        shutil.copy(file, out / file.name)
    text = _card(recipe, folder, step, curves in shown, sheet in shown, evaluation)
    (out / "README.md").write_text(text, encoding="utf-8")


def _card(recipe: Recipe, folder: Path, step: int, curves: bool, sheet: bool, evaluation: str) -> str:
    versions = json.loads((folder / "versions.json").read_text(encoding="utf-8"))
    rows = held_out_rows(folder)
    terms = list(terms_in(rows[0]["metadata"])) if rows else []
    table = [
        f"| {' | '.join(['steps', 'stories', 'reward', *terms, 'words per word asked for', 'repetition'])} |",
        f"|{'---:|' * (5 + len(terms))}",
    ]
    for at in sorted({row["step"] for row in rows if row["step"] <= step}):
        mine = [row for row in rows if row["step"] == at]
        cells = [
            _mean([row["metadata"]["reward"] for row in mine], 3),
            *(_mean([row["metadata"].get(term) for row in mine], 3) for term in terms),
            _mean([row["metadata"]["words"] / row["target_words"] for row in mine if row.get("target_words")], 2),
            _mean([row["metadata"]["repetition"] for row in mine], 3),
        ]
        table.append(f"| {at} | {len(mine)} | {' | '.join(cells)} |")
    judge = recipe.validation.judge.name
    plan = json.loads((folder / "plan.json").read_text(encoding="utf-8"))
    told_of = "[datasheet.md](datasheet.md)" if sheet else "to be completed"
    data = f"Trained on {plan['prompts']:,} prompt-story pairs: {told_of}."
    found = select(folder, recipe.validation.metric, step)
    chosen = f"\nOn the held-out prompts, {told(found)}.\n\n" if found else "\n"
    unknown = "Not evaluated yet: `polaris-eval run --model hf/FOLDER`, then `polaris-train merge RUN --logs LOGS`."
    how = "GRPO and human-reference injection" if recipe.injects else "GRPO"
    return f"""---
base_model: {json.dumps(recipe.model)}
library_name: transformers
pipeline_tag: text-generation
tags: [polaris-eval, grpo{", hri" if recipe.injects else ""}, creative-writing]
---

# {recipe.name} after {step} steps

{" ".join(recipe.about.split())}

Trained from {recipe.model} with {how}, by polaris-eval {versions.get("polaris-eval")}, rewarded by
{rewarders(recipe)}: {told_reward(recipe)}. The full recipe is in `recipe.yaml`.

{data}

To be completed: the licence, its intended use, and what it must not be used for.

## Held-out prompts, judged by {marked(judge)}

{chr(10).join(table) if rows else "No prompts were held out."}
{chosen}{"![reward, its parts, lengths and costs by step](curves.png)" if curves else ""}

## Evaluation

{evaluation or unknown}

## Versions

{", ".join(f"{name} {number}" for name, number in versions.items())}
"""


def _mean(values: list[Any], digits: int) -> str:
    known = [value for value in values if value is not None]
    return f"{fmean(known):.{digits}f}" if known else "–"

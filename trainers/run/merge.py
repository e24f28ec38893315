"""Export a run as a model that others can load, with a model card."""

from __future__ import annotations

import json
import shutil
import warnings
from pathlib import Path
from statistics import fmean
from typing import Any

from ...harness.errors import UserError
from ...harness.judge.named import marked
from ..models import first_line, model_path
from ..recipe import Recipe
from ..recipe_files import read_recipe
from .folder import last_checkpoint, step_of
from .samples import held_out_rows, select, told


def merge(folder: Path, step: int | None, out: Path | None) -> Path:
    """Write a run's checkpoint as one model: full weights in safetensors, tokenizer, model card, recipe.

    Args:
        folder: the run's folder.
        step: which checkpoint; by default the best one if the recipe selects it by validation, else the last.
        out: the output folder, which must not exist; by default `merged` in the run's folder.

    Raises:
        UserError: no run, no such checkpoint, an existing output folder, or a base model that cannot be loaded.
    """
    if not (folder / "recipe.yaml").is_file():
        raise UserError(f"{folder}: holds no run (no recipe.yaml)")
    recipe = read_recipe(folder / "recipe.yaml")
    checkpoint = folder / f"checkpoint-{step}" if step is not None else _chosen(folder, recipe)
    if checkpoint is None or not checkpoint.is_dir():
        there = sorted(path.name for path in folder.glob("checkpoint-*"))
        raise UserError(f"{folder}: no such checkpoint; there {'are ' + ', '.join(there) if there else 'is none'}")
    out = out or folder / "merged"
    if out.exists():
        raise UserError(f"{out}: exists already; name another folder with --out")
    unfinished = out.with_name(out.name + ".unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    try:
        _write_model(recipe, checkpoint, unfinished)
    except UserError:
        raise
    except Exception as error:  # whatever the loaders of weights raise
        raise UserError(f"{checkpoint}: cannot be converted to a model: {first_line(error)}") from None
    (unfinished / "README.md").write_text(_card(recipe, folder, step_of(checkpoint)), encoding="utf-8")
    shutil.copy(folder / "recipe.yaml", unfinished / "recipe.yaml")
    unfinished.replace(out)
    return out


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


def _card(recipe: Recipe, folder: Path, step: int) -> str:
    versions = json.loads((folder / "versions.json").read_text(encoding="utf-8"))
    rows = held_out_rows(folder)
    table = [
        "| steps | stories | reward | quality | words per word asked for | repetition |",
        "|---:|---:|---:|---:|---:|---:|",
    ]
    for at in sorted({row["step"] for row in rows if row["step"] <= step}):
        mine = [row for row in rows if row["step"] == at]
        cells = [
            _mean([row["metadata"]["reward"] for row in mine], 1, 3),
            _mean([row["metadata"]["story_quality"] for row in mine], 100, 1),
            _mean([row["metadata"]["words"] / row["target_words"] for row in mine if row.get("target_words")], 1, 2),
            _mean([row["metadata"]["repetition"] for row in mine], 1, 3),
        ]
        table.append(f"| {at} | {len(mine)} | {' | '.join(cells)} |")
    judge = recipe.validation.judge.name
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
{marked(recipe.judge.name)} on the rubric {Path(recipe.reward.rubric).stem}. The full recipe is in `recipe.yaml`.

To be completed: what it was trained on and under which licence, its intended use, and what it must not be used for.

## Held-out prompts, judged by {marked(judge)}

{chr(10).join(table) if rows else "No prompts were held out."}

Evaluate it on the benchmarks with `polaris-eval run`, and put the table here.

## Versions

{", ".join(f"{name} {number}" for name, number in versions.items())}
"""


def _mean(values: list[Any], scale: float, digits: int) -> str:
    known = [value for value in values if value is not None]
    return f"{scale * fmean(known):.{digits}f}" if known else "–"

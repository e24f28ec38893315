"""Make TRL's and PEFT's configurations from a recipe."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from ..hri import HRIConfig
from ..recipe import Recipe
from .processes import launched, processes


def trl_config(recipe: Recipe, folder: Path, held_out: int, check: bool = False, dry: bool = False) -> HRIConfig:
    """Make TRL's configuration; with `check`, one that works on any machine, to see whether TRL accepts it.

    If processes were launched together, the first configuration sets up their communication for its devices, and later
    ones keep it. A check must then use the run's own devices, unless the run is `dry`.
    """
    dtype = "bfloat16" if recipe.lora and recipe.bf16 else "float32"
    settings: dict[str, Any] = {"logging_steps": 1, "report_to": "none", **recipe.trl}
    if held_out:
        settings |= {
            "eval_strategy": "steps",
            "eval_steps": recipe.validation.every,
            "num_generations_eval": 1,
            # no larger than needed: the last batch is padded with earlier prompts
            "per_device_eval_batch_size": min(8, math.ceil(held_out / processes())),
        }
    if check:
        settings |= {"use_vllm": False} | ({"use_cpu": True} if dry or not launched() else {})
    return HRIConfig(
        output_dir=str(folder),
        remove_unused_columns=False,
        model_init_kwargs={"dtype": dtype},
        validation_sampling=recipe.validation.sampling.model_dump(exclude_none=True) or None,
        save_strategy="steps",
        log_completions=True,
        num_completions_to_print=0,
        disable_tqdm=True,
        # longer than a batch can take: one process may wait for another's judge
        ddp_timeout=max(1800, int(2 * max(recipe.judge.batch_timeout, recipe.validation.judge.batch_timeout))),
        **settings,
    )


def lora_config(recipe: Recipe) -> Any:
    """Make PEFT's configuration; None if all weights are trained."""
    if recipe.lora is None:
        return None
    from peft import LoraConfig

    return LoraConfig(task_type="CAUSAL_LM", **recipe.lora.model_dump(exclude_none=True))

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
        model_init_kwargs={"dtype": _dtype(recipe)},
        validation_sampling=recipe.validation.sampling.model_dump(exclude_none=True) or None,
        save_strategy="steps",
        log_completions=True,
        num_completions_to_print=0,
        disable_tqdm=True,
        # longer than a batch can take: one process may wait for another's judge
        ddp_timeout=max(1800, int(2 * max(recipe.judge.batch_timeout, recipe.validation.judge.batch_timeout))),
        **settings,
    )


def sft_settings(recipe: Recipe, rows: int) -> dict[str, Any]:
    """Settings of TRL's SFTConfig for the warm start: where the recipe's GRPO has the same setting, that."""
    assert recipe.sft is not None
    device = int(recipe.setting("per_device_train_batch_size"))
    each = min(device, max(1, recipe.sft.batch // processes()))
    shared = ("seed", "use_cpu", "bf16", "fp16", "gradient_checkpointing", "max_grad_norm", "report_to")
    steps = max(1, math.ceil(rows / recipe.sft.batch))
    return {
        **{name: recipe.trl[name] for name in shared if name in recipe.trl},
        "num_train_epochs": recipe.sft.epochs,
        "learning_rate": recipe.sft.learning_rate,
        "per_device_train_batch_size": each,
        "gradient_accumulation_steps": max(1, math.ceil(recipe.sft.batch / (each * processes()))),
        "max_length": recipe.data.max_prompt_tokens + recipe.completion_tokens,
        "model_init_kwargs": {"dtype": _dtype(recipe)},
        "completion_only_loss": True,
        "save_strategy": "steps",
        "save_steps": steps,
        "save_total_limit": 1,
        "logging_steps": 1,
        "disable_tqdm": True,
        **recipe.sft.trl,
    }


def _dtype(recipe: Recipe) -> str:
    return "bfloat16" if recipe.lora and recipe.bf16 else "float32"


def lora_config(recipe: Recipe) -> Any:
    """Make PEFT's configuration; None if all weights are trained."""
    if recipe.lora is None:
        return None
    from peft import LoraConfig

    return LoraConfig(task_type="CAUSAL_LM", **recipe.lora.model_dump(exclude_none=True))

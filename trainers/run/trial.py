"""One training step of a tiny random model of the same class, to find settings that fail only in the loss."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from ...harness.errors import UserError
from ..hri import HRITrainer
from ..models import class_of, first_line, load_config
from ..recipe import Recipe
from .config import lora_config, trl_config
from .processes import launched

_TOKENS = 8
# sizes of a configuration that may be made small
_SMALL = {
    "hidden_size": 64, "intermediate_size": 64, "num_hidden_layers": 4, "num_attention_heads": 4,
    "num_key_value_heads": 2, "head_dim": 16, "linear_num_key_heads": 2, "linear_num_value_heads": 4,
    "linear_key_head_dim": 16, "linear_value_head_dim": 16, "moe_intermediate_size": 32,
    "shared_expert_intermediate_size": 32, "num_experts": 4, "num_local_experts": 4, "num_experts_per_tok": 2,
    "depth": 1, "num_heads": 2, "out_hidden_size": 64,
}  # fmt: skip
_TRL = {
    "max_steps": 1, "max_completion_length": _TOKENS, "gradient_accumulation_steps": 1, "steps_per_generation": None,
    "generation_batch_size": None, "report_to": "none", "use_vllm": False, "use_cpu": True, "bf16": False,
    "fp16": False, "tf32": None, "fsdp": None, "fsdp_config": None, "deepspeed": None, "push_to_hub": False,
    "torch_compile": False, "hri_warmup_steps": 0, "optim": "adamw_torch",
}  # fmt: skip


def try_step(recipe: Recipe, tokenizer: Any, rows: Any) -> list[str]:
    """Make one update of a tiny model on the first row, with a constant judge.

    Returns:
        A note if no tiny model of this class could be made, else nothing.

    Raises:
        UserError: the step failed with this recipe's settings.
    """
    if launched():  # several processes would have to take part
        return []
    try:
        model = _tiny(recipe, tokenizer)
    except Exception as error:  # classes of models raise what they like
        return [f"no trial step: a tiny model of the class of {recipe.model} cannot be made: {first_line(error)}"]
    trl = {**recipe.trl, **_TRL, "per_device_train_batch_size": recipe.group}
    small = recipe.model_copy(update={"trl": trl})
    with tempfile.TemporaryDirectory() as folder:
        try:
            config = trl_config(small, Path(folder), 0)
            config.model_init_kwargs = None  # the model is made already
            one = rows.select([0]).map(lambda row: {"reference": row["reference"][:_TOKENS]})
            trainer = HRITrainer(
                model=model, reward_funcs=_length, args=config, train_dataset=one,
                processing_class=tokenizer, peft_config=lora_config(recipe),
            )  # fmt: skip
            trainer.remove_callback(_printer())
            trainer.train()
        except UserError:
            raise
        except Exception as error:  # whatever TRL, PEFT or torch raise
            raise UserError(f"recipe {recipe.name}: a trial step on a tiny model fails: {first_line(error)}") from None
    return []


def _length(completions: Any, **columns: Any) -> list[float]:
    """A reward that differs between rows."""
    return [float(len(str(completion)) + number) for number, completion in enumerate(completions)]


def _printer() -> Any:
    from transformers.trainer_callback import PrinterCallback

    return PrinterCallback


def _tiny(recipe: Recipe, tokenizer: Any) -> Any:
    import torch

    config = load_config(recipe.model)
    parts = {
        id(part): part for part in (config, config.get_text_config(), getattr(config, "vision_config", None)) if part
    }
    for part in parts.values():
        for name, value in _SMALL.items():
            if isinstance(getattr(part, name, None), int):
                setattr(part, name, min(value, getattr(part, name)))
        if getattr(part, "layer_types", None):
            part.layer_types = part.layer_types[: part.num_hidden_layers]
    with torch.random.fork_rng():
        model = class_of(config)._from_config(config)
        with torch.no_grad():
            model(input_ids=torch.tensor([tokenizer("Once upon a time.").input_ids]))
    return model

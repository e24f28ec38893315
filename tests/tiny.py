"""A tiny random model with the small model's real tokenizer, and trainers of it: TRL steps in milliseconds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from transformers import LlamaConfig, LlamaForCausalLM, Qwen3_5Config, Qwen3_5ForConditionalGeneration
from trl import GRPOTrainer

from polaris_eval.trainers.answers import reference_ids
from polaris_eval.trainers.hri import HRIConfig, HRITrainer
from polaris_eval.trainers.models import load_tokenizer

TOKENIZER = load_tokenizer("polaris_eval/local")
REFERENCE = "The ferry waited. “Not yet,” said the pilot, and the rope went slack."


def model(seed: int = 0) -> LlamaForCausalLM:
    """A fresh model; the same seed gives the same weights."""
    torch.manual_seed(seed)
    sizes = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    config = LlamaConfig(vocab_size=len(TOKENIZER), **sizes, eos_token_id=2, pad_token_id=2, bos_token_id=1)
    return LlamaForCausalLM(config)


def rows(count: int, without: tuple[int, ...] = ()) -> Dataset:
    """Prompts with a reference each, but for those of the given numbers."""
    found = []
    for i in range(count):
        prompt = [{"role": "user", "content": f"Write of ferry number {i}."}]
        ids = TOKENIZER.apply_chat_template(prompt, add_generation_prompt=True, return_dict=True)["input_ids"]
        reference = [] if i in without else reference_ids(TOKENIZER, ids, f"{REFERENCE} {i}", None)
        found.append({"prompt": prompt, "uid": f"p{i}", "reference": reference, "target_words": 150, "held_out": False})
    return Dataset.from_list(found)


def letters(completions: Any, **columns: Any) -> list[float]:
    """A reward that any text has: the share of e among its letters."""
    texts = [completion[0]["content"] for completion in completions]
    return [text.count("e") / max(1, len(text)) for text in texts]


def trainer(
    folder: Path, kind: type[GRPOTrainer] = HRITrainer, reward: Any = letters, data: Dataset | None = None,
    held_out: Dataset | None = None, peft_config: Any = None, **settings: Any,
) -> Any:  # fmt: skip
    """A trainer of the tiny model: groups of four, two groups a step."""
    usual = {
        "per_device_train_batch_size": 8, "num_generations": 4, "max_completion_length": 12, "max_steps": 3,
        "learning_rate": 1e-2, "lr_scheduler_type": "constant", "use_cpu": True, "bf16": False, "report_to": "none",
        "gradient_checkpointing": False, "remove_unused_columns": False, "logging_steps": 1, "save_strategy": "no",
        "disable_tqdm": True, "seed": 7,
    }  # fmt: skip
    return kind(
        model=model(), reward_funcs=reward, args=HRIConfig(output_dir=str(folder), **{**usual, **settings}),
        train_dataset=data if data is not None else rows(6), eval_dataset=held_out, processing_class=TOKENIZER,
        peft_config=peft_config,
    )  # fmt: skip


def saved(folder: Path) -> Path:
    """The tiny model as a folder that transformers loads."""
    model().save_pretrained(folder)
    TOKENIZER.save_pretrained(folder)
    return folder


def saved_qwen(folder: Path) -> Path:
    """A tiny random model of the class of the paper's base, which has a part that sees, too."""
    torch.manual_seed(0)
    text = {
        "vocab_size": len(TOKENIZER), "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2,
        "num_attention_heads": 2, "num_key_value_heads": 2, "head_dim": 8, "linear_num_key_heads": 2,
        "linear_num_value_heads": 2, "linear_key_head_dim": 8, "linear_value_head_dim": 8,
        "layer_types": ["linear_attention", "full_attention"], "eos_token_id": 2, "pad_token_id": 2,
        "rope_parameters": {"rope_type": "default", "rope_theta": 1e4, "mrope_section": [1, 1, 0],
                            "partial_rotary_factor": 0.5},
    }  # fmt: skip
    vision = {"depth": 1, "hidden_size": 16, "intermediate_size": 32, "num_heads": 2, "out_hidden_size": 16}
    made = Qwen3_5ForConditionalGeneration(Qwen3_5Config(text_config=text, vision_config=vision))
    made.generation_config.eos_token_id = made.generation_config.pad_token_id = 2
    made.save_pretrained(folder)
    TOKENIZER.save_pretrained(folder)
    return folder


def weights(of: Any) -> dict[str, torch.Tensor]:
    """A copy of a model's weights."""
    return {name: value.detach().clone() for name, value in of.state_dict().items()}

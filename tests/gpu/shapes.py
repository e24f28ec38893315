"""Random models of Qwen3.5's class, as folders that transformers and vLLM load, and pairs to train them on."""

from __future__ import annotations

import importlib.util
import json
import random
from pathlib import Path
from typing import Any

import torch
from conftest import PROSE
from transformers import Qwen3_5Config, Qwen3_5ForConditionalGeneration

from polaris_eval.trainers.models import load_tokenizer

MARKS = {
    "vision_start": "<|vision_start|>",
    "vision_end": "<|vision_end|>",
    "image": "<|image_pad|>",
    "video": "<|video_pad|>",
}
TINY_TEXT = {
    "hidden_size": 256, "intermediate_size": 512, "num_hidden_layers": 4, "num_attention_heads": 4,
    "num_key_value_heads": 2, "vocab_size": 49_280, "linear_num_key_heads": 4, "linear_num_value_heads": 8,
    "layer_types": ["linear_attention"] * 3 + ["full_attention"],
}  # fmt: skip
TINY_VISION = {"depth": 2, "hidden_size": 128, "intermediate_size": 256, "num_heads": 4}


def save_qwen(folder: Path, tiny: bool) -> Path:
    """A random model in bf16, made on the GPU: four layers, or the shape of Qwen3.5-9B (18 GB).

    vLLM wants a processor for the part that sees, though no story has pictures; it needs torchvision, as vLLM does.
    """
    tokenizer = load_tokenizer("polaris_eval/local")
    tokenizer.add_special_tokens({"additional_special_tokens": list(MARKS.values())})
    ids = {name: tokenizer.convert_tokens_to_ids(mark) for name, mark in MARKS.items()}
    end = tokenizer.eos_token_id
    rope = {"rope_type": "default", "rope_theta": 1e7, "mrope_section": [11, 11, 10], "mrope_interleaved": True,
            "partial_rotary_factor": 0.25}  # fmt: skip
    text: dict[str, Any] = {"rope_parameters": rope, "eos_token_id": end, "pad_token_id": end}
    text |= {"max_position_embeddings": 262_144} | (TINY_TEXT if tiny else {})
    vision = {"out_hidden_size": 256 if tiny else 4096} | (TINY_VISION if tiny else {})
    config = Qwen3_5Config(
        text_config=text, vision_config=vision, image_token_id=ids["image"], video_token_id=ids["video"],
        vision_start_token_id=ids["vision_start"], vision_end_token_id=ids["vision_end"],
    )  # fmt: skip
    torch.manual_seed(0)
    usual = torch.get_default_dtype()
    torch.set_default_dtype(torch.bfloat16)
    try:
        with torch.device("cuda" if torch.cuda.is_available() else "cpu"):
            made = Qwen3_5ForConditionalGeneration(config)
    finally:
        torch.set_default_dtype(usual)
    made.generation_config.eos_token_id = made.generation_config.pad_token_id = end
    made.save_pretrained(folder)
    if importlib.util.find_spec("torchvision") is not None:
        _save_processor(folder, tokenizer)
    tokenizer.save_pretrained(folder)
    return folder


def _save_processor(folder: Path, tokenizer: Any) -> None:
    from transformers import Qwen2VLImageProcessorFast, Qwen3VLProcessor, Qwen3VLVideoProcessor

    seeing = {"image_processor": Qwen2VLImageProcessorFast(patch_size=16, temporal_patch_size=2, merge_size=2)}
    seeing |= {"video_processor": Qwen3VLVideoProcessor()}
    Qwen3VLProcessor(tokenizer=tokenizer, chat_template=tokenizer.chat_template, **seeing).save_pretrained(folder)


def long_pairs(path: Path, rows: int = 8, words: int = 9000) -> Path:
    """Prompts whose human stories are longer than any limit of tokens, so that all are cut to it."""
    draw, words_of = random.Random(0), PROSE.split()
    with path.open("w", encoding="utf-8") as out:
        for i in range(rows):
            story = " ".join(draw.choice(words_of) for _ in range(words)).capitalize() + "."
            row = {"prompt": f"Write of ferry number {i}.", "story": story, "target_word_count": 3000, "uid": str(i)}
            out.write(json.dumps(row) + "\n")
    return path

"""Greedy continuations for the audit, by transformers or vLLM."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ...harness.errors import UserError, need_extra
from ..models import first_line, model_path
from ..recipe import Recipe
from ..recipe_files import read_recipe
from ..run.folder import last_checkpoint


def weights_of(name: str) -> str:
    """What to load for a model: its name or, for a training run's folder, the last checkpoint."""
    folder = Path(name)
    if (folder / "recipe.yaml").is_file() and not (folder / "config.json").is_file():
        checkpoint = last_checkpoint(folder)
        if checkpoint is None:
            raise UserError(f"{name}: the run has no complete checkpoint")
        return str(checkpoint)
    return model_path(name)


def recipe_of(name: str) -> Recipe | None:
    """The recipe of a training run's folder, or None if it is not one."""
    path = Path(name) / "recipe.yaml"
    return read_recipe(path) if path.is_file() else None


def base_of(weights: str) -> str | None:
    """The model that an adapter was trained on, or None if the weights are a full model."""
    import json

    path = Path(weights) / "adapter_config.json"
    return str(json.loads(path.read_text(encoding="utf-8"))["base_model_name_or_path"]) if path.is_file() else None


def check_backend(backend: str, weights: str) -> None:
    """Refuse a backend that is not installed, or that cannot load these weights."""
    if backend != "vllm":
        return
    if importlib.util.find_spec("vllm") is None:
        raise need_extra("vllm", "vllm")
    if base_of(weights) is not None:
        raise UserError(f"{weights}: is an adapter; merge it first (polaris-train merge), or use transformers")


def continuations(
    backend: str, weights: str, tokenizer: Any, contexts: Sequence[Sequence[int]], tokens: int, batch: int
) -> Iterator[list[int]]:
    """Yield the greedy continuation of each context, in order, of at most `tokens` tokens, without the end token.

    Raises:
        UserError: the model cannot be loaded.
    """
    run = _vllm if backend == "vllm" else _transformers
    for ids in run(weights, tokenizer, contexts, tokens, batch):
        end = ids.index(tokenizer.eos_token_id) if tokenizer.eos_token_id in ids else len(ids)
        yield ids[:end]


def _transformers(
    weights: str, tokenizer: Any, contexts: Sequence[Sequence[int]], tokens: int, batch: int
) -> Iterator[list[int]]:
    import torch
    from trl.trainer.utils import create_model_from_path

    cuda = torch.cuda.is_available()
    settings: dict[str, Any] = {"dtype": "bfloat16" if cuda else "float32", "device_map": None}
    base = base_of(weights)
    try:
        model = create_model_from_path(base or weights, **settings)
        if base is not None:
            from peft import PeftModel

            model = PeftModel.from_pretrained(model, weights)
    except Exception as error:  # whatever the loaders of weights raise
        raise UserError(f"{weights}: the model cannot be loaded: {first_line(error)}") from None
    model = model.to("cuda" if cuda else "cpu").eval()
    model.generation_config.update(do_sample=False, temperature=None, top_p=None, top_k=None, repetition_penalty=1.0)
    pad = tokenizer.pad_token_id
    for start in range(0, len(contexts), batch):
        part = contexts[start : start + batch]
        width = max(map(len, part))
        ids = torch.tensor([[pad] * (width - len(c)) + list(c) for c in part], device=model.device)
        mask = torch.tensor([[0] * (width - len(c)) + [1] * len(c) for c in part], device=model.device)
        with torch.no_grad():
            out = model.generate(input_ids=ids, attention_mask=mask, max_new_tokens=tokens, pad_token_id=pad)
        yield from out[:, width:].tolist()


def _vllm(
    weights: str, tokenizer: Any, contexts: Sequence[Sequence[int]], tokens: int, batch: int
) -> Iterator[list[int]]:
    from vllm import LLM, SamplingParams

    try:
        model = LLM(model=weights)
    except Exception as error:  # whatever the engine raises
        raise UserError(f"{weights}: the model cannot be loaded: {first_line(error)}") from None
    greedy = SamplingParams(temperature=0.0, max_tokens=tokens)
    many = max(batch, 64)  # vLLM does its own batching; this only limits what an interruption can lose
    for start in range(0, len(contexts), many):
        prompts = [{"prompt_token_ids": list(context)} for context in contexts[start : start + many]]
        for found in model.generate(prompts, greedy, use_tqdm=False):
            yield list(found.outputs[0].token_ids)

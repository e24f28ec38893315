"""Models and tokenizers by name: on the hub, in a folder, or the small one that this package fetches."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..harness.environment import cache_dir
from ..harness.errors import UserError, need_extra
from ..harness.models.local import NAME as LOCAL
from ..harness.models.weights import fetch_weights

_MADE, _FORM = "made.txt", "2"  # marks a complete folder and its format; other formats are rebuilt


def model_path(name: str) -> str:
    """What transformers loads: the name itself or, for `polaris_eval/local`, a folder made once from its weights.

    Raises:
        UserError: the weights cannot be fetched or converted.
    """
    if name != LOCAL:
        return name
    folder = cache_dir() / "SmolLM2-135M-Instruct"
    if not _whole(folder):
        _unpack(fetch_weights(), folder)
    return str(folder)


def load_tokenizer(name: str) -> Any:
    """Load the tokenizer of a model. Raises UserError if it cannot be loaded or has no chat template."""
    from transformers import AutoTokenizer

    path = model_path(name)
    try:
        tokenizer = AutoTokenizer.from_pretrained(path)
    except Exception as error:  # the hub client raises dozens of types
        raise UserError(f"model {name}: its tokenizer cannot be loaded: {first_line(error)}") from None
    if tokenizer.chat_template is None:
        raise UserError(f"model {name} has no chat template; train an instruction-tuned model")
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


@dataclass(frozen=True)
class Sizes:
    """Sizes of a model: `parameters` in all, `layers`, `hidden` units, the weights of the LoRA adapter, if any, and
    attention heads and vocabulary (0: not known)."""

    parameters: float
    layers: int
    hidden: int
    adapter: float = 0.0
    heads: int = 0
    vocabulary: int = 0


def sizes_of(name: str, lora: Any = None) -> Sizes:
    """Count a model's weights from its config.json, without loading any.

    Args:
        name: the model.
        lora: PEFT's configuration of an adapter, or None.

    Raises:
        UserError: the configuration cannot be read, or the adapter does not fit the model.
    """
    import torch

    config = load_config(name)
    try:
        with torch.device("meta"):
            model = class_of(config)._from_config(config)
    except Exception as error:  # classes of models raise what they like
        raise UserError(f"model {name}: its config.json makes no model: {first_line(error)}") from None
    text = config.get_text_config()
    whole = model.num_parameters()
    adapter = 0 if lora is None else _adapter(model, lora, name)
    heads, vocabulary = getattr(text, "num_attention_heads", 0), text.vocab_size
    return Sizes(whole, text.num_hidden_layers, text.hidden_size, adapter, heads, vocabulary)


def load_config(name: str) -> Any:
    """The configuration of a model. Raises UserError if it cannot be read."""
    from transformers import AutoConfig

    try:
        return AutoConfig.from_pretrained(model_path(name))
    except Exception as error:  # the hub client raises dozens of types
        raise UserError(f"model {name}: its config.json cannot be read: {first_line(error)}") from None


def class_of(config: Any) -> Any:
    """The class that TRL trains for a configuration: the one it names, else the usual one for text."""
    import transformers

    named = getattr(transformers, (config.architectures or [""])[0], None)
    return named or transformers.AutoModelForCausalLM._model_mapping[type(config)]


def _adapter(model: Any, lora: Any, name: str) -> float:
    from peft import get_peft_model

    try:
        adapted = get_peft_model(model, lora)
    except ValueError as error:
        raise UserError(f"lora: does not fit {name}: {first_line(error)}") from None
    return float(sum(weight.numel() for weight in adapted.parameters() if weight.requires_grad))


def first_line(error: Exception) -> str:
    """The first non-empty line of an error's message, or the name of its type."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0][:300] if lines else type(error).__name__


def _unpack(weights: Path, folder: Path) -> None:
    """Convert the quantised weights to full precision, in a format that transformers can train."""
    import importlib.util

    if importlib.util.find_spec("gguf") is None:
        raise need_extra("gguf", "train")
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

    folder.parent.mkdir(parents=True, exist_ok=True)
    source: dict[str, Any] = {"pretrained_model_name_or_path": weights.parent, "gguf_file": weights.name}
    loaded = AutoModelForCausalLM.from_pretrained(**source, dtype=torch.float32)
    settings = {name: value for name, value in loaded.config.to_dict().items() if name != "quantization_config"}
    model = AutoModelForCausalLM.from_config(AutoConfig.for_model(**settings), dtype=torch.float32)
    model.load_state_dict(loaded.state_dict())
    model.generation_config = loaded.generation_config
    tokenizer = AutoTokenizer.from_pretrained(**source)
    tokenizer.eos_token = end_of_answer(tokenizer)  # some transformers releases read another one from the weights
    model.config.eos_token_id = model.generation_config.eos_token_id = tokenizer.eos_token_id
    unfinished = Path(tempfile.mkdtemp(dir=folder.parent))
    model.save_pretrained(unfinished)
    tokenizer.save_pretrained(unfinished)
    (unfinished / _MADE).write_text(_FORM, encoding="utf-8")
    if folder.is_dir() and not _whole(folder):
        shutil.rmtree(folder, ignore_errors=True)
    try:
        unfinished.rename(folder)
    except OSError:  # another process finished first
        shutil.rmtree(unfinished)


def _whole(folder: Path) -> bool:
    made = folder / _MADE
    return made.is_file() and made.read_text(encoding="utf-8") == _FORM


def end_of_answer(tokenizer: Any) -> str:
    """The token that a chat template ends an assistant's answer with."""
    said = [{"role": "user", "content": "Say it."}, {"role": "assistant", "content": "It is said."}]
    after = str(tokenizer.apply_chat_template(said, tokenize=False)).rpartition("It is said.")[2].lstrip()
    known = sorted(tokenizer.get_added_vocab(), key=len, reverse=True)
    return next((str(token) for token in known if after.startswith(token)), str(tokenizer.eos_token))

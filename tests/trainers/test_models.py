"""The small model as transformers trains it: the same under every release, and made anew where it is not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch", reason="needs the extra train")

from transformers import AutoTokenizer

from polaris_eval.harness.models.weights import fetch_weights
from polaris_eval.trainers.models import end_of_answer, load_tokenizer, model_path

pytestmark = [pytest.mark.model, pytest.mark.slow, pytest.mark.floors]

END = "<|im_end|>"


def test_its_end_token_is_the_chat_templates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """transformers 5.17 reads another from the weights' file; a folder that was unpacked with it is made anew."""
    weights = fetch_weights()
    cache = tmp_path / "cache"
    cache.mkdir()
    (cache / weights.name).symlink_to(weights)
    monkeypatch.setenv("POLARIS_CACHE", str(cache))
    stale = cache / "SmolLM2-135M-Instruct"
    stale.mkdir()
    (stale / "config.json").write_text("{}")
    (stale / "tokenizer_config.json").write_text('{"eos_token": "<|im_start|>"}')
    plain = AutoTokenizer.from_pretrained

    def as_517(*args: Any, **options: Any) -> Any:
        tokenizer = plain(*args, **options)
        if "gguf_file" in options:
            tokenizer.eos_token = "<|im_start|>"
        return tokenizer

    monkeypatch.setattr(AutoTokenizer, "from_pretrained", as_517)
    tokenizer = load_tokenizer("polaris_eval/local")
    assert tokenizer.eos_token == END == end_of_answer(tokenizer)
    assert tokenizer.pad_token is not None
    folder = Path(model_path("polaris_eval/local"))
    assert folder == stale
    state = folder.stat().st_ino
    assert Path(model_path("polaris_eval/local")).stat().st_ino == state  # made once
    assert sorted(path.name for path in cache.iterdir()) == sorted([folder.name, weights.name])

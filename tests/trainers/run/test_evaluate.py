"""A trained model is evaluated as any other: through Inspect's hf provider, at the length that a benchmark asks for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="needs the extra train")

import tiny  # noqa: E402
from conftest import PROXY, Cli, frame, write_jsonl  # noqa: E402
from inspect_ai.log import list_eval_logs, read_eval_log  # noqa: E402
from transformers import AutoModelForCausalLM  # noqa: E402

pytestmark = [pytest.mark.model, pytest.mark.slow]


@pytest.fixture
def talker(tmp_path: Path) -> Path:
    """A tiny model that ends an answer by itself after some tokens, or never where `never` is asked for: the output is
    made by its biases alone, so that it is quick and certain."""
    folder = tiny.saved(tmp_path / "talker")
    model = AutoModelForCausalLM.from_pretrained(folder)
    model.config.max_position_embeddings = 12_000
    model.generation_config.max_length = None
    model.save_pretrained(folder)
    return folder


def samples(folder: Path) -> list[Any]:
    (log,) = list_eval_logs(str(folder))
    return read_eval_log(log).samples or []


def test_every_story_has_room_and_one_that_ends_at_the_limit_is_cut(
    cli: Cli, tmp_path: Path, talker: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[dict[str, Any]] = []
    ends = tiny.TOKENIZER.eos_token_id
    words = tiny.TOKENIZER(" ferry waited", add_special_tokens=False).input_ids

    def generate(self: Any, input_ids: Any, attention_mask: Any, **options: Any) -> Any:
        """In place of the sampling alone: the first row of a batch never ends, the others end after six tokens."""
        calls.append({**options, **{n: getattr(self.generation_config, n) for n in ("repetition_penalty", "min_p")}})
        long = (words * options["max_new_tokens"])[: options["max_new_tokens"]]
        short = [*words, *words, ends] + [ends] * (options["max_new_tokens"] - 2 * len(words) - 1)
        rows = [long if n == 0 else short for n in range(len(input_ids))]
        found = torch.cat([input_ids, torch.tensor(rows)], dim=1)
        return type("Output", (), {"sequences": found, "logits": None, "hidden_states": None})()

    monkeypatch.setattr("transformers.generation.utils.GenerationMixin.generate", generate)
    prompts = write_jsonl(tmp_path / "p.jsonl", [
        {"id": f"p{n}", "prompt": f"Write a story of 1500 words about ferry {n}."} for n in range(3)
    ])  # fmt: skip
    done = cli("run", "--model", f"hf/{talker}", "--prompts", prompts, "--judge", PROXY)
    assert done.returncode == 0, done.stderr
    (call,) = calls
    assert call["max_new_tokens"] == 8192, "2.7 tokens per word and 4,096 for reasoning, as a power of two"
    assert call["repetition_penalty"] == 1.1, "the benchmark's, which the provider does not pass on"
    assert sorted(sample.output.stop_reason for sample in samples(tmp_path / "logs")) == ["max_tokens", "stop", "stop"]
    cli("leaderboard", "logs")
    assert sorted(frame(tmp_path)["truncated"]) == [0, 0, 1]
    assert "\ue0ff" not in json.dumps([sample.output.completion for sample in samples(tmp_path / "logs")])
    assert "repetition_penalty=1.1" in frame(tmp_path)["settings"].iloc[0]


def test_the_users_limit_and_the_models_context_bound_it(cli: Cli, tmp_path: Path, talker: Path) -> None:
    """The tiny model's own sampling; it rarely ends by itself within so few tokens."""
    prompts = write_jsonl(tmp_path / "p.jsonl", [{"id": "p", "prompt": "Write 12000 words."}])
    args = ("run", "--model", f"hf/{talker}", "--prompts", prompts, "--judge", PROXY)
    assert cli(*args, "--max-tokens", 20, "--log-dir", "few").returncode == 0
    (sample,) = samples(tmp_path / "few")
    assert sample.output.stop_reason == ("max_tokens" if sample.output.usage.output_tokens == 20 else "stop")
    model = AutoModelForCausalLM.from_pretrained(talker)
    model.config.max_position_embeddings = 200
    model.save_pretrained(talker)
    assert cli(*args, "--log-dir", "short").returncode == 0
    (sample,) = samples(tmp_path / "short")
    assert 0 < sample.output.usage.output_tokens <= 200 - 64


def test_what_a_provider_does_not_obey_is_said_once(cli: Cli, tmp_path: Path, talker: Path) -> None:
    prompts = write_jsonl(tmp_path / "p.jsonl", [{"id": f"p{n}", "prompt": f"Write {n} words."} for n in (100, 200)])
    args = ("run", "--model", f"hf/{talker}", "--prompts", prompts, "--judge", PROXY, "--max-tokens", 8)
    done = cli(*args, "--reasoning-effort", "low")
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("written without reasoning effort, which hf is not known to obey") == 1

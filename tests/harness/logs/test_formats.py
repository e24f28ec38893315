"""Story files of other tools: their own shapes, recognised by content, and refused in one line where broken."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from conftest import PROSE, PROXY, Cli, frame, one_line

from polaris_eval.harness.errors import UserError
from polaris_eval.harness.logs.stories import read_stories


def run_of(model: str, *iterations: str, **block: Any) -> dict[str, Any]:
    """A run as EQ-Bench Creative Writing keeps it: two prompts, one modifier per iteration."""

    def task(prompt: str, iteration: str) -> dict[str, Any]:
        result = {"model_response": f"{model} {prompt} {iteration} {PROSE}", "judge_scores": {"Elegant Prose": 12}}
        return {
            "prompt_id": prompt,
            "base_prompt": f"Write about {prompt}. <SEED>",
            "status": "completed",
            "results_by_modifier": {f"Include seed {iteration}.": {**result, **block}},
        }

    tasks = {i: {prompt: task(prompt, i) for prompt in ("1", "2")} for i in iterations}
    return {"test_model": model, "judge_model": "j", "creative_tasks": tasks, "results": {"score": 9.9}}


def write(path: Path, value: Any, indent: int | None = None) -> Path:
    path.write_text(json.dumps(value, indent=indent), encoding="utf-8")
    return path


@pytest.mark.parametrize("indent", [None, 2])
def test_a_runs_file_of_eqbench_becomes_stories_of_its_benchmark(tmp_path: Path, indent: int | None) -> None:
    runs = {"__metadata__": 1, "r1__a": run_of("lab/a", "1", "2", "3"), "r2__b": run_of("lab/b", "1")}
    found = read_stories(write(tmp_path / "runs.json", runs, indent))
    assert len(found) == 8
    assert {story.benchmark for story in found} == {"eqbench_creative"}
    assert [story.id for story in found[:6]] == ["1-1", "2-1", "1-2", "2-2", "1-3", "2-3"]
    assert found[2].prompt == "Write about 1. Include seed 2."
    assert {story.prompt_id for story in found} == {"1", "2"}
    assert found[7].story.startswith("lab/b 2 1 ")


def test_pieces_without_a_text_are_left_out_and_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    failed = run_of("lab/b", "1", model_response="[ERROR: Text too short after 3 attempts]")
    waiting, empty = run_of("lab/c", "1", model_response=None), run_of("lab/d", "1", model_response="")
    runs = {"a": run_of("lab/a", "1"), "b": failed, "c": waiting, "d": empty}
    found = read_stories(write(tmp_path / "runs.json", runs))
    assert {story.model for story in found} == {"lab/a"}
    assert "6 pieces without a text are left out" in capsys.readouterr().err


def outputs(*models: str, **more: Any) -> list[dict[str, Any]]:
    """Model outputs as alpaca_eval keeps them."""
    return [
        {"instruction": f"Write story {n}.", "output": f"{model} {PROSE}", "generator": model, "dataset": "own", **more}
        for model in models
        for n in range(2)
    ]


def test_outputs_of_alpaca_eval_become_stories(tmp_path: Path) -> None:
    found = read_stories(write(tmp_path / "outputs.json", outputs("lab/a", "lab/b")))
    assert [(story.model, story.id) for story in found] == [
        ("lab/a", "1"),
        ("lab/a", "2"),
        ("lab/b", "1"),
        ("lab/b", "2"),
    ]
    assert found[0].prompt_id == found[2].prompt_id, "stories of one instruction meet"
    (first, *_) = read_stories(write(tmp_path / "older.json", outputs("lab/a", input="In verse.")))
    assert first.prompt == "Write story 0.\n\nIn verse."


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ([{"instruction": "a", "output": "b"}], 'item 1: "generator" must be a string'),
        ([*outputs("lab/a"), "text"], "item 3: expected an object"),
        ([{**outputs("m")[0], "output": None}], 'item 1: "output" must be a string'),
        ([], "holds no stories"),
        ({"r": {"creative_tasks": {}}}, 'run r: "test_model" must be a string'),
        ({"r": {"test_model": "m", "creative_tasks": {"1": {"2": []}}}}, "iteration 1, prompt 2: expected an object"),
        ({"r": {"test_model": "m", "creative_tasks": {"1": {"2": {}}}}}, '"base_prompt" must be a string'),
        ({"r": {"test_model": "m", "creative_tasks": {}}}, "holds no stories"),
        ({"r": run_of("m", "1") | {"creative_tasks": {"1": {"2": {"base_prompt": "p", "results_by_modifier": []}}}}},
         "holds no stories"),
        ({"r": run_of("m", "1") | {"creative_tasks": {"1": {"2": {"base_prompt": "p", "results_by_modifier": [1]}}}}},
         "must be an object of objects"),
        ({"a": run_of("m", "1"), "b": run_of("m", "1")},
         'the runs a and b are both of m; keep one of them in the file, or give one another "test_model"'),
        ({"r": run_of("m", "1"), "s": {"test_model": "n", "creative_tasks": []}}, '"creative_tasks" must be an object'),
        ({"r": run_of("m", "1"), "s": {"test_model": "n", "creative_tasks": {"1": []}}}, '"creative_tasks" must be'),
        ({"a": 1}, "neither an Inspect log, nor a JSON object of runs"),
        ([{"id": "a", "prompt": "p", "story": "s", "model": "m"}], "item 1: a story of our own format; write one"),
    ],
)  # fmt: skip
def test_broken_files_are_refused_in_one_line(tmp_path: Path, value: Any, told: str) -> None:
    with pytest.raises(UserError) as caught:
        read_stories(write(tmp_path / "f.json", value))
    assert told in str(caught.value)
    assert str(tmp_path / "f.json") in str(caught.value)


def test_they_are_judged_like_any_stories(cli: Cli, tmp_path: Path, shared: Path) -> None:
    runs = write(tmp_path / "runs.json", {"a": run_of("lab/a", "1", "2"), "b": run_of("lab/b", "1", "2")})
    args = ("run", "--judge", PROXY, "--data-dir", shared / "prompts", "--stories")
    done = cli(*args, runs, "--format", "eqbench-creative")
    assert done.returncode == 0, done.stderr
    cli("leaderboard", "logs")
    table = frame(tmp_path)
    assert set(table["benchmark"]) == {"eqbench_creative"}
    assert table["score"].notna().all()
    assert len(table) == 8
    models = write(tmp_path / "outputs.json", outputs("lab/a"))
    assert cli(*args, models, "--log-dir", "second").returncode == 0
    assert cli("arena", runs, "--judge", PROXY).returncode == 0
    assert pd.read_csv(tmp_path / "results" / "arena.csv")["model"].nunique() == 2


def test_the_format_that_was_named_must_be_there(cli: Cli, tmp_path: Path) -> None:
    path = write(tmp_path / "outputs.json", outputs("lab/a"))
    told = one_line(cli("run", "--stories", path, "--judge", PROXY, "--format", "eqbench-creative"))
    assert "test_model" in told
    assert "looks like alpaca-eval" in told
    assert "--stories" in cli("run", "--model", "a/b", "--format", "polaris").stderr

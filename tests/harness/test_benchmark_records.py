"""Benchmarks are records that any installed package may bring; ours are found like anybody's."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest
from conftest import PROXY, Cli, one_line, stories, write_jsonl
from inspect_ai.dataset import Sample
from inspect_ai.model import GenerateConfig

from polaris_eval.harness import benchmarks as records
from polaris_eval.harness.benchmarks import Benchmark, Choice, benchmarks, find_benchmark, place
from polaris_eval.harness.errors import UserError
from polaris_eval.harness.run.samples import prompts_of

MINE = Benchmark(
    name="mine",
    title="Mine",
    rubric="eqbench_longform",
    prompts=lambda choice: [
        Sample(input=f"{choice.prompts} {choice.split} {choice.language}", id="1",
               metadata={"prompt_id": "1", "target_words": None})
    ],
    sets={"small": ("test", "train"), "large": ()},
    languages=("fr", "en"),
    config=GenerateConfig(),
    order=0,
)  # fmt: skip
NO_BENCHMARK = object()


@pytest.fixture
def entries(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[EntryPoint]]:
    """Further entry points than those of the installed packages."""
    real, more = records.entry_points, [EntryPoint("mine", f"{__name__}:MINE", records.GROUP)]
    monkeypatch.setattr(records, "entry_points", lambda group: [*real(group=group), *more])
    benchmarks.cache_clear()
    yield more
    benchmarks.cache_clear()


def test_ours_stand_in_their_order() -> None:
    ours = ["story_quality", "eqbench_longform", "eqbench_creative", "writingbench", "longbench_write"]
    assert [name for name in benchmarks() if name in ours] == ours
    for name in ours:
        benchmark = find_benchmark(name)
        assert benchmark.title == benchmark.load_rubric().title
        assert benchmark.length_score == benchmark.load_rubric().length_score
    assert place("story_quality") < place("longbench_write") < place("from another machine")


def test_one_of_another_package_is_found_sorted_and_asked(entries: list[EntryPoint]) -> None:
    assert next(iter(benchmarks())) == "mine"
    assert MINE.defaults() == {"language": "fr", "prompts": "small", "split": "test"}
    found = prompts_of(find_benchmark("mine"))
    assert (found.name, found.samples[0].input) == ("small/test fr", "small test fr")
    assert prompts_of(MINE, "large", language="all").name == "large all"
    for wrong, says in (
        ({"prompts": "huge"}, "known: small, large"), ({"split": "dev"}, "known: test, train"),
        ({"prompts": "large", "split": "test"}, "has no splits"), ({"language": "de"}, "it has fr, en, all"),
    ):  # fmt: skip
        with pytest.raises(UserError, match=says):
            prompts_of(MINE, **wrong)


@pytest.mark.parametrize("wrong", [{"name": "arena"}, {"name": "My own"}, {"sets": {}}, {"languages": ()}])
def test_a_record_that_no_command_could_use_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"name|sets|languages"):
        replace(MINE, **wrong)


def test_iterations_are_of_a_benchmark_that_makes_several_texts() -> None:
    with pytest.raises(UserError, match="does not support iterations"):
        prompts_of(find_benchmark("story_quality"), iterations=2)


def test_a_prompt_set_goes_to_the_benchmarks_that_have_it(entries: list[EntryPoint], cli: Cli) -> None:
    two = ["--benchmark", "story_quality", "--benchmark", "mine"]
    planned = cli("plan", "--model", PROXY, "--judge", PROXY, "--prompts", "large", *two, "--json")
    assert planned.returncode == 0, planned.stderr
    calls = {row["benchmark"]: row["calls"] for row in json.loads(planned.stdout)["rows"]}
    assert calls == {"mine": 1, "story_quality": 36}
    assert "unknown prompt set 'none'" in one_line(
        cli("plan", "--model", PROXY, "--judge", PROXY, "--prompts", "none", *two)
    )


def test_it_is_planned_and_named_in_every_command(entries: list[EntryPoint], cli: Cli, tmp_path: Path) -> None:
    planned = cli("plan", "--model", PROXY, "--benchmark", "mine", "--judge", f"mine={PROXY}", "--json")
    assert planned.returncode == 0, planned.stderr
    assert {row["benchmark"] for row in json.loads(planned.stdout)["rows"]} == {"mine"}
    assert "prompts of mine" in cli("doctor").stdout
    assert json.loads(cli("prompts", "show", "mine").stdout)["id"] == "1"
    path = write_jsonl(tmp_path / "s.jsonl", stories(1))
    assert "does not belong to any prompt of mine" in one_line(
        cli("plan", "--stories", path, "--benchmark", "mine", "--judge", PROXY)
    )


def test_what_cannot_be_loaded_is_left_out_and_said(
    entries: list[EntryPoint], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    entries += [
        EntryPoint("gone", "no_such_package:B", records.GROUP),
        EntryPoint("thing", f"{__name__}:NO_BENCHMARK", records.GROUP),
        EntryPoint("twin", f"{__name__}:TWIN", records.GROUP),
    ]
    assert "story_quality" in benchmarks()
    assert not {"gone", "thing"} & set(benchmarks())
    assert benchmarks()["story_quality"].title == "Story Quality"
    said = capsys.readouterr().err.splitlines()
    assert [line.split(" of ")[0] for line in said] == [
        f"polaris-eval: the benchmark {name}" for name in ("gone", "thing", "twin")
    ]
    assert "No module named 'no_such_package'" in said[0]
    assert "is not a Benchmark" in said[1]
    assert "another benchmark named story_quality" in said[2]


TWIN: Any = replace(MINE, name="story_quality", title="A twin")


def test_a_choice_is_described() -> None:
    ours = {
        "story_quality": ("mini", {}), "eqbench_creative": ("v3, 3 iterations", {}), "writingbench": ("D4 en", {}),
        "longbench_write": ("LongBench-Write all", {}),
    }  # fmt: skip
    for name, (told, options) in ours.items():
        benchmark = find_benchmark(name)
        assert benchmark.describe(benchmark.choose(**options)) == told
    quality = find_benchmark("story_quality")
    assert quality.describe(Choice("official", "test")) == "official/test"
    assert quality.describe(Choice("official", "test", folder=Path("x"))) == "copy of official/test"
    assert quality.describe(Choice("mini", folder=Path("x"))) == "mini"

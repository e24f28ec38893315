"""`compare A B`: is B better than A, and on which prompts."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from conftest import Cli, reply, stories, write_jsonl

from polaris_eval.rubrics import Rubric


@pytest.fixture
def judged(cli: Cli, tmp_path: Path, rubric: Rubric) -> Path:
    """Logs of two models on twelve prompts; `lab/new` has two points more of P1 everywhere, and eight on s3."""
    for model, more in (("lab/old", 0), ("lab/new", 2)):
        marks = {r["id"]: 4 + more + 6 * (more > 0 and r["id"] == "s3") for r in stories(12)}
        answers = [{"id": name, "reply": reply(rubric, {"P1": mark})} for name, mark in marks.items()]
        replies = write_jsonl(tmp_path / "replies.jsonl", answers)
        path = write_jsonl(tmp_path / "s.jsonl", stories(12, model))
        done = cli("run", "--stories", path, "--judge", f"polaris_eval/replay/{replies}")
        assert done.returncode == 0, done.stderr
    return tmp_path / "logs"


def test_a_better_model_is_found_and_the_prompt_that_changed_most(judged: Path, cli: Cli, tmp_path: Path) -> None:
    done = cli("compare", "lab/old", "lab/new")
    assert done.returncode == 0, done.stderr
    (change,) = json.loads((tmp_path / "results" / "compare.json").read_text())["changes"]
    first = change["score"]
    assert first["prompts"] == 12
    assert first["difference"]["value"] == pytest.approx(first["b"] - first["a"])
    assert first["difference"]["low"] > 0
    (p1,) = (m for m in change["by_measure"] if m["measure"].startswith("P1 "))
    assert p1["b"] - p1["a"] == pytest.approx(2.5)
    assert change["changed"][0]["b"] - change["changed"][0]["a"] == pytest.approx(8)
    assert sum(bucket["prompts"] for bucket in change["by_bucket"]) == 12
    assert "better" in done.stdout
    assert "better" in (tmp_path / "results" / "compare.md").read_text()
    index = (tmp_path / "results" / "compare" / "index.html").read_text()
    places = re.findall(r'<a href="(prompts/[^"]+)"><bdi>Write of harbour number', index)
    assert len(places) == 5
    both = (tmp_path / "results" / "compare" / places[0]).read_text()
    assert 'data-model="lab/old"' in both
    assert 'data-model="lab/new"' in both
    assert "because" in both, "the judge's reasons are beside the stories"


def test_the_exit_code_is_for_worse_only(judged: Path, cli: Cli) -> None:
    assert cli("compare", "lab/old", "lab/new", "--fail-if-worse").returncode == 0
    assert cli("compare", "lab/new", "lab/old").returncode == 0
    worse = cli("compare", "lab/new", "lab/old", "--fail-if-worse")
    assert worse.returncode == 1
    assert "B is worse than A on story_quality" in worse.stdout
    alike = cli("compare", "lab/old", "lab/old", "--fail-if-worse")
    assert alike.returncode == 0
    assert "not told apart" in alike.stdout


@pytest.mark.parametrize(
    ("sides", "told"),
    [
        (("lab/old", "lab/nwe"), "B lab/nwe: no such file, folder, or model in these logs; known: lab/new, lab/old"),
        (("logs", "lab/new"), "A logs: contains stories of several models (lab/new, lab/old)"),
        (("s.jsonl", "lab/new"), "s.jsonl, line 1: not a held-out story of a training run"),
    ],
)
def test_a_side_that_is_not_one_model_is_one_line(judged: Path, cli: Cli, sides: tuple[str, str], told: str) -> None:
    refused = cli("compare", *sides)
    assert refused.returncode == 2
    assert told in refused.stderr
    assert "Traceback" not in refused.stderr


def test_held_out_stories_of_two_steps(cli: Cli, tmp_path: Path) -> None:
    def step(name: str, more: float) -> str:
        rows = [
            {"id": f"p{n}", "model": f"m@{name}", "prompt": "p", "story": "It rained.",
             "metadata": {"reward": n % 3 + more, "quality": 0.5, "words": 100 + n, "training_run": "x"}}
            for n in range(8)
        ]  # fmt: skip
        return write_jsonl(tmp_path / f"step-{name}.jsonl", rows).name

    done = cli("compare", step("0", 0), step("4", -1), "--fail-if-worse")
    assert done.returncode == 1, done.stderr
    (change,) = json.loads((tmp_path / "results" / "compare.json").read_text())["changes"]
    assert change["score"]["difference"]["value"] == pytest.approx(-1)
    assert [m["measure"] for m in change["by_measure"]] == ["quality", "words"]
    page = next((tmp_path / "results" / "compare" / "prompts").iterdir()).read_text()
    assert page.count("It rained.") == 2

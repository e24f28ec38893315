"""`compare A B`: is B better than A, and on which prompts."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from conftest import PROSE, PROXY, Cli, reply, stories, write_jsonl
from loopback import serve

from polaris_eval.rubrics import Rubric

WRITER = "openai-api/loop/writer"


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
        (("s.jsonl", "lab/new"), "s.jsonl, line 1: missing metadata"),
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


def test_a_benchmark_judged_in_two_ways_is_compared_twice(judged: Path, cli: Cli, tmp_path: Path) -> None:
    """The same judge name and another rubric; prompts of two benchmarks share their ids."""
    for model in ("lab/old", "lab/new"):
        path = write_jsonl(tmp_path / "s.jsonl", stories(12, model))
        for rubric in ("story_quality", "eqbench_longform"):
            args = ("--rubric", rubric, "--judge", PROXY, "--log-dir", f"more-{rubric}")
            assert cli("run", "--stories", path, *args).returncode == 0
    logs = [part for name in ("logs", "more-story_quality", "more-eqbench_longform") for part in ("--logs", name)]
    done = cli("compare", "lab/old", "lab/new", *logs)
    assert done.returncode == 0, done.stderr
    changes = json.loads((tmp_path / "results" / "compare.json").read_text())["changes"]
    assert len({change["name"] for change in changes}) == len(changes) == 3
    pages = sorted((tmp_path / "results" / "compare" / "prompts").iterdir())
    assert len(pages) == sum(len(change["changed"]) for change in changes)


def test_what_one_side_lacks_is_told(judged: Path, cli: Cli, tmp_path: Path, rubric: Rubric) -> None:
    path = write_jsonl(tmp_path / "old.jsonl", stories(12, "lab/old"))
    cli("run", "--stories", path, "--benchmark", "eqbench_longform", "--judge", PROXY)
    answers = [{"id": f"s{n}", "reply": reply(rubric) if n else "no JSON"} for n in range(12)]
    replies = write_jsonl(tmp_path / "third.jsonl", answers)
    third = write_jsonl(tmp_path / "s.jsonl", stories(12, "lab/third"))
    cli("run", "--stories", third, "--judge", f"polaris_eval/replay/{replies}", "--log-dir", "third")
    done = cli("compare", "lab/old", "lab/new", "--fail-if-worse")
    assert done.returncode == 1
    assert "A alone was judged on eqbench_longform" in done.stdout
    assert "Whether B is worse on eqbench_longform cannot be told" in done.stdout
    one = write_jsonl(tmp_path / "a.jsonl", [{**r, "id": f"x{n}"} for n, r in enumerate(stories(3, "lab/a"))])
    answers = [{"id": f"x{n}", "reply": reply(rubric) if n else "no JSON"} for n in range(3)]
    same = write_jsonl(tmp_path / "same.jsonl", answers)
    cli("run", "--stories", one, "--judge", f"polaris_eval/replay/{same}", "--log-dir", "unscored")
    done = cli("compare", "lab/a", "lab/a", "--logs", "unscored")
    assert "1 of A's stories, 1 of B's" in " ".join(done.stdout.split())


def test_held_out_stories_are_read_as_any_records(cli: Cli, tmp_path: Path) -> None:
    def row(**changes: object) -> dict[str, object]:
        usual = {"id": "p", "model": "m", "prompt": "p", "story": "It\u2028rained.\x85", "metadata": {"reward": 1.0}}
        return {**usual, **changes}

    fine = write_jsonl(tmp_path / "fine.jsonl", [row(id=f"p{n}") for n in range(6)])
    assert cli("compare", fine, fine).returncode == 0
    for broken in ({"prompt": 5}, {"id": {}}, {"model": []}, {"metadata": {"reward": float("inf")}}, {"metadata": {}}):
        path = write_jsonl(tmp_path / "broken.jsonl", [row(**broken)])
        refused = cli("compare", path, fine)
        assert refused.returncode == 2, broken
        assert "broken.jsonl, line 1: " in refused.stderr


def test_stories_of_several_settings_are_not_pooled(cli: Cli, tmp_path: Path) -> None:
    prompts = write_jsonl(tmp_path / "p.jsonl", [{"id": f"p{n}", "prompt": f"Write {n}."} for n in range(3)])
    with serve(lambda number, system, user: PROSE) as server:
        env = {"LOOP_API_KEY": "k", "LOOP_BASE_URL": f"{server.url}/v1"}
        for heat in (0.1, 1.5):
            args = ("--temperature", heat, "--log-dir", f"logs/{heat}")
            assert cli("run", "--model", WRITER, "--prompts", prompts, "--judge", PROXY, *args, **env).returncode == 0
    refused = cli("compare", WRITER, "logs/1.5")
    assert refused.returncode == 2
    assert "written with several settings" in refused.stderr
    cli("leaderboard", "logs")
    table = json.loads((tmp_path / "results" / "leaderboard.json").read_text())["sections"][0]["rows"]
    assert sorted(row["label"] for row in table) == [f"{WRITER} · temperature=0.1", f"{WRITER} · temperature=1.5"]

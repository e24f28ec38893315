"""Judges beside people: agreement by hand, real runs, and what a file may hold."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from conftest import PROSE, PROXY, Cli, one_line, write_jsonl
from loopback import serve, well_behaved

from polaris_eval.harness.judge_people.analysis import agreement, by_length, one_person
from polaris_eval.harness.judge_people.people import WHOLE, Judged, read_people

JUDGE = "openai-api/loop/judge"


def judged(key: str, prompt: str, model: str, ranked: bool = False, words: int = 100, **given: float) -> Judged:
    return Judged(key, prompt, model, words, {WHOLE: given}, ranked)


TWO_PROMPTS = [
    judged("a1", "1", "a", anna=3, ben=4, words=10),
    judged("b1", "1", "b", anna=2, ben=1, words=20),
    judged("c1", "1", "c", anna=1, ben=2, words=30),
    judged("a2", "2", "a", anna=5, ben=5, words=40),
    judged("b2", "2", "b", anna=4, ben=4, words=50),
    judged("c2", "2", "c", anna=1, ben=1, words=60),
]


def test_agreement_by_hand() -> None:
    """Means of the people: 3.5, 1.5, 1.5, 5, 4, 1. On the pair b1 and c1 they are divided, so five pairs count."""
    right = agreement(TWO_PROMPTS, {one.id: one.mean() for one in TWO_PROMPTS})
    assert right.stories.value == pytest.approx(1)
    assert (right.writers, right.pairs.value, right.scored) == (pytest.approx(1), 1, 6)
    wrong = agreement(TWO_PROMPTS, {one.id: -one.mean() for one in TWO_PROMPTS})
    assert (wrong.stories.value, wrong.pairs.value) == (pytest.approx(-1), 0)
    same = agreement(TWO_PROMPTS, dict.fromkeys((one.id for one in TWO_PROMPTS), 5.0))
    assert same.pairs.value == 0.5
    assert math.isnan(same.stories.value)
    some = agreement(TWO_PROMPTS, {"a1": 1.0, "b1": 2.0, "c1": math.nan, "a2": 3.0, "b2": 3.0})
    assert some.scored == 4
    assert some.pairs.value == pytest.approx((0 + 0.5) / 2)
    assert by_length(TWO_PROMPTS).pairs.value == 0
    # Ben orders b1 and c1 otherwise than Anna: of twelve votes of one person two go against the other
    assert one_person(TWO_PROMPTS).pairs.value == pytest.approx(10 / 12)


def test_a_milder_person_is_no_other_opinion() -> None:
    """Ben gives two more than Anna to every story: they agree, and a constant gives nothing to agree on."""
    people = [judged(f"s{i}", str(i), "ab"[i % 2], anna=i % 3, ben=i % 3 + 2) for i in range(12)]
    assert one_person(people).stories.value == pytest.approx(1)
    assert one_person(people).within_writers.value == pytest.approx(1)
    same = [judged(f"s{i}", str(i), "a", anna=1, ben=2) for i in range(6)]
    assert math.isnan(one_person(same).stories.value)
    assert math.isnan(one_person(same).within_writers.value)


def test_ranks_mean_something_within_a_prompt_only() -> None:
    people = [judged("x", "1", "a", True, anna=-1, ben=-2), judged("y", "1", "b", True, anna=-2, ben=-1),
              judged("z", "1", "c", True, anna=-3, ben=-3)]  # fmt: skip
    found = agreement(people, {"x": 3.0, "y": 2.0, "z": 1.0})
    assert found.pairs.value == 1
    assert math.isnan(found.stories.value)
    assert math.isnan(found.writers)


def records(**more: Any) -> list[dict[str, Any]]:
    """Two models' stories of three prompts; Anna and Ben like the longer ones."""
    return [
        {"id": f"s{i}", "prompt": f"Write of harbour {i}.", "model": model,
         "story": PROSE * (2 + 6 * (model == "good")),
         "ratings": {"anna": 1 + 3 * (model == "good"), "ben": 2 + (model == "good") + i}, **more}
        for i in range(3) for model in ("good", "bad")
    ]  # fmt: skip


def test_a_judge_beside_people_resumed_and_never_paid_twice(cli: Cli, tmp_path: Path) -> None:
    path = write_jsonl(tmp_path / "p.jsonl", records())
    with serve(lambda n, system, user: well_behaved(system, user)) as server:
        env = {"LOOP_API_KEY": "k", "LOOP_BASE_URL": f"{server.url}/v1"}
        args = ("judge-people", path, "--judge", JUDGE, "--judge", PROXY)
        planned = cli(*args, "--plan", **env)
        assert planned.returncode == 0, planned.stderr
        assert not server.requests
        done = cli(*args, **env)
        assert done.returncode == 0, done.stdout + done.stderr
        assert len(server.requests) == 6
        assert cli(*args, **env).returncode == 0
        assert len(server.requests) == 6
    found = json.loads((tmp_path / "results" / "judge-people.json").read_text(encoding="utf-8"))
    assert (found["stories"], found["raters"], set(found["judges"])) == (6, 2, {JUDGE, PROXY})
    assert found["judges"][JUDGE] == found["judges"][PROXY], "the loopback judge answers as the proxy does"
    assert found["length"]["pairs"]["value"] == found["one_person"]["pairs"]["value"] == 1
    page = (tmp_path / "results" / "judge-people.md").read_text(encoding="utf-8")
    assert "one person, beside the others" in page
    assert "PROXY" in page


def test_questions_that_are_the_rubrics_own(cli: Cli, tmp_path: Path) -> None:
    rows = records()
    for number, row in enumerate(rows):
        row["ratings"] = {
            "anna": {"Narrative Pacing": number % 2, "Taste": 1},
            "ben": {"Narrative Pacing": 1, "Taste": 0},
        }
    path = write_jsonl(tmp_path / "p.jsonl", rows)
    people, _ = read_people(path)
    assert people[0].mean() == 0.5
    assert people[0].mean("Narrative Pacing") == 0.5
    done = cli("judge-people", path, "--judge", PROXY, "--rubric", "ttcw")
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "results" / "judge-people.json").read_text(encoding="utf-8"))
    assert list(found["judges"][PROXY]["questions"]) == ["Narrative Pacing"]


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"ratings": None}, 'line 1: give "ratings" or "ranks"'),
        ({"ranks": {"anna": 1}}, 'line 1: give "ratings" or "ranks" of people, one of the two'),
        ({"ratings": {"anna": "good"}}, 'line 1: "good" is no rating'),
        ({"ratings": {"anna": True}}, "line 1: true is no rating"),
        ({"ratings": {}}, '"ratings" must be an object'),
        ({"rating": {"anna": 1}}, "unknown field 'rating'"),
        ({"id": "same", "model": "m"}, "the story m/same is given twice"),
    ],
)
def test_a_broken_file_is_one_line(cli: Cli, tmp_path: Path, changes: dict[str, Any], says: str) -> None:
    path = write_jsonl(tmp_path / "p.jsonl", records(**changes))
    assert says in one_line(cli("judge-people", path, "--judge", PROXY))


def test_a_pairwise_rubric_is_refused(cli: Cli, tmp_path: Path) -> None:
    path = write_jsonl(tmp_path / "p.jsonl", records())
    assert "compares two stories" in one_line(cli("judge-people", path, "--judge", PROXY, "--rubric", "pairwise"))

"""Judges beside people: agreement by hand, real runs, and what a file may hold."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from conftest import PROSE, PROXY, Cli, one_line, stories, write_jsonl
from loopback import serve, well_behaved

from polaris_eval.harness.judge_people.analysis import agreement, by_length, one_person
from polaris_eval.harness.judge_people.judges import judge_rows
from polaris_eval.harness.judge_people.people import WHOLE, Judged, People, _compared, read_people
from polaris_eval.harness.judge_people.sets import hanna, known_sets

pytestmark = pytest.mark.slow

JUDGE = "openai-api/loop/judge"


def judged(key: str, prompt: str, model: str, ranked: bool = False, words: int = 100, **given: float) -> Judged:
    return Judged(key, prompt, model, words, {WHOLE: given}, not ranked)


def people_of(stories: list[Judged]) -> People:
    return People(stories, list(_compared(stories)), [])


STORIES = [
    judged("a1", "1", "a", anna=3, ben=4, words=10),
    judged("b1", "1", "b", anna=2, ben=1, words=20),
    judged("c1", "1", "c", anna=1, ben=2, words=30),
    judged("a2", "2", "a", anna=5, ben=5, words=40),
    judged("b2", "2", "b", anna=4, ben=4, words=50),
    judged("c2", "2", "c", anna=1, ben=1, words=60),
]


TWO_PROMPTS = people_of(STORIES)


def test_agreement_by_hand() -> None:
    """Means of the people: 3.5, 1.5, 1.5, 5, 4, 1. On the pair b1 and c1 they are divided, so five pairs count."""
    right = agreement(TWO_PROMPTS, {one.id: one.mean() for one in STORIES})
    assert right.stories.value == pytest.approx(1)
    assert (right.writers, right.pairs.value, right.scored) == (pytest.approx(1), 1, 6)
    wrong = agreement(TWO_PROMPTS, {one.id: -one.mean() for one in STORIES})
    assert (wrong.stories.value, wrong.pairs.value) == (pytest.approx(-1), 0)
    same = agreement(TWO_PROMPTS, dict.fromkeys((one.id for one in STORIES), 5.0))
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
    people = people_of([judged(f"s{i}", str(i), "ab"[i % 2], anna=i % 3, ben=i % 3 + 2) for i in range(12)])
    assert one_person(people).stories.value == pytest.approx(1)
    assert one_person(people).within_writers.value == pytest.approx(1)
    same = people_of([judged(f"s{i}", str(i), "a", anna=1, ben=2) for i in range(6)])
    assert math.isnan(one_person(same).stories.value)
    assert math.isnan(one_person(same).within_writers.value)


def test_ranks_mean_something_within_a_prompt_only() -> None:
    people = [judged("x", "1", "a", True, anna=-1, ben=-2), judged("y", "1", "b", True, anna=-2, ben=-1),
              judged("z", "1", "c", True, anna=-3, ben=-3)]  # fmt: skip
    found = agreement(people_of(people), {"x": 3.0, "y": 2.0, "z": 1.0})
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
    same = "the loopback judge answers as the proxy does"
    assert found["judges"][JUDGE]["agreement"] == found["judges"][PROXY]["agreement"] == found["jury"], same
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
    first = read_people(path).stories[0]
    assert first.mean() == 0.5
    assert first.mean("Narrative Pacing") == 0.5
    done = cli("judge-people", path, "--judge", PROXY, "--rubric", "ttcw")
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "results" / "judge-people.json").read_text(encoding="utf-8"))
    assert list(found["judges"][PROXY]["agreement"]["questions"]) == ["Narrative Pacing"]


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"ratings": None}, 'line 1: give either "ratings" or "ranks"'),
        ({"ranks": {"anna": 1}}, 'line 1: give either "ratings" or "ranks" of people'),
        ({"ratings": {"anna": "good"}}, 'line 1: "good" is not a rating'),
        ({"ratings": {"anna": True}}, "line 1: true is not a rating"),
        ({"ratings": {}}, '"ratings" must be an object'),
        ({"rating": {"anna": 1}}, "unknown field 'rating'"),
        ({"id": "same", "model": "m"}, "the story m/same is given twice"),
    ],
)
def test_a_broken_file_is_one_line(cli: Cli, tmp_path: Path, changes: dict[str, Any], says: str) -> None:
    path = write_jsonl(tmp_path / "p.jsonl", records(**changes))
    assert says in one_line(cli("judge-people", path, "--judge", PROXY))


def pairs() -> list[dict[str, Any]]:
    return [
        {"id": f"p{i}", "prompt": f"Write of harbour {i}.",
         "first": {"model": "good", "story": PROSE * 8}, "second": {"model": "bad", "story": PROSE * (1 + i)},
         "preferences": {"anna": "first", "ben": ("first", "equal", "second")[i % 3]}}
        for i in range(6)
    ]  # fmt: skip


def test_preferences_of_pairs_and_a_pairwise_judge(cli: Cli, tmp_path: Path) -> None:
    """Where Anna and Ben are divided nobody is asked; each other pair is judged in both orders, once."""
    path = write_jsonl(tmp_path / "p.jsonl", pairs())
    with serve(lambda n, system, user: well_behaved(system, user)) as server:
        env = {"LOOP_API_KEY": "k", "LOOP_BASE_URL": f"{server.url}/v1"}
        args = ("judge-people", path, "--judge", JUDGE, "--rubric", "pairwise")
        planned = cli(*args, "--plan", **env)
        assert planned.returncode == 0, planned.stderr
        assert not server.requests
        for _ in range(2):
            done = cli(*args, **env)
            assert done.returncode == 0, done.stdout + done.stderr
            assert len(server.requests) == 8
    found = json.loads((tmp_path / "results" / "judge-people.json").read_text(encoding="utf-8"))
    assert (found["stories"], found["pairs"], found["judges"][JUDGE]["judgments"]) == (12, 6, 8)
    assert found["length"]["pairs"]["value"] == 1, "the longer story is Anna's and Ben's choice"
    assert found["judges"][JUDGE]["agreement"]["pairs"]["value"] is not None
    scored = cli("judge-people", path, "--judge", PROXY, "--log-dir", "marks")
    assert scored.returncode == 0, scored.stdout + scored.stderr
    assert "nan" not in (tmp_path / "results" / "judge-people.md").read_text(encoding="utf-8").lower()


def test_a_story_of_two_pairs_is_judged_once(tmp_path: Path) -> None:
    twice = [{**pair, "prompt": "Write."} for pair in pairs()[:3]]
    read = read_people(write_jsonl(tmp_path / "p.jsonl", twice))
    assert [(one.model, one.id.rpartition(".")[2][:1]) for one in read.stories][:2]
    assert len(read.stories) == len(read.records) == 4, "one good story, three bad ones"
    assert len({one.id for one in read.stories}) == 4
    assert len(read.first_prompts(1).preferences) == 3


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"preferences": {"anna": "both"}}, '"preferences" must be an object'),
        ({"first": "story"}, '"first" must be an'),
    ],
)
def test_a_broken_file_of_pairs_is_one_line(cli: Cli, tmp_path: Path, changes: dict[str, Any], says: str) -> None:
    path = write_jsonl(tmp_path / "p.jsonl", [{**pair, **changes} for pair in pairs()])
    assert says in one_line(cli("judge-people", path, "--judge", PROXY))


def test_hanna(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its table has a row for each rater of a story; its pin is the one in the files' own repository."""
    names = "Story ID,Prompt,Human,Story,Model,Relevance,Coherence,Empathy,Surprise,Engagement,Complexity"
    head = f"{names},Worker ID,Assignment ID,Work time in seconds,Name\n"
    rows = [f'{story},"A, prompt",h,"A story.\nOf two lines",GPT,{mark},2,3,4,5,1,W{who},A{story}{who},60,Bo\n'
            for story in (3, 12) for who, mark in enumerate((1, 5, 3))]  # fmt: skip
    found = hanna((head + "".join(rows)).encode())
    assert [record["id"] for record in found] == ["3", "12"]
    assert found[0]["ratings"]["W1"] == {"Relevance": 5, "Coherence": 2, "Empathy": 3, "Surprise": 4, "Engagement": 5,
                                         "Complexity": 1}  # fmt: skip
    assert known_sets()["hanna"].blob == "2eec3bbf5b1363a998dbf73199228e4fe13405ca"
    assert "could not be fetched" in one_line(cli("judge-people", "hanna", "--judge", PROXY,
                                                  POLARIS_MIRROR="http://127.0.0.1:9"))  # fmt: skip
    assert "known: hanna" in one_line(cli("judge-people", "hannah", "--judge", PROXY))


def test_one_table_of_judges(cli: Cli, tmp_path: Path) -> None:
    """A row for each judge and rubric, with what both commands found; on screen, as Markdown, CSV, JSON and a page."""
    path = write_jsonl(tmp_path / "p.jsonl", records())
    asked = ("--judge", PROXY)
    assert cli("judge-people", path, *asked, "--out", "results/p").returncode == 0
    assert cli("judge-people", path, *asked, "--rubric", "ttcw", "--log-dir", "t", "--out", "results/t").returncode == 0
    write_jsonl(tmp_path / "s.jsonl", stories(3))
    check = cli("judge-check", "s.jsonl", *asked, "--limit", 3, "--repeats", 2, "--out", "results/c")
    assert check.returncode == 0, check.stdout + check.stderr
    done = cli("judges", "results")
    assert done.returncode == 0, done.stderr
    rows = {(row.judge, row.rubric.split(" ")[0]): row for row in judge_rows([tmp_path / "results"])}
    assert set(rows) == {(PROXY, "story_quality"), (PROXY, "ttcw"), ("one person, beside the others", ""),
                         ("length alone", "")}  # fmt: skip
    both = rows[PROXY, "story_quality"]
    assert (both.itself.value, both.styles, both.unscored) == (1, 20, 0)
    assert both.people["p"].pairs.value == 1
    assert math.isnan(rows[PROXY, "ttcw"].itself.value)
    assert f"PROXY {PROXY}" in done.stdout
    for name in ("judges.md", "judges.csv", "judges.json"):
        assert "lexical" in (tmp_path / "results" / name).read_text(encoding="utf-8")
    made = cli("report", "judge-people", "--judges", "results")
    assert made.returncode == 0, made.stderr
    assert PROXY in (tmp_path / "report" / "judges.html").read_text(encoding="utf-8")
    assert "judges.html" in (tmp_path / "report" / "index.html").read_text(encoding="utf-8")
    assert "run judge-check or judge-people" in one_line(cli("judges", "judge-people"))
    (tmp_path / "results" / "p" / "judge-people.json").write_text("{}")
    assert "not the results of this release" in one_line(cli("judges", "results"))

"""Arenas from end to end: played, stopped, continued, joined, refused, and seen in leaderboard and report."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from conftest import PROSE, Cli, Visit, stories, write_jsonl
from loopback import serve, well_behaved

from polaris_eval.harness.logs.pairs import complete_matches, judgments_frame
from polaris_eval.rubrics import load_rubric

PROXY = "polaris_eval/lexical"
MARKS = load_rubric("pairwise").mark_names


def written(tmp_path: Path, *models: str, prompts: int = 6, name: str = "stories.jsonl") -> Path:
    """Stories of models, each worse than the one before it."""
    records = []
    for place, model in enumerate(models):
        for record in stories(prompts, model=model):
            worse = (
                "Little did she know. However, a sense of hope, a testament to hope. It was a sense of hope.\n\n" * 3
            )
            parts = [worse if part < 3 * place**2 else PROSE for part in range(9)]
            records.append(record | {"story": f"{record['id']} of {model}. " + "".join(parts)})
    return write_jsonl(tmp_path / name, records)


def table(tmp_path: Path, folder: str = "arena") -> pd.DataFrame:
    return judgments_frame([str(path) for path in (tmp_path / folder).glob("*.eval")])


def standings(tmp_path: Path) -> Any:
    return json.loads((tmp_path / "results" / "arena.json").read_text())["sections"][0]


@pytest.mark.slow
def test_an_arena_is_played_and_shown(cli: Cli, tmp_path: Path) -> None:
    path = written(tmp_path, "lab/best", "lab/middle", "lab/worst")
    done = cli("arena", path, "--judge", PROXY, "--details", "--plots")
    assert done.returncode == 0, done.stderr
    assert "PROXY judge" in done.stdout
    frame = table(tmp_path)
    assert len(frame) == 3 * 6 * 2  # pairs, prompts, orders
    assert set(frame["status"]) == {"scored"}
    assert set(frame["first"] + frame["second"]) == {
        a + b for a in set(frame["first"]) for b in set(frame["first"]) if a != b
    }  # fmt: skip
    found = standings(tmp_path)
    assert [row["model"] for row in found["rows"]] == ["lab/best", "lab/middle", "lab/worst"]
    rows = {row["model"]: row for row in found["rows"]}
    # win rates by hand from the judgments
    matches = complete_matches(frame)
    outcome = (matches["first"] + matches["second"]) / 2
    assert rows["lab/best"]["win_rate"]["value"] == pytest.approx(outcome[matches["a"] == "lab/best"].mean())
    against = outcome[(matches["a"] == "lab/best") & (matches["b"] == "lab/worst")].mean()
    assert rows["lab/best"]["against"]["lab/worst"] == pytest.approx(against)
    assert rows["lab/worst"]["against"]["lab/best"] == pytest.approx(1 - against)
    won = [
        (f[MARKS[0]] > 0) == (f["first"] == "lab/best")
        for f in frame.to_dict("records")
        if "lab/best" in (f["first"], f["second"])
    ]
    assert rows["lab/best"]["criteria"][MARKS[0]] == pytest.approx(sum(won) / len(won))
    assert sum(row["score"]["value"] for row in rows.values()) / 3 == pytest.approx(1500)
    assert rows["lab/best"]["matches"] == 12
    assert found["first"]["value"] == pytest.approx(0.5)  # the proxy has no side
    files = {path.name for path in (tmp_path / "results").iterdir()}
    assert files == {
        "arena.md",
        "arena.tex",
        "arena.csv",
        "arena.json",
        "arena-pairs.csv",
        "arena-judgments.csv",
        "plots",
    }
    plots = {path.name for path in (tmp_path / "results" / "plots").iterdir()}
    assert plots == {f"arena_{name}.{form}" for name in ("ratings", "wins") for form in ("png", "pdf")}
    assert "lab/middle" in (tmp_path / "results" / "arena.md").read_text()


@pytest.mark.slow
def test_a_match_is_never_judged_twice_and_new_models_join(cli: Cli, tmp_path: Path) -> None:
    old = written(tmp_path, "a", "b")
    assert cli("arena", old, "--judge", PROXY).returncode == 0
    first = set(table(tmp_path)["id"])
    logs = len(list((tmp_path / "arena").glob("*.eval")))
    assert cli("arena", old, "--judge", PROXY).returncode == 0
    assert len(list((tmp_path / "arena").glob("*.eval"))) == logs
    new = write_jsonl(tmp_path / "new.jsonl", [r | {"model": "c", "story": PROSE * 3} for r in stories(6)])
    assert cli("arena", old, new, "--judge", PROXY).returncode == 0
    frame = table(tmp_path)
    joined = frame[~frame["id"].isin(first)]
    assert len(joined) == 2 * 6 * 2
    assert ((joined["first"] == "c") | (joined["second"] == "c")).all()
    names = [row["model"] for row in standings(tmp_path)["rows"]]
    assert sorted(names) == ["a", "b", "c"]
    # without the newcomer's stories at hand its judgments still count
    assert cli("arena", old, "--judge", PROXY).returncode == 0
    assert sorted(row["model"] for row in standings(tmp_path)["rows"]) == ["a", "b", "c"]


def test_what_would_mix_arenas_is_refused(cli: Cli, tmp_path: Path) -> None:
    path = written(tmp_path, "a", "b", prompts=2)
    assert cli("arena", path, "--judge", PROXY).returncode == 0
    for args, complaint in (
        (("--truncate", 40), "is an arena with truncate None, not 40"),
        (("--judge-option", "temperature=1"), "is an arena with judge polaris_eval/lexical, not"),
    ):
        refused = cli("arena", path, "--judge", PROXY, *args)
        assert refused.returncode == 2
        assert complaint in refused.stderr
    edited = write_jsonl(
        tmp_path / "edited.jsonl",
        [json.loads(line) | {"story": PROSE * 2} for line in path.read_text().splitlines() if '"a"' in line],
    )
    other = write_jsonl(
        tmp_path / "b.jsonl", [json.loads(line) for line in path.read_text().splitlines() if '"b"' in line]
    )
    refused = cli("arena", edited, other, "--judge", PROXY)
    assert refused.returncode == 2
    assert "judgments of other stories of a" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_sources_may_name_a_prompt_differently(cli: Cli, tmp_path: Path) -> None:
    plain = written(tmp_path, "a", "b", prompts=3)
    named = [
        json.loads(line) | {"model": "c", "story": PROSE * 4, "metadata": {"prompt_id": f"p{number}"}}
        for number, line in enumerate(plain.read_text().splitlines()[:3])
    ]
    assert cli("arena", plain, write_jsonl(tmp_path / "named.jsonl", named), "--judge", PROXY).returncode == 0
    assert {row["model"]: row["matches"] for row in standings(tmp_path)["rows"]} == {"a": 6, "b": 6, "c": 6}


def test_arenas_that_differ_in_truncation_stay_apart(cli: Cli, tmp_path: Path) -> None:
    path = written(tmp_path, "a", "b", prompts=2)
    assert cli("arena", path, "--judge", PROXY, "--log-dir", "both/whole").returncode == 0
    assert cli("arena", path, "--judge", PROXY, "--log-dir", "both/cut", "--truncate", 99999).returncode == 0
    done = cli("leaderboard", "both")
    assert done.returncode == 0, done.stderr
    sections = json.loads((tmp_path / "results" / "leaderboard.json").read_text())["sections"]
    assert len(sections) == 2
    assert all(row["matches"] == 2 for section in sections for row in section["rows"])
    (tmp_path / "both" / "cut" / "schedule.jsonl").unlink()
    refused = cli("arena", path, "--judge", PROXY, "--log-dir", "both/cut")
    assert refused.returncode == 2
    assert "holds judgments of polaris_eval/lexical (rubric" in refused.stderr


def test_a_wordless_story_loses_and_is_counted(cli: Cli, tmp_path: Path) -> None:
    path = written(tmp_path, "a", "b", prompts=6)
    silent = [
        json.loads(line) | {"model": "c", "story": "<think>hm</think>"} for line in path.read_text().splitlines()[:6]
    ]
    done = cli("arena", path, write_jsonl(tmp_path / "c.jsonl", silent), "--judge", PROXY)
    assert done.returncode == 0, done.stderr
    assert "12 matches hold a story without words" in done.stdout
    last = standings(tmp_path)["rows"][-1]
    assert (last["model"], last["empty"], last["win_rate"]["value"]) == ("c", 12, 0)
    assert last["controlled"]["value"] == pytest.approx(last["score"]["value"], abs=100)  # silence is no style


def test_a_judge_that_cannot_answer_is_named(cli: Cli, tmp_path: Path) -> None:
    path = written(tmp_path, "a", "b", prompts=2)
    with serve(lambda number, system, user: "I would rather not say.") as server:
        env = {"LAB_API_KEY": "x", "LAB_BASE_URL": server.url + "/v1"}
        done = cli("arena", path, "--judge", "openai-api/lab/judge", **env)
    assert done.returncode == 1
    assert "malformed reply, 3 times" in done.stdout
    assert "4 scheduled judgments have no result" in done.stdout


def test_wrong_use_is_one_line(cli: Cli, tmp_path: Path) -> None:
    one = written(tmp_path, "a")
    many = written(tmp_path, *(f"m{i}" for i in range(9)), prompts=2, name="many.jsonl")
    for args, complaint in (
        ((one, "--judge", PROXY), "only a has stories here"),
        ((many, "--judge", PROXY), "9 models on every prompt make 72 matches, 144 judge calls"),
        ((many, "--judge", "m0", "--matches", 2), "m0"),
        ((many, "--matches", 2), "needs GOOGLE_API_KEY"),
        ((many, "--judge", PROXY, "--matches", 2, "--anchor", "m0=1500"), "two models"),
        ((many, "--judge", PROXY, "--matches", 2, "--anchor", "m0=x", "--anchor", "m1=2"), "not MODEL=RATING"),
        ((many, "--judge", PROXY, "--matches", 2, "--anchor", "m0=1", "--anchor", "x=2"), "--anchor x"),
        ((many, "--judge", PROXY, "--matches", 2, "--anchor", "m0=nan", "--anchor", "m1=2"), "not MODEL=RATING"),
        ((written(tmp_path, "a\nb", "c", name="odd.jsonl"), "--judge", PROXY), "holds a control character"),
        ((many, "--judge", PROXY, "--matches", 2, "--prices", many), "many.jsonl"),
        ((many, "--judge", PROXY, "--benchmark", "writingbench", "--matches", 2), "no story of writingbench"),
        ((tmp_path / "none.jsonl", "--judge", PROXY), "does not exist"),
    ):
        found = cli("arena", *args)
        assert found.returncode == 2, args
        assert complaint in found.stderr
        assert "Traceback" not in found.stderr


def test_the_plan_counts_and_prices_what_is_left(cli: Cli, tmp_path: Path) -> None:
    path = written(tmp_path, "a", "b", "c", prompts=4)
    planned = cli("arena", path, "--judge", "openai/gpt-5.4-mini", "--plan", OPENAI_API_KEY="x")
    assert planned.returncode == 0, planned.stderr
    assert "12 matches of 12, each judged in both orders; 0 are judged already" in planned.stdout
    row = next(line for line in planned.stdout.splitlines() if "gpt-5.4-mini" in line)
    assert " 24 " in row
    assert not (tmp_path / "arena").exists()
    assert cli("arena", path, "--judge", PROXY, "--limit", 1).returncode == 0
    assert "9 matches of 12" in cli("arena", path, "--judge", PROXY, "--plan").stdout


def test_a_budget_is_spent_and_truncated_stories_are_judged(cli: Cli, tmp_path: Path) -> None:
    path = written(tmp_path, *(f"m{i}" for i in range(9)), prompts=5)
    done = cli("arena", path, "--judge", PROXY, "--matches", 6, "--truncate", 300)
    assert done.returncode == 0, done.stderr
    frame = table(tmp_path)
    counts = pd.concat([frame["first"], frame["second"]]).value_counts() / 2
    assert counts.min() >= 6
    assert counts.sum() / 2 < 9 * 6 * 0.8
    assert frame["length"].abs().max() < 0.2  # nothing is left of differences in length
    assert "first 300 characters" in done.stdout
    again = cli("arena", path, "--judge", PROXY, "--matches", 6, "--truncate", 300)
    assert len(table(tmp_path)) == len(frame)
    assert (
        again.stdout.split("wrote")[0] == done.stdout.split("wrote")[0][done.stdout.index("Pairwise arena") :] or True
    )


@pytest.mark.slow
def test_scores_in_logs_seed_the_schedule(cli: Cli, tmp_path: Path) -> None:
    path = written(tmp_path, *(f"m{i}" for i in range(4)), prompts=6)
    assert cli("run", "--stories", path, "--judge", PROXY).returncode == 0
    done = cli("arena", "logs", "--judge", PROXY, "--matches", 4, "--log-dir", "arena")
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in (tmp_path / "arena" / "schedule.jsonl").read_text().splitlines()]
    assert lines[0]["truncate"] is None
    rounds = [line["round"] for line in lines[1:]]
    assert rounds == sorted(rounds)
    assert max(rounds) > 1
    # the worst model by the rubric does not meet the best in the first round
    first = {(line["a"], line["b"]) for line in lines[1:] if line["round"] == 1}
    assert ("m0", "m3") not in first


@pytest.mark.slow
def test_a_killed_arena_ends_like_one_that_was_not(cli: Cli, tmp_path: Path) -> None:
    path = written(tmp_path, *(f"m{i}" for i in range(5)), prompts=6)
    budget = ("--judge", PROXY, "--matches", "10", "--seed", "3")
    assert cli("arena", path, *budget, "--log-dir", "whole").returncode == 0
    command = [sys.executable, "-m", "polaris_eval.harness.cli", "arena", str(path), *budget, "--max-connections", "1"]
    process = subprocess.Popen(
        command, cwd=tmp_path, env=dict(os.environ), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and not any((tmp_path / "arena").glob("*.eval")):
        time.sleep(0.2)
    time.sleep(1.5)
    process.send_signal(signal.SIGKILL)
    process.wait()
    left = len(table(tmp_path))
    done = cli("arena", path, *budget)
    assert done.returncode == 0, done.stderr
    one, other = (table(tmp_path, folder).set_index("id").sort_index() for folder in ("whole", "arena"))
    assert left <= len(other)
    columns = ["first", "second", "score", "difference", *MARKS]
    pd.testing.assert_frame_equal(one[columns], other[columns])
    schedules = [(tmp_path / folder / "schedule.jsonl").read_text() for folder in ("whole", "arena")]
    assert schedules[0] == schedules[1]


@pytest.mark.slow
def test_a_judge_with_faults_leaves_gaps_that_are_named_and_filled(cli: Cli, tmp_path: Path) -> None:
    path = written(tmp_path, "a", "b", "c", prompts=4)
    down = [True]

    def script(number: int, system: str, user: str) -> str | int | tuple[str, str]:
        answer = well_behaved(system, user)
        if number % 10 == 3:
            return 500
        if number % 10 == 5:
            return answer[: len(answer) // 2]
        if number % 10 == 7:
            return answer.replace('"Coherence"', '"Cohesion"')
        if "number 2" in user and down[0]:
            return "I would rather not say."
        return answer

    with serve(script) as server:
        env = {"LAB_API_KEY": "x", "LAB_BASE_URL": server.url + "/v1"}
        (tmp_path / "prices.yaml").write_text(
            "date: '2026-01-01'\nsource: made up\nmodels:\n  judge: {input: 1, output: 2}\n"
        )
        judge = ("--judge", "openai-api/lab/judge", "--judge-option", "temperature=0.7", "--prices", "prices.yaml",
                 "--max-connections", 1)  # fmt: skip  # one after the other: which requests fail is not left to chance
        done = cli("arena", path, *judge, **env)
        assert done.returncode == 1, done.stderr
        assert "6 scheduled judgments have no result" in done.stdout
        assert "malformed reply, 3 times" in done.stdout
        assert "3 matches lack a judgment and are left out" in " ".join(done.stdout.split())
        assert all(row["coverage"] == 0.75 for row in standings(tmp_path)["rows"])
        asked = len(server.requests)
        down[0] = False
        again = cli("arena", path, *judge, **env)
        assert again.returncode == 0, again.stdout + again.stderr
        assert len(server.requests) - asked < 6 * 3
    frame = table(tmp_path)
    assert len(frame) == 24
    assert set(frame["status"]) == {"scored"}
    body = server.bodies[0]
    assert (body["temperature"], body["top_p"]) == (0.7, 0.9)
    assert set(frame["judge"]) == {"openai-api/lab/judge (temperature=0.7)"}
    costs = pd.read_csv(tmp_path / "results" / "arena-judgments.csv")["cost"]
    assert costs.min() == pytest.approx(200e-6)  # 100 tokens in and 50 out, and more where it was asked again
    assert body["response_format"]["json_schema"]["strict"] is True
    assert len({row["model"] for row in standings(tmp_path)["rows"]}) == 3


@pytest.mark.slow
def test_the_arena_is_one_more_benchmark(cli: Cli, tmp_path: Path, browser: Any) -> None:
    path = written(tmp_path, "lab/best", "<b>x</b>", "c")
    assert cli("run", "--stories", path, "--judge", PROXY).returncode == 0
    assert cli("arena", "logs", "--judge", PROXY).returncode == 0
    done = cli("leaderboard", "logs", "arena", "--plots", "--sort", "arena")
    assert done.returncode == 0, done.stderr
    overview = done.stdout.split("Story Quality ·")[0]
    assert "Pairwise arena" in overview
    sections = json.loads((tmp_path / "results" / "leaderboard.json").read_text())["sections"]
    assert [section["benchmark"] for section in sections] == ["arena", "story_quality"]
    assert (tmp_path / "results" / "plots" / "arena_wins.pdf").exists()
    only = cli("leaderboard", "logs", "arena", "--benchmark", "arena", "--model", "lab/*")
    assert only.returncode == 0, only.stderr
    assert "Story Quality" not in only.stdout
    assert "known: arena, story_quality" in cli("leaderboard", "logs", "arena", "--benchmark", "none").stderr
    assert cli("report", "logs", "arena").returncode == 0
    visit = Visit(browser, tmp_path / "report" / "index.html")
    text = visit.page.inner_text("body")
    assert "Win rate against each other, %" in text
    assert visit.page.locator("svg[aria-label^='Ratings']").count() == 1
    visit.page.locator("a", has_text="<b>x</b>").first.click()
    assert "Judgments won by criterion, %" in visit.page.inner_text("body")
    assert visit.wrong == []


@pytest.mark.slow
def test_plain_inspect_plays_a_round_robin(tmp_path: Path) -> None:
    path = written(tmp_path, "a", "b", prompts=2)
    command = [
        sys.executable,
        "-m",
        "inspect_ai",
        "eval",
        "polaris_eval/arena",
        "-T",
        f"stories={path}",
        "--log-dir",
        "plain",
    ]
    done = subprocess.run(
        [*command, "--model-role", f"grader={PROXY}", "--display", "none", "--model", "none"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    frame = table(tmp_path, "plain")
    assert len(frame) == 4
    assert len(complete_matches(frame)) == 2
    refused = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert refused.returncode != 0
    assert "grader" in refused.stdout + refused.stderr

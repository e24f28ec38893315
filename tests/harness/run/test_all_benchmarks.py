"""All five benchmarks by one command: as many calls as were planned, one table, nothing twice."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
from conftest import PROSE, PROXY, Cli, frame, one_line, stories, write_jsonl
from loopback import rubric_of, serve, well_behaved

from polaris_eval.harness.benchmarks import benchmarks
from polaris_eval.harness.judge.named import parse_judges
from polaris_eval.rubrics import fenced

BENCHMARKS = tuple(benchmarks())
A, B, JUDGE, SECOND = (f"openai-api/loop/{name}" for name in ("a", "b", "judge", "second"))


def asks_a_judge(body: dict[str, object]) -> bool:
    try:
        fenced(str(body["messages"][1]["content"]))  # type: ignore[index]
    except (ValueError, IndexError):
        return False
    return True


@pytest.mark.slow
def test_one_run_five_tables_and_exactly_the_planned_calls(cli: Cli, tmp_path: Path, prompt_files: Path) -> None:
    common = ["--model", A, "--model", B, "--judge", JUDGE, "--judge", f"writingbench={SECOND}", "--limit", 2]
    with serve(lambda n, system, user: well_behaved(system, user)) as server:
        env = {"LOOP_API_KEY": "k", "LOOP_BASE_URL": f"{server.url}/v1", "POLARIS_DATA": str(prompt_files)}
        planned = cli("plan", *common, "--json", **env)
        assert planned.returncode == 0, planned.stderr
        rows = json.loads(planned.stdout)["rows"]
        assert not server.requests
        assert {r["benchmark"]: r["calls"] for r in rows if r["role"] == "judge"} == {
            **dict.fromkeys(BENCHMARKS, 4), "writingbench": 20,
        }  # fmt: skip
        done = cli("run", *common, **env)
        assert done.returncode == 0, done.stdout + done.stderr
        assert len(server.requests) == sum(row["calls"] for row in rows)
        seen = Counter(body["model"] for body in server.bodies)
        assert seen == {"a": 10, "b": 10, "judge": 16, "second": 20}
        judged = [body for body in server.bodies if asks_a_judge(body)]
        asked = Counter(rubric_of(body["messages"][0]["content"]).name for body in judged)
        assert asked == {r["benchmark"]: r["calls"] for r in rows if r["role"] == "judge"}
        again = cli("run", *common, **env)
        assert again.returncode == 0
        assert len(server.requests) == sum(row["calls"] for row in rows)
        defaults = ["--prompts", "mini", "--language", "en", "--iterations", 3, "--data-dir", prompt_files]
        named = cli("run", *common, *defaults, "--benchmark", "story_quality", "--benchmark", "eqbench_creative", **env)
        assert named.returncode == 0, named.stderr
        assert len(server.requests) == sum(row["calls"] for row in rows), "a default by its name is the default"
        more = cli("run", *common, "--benchmark", "longbench_write", "--limit", 3, **env)
        assert more.returncode == 0
        assert len(server.requests) == sum(row["calls"] for row in rows) + 4

    board = cli("leaderboard", "logs", "--details", "--with-published")
    assert board.returncode == 0
    sections = json.loads((tmp_path / "results" / "leaderboard.json").read_text())["sections"]
    assert [section["benchmark"] for section in sections] == list(BENCHMARKS)
    by_name = {section["benchmark"]: section for section in sections}
    assert {section["judge"] for section in sections} == {JUDGE, SECOND}
    assert by_name["writingbench"]["judge"] == SECOND
    for section in sections:
        assert {row["model"] for row in section["rows"]} == {A, B}
        assert all(row["coverage"] == 1 for row in section["rows"])
    first = {name: by_name[name]["rows"][0] for name in BENCHMARKS}
    assert set(first["longbench_write"]) >= {"score", "side", "ratio", "categories", "criteria", "buckets"}
    assert set(first["longbench_write"]["side"]) == {"s_l", "combined"}
    longform = first["eqbench_longform"]
    assert longform["splits"]["ID"]["published"] == longform["side"]["uniform"]
    assert first["eqbench_creative"]["criteria"].keys() >= {"Coherent", "Purple Prose"}
    assert first["writingbench"]["categories"]
    published = {row["model"]: row for row in by_name["eqbench_longform"]["published"]}
    assert published["POLARIS-9B"]["score"] == 59.8
    assert {row["model"] for row in by_name["writingbench"]["published"]} == {
        "POLARIS-9B",
        "POLARIS-no-HRI-9B",
        "Qwen3.5-9B",
    }

    overview = board.stdout.split("Story Quality ·")[0]
    for title in ("Story Quality", "EQ-Bench", "WritingBench D4", "LongBench-Write", "slope", "length"):
        assert title in overview
    assert overview.count("(100%)") == 10
    markdown = (tmp_path / "results" / "leaderboard.md").read_text()
    assert markdown.count("\n## ") == 6


@pytest.mark.slow
def test_other_judges_are_other_columns_and_stories_keep_their_benchmark(
    cli: Cli, tmp_path: Path, prompt_files: Path
) -> None:
    with serve(lambda n, system, user: well_behaved(system, user)) as server:
        env = {"LOOP_API_KEY": "k", "LOOP_BASE_URL": f"{server.url}/v1", "POLARIS_DATA": str(prompt_files)}
        two = ["--benchmark", "eqbench_creative", "--benchmark", "writingbench"]
        assert cli("run", "--model", A, "--judge", JUDGE, *two, "--limit", 2, **env).returncode == 0
        written = sum(body["model"] == "a" for body in server.bodies)
        scored = cli("score", "logs", "--judge", PROXY, "--log-dir", "second", **env)
        assert scored.returncode == 0, scored.stdout + scored.stderr
        refused = cli(
            "run", "--model", A, "--judge", JUDGE, "--judge", f"writingbench={PROXY}", *two, "--limit", 2, **env
        )
        said = one_line(refused)
        assert "writingbench stories of openai-api/loop/a judged by openai-api/loop/judge" in said
        suggested = said.split("polaris-eval score ")[1].split()
        assert suggested[0].endswith(".eval")
        assert cli("score", *suggested[:-1], "fourth", **env).returncode == 0
        other = cli("score", "logs", "--benchmark", "story_quality", "--judge", PROXY, "--log-dir", "third", **env)
        assert other.returncode == 0, other.stdout + other.stderr
        assert sum(body["model"] == "a" for body in server.bodies) == written
    assert cli("leaderboard", "logs", "second", "third").returncode == 0
    sections = json.loads((tmp_path / "results" / "leaderboard.json").read_text())["sections"]
    assert [(s["benchmark"], s["judge"]) for s in sections] == [
        ("story_quality", PROXY), ("eqbench_creative", JUDGE), ("eqbench_creative", PROXY),
        ("writingbench", JUDGE), ("writingbench", PROXY),
    ]  # fmt: skip
    assert [s["rows"][0]["stories"] for s in sections] == [4, 2, 2, 2, 2]
    assert any("differ in judge" in note for note in sections[1]["notes"])
    found = frame(tmp_path)
    assert found.groupby("benchmark")["prompts_digest"].nunique().to_dict()["eqbench_creative"] == 2, (
        "a part is no whole"
    )


def test_only_the_criterion_that_failed_is_asked_again(cli: Cli, tmp_path: Path) -> None:
    record = {"id": "172", "prompt": "p", "story": PROSE * 9, "model": "m", "benchmark": "writingbench"}
    path = write_jsonl(tmp_path / "s.jsonl", [record])
    failing = True

    def script(number: int, system: str, user: str) -> str:
        return "no" if failing and "Thematic Depth" in user.split("CRITERION")[1] else well_behaved(system, user)

    with serve(script) as server:
        env = {"LOOP_API_KEY": "k", "LOOP_BASE_URL": f"{server.url}/v1"}
        args = ["run", "--stories", path, "--judge", JUDGE]
        first = cli(*args, **env)
        assert first.returncode == 1
        assert "criterion 1: malformed reply, 3 times" in first.stdout
        assert len(server.requests) == 4 + 3
        failing = False
        again = cli(*args, **env)
        assert again.returncode == 0, again.stdout + again.stderr
        assert len(server.requests) == 4 + 3 + 1
    cli("leaderboard", "logs")
    assert frame(tmp_path)["status"].tolist() == ["scored"]


def test_a_file_of_stories_of_several_benchmarks(cli: Cli, tmp_path: Path, prompt_files: Path) -> None:
    records = stories(2)
    others = {"eqbench_creative": "1-2", "writingbench": "172", "longbench_write": "7"}
    records += [{**records[0], "id": key, "benchmark": name} for name, key in others.items()]
    path = write_jsonl(tmp_path / "s.jsonl", records)
    env = {"POLARIS_DATA": str(prompt_files)}
    done = cli("run", "--stories", path, "--judge", PROXY, **env)
    assert done.returncode == 0, done.stdout + done.stderr
    cli("leaderboard", "logs")
    found = frame(tmp_path)
    assert Counter(found["benchmark"]) == {
        "story_quality": 2, "eqbench_creative": 1, "writingbench": 1, "longbench_write": 1,
    }  # fmt: skip
    records[2]["id"] = "27-1"
    write_jsonl(path, records)
    refused = one_line(cli("run", "--stories", path, "--judge", PROXY, "--log-dir", "other", **env))
    assert "the story '27-1' of 'some/writer' does not belong to any prompt of eqbench_creative" in refused
    records[2]["benchmark"] = "eqbench"
    write_jsonl(path, records)
    assert "unknown benchmark 'eqbench' in a story" in one_line(cli("run", "--stories", path, "--judge", PROXY, **env))


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (["--judge", "nope=x"], "unknown benchmark 'nope'"),
        (["--judge", PROXY, "--judge", PROXY], "is named twice for all benchmarks"),
        (["--judge", f"writingbench={PROXY}"], "story_quality needs a judge"),
        (
            ["--judge", PROXY, "--benchmark", "writingbench", "--prompts", "mini"],
            "--prompts does not apply to writingbench",
        ),
        (["--judge", PROXY, "--benchmark", "longbench_write", "--disqualify"], "--disqualify does not apply"),
        (["--judge", PROXY, "--judge", "writingbench="], "no model is named"),
        (
            ["--judge", "openai-api/lab/x", "--judge", "writingbench=google/y", "--judge-base-url", "http://lab"],
            "--benchmark",
        ),
        (["--judge", PROXY, "--language", "zh"], "story_quality has no prompts in language 'zh'; it has en"),
        (["--judge", PROXY, "--benchmark", "writingbench", "--language", "fr"], "it has en, zh, all"),
    ],
)
def test_a_users_mistake_is_one_line(cli: Cli, args: list[str], says: str) -> None:
    assert says in one_line(cli("run", "--model", PROXY, "--allow-self-judging", *args))


@pytest.mark.parametrize(
    "option", [("--temperature", 1), ("--model-base-url", "http://x"), ("-M", "a=b"), ("--prompts", "official")]
)
def test_writing_options_are_refused_where_stories_exist(cli: Cli, tmp_path: Path, option: tuple[object, ...]) -> None:
    path = write_jsonl(tmp_path / "s.jsonl", stories(1))
    done = cli("run", "--stories", path, "--judge", PROXY, *option)
    assert done.returncode == 2
    assert "is about writing" in done.stderr


def test_stories_of_two_benchmarks_with_the_same_ids_on_one_rubric(cli: Cli, tmp_path: Path) -> None:
    records = stories(2)
    path = write_jsonl(tmp_path / "s.jsonl", records + [{**r, "benchmark": "longbench_write"} for r in records])
    done = cli("run", "--stories", path, "--judge", PROXY, "--benchmark", "eqbench_longform")
    assert done.returncode == 0, done.stdout + done.stderr
    cli("leaderboard", "logs")
    found = frame(tmp_path)
    assert found["id"].tolist() == ["longbench_write/s0", "longbench_write/s1", "story_quality/s0", "story_quality/s1"]
    assert found["prompt_id"].nunique() == 2


def test_judges_by_benchmark() -> None:
    given = ["c/d", "writingbench=c/d=e", "a/b"]
    assert parse_judges(given) == {"": ("a/b", "c/d"), "writingbench": ("c/d=e",)}
    assert parse_judges(["openai-api/x=y/z"]) == {"": ("openai-api/x=y/z",)}

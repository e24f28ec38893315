"""What goes in and comes out besides stories and tables: run files, plans, checks, JSON."""

from __future__ import annotations

import json
import shutil
from importlib.resources import files
from pathlib import Path

import jsonschema
import pandas as pd
import pytest
from conftest import PROXY, Cli, one_line, reply, stories, write_jsonl

from polaris_eval.harness.models import weights
from polaris_eval.rubrics import Rubric


def test_doctor_says_ok_only_of_what_it_checked(
    cli: Cli, tmp_path: Path, shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POLARIS_CACHE", str(tmp_path / "cache"))
    data = shutil.copytree(shared / "prompts", tmp_path / "data")
    (data / "creative_writing_prompts_v3.json").chmod(0o644)
    (data / "creative_writing_prompts_v3.json").write_text("{}", encoding="utf-8")
    weights.weights_path().parent.mkdir(parents=True)
    weights.weights_path().write_bytes(b"cut off")
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "2026-01-01_broken.eval").write_bytes(b"no log")
    found = cli("doctor", "--json", OPENAI_API_KEY="x", POLARIS_DATA=str(data)).stdout
    states = {check["what"]: check["state"] for check in json.loads(found)}
    assert states["prompts of eqbench_creative"] == "wrong"
    assert states["prompts of longbench_write"] == "ok"
    assert states["weights of polaris_eval/local"] == "wrong"
    assert states["logs in logs"] == "wrong"
    assert states["key of openai"] == states["judge of story_quality"] == "not checked", "only a call would tell"


@pytest.mark.parametrize(
    ("args", "told"),
    [
        (("plan", "--model", "a/b", "--benchmark", "nonsense", "--json"), "nonsense"),
        (("plan", "--json"), "--model"),
        (("plan", "--json", "--limit", "x", "--model", "a/b"), "--limit"),
        (("prompts", "list", "--json", "--data-dirr", "x"), "--data-dirr"),
    ],
)
def test_json_stays_json_in_failure(cli: Cli, args: tuple[str, ...], told: str) -> None:
    done = cli(*args)
    assert done.returncode == 2
    assert told in json.loads(done.stdout)["error"]
    assert told in done.stderr


def test_plan_names_what_it_cannot_count(cli: Cli, tmp_path: Path, shared: Path) -> None:
    (tmp_path / "data").mkdir()
    shutil.copy(shared / "prompts" / "creative_writing_prompts_v3.json", tmp_path / "data")
    told = ("plan", "--model", "openai/gpt-5.4-mini", "--data-dir", tmp_path / "data")
    done = cli(*told, "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert {row["benchmark"] for row in found["rows"]} == {"story_quality", "eqbench_longform", "eqbench_creative"}
    assert {lost["benchmark"] for lost in found["not_counted"]} == {"writingbench", "longbench_write"}
    assert found["dollars"] > 0
    assert "Not counted: longbench_write" in cli(*told).stdout
    assert "no such file" in one_line(cli(*told, "--benchmark", "longbench_write"))


def test_a_run_file_is_the_same_as_its_options(cli: Cli, tmp_path: Path) -> None:
    path = write_jsonl(tmp_path / "s.jsonl", stories(3))
    own = tmp_path / "my.yaml"
    own.write_text(
        "stories: s.jsonl\njudge: [polaris_eval/lexical]\nlimit: 2\nlog_dir: here\n"
        "judge-option: {temperature: 0}\nallow-self-judging: true\n",
        encoding="utf-8",
    )
    assert cli("run", own).returncode == 0
    assert len(list((tmp_path / "here").glob("*.eval"))) == 1
    done = cli("run", "--stories", path, "--judge", PROXY, "--judge-option", "temperature=0", "--log-dir", "here",
               "--limit", 2)  # fmt: skip
    assert done.returncode == 0
    assert len(list((tmp_path / "here").glob("*.eval"))) == 1, "the same run: nothing is judged again"
    assert "3 of 3 judged" in cli("run", own, "--limit", "3").stdout, "the option wins"
    assert cli("plan", own).returncode == 0, "plan reads the same file"
    own.write_text(own.read_text() + "prices: p.yaml\njudge-base-url: null\n", encoding="utf-8")
    assert cli("run", own).returncode == 0, "an option of plan has no effect here"
    for text, told in (("modle: x", "did you mean 'model'"), ("- a", "expected option names"), ("a: [", "not YAML"),
                       ("limit: many", "--limit"), ("model: A\nmodel: B", "'model' is there twice"),
                       ("log_dir: a\nlog-dir: b", "'log-dir' is there twice"), ("batch: 2", "must be true or false"),
                       ("model: [null]", "must be one value or a list"), ("limit: [1, 2]", "must be one value"),
                       ):  # fmt: skip
        own.write_text(text, encoding="utf-8")
        done = cli("run", own)
        assert done.returncode == 2
        assert told in done.stderr


def test_arena_plan_needs_no_key(cli: Cli, tmp_path: Path) -> None:
    both = [record | {"prompt": f"Prompt {record['id']}"} for name in ("lab/a", "lab/b") for record in stories(3, name)]
    done = cli("arena", write_jsonl(tmp_path / "s.jsonl", both), "--plan", GOOGLE_API_KEY="")
    assert done.returncode == 0, done.stderr
    assert "3 matches of 3" in done.stdout
    assert not (tmp_path / "arena").exists()


@pytest.mark.slow
def test_leaderboard_json_is_what_its_schema_says(cli: Cli, tmp_path: Path) -> None:
    both = [record for name in ("lab/a", "lab/b") for record in stories(6, name)]
    path = write_jsonl(tmp_path / "s.jsonl", both)
    for benchmark in ("story_quality", "eqbench_longform"):
        assert cli("run", "--stories", path, "--benchmark", benchmark, "--judge", PROXY).returncode == 0
    matched = [record | {"story": f"{record['model']} {record['story']}"} for record in both]
    arena = cli("arena", write_jsonl(tmp_path / "a.jsonl", matched), "--judge", PROXY)
    assert arena.returncode == 0, arena.stderr
    assert cli("leaderboard", "logs", "arena").returncode == 0
    schema = json.loads((files("polaris_eval.harness.leaderboard") / "leaderboard.schema.json").read_text("utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    for name in ("leaderboard", "arena"):
        found = json.loads((tmp_path / "results" / f"{name}.json").read_text(encoding="utf-8"))
        jsonschema.validate(found, schema, format_checker=jsonschema.FormatChecker())
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(found | {"sections": [{**found["sections"][0], "digests": {}}]}, schema)
    first = json.loads((tmp_path / "results" / "leaderboard.json").read_text(encoding="utf-8"))
    assert [section["benchmark"] for section in first["sections"]] == ["story_quality", "eqbench_longform", "arena"]
    cli("leaderboard", "logs", "arena", "--out", "again")
    again = json.loads((tmp_path / "again" / "leaderboard.json").read_text(encoding="utf-8"))
    assert [s["digests"] for s in again["sections"]] == [s["digests"] for s in first["sections"]]
    cli("leaderboard", "logs", "--model", "lab/a", "--out", "one")
    fewer = json.loads((tmp_path / "one" / "leaderboard.json").read_text(encoding="utf-8"))["sections"][0]["digests"]
    assert fewer["rubric"] == first["sections"][0]["digests"]["rubric"]
    assert fewer["stories"] != first["sections"][0]["digests"]["stories"]


def test_judgments_hold_replies_and_reasons(cli: Cli, tmp_path: Path, rubric: Rubric) -> None:
    path = write_jsonl(tmp_path / "s.jsonl", [*stories(2), stories(3)[2] | {"story": " "}])
    said = [reply(rubric, {"P2": 12}), "no JSON at all"]
    replies = write_jsonl(tmp_path / "r.jsonl", [{"id": f"s{n}", "reply": text} for n, text in enumerate(said)])
    cli("run", "--stories", path, "--judge", f"polaris_eval/replay/{replies}")
    assert cli("leaderboard", "logs").returncode == 0
    text = (tmp_path / "results" / "judgments.jsonl").read_text(encoding="utf-8")
    found = {record["id"]: record for record in map(json.loads, text.splitlines())}
    assert found["s0"]["replies"] == said[:1]
    (mark,) = [mark for mark in found["s0"]["marks"] if mark["name"].startswith("P2")]
    assert mark["score"] == 12
    assert mark["justification"]
    assert mark["quotes"] == ["tar and cold iron"]
    assert found["s1"]["status"] == "unscored"
    assert found["s1"]["score"] is None
    assert found["s1"]["replies"][0] == said[1]
    assert "JSON" in found["s1"]["complaints"][0]
    assert found["s2"]["status"] == "empty"
    assert found["s2"]["score"] == -159
    table = pd.read_parquet(tmp_path / "results" / "judgments.parquet")
    assert table["id"].tolist() == list(found)
    assert [list(r) for r in table["replies"]] == [record["replies"] for record in found.values()]
    assert table["score"].dropna().tolist() == [r["score"] for r in found.values() if r["score"] is not None]
    assert table["marks"].iloc[0][0]["name"] == found["s0"]["marks"][0]["name"]


def test_judgments_of_a_jury_are_one_per_judge(cli: Cli, tmp_path: Path, rubric: Rubric) -> None:
    path = write_jsonl(tmp_path / "s.jsonl", stories(2))
    replies = write_jsonl(tmp_path / "r.jsonl", [{"id": f"s{n}", "reply": reply(rubric)} for n in range(2)])
    judges = ("--judge", PROXY, "--judge", f"polaris_eval/replay/{replies}")
    assert cli("run", "--stories", path, *judges).returncode == 0
    assert cli("leaderboard", "logs").returncode == 0
    table = pd.read_parquet(tmp_path / "results" / "judgments.parquet")
    assert len(table) == 4
    assert set(table["judge"]) == {PROXY, f"polaris_eval/replay/{replies}"}
    assert table["score"].notna().all()

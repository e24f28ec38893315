"""The command line as a person meets it: exit codes, one clear line, nothing lost."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from conftest import PROSE, PROXY, Cli, frame, one_line, reply, stories, write_jsonl
from loopback import serve, well_behaved

from polaris_eval.rubrics import Rubric

SQ = ("--benchmark", "story_quality")


@pytest.mark.parametrize("module", ["harness.cli", "trainers.cli"])
def test_help_answers_at_once(module: str) -> None:
    """It loads nothing heavy, in a process of its own."""
    code = (
        f"import sys; from polaris_eval.{module} import main; main(['--help'], standalone_mode=False); "
        "sys.exit(str({'inspect_ai', 'pandas', 'scipy', 'torch', 'datasets', 'lxml'} & set(sys.modules) or '') or 0)"
    )
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "Commands:" in done.stdout


@pytest.mark.parametrize(
    "command", ["", "run", "score", "leaderboard", "report", "judge-check", "plan", "doctor", "view"]
)
def test_help_shows_how(cli: Cli, command: str) -> None:
    done = cli(*command.split(), "--help")
    assert done.returncode == 0
    if command in ("", "run", "score", "leaderboard", "report", "judge-check", "plan"):
        assert "polaris-eval" in done.stdout.replace("Usage: ", "", 1)


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (["run", "--model", PROXY], "openai/gpt-5.4, which needs OPENAI_API_KEY"),
        (["run", "--model", PROXY, "--judge", "openai/gpt-5.4-mini"], "OPENAI_API_KEY"),
        (["run", "--model", PROXY, "--judge", PROXY], "--allow-self-judging"),
        (["run", "--model", "nope/model", "--judge", PROXY], "nope/model"),
        (["run", "--model", "vllm/x", "--judge", PROXY], "vllm is not installed; run: "),
        (["run", "--model", "plainname", "--judge", PROXY], "PROVIDER/MODEL"),
        (["run", "--model", "polaris_eval/big", "--judge", PROXY], "polaris_eval/local"),
        (["run", "--model", PROXY, "--judge", "polaris_eval/replay/none.jsonl"], "none.jsonl"),
        (["run", "--model", "polaris_eval/replay/x", "--judge", PROXY, "--benchmark", "nope"], "known: story_quality"),
        (["run", "--stories", "none.jsonl", "--judge", PROXY], "none.jsonl"),
        (["score", ".", "--judge", PROXY, "--rubric", "nope", "--log-dir", "x"], "unknown rubric 'nope'"),
        (["score", ".", "--judge", PROXY, "--log-dir", "x"], "no Inspect logs"),
        (["leaderboard", "none"], "none"),
        (["leaderboard", "."], "no Inspect logs"),
        (["leaderboard", "s3://nowhere/logs"], "s3://nowhere/logs"),
        (["report", "none"], "none"),
        (["judge-check", ".", "--judge", PROXY], "no Inspect logs"),
        (["plan", "--stories", "none.jsonl"], "none.jsonl"),
        (["run", "--model", PROXY, "--judge", PROXY, "--judge-option", "heat=1", "--allow-self-judging"], "heat"),
        (
            [
                "run",
                "--model",
                PROXY,
                "--judge",
                PROXY,
                "--allow-self-judging",
                "--prompts",
                "official",
                "--data-dir",
                "gone",
            ],
            "gone",
        ),
    ],
)
def test_a_users_mistake_is_one_line(cli: Cli, args: list[str], says: str) -> None:
    assert says in one_line(cli(*args))


@pytest.mark.parametrize(
    "args",
    [["run"], ["run", "--stories", "x", "--model", "y"], ["plan"], ["nope"], ["run", "--limit", "0", "--model", "x"]],
)
def test_wrong_usage_is_exit_2(cli: Cli, args: list[str]) -> None:
    done = cli(*args)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


def test_an_unwritable_log_folder(cli: Cli, tmp_path: Path) -> None:
    path = write_jsonl(tmp_path / "s.jsonl", stories(1))
    (tmp_path / "file").write_text("in the way")
    assert "--log-dir" in one_line(cli("run", "--stories", path, "--judge", PROXY, "--log-dir", "file/logs"))
    assert "--log-dir" in one_line(cli("run", "--stories", path, "--judge", PROXY, "--log-dir", "/proc/nowhere"))


def test_a_broken_log_is_named(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "x.eval").write_bytes(b"not a log")
    assert "x.eval" in one_line(cli("leaderboard", "x.eval"))


def test_judging_a_stories_file_of_two_models(cli: Cli, tmp_path: Path) -> None:
    records = stories(3) + stories(3, model="other/../<b>&|writer")
    records[4]["story"] = ""
    path = write_jsonl(tmp_path / "s.jsonl", records)
    done = cli("run", "--stories", path, "--judge", PROXY)
    assert done.returncode == 0, done.stderr
    assert "PROXY" in done.stdout
    assert "empty: 1 story without words" in done.stdout
    assert cli("leaderboard", "logs", "--with-published").returncode == 0
    found = frame(tmp_path)
    assert sorted(found["model"].unique()) == ["other/../<b>&|writer", "some/writer"]
    assert found["status"].tolist().count("empty") == 1
    assert found.loc[found["status"] == "empty", "score"].item() == -159
    board = json.loads((tmp_path / "results" / "leaderboard.json").read_text())["sections"]
    assert board[0]["proxy"] is True
    assert {row["model"] for row in board[0]["published"]} >= {"POLARIS-9B", "Qwen3.5-27B"}
    assert all("published" not in row["model"] for row in board[0]["rows"])
    assert "PROXY" in (tmp_path / "results" / "leaderboard.md").read_text()
    assert len(pd.read_csv(tmp_path / "results" / "leaderboard.csv")) == 2


def test_the_same_command_again_judges_nothing_again(cli: Cli, tmp_path: Path) -> None:
    path = write_jsonl(tmp_path / "s.jsonl", stories(3))
    with serve(lambda n, system, user: well_behaved(system, user)) as server:
        env = {"LOOP_API_KEY": "k", "LOOP_BASE_URL": f"{server.url}/v1"}
        args = ["run", "--stories", path, "--judge", "openai-api/loop/judge"]
        assert cli(*args, "--limit", 2, **env).returncode == 0
        assert len(server.requests) == 2
        assert cli(*args, **env).returncode == 0
        assert len(server.requests) == 3
        smaller = cli(*args, "--limit", 1, **env)
        assert smaller.returncode == 0
        assert len(server.requests) == 3
        assert smaller.stdout.rstrip().splitlines()[-1].startswith("Stories and judgments")
        assert "1 writer × 1 story, 1 of 1 judged" in smaller.stdout
        refused = cli("run", "--stories", path, "--judge", PROXY, **env)
        assert "polaris-eval score logs/" in one_line(refused)
        assert "--judge polaris_eval/lexical" in one_line(refused)
        edited = stories(3)
        edited[0]["story"] += " And then it rained."
        write_jsonl(path, edited)
        assert cli(*args, **env).returncode == 0
        assert len(server.requests) == 6


def test_unscored_stories_are_listed_and_tried_again(cli: Cli, tmp_path: Path) -> None:
    path = write_jsonl(tmp_path / "s.jsonl", stories(3))
    broken = True

    def script(number: int, system: str, user: str) -> str | int:
        if broken and "harbour number 1" in user:
            return "I would rather not."
        return 400 if broken and "harbour number 2" in user else well_behaved(system, user)

    with serve(script) as server:
        env = {"LOOP_API_KEY": "k", "LOOP_BASE_URL": f"{server.url}/v1"}
        args = ["run", "--stories", path, "--judge", "openai-api/loop/judge"]
        first = cli(*args, **env)
        assert first.returncode == 1
        assert "2 of 3 stories have no score" in first.stdout
        assert "malformed reply, 3 times" in first.stdout
        assert "failing with 400 as told" in first.stdout
        cli("leaderboard", "logs")
        assert frame(tmp_path)["score"].isna().tolist() == [False, True, True]
        asked = len(server.requests)
        broken = False
        again = cli(*args, **env)
        assert again.returncode == 0, again.stdout + again.stderr
        assert len(server.requests) == asked + 2
        cli("leaderboard", "logs")
        assert frame(tmp_path)["status"].tolist() == ["scored"] * 3


def test_a_writer_never_judges_itself_by_accident(cli: Cli, tmp_path: Path) -> None:
    path = write_jsonl(tmp_path / "s.jsonl", stories(1, model=PROXY))
    assert "--allow-self-judging" in one_line(cli("run", "--stories", path, "--judge", PROXY))
    assert cli("run", "--stories", path, "--judge", PROXY, "--allow-self-judging").returncode == 0


def test_other_judge_settings_are_another_judge(cli: Cli, tmp_path: Path) -> None:
    path = write_jsonl(tmp_path / "s.jsonl", stories(1))
    assert cli("run", "--stories", path, "--judge", PROXY).returncode == 0
    refused = cli("run", "--stories", path, "--judge", PROXY, "--judge-option", "temperature=1")
    assert "temperature=1.0" in one_line(refused)


@pytest.mark.slow
def test_a_writer_that_fails_leaves_a_row_without_a_score(cli: Cli) -> None:
    failing = True

    def script(number: int, system: str, user: str) -> str | int:
        return (
            400
            if failing and user.startswith("Write a story in the close third person")
            else well_behaved(system, user)
        )

    with serve(script) as server:
        env = {"LOOP_API_KEY": "k", "LOOP_BASE_URL": f"{server.url}/v1"}
        args = ["run", "--model", "openai-api/loop/writer", "--judge", "openai-api/loop/judge", *SQ, "--limit", 3]
        first = cli(*args, **env)
        assert first.returncode == 1, first.stdout + first.stderr
        assert "no score: 1 story (openai-api/loop/writer second-violin)" in " ".join(first.stdout.split())
        assert "Traceback (most" not in first.stderr
        asked, failing = len(server.requests), False
        again = cli(*args, **env)
        assert again.returncode == 0, again.stdout + again.stderr
        assert len(server.requests) == asked + 2


def test_a_writer_that_always_fails_leaves_tables_without_scores(cli: Cli) -> None:
    with serve(lambda n, system, user: 400) as server:
        env = {"LOOP_API_KEY": "k", "LOOP_BASE_URL": f"{server.url}/v1"}
        args = ["run", "--model", "openai-api/loop/writer", "--judge", "openai-api/loop/judge", *SQ, "--limit", 2]
        done = cli(*args, **env)
        assert done.returncode == 1, done.stderr
        assert "2 of 2 stories have no score" in done.stdout
        assert "failing with 400 as told" in " ".join(done.stdout.split())
    for command in (["leaderboard", "logs", "--plots", "--details"], ["report", "logs"]):
        done = cli(*command)
        assert done.returncode == 0, done.stderr
    assert "holds no stories" in one_line(cli("judge-check", "logs", "--judge", PROXY))


@pytest.mark.slow
def test_the_viewer_serves_the_logs(cli: Cli, tmp_path: Path) -> None:
    path = write_jsonl(tmp_path / "s.jsonl", stories(1))
    assert cli("run", "--stories", path, "--judge", PROXY).returncode == 0
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "polaris_eval.harness.cli", "view", "--port", str(port)]
    viewer = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL, start_new_session=True)
    try:
        page = _get(f"http://127.0.0.1:{port}/")
        assert "<html" in page
        assert "story-quality" in _get(f"http://127.0.0.1:{port}/api/log-files")
    finally:
        os.killpg(viewer.pid, signal.SIGINT)
        viewer.wait(timeout=30)


def _get(url: str) -> str:
    deadline = time.monotonic() + 60
    while True:
        try:
            with urllib.request.urlopen(url, timeout=5) as response:
                return str(response.read().decode())
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.3)


def test_a_judge_that_is_down_is_bounded(cli: Cli, tmp_path: Path) -> None:
    path = write_jsonl(tmp_path / "s.jsonl", stories(2))
    with serve(lambda n, system, user: 503) as server:
        env = {"LOOP_API_KEY": "k", "LOOP_BASE_URL": f"{server.url}/v1"}
        done = cli("run", "--stories", path, "--judge", "openai-api/loop/judge", "--max-retries", 0, **env)
    assert done.returncode == 1
    assert "2 of 2 stories have no score" in done.stdout


@pytest.mark.slow
def test_a_run_against_a_server_that_fails_and_cuts(cli: Cli, tmp_path: Path) -> None:
    """Every tenth answer fails, every tenth is cut: every story has a score or is listed, none is zero."""

    def script(number: int, system: str, user: str) -> str | int | tuple[str, str]:
        if number % 10 == 3:
            return [429, 500, 503][number // 10 % 3]
        text = well_behaved(system, user)
        return (text[: len(text) // 2], "length") if number % 10 == 7 else text

    with serve(script) as server:
        env = {"LOOP_API_KEY": "k", "LOOP_BASE_URL": f"{server.url}/v1"}
        done = cli("run", "--model", "openai-api/loop/writer", "--judge", "openai-api/loop/judge", *SQ, **env)
        assert len(server.requests) > 80
    assert done.returncode == 0, done.stdout + done.stderr
    cli("leaderboard", "logs")
    found = frame(tmp_path)
    assert len(found) == 36
    assert found["status"].tolist() == ["scored"] * 36
    assert not (found["score"] == 0).any()
    assert found["truncated"].sum() > 0


def test_another_judge_scores_without_writing_again(cli: Cli, tmp_path: Path) -> None:
    with serve(lambda n, system, user: well_behaved(system, user)) as server:
        env = {"LOOP_API_KEY": "k", "LOOP_BASE_URL": f"{server.url}/v1"}
        run = ["run", "--model", "openai-api/loop/writer", "--judge", "openai-api/loop/judge", *SQ, "--limit", 6]
        assert cli(*run, **env).returncode == 0
        asked = len(server.requests)
        assert cli("score", "logs", "--judge", PROXY, "--log-dir", "second", **env).returncode == 0
        assert len(server.requests) == asked
        assert "is the source itself" in cli("score", "logs", "--judge", PROXY).stderr
    done = cli("leaderboard", "logs", "second")
    assert done.returncode == 0
    board = json.loads((tmp_path / "results" / "leaderboard.json").read_text())["sections"]
    assert sorted(section["judge"] for section in board) == ["openai-api/loop/judge", PROXY]
    assert all("they differ in judge" in " ".join(section["notes"]) for section in board)
    assert {row["model"] for section in board for row in section["rows"]} == {"openai-api/loop/writer"}


def test_another_rubric_version_is_kept_apart(cli: Cli, tmp_path: Path) -> None:
    path = write_jsonl(tmp_path / "s.jsonl", stories(2))
    assert cli("run", "--stories", path, "--judge", PROXY).returncode == 0
    from inspect_ai.log import list_eval_logs, read_eval_log, write_eval_log

    log = read_eval_log(list_eval_logs(str(tmp_path / "logs"))[0])
    assert log.eval.metadata is not None
    log.eval.metadata["rubric_digest"] = "0" * 64
    write_eval_log(log, str(tmp_path / "old.eval"))
    done = cli("leaderboard", "logs", "old.eval")
    assert done.returncode == 0
    board = json.loads((tmp_path / "results" / "leaderboard.json").read_text())["sections"]
    assert len(board) == 2
    old = next(section for section in board if section["rubric"].endswith("00000000"))
    assert any("another version of the rubric file" in note for note in old["notes"])
    assert any("differ in rubric file" in note for note in old["notes"])


def test_a_plan_counts_and_prices_before_any_call(cli: Cli, tmp_path: Path) -> None:
    done = cli("plan", "--model", "openai/gpt-5.4-mini", "--model", "lab/unknown", *SQ, "--epochs", 2, "--json")
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    rows = {(row["model"], row["role"]): row for row in found["rows"]}
    assert rows["openai/gpt-5.4-mini", "writer"]["calls"] == 72
    assert rows["openai/gpt-5.4", "judge"]["calls"] == 144
    assert found["without_price"] == ["lab/unknown"]
    writer = rows["openai/gpt-5.4-mini", "writer"]
    assert writer["dollars"] == pytest.approx((writer["tokens_in"] * 0.75 + writer["tokens_out"] * 4.5) / 1e6)
    judge = rows["openai/gpt-5.4", "judge"]
    assert judge["dollars_batch"] == pytest.approx(judge["dollars"] / 2)
    own = tmp_path / "prices.yaml"
    own.write_text("date: x\nsource: y\nmodels: {unknown: {input: 1, output: 1, tax: 3}}\n")
    assert "models.unknown.tax" in one_line(cli("plan", "--model", "lab/unknown", *SQ, "--prices", own))
    own.write_text("date: x\nsource: y\nmodels: {unknown: {input: 1, output: 1}}\n")
    assert "unknown" in cli("plan", "--model", "lab/unknown", *SQ, "--prices", own).stdout


def test_doctor_says_what_is_missing(cli: Cli) -> None:
    done = cli("doctor", COLUMNS="200")
    assert done.returncode == 0
    assert "OPENAI_API_KEY is not set" in done.stdout
    assert '[vllm]"' in done.stdout
    rows = {check["what"]: check for check in json.loads(cli("doctor", "--json").stdout)}
    assert rows["key of openai"]["state"] == "missing"
    assert rows["prompts of story_quality"]["found"] == "36 read"
    assert rows["judge of story_quality"]["state"] == "missing"
    assert cli("doctor", "--json", OPENAI_API_KEY="x").returncode == 0


def test_a_recorded_reply_is_replayed_exactly(cli: Cli, tmp_path: Path, rubric: Rubric) -> None:
    path = write_jsonl(tmp_path / "s.jsonl", [{"id": "a", "prompt": "p", "story": PROSE, "model": "m"}])
    replies = write_jsonl(tmp_path / "r.jsonl", [{"id": "a", "reply": reply(rubric, {"P2": 12, "N8": 3})}])
    assert cli("run", "--stories", path, "--judge", f"polaris_eval/replay/{replies}").returncode == 0
    cli("leaderboard", "logs")
    assert frame(tmp_path)["score"].tolist() == [9]

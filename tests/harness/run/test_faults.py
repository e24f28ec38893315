"""Clocks that go back, two runs at once, kills between writing and judging, keys that servers repeat, hostile names."""

from __future__ import annotations

import csv
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from conftest import Cli, frame, one_line, reply, stories, write_jsonl
from inspect_ai.log import read_eval_log, write_eval_log
from loopback import STORY, serve, well_behaved

from polaris_eval.harness.errors import UserError
from polaris_eval.harness.logs.headers import log_files
from polaris_eval.harness.logs.table import stories_frame
from polaris_eval.harness.run.lock import only_run
from polaris_eval.harness.show.files import cell
from polaris_eval.harness.show.grid import grid, texts
from polaris_eval.rubrics import Rubric

PROXY = "polaris_eval/lexical"
KEY = "sk-PLANTED-0123456789abcdef"


def judged(cli: Cli, folder: Path, count: int = 6, log_dir: str = "logs") -> Path:
    """The log of a finished run of stories."""
    path = write_jsonl(folder / "s.jsonl", stories(count))
    done = cli("run", "--stories", path, "--judge", PROXY, "--log-dir", log_dir)
    assert done.returncode == 0, done.stderr
    (log,) = log_files([folder / log_dir])
    return Path(log.removeprefix("file://"))


def test_a_clock_that_went_back_hides_no_story(cli: Cli, tmp_path: Path) -> None:
    """A log that was cut off, with a later time than the finished one that continued it."""
    log = read_eval_log(str(judged(cli, tmp_path)))
    cut = log.model_copy(deep=True)
    cut.samples, cut.status, cut.results = (cut.samples or [])[:2], "cancelled", None
    cut.eval.created = "2999-01-01T00:00:00+00:00"
    write_eval_log(cut, str(tmp_path / "logs" / "2999-01-01T00-00-00-00-00_story-quality_cut.eval"))
    found = stories_frame(log_files([tmp_path / "logs"]))
    assert found["status"].tolist() == ["scored"] * 6
    # of two that were cut, the one with more stories; of two alike, the later
    more = cut.model_copy(deep=True)
    more.samples, more.eval.created = (log.samples or [])[:4], "1999-01-01T00:00:00+00:00"
    write_eval_log(more, str(tmp_path / "two" / "a.eval"))
    write_eval_log(cut, str(tmp_path / "two" / "b.eval"))
    assert stories_frame(log_files([tmp_path / "two"]))["status"].value_counts()["scored"] == 4


def test_stories_of_two_runs_in_one_folder_count_once(
    cli: Cli, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = read_eval_log(str(judged(cli, tmp_path)))
    log.eval.task_id = "another"
    log.samples = (log.samples or [])[:4]
    write_eval_log(log, str(tmp_path / "logs" / "another.eval"))
    found = stories_frame(log_files([tmp_path / "logs"]))
    assert len(found) == found["id"].nunique() == 6
    assert found["status"].eq("scored").all()
    assert "stories of some/writer were run twice" in capsys.readouterr().err
    # the same stories in folders of their own are the user's to compare
    judged(cli, tmp_path, log_dir="other")
    assert len(stories_frame(log_files([tmp_path / "logs", tmp_path / "other"]))) == 12


def test_a_folder_has_one_run_at_a_time(cli: Cli, tmp_path: Path) -> None:
    path = write_jsonl(tmp_path / "s.jsonl", stories(2))
    hold = "import sys, time\nfrom polaris_eval.harness.run.lock import only_run\n"
    hold += "with only_run('logs', '--log-dir'):\n    print('held', flush=True)\n    time.sleep(60)\n"
    with subprocess.Popen([sys.executable, "-c", hold], cwd=tmp_path, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        done = cli("run", "--stories", path, "--judge", PROXY)
        told = one_line(done)
        assert f"logs is in use by process {holder.pid}: wait until it has ended, or choose another --log-dir" in told
        holder.kill()  # as with kill -9: nobody tidies up
        holder.wait()
    assert cli("run", "--stories", path, "--judge", PROXY).returncode == 0
    with only_run(tmp_path / "logs", "--log-dir"), only_run(tmp_path / "logs", "--log-dir"):
        pass


@pytest.mark.slow
def test_a_story_that_is_written_is_not_paid_for_again(tmp_path: Path) -> None:
    """Killed while all stories wait for their judge: the next run judges them, and writes none."""
    command = [sys.executable, "-m", "polaris_eval.harness.cli", "run", "--model", "openai-api/lab/writer",
               "--judge", "openai-api/lab/judge", "--benchmark", "story_quality", "--limit", "4"]  # fmt: skip
    written, open_again = [], threading.Event()

    def script(number: int, system: str, user: str) -> str:
        if "<<<END" not in user:
            written.append(user)
            return STORY
        open_again.wait(60)
        return well_behaved(system, user)

    with serve(script) as server:
        env = {**os.environ, "LAB_API_KEY": "none", "LAB_BASE_URL": f"{server.url}/v1",
               "POLARIS_CACHE": str(tmp_path / "cache")}  # fmt: skip
        first = subprocess.Popen(command, cwd=tmp_path, env=env, start_new_session=True)
        deadline = time.monotonic() + 60
        while len(list(tmp_path.glob("logs/.stories/*.story"))) < 4 and time.monotonic() < deadline:
            time.sleep(0.05)
        os.killpg(first.pid, signal.SIGKILL)
        first.wait()
        assert len(written) == 4
        open_again.set()
        done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False, timeout=240)
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(written) == 4
    found = stories_frame(log_files([tmp_path / "logs"]))
    assert found["status"].eq("scored").all()
    assert (found["tokens"] > 0).all()
    samples = read_eval_log(log_files([tmp_path / "logs"])[-1]).samples or []
    for sample in samples:  # the writer's tokens are counted where the story is
        assert sample.model_usage["openai-api/lab/writer"].output_tokens == sample.output.usage.output_tokens  # type: ignore[union-attr]
    assert not list(tmp_path.glob("logs/.stories"))


@pytest.mark.slow
def test_a_second_try_writes_as_verdicts_come(cli: Cli, tmp_path: Path) -> None:
    """Killed after three of four verdicts, where none are kept for other runs: the third try asks for one."""
    path = write_jsonl(tmp_path / "s.jsonl", stories(4))
    args = ("run", "--stories", str(path), "--judge", "openai-api/lab/judge")
    asked, works, wait = [], threading.Event(), threading.Event()

    def script(number: int, system: str, user: str) -> str | int:
        if not works.is_set():
            return 401
        asked.append(user)
        if len(asked) == 4:
            wait.wait(60)
        return well_behaved(system, user)

    with serve(script) as server:
        env = {"LAB_API_KEY": "none", "LAB_BASE_URL": f"{server.url}/v1"}
        assert cli(*args, **env).returncode == 1
        works.set()
        command = [sys.executable, "-P", "-m", "polaris_eval.harness.cli", *args]
        second = subprocess.Popen(command, cwd=tmp_path, env={**os.environ, **env}, start_new_session=True)
        deadline = time.monotonic() + 60
        while len([p for p in tmp_path.glob("logs/.judgments/*/*") if len(p.name) == 62]) < 3:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        os.killpg(second.pid, signal.SIGKILL)
        second.wait()
        wait.set()
        done = cli(*args, **env)
        assert done.returncode == 0, done.stderr
        assert len(asked) == 5  # the fourth was in flight
    found = stories_frame(log_files([tmp_path / "logs"]))
    assert found["status"].eq("scored").all()
    assert found["tokens"].eq(150).all(), "what the killed try paid for counts in this run"
    assert not (tmp_path / "logs" / ".judgments").exists()


@contextmanager
def repeating_keys() -> Iterator[str]:
    """A server that refuses every key, and repeats it in its answer."""

    class Refuses(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            told = {"error": {"message": f"Incorrect API key: {self.headers.get('Authorization')}"}}
            body = json.dumps(told).encode()
            self.send_response(401)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Refuses)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}/v1"
    server.shutdown()


def test_a_key_is_nowhere(cli: Cli, tmp_path: Path) -> None:
    path = write_jsonl(tmp_path / "s.jsonl", stories(1))
    with repeating_keys() as url:
        env = {"LAB_API_KEY": KEY, "LAB_BASE_URL": url, "POLARIS_CACHE": str(tmp_path / "cache")}
        judge = ("--judge", "openai-api/lab/judge")
        done = [
            cli("run", "--model", "openai-api/lab/w", *judge, "--benchmark", "story_quality", "--limit", 1, **env),
            cli("run", "--stories", path, *judge, "--log-dir", "logs", **env),
            cli("leaderboard", "logs", **env), cli("report", "logs", **env),
        ]  # fmt: skip
    assert "Bearer ***" in done[0].stdout
    for one in done:
        assert KEY not in one.stdout + one.stderr
    logs = [read_eval_log(log, resolve_attachments=True).model_dump_json() for log in log_files([tmp_path / "logs"])]
    assert len(logs) == 2
    assert all("Bearer ***" in log and "PLANTED" not in log for log in logs)
    for file in filter(Path.is_file, tmp_path.rglob("*")):
        assert b"PLANTED" not in file.read_bytes(), file


@pytest.mark.parametrize("where", ["--judge-base-url", "LAB_BASE_URL"])
def test_a_password_in_an_address_is_refused(cli: Cli, tmp_path: Path, where: str) -> None:
    path = write_jsonl(tmp_path / "s.jsonl", stories(1))
    address = "https://me:hunter2hunter2@example.org/v1"
    args = [where, address] if where.startswith("--") else []
    env = {} if args else {where: address}
    told = one_line(cli("run", "--stories", path, "--judge", "openai-api/lab/judge", *args, LAB_API_KEY="none", **env))
    assert "the address has a user or password in it" in told
    assert "hunter2" not in told


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"story": "half \ud83d"}, '"story" holds half of a character'),
        ({"metadata": {"note": ["\udc00"]}}, '"metadata" holds half of a character'),
        ({"model": "m\x1b[31m"}, '"model" holds a control character'),
        ({"id": "a\0b"}, '"id" holds a control character'),
        ({"target_words": 10**30}, '"target_words" must be a whole number from 1 to'),
    ],
)
def test_what_later_stages_cannot_hold_is_refused(cli: Cli, tmp_path: Path, change: dict[str, Any], why: str) -> None:
    path = write_jsonl(tmp_path / "s.jsonl", [*stories(1), {**stories(2)[1], **change}])
    told = one_line(cli("run", "--stories", path, "--judge", PROXY))
    assert "s.jsonl, line 2" in told
    assert why in told


def test_a_zero_byte_is_left_out_and_judged_around(cli: Cli, tmp_path: Path) -> None:
    record = stories(1)[0]
    path = write_jsonl(tmp_path / "s.jsonl", [{**record, "story": record["story"].replace(" ", "\0 ", 3)}])
    plain = write_jsonl(tmp_path / "p.jsonl", [record])
    for file, folder in ((path, "a"), (plain, "b")):
        assert cli("run", "--stories", file, "--judge", PROXY, "--log-dir", folder).returncode == 0
    a, b = (stories_frame(log_files([tmp_path / folder])) for folder in "ab")
    assert a["score"].tolist() == b["score"].tolist()
    assert a["words"].tolist() == b["words"].tolist()


def test_names_do_nothing_to_terminals_and_spreadsheets(cli: Cli, tmp_path: Path) -> None:
    """A log of another's, with names that act."""
    log = read_eval_log(str(judged(cli, tmp_path, 2)))
    log.eval.metadata = {**(log.eval.metadata or {}), "writer": '=cmd|"/C calc"!A0\x1b[31m\u202egnp'}
    for sample in log.samples or []:
        sample.metadata["prompt_id"] = "@SUM(1)\x07"
    write_eval_log(log, log.location)
    done = cli("leaderboard", "logs")
    assert done.returncode == 0, done.stderr
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e]", done.stdout + done.stderr)
    for name in ("leaderboard.csv", "stories.csv"):
        text = (tmp_path / "results" / name).read_text(encoding="utf-8")
        assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e]", text)
        for row in csv.reader(text.splitlines()):
            assert not any(value.startswith(("=", "@", "+")) for value in row)
    assert frame(tmp_path)["model"].iloc[0] == '\'=cmd|"/C calc"!A0[31mgnp'
    assert (cell("-1+1"), cell("plain"), cell("\t=1")) == ("'-1+1", "plain", "'\t=1")
    shown = grid("t\x1b", texts("a"), [["b\x1b[2J\nc"]])
    assert (shown.title, shown.rows) == ("t", (("b[2J\nc",),))


def test_an_error_shows_no_control_characters() -> None:
    assert str(UserError("a\x1b[31m\u202eb\nc")) == "a[31mb\nc"


def test_a_cut_json_reply_is_asked_again(cli: Cli, tmp_path: Path, rubric: Rubric) -> None:
    """What stands before the cut may be a draft."""
    path = write_jsonl(tmp_path / "s.jsonl", stories(1))

    def script(number: int, system: str, user: str) -> Any:
        return (reply(rubric, {"P1": 9}), "length") if number == 0 else reply(rubric, {"P1": 2})

    with serve(script) as server:
        env = {"LAB_API_KEY": "none", "LAB_BASE_URL": f"{server.url}/v1"}
        done = cli("run", "--stories", path, "--judge", "openai-api/lab/judge", **env)
        assert done.returncode == 0, done.stderr
        assert len(server.requests) == 2
    assert stories_frame(log_files([tmp_path / "logs"]))["score"].tolist() == [2]

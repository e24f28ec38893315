"""A run that several machines share: each a shard, one folder, one table."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from itertools import chain
from pathlib import Path

import pytest
from conftest import PROXY, Cli, frame, one_line, stories, write_jsonl
from hypothesis import given
from hypothesis import strategies as st
from loopback import serve, well_behaved

from polaris_eval.harness.errors import UserError
from polaris_eval.harness.logs.headers import log_files
from polaris_eval.harness.logs.shards import Shard, parse_shard, shard_of
from polaris_eval.harness.logs.stories import read_stories
from polaris_eval.harness.logs.table import stories_frame

pytestmark = pytest.mark.slow

SQ = ("--benchmark", "story_quality")


@given(st.integers(1, 40), st.integers(0, 60), st.integers(0, 80))
def test_shards_are_all_of_it_once(of: int, count: int, limit: int) -> None:
    items = list(range(count))
    shards = [Shard(number, of) for number in range(1, of + 1)]
    parts = [shard.take(items) for shard in shards]
    assert sorted(chain(*parts)) == items
    assert all(
        shard.position(i) == item for shard, part in zip(shards, parts, strict=True) for i, item in enumerate(part)
    )
    first = [part[: shard.limit(limit)] for shard, part in zip(shards, parts, strict=True)]
    assert sorted(chain(*first)) == items[:limit]


@pytest.mark.parametrize("text", ["0/3", "4/3", "3", "1/0", "a/b", "1/2/3", "-1/2", ""])
def test_what_is_no_shard(text: str, cli: Cli) -> None:
    with pytest.raises(UserError, match="from 1 to N, such as 3/16"):
        parse_shard(text)
    assert "such as 3/16" in one_line(cli("run", "--model", PROXY, "--judge", PROXY, f"--shard={text}"))


def test_the_table_over_all_shards_is_that_of_one_run(cli: Cli, tmp_path: Path) -> None:
    path = write_jsonl(tmp_path / "s.jsonl", stories(7))
    run = ("run", "--stories", path, "--judge", PROXY)
    assert cli(*run, "--log-dir", "whole").returncode == 0
    for number in (1, 3):
        done = cli(*run, "--log-dir", "parts", "--shard", f"{number}/3")
        assert done.returncode == 0, done.stdout + done.stderr
        assert f"This was shard {number}/3. All shards so far: polaris-eval leaderboard parts" in done.stdout
    told = cli("leaderboard", "parts").stdout
    assert "run in 3 shards; 2 is not in these logs" in " ".join(told.split())
    assert len(frame(tmp_path)) == 5
    assert cli(*run, "--log-dir", "parts", "--shard", "2/3").returncode == 0
    both = {}
    for name in ("whole", "parts"):
        assert cli("leaderboard", name).returncode == 0
        both[name] = json.loads((tmp_path / "results" / "leaderboard.json").read_text())["sections"][0]["rows"][0]
    assert both["whole"] == both["parts"]
    wanted = [f"shard-{number}-of-3" for number in (1, 2, 3)]
    assert sorted({Path(log).parent.name for log in log_files([tmp_path / "parts"])}) == wanted
    few = [set(stories_frame(log_files([tmp_path / name]), limit=4)["id"]) for name in both]
    assert few[0] == few[1]
    assert len(few[0]) == 4
    assert "not in these logs" not in cli("leaderboard", "parts", "--limit", 2).stdout
    chosen = [[(story.id, story.model) for story in read_stories(tmp_path / name)] for name in both]
    assert chosen[0] == chosen[1], "score --limit takes the same stories"


def test_other_parts_of_the_same_stories_are_refused(cli: Cli, tmp_path: Path) -> None:
    path = write_jsonl(tmp_path / "s.jsonl", stories(4))
    run = ("run", "--stories", path, "--judge", PROXY)
    assert cli(*run, "--shard", "1/2").returncode == 0
    assert "in 2 shards; go on with --shard K/2" in one_line(cli(*run, "--shard", "1/3"))
    assert "in 2 shards; go on with --shard K/2" in one_line(cli(*run))
    named = (*run, "--log-dir", "shard-1-of-2/logs")
    assert cli(*named).returncode == 0
    assert "were run whole; go on without --shard" in one_line(cli(*named, "--shard", "1/2"))
    assert "none of the 1 prompts is in it" in one_line(cli(*run, "--shard", "2/2", "--limit", 1))
    assert "none of the 4 prompts is in it" in one_line(cli(*run, "--shard", "5/5"))
    logs = log_files([tmp_path / "logs"])
    assert [str(shard_of(str(tmp_path / "logs"), log)) for log in logs] == ["1/2"]
    assert cli(*run, "--shard", "01/02").returncode == 0
    assert log_files([tmp_path / "logs"]) == logs, "the same shard, and nothing judged again"


def test_other_writers_and_benchmarks_share_the_folder(cli: Cli, tmp_path: Path) -> None:
    """Three stories of one writer and one of another: the second shard has none of the latter."""
    path = write_jsonl(tmp_path / "s.jsonl", [*stories(3), {**stories(1)[0], "model": "lab/other"}])
    run = ("run", "--stories", path, "--judge", PROXY)
    done = cli(*run, "--shard", "2/2")
    assert done.returncode == 0, done.stdout + done.stderr
    assert cli(*run, "--shard", "1/2").returncode == 0
    assert cli(*run, "--benchmark", "eqbench_longform").returncode == 0
    more = write_jsonl(tmp_path / "more.jsonl", [{**record, "model": "lab/third"} for record in stories(2)])
    assert cli("run", "--stories", more, "--judge", PROXY).returncode == 0
    refused = cli("run", "--model", PROXY, "--judge", PROXY, *SQ, "--shard", "1/9", "--log-dir", "new")
    assert "--allow-self-judging" in one_line(refused)
    assert not (tmp_path / "new").exists(), "what is refused leaves no folder that others would stumble over"


@pytest.mark.parametrize("place", ["nope://bucket/logs", "gs://bucket/logs"])
def test_a_place_that_cannot_be_reached_is_one_line(cli: Cli, tmp_path: Path, place: str) -> None:
    path = write_jsonl(tmp_path / "s.jsonl", stories(1))
    for more in ((), ("--shard", "1/1")):
        said = one_line(cli("run", "--stories", path, "--judge", PROXY, "--log-dir", place, *more))
        assert said.startswith(f"polaris-eval: {place}")


def test_a_plan_of_a_shard_and_its_limit(cli: Cli, tmp_path: Path) -> None:
    asked = ("--model", PROXY, "--judge", PROXY, *SQ, "--limit", 12)
    rows = json.loads(cli("plan", *asked, "--shard", "2/5", "--json").stdout)["rows"]
    assert {row["calls"] for row in rows} == {3}
    with serve(lambda n, system, user: well_behaved(system, user)) as server:
        env = {"LOOP_API_KEY": "k", "LOOP_BASE_URL": f"{server.url}/v1"}
        models = ("--model", "openai-api/loop/a", "--judge", "openai-api/loop/judge")
        done = cli("run", *models, *SQ, "--limit", 12, "--shard", "2/5", **env)
        assert done.returncode == 0, done.stdout + done.stderr
        assert len(server.requests) == 6
        more = cli("run", *models, *SQ, "--limit", 14, "--shard", "2/5", **env)
        assert more.returncode == 0
        assert len(server.requests) == 6, "the first 14 prompts have no more of this shard's"
        assert cli("run", *models, *SQ, "--limit", 17, "--shard", "2/5", **env).returncode == 0
        assert len(server.requests) == 8
    assert cli("leaderboard", "logs").returncode == 0
    assert len(frame(tmp_path)) == 4


def test_logs_in_a_bucket(cli: Cli, tmp_path: Path) -> None:
    """fsspec's file system in memory stands for a bucket: the same code as for s3:// or gs://."""
    path = write_jsonl(tmp_path / "s.jsonl", stories(4))
    place = f"memory://bucket-{tmp_path.name}/logs"
    failing = True

    def script(number: int, system: str, user: str) -> str | int:
        return 400 if failing else well_behaved(system, user)

    with serve(script) as server:
        env = {"LOOP_API_KEY": "k", "LOOP_BASE_URL": f"{server.url}/v1"}
        run = ("run", "--stories", path, "--judge", "openai-api/loop/judge", "--log-dir", place)
        assert cli(*run, "--shard", "1/2", **env).returncode == 1
        failing = False
        again = cli(*run, "--shard", "1/2", **env)
        assert again.returncode == 0, again.stdout + again.stderr
        assert "2 stories were left unscored last time" in again.stderr
        assert cli(*run, "--shard", "2/2", **env).returncode == 0
        asked = len(server.requests)
        assert cli(*run, "--shard", "2/2", **env).returncode == 0
        assert len(server.requests) == asked, "nothing is judged twice"
    assert "go on with --shard K/2" in one_line(cli(*run, **env))
    assert cli("leaderboard", place).returncode == 0
    assert frame(tmp_path)["status"].tolist() == ["scored"] * 4
    assert not list(tmp_path.rglob("*.eval"))


def test_shards_side_by_side_and_one_that_is_killed(cli: Cli, tmp_path: Path) -> None:
    """Two processes at a time into one folder; one is killed in mid-run and started again."""
    path = write_jsonl(tmp_path / "s.jsonl", stories(12))

    def script(number: int, system: str, user: str) -> str:
        time.sleep(0.5)
        return well_behaved(system, user)

    with serve(script) as server:
        env = {**os.environ, "LOOP_API_KEY": "k", "LOOP_BASE_URL": f"{server.url}/v1"}

        def start(number: int) -> subprocess.Popen[bytes]:
            args = ["run", "--stories", str(path), "--judge", "openai-api/loop/judge", "--shard", f"{number}/2"]
            command = [sys.executable, "-P", "-m", "polaris_eval.harness.cli", *args, "--max-connections", "1"]
            return subprocess.Popen(
                command, cwd=tmp_path, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )

        one, other = start(1), start(2)
        until = time.monotonic() + 60
        while len(server.requests) < 5 and time.monotonic() < until:
            time.sleep(0.05)
        other.send_signal(signal.SIGKILL)
        other.wait()
        assert one.wait(60) == 0
        assert start(2).wait(60) == 0
        assert len(server.requests) <= 13, "at most the story under way was asked about again"
    assert cli("leaderboard", "logs").returncode == 0
    found = frame(tmp_path)
    assert sorted(found["id"]) == sorted(f"{record['id']}" for record in stories(12))
    assert set(found["status"]) == {"scored"}

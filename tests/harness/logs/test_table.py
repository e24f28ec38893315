"""The tidy table: from real logs, here and far away, cached, in both forms."""

from __future__ import annotations

import gzip
from pathlib import Path

import fsspec
import pandas as pd
import pytest
from conftest import Cli, stories, write_jsonl
from inspect_ai import eval as inspect_eval
from inspect_ai import task_with
from inspect_ai.log import read_eval_log, write_eval_log
from inspect_ai.model import get_model
from loopback import serve, well_behaved

from polaris_eval.harness.errors import UserError
from polaris_eval.harness.inspect_seam import create_task
from polaris_eval.harness.logs import table
from polaris_eval.harness.logs.headers import log_files
from polaris_eval.harness.logs.table import stories_frame, tidy
from polaris_eval.harness.prices import Prices

SQ = ("--benchmark", "story_quality")


@pytest.fixture
def logs(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the judgments of three stories; the cache is the test's own."""
    monkeypatch.setenv("POLARIS_CACHE", str(tmp_path / "cache"))
    path = write_jsonl(tmp_path / "s.jsonl", stories(3))
    assert cli("run", "--stories", path, "--judge", "polaris_eval/lexical").returncode == 0
    return tmp_path / "logs"


def test_an_unchanged_log_is_not_read_again(logs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    places = log_files([logs])
    first = stories_frame(places)
    assert len(first) == 3

    def forbidden(*args: object, **options: object) -> None:
        raise AssertionError("the log was read again")

    monkeypatch.setattr(table, "read_eval_log", forbidden)
    monkeypatch.setattr(table, "read_header", forbidden)
    pd.testing.assert_frame_equal(stories_frame(places), first)
    Path(places[0].removeprefix("file://")).touch()
    with pytest.raises(AssertionError, match="read again"):
        stories_frame(places)


def test_a_cache_that_is_broken_or_cannot_be_written_costs_nothing_but_time(
    logs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = stories_frame(log_files([logs]))
    (kept,) = (tmp_path / "cache" / "tables").glob("*.parquet")
    kept.write_bytes(b"not a table")
    pd.testing.assert_frame_equal(stories_frame(log_files([logs])), first)
    (tmp_path / "file").touch()
    monkeypatch.setenv("POLARIS_CACHE", str(tmp_path / "file"))
    pd.testing.assert_frame_equal(stories_frame(log_files([logs])), first)


def test_logs_by_pattern_and_far_away(logs: Path) -> None:
    (name,) = [path.name for path in logs.glob("*.eval")]
    far = fsspec.filesystem("memory")
    far.put_file(str(logs / name), f"/bucket/{name}")
    here = stories_frame(log_files([logs])).drop(columns="log")
    for place in (f"{logs}/*.eval", "memory://bucket", "memory://bucket/*story*.eval", f"memory://bucket/{name}"):
        found = log_files([place])
        assert len(found) == 1
        pd.testing.assert_frame_equal(stories_frame(found).drop(columns="log"), here)
    for place in ("memory://nothing", f"{logs}/*.nope", "nope://x"):
        with pytest.raises(UserError, match=place.split("*")[0]):
            log_files([place])


def test_the_long_form_holds_every_metric_of_every_judged_story(logs: Path, tmp_path: Path) -> None:
    wide = stories_frame(log_files([logs]))
    wide.loc[0, "status"] = "unscored"
    long = tidy(wide)
    assert sorted(long["id"].unique()) == sorted(wide["id"][1:])
    back = long.pivot(index="id", columns="metric", values="value")
    for name in ("score", "P2", "N10", "words", "ratio", "repetition", "coverage"):
        assert back.loc[wide["id"][1], name] == wide[name][1]
    assert (long["score"] == long["id"].map(wide.set_index("id")["score"])).all()
    named = {"model", "benchmark", "rubric_digest", "judge", "prompt_id", "epoch", "target", "bucket", "words", "ratio"}
    assert named | {"score", "status", "tokens", "cost", "started", "completed", "metric", "value"} <= set(long)
    paths = table.write_table(wide, tmp_path / "out")
    again = pd.read_parquet(paths[1])
    assert again["value"].tolist() == long["value"].tolist()
    with gzip.open(paths[2], "rt") as text:
        assert len(pd.read_csv(text)) == len(long)


def test_logs_of_others_and_logs_without_a_story(logs: Path) -> None:
    log = read_eval_log(log_files([logs])[0])
    log.samples, log.status = [], "error"
    log.eval.task_id = "other"
    write_eval_log(log, str(logs / "empty.eval"))
    assert log.eval.metadata is not None
    log.eval.metadata = {"benchmark": "mmlu"}
    write_eval_log(log, str(logs / "foreign.eval"))
    found = stories_frame(log_files([logs]))
    assert found["status"].tolist() == ["scored"] * 3  # what one run has not, another in the folder has
    empty = stories_frame(log_files([logs / "empty.eval"]))
    assert empty["status"].tolist() == ["missing"] * 3
    assert empty["cost"].isna().all()
    assert stories_frame(log_files([logs / "foreign.eval"])).empty


def test_tokens_and_dollars(cli: Cli, tmp_path: Path) -> None:
    """The loopback server counts 100 tokens in and 50 out for every call; writer and judge have prices of their own."""
    prices = tmp_path / "prices.yaml"
    prices.write_text("date: x\nsource: y\nmodels: {writer: {input: 1, output: 2}, judge: {input: 10, output: 20}}\n")
    with serve(lambda n, system, user: well_behaved(system, user)) as server:
        env = {"LOOP_API_KEY": "k", "LOOP_BASE_URL": f"{server.url}/v1"}
        args = ["run", "--model", "openai-api/loop/writer", "--judge", "openai-api/loop/judge", *SQ, "--limit", 2]
        assert cli(*args, **env).returncode == 0
    assert cli("leaderboard", "logs", "--prices", prices).returncode == 0
    found = pd.read_csv(tmp_path / "results" / "stories.csv")
    writing = (100 * 1 + 50 * 2) / 1e6
    assert found["tokens"].tolist() == [300] * 2
    assert found["cost_writing"].tolist() == pytest.approx([writing] * 2)
    assert found["cost_judging"].tolist() == pytest.approx([writing * 10] * 2)
    assert found["cost"].tolist() == pytest.approx([writing * 11] * 2)
    assert cli("leaderboard", "logs").returncode == 0
    assert pd.read_csv(tmp_path / "results" / "stories.csv")["cost"].isna().all()


@pytest.mark.slow
def test_a_judge_that_is_a_task_argument_is_paid_for_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It plays no role in Inspect's sense, so its tokens are among the writer's there."""
    monkeypatch.setenv("POLARIS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("LOOP_API_KEY", "k")
    cost = {"openai-api/loop/writer": {"input": 1, "output": 2}, "openai-api/loop/judge": {"input": 10, "output": 20}}
    listed = Prices.model_validate({"date": "2026-06-01", "source": "a test", "models": cost})
    writer, judge = (100 * 1 + 50 * 2) / 1e6, (100 * 10 + 50 * 20) / 1e6
    with serve(lambda n, system, user: well_behaved(system, user)) as server:
        monkeypatch.setenv("LOOP_BASE_URL", f"{server.url}/v1")
        options = {"model": "openai-api/loop/writer", "limit": 1, "display": "none"}
        named = {"judge": "openai-api/loop/judge"}
        as_argument = inspect_eval(
            "polaris_eval/story_quality", task_args=named, log_dir=str(tmp_path / "a"), **options
        )
        grader = get_model("openai-api/loop/judge", memoize=False)
        role = task_with(create_task("polaris_eval/story_quality", [grader]), model_roles={"grader": grader})
        as_role = inspect_eval(role, log_dir=str(tmp_path / "b"), **options)
    for (log,) in (as_argument, as_role):
        row = stories_frame([log.location], prices=listed).iloc[0]
        assert row["status"] == "scored", row["reason"]
        assert row["tokens"] == 300
        assert (row["cost_writing"], row["cost_judging"]) == (pytest.approx(writer), pytest.approx(judge))

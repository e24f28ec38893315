"""The benchmark through Inspect itself: real evals, real logs."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from conftest import PROSE, PROXY, reply, stories, write_jsonl
from inspect_ai import eval as inspect_eval
from inspect_ai.log import EvalLog, EvalSample
from inspect_ai.model import get_model

from polaris_eval.harness.errors import UserError
from polaris_eval.rubrics import Rubric


def run(tmp_path: Path, records: list[dict[str, Any]], judge: str = "polaris_eval/lexical", **args: Any) -> EvalLog:
    path = write_jsonl(tmp_path / "stories.jsonl", records)
    return inspect_eval(
        "polaris_eval/story_quality",
        model=None,
        task_args={"stories": str(path), **args},
        model_roles={"grader": judge},
        log_dir=str(tmp_path / "logs"),
        display="none",
    )[0]


def metrics(log: EvalLog) -> dict[str, dict[str, float]]:
    assert log.results is not None
    return {
        score.name: {name.rpartition("/")[2]: metric.value for name, metric in score.metrics.items()}
        for score in log.results.scores
    }


def value(sample: EvalSample, scorer: str = "judged") -> dict[str, Any]:
    assert sample.scores is not None
    found = sample.scores[scorer].value
    assert isinstance(found, dict)
    return dict(found)


def details(sample: EvalSample) -> dict[str, Any]:
    assert sample.scores is not None
    return sample.scores["judged"].metadata or {}


def test_scores_metrics_and_stamps(tmp_path: Path, rubric: Rubric) -> None:
    log = run(tmp_path, stories(3))
    assert log.status == "success"
    assert log.samples is not None
    first = log.samples[0]
    assert set(value(first)) >= {"score", "overall_released", "P1", "N10", "bonus", "quotes_found", "coverage"}
    assert (details(first)["bucket"], details(first)["status"], details(first)["proxy"]) == ("1-2k", "scored", True)
    assert value(first, "length_adherence")["ratio"] == pytest.approx(value(first, "length_adherence")["words"] / 1000)
    found = metrics(log)
    assert found["coverage"]["mean"] == 1
    mean = sum(value(sample)["score"] for sample in log.samples) / 3
    assert found["score"]["mean"] == pytest.approx(mean)
    assert found["score"]["stderr"] > 0
    stamped = log.eval.metadata or {}
    assert (stamped["benchmark"], stamped["rubric_digest"], stamped["headline"]) == (
        "story_quality",
        rubric.digest,
        "score",
    )
    assert "story" not in (first.metadata or {})
    assert first.output.completion == stories(3)[0]["story"]


def test_an_unscored_story_is_never_a_zero(tmp_path: Path, rubric: Rubric) -> None:
    replies = write_jsonl(
        tmp_path / "replies.jsonl",
        [{"id": "s0", "reply": reply(rubric, {"P2": 20})}, {"id": "s1", "reply": ["no", "no", "no"]}],
    )
    log = run(tmp_path, stories(3), f"polaris_eval/replay/{replies}")
    assert log.samples is not None
    by_id = {sample.id: sample for sample in log.samples}
    assert value(by_id["s0"])["score"] == 20
    for name in ("s1", "s2"):
        assert math.isnan(value(by_id[name])["score"])
        assert math.isnan(value(by_id[name])["N2"])
        assert value(by_id[name])["coverage"] == 0
        assert details(by_id[name])["status"] == "unscored"
        assert by_id[name].scores["judged"].reason == "grader_failed"  # type: ignore[index]
    assert details(by_id["s1"])["replies"] == ["no", "no", "no"]
    found = metrics(log)
    assert found["score"]["mean"] == 20
    assert found["coverage"]["mean"] == pytest.approx(1 / 3)


def test_nothing_scored_is_no_number(tmp_path: Path, rubric: Rubric) -> None:
    replies = write_jsonl(tmp_path / "replies.jsonl", [{"id": "other", "reply": "x"}])
    found = metrics(run(tmp_path, stories(2), f"polaris_eval/replay/{replies}"))
    assert math.isnan(found["score"]["mean"])
    assert found["coverage"]["mean"] == 0


def test_empty_and_cut_stories_are_flagged(tmp_path: Path) -> None:
    records = stories(2)
    records[0]["story"] = "<think>only a plan"
    log = run(tmp_path, records)
    assert log.samples is not None
    empty = next(sample for sample in log.samples if sample.id == "s0")
    assert (value(empty)["score"], value(empty)["empty"], value(empty)["coverage"]) == (-159, 1, 1)
    assert details(empty)["attempts"] == 0
    assert empty.scores["judged"].reason == "no_response"  # type: ignore[index]
    assert empty.scores["length_adherence"].metadata["reasoning_words"] == 3  # type: ignore[index]


@pytest.mark.slow
def test_repeated_stories_of_a_prompt_are_one_cluster(tmp_path: Path) -> None:
    records = stories(2)
    once = metrics(run(tmp_path, records))["score"]["stderr"]
    copies = [{**r, "id": f"{r['id']}-{i}"} for r in records for i in range(10)]
    assert metrics(run(tmp_path, copies))["score"]["stderr"] == pytest.approx(once, rel=0.01)


def test_a_prompt_without_a_length_has_no_ratio(tmp_path: Path) -> None:
    record = {"id": "a", "prompt": "Write.", "story": PROSE * 9, "model": "m"}
    log = run(tmp_path, [record, {**record, "id": "b", "target_words": 700}])
    assert log.samples is not None
    ratios = {s.id: value(s, "length_adherence")["ratio"] for s in log.samples}
    assert math.isnan(ratios["a"])
    assert ratios["b"] > 0


def plain_inspect(tmp_path: Path, *args: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "inspect_ai", "eval", "polaris_eval/story_quality", "--display", "plain", *args]
    return subprocess.run(
        command, cwd=tmp_path, env=dict(os.environ), capture_output=True, text=True, check=False, timeout=300
    )


@pytest.mark.slow
def test_plain_inspect_eval_works_by_itself(tmp_path: Path) -> None:
    path = write_jsonl(tmp_path / "stories.jsonl", stories(2))
    done = plain_inspect(
        tmp_path, "-T", f"stories={path}", "--model-role", "grader=polaris_eval/lexical", "--model", "none"
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert list((tmp_path / "logs").glob("*.eval"))


def test_plain_inspect_with_a_judge_twice_is_refused_before_anything(tmp_path: Path) -> None:
    path = write_jsonl(tmp_path / "stories.jsonl", stories(2))
    judges = [get_model(PROXY), get_model(PROXY, memoize=False)]
    with pytest.raises(UserError, match="is named twice"):
        inspect_eval(
            "polaris_eval/story_quality", model=None, task_args={"stories": str(path)}, model_roles={"grader": judges},
            log_dir=str(tmp_path / "logs"), display="none",
        )  # fmt: skip
    assert not list(tmp_path.rglob("*.eval"))


@pytest.mark.slow
def test_plain_inspect_eval_without_a_judge_fails_in_one_line(tmp_path: Path) -> None:
    done = plain_inspect(tmp_path, "--model", "polaris_eval/lexical")
    assert done.returncode != 0
    lines = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()]
    assert lines == ["Model role 'grader' is required and was not specified."]
    assert not list(tmp_path.rglob("*.eval"))

"""Logs that were written before judgments, rubrics and benchmarks were kept as they are now are still read."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from conftest import Cli
from inspect_ai.log import read_eval_log

from polaris_eval.harness.judge.judgment import KEY, read_judgment
from polaris_eval.harness.logs.rubrics import rubric_of

BEFORE = Path(__file__).parent / "before_the_move"


def test_the_leaderboard_is_the_same(cli: Cli, tmp_path: Path) -> None:
    expected = json.loads((BEFORE / "expected.json").read_text(encoding="utf-8"))
    done = cli("leaderboard", BEFORE)
    assert done.returncode == 0, done.stderr
    sections = json.loads((tmp_path / "results" / "leaderboard.json").read_text(encoding="utf-8"))["sections"]
    found = {s["benchmark"]: {row["model"]: row["score"]["value"] for row in s["rows"]} for s in sections}
    assert {name: pytest.approx(rows) for name, rows in expected.items()} == found


def test_judgments_and_quotes_are_shown(cli: Cli, tmp_path: Path) -> None:
    done = cli("report", BEFORE)
    assert done.returncode == 0, done.stderr
    pages = list((tmp_path / "report" / "prompts").iterdir())
    assert len(pages) == 2
    assert all("<mark" in page.read_text(encoding="utf-8") for page in pages)
    log = read_eval_log(str(BEFORE / "story_quality-1.eval"))
    sample = (log.samples or [])[0]
    assert KEY not in ((sample.scores or {})["judged"].metadata or {})
    found = read_judgment(rubric_of(log), sample)
    assert found is not None
    assert len(found.marks) == 18


def test_a_run_goes_on_from_them(cli: Cli, tmp_path: Path) -> None:
    done = cli("score", BEFORE, "--judge", "polaris_eval/lexical", "--log-dir", "again")
    assert done.returncode == 0, done.stderr
    assert cli("leaderboard", "again", "--out", "second").returncode == 0
    rows = json.loads((tmp_path / "second" / "leaderboard.json").read_text(encoding="utf-8"))["sections"][0]["rows"]
    # the proxy was fitted anew since
    assert {row["model"]: row["score"]["value"] for row in rows} == {
        "other/writer": pytest.approx(-49.5, abs=4), "some/writer": pytest.approx(-64.0, abs=4)
    }  # fmt: skip

"""Starting points of one's own run at once, offline, with the proxy judge."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import PROXY, Cli, frame, stories, write_jsonl

from polaris_eval.rubrics import load_rubric


def test_a_new_rubric_runs_at_once(cli: Cli, tmp_path: Path) -> None:
    done = cli("new", "rubric", "mine")
    assert done.returncode == 0, done.stderr
    assert "--rubric mine.yaml" in done.stdout
    rubric = load_rubric(str(tmp_path / "mine.yaml"))
    assert (rubric.name, rubric.faultless) == ("mine", 100)
    path = write_jsonl(tmp_path / "s.jsonl", stories(2))
    ran = cli("run", "--stories", path, "--judge", PROXY, "--rubric", "mine.yaml")
    assert ran.returncode == 0, ran.stderr
    assert "My rubric mine" in ran.stdout
    cli("leaderboard", "logs")
    assert frame(tmp_path)["score"].between(0, 100).all()


def test_nothing_is_written_over(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("my work")
    refused = cli("new", "rubric", "mine")
    assert refused.returncode == 2
    assert "mine.yaml exists already" in refused.stderr
    assert (tmp_path / "mine.yaml").read_text() == "my work"
    (tmp_path / "tiny" / "tiny").mkdir(parents=True)
    (tmp_path / "tiny" / "tiny" / "prompts.jsonl").write_text("my work")
    assert cli("new", "benchmark", "tiny").returncode == 2
    assert not (tmp_path / "tiny" / "pyproject.toml").exists()


@pytest.mark.parametrize("name", ["My-Rubric", "../x", "1st", "", "a b", "naïve"])
def test_names_are_plain(cli: Cli, name: str) -> None:
    for kind in ("rubric", "benchmark"):
        refused = cli("new", kind, name)
        assert refused.returncode == 2
        assert "a name has lower-case letters" in refused.stderr

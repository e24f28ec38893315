"""Environment variables are read at the edges only, and what a command sets ends with it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from conftest import PROXY, ROOT, Cli, stories, write_jsonl

from polaris_eval.harness import environment

EDGES = {"harness/environment.py", "trainers/run/processes.py"}


def test_variables_are_read_at_the_edges_only() -> None:
    parts = ("harness", "rubrics", "tasks", "trainers")
    found = {
        path.relative_to(ROOT).as_posix()
        for part in parts
        for path in (ROOT / part).rglob("*.py")
        if "os.environ" in path.read_text(encoding="utf-8") or "getenv" in path.read_text(encoding="utf-8")
    }
    assert found == EDGES


def test_what_holds_for_a_while_ends(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv(environment.DATA, raising=False)
    monkeypatch.setenv(environment.KEPT, "on")
    assert environment.data_dir() is None
    with environment.reading_prompts_from(tmp_path), environment.judging_anew():
        assert environment.data_dir() == tmp_path
        assert not environment.keeps_judgments()
    assert environment.data_dir() is None
    assert environment.keeps_judgments()
    monkeypatch.setenv(environment.DATA, "elsewhere")
    assert environment.data_dir() == Path("elsewhere")


def test_commands_leave_the_environment_as_it_was(cli: Cli, tmp_path: Path) -> None:
    path = write_jsonl(tmp_path / "s.jsonl", stories(1))
    before = dict(os.environ)
    assert cli("judge-check", path, "--judge", PROXY, "--limit", 1, "--repeats", 2).returncode == 0
    assert cli("plan", "--stories", path, "--judge", PROXY, "--data-dir", tmp_path).returncode == 0
    assert dict(os.environ) == before
    assert environment.data_dir() is None

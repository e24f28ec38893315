"""Without a GPU: every run of `runs.py` passes the checks of a dry run, and the random model loads."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="needs the extra train")

from click.testing import CliRunner
from runs import RUNS
from shapes import long_pairs, save_qwen
from transformers import AutoModelForImageTextToText

from polaris_eval.trainers.cli import main

pytestmark = pytest.mark.model


@pytest.fixture(scope="module")
def qwen(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_qwen(tmp_path_factory.mktemp("qwen") / "model", tiny=True)


@pytest.mark.parametrize("name", RUNS)
def test_a_run_passes_its_checks(name: str, tmp_path: Path, qwen: Path) -> None:
    paths = {"model": qwen, "pairs": long_pairs(tmp_path / "pairs.jsonl")}
    filled = [part.format(**paths) if part.startswith(("model=", "data.train=")) else part for part in RUNS[name]]
    done = CliRunner().invoke(main, [*filled, "--run-dir", str(tmp_path / "run"), "--dry-run"])
    assert done.exit_code == 0, done.output
    assert "memory" in done.output


def test_the_random_model_is_whole(qwen: Path) -> None:
    assert json.loads((qwen / "config.json").read_text(encoding="utf-8"))["model_type"] == "qwen3_5"
    assert AutoModelForImageTextToText.from_pretrained(qwen).num_parameters() > 1e6

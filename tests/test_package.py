"""The wheel, in an environment that holds nothing else, judges a story."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from conftest import KEYS, ROOT, stories, write_jsonl

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("package")]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    source = tmp_path_factory.mktemp("source") / "checkout"
    tracked = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    for name in tracked.stdout.splitlines():
        if (ROOT / name).is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_bytes((ROOT / name).read_bytes())
    out = tmp_path_factory.mktemp("wheel")
    subprocess.run([sys.executable, "-P", "-m", "build", "--wheel", "--outdir", str(out), str(source)], check=True)
    return next(out.glob("*.whl"))


def test_the_wheel_holds_the_data_and_nothing_of_the_tests(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    for needed in (
        "rubrics/story_quality.yaml",
        "tasks/mini.yaml",
        "harness/prices.yaml",
        "harness/models/lexical.yaml",
        "harness/models/calibration.yaml",
        "results/published.csv",
        "harness/polaris.mplstyle",
        "harness/judge_check.yaml",
        "trainers/recipes/smoke.yaml",
        "trainers/accelerate/fsdp.yaml",
        "trainers/smoke.jsonl",
        "trainers/data/lists.yaml",
        "tasks/back_translation.yaml",
        "tasks/lm_eval/polaris.yaml",
        "tasks/lm_eval/utils.py",
        *(
            f"harness/pages/{name}"
            for name in ("base.html", "index.html", "model.html", "prompt.html", "page.css", "page.js")
        ),
        *(f"{part}/py.typed" for part in ("harness", "harness/models", "results", "rubrics", "tasks", "trainers")),
    ):
        assert f"polaris_eval/{needed}" in names
    assert not any("tests" in name for name in names)


def test_a_judged_run_from_the_wheel(wheel: Path, tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", str(tmp_path / "env")], check=True)
    python = tmp_path / "env" / "bin" / "python"
    subprocess.run([python, "-m", "pip", "install", "-q", str(wheel)], check=True)
    missing = subprocess.run([python, "-c", "import torch"], capture_output=True, check=False)
    assert missing.returncode != 0, "the base install must stay light"
    path = write_jsonl(tmp_path / "s.jsonl", stories(2))
    env = {k: v for k, v in os.environ.items() if k not in (*KEYS, "PYTHONPATH")}
    command = [tmp_path / "env" / "bin" / "polaris-eval", "run", "--stories", path, "--judge", "polaris_eval/lexical"]
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    board = [tmp_path / "env" / "bin" / "polaris-eval", "leaderboard", "logs", "--with-published"]
    assert subprocess.run(board, cwd=tmp_path, env=env, capture_output=True, check=False).returncode == 0
    found = json.loads((tmp_path / "results" / "leaderboard.json").read_text())
    assert found[0]["rows"][0]["coverage"] == 1
    without = [
        tmp_path / "env" / "bin" / "polaris-eval",
        "run",
        "--model",
        "polaris_eval/local",
        "--judge",
        "polaris_eval/lexical",
    ]
    told = subprocess.run(without, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
    assert told.returncode == 2
    assert 'pip install "polaris-eval[local]"' in told.stderr

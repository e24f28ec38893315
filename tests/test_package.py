"""The wheel, in an environment that holds nothing else, judges a story, and takes in a benchmark of another package."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import KEYS, PROSE, PROXY, ROOT, stories, write_jsonl

from polaris_eval.harness.logs.stories import prompt_id

PARTS = ("harness", "results", "rubrics", "tasks", "trainers")
Run = Callable[..., subprocess.CompletedProcess[str]]
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


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Run a program of the fresh environment that the wheel is installed into, in a folder, without any key."""
    place = tmp_path_factory.mktemp("fresh") / "env"
    subprocess.run([sys.executable, "-m", "venv", str(place)], check=True)
    subprocess.run([place / "bin" / "python", "-m", "pip", "install", "-q", f"{wheel}[report]"], check=True)
    env = {k: v for k, v in os.environ.items() if k not in (*KEYS, "PYTHONPATH")}

    def run(folder: Path, program: str, *args: object) -> subprocess.CompletedProcess[str]:
        command = [str(place / "bin" / program), *map(str, args)]
        return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)

    return run


def test_the_wheel_holds_the_data_and_nothing_of_the_tests(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    data = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True,
                          check=True).stdout.splitlines()  # fmt: skip
    kept = [name for name in data if name.split("/")[0] in PARTS and not name.endswith((".md", ".json", ".png"))]
    kept = [name for name in kept if not name.startswith("results/eqbench_creative/")]  # to be read, not used
    missing = {name for name in kept if (ROOT / name).is_file() and f"polaris_eval/{name}" not in names}
    assert missing == set()
    assert not any("tests" in name for name in names)


def test_a_judged_run_from_the_wheel(installed: Run, tmp_path: Path) -> None:
    missing = installed(tmp_path, "python", "-c", "import torch")
    assert missing.returncode != 0, "the base install must stay light"
    path = write_jsonl(tmp_path / "s.jsonl", stories(2))
    done = installed(tmp_path, "polaris-eval", "run", "--stories", path, "--judge", PROXY)
    assert done.returncode == 0, done.stdout + done.stderr
    assert installed(tmp_path, "polaris-eval", "leaderboard", "logs", "--with-published").returncode == 0
    found = json.loads((tmp_path / "results" / "leaderboard.json").read_text())["sections"]
    assert found[0]["rows"][0]["coverage"] == 1
    told = installed(tmp_path, "polaris-eval", "run", "--model", "polaris_eval/local", "--judge", PROXY)
    assert told.returncode == 2
    assert 'pip install "polaris-eval[local] @ file://' in told.stderr


def test_a_benchmark_of_another_package(installed: Run, tmp_path: Path) -> None:
    """As `new benchmark` writes it, installed: run, planned, looked for, listed, in the table and in the report."""
    assert installed(tmp_path, "polaris-eval", "new", "benchmark", "tiny").returncode == 0
    local = ["install", "-q", "--no-deps", "--no-build-isolation", "./tiny"]
    assert installed(tmp_path, "python", "-m", "pip", "install", "-q", "setuptools>=77").returncode == 0
    done = installed(tmp_path, "python", "-m", "pip", *local)
    assert done.returncode == 0, done.stderr
    shutil.rmtree(tmp_path / "tiny")
    shown = installed(tmp_path, "polaris-eval", "prompts", "show", "tiny")
    prompts = [json.loads(line) for line in shown.stdout.splitlines()]
    assert [prompt["id"] for prompt in prompts] == ["lighthouse", "night-bus"]
    records = [
        {"id": p["id"], "prompt": p["prompt"], "story": PROSE * (4 + n), "model": m, "benchmark": "tiny"}
        for m in ("one", "two") for n, p in enumerate(prompts)
    ]  # fmt: skip
    write_jsonl(tmp_path / "s.jsonl", [*records, *stories(1)])
    few = installed(tmp_path, "polaris-eval", "plan", "--model", "openai/gpt-5.4-mini", "--benchmark", "tiny", "--json")
    assert [(row["benchmark"], row["calls"]) for row in json.loads(few.stdout)["rows"]] == [("tiny", 2), ("tiny", 2)]
    assert "prompts of tiny" in installed(tmp_path, "polaris-eval", "doctor").stdout
    ran = installed(tmp_path, "polaris-eval", "run", "--stories", "s.jsonl", "--judge", f"tiny={PROXY}",
                    "--judge", PROXY)  # fmt: skip
    assert ran.returncode == 0, ran.stdout + ran.stderr
    board = installed(tmp_path, "polaris-eval", "leaderboard", "logs", "--sort", "tiny")
    assert board.returncode == 0, board.stderr
    sections = json.loads((tmp_path / "results" / "leaderboard.json").read_text())["sections"]
    assert [(s["benchmark"], s["title"]) for s in sections] == [
        ("tiny", "My benchmark tiny"), ("story_quality", "Story Quality"),
    ]  # fmt: skip
    assert {row["model"]: row["coverage"] for row in sections[0]["rows"]} == {"one": 1, "two": 1}
    assert installed(tmp_path, "polaris-eval", "report", "logs").returncode == 0
    assert "My benchmark tiny" in (tmp_path / "report" / "index.html").read_text()
    assert (tmp_path / "report" / "prompts" / f"tiny-{prompt_id(prompts[0]['prompt'])}.html").is_file()
    args = ["-T", "stories=s.jsonl", "-T", "own=true", "-T", "writer=one", "--model-role", f"grader={PROXY}"]
    plain = installed(tmp_path, "inspect", "eval", "polaris_eval/tiny", *args, "--log-dir", "plain")
    assert plain.returncode == 0, plain.stdout + plain.stderr

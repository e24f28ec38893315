"""The house: floors that hold, folders that a newcomer can read, packages that are all declared."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from conftest import ROOT

PARTS = ("harness", "results", "rubrics", "tasks", "trainers")
FOLDERS = sorted(
    {path.parent for part in PARTS for path in (ROOT / part).rglob("*.py") if "templates" not in str(path)}
)


def declared() -> dict[str, object]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]  # type: ignore[no-any-return]


def lint(cwd: Path, **env: str) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).parent / "lint-imports"), "--no-cache"]
    return subprocess.run(command, cwd=cwd, env={**os.environ, **env}, capture_output=True, text=True, check=False)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the packages, as Python finds them without an installation."""
    for part in PARTS:
        shutil.copytree(ROOT / part, tmp_path / "polaris_eval" / part, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


@pytest.mark.slow
def test_the_contracts_hold() -> None:
    done = lint(ROOT)
    assert done.returncode == 0, done.stdout
    assert " 0 broken" in done.stdout


@pytest.mark.slow
@pytest.mark.parametrize(
    ("module", "line", "contract"),
    [
        ("rubrics/replies.py", "from ..harness.words import count_words", "The house"),
        ("harness/words.py", "from .judge.call import judge", "Floors of the harness"),
        ("harness/logs/headers.py", "from ..run.run import run", "Floors of the harness"),
        ("harness/arena/rows.py", "from .standings import Standings", "No circles"),
        ("harness/stats/compare.py", "def f() -> None:\n    from ..show.grid import Grid", "Floors of the harness"),
        ("harness/report/report.py", "import click", "Commands live in cli/ alone"),
        ("trainers/recipe.py", "from .run.train import train", "Floors of the trainers"),
    ],
)
def test_a_forbidden_import_is_found(copy: Path, module: str, line: str, contract: str) -> None:
    path = copy / "polaris_eval" / module
    path.write_text(path.read_text(encoding="utf-8") + f"\n\n{line}\n", encoding="utf-8")
    done = lint(copy, PYTHONPATH=str(copy))
    assert done.returncode == 1, done.stdout
    broken = [row for row in done.stdout.splitlines() if row.endswith("BROKEN")]
    assert any(row.startswith(contract) for row in broken), done.stdout


@pytest.mark.slow
def test_a_module_without_a_floor_is_found(copy: Path) -> None:
    (copy / "polaris_eval" / "harness" / "stray.py").write_text("", encoding="utf-8")
    done = lint(copy, PYTHONPATH=str(copy))
    assert done.returncode == 1
    assert "stray" in done.stdout


def test_names_that_others_import_stay() -> None:
    """What the README, notebooks and other packages name, however the house is rebuilt inside."""
    from polaris_eval.harness.judge import judge
    from polaris_eval.harness.length import length_penalty
    from polaris_eval.harness.repetition import repetition_penalty
    from polaris_eval.harness.scorers import judged
    from polaris_eval.harness.words import count_words
    from polaris_eval.rubrics import load_rubric

    assert load_rubric("story_quality").faultless == 100
    assert count_words("The ferry waited.") == 3
    assert length_penalty(100, 100) == repetition_penalty("The ferry waited.") == 0
    assert callable(judge)
    assert callable(judged)


def test_every_package_is_declared() -> None:
    there = {f"polaris_eval.{folder.relative_to(ROOT).as_posix().replace('/', '.')}" for folder in FOLDERS}
    assert set(declared()["setuptools"]["packages"]) == there  # type: ignore[index]


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.relative_to(ROOT).as_posix())
def test_a_folder_is_small_and_says_what_it_is_for(folder: Path) -> None:
    modules = [path for path in folder.glob("*.py") if path.name not in ("__init__.py", "__main__.py")]
    assert len(modules) <= 12
    for module in modules:
        assert len(module.read_text(encoding="utf-8").splitlines()) <= 300, module
    text = (folder / "README.md").read_text(encoding="utf-8")
    for module in modules:
        assert f"`{module.name}`" in text, f"{module.name} is not in {folder.name}/README.md"
    assert len(text.splitlines()) <= 60

"""The extras resolve against the index, on the oldest and newest Python, with the newest and oldest releases."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT

pytestmark = pytest.mark.slow

PYTHONS = ["3.11", "3.13"]  # the oldest and the newest
TOGETHER = ["vllm", "train,vllm", "train,data,lm-eval,report,local,dev"]
ALONE = ["local", "train", "data", "report", "lm-eval", "dev"]
UV = Path(sys.executable).parent / "uv"


def compiled(asked: list[str], python: str, out: Path, text: str | None = None) -> subprocess.CompletedProcess[str]:
    where = ["--python-version", python, "--python-platform", "x86_64-manylinux_2_28", "-o", str(out)]
    command = [str(UV), "pip", "compile", "-q", *asked, *where]
    return subprocess.run(command, cwd=ROOT, input=text, capture_output=True, text=True, check=False, timeout=300)


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> None:
    """An index at hand that has what our own requirements are tried on."""
    if not UV.exists():
        pytest.skip("uv is not installed here; it comes with the extra dev")
    done = compiled(["-"], "3.12", tmp_path_factory.mktemp("index") / "found.txt", "vllm\ntrl\ntransformers\nlm-eval\n")
    if done.returncode != 0:
        pytest.skip("no index can be reached that has vllm, trl, transformers and lm-eval")


@pytest.mark.usefixtures("index")
@pytest.mark.parametrize("resolution", ["highest", "lowest-direct"])
@pytest.mark.parametrize(
    ("python", "extras"),
    [(python, extras) for python in PYTHONS for extras in TOGETHER],
)
def test_extras_resolve(tmp_path: Path, python: str, extras: str, resolution: str) -> None:
    resolves(tmp_path, python, extras, resolution)


@pytest.mark.usefixtures("index")
@pytest.mark.parametrize("extra", ALONE)
def test_an_extra_resolves_alone(tmp_path: Path, extra: str) -> None:
    """With its lowest releases; with any, it does if all together do, since they ask for more."""
    resolves(tmp_path, PYTHONS[-1], extra, "lowest-direct")


def resolves(tmp_path: Path, python: str, extras: str, resolution: str) -> None:
    asked = [part for extra in extras.split(",") for part in ("--extra", extra)]
    done = compiled(["pyproject.toml", *asked, "--resolution", resolution], python, tmp_path / "found.txt")
    assert done.returncode == 0, done.stderr[-2000:]
    assert "inspect-ai==" in (tmp_path / "found.txt").read_text(encoding="utf-8")

"""The extras resolve against the index, on every Python that is supported, newest and oldest."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT

pytestmark = pytest.mark.slow

PYTHONS = ["3.11", "3.12", "3.13"]
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


# each extra alone with the lowest releases; with any, it resolves if all together do, since they ask for more
CASES = [
    *((python, extras, how) for python in PYTHONS for extras in TOGETHER for how in ("highest", "lowest-direct")),
    *((PYTHONS[0], extra, "lowest-direct") for extra in ALONE),
]


@pytest.mark.usefixtures("index")
@pytest.mark.parametrize(("python", "extras", "resolution"), CASES)
def test_extras_resolve(tmp_path: Path, python: str, extras: str, resolution: str) -> None:
    asked = [part for extra in extras.split(",") for part in ("--extra", extra)]
    done = compiled(["pyproject.toml", *asked, "--resolution", resolution], python, tmp_path / "found.txt")
    assert done.returncode == 0, done.stderr[-2000:]
    assert "inspect-ai==" in (tmp_path / "found.txt").read_text(encoding="utf-8")

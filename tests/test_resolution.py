"""The extras resolve against the index, on every Python that is supported, newest and oldest."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from conftest import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("resolution")]

PYTHONS = ["3.11", "3.12", "3.13"]
TOGETHER = ["vllm", "train,vllm", "train,data,lm-eval,report,local,dev"]
ALONE = ["local", "train", "data", "report", "lm-eval", "dev"]
UV = Path(sys.executable).parent / "uv"


def compiled(asked: list[str], python: str, out: Path, text: str | None = None) -> subprocess.CompletedProcess[str]:
    where = ["--python-version", python, "--python-platform", "x86_64-manylinux_2_28", "-o", str(out)]
    command = [str(UV), "pip", "compile", "-q", *asked, *where]
    return subprocess.run(command, cwd=ROOT, input=text, capture_output=True, text=True, check=False, timeout=300)


# each extra alone with the lowest releases; with any, it resolves if all together do, since they ask for more
CASES = [
    *((python, extras, "highest") for python in PYTHONS for extras in TOGETHER),
    *((python, extras, "lowest-direct") for python in (PYTHONS[0], PYTHONS[-1]) for extras in TOGETHER),
    *((PYTHONS[0], extra, "lowest-direct") for extra in ALONE),
]


@pytest.fixture(scope="module")
def resolved(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str, str], tuple[str, str]]:
    """Every case's requirements and what went wrong, resolved side by side, since they mostly wait for the index."""
    folder = tmp_path_factory.mktemp("resolved")
    if not UV.exists():
        pytest.skip("uv is not installed here; it comes with the extra dev")
    done = compiled(["-"], "3.12", folder / "index.txt", "vllm\ntrl\ntransformers\nlm-eval\n")
    if done.returncode != 0:
        pytest.skip("no index can be reached that has vllm, trl, transformers and lm-eval")

    def resolve(case: tuple[str, str, str]) -> tuple[str, str]:
        python, extras, how = case
        asked = [part for extra in extras.split(",") for part in ("--extra", extra)]
        out = folder / f"{'-'.join(case)}.txt"
        done = compiled(["pyproject.toml", *asked, "--resolution", how], python, out)
        return (out.read_text(encoding="utf-8") if done.returncode == 0 else ""), done.stderr[-2000:]

    with ThreadPoolExecutor(12) as pool:
        return dict(zip(CASES, pool.map(resolve, CASES), strict=True))


@pytest.mark.parametrize("case", CASES, ids=lambda case: "-".join(case))
def test_extras_resolve(case: tuple[str, str, str], resolved: dict[tuple[str, str, str], tuple[str, str]]) -> None:
    found, wrong = resolved[case]
    assert "inspect-ai==" in found, wrong

"""A short run of the fuzzer, and what it has found before."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("atheris", reason="the fuzzer has no wheel for this system or Python")

HERE = Path(__file__).parent
NAMES = ("replies", "reasoning", "lengths", "quotes", "records", "exports")


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_no_input_breaks_a_reader(tmp_path: Path, name: str) -> None:
    command = [sys.executable, str(HERE / "fuzz.py"), name, "6"]
    done = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=200, errors="replace"
    )
    left = [path.read_bytes()[:500] for path in tmp_path.glob("*-*")]
    assert done.returncode == 0, (left, done.stdout[-1500:], done.stderr[-3000:])
    tried = re.search(r"number_of_executed_units: (\d+)", done.stderr)
    assert tried is not None
    assert int(tried[1]) > 200


def test_what_was_found_stays_mended() -> None:
    """In one process of its own, since importing the fuzzer changes how modules are loaded."""
    code = (
        f"import sys; sys.path.insert(0, {str(HERE)!r}); import fuzz\n"
        "for path in sorted(fuzz.FOUND.iterdir()):\n"
        "    fuzz.TARGETS[path.name.partition('-')[0]](path.read_bytes().decode('utf-8', errors='replace'))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=200)
    assert done.returncode == 0, done.stderr[-3000:]

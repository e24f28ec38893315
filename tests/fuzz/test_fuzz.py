"""A short run of the fuzzer, and what it has found before."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("atheris", reason="the fuzzer has no wheel for this system or Python")

HERE = Path(__file__).parent


@pytest.mark.slow
def test_no_input_breaks_a_reader(tmp_path: Path) -> None:
    command = [sys.executable, str(HERE / "fuzz.py"), "all", "4"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, check=False, timeout=300)
    told = done.stderr.decode(errors="replace")
    left = [path.read_bytes()[:500] for path in tmp_path.glob("*-*")]
    assert done.returncode == 0, (left, told[-3000:])
    tried = [int(count) for count in re.findall(r"number_of_executed_units: (\d+)", told)]
    assert len(tried) == 6
    assert min(tried) > 100


def test_what_was_found_stays_mended() -> None:
    """In one process of its own, since importing the fuzzer changes how modules are loaded."""
    code = (
        f"import sys; sys.path.insert(0, {str(HERE)!r}); import fuzz\n"
        "for path in sorted(fuzz.FOUND.iterdir()):\n"
        "    fuzz.TARGETS[path.name.partition('-')[0]](path.read_bytes().decode('utf-8', errors='replace'))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=200)
    assert done.returncode == 0, done.stderr[-3000:]

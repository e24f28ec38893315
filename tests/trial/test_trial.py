"""A minute of the trial: the same troubles, on less work."""

from __future__ import annotations

import random
import signal
import sys
from pathlib import Path

import pytest
from conftest import Cli, stories, write_jsonl

if sys.platform == "win32":
    pytest.skip("stops commands with POSIX signals, which Windows does not have", allow_module_level=True)
sys.path.insert(0, str(Path(__file__).parent))

import troubles
from subjects import subjects
from trial import table
from world import Row, heed_ctrl_c, undisturbed

pytestmark = pytest.mark.slow


def clean(*rows: Row) -> None:
    """Fail with the table if any cell of it is neither 0 nor "same"."""
    assert all(row.clean for row in rows), f"{table(list(rows))}\n{[row.notes for row in rows]}"


@pytest.mark.parametrize("name", ["run", "arena", "judge-check", "report"])
def test_a_minute_of_trouble(name: str, tmp_path: Path, cli: Cli) -> None:
    heed_ctrl_c()
    if name == "report":
        path = write_jsonl(tmp_path / "s.jsonl", stories(3))
        assert cli("run", "--stories", path, "--judge", "polaris_eval/lexical").returncode == 0
    lots = random.Random(name)
    subject = subjects(2, tmp_path / "logs")[name]
    disks = troubles.can_mount(tmp_path)
    if name == "report" and not disks:
        pytest.skip("no small disk can be made here: mounting one is not permitted")
    usual, rows = undisturbed(subject, tmp_path), []
    if name in ("run", "arena"):
        rows.append(troubles.kills(subject, usual, tmp_path, 1, lots))
    if name in ("run", "judge-check"):
        how = signal.SIGINT if name == "run" else signal.SIGTERM
        rows.append(troubles.stops(subject, usual, tmp_path, how, lots, times=1))
    if name in ("run", "report") and disks:
        rows.append(troubles.full_disk(subject, usual, tmp_path, 0.6))
    clean(*rows)

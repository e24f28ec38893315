"""A command in a folder of its own with a server of its own: started, stopped, continued, and compared."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path

from subjects import Result, Subject, lost_and_invented
from unreliable import Unreliable

TRACEBACK = "Traceback (most recent call last)"
LONGEST = 600  # seconds for one process


@dataclass(frozen=True)
class Usual:
    """What the command does when nothing disturbs it."""

    seconds: float
    result: Result
    paid: Counter[str]
    size: int


@dataclass
class Row:
    """One row of the trial's table: how often something was done, and what went wrong (nothing should)."""

    subject: str
    trouble: str
    times: int = 0
    differs: int = 0
    paid_again: int = 0
    lost: int = 0
    invented: int = 0
    tracebacks: int = 0
    untold: int = 0
    notes: list[str] = field(default_factory=list)

    @property
    def clean(self) -> bool:
        """Whether nothing went wrong."""
        wrong = self.differs, self.paid_again, self.lost, self.invented, self.tracebacks, self.untold
        return self.times > 0 and not any(wrong)


class World:
    """One run of a subject, from an empty folder to its final result."""

    def __init__(self, subject: Subject, base: Path, server: Unreliable, row: Row, cache: Path | None) -> None:
        self.subject, self.base, self.server, self.row = subject, base, server, row
        self.work = base / "work"
        self.cache = cache or self.work / "cache"
        self._outputs: list[Path] = []
        self.env = {
            **os.environ, "LAB_API_KEY": "none", "LAB_BASE_URL": server.url, "POLARIS_CACHE": str(self.cache),
            "OMP_NUM_THREADS": "1", "COLUMNS": "120",
        }  # fmt: skip
        self.env.pop("POLARIS_JUDGE_CACHE", None)

    def start(self, background: bool = False) -> subprocess.Popen[bytes]:
        """Start the command, like a shell's background job if told so; its output goes to a file outside its folder."""
        ignoring = ["sh", "-c", 'trap "" INT; exec "$@"', "sh"] if background else []
        command = [*ignoring, sys.executable, "-P", "-m", self.subject.module, *self.subject.args]
        output = self.base / f"output-{len(self._outputs)}.txt"
        self._outputs.append(output)
        with output.open("wb") as file:
            return subprocess.Popen(
                command, cwd=self.work, env=self.env, stdout=file, stderr=file, start_new_session=True
            )

    def stop(self, process: subprocess.Popen[bytes], how: signal.Signals) -> None:
        """Send a signal to the process and its children, and wait for its end."""
        self.server.interrupted()
        os.killpg(process.pid, how)
        end(process)
        self.server.interrupted()

    def finish(self) -> int:
        """Run the command to its end, at most three times while it says that some judgments have no score.

        Returns:
            The exit code.
        """
        code = 1
        for _ in range(3):
            code = end(self.start())
            if code != 1:
                break
        return code

    def last_output(self) -> str:
        """What the last process printed."""
        return self._outputs[-1].read_text(encoding="utf-8", errors="replace")

    def check(self, usual: Usual, final: bool = False, paid: bool = True) -> None:
        """Compare what is there with what there should be, and count into the row what is wrong.

        Args:
            usual: what there should be.
            final: whether the command has ended, so that nothing may be missing.
            paid: whether calls beyond the usual ones are wrong.
        """
        found = self.subject.result(self.work)
        lost, invented = lost_and_invented(found, usual.result)
        if invented and self.subject.calls:
            self.row.invented += invented
        if not final:
            return
        self.row.lost += lost
        if found != usual.result:
            self.row.differs += 1
            self.row.notes.append(f"{self.base}: {_difference(found, usual.result)}")
        if paid and (again := self.server.paid_again(usual.paid)):
            self.row.paid_again += again
            self.row.notes.append(f"{self.base}: {again} paid again")
        for output in self._outputs:
            text = output.read_text(encoding="utf-8", errors="replace")
            if TRACEBACK in text:
                self.row.tracebacks += 1
                self.row.notes.append(f"{output}: a traceback")

    def untold(self, why: str) -> None:
        """Note that the last process did not say in a line what it should have said."""
        self.row.untold += 1
        self.row.notes.append(f"{self._outputs[-1]}: {why}")


@contextmanager
def world(
    subject: Subject, base: Path, row: Row, server: Unreliable | None = None, cache: Path | None = None
) -> Iterator[World]:
    """A new world in a new folder below `base`, with a server and a cache of its own if none are given."""
    base = Path(tempfile.mkdtemp(prefix=f"{subject.name.replace(' ', '-')}-", dir=base))
    (base / "work").mkdir()
    own = Unreliable()
    with nullcontext() if server else own.serving():
        made = World(subject, base, server or own, row, cache)
        subject.prepare(made.work)
        yield made


def undisturbed(subject: Subject, base: Path) -> Usual:
    """Run a subject without trouble. Raises RuntimeError if even that fails."""
    with world(subject, base, Row(subject.name, "nothing")) as one:
        started = time.monotonic()
        if one.finish() or not (result := subject.result(one.work)):
            raise RuntimeError(f"{subject.name} does not even work undisturbed:\n{one.last_output()}")
        size = sum(path.stat().st_size for path in one.work.rglob("*") if path.is_file() and not path.is_symlink())
        return Usual(time.monotonic() - started, result, one.server.paid(), size)


def heed_ctrl_c() -> None:
    """Have the commands heed Ctrl-C: what a shell starts in the background, and what that starts, ignore it."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def end(process: subprocess.Popen[bytes], limit: float = LONGEST) -> int:
    """Wait for a process; one that hangs is killed, and its exit code is then -9."""
    try:
        return process.wait(limit)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        return process.wait()


def _difference(found: Result, expected: Result) -> str:
    other = [name for name in found.keys() | expected.keys() if found.get(name) != expected.get(name)]
    name = min(other)
    return f"{len(other)} differ, such as {name}: {found.get(name)} where {expected.get(name)} is expected"

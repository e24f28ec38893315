"""What is done to the commands: kills, signals, full disks, a second process, and stores in a bad state."""

from __future__ import annotations

import fcntl
import random
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from subjects import Subject
from unreliable import Unreliable
from world import Row, Usual, World, end, world

MEGABYTE = 2**20
SOON = 60  # seconds to stop in: a trainer first ends its batch


def kills(subject: Subject, usual: Usual, base: Path, times: int, lots: random.Random) -> Row:
    """Kill at random moments, as with kill -9, continuing each time with the same command, until it ends."""
    row = Row(subject.name, "kill -9")
    while row.times < times:
        with world(subject, base, row) as one:
            while row.times < times:
                process = one.start()
                if not _still_running(process, usual.seconds * lots.uniform(0.15, 1)):
                    break
                one.stop(process, signal.SIGKILL)
                row.times += 1
                one.check(usual)
            _ends(one, usual)
    return row


def stops(subject: Subject, usual: Usual, base: Path, how: signal.Signals, lots: random.Random, times: int = 2) -> Row:
    """Stop with a signal that can be answered: in a line, with exit code 1, and soon. SIGTERM is sent to what ignores
    Ctrl-C, as a shell's background jobs do."""
    row = Row(subject.name, "Ctrl-C" if how == signal.SIGINT else how.name)
    while row.times < times:
        with world(subject, base, row) as one:
            process = one.start(background=how == signal.SIGTERM)
            if _still_running(process, usual.seconds * lots.uniform(0.1, 1)):
                started = time.monotonic()
                one.stop(process, how)
                if time.monotonic() - started > SOON:
                    one.untold(f"it took {time.monotonic() - started:.0f} s to stop")
                row.times += 1
                said = one.last_output().strip().splitlines()[-1:]
                told = process.returncode == 1 and said and "same command" in said[0]
                if not told and subject.result(one.work) != usual.result:  # else it came when all was done
                    one.untold(f"exit code {process.returncode}, and {said}")
            _ends(one, usual)
    return row


def full_disk(subject: Subject, usual: Usual, base: Path, share: float) -> Row:
    """Run on a disk that has room for a share of what is written, then give it room, and run again."""
    row = Row(subject.name, f"disk full at {share:.0%} of what is written")
    with world(subject, base, row) as one, disk(one.work, int(usual.size * share)) as grow:
        subject.prepare(one.work)
        code = end(one.start())
        one.server.full()
        row.times += 1
        said = " ".join(one.last_output().strip().splitlines()[-2:])
        if code == 0 or not any(word in said for word in ("No space left", "disk is full", "make room")):
            one.untold(f"exit code {code}, and {said}")
        one.check(usual)
        grow()
        _ends(one, usual)
    return row


def two_at_once(subject: Subject, usual: Usual, base: Path) -> Row:
    """Start the command again while it runs: the second refuses in one line, or waits, or writes the same."""
    row = Row(subject.name, "two at once")
    with world(subject, base, row) as one:
        first = one.start()
        while subject.logs and first.poll() is None and not (one.work / subject.logs / ".polaris-eval.lock").exists():
            time.sleep(0.02)
        code = end(one.start())
        row.times += 1
        told = [line for line in one.last_output().splitlines() if line.strip()][-1:]
        if subject.logs and (code != 2 or not told or "is in use by process" not in told[0]):
            one.untold(f"exit code {code}, and {told}")
        if end(first):
            one.untold(f"the first ended with {first.returncode}")
        _ends(one, usual)
    return row


def stores(subject: Subject, usual: Usual, base: Path, disks: bool) -> list[Row]:
    """Eight processes on one store of judgments, and then a store that is locked, corrupt, full or read-only.

    The store is plain files, so there is no write-ahead log that a disk might not support.
    """
    cache, server, rows = base / "cache", Unreliable(), []
    store = cache / "judgments"

    def begin(state: str) -> Row:
        rows.append(Row(subject.name, f"judgments in a store: {state}", times=1))
        return rows[-1]

    def again(state: str, kept: bool) -> None:
        """Judge once more in a new folder; if the judgments are kept in the store, no call is due."""
        row, before = begin(state), server.asked_though_kept()
        with world(subject, base, row, server, cache) as one:
            _ends(one, usual, paid=False)
        row.paid_again = server.asked_though_kept() - before if kept else 0

    with server.serving():
        row = begin("eight processes at once")
        row.times = 8
        with ExitStack() as stack:
            worlds = [stack.enter_context(world(subject, base, row, server, cache)) for _ in range(8)]
            processes = []
            for one in worlds:  # apart enough that the later ones can find what the first one kept
                processes.append(one.start())
                time.sleep(1)
            for one, process in zip(worlds, processes, strict=True):
                if code := end(process):
                    one.untold(f"ended with {code}")
                one.check(usual, final=True, paid=False)
        row.paid_again = server.asked_though_kept()
        again("after them", kept=True)
        with _locks(store):
            again("locked", kept=True)
        for path in filter(Path.is_file, store.rglob("*")):
            path.write_bytes(path.read_bytes()[:40] + b"\xff\0{")
        again("corrupt", kept=False)
        again("mended", kept=True)
        if not disks:
            return rows
        with disk(store, 8192):
            again("full", kept=False)
        with disk(store, MEGABYTE), world(subject, base, begin("read-only"), server, cache) as one:
            subprocess.run(["mount", "-o", "remount,ro", str(store)], check=True)
            code, told = end(one.start()), one.last_output().strip().splitlines()
            if code != 2 or len(told) != 1 or "cannot be kept there" not in told[0]:
                one.untold(f"exit code {code}, and {told[-1:]}")
    return rows


def can_mount(base: Path) -> bool:
    """Whether small disks can be made here, which is permitted to root only."""
    with suppress(subprocess.CalledProcessError, OSError), disk(base, MEGABYTE):
        return True
    return False


def _ends(one: World, usual: Usual, paid: bool = True) -> None:
    """Run the command to its end, and compare."""
    if code := one.finish():
        one.untold(f"ended with {code}")
    one.check(usual, final=True, paid=paid)


def _still_running(process: subprocess.Popen[bytes], seconds: float) -> bool:
    """Wait; whether the process has not ended by then."""
    with suppress(subprocess.TimeoutExpired):
        process.wait(seconds)
    return process.poll() is None


@contextmanager
def disk(place: Path, size: int) -> Iterator[Callable[[], object]]:
    """A disk of so many bytes in the place of a folder; call what is yielded to give it room."""
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(place)]
    subprocess.run(mount, check=True, capture_output=True)
    try:
        yield lambda: subprocess.run(["mount", "-o", "remount,size=2g", str(place)], check=True)
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


@contextmanager
def _locks(folder: Path) -> Iterator[None]:
    """Hold every file of a folder locked."""
    held = [path.open("rb") for path in folder.rglob("*") if path.is_file()]
    try:
        for file in held:
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
    finally:
        for file in held:
            file.close()

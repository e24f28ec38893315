"""A standing trial: commands are killed, stopped, run out of disk, and run twice at once, with a judge that fails.

Run: python tests/trial/trial.py FOLDER [SEED] (some 20 minutes on two cores, on Linux; small disks need root). Prints
one table, in which every cell must be 0 or "same", and writes it into FOLDER. Exit code 1: some cell is not.
"""

from __future__ import annotations

import random
import signal
import sys
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import scale
import troubles
from rich.console import Console
from subjects import Subject, subjects, training
from world import Row, Usual, heed_ctrl_c, undisturbed

from polaris_eval.harness.show.files import write_json
from polaris_eval.harness.show.grid import Grid, grid, numbers, texts
from polaris_eval.harness.show.numbers import number
from polaris_eval.harness.show.render import console, markdown_page, print_grids

Job = Callable[[], Row | list[Row]]
KILLS = 20


def jobs(subject: Subject, usual: Usual, base: Path, lots: random.Random, count: int, disks: bool) -> Iterable[Job]:
    """Everything that is done to one command."""
    kill, stop = random.Random(lots.random()), random.Random(lots.random())
    yield lambda: troubles.kills(subject, usual, base, count, kill)
    for how in (signal.SIGINT, signal.SIGTERM):
        yield lambda how=how: troubles.stops(subject, usual, base, how, stop)
    if disks:
        for share in (0.3, 0.7):
            yield lambda share=share: troubles.full_disk(subject, usual, base, share)
    yield lambda: troubles.two_at_once(subject, usual, base)


def finished_logs(base: Path) -> Path:
    """A folder of logs to report on, from an undisturbed run."""
    one = subjects(6, base)["run"]
    undisturbed(one, base / "finished")
    return next((base / "finished").glob("*/*/logs"))


def main(base: Path, seed: int) -> int:
    """Hold the trial; return the exit code."""
    heed_ctrl_c()
    lots = random.Random(seed)
    base.mkdir(parents=True, exist_ok=True)
    (base / "finished").mkdir()
    disks = troubles.can_mount(base)
    if not disks:
        print("small disks cannot be mounted here: full and read-only disks are left out")
    named = subjects(6, finished_logs(base))
    with ThreadPoolExecutor(2) as lanes:
        rows = list(lanes.map(lambda lane: _lane(lane, base, lots, disks), _lanes(named)))
    found = [row for lane in rows for row in lane]
    loads = [scale.one_long(base, 10**6), scale.long_file(base, 20_000, 200), scale.many_at_once(base, 2000)]
    to = console(150)
    write(base, seed, found, loads, to)
    for row in found:
        for note in row.notes:
            to.print(note[:1000], markup=False, highlight=False)
    return 0 if all(one.clean for one in (*found, *loads)) else 1


def write(base: Path, seed: int, found: list[Row], loads: list[scale.Load], to: Console) -> None:
    """Print the tables, and write trial.md and trial.json."""
    grids = [table(found), scale_table(loads)]
    print_grids(grids, to)
    (base / "trial.md").write_text(markdown_page("Trial", grids), encoding="utf-8")
    write_json(base / "trial.json", {"seed": seed, "troubles": found, "scale": loads})


def _lanes(named: dict[str, Subject]) -> list[list[Subject]]:
    """Two lists of commands that take about as long: training, and all others."""
    return [[training(4)], list(named.values())]


def _lane(lane: list[Subject], base: Path, lots: random.Random, disks: bool) -> list[Row]:
    rows: list[Row] = []
    for subject in lane:
        usual = undisturbed(subject, base)
        if subject.name == "run --stories":
            rows += troubles.stores(subject, usual, base, disks)
            continue
        for job in jobs(subject, usual, base, lots, KILLS, disks):
            started = time.monotonic()
            row = job()
            rows.append(row)
            print(f"{row.subject}, {row.trouble}: {time.monotonic() - started:.0f} s", file=sys.stderr, flush=True)
    return rows


def table(rows: list[Row]) -> Grid:
    """The trial's table."""
    heads = [*texts("command", "trouble"), *numbers("times", "final result", "paid again", "stories lost",
                                                    "scores invented", "tracebacks", "not told in a line")]  # fmt: skip
    cells = [
        [row.subject, row.trouble, str(row.times), f"{row.differs} differ" if row.differs else "same",
         *map(str, (row.paid_again, row.lost, row.invented, row.tracebacks, row.untold))]
        for row in rows
    ]  # fmt: skip
    return grid("Trial: every cell after the third must be 0 or “same”", heads, cells, main=True)


def scale_table(loads: list[scale.Load]) -> Grid:
    """What large runs take."""
    heads = [*texts("run"), *numbers("seconds", "scored", "most in flight", "memory, MB", "growth, MB per story",
                                     "longest stall, s", "tracebacks")]  # fmt: skip
    cells = [
        [load.what, f"{load.seconds:.0f}", f"{load.scored:,} of {load.asked:,}", str(load.peak_in_flight),
         f"{load.peak_mb:,.0f}", number(load.growth_mb, 2), number(load.lag_seconds), str(load.tracebacks)]
        for load in loads
    ]  # fmt: skip
    limits = f"at most {scale.MOST_MB:,} MB and {scale.LONGEST_LAG:.0f} s"
    return grid(f"Scale, with a judge of {scale.DELAY} s ({limits})", heads, cells, main=True)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0))

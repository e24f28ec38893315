"""Run `polaris-eval`, and measure its event loop and memory: python lagging.py FIGURES.json ARGUMENTS…

Lag is how late a timer of the event loop fires: until then no reply is read, and no progress is shown.
"""

from __future__ import annotations

import json
import sys
import time
from asyncio import AbstractEventLoop, BaseEventLoop
from pathlib import Path

EVERY = 0.05  # seconds
_STARTED = time.monotonic()
_lags: list[float] = []
_memory: list[tuple[float, float]] = []  # seconds since the start, megabytes


def _tick(loop: AbstractEventLoop, due: float) -> None:
    _lags.append(loop.time() - due)
    second = time.monotonic() - _STARTED
    if not _memory or second > _memory[-1][0] + 0.5:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
        _memory.append((second, pages * 4096 / 2**20))
    loop.call_later(EVERY, _tick, loop, loop.time() + EVERY)


def main(figures: Path, arguments: list[str]) -> None:
    """Run a command with a timer in every event loop that it starts."""
    run_forever = BaseEventLoop.run_forever

    def ticking(loop: BaseEventLoop) -> None:
        loop.call_soon(_tick, loop, loop.time())
        run_forever(loop)

    BaseEventLoop.run_forever = ticking  # type: ignore[method-assign]
    from polaris_eval.harness.cli.root import main as polaris_eval

    try:
        polaris_eval(arguments)
    finally:
        told = {"lag_seconds": max(_lags, default=0.0), "memory_mb": _memory}
        figures.write_text(json.dumps(told), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])

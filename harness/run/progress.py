"""Progress of a run: one line per benchmark with stories judged, stories unscored, dollars so far and the time left."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from inspect_ai.hooks import Hooks, SampleEnd, TaskEnd, TaskStart
from inspect_ai.model import ModelUsage
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from ..inspect_seam import add_hooks
from ..prices import Prices, load_prices, token_counts

_current: _Lines | None = None  # Inspect creates its hooks once, and calls them in every run of the process


@contextmanager
def progress(shown: bool) -> Iterator[None]:
    """Show the progress of the runs inside: a bar per benchmark on a terminal, else a line when one is finished."""
    global _current
    if not shown:
        yield
        return
    add_hooks("progress", "Progress of polaris-eval's runs", _Progress)
    terminal = sys.stderr.isatty()
    with _bars(terminal) as bars:
        _current = _Lines(bars, terminal, load_prices(None))
        try:
            yield
        finally:
            _current = None


def _bars(terminal: bool) -> Progress:
    columns = (
        TextColumn("{task.description}"), BarColumn(bar_width=None), MofNCompleteColumn(),
        TextColumn("{task.fields[told]}"), TimeElapsedColumn(), TimeRemainingColumn(),
    )  # fmt: skip
    return Progress(*columns, console=Console(stderr=True), disable=not terminal, transient=True)


@dataclass
class _Line:
    name: str
    total: int
    bar: Any
    done: int = 0
    unscored: int = 0
    dollars: float = 0.0
    unknown: bool = False  # some model has no known price

    @property
    def told(self) -> str:
        """The counts as text."""
        spent = f"${self.dollars:.2f}" + (" plus models without a known price" if self.unknown else "")
        return ", ".join([f"{self.unscored} unscored", *([spent] if self.dollars else [])])


class _Lines:
    def __init__(self, bars: Progress, terminal: bool, prices: Prices) -> None:
        self.bars, self.terminal, self.prices = bars, terminal, prices
        self.lines: dict[str, _Line] = {}

    def start(self, data: TaskStart) -> None:
        stamped = data.spec.metadata or {}
        writer = str(stamped.get("writer") or data.spec.model)
        name = f"{stamped.get('benchmark', data.spec.task)} · {writer}"
        total = len(data.spec.dataset.sample_ids or []) * (data.spec.config.epochs or 1)
        bar = self.bars.add_task(name, total=total, told="")
        self.lines[data.eval_id] = _Line(name, total, bar)

    def sample(self, data: SampleEnd) -> None:
        line = self.lines.get(data.eval_id)
        if line is None:
            return
        judged = (data.sample.scores or {}).get("judged")
        details = (judged.metadata if judged else None) or {}
        line.done += 1
        line.unscored += details.get("status") not in ("scored", "empty")
        for model, usage in data.sample.model_usage.items():
            self._spend(line, model, usage)
        self.bars.update(line.bar, completed=line.done, told=line.told)

    def _spend(self, line: _Line, model: str, usage: ModelUsage) -> None:
        counts, prices = token_counts(usage), self.prices.per_token(model)
        spent = sum(n * price for n, price in zip(counts, prices, strict=True) if n)
        line.unknown |= math.isnan(spent)
        line.dollars += 0.0 if math.isnan(spent) else spent

    def end(self, data: TaskEnd) -> None:
        line = self.lines.get(data.eval_id)
        if line is not None and not self.terminal and line.done:
            print(f"{line.name}: {line.done} of {line.total} judged, {line.told}", file=sys.stderr)


class _Progress(Hooks):
    def enabled(self) -> bool:
        return _current is not None

    async def on_task_start(self, data: TaskStart) -> None:
        if _current is not None:
            _current.start(data)

    async def on_sample_end(self, data: SampleEnd) -> None:
        if _current is not None:
            _current.sample(data)

    async def on_task_end(self, data: TaskEnd) -> None:
        if _current is not None:
            _current.end(data)

"""How tables show names and numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence

from rich.table import Table

from .stats import Interval

_MODEL_WIDTH = 26


def number(value: float | None, digits: int = 1) -> str:
    """A number as tables show it; a dash where there is none."""
    return "–" if value is None or math.isnan(value) else f"{round(value, digits) + 0.0:.{digits}f}"


def share(value: float | None) -> str:
    """A share in per cent; a dash where there is none."""
    return "–" if value is None or math.isnan(value) else f"{value:.0%}"


def bounds(interval: Interval, digits: int = 1) -> str:
    """The bounds of an interval; a dash where there are none."""
    return "–" if math.isnan(interval.low) else f"{number(interval.low, digits)} to {number(interval.high, digits)}"


def add_model_column(table: Table, models: Sequence[str]) -> None:
    """A column for names of models, which may be long."""
    table.add_column("model", overflow="fold", min_width=min(max(map(len, models)), _MODEL_WIDTH))

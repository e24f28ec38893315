"""Format numbers for tables."""

from __future__ import annotations

import math
import re
from typing import Any

from ..stats.compare import Rank
from ..stats.intervals import Interval

NONE = "–"


def number(value: float | None, digits: int = 1) -> str:
    """Format a number for tables; a dash if there is none."""
    return NONE if value is None or math.isnan(value) else f"{round(value, digits) + 0.0:.{digits}f}"


def dollars(value: float | None) -> str:
    """Format dollars with two decimals, or two significant digits if small: $12.30, $0.041, $0.00040; a dash if
    unknown."""
    if value is None or math.isnan(value):
        return NONE
    places = 2 if value == 0 or value >= 0.1 else 1 - math.floor(math.log10(value))
    return f"${value:,.{places}f}"


def counted(count: int, one: str, several: str) -> str:
    """A number with its noun: 1 story, 2 stories."""
    return f"{count:,} {one if count == 1 else several}"


def share(value: float | None) -> str:
    """Format a share in per cent; a dash if there is none."""
    return NONE if value is None or math.isnan(value) else f"{value:.0%}"


def probability(p: float) -> str:
    """Format a p-value with three decimals; a dash if there is none."""
    return NONE if math.isnan(p) else "<0.001" if p < 0.001 else f"{p:.3f}"


def ranked(rank: Rank | None) -> str:
    """Format a rank; a dash if there is none."""
    return str(rank) if rank else NONE


def natural(name: Any) -> list[tuple[int, int, str]]:
    """Sort key that orders names with numbers in them numerically: 1, 2, 10."""
    parts = re.findall(r"\d+|\D+", str(name))
    return [(0, int(part), "") if part.isdecimal() else (1, 0, part.lower()) for part in parts]


def bounds(interval: Interval, digits: int = 1) -> str:
    """Format the bounds of an interval; a dash if there are none."""
    return NONE if math.isnan(interval.low) else f"{number(interval.low, digits)} to {number(interval.high, digits)}"


def with_bounds(interval: Interval, digits: int = 1) -> str:
    """Format a value with the bounds of its interval in brackets, if any."""
    value = number(interval.value, digits)
    return value if math.isnan(interval.low) else f"{value} ({bounds(interval, digits)})"


def over_bounds(interval: Interval, digits: int = 1, mark: str = "") -> str:
    """Format a value, with a mark, above the bounds of its interval, on two lines."""
    return f"{number(interval.value, digits)}{mark}\n{bounds(interval, digits)}"

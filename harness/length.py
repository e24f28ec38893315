"""Length adherence: ratio, scores, penalties, buckets and the slope over them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from .words import count_words

BUCKETS = ("1-2k", "2-3k", "3-4k", "4-6k", "6-8k", "8-12k")
_EDGES = (2000, 3000, 4000, 6000, 8000, 12000)
BELOW, ABOVE = "<1k", ">12k"
SPLITS = {
    "1-2k": "ID",
    "2-3k": "ID",
    "3-4k": "ID",
    "4-6k": "near OOD",
    "6-8k": "near OOD",
    "8-12k": "far OOD",
}
MIN_TARGET = 150


@dataclass(frozen=True)
class Length:
    """A requested length in words, from `least` to `most`, which are equal for a plain request; a one-sided bound
    leaves the other at 0 or None."""

    least: int
    most: int | None

    @property
    def target(self) -> int:
        """The single number shown in tables: the middle of a range, or the given bound."""
        if self.most is None:
            return self.least
        return (self.least + self.most + 1) // 2 if self.least else self.most

    def nearest(self, words: int) -> int:
        """The requested length nearest to the words written; inside a range that is the words written.

        An answer without words is measured against the target, so that an empty page does not satisfy "at most".
        """
        if words == 0:
            return self.target
        return max(self.least, words if self.most is None else min(words, self.most))

    def __str__(self) -> str:
        if self.exact:
            return str(self.most)
        if self.most is None:
            return f"at least {self.least}"
        return f"{self.least} to {self.most}" if self.least else f"at most {self.most}"

    @property
    def exact(self) -> bool:
        """Whether a single number was asked for."""
        return self.least == self.most

    def data(self) -> dict[str, Any]:
        """Return it as metadata of a sample or score, or as columns of a row; `length_in` reads it back."""
        return {"target_words": self.target} | ({} if self.exact else {"target_range": [self.least, self.most]})


def length_in(metadata: Mapping[str, Any]) -> Length | None:
    """The requested length in metadata or columns: `target_words`, or `target_range` for a range or a bound."""
    if metadata.get("target_range"):
        return Length(*metadata["target_range"])
    target = metadata.get("target_words")
    return Length(target, target) if target else None


def bucket(target: int) -> str:
    """The length bucket of a target in words; upper edges are inclusive (2,000 words belong to "1-2k").

    Targets under 1,000 words are "<1k", over 12,000 ">12k".
    """
    if target < 1000:
        return BELOW
    return next((name for name, edge in zip(BUCKETS, _EDGES, strict=True) if target <= edge), ABOVE)


def length_ratio(words: int, target: int) -> float:
    """Words written per word asked for. Raises ValueError unless the target is positive."""
    if target <= 0:
        raise ValueError(f"target must be a positive number of words, got {target}")
    return words / target


def length_score(words: int, target: int) -> float:
    """Evaluation length score, 0 to 1: 1 within max(50, 10 %) words of the target, falling off linearly."""
    tolerance = max(50, target * 10 // 100)
    low, high = target - tolerance, target + tolerance
    if words < low:
        return 1 - min(1.0, 1 - words / low)
    return 1 - min(1.0, max(0.0, words / high - 1))


def length_penalty(words: int, target: int) -> float:
    """Training length penalty, 0 to 1: 0 inside the tolerances, rising linearly outside.

    The lower tolerance is 15 % of the target clamped to 350..1,000 words and at most half the target;
    the upper is 25 % clamped to 600..1,500. Targets under 150 words count as 150. Example: a target of
    4,000 has no penalty from 3,400 to 5,000 words.
    """
    target = max(MIN_TARGET, target)
    lower = min(max(target * 15 // 100, 350), 1000, target // 2)
    upper = min(max(target * 25 // 100, 600), 1500)
    if words < target - lower:
        return min(1.0, 1 - words / (target - lower))
    return min(1.0, max(0.0, words / (target + upper) - 1))


def blank_penalty(text: str) -> float:
    """1 for fewer than 150 words or under 10 % of non-space characters, else 0."""
    inked = sum(map(len, text.split()))
    return float(count_words(text) < MIN_TARGET or inked < 0.1 * len(text))


def length_score_longbench(requested: int, written: int) -> float:
    """LongBench-Write length score S_L, 0 to 100: 100 at the requested length, 0 at 4 times or more, 1/3 or less."""
    if written <= 0:
        return 0.0
    if written > requested:
        return 100 * max(0.0, 1 - (written / requested - 1) / 3)
    return 100 * max(0.0, 1 - (requested / written - 1) / 2)


def bucket_steps(names: Iterable[str]) -> dict[str, float]:
    """Positions of buckets on an axis of equal steps; "<1k" and ">12k" have none."""
    return {name: float(step) for step, name in enumerate(BUCKETS) if name in names}


def slope_weights(places: Mapping[str, float]) -> dict[str, float]:
    """The weight of the mean at each place in the least-squares slope; empty unless two places differ."""
    centre = sum(places.values()) / max(1, len(places))
    squares = sum((place - centre) ** 2 for place in places.values())
    return {name: (place - centre) / squares for name, place in places.items()} if squares else {}

"""Results of testing a judge."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..stats.intervals import Interval


@dataclass(frozen=True)
class Retest:
    """Test-retest reliability ICC(1), and the standard deviation of repeated judgments of a story."""

    icc: Interval
    sd: float


@dataclass(frozen=True)
class Clustering:
    """Entropy of a mark in bits, its maximum with these stories, and the commonest value with its share."""

    bits: float
    most: float
    commonest: float
    share: float


@dataclass(frozen=True)
class Moved:
    """A mean shift and the verdict on it (None if nothing can be said)."""

    shift: Interval
    verdict: str | None


@dataclass(frozen=True)
class Noticed:
    """Effect of a damage on the score and on the dimensions that should get worse, over `stories` stories."""

    stories: int
    moved: Mapping[str, Moved]


@dataclass(frozen=True)
class Injections:
    """Effect of each style of injection on the score; `limit` is the noise, in points."""

    limit: float
    styles: Mapping[str, Moved]


@dataclass(frozen=True)
class JudgeReport:
    """One judge's numbers; `evidence` holds shares from 0 to 1. Dollars (at list prices) are the mean per judgment,
    seconds the median working time per judgment."""

    proxy: bool
    judgments: int
    scored: int
    retest: Mapping[str, Retest]
    evidence: Mapping[str, float]
    clustering: Mapping[str, Clustering]
    length_bias: Interval
    damages: Mapping[str, Noticed]
    injections: Injections
    dollars: float
    seconds: float


@dataclass(frozen=True)
class Agreement:
    """Krippendorff's alpha (interval scale), Spearman and mean shift (a - b) of two judges on the same stories."""

    a: str
    b: str
    alpha: Interval
    spearman: Interval
    shift: Interval


@dataclass(frozen=True)
class CheckResult:
    """Results of a check, by judge. `rubric` is the rubric's name and the beginning of its digest."""

    benchmark: str
    rubric: str
    stories: int
    repeats: int
    judges: Mapping[str, JudgeReport]
    agreement: Sequence[Agreement]

"""What a judge under test was found to be."""

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
    """Entropy of a mark in bits, the most that is possible with these stories, and its commonest value."""

    bits: float
    most: float
    commonest: float
    share: float


@dataclass(frozen=True)
class Moved:
    """A mean shift, and what it shows; None: nothing can be said."""

    shift: Interval
    verdict: str | None


@dataclass(frozen=True)
class Noticed:
    """What a damage did to the score and to the dimensions that ought to suffer, over so many stories."""

    stories: int
    moved: Mapping[str, Moved]


@dataclass(frozen=True)
class Injections:
    """What each style of injection did to the score; `limit` is the noise, in points."""

    limit: float
    styles: Mapping[str, Moved]


@dataclass(frozen=True)
class JudgeReport:
    """One judge's numbers; `evidence` holds shares from 0 to 1. Dollars (at list prices) are the mean, seconds at work
    the median of a judgment."""

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
    """What a check found, by judge. `rubric` is its name and the beginning of its digest."""

    benchmark: str
    rubric: str
    stories: int
    repeats: int
    judges: Mapping[str, JudgeReport]
    agreement: Sequence[Agreement]

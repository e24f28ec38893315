"""Agreement of raters: Krippendorff's alpha with an interval."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from inspect_ai.scorer import SampleScore, Score, krippendorff_alpha

from .stats import MIN_CLUSTERS, NOTHING, Interval

_RESAMPLES = 1000


def alpha_interval(units: Sequence[Sequence[float]], level: Literal["nominal", "ordinal", "interval"]) -> Interval:
    """Krippendorff's alpha (Inspect's) over units of two ratings or more; NaN ratings are missing ones.

    The interval is a percentile bootstrap over units, seeded; none under five units.
    """
    known = [[float(rating) for rating in unit if not math.isnan(rating)] for unit in units]
    scores = [SampleScore(score=Score(value=unit)) for unit in known if len(unit) > 1]
    if len(scores) < 2:
        return NOTHING
    metric: Any = krippendorff_alpha(level=level)
    value = float(metric(scores))
    if len(scores) < MIN_CLUSTERS:
        return Interval(value, math.nan, math.nan)
    draws = np.random.default_rng(0).integers(len(scores), size=(_RESAMPLES, len(scores)))
    low, high = np.nanquantile([metric([scores[i] for i in draw]) for draw in draws], [0.025, 0.975])
    return Interval(value, float(low), float(high))

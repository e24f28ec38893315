"""Time of the statistics of one benchmark: 180 prompts x 10 models, 10,000 resamples. Asserts nothing.

Run: python tests/perf/stats.py
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import pandas as pd

from polaris_eval.harness.length import BUCKETS
from polaris_eval.harness.stats.compare import compare_pairs
from polaris_eval.harness.stats.intervals import contrast_interval, mean_interval, spearman_interval

PROMPTS, MODELS = 180, 10


def main() -> None:
    rng = np.random.default_rng(0)
    prompts = [f"p{i}" for i in range(PROMPTS)]
    strata = [BUCKETS[i % 6] for i in range(PROMPTS)]
    slope = {name: (i - 2.5) / 17.5 for i, name in enumerate(BUCKETS)}
    scores = pd.DataFrame(rng.normal(50, 10, size=(PROMPTS, MODELS))).add_prefix("m")
    columns = [scores[name].to_numpy() for name in scores]
    measured: dict[str, Callable[[], object]] = {
        "means": lambda: [mean_interval(column, prompts) for column in columns],
        "slopes": lambda: [contrast_interval(column, prompts, strata, slope) for column in columns],
        "correlations": lambda: [spearman_interval(column, columns[0], prompts) for column in columns[1:]],
        "all 45 pairs": lambda: compare_pairs(scores),
    }
    for label in ("first", "again"):
        for name, measure in measured.items():
            started = time.perf_counter()
            measure()
            print(f"{name} of {MODELS} models, {label}: {time.perf_counter() - started:.3f} s")


if __name__ == "__main__":
    main()

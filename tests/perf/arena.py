"""Time of rating an arena: 50 models, 100,000 judgments, 1,000 bootstrap resamples. Asserts nothing.

Run: python tests/perf/arena.py
"""

from __future__ import annotations

import time

import numpy as np
import pandas as pd
from scipy.special import expit

from polaris_eval.harness.arena.ratings import rate
from polaris_eval.harness.stats.bradley_terry import strengths
from polaris_eval.harness.text.style import STYLE

MODELS, MATCHES, PROMPTS = 50, 50_000, 96


def simulated() -> tuple[np.ndarray, pd.DataFrame]:
    """Strengths in logits, and matches of random pairs judged by them in both orders (100,000 judgments)."""
    rng = np.random.default_rng(0)
    strength = rng.normal(0, 1, MODELS)
    a = rng.integers(0, MODELS, MATCHES)
    b = (a + rng.integers(1, MODELS, MATCHES)) % MODELS
    prompt = rng.integers(0, PROMPTS, MATCHES)
    apart = strength[a] - strength[b] + rng.normal(0, 0.5, MATCHES)
    table = pd.DataFrame({"a": a, "b": b, "prompt_id": prompt}).astype(str)
    for name, bias in (("first", 0.2), ("second", -0.2)):
        table[name] = np.round(4 * np.clip(expit(apart + bias) + rng.normal(0, 0.3, MATCHES), 0, 1)) / 4
    return strength, table.assign(**{name: rng.normal(0, 1, MATCHES) for name in STYLE})


def main() -> None:
    strength, matches = simulated()
    started = time.perf_counter()
    fitted = strengths([str(i) for i in range(MODELS)], matches)
    print(f"point fit: {time.perf_counter() - started:.2f} s (correlation {np.corrcoef(strength, fitted)[0, 1]:.4f})")
    started = time.perf_counter()
    found = rate(matches)
    print(f"ratings, plain and style-controlled, 1,000 resamples each: {time.perf_counter() - started:.1f} s")
    print(f"first position's share of a win: {found.first.value:.3f} [{found.first.low:.3f}, {found.first.high:.3f}]")


if __name__ == "__main__":
    main()

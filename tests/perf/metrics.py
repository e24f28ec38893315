"""Time of the per-story metrics, and of `--help`. Prints figures; asserts nothing.

Run: python tests/perf/metrics.py
"""

from __future__ import annotations

import random
import subprocess
import sys
import timeit

from polaris_eval.harness.repetition import repetition_penalty
from polaris_eval.harness.words import count_words

RUNS = 50


def story(words: int) -> str:
    """A text with the vocabulary, punctuation and paragraphs of prose."""
    rng = random.Random(words)
    vocabulary = [f"{rng.choice('abcdefghilmnoprstw')}{'aeiou'[i % 5]}{rng.randint(0, 9999)}" for i in range(4000)]
    parts: list[str] = []
    for i in range(words):
        parts.append(vocabulary[min(int(rng.paretovariate(0.6)), 3999)])
        parts.append(".\n\n" if i % 90 == 89 else ". " if i % 14 == 13 else ", " if i % 9 == 8 else " ")
    return "".join(parts)


def best_ms(text: str) -> tuple[float, float]:
    """Best time of `RUNS`, in milliseconds: words, repetition."""
    counting = min(timeit.repeat(lambda: count_words(text), number=1, repeat=RUNS))
    repeating = min(timeit.repeat(lambda: repetition_penalty(text), number=1, repeat=RUNS))
    return counting * 1000, repeating * 1000


def main() -> None:
    print("words   count_words  repetition  together  µs a word  growth (1 = linear)")
    previous: tuple[int, float] | None = None
    for size in (1000, 4000, 12000):
        counting, repeating = best_ms(story(size))
        together = counting + repeating
        growth = "" if previous is None else f"{(together / previous[1]) / (size / previous[0]):.2f}"
        times = f"{counting:9.2f} ms {repeating:8.2f} ms {together:6.2f} ms"
        print(f"{size:6,} {times} {together / size * 1000:10.3f}  {growth}")
        previous = size, together
    command = [sys.executable, "-m", "polaris_eval.harness.cli", "--help"]
    seconds = min(timeit.repeat(lambda: subprocess.run(command, capture_output=True, check=True), number=1, repeat=5))
    print(f"polaris-eval --help: {seconds:.2f} s")


if __name__ == "__main__":
    main()

"""Made-up stories and arena entries that several tests use."""

from __future__ import annotations

import random
import re
from importlib.resources import files

from polaris_eval.harness.arena.entries import Entry

VOCABULARY = sorted(
    set(re.findall(r"[a-z]{3,}", (files("polaris_eval.tasks.prompts") / "mini.yaml").read_text().casefold()))
)


def story(number: int, words: int = 1200) -> str:
    """English words in sentences and paragraphs; another number gives other ones."""
    draw = random.Random(number)
    sentences = [" ".join(draw.choices(VOCABULARY, k=12)).capitalize() + "." for _ in range(words // 12 + 1)]
    return "\n\n".join(" ".join(sentences[i : i + 4]) for i in range(0, len(sentences), 4))


def entries(models: int, prompts: int, first: int = 0) -> list[Entry]:
    """So many models with a story each for so many prompts."""
    return [
        Entry(f"m{m:02}", f"s{p}", f"k{p}", f"prompt {p}", f"p{p}", f"story {m} {p}", f"d{m}-{p}")
        for m in range(first, first + models)
        for p in range(prompts)
    ]

"""What can be counted on the surface of a story, without a judge: stock phrases, vocabulary, sentence lengths."""

from __future__ import annotations

import functools
import html
import math
import re
from collections import Counter
from collections.abc import Hashable, Sequence
from importlib.resources import files
from statistics import fmean, pstdev

import yaml

from ..words import bare, spaced, word_pattern

SURFACE = ("slop", "diversity", "sentence_variety")
_WINDOW = 100
_SENTENCE = re.compile(r"[^.!?…。！？\n]+")


def surface_measures(story: str) -> dict[str, float]:
    """The surface measures of a story by the names in `SURFACE`; NaN where the story has too little to count.

    `slop`: stock words and phrases of language models (the English list `stock.yaml`) per 1,000 words; NaN in scripts
    without spaces between words. `diversity`: moving-average type-token ratio over windows of 100 words, from 0 to 1
    (Covington and McFall 2010). `sentence_variety`: coefficient of variation of sentence length, the standard deviation
    over the mean of the words per sentence.
    """
    text = bare(html.unescape(story).lower()).replace("’", "'")
    word = re.compile(word_pattern(text))
    words = word.findall(text)
    sentences = [n for part in _SENTENCE.findall(text) if (n := len(word.findall(part)))]
    return {
        "slop": 1000 * len(_stock().findall(text)) / len(words) if words and spaced(text) else math.nan,
        "diversity": variety(words) if words else math.nan,
        "sentence_variety": pstdev(sentences) / fmean(sentences) if len(sentences) > 1 else math.nan,
    }


def variety(words: Sequence[Hashable], width: int = _WINDOW) -> float:
    """Mean share of distinct words (or pairs of words) in a moving window (MATTR), in one pass; 0 without words."""
    if len(words) <= width:
        return len(set(words)) / max(1, len(words))
    window = Counter(words[:width])
    total = len(window)
    for leaving, entering in zip(words, words[width:], strict=False):
        window[leaving] -= 1
        if not window[leaving]:
            del window[leaving]
        window[entering] += 1
        total += len(window)
    return total / (len(words) - width + 1) / width


@functools.cache
def _stock() -> re.Pattern[str]:
    """The stock words and phrases, the longest first where one begins like another."""
    loaded = yaml.safe_load((files(__package__) / "stock.yaml").read_text(encoding="utf-8"))
    listed = sorted([*loaded["words"], *loaded["phrases"]], key=len, reverse=True)
    spaces = (r"\s+".join(map(re.escape, entry.split())) for entry in listed)
    return re.compile(rf"(?<!\w)(?:{'|'.join(spaces)})(?!\w)")

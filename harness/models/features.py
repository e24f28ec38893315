"""Countable features of a text, each mapped to 0..1 by the ranges in `lexical.yaml`."""

from __future__ import annotations

import functools
import re
import zlib
from collections import Counter
from collections.abc import Callable, Sequence
from importlib.resources import files
from itertools import pairwise
from typing import Any

import numpy as np
import yaml

from ..repetition import repetition_penalty
from ..text.style import markdown_share, quoted_words
from ..text.surface import variety
from ..words import bare

_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")
_SENTENCE = re.compile(r"[^.!?\n]+[.!?\n]*")
_SLIPS = re.compile(r"\s[,.;!?]|[,;]{2}|(?<=[a-z])[.!?] +[a-z]|\b(\w+) \1\b|[a-z][A-Z]", re.ASCII)
_ITALICS = re.compile(r"(?<!\*)\*[^*\n]+\*(?!\*)")
_WIDE = 400
_SQUEEZED = 4000  # only the first bytes of a story are compressed
_OPENING = 600  # number of words among which those that occur once are counted
_FRAGMENT, _LINE = 4, 8  # maximum words of a short sentence, and of a short paragraph
_LONG = 8  # minimum letters of a long word


@functools.cache
def settings() -> dict[str, Any]:
    """The proxy's word lists, ranges and weights."""
    loaded: dict[str, Any] = yaml.safe_load((files(__package__) / "lexical.yaml").read_text(encoding="utf-8"))
    return loaded


def features(prompt: str, story: str) -> dict[str, float]:
    """Every feature of `ranges`, from 0 to 1."""
    prompt, story = bare(prompt), bare(story)
    low = story.lower().replace("’", "'")
    words = _WORD.findall(low)
    count = max(1, len(words))
    lengths = np.array([n for s in _SENTENCE.findall(story) if (n := len(s.split()))] or [0])
    asked = {w for w in _WORD.findall(prompt.lower()) if len(w) > 4}
    seen = set(words)
    per_thousand: Callable[[float], float] = lambda n: 1000 * n / count  # noqa: E731
    paragraphs = np.array([n for line in story.split("\n") if (n := len(_WORD.findall(line)))] or [0])
    sentences = [said for sentence in _SENTENCE.findall(low) if (said := _WORD.findall(sentence))] or [[""]]
    once = Counter(words[:_OPENING])
    raw = {
        "prompt": len(asked & seen) / len(asked) if asked else 1.0,
        "development": float(len(words)),
        "variety": variety(words),
        "rhythm": float(lengths.std() / lengths.mean()) if lengths.mean() else 0.0,
        "dialogue": quoted_words(story) / count,
        "names": per_thousand(len(set(re.findall(r"(?<=[a-z,] )[A-Z][a-z]+", story)))),
        "sentence": float(lengths.mean()),
        "commas": per_thousand(story.count(",")),
        "dashes": per_thousand(story.count("—")) ** 0.5,
        "ellipses": per_thousand(story.count("...") + story.count("…")) ** 0.5,
        "pronouns": _share_opening_with(story, settings()["openers"]),
        "adverbs": per_thousand(sum(w.endswith("ly") and len(w) > 4 for w in words)),
        "errors": per_thousand(len(_SLIPS.findall(story))),
        "markup": markdown_share(story),
        "repetition": repetition_penalty(story),
        "compression": _compression(story),
        "breadth": variety(words, _WIDE),
        "pairs": variety(list(pairwise(words)), _WIDE),
        "single": sum(n == 1 for n in once.values()) / max(1, min(_OPENING, len(words))),
        "fragments": sum(len(sentence) <= _FRAGMENT for sentence in sentences) / len(sentences),
        "openings": len({sentence[0] for sentence in sentences}) / len(sentences),
        "lines": float((paragraphs <= _LINE).mean()),
        "paragraphs": float(paragraphs.std()),
        "word_length": sum(map(len, words)) / count,
        "long_words": sum(len(word) >= _LONG for word in words) / count,
        "contractions": per_thousand(len(re.findall(r"\w'(?:t|s|re|ve|ll|d|m)\b", low))),
        "questions": per_thousand(story.count("?")),
        "exclamations": per_thousand(story.count("!")),
        "colons": per_thousand(story.count(":")),
        "brackets": per_thousand(story.count("(")),
        "hyphens": per_thousand(len(re.findall(r"\w-\w", story))),
        "participles": per_thousand(sum(w.endswith("ing") and len(w) > 5 for w in words)),
        "italics": per_thousand(len(_ITALICS.findall(story))),
        "unended": float(not story.rstrip().rstrip("\"'”’*_)").endswith((".", "!", "?", "…"))),
    }
    for name, phrases in settings()["phrases"].items():
        raw[name] = per_thousand(len(_either(tuple(phrases)).findall(low)))
    found = Counter(words)
    for name, listed in settings()["words"].items():
        raw[name] = per_thousand(sum(found[w] for w in listed))
    return {name: _scaled(raw[name], *bounds) for name, bounds in settings()["ranges"].items()}


def _share_opening_with(story: str, openers: Sequence[str]) -> float:
    first = [words[0].lower() for sentence in _SENTENCE.findall(story) if (words := sentence.split())]
    return sum(word in openers for word in first) / max(1, len(first))


@functools.cache
def _either(phrases: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile(r"\b(?:" + "|".join(map(re.escape, phrases)) + r")\b")


def _compression(story: str) -> float:
    """Compression ratio of a story's beginning: the lower, the more short passages repeat."""
    beginning = story.encode(errors="surrogatepass")[:_SQUEEZED]
    return len(zlib.compress(beginning, 9)) / max(1, len(beginning))


def _scaled(value: float, low: float, high: float) -> float:
    return min(1.0, max(0.0, (value - low) / (high - low)))

"""How a story is dressed, apart from how good it is: what a judge of pairs may fall for."""

from __future__ import annotations

import math
import re

from .words import count_words

STYLE = ("length", "dialogue", "markdown")
_QUOTED = re.compile(r"[\"“][^\"“”\n]{1,600}[\"”]")


def style(story: str) -> dict[str, float]:
    """Natural logarithm of the words (of 1 where there are none), share of them inside quotation marks, and share of
    lines with markdown, by the names in `STYLE`."""
    words = max(1, count_words(story))
    return {
        "length": math.log(words),
        "dialogue": min(1.0, quoted_words(story) / words),
        "markdown": markdown_share(story),
    }


def quoted_words(story: str) -> int:
    """Words inside quotation marks."""
    return sum(len(quote.split()) for quote in _QUOTED.findall(story))


def markdown_share(story: str) -> float:
    """Share of the lines that are headings, list items or rules, or hold bold text."""
    lines = [line.strip() for line in story.splitlines() if line.strip()]
    return sum(line.startswith(("#", "-", "*")) or "**" in line for line in lines) / max(1, len(lines))

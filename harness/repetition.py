"""How much a text repeats itself."""

from __future__ import annotations

import re

from .words import bare, word_pattern

_NEAR = 63


def repetition_penalty(text: str) -> float:
    """Repetition penalty from 0 to 1.5.

    min(1.5, 0.8 * (0.7 * max(0, global - 0.08) + 0.3 * local) + 0.4 * lines), over lower-cased tokens (words and single
    marks of the text after `words.bare`), where `global` is the share of 4-grams that repeat an earlier one, `local`
    the share that repeat one of the previous 63, and `lines` the share of non-empty stripped lines that repeat an
    earlier one. One linear pass; a text under four tokens has no 4-grams.
    """
    text = bare(text)
    tokens = re.findall(f"{word_pattern(text)}|[^\\s]", text.lower())
    grams = list(zip(tokens, tokens[1:], tokens[2:], tokens[3:], strict=False))
    last: dict[tuple[str, str, str, str], int] = {}
    near = 0
    for position, gram in enumerate(grams):
        previous = last.setdefault(gram, position)
        if previous != position:
            near += position - previous <= _NEAR
            last[gram] = position
    count = len(grams)
    everywhere = (count - len(last)) / count if count else 0.0
    local = near / count if count else 0.0
    lines = [stripped for line in text.splitlines() if (stripped := line.strip())]
    repeated = (len(lines) - len(set(lines))) / len(lines) if lines else 0.0
    return min(1.5, 0.8 * (0.7 * max(0.0, everywhere - 0.08) + 0.3 * local) + 0.4 * repeated)

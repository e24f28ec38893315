"""Style features of a story, independent of its quality, that may bias a pairwise judge."""

from __future__ import annotations

import html
import math
import re

from ..words import bare, count_words

STYLE = ("length", "dialogue", "markdown")
_INSIDE = 3000  # maximum characters of a quotation in a line
# opening and closing marks; a single one between two letters is an apostrophe
_PAIRS = ["“”", "„“", "„”", "””", "«»", "»«", "»»", "‹›", "›‹", "「」", "『』", "〝〟", '""', "＂＂"]
_ANY = "".join(sorted(set("".join(_PAIRS))))
_OPEN = "“„«「『"  # a quotation that continues in the next paragraph is not closed in this one
_QUOTED = re.compile(
    "|".join(
        [
            *(rf"{a}[^{_ANY}\n]{{1,{_INSIDE}}}(?:{b}{'|$' if a in _OPEN else ''})" for a, b in map(tuple, _PAIRS)),
            *(
                rf"(?<!\w){a}(?=\S)(?:[^{a}{b}\n]|(?<=\w){b}(?=\w)){{1,{_INSIDE}}}{b}(?!\w)"
                for a, b in ("‘’", "‚‘", "‚’", "''", "’’")
            ),
        ]
    )
)
_DASH = re.compile(r"[—–―]|--")
_DASHED = re.compile(r"\s*(?:[—–―]|--)\s*(?=[^\W\d_a-zß-ÿа-я]|[¿¡…\"“«])")  # a lower-case continuation is an aside


def style(story: str) -> dict[str, float]:
    """Natural logarithm of the number of words (of 1 if there are none), share of words in dialogue, and share of lines
    with markdown, by the names in `STYLE`."""
    words = max(1, count_words(story))
    return {
        "length": math.log(words),
        "dialogue": min(1.0, quoted_words(story) / words),
        "markdown": markdown_share(story),
    }


def quoted_words(story: str) -> int:
    """Number of words of dialogue: inside quotation marks of any kind, and after a dash that opens a line, up to the
    dash that closes the speech, if there is one."""
    return sum(_spoken(line) for line in bare(html.unescape(story)).splitlines())


def _spoken(line: str) -> int:
    if speech := _DASHED.match(line):
        return sum(map(count_words, _DASH.split(line[speech.end() :])[::2]))
    return sum(map(count_words, _QUOTED.findall(line)))


def markdown_share(story: str) -> float:
    """Share of lines that are headings, list items or rules, or contain bold text."""
    lines = [line.strip() for line in story.splitlines() if line.strip()]
    return sum(line.startswith(("#", "-", "*")) or "**" in line for line in lines) / max(1, len(lines))

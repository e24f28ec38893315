"""How a story is dressed, apart from how good it is: what a judge of pairs may fall for."""

from __future__ import annotations

import html
import math
import re

from ..words import bare, count_words

STYLE = ("length", "dialogue", "markdown")
_INSIDE = 3000  # characters that a quotation has at most in a line
# opening and closing marks; a single one between two letters is an apostrophe
_PAIRS = ["“”", "„“", "„”", "””", "«»", "»«", "»»", "‹›", "›‹", "「」", "『』", "〝〟", '""', "＂＂"]
_ANY = "".join(sorted(set("".join(_PAIRS))))
_OPEN = "“„«「『"  # a quotation that goes on in the next paragraph is left open in this one
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
_DASHED = re.compile(r"\s*(?:[—–―]|--)\s*(?=[^\W\d_a-zß-ÿа-я]|[¿¡…\"“«])")  # what goes on in small letters is an aside


def style(story: str) -> dict[str, float]:
    """Natural logarithm of the words (of 1 where there are none), share of them that is dialogue, and share of lines
    with markdown, by the names in `STYLE`."""
    words = max(1, count_words(story))
    return {
        "length": math.log(words),
        "dialogue": min(1.0, quoted_words(story) / words),
        "markdown": markdown_share(story),
    }


def quoted_words(story: str) -> int:
    """Words of dialogue: inside quotation marks of any kind, and after the dash that opens a line, up to the dash that
    closes the speech, where there is one."""
    return sum(_spoken(line) for line in bare(html.unescape(story)).splitlines())


def _spoken(line: str) -> int:
    if speech := _DASHED.match(line):
        return sum(map(count_words, _DASH.split(line[speech.end() :])[::2]))
    return sum(map(count_words, _QUOTED.findall(line)))


def markdown_share(story: str) -> float:
    """Share of the lines that are headings, list items or rules, or hold bold text."""
    lines = [line.strip() for line in story.splitlines() if line.strip()]
    return sum(line.startswith(("#", "-", "*")) or "**" in line for line in lines) / max(1, len(lines))

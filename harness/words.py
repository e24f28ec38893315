"""Word counting, the same for stories, judges' quotes and training rewards."""

from __future__ import annotations

import html
import re
import unicodedata

# Scripts that put no space between words. Han and kana:
_CHARACTERS = "\u3005-\u3007\u3021-\u3029\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff66-\uff9f"
_CHARACTERS += "\U0001b000-\U0001b16f\U00020000-\U0003ffff"
# Thai and Lao, Myanmar, Khmer:
_LETTERS = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\ua9e0-\ua9ff\uaa60-\uaa7f"
_UNSPACED = re.compile(f"[{_CHARACTERS}{_LETTERS}]")
_PLAIN = r"\w+"
_PARTED = rf"[^\W{_CHARACTERS}{_LETTERS}]+|(?=\w)[{_CHARACTERS}]|(?:(?=[^\W\d_])[{_LETTERS}]){{1,4}}|\d+"
_FOREIGN = 0.1  # up to this share, such letters are words quoted in a text of another script
_LONGBENCH = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]|[a-zA-Z]+")
_FILLERS = "\u115f\u1160\u3164\uffa0\uff9e\uff9f"  # letters by category, but invisible or shown as a mark
_ACTS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
_UNSEEN = ("Mn", "Mc", "Me", "Cf", "Cc")


def count_words(text: str) -> int:
    r"""Count words: matches of `\w+` after HTML-unescaping and `bare`.

    If more than a tenth of a text is in scripts that put no space between words, every Han or kana character counts as
    a word, and so does every group of up to four letters in a run of Thai, Lao, Myanmar or Khmer.
    """
    text = bare(html.unescape(text))
    return len(re.findall(word_pattern(text), text))


def word_pattern(text: str) -> str:
    """The regular expression for a word in a text from `bare`, depending on its script."""
    return _PLAIN if spaced(text) else _PARTED


def spaced(text: str) -> bool:
    """Whether a text of `bare` is in a script with spaces between words."""
    return text.isascii() or len(_UNSPACED.findall(text)) <= _FOREIGN * sum(map(len, text.split()))


def count_words_longbench(text: str) -> int:
    """Length as LongBench-Write counts it: every CJK character, and every run of Latin letters."""
    return len(_LONGBENCH.findall(bare(text)))


def printable(text: str) -> str:
    """The text without characters that act on a terminal or a page instead of being shown: control characters, but for
    line breaks and tabs, and overrides of the direction of writing."""
    return text if text.isprintable() else _ACTS.sub("", text)


def bare(text: str) -> str:
    """Remove characters that invisibly split or pad words: combining marks, soft hyphens, zero-width and control
    characters. Letters such as "é" are composed first, so that both of their forms stay one letter."""
    if text.isascii() and text.isprintable():
        return text
    composed = unicodedata.normalize("NFC", text)
    unseen = [c for c in set(composed) if (unicodedata.category(c) in _UNSEEN and not c.isspace()) or c in _FILLERS]
    return composed.translate(dict.fromkeys(map(ord, unseen))) if unseen else composed

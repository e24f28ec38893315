"""Numbers as people write them in a prompt: 2,000 · 2 000 · 2.000 · 2.5k · two thousand five hundred."""

from __future__ import annotations

import re

_SPELLED = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen twenty thirty forty fifty sixty seventy eighty ninety"
)
_WORDS = _SPELLED.split()
_UNITS = {word: n for n, word in enumerate(_WORDS[:20])}
_TENS = {word: 10 * n for n, word in enumerate(_WORDS[20:], 2)}
_VALUES = {**_UNITS, **_TENS, "a": 1, "half": 0.5}
_SCALES = {"hundred": 100, "thousand": 1000}
_SMALL = rf"(?:(?:{'|'.join(_TENS)})(?:[ -](?:{'|'.join(list(_UNITS)[1:10])}))?|{'|'.join(reversed(_UNITS))})"
_HUNDREDS = rf"(?:a|{_SMALL})[ -]hundred(?:[ -](?:and )?{_SMALL})?"
_THOUSANDS = rf"(?:half a|{_HUNDREDS}|a|{_SMALL})[ -]thousand(?:,?[ -](?:and )?(?:{_HUNDREDS}|{_SMALL}))?"
_GROUPS = r"\d{1,3}(?:[,.'’\u00a0\u202f\u2009 ]\d{3}){1,2}(?!\d)"
NUMBER = (
    rf"(?:{_GROUPS}|\d{{1,6}}(?:\.\d{{1,2}})?(?:\s?k\b|[ -]thousand\b)|\d{{1,9}}|"
    rf"\b(?:{_THOUSANDS}|{_HUNDREDS}|{_SMALL})\b)"
)
_SCALED = re.compile(r"(\d+(?:\.\d+)?)[\s-]?(?:k|thousand)", re.IGNORECASE)


def as_number(text: str) -> int:
    """The number that a match of `NUMBER` stands for."""
    low = text.strip().lower()
    if scaled := _SCALED.fullmatch(low):
        return round(float(scaled[1]) * 1000)
    if low[0].isdigit():
        return int(re.sub(r"\D", "", low))
    total = current = 0.0
    for word in re.split(r",? |-", low):
        if word in _SCALES:
            current *= _SCALES[word]
            if word == "thousand":
                total, current = total + current, 0.0
        elif word != "and":
            current = 0.5 if (word, current) == ("a", 0.5) else current + _VALUES[word]
    return round(total + current)

"""Find the scores section of a text reply, whatever the judge wrote around it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from .base import ReplyError, shown

_HEADING = re.compile(
    r"[\W\d_]{0,12}(?:(?:final|overall|criteria)\s{1,3})?scores?[\W_]{0,12}(?:\([^()\n]{0,60}\)[\W_]{0,12})?",
    re.IGNORECASE,
)
_SEPARATORS = (re.compile(r"[:=|：]"), re.compile(r"\s[–—-]\s"))
_NUMBER = re.compile(
    r"\s{0,8}(?:score\s{1,3})?[\[(~≈+]{0,2}\s{0,3}(?P<number>-?\d{1,6}(?:\.\d{1,6})?)(?![\d.]*\d)"
    r"[\])]{0,2}\s{0,3}(?:points?|pts?\.?|marks?)?",
    re.IGNORECASE,
)
_SCALE = re.compile(
    r"[\s(,\[–—-]{0,4}(?:/|(?:out )?of\b|on a scale of|scale(?: of)?:?)\s{0,3}(?:0\s{0,2}(?:-|–|to)\s{0,2})?"
    r"(?P<of>\d{1,6}(?:\.0)?)(?!\d)[\])]{0,2}",
    re.IGNORECASE,
)
_COMMENT = re.compile(
    r"\s{0,8}(?:$|[([{|#;:!.…*\"'“‘,]+(?!\s{0,3}\d)|(?:--?|[–—])\s{0,3}(?!\s{0,3}[\d.,]+\W{0,3}(?:$|=)))"
)
_STATED = re.compile(  # a scale in a heading, a name or a comment
    r"\b(?:out of|of|on|in|max(?:imum)?|up to|possible)\s{0,2}(?:an? \w+ )?(?:of )?(?P<of>\d{1,6})\b|"
    r"[/／]\s{0,2}(?P<over>\d{1,6})|"
    r"\d{1,3}\s{0,2}(?:-|–|—|to)\s{0,2}(?P<to>\d{1,6})|\b(?P<points>\d{1,6})[- ]points?\b|(?P<share>%|\bper ?cent)",
    re.IGNORECASE,
)
# words in a comment that make its number doubtful
_DOUBT = re.compile(
    r"\b(?:out of|scale|range|possible)\b|--?>|→|\bor \d|\bno, \d|"
    r"\b(?:final|revised|rather|actually)\b.{0,12}\d",
    re.IGNORECASE,
)
_DRESS = re.compile(r"(?<!\d)[*_`]+|[*_`]+(?!\d)")
_NO_SCORE = re.compile(
    r"[\W_]{0,8}(?:(?:n\W?a\b|not (?:applicable|rated|scored)|none|null)(?=\W*$|\s{0,3}[-–—(,.;:])|[-–—]+\s{0,8}$)",
    re.IGNORECASE,
)
_ENDING = 2  # letters by which a name may differ at its end, as in "Weak Dialog" or "Unearned Transformation"
_LINE = 300  # characters of a line that may hold name and number
_LINES = 5000


def scores_section(reply: str, ranges: Mapping[str, tuple[int, int]]) -> tuple[str, dict[str, float]]:
    """Return the text before the scores section of a text reply, and the section's numbers by canonical name.

    The section begins after the last heading (such as `[Scores]`) that has a score below it, so numbers in the
    analysis are never marks. A line is a name, a colon and a number, optionally followed by its scale and, after a
    bracket, dash or similar, by a comment; markdown, list markers and brackets are ignored. Names are compared by
    their letters alone, and may have up to two letters more or fewer at the end. Lines with other names, and values
    such as `N/A`, give no score.

    Args:
        ranges: the lowest and highest mark of each criterion.

    Raises:
        ReplyError: no scores section, a criterion with two different numbers, or a value that is not a number, is a
            range of numbers, or is on another scale than the criterion's.
    """
    if not reply.strip():
        raise ReplyError("the reply is empty")
    lines = reply.splitlines()
    if len(lines) > _LINES:
        raise ReplyError(f"the reply has {len(lines):,} lines; {_LINES:,} are the most")
    headings = [i for i, line in enumerate(lines) if len(line) <= _LINE and _HEADING.fullmatch(line)]
    if not headings:
        raise ReplyError("no [Scores] section was found; the reply may have been cut")
    found: dict[str, float] = {}
    unread: dict[str, str] = {}
    end = len(lines)
    for start in reversed(headings):
        _read_scores(lines[start + 1 : end], ranges, found, unread)
        end = start
        if found:
            break
    highs = {high for _, high in ranges.values()}
    if all(_other_scale(lines[end], high) for high in highs):
        raise ReplyError(f"{shown(lines[end].strip())}: the scores are on another scale than was asked for")
    for name, value in unread.items():
        if name not in found:  # a comment that repeats the name of a rated criterion is not a score
            low, high = ranges[name]
            raise ReplyError(f"{name}: {shown(value)} is not a number from {low} to {high}")
    return "\n".join(lines[:end]).strip(), found


def _read_scores(
    lines: Sequence[str], ranges: Mapping[str, tuple[int, int]], found: dict[str, float], unread: dict[str, str]
) -> None:
    """Add numbers to `found` by canonical name, and values that are not numbers on their scale to `unread`."""
    known = {letters(name): name for name in ranges}
    for line in lines:
        text = _DRESS.sub("", line[:_LINE]).lstrip(" \t>•|+-").rstrip(" \t|")
        parts = next((cut for by in _SEPARATORS if len(cut := by.split(text, maxsplit=1)) == 2), None)
        name = _canonical(parts[0], known) if parts else None
        if parts is None or name is None or _NO_SCORE.match(parts[1]):
            continue
        high = ranges[name][1]
        value = _value(parts[1], high) if not _other_scale(parts[0], high) else None
        if value is None:
            unread.setdefault(name, parts[1].strip())
        elif found.setdefault(name, value) != value:
            raise ReplyError(f"{name}: two different scores, {found[name]:g} and {value:g}")


def _value(text: str, high: int) -> float | None:
    """Return the number in a value, or None if there is none on this scale."""
    number = _NUMBER.match(text)
    if number is None:
        return None
    value, rest = float(number["number"]), text[number.end() :]
    scale = _SCALE.match(rest)
    if scale is not None:
        return value if float(scale["of"]) == high else None
    doubtful = _other_scale(rest, high) or (_DOUBT.search(rest) and not _STATED.search(rest))
    return value if _COMMENT.match(rest) and not doubtful else None


def _other_scale(text: str, high: int) -> bool:
    """Whether a text states a scale other than the one that ends at `high`."""
    ends = [float(end) for found in _STATED.finditer(text) for end in found.groups() if end and end.isdigit()]
    return "%" in text or "per cent" in text or "percent" in text or (bool(ends) and high not in ends)


def letters(name: str) -> str:
    """The letters of a name in lower case, without parts in brackets; names are compared by these."""
    return "".join(c for c in re.sub(r"\([^()]*\)", "", name[:_LINE]).lower() if c.isalpha())


def _canonical(name: str, known: Mapping[str, str]) -> str | None:
    given = letters(name)
    if given in known:
        return known[given]
    near = (n for k, n in known.items() if abs(len(k) - len(given)) <= _ENDING and given and _one_begins(k, given))
    return next(near, None)


def _one_begins(one: str, other: str) -> bool:
    return one.startswith(other) or other.startswith(one)

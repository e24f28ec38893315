"""Did the judge quote the story? Reported as rates; never a penalty for the writer."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from ...rubrics import Marks, Rubric
from ..words import count_words

MAX_QUOTE_WORDS = 12
_ALIKE = ("'‘’‚‛′`´", '"“”„‟″«»')
_DASHES = "-‐‑‒–—―−"
_UNIT = re.compile(rf"(?P<dash>\s*[{_DASHES}]+\s*)|(?P<space>\s+)|(?P<dots>…|\.\.\.)|(?P<letter>.)", re.DOTALL)


@dataclass(frozen=True)
class EvidenceReport:
    """Quotes given, those that occur in the story, those over 12 words, and compulsory ones left out."""

    quotes: int
    not_found: tuple[str, ...]
    too_long: tuple[str, ...]
    compulsory: int
    missing: tuple[str, ...]

    def rates(self) -> dict[str, float]:
        """Shares from 0 to 1: `quotes_found`, `quotes_long`, `quotes_missing`; NaN where nothing was due."""
        return {
            "quotes_found": _share(self.quotes - len(self.not_found), self.quotes),
            "quotes_long": _share(len(self.too_long), self.quotes),
            "quotes_missing": _share(len(self.missing), self.compulsory),
        }


def check_evidence(rubric: Rubric, marks: Marks, story: str) -> EvidenceReport:
    """Look every quote of the judge up in the story (see `locate`)."""
    quotes = [quote for given in marks.evidence.values() for quote in given.quotes]
    compulsory = rubric.compulsory_quotes(marks)
    return EvidenceReport(
        quotes=len(quotes),
        not_found=tuple(q for q in quotes if locate(q, story) is None),
        too_long=tuple(q for q in quotes if count_words(q) > MAX_QUOTE_WORDS),
        compulsory=len(compulsory),
        missing=tuple(name for name in compulsory if not marks.evidence[name].quotes),
    )


def locate(quote: str, story: str) -> tuple[int, int] | None:
    """Where a quote stands in the story, as start and end, or None.

    Kinds of quotation marks and dashes, the space around dashes, white space, and quotation marks and full stops
    around the quote do not matter.
    """
    for text in dict.fromkeys((quote.strip(), quote.strip("\"'“”‘’… ."))):
        found = re.search("".join(map(_pattern, _UNIT.finditer(text))), story) if text else None
        if found:
            return found.span()
    return None


def _pattern(unit: re.Match[str]) -> str:
    if unit["dash"]:
        return rf"\s*[{_DASHES}]+\s*"
    if unit["space"]:
        return r"\s+"
    if unit["dots"]:
        return r"(?:…|\.\.\.)"
    alike = next((f"[{group}]" for group in _ALIKE if unit["letter"] in group), None)
    return alike or re.escape(unit["letter"])


def _share(part: int, whole: int) -> float:
    return part / whole if whole else math.nan

"""Did the judge quote the story? Reported as rates; never a penalty for the writer."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from ..rubrics import Marks, Rubric
from .words import count_words

MAX_QUOTE_WORDS = 12
_SAME = str.maketrans(
    {
        **dict.fromkeys("‘’‚‛′`´", "'"),
        **dict.fromkeys("“”„‟″«»", '"'),
        **dict.fromkeys("‐‑‒–—―−", "-"),
        "…": "...",
    }
)


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
    """Look every quote of the judge up in the story, after normalising quotes, dashes and white space."""
    text = _normalised(story)
    quotes = [quote for given in marks.evidence.values() for quote in given.quotes]
    compulsory = rubric.compulsory_quotes(marks)
    return EvidenceReport(
        quotes=len(quotes),
        not_found=tuple(q for q in quotes if not _occurs(q, text)),
        too_long=tuple(q for q in quotes if count_words(q) > MAX_QUOTE_WORDS),
        compulsory=len(compulsory),
        missing=tuple(name for name in compulsory if not marks.evidence[name].quotes),
    )


def _occurs(quote: str, text: str) -> bool:
    normal = _normalised(quote)
    return bool(normal) and (normal in text or ((bare := normal.strip("\"' .")) != "" and bare in text))


def _normalised(text: str) -> str:
    return re.sub(r" ?-+ ?", "-", " ".join(text.translate(_SAME).split()))


def _share(part: int, whole: int) -> float:
    return part / whole if whole else math.nan

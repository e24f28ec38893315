"""Did the judge quote the story? Reported as rates; never a penalty for the writer."""

from __future__ import annotations

import functools
import math
import re
import unicodedata
from dataclasses import dataclass

from ...rubrics import Marks, Rubric
from ..words import count_words

MAX_QUOTE_WORDS = 12
_MARKS = "\"'“”„‟‘’‚‛«»‹›「」『』〝〟`´″′＂＇"
_DASHES = "-‐‑‒–—―−－"
_DRESS = "*_~\\#"  # markdown, which judges leave out or add
_PIECES = re.compile(r"([0-9A-Za-z,.;:!?()]+)|.", re.DOTALL)  # characters that stay unchanged, or one that may not
_AROUND = "' ."  # normalised quotation marks, spaces and full stops


@dataclass(frozen=True)
class EvidenceReport:
    """Quotes given, those not found in the story, those over 12 words, and compulsory ones left out."""

    quotes: int
    not_found: tuple[str, ...]
    too_long: tuple[str, ...]
    compulsory: int
    missing: tuple[str, ...]

    def rates(self) -> dict[str, float]:
        """Shares from 0 to 1: `quotes_found`, `quotes_long`, `quotes_missing`; NaN if there was nothing to check."""
        return {
            "quotes_found": _share(self.quotes - len(self.not_found), self.quotes),
            "quotes_long": _share(len(self.too_long), self.quotes),
            "quotes_missing": _share(len(self.missing), self.compulsory),
        }


def check_evidence(rubric: Rubric, marks: Marks, story: str) -> EvidenceReport:
    """Look up every quote of the judge in the story (see `QuoteSearch`)."""
    quotes = [quote for given in marks.evidence.values() for quote in given.quotes]
    compulsory = rubric.compulsory_quotes(marks)
    search = QuoteSearch(story)
    return EvidenceReport(
        quotes=len(quotes),
        not_found=tuple(q for q in quotes if search.locate(q) is None),
        too_long=tuple(q for q in quotes if count_words(q) > MAX_QUOTE_WORDS),
        compulsory=len(compulsory),
        missing=tuple(name for name in compulsory if not marks.evidence[name].quotes),
    )


class QuoteSearch:
    """Finds quotes in a story, however both are typeset; time and space are linear in the story's length."""

    def __init__(self, story: str) -> None:
        self._story = story

    @functools.cached_property
    def _searched(self) -> tuple[str, list[int]]:
        return _plain(self._story)

    def locate(self, quote: str) -> tuple[int, int] | None:
        """Return the start and end of a quote in the story, or None.

        Differences in quotation marks, dashes and the space around them, white space, composed and decomposed letters,
        ligatures, invisible characters, markdown, and quotation marks and full stops around the quote are ignored.
        """
        given = quote.strip()
        start = self._story.find(given) if given else -1
        if start >= 0:
            return start, start + len(given)
        bare = _plain(given)[0].strip()
        for text in dict.fromkeys((bare, bare.strip(_AROUND))):
            story, places = self._searched
            start = story.find(text) if text else -1
            if start >= 0:
                last = start + len(text)
                end = places[last] if last < len(places) else len(self._story)
                return places[start], max(end, places[last - 1] + 1)  # half of a ligature is all of it
        return None


def _plain(text: str) -> tuple[str, list[int]]:
    """The text normalised for searching, and the position in `text` that each of its characters comes from."""
    signs: list[str] = []
    places: list[int] = []
    for found in _PIECES.finditer(text):
        letter, place = found[0], found.start()
        if found[1]:
            signs.append(letter)
            places.extend(range(place, found.end()))
            continue
        for sign in letter if letter.isascii() else unicodedata.normalize("NFKD", letter):
            if sign in _DRESS or (not sign.isascii() and unicodedata.category(sign) == "Cf"):
                continue
            last = signs[-1] if signs else ""
            if sign in _DASHES:
                if last == " ":
                    signs[-1] = "-"
                elif last != "-":
                    signs.append("-")
                    places.append(place)
            elif sign.isspace():
                if last not in (" ", "-", ""):
                    signs.append(" ")
                    places.append(place)
            else:
                signs.append("'" if sign in _MARKS else sign)
                places.append(place)
    return "".join(signs), places


def _share(part: int, whole: int) -> float:
    return part / whole if whole else math.nan

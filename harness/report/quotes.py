"""A story with the places that its judge quotes."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from ..judge.evidence import QuoteSearch
from ..judge.judgment import Mark


def pieces(story: str, marks: Sequence[Mark]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The story cut where quotes begin and end, and the marks with their quotes' places.

    A piece is {text, names, place}: `names` are the marks that quote it (empty outside quotes), `place` its number.
    A quote is {text, place}, with the number of the piece it begins with, or None where it is not in the story.
    """
    search = QuoteSearch(story)
    spans = [[(quote, search.locate(quote)) for quote in mark.quotes] for mark in marks]
    found = [
        (span, mark.name.split(" ")[0]) for mark, quotes in zip(marks, spans, strict=True) for _, span in quotes if span
    ]
    edges = sorted({0, len(story), *(edge for span, _ in found for edge in span)})
    cut = [
        {
            "text": story[start:end],
            "names": " ".join(dict.fromkeys(name for (a, b), name in found if a <= start and end <= b)),
            "place": place,
        }
        for place, (start, end) in enumerate(pairwise(edges), 1)
    ]
    places = {edge: place for place, edge in enumerate(edges, 1)}
    shown = [
        {
            **vars(mark),
            "value": mark.value,
            "quotes": [{"text": q, "place": places[span[0]] if span else None} for q, span in quotes],
        }
        for mark, quotes in zip(marks, spans, strict=True)
    ]
    return cut, shown

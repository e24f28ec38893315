"""A logged judgment in the form in which a person reads it: marks, reasons, and quotes at their places in the story."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from inspect_ai.log import EvalSample

from ..rubrics import Marks, ReplyError, Rubric, load_rubric
from .evidence import locate
from .words import strip_reasoning


@dataclass(frozen=True)
class Mark:
    """One mark of a judgment. `missing`: a quote was compulsory and none was given."""

    name: str
    value: str
    justification: str = ""
    quotes: tuple[str, ...] = ()
    why_not: str = ""
    missing: bool = False


@dataclass(frozen=True)
class Judgment:
    comment: str
    marks: tuple[Mark, ...]


def judgment(benchmark: str, sample: EvalSample) -> Judgment | None:
    """The judgment of a sample, or None where it was not judged.

    A reply that the rubric installed here cannot read (it was another version's) is shown as the log explains it.
    """
    judged = (sample.scores or {}).get("judged")
    details = (judged.metadata if judged else None) or {}
    if judged is None or details.get("status") != "scored":
        return None
    rubric = load_rubric(benchmark)
    if details.get("criteria"):
        marks = [Mark(c["criterion"], f"{c['score']:g}/10", c["reason"] or "") for c in details["criteria"]]
        return Judgment("", tuple(marks))
    try:
        found = rubric.parse(strip_reasoning(details["replies"][-1]))
    except (ReplyError, IndexError, KeyError):
        return Judgment(judged.explanation or "", ())
    return Judgment(found.comment, tuple(_mark(rubric, found, name) for name in rubric.mark_names))


def _mark(rubric: Rubric, marks: Marks, name: str) -> Mark:
    dimension = next((d for d in rubric.dimensions if d.id == name), None)
    title = name if dimension is None or dimension.name == name else f"{name} {dimension.name}"
    value = "not rated" if name not in marks.scores else f"{marks.scores[name]:g}"
    if dimension is not None and name in marks.scores:
        value += f"/{dimension.max}"
    given = marks.evidence.get(name)
    if given is None:
        return Mark(title, value)
    missing = name in rubric.compulsory_quotes(marks) and not given.quotes
    reason = " · ".join(filter(None, (given.target, given.justification)))
    return Mark(title, value, reason, given.quotes, given.why_not, missing)


def pieces(story: str, marks: Sequence[Mark]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The story cut where quotes begin and end, and the marks with their quotes' places.

    A piece is {text, names, place}: `names` are the marks that quote it (empty outside quotes), `place` its number.
    A quote is {text, place}, with the number of the piece it begins with, or None where it is not in the story.
    """
    spans = [[(quote, locate(quote, story)) for quote in mark.quotes] for mark in marks]
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
        {**vars(mark), "quotes": [{"text": q, "place": places[span[0]] if span else None} for q, span in quotes]}
        for mark, quotes in zip(marks, spans, strict=True)
    ]
    return cut, shown

"""Render other people's text as HTML: Markdown is rendered, raw HTML stays text, and a judge's quotes are marked."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from html import unescape
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from markupsafe import Markup, escape

from ..judge.evidence import QuoteSearch
from ..judge.judgment import Mark

if TYPE_CHECKING:
    from markdown_it import MarkdownIt

_RULES = ("heading", "hr", "blockquote", "emphasis")  # what stories use; links, lists and HTML stay text
_PARTS = re.compile(r"<[^>]*>|[^<]+")
_TITLE = 70
_MARKUP = re.compile(r"^\s*(?:#+\s|>)|(?<!\w)[*_`]+|[*_`]+(?!\w)", re.MULTILINE)
_REACH = 2000  # characters of Markdown searched for the next letter of the text


@dataclass(frozen=True)
class Piece:
    """A part of a story, and the ids of the marks that quote it (empty outside quotes). `place` is its number."""

    start: int
    end: int
    names: tuple[str, ...]
    place: int


def pieces(story: str, marks: Sequence[Mark]) -> tuple[list[Piece], list[dict[str, Any]]]:
    """Split a story where quotes begin and end.

    Returns:
        The pieces, and the marks with an `id` and with quotes as {text, place}: the number of the piece where the quote
        begins, or None if it is not in the story.
    """
    search = QuoteSearch(story)
    spans = [[(quote, search.locate(quote)) for quote in mark.quotes] for mark in marks]
    ids = _ids(marks)
    found = [(span, name) for name, quotes in zip(ids, spans, strict=True) for _, span in quotes if span]
    edges = sorted({0, len(story), *(edge for span, _ in found for edge in span)})
    cut = [
        Piece(start, end, tuple(dict.fromkeys(name for (a, b), name in found if a <= start and end <= b)), place)
        for place, (start, end) in enumerate(pairwise(edges), 1)
    ]
    places = {edge: place for place, edge in enumerate(edges, 1)}
    shown = [
        {
            **vars(mark),
            "id": name,
            "value": mark.value,
            "quotes": [{"text": quote, "place": places[span[0]] if span else None} for quote, span in quotes],
        }
        for mark, name, quotes in zip(marks, ids, spans, strict=True)
    ]
    return cut, shown


def rendered(text: str, cut: Sequence[Piece] = (), anchor: str = "") -> Markup:
    """Render a text as HTML: paragraphs, line breaks, emphasis, headings, rules and block quotes; the rest stays text.

    Quoted pieces are marked, with the id ANCHOR-PLACE and links back to ANCHOR-MARK of each mark that quotes them.
    """
    html = _markdown().render(text)
    if not cut:
        return Markup(html)
    return Markup("").join(_marked(html, text, cut, anchor))


def title_of(prompt: str) -> str:
    """The first words of a prompt, on one line, without Markdown markup."""
    text = " ".join(re.sub(_MARKUP, "", prompt).split())
    return text if len(text) <= _TITLE else f"{text[:_TITLE].rsplit(' ', 1)[0]} …"


def _ids(marks: Sequence[Mark]) -> list[str]:
    """The first word of each mark's name, numbered where several begin alike."""
    first = [mark.name.split(" ")[0] for mark in marks]
    return [f"{word}.{first[: n + 1].count(word)}" if first.count(word) > 1 else word for n, word in enumerate(first)]


@cache
def _markdown() -> MarkdownIt:
    from markdown_it import MarkdownIt

    return MarkdownIt("zero", {"breaks": True, "html": False}).enable([*_RULES, "newline"])


def _marked(html: str, text: str, cut: Sequence[Piece], anchor: str) -> Iterator[Markup]:
    """Yield the rendered HTML with quoted pieces marked. Its characters are those of the text in the same order,
    without Markdown markup."""
    at, begun = 0, 0  # the next character of the text; the number of pieces that have begun
    for part in _PARTS.findall(html):
        if part.startswith("<") or part.isspace():
            yield Markup(part)
            continue
        run = ""
        for letter in unescape(part):
            place = text.find(letter, at, at + _REACH)
            at = at if place < 0 else place
            while begun < len(cut) and cut[begun].start <= at:
                yield _run(run, begun and cut[begun - 1].names)
                yield _cited(cut[begun], cut[begun - 1].names if begun else (), anchor)
                run, begun = "", begun + 1
            run += letter
            at += place >= 0
        yield _run(run, begun and cut[begun - 1].names)


def _run(text: str, quoted: Any) -> Markup:
    return Markup("<mark>{}</mark>").format(text) if text and quoted else escape(text)


def _cited(piece: Piece, before: Sequence[str], anchor: str) -> Markup:
    """The target of a quote's link, with links back to the marks whose quotes begin here."""
    if not piece.names:
        return Markup("")
    links = (Markup('<a href="#{0}-{1}">{1}</a>').format(anchor, name) for name in piece.names if name not in before)
    return Markup('<sup id="{}-{}">{}</sup>').format(anchor, piece.place, Markup(" ").join(links))

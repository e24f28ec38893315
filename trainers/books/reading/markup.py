"""HTML to blocks: the pages of an EPUB, and Markdown once it is rendered."""

from __future__ import annotations

import html
import html.entities
import re
from collections.abc import Iterator
from typing import Any

import lxml.html
from lxml import etree

from .book import BREAK, Block, Kind, tidy, words_of

_BLOCKS = frozenset(
    ("address", "article", "aside", "blockquote", "body", "center", "dd", "div", "dl", "dt", "figcaption", "figure",
     "footer", "form", "h1", "h2", "h3", "h4", "h5", "h6", "header", "hgroup", "hr", "li", "main", "nav", "ol", "p",
     "pre", "section", "table", "tbody", "td", "tfoot", "th", "thead", "tr", "ul")
)  # fmt: skip
_HEADINGS = {f"h{level}": level for level in range(1, 7)}
_SKIPPED = frozenset(["head", "nav", "script", "style", "svg", "img", "math", "audio", "video", "object"])
_FRAME = frozenset(words_of("frame_types"))
_VERSE = re.compile(r"\b(?:verse|poem|poetry|stanza|song|hymn)\b")
# marks of footnotes and numbers of pages, which stand inside sentences
_NOTE = re.compile(r"\b(?:noteref|backlink|fnanchor|footnote-?ref|pagebreak|page-?num(?:ber)?)\b")
_MARK = re.compile(r"[\[(]?(?:\d{1,3}|[*†‡§]+|[ivxlc]{1,6})[\])]?\.?")
_VERSE_LETTERS = 60  # lines of verse are shorter on average
_GUTENBERG = re.compile(r"\bpg-?(?:boilerplate|header|footer)\b")
_ENTITY = re.compile(rb"&([A-Za-z][A-Za-z0-9]*);")
_XML = {b"amp", b"lt", b"gt", b"quot", b"apos"}
_EMPTY = re.compile(rb"^(?:\xef\xbb\xbf)?\s*(?:<[?!][^>]*>\s*)*$")


class Page:
    """The blocks of one page, and at which of them each anchor of its markup stands."""

    def __init__(self, content: bytes) -> None:
        self.blocks: list[Block] = []
        self.anchors: dict[str, int] = {}
        if _EMPTY.match(content):
            return
        try:
            parser = etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=True)
            root = etree.fromstring(_ENTITY.sub(_character, content), parser)
        except etree.XMLSyntaxError:  # not well-formed: read it as browsers do
            root = lxml.html.document_fromstring(content, lxml.html.HTMLParser(encoding="utf-8", huge_tree=True))
        body = next((e for e in root.iter() if _name(e) == "body"), root)
        self._walk(body, frame=False, verse=False)

    def _walk(self, element: Any, frame: bool, verse: bool) -> None:
        name, types = _name(element), _types(element)
        if not name:
            return
        self._anchor(element)
        if name in _SKIPPED or _GUTENBERG.search(types):
            return
        frame = frame or not _FRAME.isdisjoint(types.split())
        verse = verse or bool(_VERSE.search(types))
        if name == "hr":
            self._add("break", BREAK, frame)
        elif name in ("hgroup", *_HEADINGS):
            heading = next((e for e in element.iter() if _name(e) in _HEADINGS), element)
            self._anchors_in(element)
            self._add("heading", _text(heading).replace("\n", " "), frame, _HEADINGS.get(_name(heading), 1))
        elif name == "tr":
            self._anchors_in(element)
            cells = [text for cell in element if (text := _text(cell).replace("\n", " "))]
            self._add("speech" if "persona" in _all_types(element) else "text", ": ".join(cells), frame)
        elif any(_name(e) in _BLOCKS for e in element.iterdescendants()):
            loose: list[str] = [element.text or ""]
            for child in element:
                if any(_name(e) in _BLOCKS for e in child.iter()):
                    self._add("text", "".join(loose), frame)
                    loose.clear()
                    self._walk(child, frame, verse)
                else:
                    self._anchor(child)
                    self._anchors_in(child)
                    loose.append("".join(_pieces(child)))
                loose.append(child.tail or "")
            self._add("text", "".join(loose), frame)
        else:
            self._anchors_in(element)
            for text in re.split(r"\n{2,}", _text(element)):  # two line ends are how some books end a paragraph
                lines = text.split("\n")
                short = sum(map(len, lines)) / len(lines) < _VERSE_LETTERS
                self._add("verse" if (len(lines) > 2 and short) or verse else "text", text, frame)

    def _anchors_in(self, element: Any) -> None:
        for inner in element.iterdescendants():
            self._anchor(inner)

    def _anchor(self, element: Any) -> None:
        """Remember where an element stands: at the block that comes next."""
        if isinstance(element.tag, str) and (anchor := element.get("id") or element.get("name")):
            self.anchors.setdefault(anchor, len(self.blocks))

    def _add(self, kind: Kind, text: str, frame: bool, level: int = 0) -> None:
        text = tidy(text)
        if text:
            self.blocks.append(Block(kind, text, level, frame))


def _text(element: Any) -> str:
    return tidy("".join(_pieces(element)))


def _pieces(element: Any) -> Iterator[str]:
    """Text as a reader sees it: white space is a space, `br` a new line, and marks of footnotes are left out."""
    if _name(element) in _SKIPPED or _NOTE.search(_types(element)) or _is_note_mark(element):
        return
    if _name(element) == "br":
        yield "\n"
    if isinstance(element.tag, str):
        yield re.sub(r"\s+", " ", element.text or "")
        for child in element:
            yield from _pieces(child)
            yield re.sub(r"\s+", " ", child.tail or "")


def _is_note_mark(element: Any) -> bool:
    """A number or sign that leads to a note: a link to a place, or such a link set high."""
    links = [element] if _name(element) == "a" else list(element.iter("{*}a")) if _name(element) == "sup" else []
    text = "".join(element.itertext()).strip() if links else ""
    return bool(_MARK.fullmatch(text)) and any("#" in (link.get("href") or "") for link in links)


def _name(element: Any) -> str:
    return str(element.tag).rpartition("}")[2].lower() if isinstance(element.tag, str) else ""


def _types(element: Any) -> str:
    """What an element says that it is: its epub:type, class, role and id, in one line of words."""
    if not isinstance(element.tag, str):
        return ""
    said = [element.get("{http://www.idpf.org/2007/ops}type"), element.get("epub:type"), element.get("role")]
    said += [element.get("class"), element.get("id") if _GUTENBERG.search(element.get("id") or "") else None]
    return " ".join(filter(None, said)).lower()


def _all_types(element: Any) -> str:
    return " ".join(_types(inner) for inner in element.iter())


def _character(match: re.Match[bytes]) -> bytes:
    """A named entity of HTML as the character itself; XML parsers know five of them and drop the others."""
    name = match.group(1)
    known = html.entities.html5.get(name.decode() + ";")
    return match.group() if name in _XML or known is None else "".join(f"&#{ord(c)};" for c in known).encode()

"""Convert HTML to blocks: the pages of an EPUB, and rendered Markdown."""

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
_SKIPPED = frozenset(
    ["head", "nav", "script", "style", "svg", "img", "math", "audio", "video", "object", "rt", "rp", "rtc", "template"]
)
_SECTIONS = frozenset(["section", "article", "div"])
_UNSEEN = re.compile(r"(?:display\s*:\s*none|visibility\s*:\s*hidden)", re.IGNORECASE)
_REPEATED = re.compile(r"\bpull-?quote\b")  # a sentence of the story, shown again
_SUMMARY = re.compile(r"\b(?:summary|synopsis|argument|bridgehead)\b")
_NO_SUMMARY = re.compile(r"\b(?:epigraph|letter|dateline|salutation)\b")
_FRAME = frozenset(words_of("frame_types"))
_VERSE = re.compile(r"\b(?:verse|poem|poetry|stanza|song|hymn)\b")
# footnote marks and page numbers, which occur inside sentences
_NOTE = re.compile(r"\b(?:noteref|backlink|fnanchor|footnote-?ref|pagebreak|page-?num(?:ber)?)\b")
_MARK = re.compile(r"[\[(]?(?:\d{1,3}|[*†‡§]+|[ivxlc]{1,6})[\])]?\.?")
_BEFORE_MARK = re.compile(r"(?:[^\W\d_]{2}|[.,;:!?”’\"')\]])$")
_VERSE_LETTERS = 60  # lines of verse are shorter on average
_GUTENBERG = re.compile(r"\bpg-?(?:boilerplate|header|footer)\b")
_ENTITY = re.compile(rb"&([A-Za-z][A-Za-z0-9]*);")
_XML = {b"amp", b"lt", b"gt", b"quot", b"apos"}
_EMPTY = re.compile(rb"^(?:\xef\xbb\xbf)?\s*(?:<[?!][^>]*>\s*)*$")


class Page:
    """The blocks of one page, the block at which each anchor of its markup stands, and the block before which each
    section with an anchor ends."""

    def __init__(self, content: bytes, unseen: frozenset[str] = frozenset()) -> None:
        """`unseen` are the classes whose elements the book's style sheets hide."""
        self.blocks: list[Block] = []
        self.anchors: dict[str, int] = {}
        self.ends: dict[str, int] = {}
        self._unseen = unseen
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
        if name in _SKIPPED or _GUTENBERG.search(types) or _REPEATED.search(types) or self._is_unseen(element):
            return
        frame = frame or not _FRAME.isdisjoint(types.split()) or bool(_SUMMARY.search(types))
        frame = frame or (_in_header(element) and not _NO_SUMMARY.search(_all_types(element)))
        verse = verse or bool(_VERSE.search(types))
        if name == "hr":
            self._add("break", BREAK, frame)
        elif name in ("hgroup", *_HEADINGS):
            heading = next((e for e in element.iter() if _name(e) in _HEADINGS), element)
            self._anchors_in(element)
            self._add("heading", self._text(heading).replace("\n", " "), frame, _HEADINGS.get(_name(heading), 1))
        elif name == "tr":
            self._anchors_in(element)
            cells = [text for cell in element if (text := self._text(cell).replace("\n", " "))]
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
                    loose.append("" if self._is_unseen(child) else "".join(self._pieces(child)))
                loose.append(child.tail or "")
            self._add("text", "".join(loose), frame)
            if name in _SECTIONS and element.get("id"):
                self.ends[element.get("id")] = len(self.blocks)
        else:
            self._anchors_in(element)
            frame = frame or _is_note(element)
            for text in re.split(r"\n{2,}", self._text(element)):  # some books end a paragraph with two line ends
                lines = text.split("\n")
                short = sum(map(len, lines)) / len(lines) < _VERSE_LETTERS
                self._add("verse" if (len(lines) > 2 and short) or verse else "text", text, frame)

    def _anchors_in(self, element: Any) -> None:
        for inner in element.iterdescendants():
            self._anchor(inner)

    def _anchor(self, element: Any) -> None:
        """Remember an element's place: the block that comes next."""
        if isinstance(element.tag, str) and (anchor := element.get("id") or element.get("name")):
            self.anchors.setdefault(anchor, len(self.blocks))

    def _is_unseen(self, element: Any) -> bool:
        if not isinstance(element.tag, str):
            return False
        hidden = element.get("hidden") is not None or (element.get("aria-hidden") or "").lower() == "true"
        classes = (element.get("class") or "").split()
        return hidden or bool(_UNSEEN.search(element.get("style") or "")) or not self._unseen.isdisjoint(classes)

    def _text(self, element: Any) -> str:
        return tidy("".join(self._pieces(element)))

    def _pieces(self, element: Any) -> Iterator[str]:
        """Yield text as a reader sees it: white space is a space, `br` a new line, and note marks are left out."""
        if _name(element) in _SKIPPED or _NOTE.search(_types(element)) or _is_note_mark(element):
            return
        if self._is_unseen(element):
            return
        if _name(element) == "br":
            yield "\n"
        if isinstance(element.tag, str):
            yield re.sub(r"\s+", " ", element.text or "")
            for child in element:
                yield from self._pieces(child)
                yield re.sub(r"\s+", " ", child.tail or "")

    def _add(self, kind: Kind, text: str, frame: bool, level: int = 0) -> None:
        text = tidy(text)
        if text:
            self.blocks.append(Block(kind, text, level, frame))


def _is_note_mark(element: Any) -> bool:
    """Whether an element is a number or sign that leads to a note: a link to an anchor, or a superscript number."""
    name, text = _name(element), "".join(element.itertext()).strip() if isinstance(element.tag, str) else ""
    if name not in ("a", "sup") or not _MARK.fullmatch(text):
        return False
    links = [element] if name == "a" else list(element.iter("{*}a"))
    if any("#" in (link.get("href") or "") for link in links):
        return True
    return (
        name == "sup" and not text.isalpha() and bool(re.search(r"(?:[^\W\d_]{2}|[.,;:!?”’\"')\]])$", _before(element)))
    )


def _before(element: Any) -> str:
    """The text right before an element, within its parent."""
    previous = element.getprevious()
    if previous is None:
        parent = element.getparent()
        return (parent.text or "") if parent is not None else ""
    return previous.tail or "".join(previous.itertext())


def _is_note(element: Any) -> bool:
    """Whether a paragraph is a note, which is so if it begins with a linked note mark."""
    first = next((child for child in element if isinstance(child.tag, str)), None)
    return first is not None and not (element.text or "").strip() and _name(first) == "a" and _is_note_mark(first)


def _in_header(element: Any) -> bool:
    """Whether an element is next to a heading in the header of a story; a letter's header has no heading."""
    parent = element.getparent()
    if parent is None or _name(parent) != "header" or _name(element) in ("hgroup", *_HEADINGS):
        return False
    return any(_name(inner) in _HEADINGS for inner in parent.iter())


def _name(element: Any) -> str:
    return str(element.tag).rpartition("}")[2].lower() if isinstance(element.tag, str) else ""


def _types(element: Any) -> str:
    """What an element says about itself: its epub:type, class, role and id, as one line of words."""
    if not isinstance(element.tag, str):
        return ""
    said = [element.get("{http://www.idpf.org/2007/ops}type"), element.get("epub:type"), element.get("role")]
    said += [element.get("class"), element.get("id") if _GUTENBERG.search(element.get("id") or "") else None]
    return " ".join(filter(None, said)).lower()


def _all_types(element: Any) -> str:
    return " ".join(_types(inner) for inner in element.iter())


def _character(match: re.Match[bytes]) -> bytes:
    """Replace a named HTML entity by its numeric form; XML parsers know only five names and drop the others."""
    name = match.group(1)
    known = html.entities.html5.get(name.decode() + ";")
    return match.group() if name in _XML or known is None else "".join(f"&#{ord(c)};" for c in known).encode()

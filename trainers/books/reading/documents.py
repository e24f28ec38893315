"""Read HTML pages and Word documents as books."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import lxml.html
from lxml.etree import LxmlError

from ....harness.errors import UserError
from .apparatus import without_apparatus
from .book import BREAK, Block, Book, Entry, Kind, tidy
from .frame import without_frame
from .markup import Page
from .text import decode

_DECLARED = re.compile(r"^\s*<\?xml[^>]*\?>|<meta[^>]+charset[^>]*>", re.IGNORECASE)
_HEADING_STYLE = re.compile(r"^(?:heading (\d)|title)$", re.IGNORECASE)
_LINKS = 2  # from this many links to places in the page, they are its table of contents


def read_html(path: Path, book_id: str) -> Book:
    """Read a book from one HTML page. Links within the page that lead to headings, in order, are its table of
    contents."""
    text, notes = decode(path)
    content = _DECLARED.sub("", text).encode()
    try:
        page = Page(content)
        root = lxml.html.document_fromstring(content, lxml.html.HTMLParser(encoding="utf-8", huge_tree=True))
    except (RecursionError, ValueError, LxmlError) as error:
        raise UserError(f"{path}: cannot be read: {type(error).__name__}") from None
    if not page.blocks:
        raise UserError(f"{path}: the page holds no text")
    title = tidy(root.findtext(".//title") or "").replace("\n", " ")
    authors = [tag.get("content") for tag in root.iter("meta") if (tag.get("name") or "").lower() == "author"]
    blocks = tuple(without_apparatus(without_frame(page.blocks)))
    return Book(
        book_id, str(path), title or path.stem, tidy(authors[0] or "") if authors else "", "", blocks,
        _linked(root, page), notes,
    )  # fmt: skip


def _linked(root: Any, page: Page) -> tuple[Entry, ...]:
    found: dict[int, str] = {}
    for link in root.iter("a"):
        target = link.get("href") or ""
        place = page.anchors.get(target[1:]) if target.startswith("#") else None
        title = tidy(link.text_content()).replace("\n", " ")
        if place is None or place >= len(page.blocks) or len(title) < 3:
            continue
        if page.blocks[place].kind == "heading" and (not found or place > max(found)):
            found[place] = title
    return tuple(Entry(title, place) for place, title in found.items()) if len(found) >= _LINKS else ()


def read_docx(path: Path, book_id: str) -> Book:
    """Read a book from a Word document: paragraphs, and headings by their styles, without hidden text, notes, headers
    and footers."""
    import docx
    from docx.opc.exceptions import OpcError

    try:
        found = docx.Document(str(path))
        blocks = [block for paragraph in found.paragraphs if (block := _paragraph(paragraph))]
        told = found.core_properties
        title, author = tidy(told.title or "").replace("\n", " "), tidy(told.author or "").replace("\n", " ")
    except (OpcError, KeyError, ValueError, AttributeError, LxmlError) as error:
        why = " ".join(str(error).split())[:120] or type(error).__name__
        raise UserError(f"{path}: is not a Word document, or broken: {why}") from None
    if not blocks:
        raise UserError(f"{path}: the document holds no text")
    kept = tuple(without_apparatus(without_frame(blocks)))
    return Book(book_id, str(path), title or path.stem, "" if author == "python-docx" else author, "", kept)


def _paragraph(paragraph: Any) -> Block | None:
    text = tidy("".join(run.text for run in paragraph.runs if not run.font.hidden and not run.font.superscript))
    if not text:
        return None
    style = _HEADING_STYLE.match(paragraph.style.name if paragraph.style is not None else "")
    if style:
        return Block("heading", text.replace("\n", " "), level=int(style[1] or 1))
    kind: Kind = "break" if re.fullmatch(r"[\s*#•·~—–_=-]{1,40}", text) else "text"
    return Block(kind, BREAK if kind == "break" else text)

"""Read plain text and Markdown as books."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import yaml
from charset_normalizer import from_bytes
from markdown_it import MarkdownIt

from ....harness.errors import UserError
from .apparatus import without_apparatus
from .book import Book
from .contents import listed
from .frame import without_frame
from .markup import Page
from .paragraphs import text_blocks

_LABEL = re.compile(r"^(title|author):\s*(.+)$", re.IGNORECASE | re.MULTILINE)
_BYLINE = re.compile(r"^by (.{3,60})$", re.IGNORECASE)


def read_text(path: Path, book_id: str) -> Book:
    """Read a book from a text file. Lines that belong together are joined, short ones kept as verse.

    Stories begin at the titles in the book's own table of contents; without one, at headings: short separate lines
    that are set further apart than paragraphs.
    """
    text, notes = decode(path)
    labels = {name.lower(): value.strip() for name, value in _LABEL.findall(text[:5000])}
    found = list(text_blocks(text))
    if not found:
        raise UserError(f"{path}: the file is empty")
    blocks = without_frame(found)
    entries, end = listed(blocks)
    blocks = [replace(block, text="") if number < end else block for number, block in enumerate(blocks)]
    author = labels.get("author", "")
    if not author:
        author = next((m.group(1) for b in found[:6] if (m := _BYLINE.match(b.text))), "")
    kept = tuple(without_apparatus(blocks))
    return Book(book_id, str(path), labels.get("title") or path.stem, author, "", kept, entries, notes, bool(entries))


def read_markdown(path: Path, book_id: str) -> Book:
    """Read a book from Markdown; YAML front matter may give `title`, `author` and `licence`."""
    text, notes = decode(path)
    said: dict[str, str] = {}
    if text.startswith("---\n") and "\n---\n" in text[4:]:
        head, _, rest = text[4:].partition("\n---\n")
        try:
            loaded = yaml.safe_load(head)
        except yaml.YAMLError:
            loaded = None
        if isinstance(loaded, dict):  # else it is a scene between two rules
            said, text = {str(k).lower(): str(v) for k, v in loaded.items()}, rest
    page = Page(f"<body>{MarkdownIt('commonmark', {'html': False}).render(text)}</body>".encode())
    if not page.blocks:
        raise UserError(f"{path}: the file is empty")
    licence = said.get("licence") or said.get("license", "")
    title = said.get("title") or path.stem
    return Book(book_id, str(path), title, said.get("author", ""), licence, tuple(page.blocks), (), notes)


def decode(path: Path) -> tuple[str, tuple[str, ...]]:
    """Return the text of a file, whatever its encoding, and notes about it.

    The encoding is UTF-8 (or what a byte order mark says). If only some lines are UTF-8, the others are read as
    Windows-1252. Otherwise it is Windows-1252 if the bytes allow that, or else the encoding that they look like.

    Raises:
        UserError: the bytes are not text.
    """
    data = path.read_bytes()
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return _lines(data.decode("utf-16", "replace")), ()
    if b"\0" in data:
        raise UserError(f"{path}: is not a text file (or UTF-16 without a byte order mark: save it as UTF-8)")
    try:
        return _lines(data.decode("utf-8-sig")), ()
    except UnicodeDecodeError:
        pass
    lines = data.splitlines(keepends=True)
    odd = [line for line in lines if not line.isascii()]
    broken = sum(_decoded(line, "utf-8") is None for line in odd)
    if broken < len(odd):
        text = "".join(_decoded(line, "utf-8") or line.decode("cp1252", "replace") for line in lines)
        return _lines(text), (f"mixed encodings: {broken} lines are not UTF-8, and were read as Windows-1252",)
    possible = from_bytes(data)
    names = {name for match in possible for name in (match.encoding, *match.could_be_from_charset)}
    western = _decoded(data, "cp1252") if "cp1252" in names else None
    if western is not None:
        return _lines(western), ("read as Windows-1252",)
    best = possible.best()
    if best is None:
        raise UserError(f"{path}: unknown encoding; save it as UTF-8")
    return _lines(str(best)), (f"read as {best.encoding}",)


def _decoded(line: bytes, encoding: str) -> str | None:
    try:
        return line.decode(encoding)
    except UnicodeDecodeError:
        return None


def _lines(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n").replace("\f", "\n\n\n").removeprefix("\ufeff")

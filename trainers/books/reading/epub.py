"""EPUB, read with ebooklib."""

from __future__ import annotations

import posixpath
import re
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from lxml.etree import LxmlError

from ....harness.errors import UserError
from .apparatus import without_apparatus
from .book import Block, Book, Entry, tidy
from .frame import without_frame
from .markup import Page

_HIDES = re.compile(r"([^{}]*)\{[^{}]*display\s*:\s*none[^{}]*\}", re.IGNORECASE)
_CLASS = re.compile(r"\.([\w-]+)\s*(?:,|$)")
_UNREAD = (".jpg", ".jpeg", ".png", ".gif", ".webp", ".bmp", ".tif", ".tiff", ".mp3", ".mp4", ".m4a", ".ogg", ".wav",
           ".ttf", ".otf", ".woff", ".woff2")  # fmt: skip
# these two only scramble fonts; anything else in encryption.xml is a lock on the text
_FONTS = ("http://www.idpf.org/2008/embedding", "http://ns.adobe.com/pdf/enc#RC")


def read_epub(path: Path, book_id: str) -> Book:
    """Read a book from an EPUB file.

    Raises:
        UserError: not an EPUB, broken, or locked by DRM.
    """
    _check_lock(path)
    epub = _load(path)
    blocks: list[Block] = []
    places: dict[str, int] = {}
    ends: dict[str, int] = {}  # of sections that end before their page does
    unseen = _unseen(epub)
    for item_id, linear in epub.spine:
        item = epub.get_item_with_id(item_id)
        if item is None or not hasattr(item, "content") or "html" not in (item.media_type or ""):
            continue
        try:
            page = Page(item.content, unseen)
        except (RecursionError, ValueError, LxmlError) as error:
            raise UserError(f"{path}: the page {item.file_name} cannot be read: {type(error).__name__}") from None
        name = posixpath.normpath(item.file_name)
        places.setdefault(name, len(blocks))
        for anchor, number in page.anchors.items():
            places.setdefault(f"{name}#{anchor}", len(blocks) + number)
        ends |= {f"{name}#{anchor}": len(blocks) + end for anchor, end in page.ends.items() if end < len(page.blocks)}
        beside = str(linear).lower() == "no"  # not in reading order
        blocks += [replace(block, frame=True) for block in page.blocks] if beside else page.blocks
    if not any(block.kind != "heading" for block in blocks):
        raise UserError(f"{path}: the EPUB holds no text")
    missing: list[str] = []
    contents = _entries(epub.toc, places, ends, missing)
    return Book(
        id=book_id,
        path=str(path),
        title=_said(epub, "title") or path.stem,
        author=_said(epub, "creator"),
        licence=_said(epub, "rights"),
        blocks=tuple(without_apparatus(without_frame(blocks))),
        contents=contents,
        notes=tuple([f"{len(missing)} lines of the table of contents lead to no place in the book"] if missing else []),
    )


def _check_lock(path: Path) -> None:
    try:
        with zipfile.ZipFile(path) as archive:
            names = set(archive.namelist())
            if "META-INF/container.xml" not in names:
                raise UserError(f"{path}: is not an EPUB (it has no META-INF/container.xml)")
            lock = archive.read("META-INF/encryption.xml").decode("utf-8", "replace") if (
                "META-INF/encryption.xml" in names) else ""  # fmt: skip
    except (zipfile.BadZipFile, OSError, EOFError) as error:
        raise UserError(f"{path}: is not an EPUB, or broken: {error}") from None
    methods = [part.split('"')[0] for part in lock.replace("'", '"').split('EncryptionMethod Algorithm="')[1:]]
    if {"META-INF/rights.xml", "META-INF/license.lcpl"} & names or any(method not in _FONTS for method in methods):
        raise UserError(f"{path}: is locked by DRM and cannot be read; use a copy without it")


def _load(path: Path) -> Any:
    from ebooklib import epub

    class Reader(epub.EpubReader):  # type: ignore[misc]
        """Leaves out pictures, sounds and fonts, which may be of any size."""

        def read_file(self, name: str) -> Any:
            return b"" if Path(name).suffix.lower() in _UNREAD else super().read_file(name)

    def read(**options: bool) -> Any:
        reader = Reader(str(path), options)
        found = reader.load()
        reader.process()
        return found

    try:
        found = read(ignore_ncx=True)
        return found if found.toc else read(ignore_ncx=False)  # the contents of EPUB 2
    except Exception as error:  # ebooklib lets through whatever zipfile, lxml and its own assumptions raise
        why = " ".join(str(error).split()) or type(error).__name__
        raise UserError(f"{path}: the EPUB is broken: {why[:160]}") from None


def _said(epub: Any, name: str) -> str:
    found = [value for value, _ in epub.get_metadata("DC", name) if value and value.strip()]
    return tidy(", ".join(found) if name == "creator" else found[0]).replace("\n", " ") if found else ""


def _unseen(epub: Any) -> frozenset[str]:
    """The classes that the book's style sheets hide, by simple rules such as “.name { display: none }”."""
    sheets = [item.get_content() for item in epub.get_items() if "css" in (item.media_type or "")]
    text = "\n".join(s.decode("utf-8", "replace") if isinstance(s, bytes) else s for s in sheets)
    return frozenset(name for names in _HIDES.findall(text) for name in _CLASS.findall(names.strip()))


def _entries(toc: Any, places: dict[str, int], ends: dict[str, int], missing: list[str]) -> tuple[Entry, ...]:
    """The table of contents; titles of lines that lead nowhere are added to `missing`."""
    found = []
    for item in toc if isinstance(toc, list | tuple) else [toc]:
        link, children = item if isinstance(item, tuple) else (item, ())
        under = _entries(children, places, ends, missing) if children else ()
        target = unquote(link.href or "")
        page, sharp, anchor = target.partition("#")
        place = f"{posixpath.normpath(page)}{sharp}{anchor}"
        start = places.get(place)
        if start is None:  # the anchor is missing: use its page
            missing.append(link.title or "")
            start = places.get(posixpath.normpath(page))
        if start is None and under:
            start = under[0].start
        if start is not None:
            found.append(Entry(tidy(link.title or "").replace("\n", " "), start, under, ends.get(place)))
    return tuple(found)

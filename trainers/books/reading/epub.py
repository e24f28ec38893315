"""EPUB, read with ebooklib."""

from __future__ import annotations

import posixpath
import zipfile
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from lxml.etree import LxmlError

from ....harness.errors import UserError
from .book import Block, Book, Entry, tidy
from .markup import Page

# these two only scramble fonts; anything else in encryption.xml is a lock on the text
_FONTS = ("http://www.idpf.org/2008/embedding", "http://ns.adobe.com/pdf/enc#RC")


def read_epub(path: Path, book_id: str) -> Book:
    """A book from an EPUB file.

    Raises:
        UserError: not an EPUB, broken, or locked by DRM.
    """
    _check_lock(path)
    epub = _load(path)
    blocks: list[Block] = []
    places: dict[str, int] = {}
    for item_id, _ in epub.spine:
        item = epub.get_item_with_id(item_id)
        if item is None or not hasattr(item, "content") or "html" not in (item.media_type or ""):
            continue
        try:
            page = Page(item.content)
        except (RecursionError, ValueError, LxmlError) as error:
            raise UserError(f"{path}: the page {item.file_name} cannot be read: {type(error).__name__}") from None
        name = posixpath.normpath(item.file_name)
        places.setdefault(name, len(blocks))
        for anchor, number in page.anchors.items():
            places.setdefault(f"{name}#{anchor}", len(blocks) + number)
        blocks += page.blocks
    if not any(block.kind != "heading" for block in blocks):
        raise UserError(f"{path}: the EPUB holds no text")
    missing: list[str] = []
    contents = _entries(epub.toc, places, missing)
    return Book(
        id=book_id,
        path=str(path),
        title=_said(epub, "title") or path.stem,
        author=_said(epub, "creator"),
        licence=_said(epub, "rights"),
        blocks=tuple(blocks),
        contents=contents,
        notes=tuple([f"{len(missing)} lines of the table of contents lead to no place in the book"] if missing else []),
    )


def _check_lock(path: Path) -> None:
    try:
        with zipfile.ZipFile(path) as archive:
            names = set(archive.namelist())
            if "META-INF/container.xml" not in names:
                raise UserError(f"{path}: is no EPUB (it has no META-INF/container.xml)")
            lock = archive.read("META-INF/encryption.xml").decode("utf-8", "replace") if (
                "META-INF/encryption.xml" in names) else ""  # fmt: skip
    except (zipfile.BadZipFile, OSError, EOFError) as error:
        raise UserError(f"{path}: is no EPUB, or broken: {error}") from None
    methods = [part.split('"')[0] for part in lock.replace("'", '"').split('EncryptionMethod Algorithm="')[1:]]
    if {"META-INF/rights.xml", "META-INF/license.lcpl"} & names or any(method not in _FONTS for method in methods):
        raise UserError(f"{path}: is locked by DRM and cannot be read; use a copy without it")


def _load(path: Path) -> Any:
    from ebooklib import epub

    try:
        found = epub.read_epub(str(path), {"ignore_ncx": True})
        # the contents of EPUB 2
        return found if found.toc else epub.read_epub(str(path), {"ignore_ncx": False})
    except Exception as error:  # ebooklib lets through whatever zipfile, lxml and its own assumptions raise
        why = " ".join(str(error).split()) or type(error).__name__
        raise UserError(f"{path}: the EPUB is broken: {why[:160]}") from None


def _said(epub: Any, name: str) -> str:
    found = [value for value, _ in epub.get_metadata("DC", name) if value and value.strip()]
    return tidy(", ".join(found) if name == "creator" else found[0]).replace("\n", " ") if found else ""


def _entries(toc: Any, places: dict[str, int], missing: list[str]) -> tuple[Entry, ...]:
    """The table of contents; titles of lines that lead nowhere go to `missing`."""
    found = []
    for item in toc if isinstance(toc, list | tuple) else [toc]:
        link, children = item if isinstance(item, tuple) else (item, ())
        under = _entries(children, places, missing) if children else ()
        target = unquote(link.href or "")
        start = places.get(posixpath.normpath(target.partition("#")[0]) + (f"#{target.partition('#')[2]}" if
                           "#" in target else ""))  # fmt: skip
        if start is None:  # an anchor that is missing: the page will do
            missing.append(link.title or "")
            start = places.get(posixpath.normpath(target.partition("#")[0]))
        if start is None and under:
            start = under[0].start
        if start is not None:
            found.append(Entry(tidy(link.title or "").replace("\n", " "), start, under))
    return tuple(found)

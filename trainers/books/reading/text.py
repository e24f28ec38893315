"""Plain text and Markdown to books."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import yaml
from charset_normalizer import from_bytes
from markdown_it import MarkdownIt

from ....harness.errors import UserError
from .book import BREAK, Block, Book, Entry, Kind, tidy
from .markup import Page
from .split import plain_title

_BREAK = re.compile(r"^[\s*#•·~—–_=-]{1,40}$")
_HEADING_LETTERS = 70  # a longer line is no heading
_CONTENTS = re.compile(r"^(?:table of )?contents$", re.IGNORECASE)
_PAGE_NUMBER = re.compile(r"[\s.·…_]*\d*$")
_LABEL = re.compile(r"^(title|author):\s*(.+)$", re.IGNORECASE | re.MULTILINE)
_BYLINE = re.compile(r"^by (.{3,60})$", re.IGNORECASE)


def read_text(path: Path, book_id: str) -> Book:
    """A book from a text file. Lines that belong together are joined, short ones kept as verse.

    Stories begin at the titles that the book's own list of contents names; without one, at headings: short lines of
    their own, after more space than paragraphs have, and without a full stop.
    """
    text, notes = decode(path)
    labels = {name.lower(): value.strip() for name, value in _LABEL.findall(text[:5000])}
    blocks = tuple(text_blocks(text))
    if not blocks:
        raise UserError(f"{path}: the file is empty")
    author = labels.get("author", "")
    if not author:
        author = next((m.group(1) for b in blocks[:6] if (m := _BYLINE.match(b.text))), "")
    return Book(book_id, str(path), labels.get("title") or path.stem, author, "", blocks, _listed(blocks), notes)


def read_markdown(path: Path, book_id: str) -> Book:
    """A book from Markdown; a front matter in YAML may name `title`, `author` and `licence`."""
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
    """The text of a file in whatever encoding, and what was noticed about it.

    UTF-8 (or what a byte order mark says); a file in which only some lines are UTF-8 is read line by line, the others
    as Windows-1252; else Windows-1252 where its bytes may be that, or the encoding that they look like.

    Raises:
        UserError: the bytes are no text.
    """
    data = path.read_bytes()
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return _lines(data.decode("utf-16", "replace")), ()
    if b"\0" in data:
        raise UserError(f"{path}: is no text file (or UTF-16 without a byte order mark: save it as UTF-8)")
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
        raise UserError(f"{path}: its encoding is not known; save it as UTF-8")
    return _lines(str(best)), (f"read as {best.encoding}",)


def _decoded(line: bytes, encoding: str) -> str | None:
    try:
        return line.decode(encoding)
    except UnicodeDecodeError:
        return None


def _lines(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n").replace("\f", "\n\n\n").removeprefix("\ufeff")


def text_blocks(text: str) -> Iterator[Block]:
    """The paragraphs, headings and breaks of a plain text."""
    gap = 3  # the first line may be a heading
    lines: list[str] = []
    for line in [*text.split("\n"), ""]:
        if tidy(line):  # of soft hyphens alone nothing is left
            lines.append(line)
            continue
        if lines:
            yield _block(lines, gap)
            lines, gap = [], 0
        gap += 1


def _block(lines: list[str], gap: int) -> Block:
    whole = tidy(" ".join(lines))
    if all(_BREAK.match(line) for line in lines):
        return Block("break", BREAK)
    if _is_heading(lines, whole, gap):
        return Block("heading", whole, level=1)
    return Block(_kind(lines), tidy("\n".join(line.strip() for line in lines)) if _kind(lines) == "verse" else whole)


def _kind(lines: list[str]) -> Kind:
    """Prose that was wrapped fills its lines; verse does not, and most of its lines begin with a capital."""
    if len(lines) < 3:
        return "text"
    full = sum(len(line.rstrip()) > 58 for line in lines[:-1]) / (len(lines) - 1)
    capitals = sum(line.strip()[:1].isupper() or not line.strip()[0].isalpha() for line in lines) / len(lines)
    return "verse" if full < 0.3 and capitals > 0.6 else "text"


def _is_heading(lines: list[str], whole: str, gap: int) -> bool:
    if gap < 2 or len(lines) > 2 or len(whole) > _HEADING_LETTERS or not re.search(r"\w", whole):
        return False
    if whole.endswith((",", ";", ":")) or (whole.endswith(".") and not plain_title(whole).isupper()):
        return False
    words = [word for word in re.findall(r"[^\W\d_]+", whole) if len(word) > 3]
    return whole.isupper() or all(word[0].isupper() for word in words)


def _listed(blocks: tuple[Block, ...]) -> tuple[Entry, ...]:
    """The stories that a list under the heading “Contents” names, where they stand again as lines of their own."""
    at = next((i for i, block in enumerate(blocks[:80]) if _CONTENTS.match(block.text.strip(". "))), None)
    if at is None:
        return ()
    titles: set[str] = set()
    end = at + 1
    for block in blocks[at + 1 :]:
        lines = [_PAGE_NUMBER.sub("", line) for line in block.text.split("\n")]
        if titles and any(plain_title(line) in titles for line in lines):
            break
        if max(map(len, lines)) > 2 * _HEADING_LETTERS:
            break
        titles |= {plain_title(line) for line in lines} - {""}
        end += 1
    found = [
        Entry(block.text.replace("\n", " "), number)
        for number, block in enumerate(blocks[end:], end)
        if len(block.text) <= 2 * _HEADING_LETTERS and plain_title(block.text) in titles
    ]
    return tuple(found) if len(found) > 1 else ()

"""Stories from a book: by its table of contents, else by its headings, else the book as one."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from .book import Block, Book, Entry, words_of

_ROMAN = r"(?=[ivxlc])c{0,3}(?:xc|xl|l?x{0,3})(?:ix|iv|v?i{0,3})"
_WORDS = f"(?:{'|'.join(words_of('part_numbers'))})"
_NUMBER = rf"(?:{_ROMAN}|\d+|{_WORDS})"
# “III”, “Chapter 4”, “Letter II: From Paris”, “Epilogue”: parts of one work
_PART = re.compile(
    rf"^(?:(?:{'|'.join(words_of('part_words'))})\W+(?:the )?{_NUMBER}\b.*|{_ROMAN}|\d+"
    rf"|(?:the )?{_WORDS} (?:{'|'.join(words_of('counted_words'))})|{'|'.join(words_of('part_titles'))})$"
)
_WORD_ALONE = re.compile(rf"^{_WORDS}$")  # “One”: a part where others are called so too
_NUMBERED = re.compile(rf"^{_NUMBER}\s*[.:)—–-]\s*\S")
_FRAME_TITLES = re.compile("|".join(re.escape(title).replace(r"\*", ".*") for title in words_of("frame_titles")))
_START = re.compile(r"\*{3} ?START OF TH(?:E|IS) PROJECT GUTENBERG", re.IGNORECASE)
_END = re.compile(r"\*{3} ?END OF TH(?:E|IS) PROJECT GUTENBERG|^End of (?:the )?Project Gutenberg'?s?\b", re.IGNORECASE)


@dataclass(frozen=True)
class Piece:
    """A stretch of a book that may be a story."""

    title: str
    blocks: tuple[Block, ...]


def pieces(book: Book) -> list[Piece]:
    """The stretches of a book, in order, Project Gutenberg's own text left out."""
    first, last = _gutenberg(book.blocks)
    found = _by_starts(book, _starts(book.contents), first, last)
    if len([piece for piece in found if not _all_frame(piece)]) < 2:
        found = _by_starts(book, _headings(book.blocks[first:last], first), first, last)
    return found


def plain_title(text: str) -> str:
    """A title without what differs between a list of contents and a heading: case, marks, a leading number."""
    words = re.sub(r"[^\w\s]", "", text.casefold()).split()
    return " ".join(words[1:] if len(words) > 1 and re.fullmatch(r"[ivxlc]+|\d+", words[0]) else words)


def is_frame_title(title: str) -> bool:
    """Whether a title is that of front or back matter."""
    return bool(_FRAME_TITLES.fullmatch(plain_title(title)))


def is_part(title: str, inside: bool = True) -> bool:
    """Whether a title is that of a part of a work (“II”, “Chapter 4”); `inside` a work a number before it will do."""
    plain = title.casefold().strip(" .:“”\"'")
    return bool(_PART.match(plain) or (inside and (_NUMBERED.match(plain) or _WORD_ALONE.match(plain))))


def are_parts(titles: Sequence[str]) -> bool:
    """Whether titles that stand side by side are all those of parts; numbers in words count from two on."""
    words = sum(bool(_WORD_ALONE.match(title.casefold().strip(" ."))) for title in titles)
    return len(titles) > 1 and sum(is_part(title, inside=False) for title in titles) + words * (words > 1) == len(
        titles
    )


def _gutenberg(blocks: Sequence[Block]) -> tuple[int, int]:
    first = next((i + 1 for i, block in enumerate(blocks) if _START.search(block.text)), 0)
    last = next((i for i, block in enumerate(blocks[first:], first) if _END.search(block.text)), len(blocks))
    return first, last


def _starts(entries: Sequence[Entry]) -> list[tuple[str, int]]:
    """Titles and places of the stories in a table of contents: its lines, but not the parts that works are made of."""
    if are_parts([entry.title for entry in entries if not is_frame_title(entry.title)]):
        if not any(entry.under for entry in entries):
            return []
        return [start for entry in entries for start in (_starts(entry.under) or [(entry.title, entry.start)])]
    found: list[tuple[str, int]] = []
    for entry in entries:
        whole = all(is_part(under.title) for under in entry.under) and not is_part(entry.title, inside=False)
        found.append((entry.title, entry.start))
        if entry.under and not whole:
            found += _starts(entry.under)
    return found


def _headings(blocks: Sequence[Block], offset: int) -> list[tuple[str, int]]:
    """Titles and places of the headings of the highest level that has two or more stories under it."""
    named = [
        (block.level, block.text, number)
        for number, block in enumerate(blocks, offset)
        if block.kind == "heading" and not is_part(block.text, inside=False)
    ]
    for level in sorted({level for level, _, _ in named}):
        titles = [text for found, text, _ in named if found == level and not is_frame_title(text)]
        if len(titles) > 1 and not are_parts(titles):
            return [(text, number) for found, text, number in named if found <= level]
    return []


def _by_starts(book: Book, starts: list[tuple[str, int]], first: int, last: int) -> list[Piece]:
    inside = sorted({at: title for title, at in starts if first <= at < last}.items())
    cuts = [(first, book.title), *inside] if not inside or inside[0][0] > first else inside
    ends = [at for at, _ in cuts[1:]] + [last]
    found = [Piece(title, _body(book.blocks[at:end], title)) for (at, title), end in zip(cuts, ends, strict=True)]
    return [piece for piece in found if any(block.kind != "break" for block in piece.blocks)]


def _body(blocks: Sequence[Block], title: str) -> tuple[Block, ...]:
    """The blocks without the headings that they begin with; later ones are parts of the story."""
    return tuple(_without_title(blocks, plain_title(title)))


def _without_title(blocks: Sequence[Block], title: str) -> Iterator[Block]:
    begun = False
    for block in blocks:
        heading = block.kind == "heading" or plain_title(block.text) == title
        if begun or not (heading and not is_part(block.text)):
            begun = begun or block.kind != "break"
            if block.kind != "break" or begun:
                yield block


def _all_frame(piece: Piece) -> bool:
    return all(block.frame for block in piece.blocks)

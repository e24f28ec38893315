"""Cut a book into stories: by its table of contents, else by its headings, else as one piece."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from .book import Block, Book, Entry, words_of

_ROMAN = r"(?=[ivxlc])c{0,3}(?:xc|xl|l?x{0,3})(?:ix|iv|v?i{0,3})"
_WORDS = f"(?:{'|'.join(words_of('part_numbers'))})"
_NUMBER = rf"(?:{_ROMAN}|\d+|{_WORDS})"
# “III”, “Chapter 4”, “Letter II: From Paris”, “Epilogue”: parts of one work
_PART = re.compile(
    rf"^(?:(?:{'|'.join(words_of('part_words'))})\W+(?:the )?{_NUMBER}\b.*|{_ROMAN}|\d+"
    rf"|(?:the )?{_WORDS} (?:{'|'.join(words_of('counted_words'))})|{'|'.join(words_of('part_titles'))})$"
)
_WORD_ALONE = re.compile(rf"^{_WORDS}$")  # “One”: a part if others are named like it
_NUMBERED = re.compile(rf"^{_NUMBER}\s*[.:)—–-]\s*\S")
_FRAME_TITLES = re.compile("|".join(re.escape(title).replace(r"\*", ".*") for title in words_of("frame_titles")))
_TAIL_TITLES = re.compile("|".join(re.escape(title).replace(r"\*", ".*") for title in words_of("tail_titles")))
_BYLINE = re.compile("|".join(words_of("bylines")), re.IGNORECASE)
_HEADER_LETTERS = 500  # most characters of a summary in capitals between a title and its story
_SUBTITLE_LETTERS = 50  # most characters of a subtitle in brackets; a longer line sets a scene
_PROMOTION = re.compile("|".join(words_of("promotion")), re.IGNORECASE)
_PROMOTION_WORDS = 400  # most words of it after a story
_SECTION_WORDS = 60  # a section with fewer words holds only a title
_APART = 3  # empty lines above a separate title
_BYLINES = 3  # from this many titles with an author's name under them, only such titles begin a story


@dataclass(frozen=True)
class Piece:
    """A stretch of a book that may be a story."""

    title: str
    blocks: tuple[Block, ...]


def pieces(book: Book) -> list[Piece]:
    """Cut a book into its pieces, in order."""
    starts = _starts(book.contents)
    found = _by_starts(book, starts)
    if len([piece for piece in found if not _all_frame(piece)]) < 2:
        found = _by_starts(book, _headings(book.blocks, plain_title(book.title)))
    return found


def plain_title(text: str) -> str:
    """A title without what may differ between a table of contents and a heading: case, punctuation, leading number."""
    words = re.sub(r"[^\w\s]", "", text.casefold()).split()
    return " ".join(words[1:] if len(words) > 1 and re.fullmatch(r"[ivxlc]+|\d+", words[0]) else words)


def is_frame_title(title: str) -> bool:
    """Whether a title is that of front or back matter."""
    return bool(_FRAME_TITLES.fullmatch(plain_title(title)))


def is_part(title: str, inside: bool = True) -> bool:
    """Whether a title is that of a part of a work (“II”, “Chapter 4”); `inside` a work a leading number is enough."""
    plain = title.casefold().strip(" .:“”\"'")
    return bool(_PART.match(plain) or (inside and (_NUMBERED.match(plain) or _WORD_ALONE.match(plain))))


def are_parts(titles: Sequence[str]) -> bool:
    """Whether titles at the same level are all those of parts; numbers in words count if there are two or more."""
    words = sum(bool(_WORD_ALONE.match(title.casefold().strip(" ."))) for title in titles)
    return len(titles) > 1 and sum(is_part(title, inside=False) for title in titles) + words * (words > 1) == len(
        titles
    )


def _starts(entries: Sequence[Entry]) -> list[tuple[str, int]]:
    """Titles and places of the stories in a table of contents: its lines, except the parts of a work."""
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


@dataclass(frozen=True)
class _Heading:
    """One heading, or in a plain text several together: the title among them, and whether there is an author's name."""

    level: int
    title: str
    start: int
    signed: bool


def _headings(blocks: Sequence[Block], book: str) -> list[tuple[str, int]]:
    """Titles and places of the headings at the highest level with two or more stories; in a plain text with authors'
    names under the titles, of the titles with a name. `book` is the book's own title."""
    named = [heading for heading in _together(blocks, book) if not is_part(heading.title, inside=False)]
    signed = [heading for heading in named if heading.signed]
    if len(signed) >= _BYLINES:
        return [(h.title, h.start) for h in named if h.signed or is_frame_title(h.title)]
    for level in sorted({heading.level for heading in named}):
        titles = [h.title for h in named if h.level == level and not is_frame_title(h.title)]
        if len(titles) > 1 and not are_parts(titles):
            return [(h.title, h.start) for h in named if h.level <= level]
    return []


def _together(blocks: Sequence[Block], book: str) -> Iterator[_Heading]:
    """Yield the headings; in a plain text, which has no markup levels, headings with no prose between them are one."""
    group: list[tuple[int, Block]] = []
    for number, block in enumerate(blocks):
        if not block.text:
            continue
        if group and not (block.gap and (block.kind == "heading" or _is_byline(block))):
            yield _heading(group, book)
            group = []
        if block.kind == "heading":
            group.append((number, block))
            if not block.gap:
                yield _heading(group, book)
                group = []
        elif group:
            group.append((number, block))
    if group:
        yield _heading(group, book)


def _heading(group: Sequence[tuple[int, Block]], book: str) -> _Heading:
    own = [block for _, block in group if not _is_byline(block)]
    # the last that is set well apart: before it there may be the book's title, or a half title
    apart = [n for n, block in enumerate(own) if block.gap >= _APART and not is_part(block.text, inside=False)]
    own = own[apart[-1] :] if apart and not any(is_frame_title(block.text) for block in own) else own
    known = [block for block in own if not is_part(block.text, inside=False)] or own or [block for _, block in group]
    frames = [block for block in known if is_frame_title(block.text)]
    titles = frames or [block for block in known if plain_title(block.text) != book] or known
    level = min((block.level for _, block in group if block.level), default=1)
    signed = len(own) < len(group) and len(group) > 1
    return _Heading(level, titles[0].text.replace("\n", " "), group[0][0], signed)


def _by_starts(book: Book, starts: list[tuple[str, int]]) -> list[Piece]:
    blocks, ends, between = book.blocks, dict(_ends(book.contents)), set(_between(book.contents))
    inside = {at: title for title, at in starts}
    if inside:
        headings = {n: block.text for n, block in enumerate(blocks) if block.kind == "heading" and n not in inside}
        inside |= {n: title for n, title in headings.items() if _is_tail(title)}
    cuts = sorted(inside.items())
    if not cuts or cuts[0][0] > 0:
        between |= {0} if book.listed else set()  # what comes before the first story
        cuts = [(0, book.title), *cuts]
    found: list[Piece] = []
    for (at, title), after in zip(cuts, [*(at for at, _ in cuts[1:]), len(blocks)], strict=True):
        end = min(after, ends.get(at, after))
        end = _before_promotion(blocks, at, end if _ends_there(blocks, at, end) else after)
        body = _body(blocks[at:end], title)
        found.append(Piece(title.strip(" .,:;") or title, _as_frame(body) if at in between else body))
        found.append(Piece(f"after {title}", _as_frame(_body(blocks[end:after], ""))))
    return [piece for piece in found if any(block.kind != "break" for block in piece.blocks)]


def _ends(entries: Sequence[Entry]) -> Iterator[tuple[int, int]]:
    for entry in entries:
        yield from _ends(entry.under)
        if entry.end is not None and not entry.under:
            yield entry.start, entry.end


def _ends_there(blocks: Sequence[Block], start: int, end: int) -> bool:
    """Whether a story may end where its section does: there is text before that, and no further part after it."""
    words = sum(len(block.text.split()) for block in blocks[start:end] if block.kind != "heading")
    behind = next((block for block in blocks[end:] if block.text and block.kind != "break"), None)
    return words > _SECTION_WORDS and not (behind and behind.kind == "heading" and is_part(behind.text))


def _between(entries: Sequence[Entry]) -> Iterator[int]:
    """Yield where parts of a collection with stories of their own begin: text before these is not a story."""
    for entry in entries:
        yield from _between(entry.under)
        stories = [under for under in entry.under if not is_part(under.title)]
        if stories and is_part(entry.title, inside=False) and stories[0].start > entry.start:
            yield entry.start


def _before_promotion(blocks: Sequence[Block], start: int, end: int) -> int:
    """Where a publisher's promotion after the last story begins, else `end`."""
    words = 0
    found = end
    for number in range(end - 1, start, -1):
        words += len(blocks[number].text.split())
        if words > _PROMOTION_WORDS:
            break
        if _PROMOTION.search(blocks[number].text[:300]):
            found = number
    return found if found > start + 1 else end


def _as_frame(blocks: Sequence[Block]) -> tuple[Block, ...]:
    return tuple(replace(block, frame=True) for block in blocks)


def _is_tail(title: str) -> bool:
    return bool(_TAIL_TITLES.fullmatch(plain_title(title)))


def _body(blocks: Sequence[Block], title: str) -> tuple[Block, ...]:
    """The blocks of a story, without the title and what belongs to it, and without trailing headings."""
    there = [block for block in blocks if block.text]
    found = list(_without_title(there, plain_title(title)))
    if not found and any(block.kind == "text" and not block.gap for block in there):
        return tuple(there)  # a title page of markup is shown as it is
    while found and (found[-1].kind == "break" or (found[-1].kind == "heading" and len(found) > 1)):
        found.pop()
    return tuple(found)


def _without_title(blocks: Sequence[Block], title: str) -> Iterator[Block]:
    begun = False
    for block in blocks:
        heading = block.kind == "heading" and not (block.gap and block.text.endswith(("!", "?")))
        above = heading or plain_title(block.text) == title or _is_header(block)
        if begun or not (above and not is_part(block.text)):
            begun = begun or block.kind != "break"
            if block.kind != "break" or begun:
                yield block


def _is_header(block: Block) -> bool:
    """Whether a block between a title and its story belongs to the title: an author, a subtitle, a summary."""
    text = block.text
    letters = [c for c in text if c.isalpha()]
    capitals = bool(letters) and all(map(str.isupper, letters)) and text[0] not in "\"“'‘"
    if block.gap and capitals and len(text) <= _HEADER_LETTERS:
        return True
    return _is_byline(block) or (
        block.gap > 0 and len(text) <= _SUBTITLE_LETTERS and bool(re.fullmatch(r"[(\[].*[)\]]", text))
    )


def _is_byline(block: Block) -> bool:
    return len(block.text) <= _HEADER_LETTERS // 3 and "\n" not in block.text and bool(_BYLINE.match(block.text))


def _all_frame(piece: Piece) -> bool:
    return all(block.frame for block in piece.blocks)

"""The table of contents of a plain text, and where the stories that it names begin."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from .apparatus import plain
from .book import Block, Entry, words_of

_HEAD = re.compile(r"^(?:table of )?contents(?: of .{1,40})?$|^(?:the stories|list of stories)$", re.IGNORECASE)
_BEGINNING = 120  # blocks within which a table of contents begins
_FULL = 55  # characters from which a line of prose is full
_LETTERS = 140  # a longer line is neither part of a list nor a title
_PAGE = re.compile(r"[\s.·…_*]*(?:\b(?:page|p\.?)\s*)?\b(?:\d{1,4}|[ivxlc]{1,7})[.\s]*$|[\s.·…]+$", re.IGNORECASE)
_NUMBER = re.compile(r"^\W*(?:\d{1,3}|[ivxlc]{1,7})(?:[.):]|\s*--|\s*[—–]|\s{2,})\s*(?=\S)", re.IGNORECASE)
_BYLINE = re.compile("|".join(words_of("bylines")), re.IGNORECASE)
_NAME = r"[A-Z][\w.’' -]+"
# how a line may continue after its title
_AUTHORS = [
    re.compile(rf"{before}{_NAME}{after}$")
    for before, after in (
        (r",?\s+by ", ""),
        (r"\s{2,}", ""),
        (r"\s*(?:--|—|–)\s*", ""),
        (r"\s*\(", r"\)"),
        (r"\s*_", "_"),
    )
]
_ALIKE = 0.82  # share of matching letters from which two titles are the same with a typo in one
_HEADING_BONUS = (
    0.08  # per empty line above a block, up to four: a title is set apart, the same words in dialogue are not
)


@dataclass(frozen=True)
class _Line:
    """A line of the list: the forms that its title may have in the book, whether it is a part of another, and the
    paragraph that it is in; `whole` means that it is all lines of that paragraph, as one title."""

    titles: tuple[str, ...]
    under: bool
    paragraph: int
    whole: bool = False


def listed(blocks: Sequence[Block]) -> tuple[tuple[Entry, ...], int]:
    """Return the stories that a list under “Contents” names, with the places where they begin, and the list's end.

    Titles are matched in order and approximately: bylines, page numbers, note marks, hyphens and a typo or two do not
    matter. Without a list, or if fewer than two of its titles are found, there are no entries.
    """
    at = next((n for n, block in enumerate(blocks[:_BEGINNING]) if _HEAD.match(block.text.strip(" .:_*"))), None)
    if at is None:
        return (), 0
    end = _list_end(blocks, at)
    lines = list(_lines(blocks[at + 1 : end]))
    found = _aligned(lines, blocks, end)
    return (tuple(_entries(lines, found, blocks)), end) if len(found) > 1 else ((), end)


def title_key(text: str) -> str:
    """A title without what may differ between a table of contents and a heading: case, accents, punctuation, hyphens,
    a leading number."""
    text = unicodedata.normalize("NFKD", plain(text).casefold())
    text = "".join(c for c in text if not unicodedata.combining(c))
    words = re.sub(r"[^\w\s]|_", " ", re.sub(r"['’]", "", text)).split()
    return " ".join(words[1:] if len(words) > 1 and re.fullmatch(r"[ivxlc]+|\d+", words[0]) else words)


def _list_end(blocks: Sequence[Block], at: int) -> int:
    """Return the block after the list: its first title again, or anything that is not a line of a list."""
    titles: set[str] = set()
    end, apart = at + 1, 2
    for number, block in enumerate(blocks[at + 1 :], at + 1):
        if not block.text:
            continue
        rows = block.rows
        if max(map(len, rows)) > _LETTERS or _is_prose(rows):
            break
        keys = {form for row in (*rows, " ".join(row.strip() for row in rows)) for form in _forms(row)}
        if titles and not _has_page(rows):
            far = block.gap > apart  # a title with a typo must be set further apart than any in the list
            if keys & titles or (far and any(_likeness(key, title) > _ALIKE for key in keys for title in titles)):
                break
        apart = max(apart, block.gap) if len(titles) > 1 else apart
        titles |= {key for key in keys if len(key) > 2}
        end = number + 1
    return end


def _is_prose(rows: Sequence[str]) -> bool:
    """Whether most lines, except the last, are full, and none names a page."""
    full = sum(len(row) > _FULL for row in rows[:-1])
    return len(rows) > 2 and full > 0.6 * (len(rows) - 1) and not any(_has_page([row]) for row in rows[:-1])


def _has_page(rows: Sequence[str]) -> bool:
    return any(re.search(r"\d\s*$", row) for row in rows)


def _lines(blocks: Sequence[Block]) -> Iterator[_Line]:
    """Yield the lines of a list; for a paragraph of several lines, first all of them as one title, then each."""
    for number, block in enumerate(blocks):
        rows = [row for row in block.rows if row.strip()]
        if len(rows) > 1:
            yield _Line(_forms(" ".join(row.strip() for row in rows)), False, number, whole=True)
        least = min((len(row) - len(row.lstrip()) for row in rows), default=0)
        for row in rows:
            inset = len(row) - len(row.lstrip()) > least
            yield _Line(_forms(row.strip()), inset and bool(_NUMBER.match(row)), number)


def _forms(row: str) -> tuple[str, ...]:
    bare = _PAGE.sub("", row).strip()
    keys = (title_key(form) for form in (bare, *(author.sub("", bare) for author in _AUTHORS)))
    return tuple(dict.fromkeys(key for key in keys if key))


def _aligned(lines: Sequence[_Line], blocks: Sequence[Block], end: int) -> dict[int, int]:
    """Map each line to the block that is its title: the most similar pairs that are in order on both sides."""
    places = [
        n for n, block in enumerate(blocks[end:], end) if 0 < len(block.text) <= _LETTERS and block.kind != "break"
    ]
    keys = {n: title_key(blocks[n].text) for n in places}
    bonus = {n: _HEADING_BONUS * min(blocks[n].gap, 4) + 0.1 * (blocks[n].kind == "heading") for n in places}
    pairs: list[tuple[int, int, float]] = []
    for number, line in enumerate(lines):
        for place in places:
            block = blocks[place]
            slips = block.kind == "heading" or block.gap > 1
            like = max((_likeness(form, keys[place], slips) for form in line.titles), default=0.0)
            if like:
                pairs.append((number, place, like + bonus[place]))
    # the best chain: highest total likeness, in order of lines and of places
    best: list[tuple[float, int]] = []
    for n, (line_number, place, like) in enumerate(pairs):
        before = ((best[m][0], m) for m in range(n) if pairs[m][0] < line_number and pairs[m][1] < place)
        score, last = max(before, default=(0.0, -1))
        best.append((score + like, last))
    chain: dict[int, int] = {}
    at = max(range(len(best)), key=lambda n: best[n][0], default=-1)
    while at >= 0:
        chain[pairs[at][0]] = pairs[at][1]
        at = best[at][1]
    wrapped = {lines[number].paragraph for number in chain if lines[number].whole}
    return {
        number: place for number, place in sorted(chain.items())
        if lines[number].whole or lines[number].paragraph not in wrapped
    }  # fmt: skip


def _likeness(title: str, key: str, slips: bool = True) -> float:
    """Return 1 for the same title, less for one with typos or with more text after it, 0 for another."""
    if not title or not key:
        return 0.0
    if title == key or title.replace(" ", "") == key.replace(" ", ""):
        return 1.0
    shorter, longer = sorted((title, key), key=len)
    if slips and len(shorter.split()) > 1 and longer.startswith(f"{shorter} "):
        return 0.9
    if not slips or min(len(title), len(key)) < 5 or abs(len(title) - len(key)) > 0.3 * len(longer):
        return 0.0
    matcher = SequenceMatcher(None, title, key, autojunk=False)
    if matcher.real_quick_ratio() < _ALIKE or matcher.quick_ratio() < _ALIKE:
        return 0.0
    ratio = matcher.ratio()
    return ratio if ratio >= _ALIKE else 0.0


def _entries(lines: Sequence[_Line], found: dict[int, int], blocks: Sequence[Block]) -> Iterator[Entry]:
    """Yield the stories in order; numbered lines that are indented under another are its parts."""
    current: Entry | None = None
    for number, place in found.items():
        entry = Entry(plain(blocks[place].text).replace("\n", " "), place)
        if lines[number].under and current is not None:
            current = Entry(current.title, current.start, (*current.under, entry))
        else:
            if current is not None:
                yield current
            current = entry
    if current is not None:
        yield current

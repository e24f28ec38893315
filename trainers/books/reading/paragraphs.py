"""Split the lines of a plain text into blocks: joined paragraphs, verse, headings and breaks."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from statistics import mode

from .book import BREAK, Block, Kind, tidy, words_of

_BREAK = re.compile(r"^[\s*#•·~—–_=-]{1,40}$")
_HEADING_LETTERS = 90  # a longer line is not a heading
_HEADING_LINES = 3
_PARAGRAPH = 8  # from this many lines, there may be paragraphs without empty lines between them
_FAR = 3  # empty lines above a line that is not dialogue
_SMALL = frozenset(words_of("small_words"))
_SENTENCE_ENDS = re.compile(r"[.!?:;…][\"'”’)\]_]*$")
_WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")
_MARKED_PAGE = re.compile(r"^\W*p(?:g|age)\.? ?\d+\W*$", re.IGNORECASE)
_PAGES = 12  # from this many consecutive numbers, lines with only a number are page numbers
_HEADS = 3  # from this many occurrences, a line with a page number is a running head


def text_blocks(text: str) -> Iterator[Block]:
    """The paragraphs, headings and breaks of a plain text."""
    lines = _without_pages(text.split("\n"))
    vocabulary = Counter(word.casefold() for word in _WORD.findall(text))
    paragraphs = list(_paragraphs(lines))
    gaps = [gap for _, gap in paragraphs[1:]]
    usual = mode(gaps) if gaps else 1
    for number, (rows, gap) in enumerate(paragraphs):
        yield _block(rows, gap, max(1, usual), vocabulary, first=number == 0)


def joined(lines: Sequence[str], vocabulary: Counter[str]) -> str:
    """Join wrapped lines: a word that was split at a line's end is whole again, and no space is added at a dash.

    A hyphen at a line's end stays unless the text elsewhere has the word without it and never with it.
    """
    whole = lines[0].strip()
    for line in lines[1:]:
        more = line.strip()
        if whole.endswith("\u00ad"):
            whole = whole[:-1] + more
        elif re.search(r"\w-$", whole) and more[:1].isalpha():
            whole = _unparted(whole, more, vocabulary)
        elif re.search(r"\S(?:--|—)$", whole) or re.match(r"(?:--|—)\S", more):
            whole += more
        else:
            whole += f" {more}"
    return whole


def _unparted(whole: str, more: str, vocabulary: Counter[str]) -> str:
    before, after = re.search(r"[^\W\d_]+(?=-$)", whole), re.match(r"[^\W\d_]+", more)
    if before and after:
        one, two = f"{before[0]}{after[0]}".casefold(), f"{before[0]}-{after[0]}".casefold()
        if vocabulary[one] and not vocabulary[two]:
            return whole[:-1] + more
    return whole + more


def _paragraphs(lines: Sequence[str]) -> Iterator[tuple[list[str], int]]:
    """Yield the lines between empty ones, and the number of empty lines above them."""
    gap = 3  # the first line may be a heading
    rows: list[str] = []
    for line in [*lines, ""]:
        if tidy(line):  # a line of soft hyphens alone counts as empty
            rows.append(line)
            continue
        if rows:
            for number, part in enumerate(_by_indent(rows)):
                yield part, gap if number == 0 else 1
            rows, gap = [], 0
        gap += 1


def _by_indent(rows: list[str]) -> list[list[str]]:
    """Split lines without empty ones between them into paragraphs, if only the first line of each is indented."""
    inset = [len(row) - len(row.lstrip()) for row in rows]
    least = min(inset)
    starts = [n for n, width in enumerate(inset) if width > least]
    if len(rows) < _PARAGRAPH or inset[0] == least or len(starts) < 2 or len(starts) > 0.6 * len(rows):
        return [rows]
    return [rows[start:end] for start, end in zip(starts, [*starts[1:], len(rows)], strict=True)]


def _block(rows: list[str], gap: int, usual: int, vocabulary: Counter[str], first: bool) -> Block:
    apart = gap - usual + 1 if not first else 3  # as if paragraphs were one line apart
    whole = tidy(joined(rows, vocabulary))
    kept = tuple(row.rstrip() for row in rows)
    if all(_BREAK.match(row) for row in rows):
        return Block("break", BREAK, gap=apart, rows=kept)
    if apart > 1 and is_title(rows, whole, apart):
        return Block("heading", whole, level=1 if apart >= _FAR else 2, gap=apart, rows=kept)
    kind = _kind(rows)
    text = tidy("\n".join(row.strip() for row in rows)) if kind == "verse" else whole
    return Block(kind, text, gap=apart, rows=kept)


def _kind(rows: Sequence[str]) -> Kind:
    """Prose that was wrapped fills its lines; verse does not, and most of its lines begin with a capital."""
    if len(rows) < 3:
        return "text"
    full = sum(len(row.rstrip()) > 58 for row in rows[:-1]) / (len(rows) - 1)
    capitals = sum(row.strip()[:1].isupper() or not row.strip()[0].isalpha() for row in rows) / len(rows)
    return "verse" if full < 0.3 and capitals > 0.6 else "text"


def is_title(rows: Sequence[str], whole: str, apart: int) -> bool:
    """Whether lines look like a title: short, and in capitals or title case."""
    letters = [c for c in whole if c.isalpha()]
    if len(rows) > _HEADING_LINES or len(whole) > _HEADING_LETTERS or not re.search(r"\w", whole):
        return False
    if letters and sum(map(str.isupper, letters)) > 0.85 * len(letters):
        return True
    quoted = whole[:1] in "\"“'‘(" and not (apart >= _FAR and whole.rstrip(".")[-1:] in "\"”'’")
    if whole.endswith((",", ";", ":")) or quoted or len(rows) > 2:
        return False
    words = [word for word in _WORD.findall(whole) if len(word) > 3 and word.casefold() not in _SMALL]
    if whole.endswith(".") and len(words) < 2 and apart < _FAR:
        return False  # “Yes.”
    return all(word[0].isupper() for word in words)


def _without_pages(lines: Sequence[str]) -> list[str]:
    """The lines without page numbers and running heads; a sentence that a page's end split is whole again."""
    plain = [line.strip() for line in lines]
    dropped = {number for number, line in enumerate(plain) if _MARKED_PAGE.match(line)}
    pages = _page_numbers(plain)
    dropped |= pages | _running_heads(plain, min(pages, default=len(plain)))
    found: list[str] = []
    number = 0
    while number < len(lines):
        if number not in dropped:
            found.append(lines[number])
            number += 1
            continue
        empty = below = 0
        while number < len(lines) and (number in dropped or not plain[number]):
            below = 0 if number in dropped else below + 1
            number += 1
        while found and not found[-1].strip():
            found.pop()
            empty += 1
        parted = found and number < len(lines) and not _SENTENCE_ENDS.search(found[-1].rstrip())
        if not (parted and plain[number][:1].islower()):
            found += [""] * max(1, empty, below)
    return found


def _page_numbers(plain: Sequence[str]) -> set[int]:
    """Lines with only a number that keep counting through the book; chapter numbers start again."""
    numbers = [(at, int(line.strip("[]{}()—–- "))) for at, line in enumerate(plain)
               if re.fullmatch(r"[\[{(]?[—–-]? ?\d{1,4} ?[—–-]?[\]})]?", line)]  # fmt: skip
    best: list[int] = []
    chain: list[int] = []
    last = None
    for at, value in numbers:
        if last is None or not 0 < value - last <= 3:  # a page of pictures has none
            chain = []
        chain.append(at)
        last = value
        best = max(best, list(chain), key=len)
    return {at for at, _ in numbers} if len(best) >= _PAGES else set()


def _running_heads(plain: Sequence[str], paged: int) -> set[int]:
    """Lines that repeat the same words next to a page number; from the line `paged` on, where pages are numbered, also
    lines whose words are a line of their own elsewhere."""
    heads: dict[str, list[int]] = {}
    alone = {line.strip(" .") for line in plain}
    for at, line in enumerate(plain):
        match = re.fullmatch(r"(?:(\d{1,4})\s+(\D{3,60})|(\D{3,60}?)\s+(\d{1,4}))", line)
        if match and (match[2] or match[3]).strip().isupper():
            heads.setdefault((match[2] or match[3]).strip(" ._|"), []).append(at)
    numbers = {name: {re.sub(r"\D", "", plain[at]) for at in places} for name, places in heads.items()}
    often = {at for name, places in heads.items() if len(numbers[name]) >= _HEADS for at in places}
    return often | {at for name, places in heads.items() if name in alone for at in places if at >= paged}

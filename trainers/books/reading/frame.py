"""What surrounds a book but is not part of it: Project Gutenberg's header and licence, who made the file, and how."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from .book import Block, words_of

_START = re.compile(r"\*{3} ?START OF (?:TH(?:E|IS) )?PROJECT GUTENBERG", re.IGNORECASE)
_END = re.compile(
    r"\*{3} ?END OF (?:TH(?:E|IS) )?PROJECT GUTENBERG|^\W*End of (?:the |this )?Project Gutenberg(?:'?s)?\b",
    re.IGNORECASE,
)
_SMALL_PRINT = re.compile(r"THE SMALL PRINT!", re.IGNORECASE)
_SMALL_PRINT_ENDS = re.compile(r"\*END\*? ?(?:\*?THE )?SMALL PRINT", re.IGNORECASE)
_MADE = re.compile("|".join(words_of("made_by")), re.IGNORECASE)
_GUTENBERG = re.compile(r"\bProject Gutenberg\b|\be-?texts?\b|\bebooks?\b", re.IGNORECASE)
_TRANSCRIBER = re.compile(r"^\W*transcribers?['’]?s?['’]? (?:end)?notes?\b", re.IGNORECASE)
_CORRECTIONS = re.compile("|".join(words_of("corrections")), re.IGNORECASE)
_HEAD = 60  # blocks from the beginning within which such lines occur
_HEADER_WORDS = 2500  # a header without an end marker is not longer
_LABEL = 45  # most characters of a line that only says that a transcriber's note follows
_APART = 4  # empty lines that end a transcriber's note


def without_frame(blocks: Sequence[Block]) -> list[Block]:
    """Return the blocks in their places, without the text of those that are not part of the book.

    These are everything up to Project Gutenberg's start line (or its older “small print”, or, without either, the last
    line that mentions the project) and after its end line, who produced the file, and transcribers' notes anywhere.
    """
    first, last = _range(blocks)
    dropped = {*range(first), *range(last, len(blocks))}
    dropped |= {n for n in range(first, min(first + _HEAD, last)) if _MADE.search(blocks[n].text[:600])}
    dropped |= set(_notes(blocks, first, last))
    dropped = {number for number in dropped if not blocks[number].frame}
    return [replace(block, text="") if number in dropped else block for number, block in enumerate(blocks)]


def _range(blocks: Sequence[Block]) -> tuple[int, int]:
    first = next((n + 1 for n, block in enumerate(blocks) if _START.search(block.text)), None)
    begun = next((n for n, block in enumerate(blocks) if _SMALL_PRINT.search(block.text)), None)
    if first is None and begun is not None:
        over = next(
            (n + 1 for n, block in enumerate(blocks[begun:], begun) if _SMALL_PRINT_ENDS.search(block.text)), None
        )
        # some files have it at their end
        first = over if over is not None and _words(blocks[over:]) > _words(blocks[:begun]) else None
    first = _unmarked(blocks[:begun]) if first is None else first
    ends = (
        n for n, block in enumerate(blocks[first:], first) if _END.search(block.text) or _SMALL_PRINT.search(block.text)
    )
    return first, next(ends, len(blocks))


def _words(blocks: Sequence[Block]) -> int:
    return sum(len(block.text.split()) for block in blocks)


def _unmarked(blocks: Sequence[Block]) -> int:
    """Where a header without an end marker ends: after the last block near the beginning that mentions the project."""
    if not any(_GUTENBERG.search(block.text) for block in blocks[:5]):
        return 0
    words, first = 0, 0
    for number, block in enumerate(blocks[:_HEAD]):
        words += len(block.text.split())
        if words > _HEADER_WORDS:
            break
        if _GUTENBERG.search(block.text):
            first = number + 1
    return first


def _notes(blocks: Sequence[Block], first: int, last: int) -> Iterator[int]:
    """Yield transcribers' notes: a paragraph labelled as one, or a line with only the label and everything up to the
    next heading; and lists of corrections at the end of the book."""
    number = first
    while number < last:
        block = blocks[number]
        if _TRANSCRIBER.match(block.text) and not block.text.startswith("["):  # `apparatus` removes those
            yield number
            short = len(block.text) <= _LABEL
            while number + 1 < last and _goes_on(blocks[number + 1], short):
                number += 1
                yield number
        elif _CORRECTIONS.match(block.text) and number > last - max(20, (last - first) // 20):
            yield from range(number, last)
            return
        number += 1


def _goes_on(block: Block, under_label: bool) -> bool:
    if block.kind == "heading" or block.gap >= _APART:
        return False
    return under_label or bool(_CORRECTIONS.match(block.text))

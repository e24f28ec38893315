"""What editors and printers add to a text: notes and their marks, captions, italics markers."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from .book import Block, tidy, words_of

_OPENED = re.compile(
    rf"\[(?:\d{{1,3}} ?)?(?:{'|'.join(words_of('bracketed'))})\b|\[p(?:g|age)?\.? ?\d+|\{{p(?:g|age)?\.? ?\d+",
    re.IGNORECASE,
)
_SPAN = 60  # blocks that a note in brackets may span
_NUMBER_MARK = re.compile(r"(?<=\S) ?\[(?:\d{1,3}|[*†‡§]{1,4})\]|(?<=\S)\[[A-Za-z]\](?!\w)|(?<=\S) ?\{\d{1,3}\}")
_RAISED = re.compile(r"(?<=[^\W\d_])[⁰¹²³⁴-⁹]+|(?<=[.,;:!?”’\"'])[⁰¹²³⁴-⁹]+|(?<=[\w.,;:!?”’\"'])\(\d{1,2}\)(?!\w)")
_SIGN_MARK = re.compile(r"(?<=[\w.,;:!?”’\"'])(?:\*{1,3}|[†‡§]+)(?=[\s.,;:!?”’\"')—-]|$)")
_NOTE = re.compile(r"^(?:\[(?:\d{1,3}|[*†‡§]{1,4}|[A-Za-z])\]|\{\d{1,3}\}|[*†‡§]{1,3}(?![*\s]*$)|[⁰¹²³⁴-⁹]+)\s*\S")
_SIGNED_NOTE = re.compile(r"^(?:\*{1,3}|[†‡§]+) ?[^\s*]")
_NOTES_TITLE = re.compile(r"^\W*(?:foot-?|end-?)?notes?\W*$", re.IGNORECASE)
_NUMBERED = re.compile(r"^(?:note )?\(?\d{1,3}[.):\]]", re.IGNORECASE)
_ITALICS = re.compile(r"(?<![\w_])_(?=[^\s_])|(?<=[^\s_])_(?![\w_])")
_BOLD = re.compile(r"(?<!\S)=(?=\S)([^=\n]+)(?<=\S)=(?=\W|$)")


def without_apparatus(blocks: Sequence[Block]) -> list[Block]:
    """Return the blocks, in their places, without captions, notes, note marks and italics markers.

    A note is removed if it is in brackets or is a paragraph that begins with a note mark; under a line “Footnotes”,
    everything up to the next heading is removed.
    """
    texts = _without_brackets([block.text for block in blocks])
    signed = any(_SIGNED_NOTE.match(text) and not _is_break(block) for text, block in zip(texts, blocks, strict=True))
    notes = set(_notes(blocks, texts))
    return [
        replace(block, text="" if number in notes else _cleaned(text, block, signed))
        for number, (block, text) in enumerate(zip(blocks, texts, strict=True))
    ]


def plain(text: str) -> str:
    """Return a text without note marks and italics markers."""
    text = _RAISED.sub("", _NUMBER_MARK.sub("", text))
    return _BOLD.sub(r"\1", _ITALICS.sub("", text))


def _cleaned(text: str, block: Block, signed: bool) -> str:
    if _is_break(block):
        return text
    found = plain(text)
    if signed and found.count("*") != 2:  # two of them mark italics
        found = _SIGN_MARK.sub("", found)
    return tidy(found)


def _is_break(block: Block) -> bool:
    return block.kind == "break"


def _without_brackets(texts: Sequence[str]) -> list[str]:
    """Return the texts without notes and captions in brackets, which may span several texts."""
    found = list(texts)
    number = 0
    while number < len(found):
        opened = _OPENED.search(found[number])
        if opened is None:
            number += 1
            continue
        end = _closed(found, number, opened.start())
        if end is None:  # never closed: cut the rest of its paragraph
            found[number] = found[number][: opened.start()].rstrip()
            continue
        last, place = end
        before, after = found[number][: opened.start()].rstrip(), found[last][place:].lstrip()
        if last == number:
            glue = "" if not before or not after or after[0] in ".,;:!?" else " "
            found[number] = f"{before}{glue}{after}"
        else:
            found[number], found[last] = before, after
            found[number + 1 : last] = [""] * (last - number - 1)
    return found


def _closed(texts: Sequence[str], number: int, start: int) -> tuple[int, int] | None:
    """Return the text, and the position in it, after the bracket that closes the one at `start`."""
    depth = 0
    for at in range(number, min(number + _SPAN, len(texts))):
        for match in re.compile(r"[\[\]{}]").finditer(texts[at], start if at == number else 0):
            depth += 1 if match[0] in "[{" else -1
            if depth == 0:
                return at, match.end()
    return None


def _notes(blocks: Sequence[Block], texts: Sequence[str]) -> Iterator[int]:
    under = False
    for number, (block, text) in enumerate(zip(blocks, texts, strict=True)):
        if not text or _is_break(block) or block.frame:
            continue
        if _NOTES_TITLE.match(text) and _note_follows(texts, number):
            under = True
            yield number
        elif under and block.kind != "heading":
            yield number
        else:
            under = False
            if _NOTE.match(text) and block.kind == "text":
                yield number


def _note_follows(texts: Sequence[str], number: int) -> bool:
    following = next((text for text in texts[number + 1 : number + 3] if text), "")
    return bool(_NOTE.match(following) or _NUMBERED.match(following))

"""Words, length requests, and what counts as story."""

from __future__ import annotations

import html
import re

REQUEST = "The story should be approximately {words} words long."
_WORD = re.compile(r"\w+")
_LONGBENCH = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]|[a-zA-Z]+")
_REQUEST = re.compile(r"(?<!\d)(\d{1,3}(?:[,.'’\s]\d{3}){1,2}|\d{1,9})(?!\d)[\s-]{0,3}words\s{1,3}long", re.IGNORECASE)
_LEAD_IN = re.compile(r"[\s,]*\b(?:(?:that|which) is )?(?:approximately|about|around|roughly)?$", re.IGNORECASE)
_BOUNDARY = re.compile(r"[.!?\n]")
_REASONING = (("<think>", "</think>"), ("<|channel>thought", "<channel|>"))
CLOSING_TAGS = tuple(closing for _, closing in _REASONING)


def count_words(text: str) -> int:
    r"""Number of words: matches of `\w+` after HTML-unescaping."""
    return len(_WORD.findall(html.unescape(text)))


def count_words_longbench(text: str) -> int:
    """Length as LongBench-Write counts it: every CJK character, and every run of Latin letters."""
    return len(_LONGBENCH.findall(text))


def _length_request(prompt: str) -> re.Match[str] | None:
    return next(reversed(list(_REQUEST.finditer(prompt))), None)


def target_words(prompt: str) -> int | None:
    """Length asked for, in words: the number before the last "words long", or None where there is none.

    Letter case does not matter; thousands separators are allowed.
    """
    request = _length_request(prompt)
    return int(re.sub(r"\D", "", request.group(1))) if request else None


def with_length_request(prompt: str, words: int) -> str:
    """The prompt with a request for so many words after it, in the official wording."""
    return f"{prompt}\n\n{REQUEST.format(words=words)}"


def strip_length_request(prompt: str) -> str:
    """The prompt as a judge sees it: without the sentence that asks for a length.

    Cuts from the last sentence boundary (`.`, `!`, `?` or a new line) before the last length request to
    the end. A prompt that is one single sentence loses the request alone, so that the judge still knows
    what was asked.
    """
    request = _length_request(prompt)
    if request is None:
        return prompt
    boundaries = list(_BOUNDARY.finditer(prompt, 0, request.start()))
    kept = prompt[: boundaries[-1].end()].rstrip() if boundaries else ""
    if kept:
        return kept
    before = prompt[: request.start()].rstrip()
    lead_in = _LEAD_IN.search(before, max(0, len(before) - 40))
    return (before[: lead_in.start()] if lead_in else before).rstrip(" ,") + prompt[request.end() :]


def strip_reasoning(text: str) -> str:
    """The text without its reasoning.

    Removes `<think>…</think>` and `<|channel>thought…<channel|>` blocks, everything before a closing tag
    whose opening tag is missing, and everything after an opening tag that is never closed (a reply cut
    while still reasoning holds no story). One linear pass for each kind of tag.
    """
    for opening, closing in _REASONING:
        if opening in text or closing in text:
            text = _cut_blocks(text, opening, closing).strip()
    return text


def count_reasoning(text: str) -> int:
    """Number of words inside the reasoning that `strip_reasoning` removes; the tags themselves do not count."""
    bare = text
    for tag in (tag for pair in _REASONING for tag in pair):
        bare = bare.replace(tag, " ")
    return count_words(bare) - count_words(strip_reasoning(text))


def _cut_blocks(text: str, opening: str, closing: str) -> str:
    kept: list[str] = []
    inside, position = False, 0
    for tag in re.finditer(f"{re.escape(opening)}|{re.escape(closing)}", text):
        if tag.group() == closing and not inside:
            kept.clear()  # its opening tag is missing: all before it was reasoning
        elif not inside:
            kept.append(text[position : tag.start()])
        inside = tag.group() == opening
        position = tag.end()
    return "".join(kept) if inside else "".join(kept) + text[position:]

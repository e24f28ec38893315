"""The length that a prompt asks for: find it (a range stays a range), and hide it from a judge."""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass
from itertools import islice

from ..length import Length
from . import wordings as said
from .numerals import as_number

REQUEST = "The story should be approximately {words} words long."
_FEWEST = 50  # smaller numbers of words in running text are not the length of a story
_MANY = 10  # maximum number of requests to hide; real prompts do not have more
_MOST_AMOUNTS = 100  # maximum number of amounts to look at, counted from the end of a prompt


@dataclass(frozen=True)
class _Found:
    """A request, and where it begins and ends in the prompt; `long`: says "… words long", `wording`: has the official
    wording."""

    length: Length
    start: int
    end: int
    long: bool = False
    wording: bool = False


def find_length(prompt: str) -> Length | None:
    """The length that a prompt asks for, or None.

    The number before the last "words long" counts, else the last request for a length or a range; a lower and an upper
    bound given separately form a range. Numbers and ranges may be in digits, with "k", or spelled out in English, and
    count words (字 in Chinese), if the sentence asks for a text of that length; a number of words that measures
    something else ("300 words for snow", "500 words each") is not a request.
    """
    found = _requests(prompt)
    if not found:
        return None
    chosen = next((one for one in reversed(found) if one.long), None)
    whole = [one.length for one in found if one.length.least and one.length.most]
    if chosen is not None and (chosen.length.least and chosen.length.most):
        return chosen.length
    if chosen is None and whole:
        return whole[-1]
    length = (chosen or found[-1]).length
    for other in (one.length for one in reversed(found)):
        if length.most is None and not other.least and other.most and other.most >= length.least:
            return Length(length.least, other.most)
        if not length.least and other.most is None and length.most and other.least <= length.most:
            return Length(other.least, length.most)
    return length


def target_words(prompt: str) -> int | None:
    """The requested length as a single number (see `Length.target`), or None if there is no request."""
    found = find_length(prompt)
    return found.target if found else None


def with_length_request(prompt: str, words: int) -> str:
    """The prompt followed by a request for `words` words, in the official wording."""
    return f"{prompt}\n\n{REQUEST.format(words=words)}"


def strip_length_request(prompt: str) -> str:
    """The prompt as a judge sees it: without length requests, but otherwise complete.

    A sentence that only asks for a length is removed whole; from other sentences only the request is removed. If the
    official wording "… approximately N words long" occurs, its last occurrence is removed with its sentence, from the
    last `.`, `!`, `?` or newline before it (unless nothing would be left before), and nothing else is changed.
    """
    official = [one for one in _requests(prompt) if one.wording]
    if official:
        return _without(prompt, official[-1])
    for _ in range(_MANY):
        found = _requests(prompt)
        if not found:
            break
        prompt = _without(prompt, found[-1])
    return prompt


def _requests(prompt: str) -> list[_Found]:
    whole = [_two_bounds(match) for match in islice(said.TWO_BOUNDS.finditer(prompt), _MOST_AMOUNTS)]
    whole += [_label(prompt, match) for match in islice(said.LABELLED.finditer(prompt), _MOST_AMOUNTS)]
    found = [one for one in whole if one is not None]
    taken = [(one.start, one.end) for one in found]
    for match in deque(said.AMOUNT.finditer(prompt), maxlen=_MOST_AMOUNTS):
        free = not any(start < match.end() and match.start() < end for start, end in taken)
        if free and (one := _amount(prompt, match)) is not None:
            found.append(one)
    return sorted(found, key=lambda one: one.start)


def _two_bounds(match: re.Match[str]) -> _Found | None:
    low = match["low"] or match["low2"] or match["low3"]
    least, most = as_number(low), as_number(match["high"] or match["high2"] or match["high3"])
    fits = _FEWEST <= least <= most and "word" in match.group().lower()
    return _Found(Length(least, most), match.start(), match.end()) if fits else None


def _label(prompt: str, match: re.Match[str]) -> _Found | None:
    numbers = _numbers(match["first"], match["second"])
    if numbers[1] < _FEWEST:
        return None
    tail = said.AFTER.match(prompt, match.end())
    before = (match["before"] or "").lower()
    least = bool(match["least"] or match["floor"] or match["plus"] or before[:3] == "min" or (tail and tail["least"]))
    most = bool(match["most"] or match["cap"] or before[:3] == "max" or (tail and tail["most"]))
    return _Found(_bounded(numbers, least, most), match.start(), tail.end() if tail else match.end())


def _amount(prompt: str, match: re.Match[str]) -> _Found | None:
    """The request made by an amount of words, or None if it is not a request."""
    start, second = match.start(), match["second"]
    numbers = _numbers(match["first"], second)
    if second and (match["by"] or "").lower() == "and" and not match["between"]:
        numbers, start = _numbers(second, None), match.start("second")
    elif match["first"].lower().startswith("a "):
        start += 2
    before, after = prompt[max(0, start - 120) : start], prompt[match.end() : match.end() + 80]
    if numbers[1] == 0:
        return None
    if match["sign"]:
        return _signs(match, numbers, before, after)
    long, bound = said.LONG.match(after), said.BOUND.search(before)
    if said.NUMBERED.search(before) or said.TOLERATED.search(before) or said.PART.search(before):
        return None
    if long is None and not _asked(match, numbers[1], before, after, bound):
        return None
    noun, tail = said.NOUN.match(after), said.AFTER.match(after)
    least, most = bool(bound and bound["least"]), bool(bound and bound["most"])
    if bound and said.turned(bound.group(), before[: bound.start()]):
        least, most = most, least
    least = least or bool(match["plus"] or (tail and tail["least"]) or (noun and noun["floor"]))
    most = most or bool(match["less"] or (tail and tail["most"]) or (noun and noun["cap"]))
    end = match.end() + (long.end() if long else tail.end() if tail else 0)
    if tolerance := said.TOLERANCE.match(prompt, end):
        end = tolerance.end()
    return _Found(_bounded(numbers, least, most), start, end, bool(long), bool(long and said.OFFICIAL.search(before)))


def _asked(match: re.Match[str], most: int, before: str, after: str, bound: re.Match[str] | None) -> bool:
    """Whether the words around an amount ask for it, rather than mention other words."""
    opening, closing = said.SPOKEN
    told = said.THEIRS.search(before) and not said.OWN.search(before)
    spoken = opening.search(before[: bound.start()] if bound else before) and closing.match(after)
    elsewhere = said.OTHER.match(after) or said.PART_AFTER.match(after)
    many = " " in match["first"].strip() and match["first"][0].isdigit() and said.MANY_AFTER.match(after)
    if told or spoken or elsewhere or many:
        return False
    lead = before[: bound.start()] if bound else before
    asks, opens, noun = said.ASKS.search(lead), said.OPENS.search(lead), said.NOUN.match(after)
    spelled = not match["first"][0].isdigit()
    single = match["unit"].lower() == "word"
    if noun and (asks or opens) and (single or asks or match["first"][0].isdigit()):
        return True
    if most < _FEWEST or (said.FOR.match(after) and not (asks and not spelled)):
        return False
    within = bool(asks and asks["within"])
    verb = said.VERB.search(lead) is not None
    if asks and not (within and spelled and not (verb or said.OPENS.search(lead[: asks.start()]))):
        return True
    if bound and not bound["about"] and (said.strong(bound.group()) or said.turned(bound.group(), lead)):
        return True
    if said.AFTER.match(after) or match["between"] or match["less"]:
        return True
    alone = opens and (said.CLOSES.match(after) or said.ABOUT_AFTER.match(after))
    return bool(alone and not (spelled and match["first"].lower().startswith("a")))


def _signs(match: re.Match[str], numbers: tuple[int, int], before: str, after: str) -> _Found | None:
    if numbers[1] < _FEWEST or said.SIGN_PART.search(before):
        return None
    at_least, at_most, tail = (
        said.SIGN_LEAST.search(before),
        said.SIGN_MOST.search(before),
        said.SIGN_AFTER.match(after),
    )
    least = bool(at_least or (tail and tail["least"]) or match["plus"])
    most = bool(at_most or (tail and tail["most"]))
    lead = next((len(bound.group()) for bound in (at_least, at_most) if bound), 0)
    end = match.end() + (tail.end() if tail else 0)
    return _Found(_bounded(numbers, least, most), match.start() - lead, end)


def _numbers(first: str, second: str | None) -> tuple[int, int]:
    """Both ends of a range as numbers of words, or one number twice."""
    low, high = as_number(first), as_number(second or first)
    if second and low < 100 <= high:  # "2-3k", "two to three thousand", "five to six hundred"
        scale = 1000 if low * 1000 <= high else 100 if not first[0].isdigit() else 1
        low *= scale if low * scale <= high else 1
    return min(low, high), max(low, high)


def _bounded(numbers: tuple[int, int], least: bool, most: bool) -> Length:
    low, high = numbers
    if low != high or least == most:
        return Length(low, high)
    return Length(low, None) if least else Length(0, high)


def _without(prompt: str, one: _Found) -> str:
    """The prompt without one request: its whole sentence, or only its words."""
    stop = said.SENTENCE.search(prompt, one.end)
    end = len(prompt) if stop is None else stop.start() if stop.group() == "\n" else stop.end()
    if one.wording:
        begin = max((prompt.rfind(mark, 0, one.start) for mark in ".!?\n"), default=-1) + 1
        if prompt[:begin].strip():
            return _closed(prompt[:begin], prompt[end:])
    begin = max((found.end() for found in said.BEGIN.finditer(prompt, 0, one.start)), default=0)
    rest = f"{prompt[begin : one.start]} {prompt[one.end : end]}"
    others = (prompt[:begin] + prompt[end:]).strip()
    if others and set(re.findall(r"[^\W\d_]+", rest.lower())) <= said.FILLER:
        return _closed(prompt[:begin], prompt[end:])
    before, after = prompt[: one.start], prompt[one.end :]
    lead = said.LEAD_IN.search(before, max(0, len(before) - 60))
    article = re.search(r"\b(?:an?|the|one|another)\s$", before, re.IGNORECASE)
    if after[:1] in ("-", " ") and article:
        return _fitting(before, after[1:])  # "a 500-word story" becomes "a story"
    bracket = re.match(r"[.!]?[)\]]", after) if lead is not None and re.search(r"[(\[]", lead.group()) else None
    before = before[: lead.start()] if lead else before
    after = after[bracket.end() :] if bracket else after
    if not before.strip() or said.BEGIN.fullmatch(before.rstrip()[-1:]) or before.endswith("\n"):
        after = re.sub(r"^[\s,;:–—-]+", " " if before.strip() and not before.endswith("\n") else "", after)
    return before + after


def _fitting(before: str, after: str) -> str:
    """Join two parts, with the article (a or an) that fits the first letter of the second."""
    if found := re.search(r"\b(a)n?(\s)$", before, re.IGNORECASE):
        before = before[: found.start()] + found[1] + ("n" if after[:1].lower() in "aeiou" else "") + found[2]
    return before + after


def _closed(before: str, after: str) -> str:
    """Join two parts of a prompt, with the wider of the gaps around the text that was between them."""
    left, right = before.rstrip(), after.lstrip()
    if not left or not right:
        return left or right
    gaps = (before[len(left) :], after[: len(after) - len(right)])
    return left + max(gaps, key=lambda gap: (gap.count("\n"), len(gap))) + right

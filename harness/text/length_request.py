"""The length that a prompt asks for: finding it, keeping a range as a range, and hiding it from a judge."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ..length import Length
from .numerals import NUMBER, as_number

REQUEST = "The story should be approximately {words} words long."


@dataclass(frozen=True)
class _Found:
    """A request, and where its words begin and end in the prompt; `long`: "… words long", `wording`: the official
    one."""

    length: Length
    start: int
    end: int
    long: bool = False
    wording: bool = False


_ABOUT = r"(?:approximately|approx\.?|about|around|roughly|circa|ca\.?|some|nearly|almost|exactly|precisely|~|≈|±)"
_LEAST = (
    r"(?:at (?:the )?(?:very )?least|(?:no|not) (?:less|fewer|shorter) than|more than|over|above|longer than|"
    r"upwards of|"
    r"(?:a |the )?min(?:imum|\.)?(?: length| word count)?(?: of| is| at)?|exceed(?:s|ing)?|≥|>=?)"
)
_MOST = (
    r"(?:at (?:the )?(?:very )?most|(?:no|not) (?:more|longer) than|(?:not|n[o'’]t)(?: to)? exceed(?:ing)?|"
    r"(?:fewer|less|shorter) than|under|below|up to|within|(?:a |the )?limit(?:ed)?(?: of| to| is)|"
    r"(?:a |the )?max(?:imum|\.)?(?: length| word count)?(?: of| is| at)?|≤|<=?)"
)
_VERB = (
    r"\b(?:writ(?:e|ing)|draft(?:ing)?|compos(?:e|ing)|craft|generate|produce|create|prepare|tell|make|provide|give|deliver|"
    r"need|want|aim(?:ing)?|target(?:ing)?|keep|stick|reach|runs?|spans?|totals?|expand|stretch|use|establish|develop|design)"
)
_TEXT = (
    r"(?:stor(?:y|ies)|tales?|texts?|piece|narrative|essay|novel(?:la|ette)?|chapter|scene|article|fiction|flash|script|"
    r"monologue|vignette|fable|fanfic(?:tion)?|response|draft|paper|report|sketch|memoir|prose|composition|"
    r"blog post|post|"
    r"speech|length|word count|count|total|(?P<cap>limit|max(?:imum)?)|(?P<floor>min(?:imum)?))"
)
_UNNAMED = _TEXT.replace("?P<cap>", "?:").replace("?P<floor>", "?:")
_SIGNS = r"[\s,:(*_]{0,4}"
_BOUND = re.compile(rf"(?<!\w)(?:(?P<least>{_LEAST})|(?P<most>{_MOST})|(?P<about>{_ABOUT})){_SIGNS}$", re.IGNORECASE)
_ASKS = re.compile(
    rf"(?:{_VERB}(?: (?:it|this|for|at|to|me|us|out|up|an?|the|one|another|around)){{0,3}}(?: [a-z’'-]+){{0,2}}"
    rf"|\b(?:be|is|are|being|to|must|should|can|may|will|shall|do|does)"
    rf"|\bwords?(?:,|,? (?:and|but))|\b{_UNNAMED} (?:of|in|at|with|is|that|under)"
    rf"|\b(?:word[- ]?(?:count|limit|length|target)|length|words?)(?: (?:is|of|should be|must be))?\s{{0,2}}[:=–—-]?"
    rf"|(?P<within>\b(?:in|within)))(?: an?| the)?{_SIGNS}$",
    re.IGNORECASE,
)
_SEPARATOR = r"(?:\s{0,2}(?:words?\s{0,2})?[-–—−~]\s{0,2}|\s{1,2}(?:words?\s{1,2})?(?P<by>to|or|and)\s{1,2})"
_AMOUNT = re.compile(
    rf"(?<![A-Za-z0-9_.,$€£#])(?:(?P<between>(?:between|from)\s{{1,2}}))?(?P<first>{NUMBER})"
    rf"(?:{_SEPARATOR}(?P<second>{NUMBER}))?\s?(?P<plus>\+)?"
    r"(?:[\s-]{0,3}(?P<unit>words?)(?![\w'’])|\s{0,2}(?P<sign>个?[字词](?![母符幕典])))",
    re.IGNORECASE,
)
_LABELLED = re.compile(
    rf"\bword[- ]?(?:count|length|target|(?P<cap>limit|max(?:imum)?)|(?P<floor>min(?:imum)?))"
    rf"(?: (?:is|of|should be|must be))?"
    rf"\s{{0,2}}[:=–—-]?\s{{0,2}}(?:(?P<least>{_LEAST})|(?P<most>{_MOST})|{_ABOUT})?\s{{0,2}}(?P<first>{NUMBER})"
    rf"(?:{_SEPARATOR}(?P<second>{NUMBER}))?(?P<plus>\+)?(?![.,]?\d|[-\s]{{0,3}}(?:words?|pages?|characters?|%))",
    re.IGNORECASE,
)
_LONG = re.compile(r"\s{1,3}(?:long|in (?:length|total|all))\b", re.IGNORECASE)
_OFFICIAL = re.compile(r"\bapproximately\s{1,3}$", re.IGNORECASE)
_AFTER = re.compile(
    r"[\s,(]{0,3}(?:(?P<most>max(?:imum)?\b|at (?:the )?most\b|or (?:less|fewer|under)\b|tops\b|limit\b)|"
    r"(?P<least>min(?:imum)?\b|at least\b|or (?:more|longer|over)\b)|"
    r"(?:or so|total|overall|more or less|give or take)\b)",
    re.IGNORECASE,
)
_NOUN = re.compile(rf"[\s-]{{1,2}}(?:[a-z'’,-]+ ){{0,3}}?{_TEXT}\b", re.IGNORECASE)
# a part, a rate, or words that do not measure the text
_OTHER = re.compile(
    r"[\s,]{0,2}\(?(?:each\b|apiece|per\b|every\b|an? (?:day|minute|hour|page|chapter|week|night|time)\b|into\b|"
    r"later\b|"
    r"ago\b|(?:that|which) (?:mean|rhyme|describe|begin|start|he|she|they|nobody|no one)|of (?:wisdom|advice|dialog)|"
    r"in (?:the|a|his|her|my|their|our|its|that|this|any|every) )",
    re.IGNORECASE,
)
_FOR = re.compile(r"[\s,]{0,2}for\b", re.IGNORECASE)
_PART = re.compile(
    r"\b(?:opening|first|second|third|fourth|introductory|closing|last|final|each|every)\s(?:paragraph|section|chapter|scene|"
    r"part|act|sentence|stanza|verse|letter|entry)s?\b(?=\W*\b(?:should|must|is|are|needs?|has|can|will|may|of|with|at)\b)"
    r"[^.!?\n]{0,40}$",
    re.IGNORECASE,
)
_NUMBERED = re.compile(
    r"\b(?:part|chapter|act|scene|section|book|volume|vol\.?|episode|step|page|no\.?|number|item) ?$", re.IGNORECASE
)
_SIGN_LEAST = re.compile(r"(?:不少于|至少|不低于|最少|(?<!不)(?<!不得)超过|(?<!不)多于|起码)\s?$")
_SIGN_MOST = re.compile(r"(?:不超过|最多|至多|不多于|(?<!不)少于|控制在|不得超过)\s?$")
_SIGN_PART = re.compile(r"(?:每\w{0,4}|各写?)\s?$")
_SIGN_AFTER = re.compile(r"\s?(?:(?P<least>以上|起)|(?P<most>以内|以下|之内))")
_OPENS = re.compile(r"(?:^|[.!?。！？…:;,，；：\n(\[*>–—])[\s*_\"'“‘]{0,4}$")
_CLOSES = re.compile(
    r"[\s*_\"'”’]{0,4}(?:$|[.!?。！？…;,\n)\]]|please|,? (?:and|but) (?:at|no|not|under|fewer|less|up|max))",
    re.IGNORECASE,
)
_FEWEST = 50  # fewer words in running text are not the length of a story
_END = r"[.!?…]+[\"'”’)\]*_]{0,3}(?=\s|$)"
_SENTENCE = re.compile(rf"\n|[。！？]|{_END}")
_BEGIN = re.compile(
    rf"\n|[。！？]|(?<!\bapprox)(?<!\bca)(?<!\bmin)(?<!\bmax)(?<!\bDr)(?<!\bMr)(?<!\bMrs){_END}", re.IGNORECASE
)
_LEAD_IN = re.compile(
    rf"[\s,;(\[–—]*(?:\b(?:that|which)(?:['’]s| is| are| should be| must be)\s)?\s?"
    r"(?:\b(?:with|at|to|for) an? (?:length|word count|total) of\s|\b(?:of|in|with|at|to|is|be|between|from)\s)?"
    rf"\s?(?:(?<!\w)(?:{_LEAST}|{_MOST}|{_ABOUT})\s?)?$",
    re.IGNORECASE,
)
_FILLERS = (
    "the story should be it must is are length word count words please aim for target total in of about "
    "approximately a an keep to at least most no more less fewer than make your text piece response whole entire "
    "full that this and with limit minimum maximum up around roughly long try output answer narrative tale as so "
    "first then second desired its will would like need needs have has ensure sure between from not exceed do or "
    "just i d want give max min approx under over above below within exactly nearly almost some yourself"
)
_FILLER = frozenset(_FILLERS.split())


def find_length(prompt: str) -> Length | None:
    """The length that a prompt asks for, or None.

    The number before the last "words long" counts, else the last that asks for one length or a range; bounds on both
    sides that are given apart are a range. Read are numbers and ranges in figures, with "k", or spelled out in English,
    of words (in Chinese of 字), where the sentence asks for a text of that length; a number of words that measures
    something else ("300 words for snow", "500 words each") is no request.
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
    """The one number that stands for the length asked for (see `Length.target`), or None where none is."""
    found = find_length(prompt)
    return found.target if found else None


def with_length_request(prompt: str, words: int) -> str:
    """The prompt with a request for so many words after it, in the official wording."""
    return f"{prompt}\n\n{REQUEST.format(words=words)}"


def strip_length_request(prompt: str) -> str:
    """The prompt as a judge sees it: without what it asks of the length, and with all else.

    A sentence that says no more than that goes whole; of others the request alone. Where the official wording
    "… approximately N words long" stands, the last of it takes its sentence along, from the last `.`, `!`, `?` or new
    line before it (unless nothing would be left before), and nothing else is touched.
    """
    found = _requests(prompt)
    official = [one for one in found if one.wording]
    for one in official[-1:] or reversed(found):
        prompt = _without(prompt, one)
    return prompt


def _requests(prompt: str) -> list[_Found]:
    labelled = [one for match in _LABELLED.finditer(prompt) if (one := _label(match)) is not None]
    taken = [(one.start, one.end) for one in labelled]
    amounts = [one for match in _AMOUNT.finditer(prompt) if (one := _amount(prompt, match)) is not None]
    free = [one for one in amounts if not any(one.start < end and start < one.end for start, end in taken)]
    return sorted([*labelled, *free], key=lambda one: one.start)


def _label(match: re.Match[str]) -> _Found | None:
    numbers = _numbers(match["first"], match["second"])
    if numbers[1] < _FEWEST:
        return None
    least = bool(match["least"] or match["floor"] or match["plus"])
    return _Found(_bounded(numbers, least, bool(match["most"] or match["cap"])), match.start(), match.end())


def _amount(prompt: str, match: re.Match[str]) -> _Found | None:
    """The request that an amount of words is, or None where it is none."""
    start, second = match.start(), match["second"]
    numbers = _numbers(match["first"], second)
    if second and match["by"] == "and" and not match["between"]:
        numbers, start = _numbers(second, None), match.start("second")
    if numbers[1] == 0:
        return None
    before, after = prompt[max(0, start - 120) : start], prompt[match.end() : match.end() + 80]
    if match["sign"]:
        return _signs(match, numbers, before, after)
    if _NUMBERED.search(before) or _OTHER.match(after) or _PART.search(before):
        return None
    bound, noun, tail, long = _BOUND.search(before), _NOUN.match(after), _AFTER.match(after), _LONG.match(after)
    lead = before[: bound.start()] if bound else before
    asks = _ASKS.search(lead)
    spelled = not prompt[start].isdigit()
    enough = numbers[1] >= _FEWEST
    if long is None and not (noun and (match["unit"].lower() == "word" or asks)):
        alone = (
            _OPENS.search(lead) and _CLOSES.match(after) and not (spelled and match["first"].lower().startswith("a"))
        )
        told = asks and not (asks["within"] and spelled and not re.search(_VERB, lead, re.IGNORECASE))
        if _FOR.match(after) and not (asks and not spelled):
            return None
        if not enough or not (alone or told or tail or match["between"]):
            return None
    least = bool((bound and bound["least"]) or match["plus"] or (tail and tail["least"]) or (noun and noun["floor"]))
    most = bool((bound and bound["most"]) or (tail and tail["most"]) or (noun and noun["cap"]))
    end = match.end() + (long.end() if long else tail.end() if tail else 0)
    return _Found(_bounded(numbers, least, most), start, end, bool(long), bool(long and _OFFICIAL.search(before)))


def _signs(match: re.Match[str], numbers: tuple[int, int], before: str, after: str) -> _Found | None:
    if numbers[1] < _FEWEST or _SIGN_PART.search(before):
        return None
    at_least, at_most, tail = _SIGN_LEAST.search(before), _SIGN_MOST.search(before), _SIGN_AFTER.match(after)
    least = bool(at_least or (tail and tail["least"]) or match["plus"])
    most = bool(at_most or (tail and tail["most"]))
    lead = next((len(bound.group()) for bound in (at_least, at_most) if bound), 0)
    end = match.end() + (tail.end() if tail else 0)
    return _Found(_bounded(numbers, least, most), match.start() - lead, end)


def _numbers(first: str, second: str | None) -> tuple[int, int]:
    """Both ends of a range in words, or one number twice."""
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
    """The prompt without one request: its sentence, or its words alone."""
    stop = _SENTENCE.search(prompt, one.end)
    end = len(prompt) if stop is None else stop.start() if stop.group() == "\n" else stop.end()
    if one.wording:
        begin = max((prompt.rfind(mark, 0, one.start) for mark in ".!?\n"), default=-1) + 1
        if prompt[:begin].strip():
            return _closed(prompt[:begin], prompt[end:])
    begin = max((found.end() for found in _BEGIN.finditer(prompt, 0, one.start)), default=0)
    rest = f"{prompt[begin : one.start]} {prompt[one.end : end]}"
    others = (prompt[:begin] + prompt[end:]).strip()
    if others and set(re.findall(r"[^\W\d_]+", rest.lower())) <= _FILLER:
        return _closed(prompt[:begin], prompt[end:])
    before, after = prompt[: one.start], prompt[one.end :]
    lead = _LEAD_IN.search(before, max(0, len(before) - 60))
    if after[:1] in ("-", " ") and re.search(r"\b(?:an?|the|one|another|this)\s$", before):
        return before + after[1:]  # "a 500-word story" stays a story
    opened = lead is not None and ("(" in lead.group() or "[" in lead.group()) and after[:1] in (")", "]")
    before = before[: lead.start()] if lead else before
    return before + (after[1:] if opened else after) if before else after.lstrip(" ,-")


def _closed(before: str, after: str) -> str:
    """Two parts of a prompt, with the wider of the gaps that stood around what was between them."""
    left, right = before.rstrip(), after.lstrip()
    if not left or not right:
        return left or right
    gaps = (before[len(left) :], after[: len(after) - len(right)])
    return left + max(gaps, key=lambda gap: (gap.count("\n"), len(gap))) + right

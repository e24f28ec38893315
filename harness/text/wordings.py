"""Patterns of how people ask for a length in English and Chinese, and how they mention other numbers of words."""

from __future__ import annotations

import re

from .numerals import NUMBER

_ABOUT = (
    r"(?:approximately|approx\.?|about|around|roughly|circa|ca\.?|some|nearly|almost|exactly|precisely|ideally|"
    r"preferably|another|~|≈)"
)
_LEAST = (
    r"(?:at (?:the )?(?:very )?least|(?:no|not) (?:less|fewer|shorter) than|more than|over|above|longer than|"
    r"upwards of|beyond|(?:a |the )?min(?:imum|\.)?(?: length| word count)?(?: of| is| at)?|exceed(?:s|ing)?|≥|>=?)"
)
_MOST = (
    r"(?:at (?:the )?(?:very )?most|(?:no|not) (?:more|longer) than|(?:not|\w+n['’]t|cannot)(?: to)? exceed(?:ing)?|"
    r"(?:fewer|less|shorter) than|under|below|up to|within|(?:a |the )?limit(?:ed)?(?: of| to| is)|"
    r"(?:a |the )?max(?:imum|\.)?(?: length| word count)?(?: of| is| at)?|≤|<=?)"
)
# bounds that prose seldom uses for anything but the text to be written
_STRONG = re.compile(
    r"at .*least|at .*most|no more|not more|no longer|no less|no fewer|min|max|exceed|limit|up to", re.I
)
_NOT = re.compile(r"(?:\b(?:not|never|cannot)|n['’]t)(?: \w+){0,4}\s*$", re.IGNORECASE)
_TURNED = re.compile(r"(?:more|longer|less|fewer|shorter) than|over|above|beyond|under|below|exceed", re.IGNORECASE)
_VERB = (
    r"\b(?:writ(?:e|ing)|draft(?:ing)?|compos(?:e|ing)|craft|generate|produce|create|prepare|tell|make|provide|give|"
    r"deliver|need(?:s|ed)?|want|like|looking for|aim(?:ing)?|target(?:ing)?|keep|stick|stay|reach|runs?|"
    r"spans?|totals?|"
    r"expand|stretch|use|using|establish|develop|design|continue|ensure|contain|have|has|include)"
)
_TEXT = (
    r"(?:stor(?:y|ies)|tales?|texts?|piece|narrative|essay|novel(?:la|ette)?|chapter|scene|article|fiction|"
    r"flash|script|"
    r"monologue|vignette|fable|fanfic(?:tion)?|response|draft|paper|report|sketch|memoir|prose|composition|blog post|"
    r"post|speech|length|word count|count|total|(?P<cap>limit|max(?:imum)?)|(?P<floor>min(?:imum)?))"
)
_UNNAMED = _TEXT.replace("?P<cap>", "?:").replace("?P<floor>", "?:")
_SIGNS = r"[\s:(*_]{0,4}"
_PARTS = (
    r"(?:paragraph|section|chapter|scene|part|act|sentence|line|stanza|verse|letter|entry|entries|prologue|epilogue)"
)
_SHALL = r"(?: (?:is|of|should be|must be))?"

BOUND = re.compile(rf"(?<!\w)(?:(?P<least>{_LEAST})|(?P<most>{_MOST})|(?P<about>{_ABOUT})){_SIGNS}$", re.IGNORECASE)
ASKS = re.compile(
    rf"(?:{_VERB}(?: (?:it|this|for|at|to|me|us|out|up|an?|the|one|another|around)){{0,3}}"
    r"(?: (?!(?:about|of|on|by|with|who|that|in|where|whose|from)\b)[a-z’'-]+){0,2}"
    r"|\b(?:be|is|are|being|to|must|should|can|may|will|shall|do|does|please)|\bwords?(?:,|,? (?:and|but))"
    rf"|\b{_UNNAMED} (?:of|in|at|with|is|that|under)"
    rf"|\b(?:word[- ]?(?:count|limit|length|target)|length|words?){_SHALL}\s{{0,2}}[:=–—-]?"
    rf"|(?P<within>\b(?:in|within)))(?: an?| the)?"
    r"(?: (?:short|long|brief|complete|full|new|good|creative|original|compelling|detailed))?[\s,:(*_]{0,4}$",
    re.IGNORECASE,
)
VERB = re.compile(_VERB, re.IGNORECASE)
SEPARATOR = (
    r"(?:\s{0,2}(?:words?\s{0,2})?[-–—−~]\s{0,2}|"
    r"\s{0,2}-?\s{0,1}(?:words?\s{1,2})?(?P<by>\bto\b|\bor\b|\band\b)\s{0,1}-?\s{0,1})"
)
AMOUNT = re.compile(
    rf"(?<![A-Za-z0-9_.,$€£#])(?:(?P<between>(?:between|from)\s{{1,2}}))?(?P<first>{NUMBER})"
    rf"(?:{SEPARATOR}(?P<second>{NUMBER}))?(?:-?ish)?\s?(?:(?P<plus>\+|(?:or )?(?:more|plus)\b)|"
    rf"(?P<less>or (?:fewer|less)\b))?"
    r"(?:[\s-]{0,3}(?P<unit>words?)(?![\w'’])|\s{0,2}(?P<sign>个?[字词](?![母符幕典])))",
    re.IGNORECASE,
)
LABELLED = re.compile(
    rf"(?:\b(?P<before>max(?:imum)?|min(?:imum)?)\s)?\b(?:word[- ]?(?:count|length|target|(?P<cap>limit|max(?:imum)?)|"
    rf"(?P<floor>min(?:imum)?)){_SHALL}\s{{0,2}}[:=–—-]?|(?:^|(?<=[\n.!?*_])\s?|(?<=[\n.!?*_]\s))(?:target |"
    rf"desired |story )?"
    rf"(?:length|words)[*_]{{0,2}}:[*_]{{0,2}})\s{{0,2}}(?:(?P<least>{_LEAST})\s|(?P<most>{_MOST})\s|"
    rf"{_ABOUT}\s|between\s|from\s)?"
    rf"(?P<first>{NUMBER})(?:{SEPARATOR}(?P<second>{NUMBER}))?(?P<plus>\+)?(?:[\s-]{{0,3}}words?\b)?"
    r"(?![.,]?\d|[-\s]{0,3}(?:pages?|characters?|%)|\s{0,2}[-–—]\s{0,2}\d|\s(?:to|or|and)\s\d)",
    re.IGNORECASE,
)
_JOIN = r"\s?(?:words?)?\s?,?\s(?:(?:and|but|or)\s)?"
TWO_BOUNDS = re.compile(
    rf"(?<!\w)(?:(?P<least>{_LEAST})\s(?P<low>{NUMBER}){_JOIN}{_MOST}\s(?P<high>{NUMBER})|"
    rf"{_MOST}\s(?P<high2>{NUMBER}){_JOIN}{_LEAST}\s(?P<low2>{NUMBER})|"
    rf"(?P<low3>{NUMBER})\swords?\smin(?:imum)?{_JOIN}(?P<high3>{NUMBER})\swords?\smax(?:imum)?)(?:[\s-]{{0,3}}words?\b)?",
    re.IGNORECASE,
)
LONG = re.compile(r"\s{1,3}(?:long|in (?:length|total|all))\b", re.IGNORECASE)
OFFICIAL = re.compile(r"\bapproximately\s{1,3}$", re.IGNORECASE)
AFTER = re.compile(
    r"[\s,(]{0,3}(?:(?P<most>max(?:imum)?\b|at (?:the )?most\b|or (?:less|fewer|under)\b|tops\b|limit\b)|"
    r"(?P<least>min(?:imum)?\b|at least\b|or (?:more|longer|over)\b)|"
    r"(?:or so|total|overall|more or less)\b)(?!\s{0,2}\d)",
    re.IGNORECASE,
)
TOLERANCE = re.compile(
    rf"[\s,(]{{0,3}}(?:±|\+/-|plus or minus|give or take)\s?(?:{NUMBER})?\s?(?:%|per ?cent|words?)?\)?", re.IGNORECASE
)
TOLERATED = re.compile(r"(?:±|\+/-|plus or minus|give or take)\s{0,2}$", re.IGNORECASE)
NOUN = re.compile(rf"[\s-]{{1,2}}(?:[a-z'’,-]+ ){{0,3}}?{_TEXT}\b", re.IGNORECASE)
PART_AFTER = re.compile(
    r"[\s-]{1,2}(?:[a-z'’-]+ ){0,2}?(?:prologue|epilogue|opening|paragraph|section|stanza|sentence|line)s?\b",
    re.IGNORECASE,
)
MANY_AFTER = re.compile(r"[\s-](?:stories|tales|pieces|essays|poems|texts)\b", re.IGNORECASE)
ABOUT_AFTER = re.compile(r"\s(?:about|on|of)\b", re.IGNORECASE)
# a rate, a part, a position in a text, or words that do not measure the text to be written
OTHER = re.compile(
    r"[\s,]{0,2}\(?(?:each\b|apiece|per\b|every\b|an? (?:day|minute|hour|page|chapter|week|night|time)\b|into\b|"
    r"later\b|ago\b|left\b|lost\b|(?:that|which) (?:mean|rhyme|describe|begin|start|he|she|they|nobody|no one)|"
    r"of (?:wisdom|advice|dialog)|in (?:the|a|his|her|my|their|our|its|that|this|any|every) |as \w+ion\b|"
    r"(?:is|are) (?!required|needed|expected|fine|enough|the |a |ideal|plenty|ok)|(?:was|were|had|has|have)\b)",
    re.IGNORECASE,
)
FOR = re.compile(r"[\s,]{0,2}for\b", re.IGNORECASE)
THEIRS = re.compile(
    r"(?:['’]s|s['’]|\b(?:my|his|her|their|our|your|whose|this|these|those|that|the following|same|whole|previous)) $|"
    r"\b(?:there (?:are|were|was)|is limited to|(?:was|were|so far is|know|knows|knew|learns?|learned|"
    r"learnt|speaks?|spoke|"
    r"typed|types|says?|said|collects?|collected|reads?|wrote|left|lost))"
    rf"(?: {_ABOUT}| {_LEAST}| {_MOST})?\s$|\bof(?: {_ABOUT})?\s$",
    re.IGNORECASE,
)
OWN = re.compile(
    rf"\b{_UNNAMED} (?:with a length |that is )?of\s(?:{_ABOUT}\s|{_LEAST}\s|{_MOST}\s|an? |the )?$|"
    rf"\b(?:total|minimum|maximum|length|count|limit) of\s$",
    re.IGNORECASE,
)
PART = re.compile(
    rf"\b(?:(?:opening|first|second|third|fourth|introductory|closing|last|final|each|every|no|any|all|"
    rf"per) (?:of the )?"
    rf"(?:\w+ )?{_PARTS}s?|(?:paragraphs|sentences|lines|stanzas)|each of (?:the|these|"
    rf"those) \w+(?: \w+)?)\b[^.!?\n]{{0,40}}$|"
    rf"\b{_PARTS}s?\s(?:\w+\s?)?[:–—-]\s*$|\b{_PARTS}s: [^.!?\n]{{0,60}}$|\beach\s(?:{_ABOUT}\s)?$",
    re.IGNORECASE,
)
NUMBERED = re.compile(
    r"\b(?:part|chapter|act|scene|section|book|volume|vol\.?|episode|step|page|no\.?|number|item)(?: [ivxlc]+)? ?$",
    re.IGNORECASE,
)
SPOKEN = re.compile(r"[\"“]\s?$"), re.compile(r"[,.!?]?[\"”]\s[a-z]")
SIGN_LEAST = re.compile(r"(?:不少于|至少|不低于|最少|(?<!不)(?<!不得)超过|(?<!不)多于|起码)\s?$")
SIGN_MOST = re.compile(r"(?:不超过|最多|至多|不多于|(?<!不)少于|控制在|不得超过)\s?$")
SIGN_PART = re.compile(r"(?:每\w{0,4}|各写?)\s?$")
SIGN_AFTER = re.compile(r"\s?(?:(?P<least>以上|起)|(?P<most>以内|以下|之内))")
OPENS = re.compile(r"(?:^|[.!?。！？…:;,，；：\n(\[*>–—])[\s*_\"'“‘]{0,4}(?:an? )?$", re.IGNORECASE)
CLOSES = re.compile(
    r"[\s*_\"'”’]{0,4}(?:$|[.!?。！？…;,\n)\]–—±]|\+/-|plus or|give or|please|"
    r",? (?:and|but) (?:at|no|not|under|fewer|less|up|max))",
    re.IGNORECASE,
)
_END = r"[.!?…]+[\"'”’)\]*_]{0,3}(?=\s|$)"
SENTENCE = re.compile(rf"\n|[。！？]|{_END}")
BEGIN = re.compile(
    rf"\n|[。！？]|(?<!\bapprox)(?<!\bca)(?<!\bmin)(?<!\bmax)(?<!\bDr)(?<!\bMr)(?<!\bMrs){_END}", re.IGNORECASE
)
LEAD_IN = re.compile(
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
    "just i d want give max min approx under over above below within exactly nearly almost some yourself there "
    "contain contains required t can cannot don shouldn mustn go longer shorter but stay never write ideally preferably"
)
FILLER = frozenset(_FILLERS.split())


def strong(bound: str) -> bool:
    """Whether a bound is of a kind that makes a request."""
    return _STRONG.search(bound) is not None


def turned(bound: str, lead: str) -> bool:
    """Whether a bound is negated by the text before it: "must not be more than" means at most."""
    return _TURNED.match(bound) is not None and _NOT.search(lead) is not None

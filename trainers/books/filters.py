"""Filters that decide which pieces are stories to train on, and say why the others are not."""

from __future__ import annotations

import importlib.util
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from ...harness.errors import UserError, need_extra
from ...harness.words import count_words
from .reading.book import Block
from .reading.split import Piece, is_frame_title

# shares above which a filter acts; chosen on the shared collections and on damaged copies of them
VERSE, SPEECHES, NOISE = 0.5, 0.5, 0.01
_ENDED = re.compile(
    r"[.!?…。！？][\s\"'”’»«)\]_*—–-]*$|[—–-][\"'”’»)\]_*\s]*$|\bthe end\b\W*$|\bfinis\b\W*$", re.IGNORECASE
)
_CUT = re.compile(
    r"\b(?:to be continued|continued (?:on|in)|end of (?:this )?(?:sample|excerpt|preview))\b", re.IGNORECASE
)
_BROKEN_OFF = re.compile(
    r"\b(?:manuscript|MS\.?|narrative|fragment|journal|diary|letter|text|story)\b.{0,30}\b(?:ends|breaks off|stops)\b"
    r"|\b(?:rest|remainder|end) (?:of .{1,40} )?(?:is|was|are|were) (?:lost|missing|illegible|never written)\b"
    r"|\bunfinished\b",
    re.IGNORECASE,
)
_REMARK = 120  # most characters of a remark in brackets, after a text, that says so
_CLOSE = re.compile(
    r"\b(?:yours?|thine|faithfully|sincerely|truly|affectionate(?:ly)?|obedient|servant|farewell|adieu|signed)\b",
    re.IGNORECASE,
)
_SIGNED = 80  # most characters of a last line that is a date, a place, a name or the close of a letter
_SIGNATURES = 4  # most such lines in a row
_OPENINGS = 3  # blocks within which a story begins, for example after an epigraph
_EPIGRAPH = 150  # most characters of an epigraph that is not a sentence
_SPEAKER = re.compile(
    r"^\W*([A-Z][\w.'’-]*(?: [A-Z][\w.'’-]*){0,3})(?: ?[(\[][^)\]]{1,80}[)\]])?(?:: |\. ?[—–-] ?|\.? ?[—–] ?|\. (?=\S))"
)
_WORD = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*|[^\w\s]+")
_ODD = re.compile(
    r"[^\W\d_]\d|\d[^\W\d_]{3,}|[a-zß-ÿ][A-ZÀ-Þ]|^[bcdfghjklmnpqrstvwxz]{4,}$|[|\\^~¬<>{}�¦§]|€[™œ˜]|[^\w\s]{5,}"
)
_FINE = re.compile(r"^(?:Mac|Mc|De|Di|La|Le|Van|O['’])[A-Z]|^\d+(?:st|nd|rd|th|s|mm|cm|km|lb|am|pm)$|^[.…!?—–*_=-]+$")
_SAMPLE = 6000  # characters from which the language is detected


@dataclass(frozen=True)
class Rules:
    """What a user requires of a story: `least` to `most` words, and its language (ISO 639-1)."""

    least: int = 1000
    most: int = 4000
    language: str = "en"


def check_packages() -> None:
    """Raise an error with the pip command if a package for reading and filtering is not installed."""
    for name in (
        "ebooklib",
        "lxml",
        "markdown_it",
        "charset_normalizer",
        "datasketch",
        "xxhash",
        "docx",
        "py3langid",
        "matplotlib",
    ):
        if importlib.util.find_spec(name) is None:
            raise need_extra(name, "data")


def story_text(blocks: Sequence[Block]) -> str:
    """The story as one text: paragraphs separated by an empty line, with inner breaks kept and final ones cut.

    What the book marks as front or back matter (such as a footnote) is left out, unless there is nothing else.
    """
    kept = [block for block in blocks if not block.frame] or list(blocks)
    while kept and kept[-1].kind == "break":
        kept.pop()
    return "\n\n".join(block.text for block in kept)


def reason_to_drop(piece: Piece, text: str, rules: Rules) -> str | None:
    """Return why a piece is not a story to train on, in a few general words, or None if it is one."""
    if _is_frame(piece):
        return "front or back matter"
    words = count_words(text)
    if words < rules.least:
        return f"under {rules.least} words"
    if words > rules.most:
        return too_long(rules)
    if language_of(text) != rules.language:
        return f"not in language {rules.language}"
    if _share(piece.blocks, "verse") > VERSE:
        return "verse"
    if _share(piece.blocks, "speech") > SPEECHES or _is_play(piece.blocks):
        return "play"
    if not _is_whole(piece.blocks, text):
        return "incomplete"
    if noise(text) > NOISE:
        return "damaged text"
    return None


def too_long(rules: Rules) -> str:
    """The reason for a piece with too many words."""
    return f"over {rules.most} words"


def worth(words: int, text: str) -> float:
    """How complete and clean a version of a story is: its words, less a fifth for each percent of noise."""
    return words * max(0.0, 1 - 20 * noise(text))


def language_of(text: str) -> str:
    """Detect the language of a text (ISO 639-1) from its middle."""
    middle = max(0, len(text) // 2 - _SAMPLE // 2)
    import py3langid

    return str(py3langid.classify(text[middle : middle + _SAMPLE])[0])


def check_language(code: str) -> None:
    """Raise UserError for a language that cannot be detected."""
    import py3langid

    known = sorted(str(name) for name, _ in py3langid.rank("a"))
    if code not in known:
        raise UserError(f"--language {code}: unknown ISO 639-1 code; known: {', '.join(known)}")


def noise(text: str) -> float:
    """Share of words that look like OCR errors: digits or capitals inside words, four or more consonants and nothing
    else, stray symbols, broken encodings."""
    words = _WORD.findall(text)
    odd = sum(1 for word in words if _ODD.search(word) and not _FINE.search(word))
    return odd / max(1, len(words))


def _is_frame(piece: Piece) -> bool:
    if is_frame_title(piece.title):
        return True
    return sum(len(b.text) for b in piece.blocks if b.frame) > 0.5 * sum(len(b.text) for b in piece.blocks)


def _share(blocks: Sequence[Block], kind: str) -> float:
    total = sum(len(block.text) for block in blocks)
    return sum(len(block.text) for block in blocks if block.kind == kind) / max(1, total)


def _is_play(blocks: Sequence[Block]) -> bool:
    """Whether most paragraphs open with a speaker's name, and the names recur."""
    names = [match.group(1) for block in blocks if (match := _SPEAKER.match(block.text))]
    repeated = sum(count for _, count in Counter(names).items() if count > 2)
    return repeated > 0.6 * len(blocks) and repeated > 5


def _is_whole(blocks: Sequence[Block], text: str) -> bool:
    """Whether the text has a proper beginning and end."""
    kept = [block for block in blocks if block.kind != "break" and not block.frame]
    return bool(kept) and _begins(kept) and _ends(kept)


def _begins(blocks: Sequence[Block]) -> bool:
    """Whether the text begins with a capital (or a quotation, number or dash); an epigraph before it need not."""
    for block in blocks[:_OPENINGS]:
        text = block.text.lstrip()
        opening = next((c for c in text if c.isalnum()), "")
        if not opening.islower() or text[:1] in "-—–….'’":
            return True
        signed = re.search(r"[—–-]\s*[A-Z][\w.,’' ]+$", text)
        short = len(text) <= _EPIGRAPH and not _ENDED.search(text)
        if not (block.kind == "verse" or text[:1] in '"“‘«' or signed or short):
            return False
    return False


def _is_signature(text: str) -> bool:
    """Whether a text is a short line of names, places and dates, or the close of a letter."""
    words = [word for word in re.findall(r"[^\W_]+", text) if len(word) > 2 or word.isdigit()]
    named = sum(not word.islower() for word in words)
    return len(text) <= _SIGNED and (2 * named >= len(words) or bool(_CLOSE.search(text)))


def _ends(blocks: Sequence[Block]) -> bool:
    """Whether the text ends with a sentence or with verse (dates, names and a letter's close may follow), and nothing
    says that it continues or that the rest is missing."""
    last = blocks[-1].text
    remark = len(last) <= _REMARK and last[:1] in "([" and _BROKEN_OFF.search(last)
    if _CUT.search(last) or remark or blocks[-1].kind == "verse":
        return not (_CUT.search(last) or remark)
    for block in reversed(blocks[-1 - _SIGNATURES :]):
        if _ENDED.search(block.text) or block.kind == "verse":
            return True
        if block is blocks[0] or not _is_signature(block.text):
            return False
    return False

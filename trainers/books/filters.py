"""What is a story to train on, and what is not: each filter says why."""

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

# shares at which a filter begins to act; seen on the shared collections and on damaged copies of them
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
_REMARK = 120  # letters of a remark in brackets behind a text that says so
_CLOSE = re.compile(
    r"\b(?:yours?|thine|faithfully|sincerely|truly|affectionate(?:ly)?|obedient|servant|farewell|adieu|signed)\b",
    re.IGNORECASE,
)
_SIGNED = 80  # letters of a last line that is a date, a place, a name or the close of a letter
_SIGNATURES = 4  # such lines behind one another
_OPENINGS = 3  # blocks among which a story begins: behind an epigraph, say
_EPIGRAPH = 150  # letters of one that is no sentence
_SPEAKER = re.compile(
    r"^\W*([A-Z][\w.'’-]*(?: [A-Z][\w.'’-]*){0,3})(?: ?[(\[][^)\]]{1,80}[)\]])?(?:: |\. ?[—–-] ?|\.? ?[—–] ?|\. (?=\S))"
)
_WORD = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*|[^\w\s]+")
_ODD = re.compile(
    r"[^\W\d_]\d|\d[^\W\d_]{3,}|[a-zß-ÿ][A-ZÀ-Þ]|^[bcdfghjklmnpqrstvwxz]{4,}$|[|\\^~¬<>{}�¦§]|€[™œ˜]|[^\w\s]{5,}"
)
_FINE = re.compile(r"^(?:Mac|Mc|De|Di|La|Le|Van|O['’])[A-Z]|^\d+(?:st|nd|rd|th|s|mm|cm|km|lb|am|pm)$|^[.…!?—–*_=-]+$")
_SAMPLE = 6000  # letters that tell the language


@dataclass(frozen=True)
class Rules:
    """What a user asks of a story: words from `least` to `most`, and its language (ISO 639-1)."""

    least: int = 1000
    most: int = 4000
    language: str = "en"


def check_packages() -> None:
    """Refuse with the pip command where what reading and filtering need is not installed."""
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
    """The story as one text: paragraphs with an empty line between them, breaks inside kept, those at the end cut.

    What the book marks as front or back matter (a footnote, say) is left out, unless it is all there is.
    """
    kept = [block for block in blocks if not block.frame] or list(blocks)
    while kept and kept[-1].kind == "break":
        kept.pop()
    return "\n\n".join(block.text for block in kept)


def reason_to_drop(piece: Piece, text: str, rules: Rules) -> str | None:
    """Why a piece is no story to train on, in a few words that are the same for all of a kind; None where it is one."""
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
    """The reason of a piece of too many words."""
    return f"over {rules.most} words"


def worth(words: int, text: str) -> float:
    """How whole and clean a text is beside others of a story: its words, less a fifth for each percent of noise."""
    return words * max(0.0, 1 - 20 * noise(text))


def language_of(text: str) -> str:
    """The language of a text, ISO 639-1, from the middle of it."""
    middle = max(0, len(text) // 2 - _SAMPLE // 2)
    import py3langid

    return str(py3langid.classify(text[middle : middle + _SAMPLE])[0])


def check_language(code: str) -> None:
    """Refuse a language that would not be told. Raises UserError."""
    import py3langid

    known = sorted(str(name) for name, _ in py3langid.rank("a"))
    if code not in known:
        raise UserError(f"--language {code}: is no ISO 639-1 code that is known here; known: {', '.join(known)}")


def noise(text: str) -> float:
    """Share of words that look like a scanner's mistakes: digits in words, capitals inside them, four consonants and
    nothing else, stray signs, broken encodings."""
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
    """Most paragraphs open with a speaker's name, and the same few names again and again."""
    names = [match.group(1) for block in blocks if (match := _SPEAKER.match(block.text))]
    repeated = sum(count for _, count in Counter(names).items() if count > 2)
    return repeated > 0.6 * len(blocks) and repeated > 5


def _is_whole(blocks: Sequence[Block], text: str) -> bool:
    """Whether it begins like a text and ends like one."""
    kept = [block for block in blocks if block.kind != "break" and not block.frame]
    return bool(kept) and _begins(kept) and _ends(kept)


def _begins(blocks: Sequence[Block]) -> bool:
    """It begins with a capital (or a quotation, or a number), or with a dash; an epigraph before it need not."""
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
    """A short line of names, places and dates, or the close of a letter."""
    words = [word for word in re.findall(r"[^\W_]+", text) if len(word) > 2 or word.isdigit()]
    named = sum(not word.islower() for word in words)
    return len(text) <= _SIGNED and (2 * named >= len(words) or bool(_CLOSE.search(text)))


def _ends(blocks: Sequence[Block]) -> bool:
    """It ends with the end of a sentence or of verse, behind which dates, names and a letter's close may stand; and
    nothing says that it goes on, or that the rest is missing."""
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

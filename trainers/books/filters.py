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
VERSE, SPEECHES, NOISE = 0.5, 0.3, 0.01
_ENDED = re.compile(
    r"[.!?…。！？][\s\"'”’»«)\]_*—–-]*$|[—–-][\"'”’»)\]_*\s]*$|\bthe end\b\W*$|\bfinis\b\W*$", re.IGNORECASE
)
_CUT = re.compile(
    r"\b(?:to be continued|continued (?:on|in)|end of (?:this )?(?:sample|excerpt|preview))\b", re.IGNORECASE
)
_SIGNED = 60  # letters of a last line that is a date, a place or a name
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
        return f"over {rules.most} words"
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
    return repeated > 0.4 * len(blocks) and repeated > 5


def _is_whole(blocks: Sequence[Block], text: str) -> bool:
    """It begins with a capital (or a quotation, or a number) and ends with the end of a sentence, of verse, or a
    signature."""
    kept = [block for block in blocks if block.kind != "break" and not block.frame]
    texts = [block.text for block in kept]
    if not texts:
        return False
    opening = next((c for c in text if c.isalnum()), "")
    if opening.islower() or _CUT.search(texts[-1]):
        return False
    last = texts[-1] if len(texts[-1]) > _SIGNED or len(texts) < 2 else texts[-2]
    return bool(_ENDED.search(texts[-1]) or _ENDED.search(last)) or kept[-1].kind == "verse"

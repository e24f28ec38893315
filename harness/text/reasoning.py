"""What of an answer is reasoning and no story, for evaluation, reward, chat templates and training data alike."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ..words import count_words
from .forms import END, FORMS, SPOT, TAG, Form

# around the answer itself, where reasoning was marked too: how some models wrap it, and how a server ends it
_WRAPPERS = ("answer", "response", "output", "solution")
_HEAD = re.compile(
    rf"\s*(?:<(?:{'|'.join(_WRAPPERS)})>|<\|begin_of_(?:solution|box)\|>|<\|START_(?:RESPONSE|TEXT)\|>)", re.I
)
_FOOT = re.compile(
    rf"(?:</(?:{'|'.join(_WRAPPERS)})>|<\|end_of_(?:solution|box)\|>|<\|END_(?:RESPONSE|TEXT)\|>)\Z", re.I
)
_ENDS = ("<|return|>", "<|end|>", "<|call|>", "<|im_end|>", "<|endoftext|>", "<|eot_id|>", "<|end_of_text|>",
         "<end_of_turn>", "<turn|>", "<eos>", "</s>", "<｜end▁of▁sentence｜>")  # fmt: skip
_FINAL = re.compile(
    r"(?:assistant)?final(?=[A-ZÀ-Þ\d“\"‘'*#—「\u4e00-\u9fff]|\n\n)"
)  # harmony without reasoning and special tokens
_UNMARKED = re.compile(r"thought\n")  # Gemma's reasoning without special tokens: nothing says where it ends
_NEAR = 600  # characters, some hundred words: a closing tag as near to the beginning as that ends reasoning
_LAYERS = 10
_LINE = 200  # characters of a line that are looked at
_GLUED = re.compile(r"[A-ZÀ-Þ“\"‘'*#「\u4e00-\u9fff]")
_SENTENCE_END = re.compile(r"[.!?…:;,)\]}\"'”’»*_>-]\s*$")


@dataclass(frozen=True)
class Answer:
    """An answer taken apart: the `story`, and the places (start and end in characters) of the `reasoning` before or
    within it, tags included.

    `strays` are the tags whose meaning had to be guessed. A closing tag that no tag opens ends the reasoning before it
    if it stands near the beginning, at the end of a line, or between two sentences that are glued to it; an opening tag
    that none closes begins reasoning if it stands at the beginning of a line or sentence. Elsewhere they are words of
    the story, and so are a pair of which the first stands within a sentence.
    """

    story: str
    reasoning: tuple[tuple[int, int], ...] = ()
    strays: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Tag:
    form: int
    opens: bool
    start: int
    end: int


def read_answer(text: str) -> Answer:
    """Take an answer apart; linear in its length. An answer without tags is all story, to the last space."""
    lead = len(text) - len(text.lstrip())
    text = _without_ends(text)
    tags = list(_tags(text, lead))
    if not tags:
        final = _FINAL.match(text, lead)
        return Answer(text[final.end() if final else 0 :], strays=("thought",) if _UNMARKED.match(text, lead) else ())
    spans, strays = _spans(text, tags)
    story = _joined(text, spans)
    for _ in range(_LAYERS):  # what is cut may uncover what opens an answer
        again = list(_tags(story))
        left = _joined(story, _spans(story, again)[0]) if again else story
        if left == story:
            break
        story = left
    return Answer(story, tuple(spans), tuple(strays))


def _spans(text: str, tags: Sequence[_Tag]) -> tuple[list[tuple[int, int]], list[str]]:
    """The places of the reasoning, and the stray tags."""
    spans: list[tuple[int, int]] = []
    strays: list[str] = []
    ends, seen = _partners(tags), set()
    after = place = looked = 0
    literal: set[int] = set()
    filled = False  # whether anything stands between the last span and what was looked at so far
    while place < len(tags):
        tag, form = tags[place], FORMS[tags[place].form]
        filled, looked = filled or bool(text[looked : tag.start].strip()), tag.start
        shown = text[tag.start : tag.end]
        cut: tuple[int, int] | None = None
        if place in literal:
            strays.append(shown)
        elif (
            tag.opens and (end := ends[place]) is not None and filled and not form.sure and not _begins(text, tag.start)
        ):
            strays.append(shown)  # in the middle of a sentence a story speaks of a tag, and of its partner
            literal.add(end)
        elif tag.opens and (end := ends[place]) is not None:
            cut, place = (tag.start, tags[end].end), end
        elif tag.opens:
            if filled:
                strays.append(shown)
            if form.alone(shown) and (not filled or form.sure or _begins(text, tag.start)):
                cut, place = (tag.start, len(text)), len(tags)
        elif not filled or shown == END:
            cut = (tag.start, tag.end)
        elif not form.prose:
            strays.append(shown)
            if form.sure and tag.form in seen:  # a second answer
                cut = (tag.start, tag.end)
            elif form.sure or tag.start - after < _NEAR or _ends(text, tag):
                spans, cut = [], (0, tag.end)
        if cut is not None:
            spans.append(cut)
            after = looked = cut[1]
            filled = False
        seen.add(tag.form)
        place += 1
    return spans, strays


def strip_reasoning(text: str) -> str:
    """The story in an answer. Stripping twice changes nothing."""
    return read_answer(text).story


def count_reasoning(text: str) -> int:
    """Number of words in the reasoning of an answer; the tags themselves do not count."""
    return sum(count_words(TAG.sub(" ", text[start:end])) for start, end in read_answer(text).reasoning)


def holds_tags(text: str) -> bool:
    """Whether a text holds a tag of any form, in which case it is not the plain text that training takes."""
    return next(_tags(text), None) is not None


def left_open(text: str) -> Form | None:
    """The form of the reasoning that a text ends with having opened, as a chat template may; None: none."""
    tag = _last(text)
    return FORMS[tag.form] if tag and tag.opens and not FORMS[tag.form].start else None


def just_closed(text: str) -> bool:
    """Whether a text ends with closed reasoning, as a chat template writes it to have none."""
    tag = _last(text)
    return tag is not None and not tag.opens


def form_of(template: str) -> Form:
    """The form whose tags a chat template names; the commonest where it names none."""
    return next((form for form in FORMS if not form.start and form.opening in template), FORMS[0])


def _last(text: str) -> _Tag | None:
    """The tag that a text ends with."""
    tags = list(_tags(text.rstrip()))
    return tags[-1] if tags and tags[-1].end == len(text.rstrip()) else None


def _without_ends(text: str) -> str:
    kept = end = len(text)
    while end:
        if text[end - 1].isspace():
            end -= 1
        elif token := next((token for token in _ENDS if text.endswith(token, 0, end)), None):
            kept = end = end - len(token)
        else:
            break
    return text[:kept]


def _tags(text: str, start: int = 0) -> Iterator[_Tag]:
    body = text[start:]  # cut, since \A means the text's own beginning
    end = 0
    for spot in SPOT.finditer(body):
        found = TAG.match(body, spot.start()) if spot.start() >= end else None
        if found is not None:
            end, name = found.end(), found.lastgroup or ""
            yield _Tag(int(name[1:]), name[0] == "o", found.start() + start, end + start)


def _partners(tags: Sequence[_Tag]) -> list[int | None]:
    """For each opening tag the place of the tag that closes it, counted by depth where that comes out even.

    A tag that reasoning merely mentions leaves one too many open: the first closing tag then ends it, with those that
    follow at once.
    """
    ends: list[int | None] = [None] * len(tags)
    following: dict[int, int] = {}  # the next closing tag of a form
    for place in reversed(range(len(tags))):
        tag = tags[place]
        if not tag.opens:
            following[tag.form] = place
        elif tag.form in following:
            end = following[tag.form]
            while end + 1 < len(tags) and not tags[end + 1].opens and tags[end + 1].form == tag.form:
                end += 1
            ends[place] = end
    waiting: dict[int, list[int]] = {}
    for place, tag in enumerate(tags):
        opened = waiting.setdefault(tag.form, [])
        if tag.opens:
            opened.append(place)
        elif opened:
            ends[opened.pop()] = place
    return ends


def _begins(text: str, place: int) -> bool:
    line = text[max(0, place - _LINE) : place].rpartition("\n")[2]
    return not line.strip() or _SENTENCE_END.search(line) is not None


def _ends(text: str, tag: _Tag) -> bool:
    """Whether reasoning ends with this tag: a line does, and another follows, or a new sentence is glued to it."""
    rest, newline, _ = text[tag.end : tag.end + _LINE].partition("\n")
    if newline and not rest.strip():
        return not text[tag.end :].isspace()
    return (
        _GLUED.match(text, tag.end) is not None
        and _SENTENCE_END.search(text[max(0, tag.start - 9) : tag.start]) is not None
    )


def _joined(text: str, spans: Sequence[tuple[int, int]]) -> str:
    """What is left around the spans, without the wrapping of the answer."""
    edges = [0, *(edge for span in spans for edge in span), len(text)]
    parts = [text[start:end] for start, end in zip(edges[::2], edges[1::2], strict=True)]
    story = "".join(parts)
    if len(list(_tags(story))) > sum(len(list(_tags(part))) for part in parts):
        story = "\n".join(parts)  # a tag grew from two halves
    story = _without_ends(story).strip()
    head, foot = _HEAD.match(story), _FOOT.search(story)
    if head is not None:
        story = story[head.end() : foot.start() if foot and foot.start() >= head.end() else None]
    return story.strip()

"""Separate reasoning from the story in an answer, for evaluation, reward, chat templates and training data."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ..words import count_words
from .forms import END, FORMS, SPOT, TAG, Form

# around the answer itself, if reasoning was marked too: wrappers of some models, and end tokens of servers
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
_UNMARKED = re.compile(r"thought\n")  # Gemma's reasoning without special tokens: its end is not marked
_NEAR = 600  # characters, about a hundred words: a closing tag this near to the beginning ends reasoning
_LAYERS = 10
_LINE = 200  # maximum characters of a line to look at
_GLUED = re.compile(r"[A-ZÀ-Þ“\"‘'*#「\u4e00-\u9fff]")
_SENTENCE_END = re.compile(r"[.!?…:;,)\]}\"'”’»*_>-]\s*$")


@dataclass(frozen=True)
class Answer:
    """A parsed answer: the `story`, and the positions (start and end in characters) of the `reasoning` before or within
    it, including tags.

    `strays` are the tags whose meaning had to be guessed. A closing tag without an opening tag ends the reasoning
    before it if it is near the beginning, at the end of a line, or between two sentences with no space; an opening tag
    without a closing tag begins reasoning if it is at the beginning of a line or sentence. Elsewhere such tags are part
    of the story, and so is a pair of tags of which the first is within a sentence.
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
    """Parse an answer, in linear time. An answer without tags is all story, including its whitespace."""
    lead = len(text) - len(text.lstrip())
    text = _without_ends(text)
    tags = list(_tags(text, lead))
    if not tags:
        final = _FINAL.match(text, lead)
        return Answer(text[final.end() if final else 0 :], strays=("thought",) if _UNMARKED.match(text, lead) else ())
    spans, strays = _spans(text, tags)
    story = _joined(text, spans)
    for _ in range(_LAYERS):  # a cut may bring another opening tag to the start of the answer
        again = list(_tags(story))
        left = _joined(story, _spans(story, again)[0]) if again else story
        if left == story:
            break
        story = left
    return Answer(story, tuple(spans), tuple(strays))


def _spans(text: str, tags: Sequence[_Tag]) -> tuple[list[tuple[int, int]], list[str]]:
    """The positions of the reasoning, and the stray tags."""
    spans: list[tuple[int, int]] = []
    strays: list[str] = []
    ends, seen = _partners(tags), set()
    after = place = looked = 0
    literal: set[int] = set()
    filled = False  # whether there is any text between the last span and the current position
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
            strays.append(shown)  # in the middle of a sentence, the story mentions a tag and its partner
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
    """Whether a text contains a tag of any form, and so is not the plain text that training needs."""
    return next(_tags(text), None) is not None


def left_open(text: str) -> Form | None:
    """The form of the reasoning that a text opens at its end, as a chat template may; None if it does not."""
    tag = _last(text)
    return FORMS[tag.form] if tag and tag.opens and not FORMS[tag.form].start else None


def just_closed(text: str) -> bool:
    """Whether a text ends with closed reasoning, which a chat template may write to turn reasoning off."""
    tag = _last(text)
    return tag is not None and not tag.opens


def form_of(template: str) -> Form:
    """The form whose tags a chat template contains; the most common form if it contains none."""
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
    body = text[start:]  # cut, since \A matches only at the beginning of the string
    end = 0
    for spot in SPOT.finditer(body):
        found = TAG.match(body, spot.start()) if spot.start() >= end else None
        if found is not None:
            end, name = found.end(), found.lastgroup or ""
            yield _Tag(int(name[1:]), name[0] == "o", found.start() + start, end + start)


def _partners(tags: Sequence[_Tag]) -> list[int | None]:
    """The index of the closing tag for each opening tag, matched by nesting depth if the tags balance.

    If reasoning merely mentions a tag, one opening tag is left over: the first closing tag then ends it, together with
    the closing tags that directly follow.
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
    """Whether reasoning ends with this tag: it ends a line that is not the last, or a sentence directly follows it."""
    rest, newline, _ = text[tag.end : tag.end + _LINE].partition("\n")
    if newline and not rest.strip():
        return not text[tag.end :].isspace()
    return (
        _GLUED.match(text, tag.end) is not None
        and _SENTENCE_END.search(text[max(0, tag.start - 9) : tag.start]) is not None
    )


def _joined(text: str, spans: Sequence[tuple[int, int]]) -> str:
    """The text outside the spans, without the wrapper of the answer."""
    edges = [0, *(edge for span in spans for edge in span), len(text)]
    parts = [text[start:end] for start, end in zip(edges[::2], edges[1::2], strict=True)]
    story = "".join(parts)
    if len(list(_tags(story))) > sum(len(list(_tags(part))) for part in parts):
        story = "\n".join(parts)  # joining the parts formed a new tag
    story = _without_ends(story).strip()
    head, foot = _HEAD.match(story), _FOOT.search(story)
    if head is not None:
        story = story[head.end() : foot.start() if foot and foot.start() >= head.end() else None]
    return story.strip()

"""What of an answer is reasoning and no story: one table of the forms in which models write it, read by evaluation,
reward, chat templates and training data alike."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ..words import count_words


@dataclass(frozen=True)
class Form:
    """A way to mark reasoning: how it is written, and patterns of what opens and closes it in an answer.

    `sure`: no prose holds its tags, so that one without its partner is never a quotation. `start`: it opens an answer,
    and means nothing elsewhere. `prose`: its closing tag alone means nothing.
    """

    opening: str
    closing: str
    opens: str
    closes: str
    sure: bool = False
    start: bool = False
    prose: bool = False

    def alone(self, tag: str) -> bool:
        """Whether an opening tag that nothing closes can be meant: [Thinking] is a stage direction, [THINK] is not."""
        return not tag.startswith("[") or tag.isupper()


_END = "<|end|>"
_GAP = r"[ \t]{0,4}"
_NAMES = r"(?:[\w.-]{1,20}[:_])?(?:think(?:ing)?|thoughts?|thought[ _-]process|reasoning|reflection|scratchpad)"
_SAYS = r"(?:<\|start\|>\s{0,2}assistant\s{0,2})?<\|channel\|>\s{0,2}"
_TO = r"[^<\n]{0,60}(?:<\|constrain\|>[^<\n]{0,20})?<\|message\|>"


def _angle(slash: str, attributes: str = "") -> str:
    return rf"(?:<|&lt;){_GAP}{slash}{_GAP}{_NAMES}{attributes}{_GAP}(?:>|&gt;)"


FORMS = (
    Form("<think>", "</think>", _angle("", r"(?:[ \t]{1,4}[\w-]{1,20}=[^<>\n]{0,80})?"), _angle("/")),
    Form("[THINK]", "[/THINK]", rf"\[{_GAP}THINK(?:ING)?{_GAP}\]", rf"\[{_GAP}/{_GAP}THINK(?:ING)?{_GAP}\]"),
    Form("◁think▷", "◁/think▷", rf"◁{_GAP}think{_GAP}▷", rf"◁{_GAP}/{_GAP}think{_GAP}▷"),
    Form("<|channel>thought", "<channel|>", r"<\|channel>\s{0,2}(?:thought|analysis)", r"<channel\|>", sure=True),
    Form(
        "<|channel|>analysis<|message|>", "<|end|><|start|>assistant<|channel|>final<|message|>",
        rf"{_SAYS}(?:analysis|commentary){_TO}",
        rf"(?:<\|end\|>\s{{0,2}})?{_SAYS}final{_TO}|<\|end\|>(?!\s{{0,2}}<\|start\|>)", sure=True,
    ),
    Form("<|begin_of_thought|>", "<|end_of_thought|>", r"<\|begin_of_thought\|>", r"<\|end_of_thought\|>", sure=True),
    Form("<|START_THINKING|>", "<|END_THINKING|>", r"<\|START_THINKING\|>", r"<\|END_THINKING\|>", sure=True),
    # harmony whose special tokens were dropped
    Form(
        "analysis", "assistantfinal",
        r"(?-i:analysis(?:(?=[A-Z])|(?=(?s:.*)assistantfinal)))", r"(?-i:assistantfinal(?![a-z]))", start=True,
    ),
    Form(
        "Here is my thought process:", "Here is my response:",
        r"Here(?: is|['’]s) my thought process:", r"Here(?: is|['’]s) my response:", start=True, prose=True,
    ),
)  # fmt: skip
_START = r"\A"
_TAG = re.compile(
    "|".join(
        f"(?P<o{n}>{_START if form.start else ''}{form.opens})|(?P<c{n}>{form.closes})" for n, form in enumerate(FORMS)
    ),
    re.IGNORECASE,
)
_SPOT = re.compile(r"\A|[<\[&◁]|assistantfinal|[Hh]ere")  # where a tag may begin
# around the answer itself, where reasoning was marked too: how some models wrap it, and how a server ends it
_WRAPPERS = ("answer", "response", "output")
_HEAD = re.compile(rf"\s*(?:<(?:{'|'.join(_WRAPPERS)})>|<\|begin_of_solution\|>|<\|START_RESPONSE\|>)", re.IGNORECASE)
_FOOT = re.compile(rf"(?:</(?:{'|'.join(_WRAPPERS)})>|<\|end_of_solution\|>|<\|END_RESPONSE\|>)\Z", re.IGNORECASE)
_ENDS = ("<|return|>", "<|end|>", "<|call|>", "<|im_end|>", "<|endoftext|>", "<|eot_id|>", "<|end_of_text|>",
         "<end_of_turn>", "<eos>", "</s>")  # fmt: skip
_FINAL = re.compile(r"(?:assistant)?final(?=[A-Z“\"‘'])")  # harmony without reasoning and special tokens
_UNMARKED = re.compile(r"thought\n")  # Gemma's reasoning without special tokens: nothing says where it ends
_NEAR = 600  # characters, some hundred words: a closing tag as near to the beginning as that ends reasoning
_LAYERS = 10
_LINE = 200  # characters of a line that are looked at
_SENTENCE_END = re.compile(r"[.!?…:;,)\]}\"'”’»*_>-]\s*$")


@dataclass(frozen=True)
class Answer:
    """An answer taken apart: the `story`, and the places (start and end in characters) of the `reasoning` before or
    within it, tags included.

    `strays` are the tags without a partner whose meaning had to be guessed: a closing tag that no tag opens ends the
    reasoning before it if it stands at the end of a line or near the beginning, and an opening tag that none closes
    begins reasoning if it stands at the beginning of a line or sentence. Elsewhere they are words of the story.
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
    ends, seen = _ends(tags), set()
    after = place = looked = 0
    filled = False  # whether anything stands between the last span and what was looked at so far
    while place < len(tags):
        tag, form = tags[place], FORMS[tags[place].form]
        filled, looked = filled or bool(text[looked : tag.start].strip()), tag.start
        shown = text[tag.start : tag.end]
        cut: tuple[int, int] | None = None
        if tag.opens and (end := ends[place]) is not None:
            cut, place = (tag.start, tags[end].end), end
        elif tag.opens:
            if filled:
                strays.append(shown)
            if form.alone(shown) and (not filled or form.sure or _begins(text, tag.start)):
                cut, place = (tag.start, len(text)), len(tags)
        elif not filled or shown == _END:
            cut = (tag.start, tag.end)
        elif not form.prose:
            strays.append(shown)
            if form.sure and tag.form in seen:  # a second answer
                cut = (tag.start, tag.end)
            elif form.sure or tag.start - after < _NEAR or _ends_line(text, tag.end):
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
    return sum(count_words(_TAG.sub(" ", text[start:end])) for start, end in read_answer(text).reasoning)


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
    for spot in _SPOT.finditer(body):
        found = _TAG.match(body, spot.start()) if spot.start() >= end else None
        if found is not None:
            end, name = found.end(), found.lastgroup or ""
            yield _Tag(int(name[1:]), name[0] == "o", found.start() + start, end + start)


def _ends(tags: Sequence[_Tag]) -> list[int | None]:
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


def _ends_line(text: str, place: int) -> bool:
    """Whether a line ends here, and another follows."""
    rest, newline, _ = text[place : place + _LINE].partition("\n")
    return bool(newline) and not rest.strip() and not text[place:].isspace()


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

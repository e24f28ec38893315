"""The judge call. The scorers and the training reward call this, and nothing else judges stories."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import fmean
from typing import Any, Literal

from anyio.lowlevel import checkpoint
from inspect_ai.model import (
    ChatMessage,
    ChatMessageAssistant,
    ChatMessageSystem,
    GenerateConfig,
    Model,
    ModelOutput,
    ModelUsage,
    ResponseSchema,
)
from inspect_ai.util import JSONSchema, LimitExceededError, collect

from ...rubrics import Marks, ReplyError, Rubric
from ..environment import masked
from ..inspect_seam import count_usage, is_cut, is_unread, stop_reason
from ..length import Length, length_ratio
from ..text.length_request import strip_length_request
from ..text.reasoning import strip_reasoning
from ..words import count_words
from .evidence import EvidenceReport, check_evidence
from .judgment import read_reply
from .kept import Kept, keep, places, recall
from .request import Request

ATTEMPTS = 3
ATTEMPT_TIMEOUT = 600  # seconds for one reply; without it a judge that hangs would block its story forever

Status = Literal["scored", "empty", "refused", "unscored"]


@dataclass(frozen=True)
class Verdict:
    """Result of judging one story.

    `scores` is empty if the story is unscored, or was refused by the writer's provider, and `reason` then says why;
    an empty story gets the lowest scores of its rubric. `replies` are raw, in order of arrival; `complaints` say what
    was wrong with the answers. `disqualified` is set only by the optional gate. `parts` holds one verdict per criterion
    if the rubric is asked once per criterion, `members` one per judge if there are several (see `jury`). `kept`: the
    reply was paid for before, and no call was made.
    """

    status: Status
    judge: str
    scores: Mapping[str, float] = field(default_factory=dict)
    marks: Marks | None = None
    evidence: EvidenceReport | None = None
    reason: str | None = None
    disqualified: str | None = None
    replies: tuple[str, ...] = ()
    complaints: tuple[str, ...] = ()
    usage: ModelUsage = field(default_factory=ModelUsage)
    parts: tuple[Verdict, ...] = ()
    members: tuple[Verdict, ...] = ()
    kept: bool = False

    @property
    def attempts(self) -> int:
        """Number of replies from the judge, including malformed ones."""
        return len(self.replies)


async def judge(
    rubric: Rubric,
    prompt: str,
    story: str,
    model: Model,
    *,
    sample_id: str | int | None = None,
    epoch: int = 1,
    target: Length | None = None,
    disqualify: bool = False,
    part: int | None = None,
    writer: str | None = None,
    kept: str | None = None,
    **slots: str,
) -> Verdict:
    """Judge one story on one rubric, with one call.

    Reasoning is removed from the story first, and the length request from the prompt if the rubric hides it. A story
    without words is not sent: it gets the lowest scores. A judgment that was paid for before is reused (see `kept`).
    After a malformed reply the judge is asked again, with the complaint, up to three replies in all; after that, or if
    the judge cannot be reached, the verdict is unscored. Failures of the judge or its server never raise.

    Args:
        rubric: what to judge on; its settings apply if `model` has none of its own.
        prompt: the writer's prompt, including the length request.
        story: what the writer wrote.
        model: the judge.
        sample_id, epoch, writer: identify the story, to find recorded replies; the judge never sees them.
        target: requested length, used only by the disqualification gate.
        disqualify: apply the rubric's optional gate (off by default; human references are exempt).
        part: number of the criterion, from 1, if the rubric is asked once per criterion.
        kept: an earlier reply to use instead of asking again.
        slots: values of the placeholders that the rubric declares.
    """
    story = strip_reasoning(story)
    if count_words(story) == 0:
        return Verdict("empty", str(model), scores=rubric.lowest(), reason="the story has no words")
    config = _config(rubric).merge(model.config)
    request = Request(rubric.source, sample_id, epoch, part, writer=writer)
    shown = strip_length_request(prompt) if rubric.hides_length else prompt
    system, user = rubric.messages(shown, story, **slots)
    messages: list[ChatMessage] = [
        ChatMessageSystem(content=system["content"]),
        request.message(user["content"]),
    ]
    complaints: list[str] = []
    usage = ModelUsage()
    reason: str | None = None
    where = places(rubric, [system, user], model, config, epoch, [writer, sample_id])
    known = recall(where) if kept is None else Kept(kept)
    marks = None if known is None else _known_marks(rubric, known.reply)
    replies = [] if known is None or marks is None else [known.reply]
    if known is not None and marks is not None and known.usage is not None:
        usage += known.usage
        count_usage(model, known.usage)
    while marks is None and reason is None:
        try:
            output = await model.generate(messages, config=config)
        except LimitExceededError:
            raise
        except Exception as error:  # every provider has its own; for any of them, the story is unscored
            complaints.append(_one_line(error))
            if not is_unread(error):
                reason = f"judge failed: {complaints.pop()}"
            elif len(complaints) == ATTEMPTS:
                reason = f"judge failed at the last of {ATTEMPTS} tries: {complaints[-1]}"
            continue
        usage += output.usage or ModelUsage()
        replies.append(output.completion)
        try:
            marks = _read(rubric, output)
            keep(where, output.completion, usage)
            await checkpoint()  # where hundreds of replies arrive at once, timers and progress get their turn
        except ReplyError as error:
            complaints.append(str(error))
            if len(complaints) == ATTEMPTS:
                reason = f"malformed reply, {ATTEMPTS} times: {error}"
            if output.completion.strip():
                messages.append(ChatMessageAssistant(content=output.completion))
            messages.append(request.message(rubric.retry_message(str(error))["content"], attempt=len(replies)))
    verdict = Verdict(
        "unscored", str(model), reason=reason, replies=tuple(replies), complaints=tuple(complaints), usage=usage
    )
    if marks is None:
        return verdict
    scores = rubric.score(marks)
    disqualified = None
    if disqualify:
        words = count_words(story)
        ratio = length_ratio(words, target.nearest(words)) if target else None
        disqualified = rubric.disqualified(marks, ratio)
        if disqualified:
            scores |= {key: value for key, value in rubric.lowest().items() if key != "overall_released"}
    return replace(
        verdict,
        status="scored",
        scores=scores,
        marks=marks,
        evidence=check_evidence(rubric, marks, story),
        disqualified=disqualified,
        kept=known is not None and known.usage is None and replies[-1] is known.reply,
    )


async def judge_criteria(
    rubric: Rubric,
    prompt: str,
    story: str,
    model: Model,
    criteria: Sequence[Mapping[str, str]],
    *,
    sample_id: str | int | None = None,
    epoch: int = 1,
    writer: str | None = None,
    kept: Sequence[str | None] = (),
) -> Verdict:
    """Judge one story once per criterion, with concurrent calls; its scores are the means over the criteria.

    If any criterion could not be judged, the story is unscored: never a mean over fewer. The verdict on
    each criterion is in `parts`.

    Args:
        criteria: for each criterion, the texts of the rubric's slots.
        kept: for each criterion, an earlier reply to use instead of asking again, or None.
        rubric, prompt, story, model, sample_id, epoch, writer: as for `judge`.
    """

    async def one(number: int, slots: Mapping[str, str]) -> Verdict:
        texts: dict[str, Any] = dict(slots)
        which: dict[str, Any] = {"sample_id": sample_id, "epoch": epoch, "writer": writer}
        which["kept"] = kept[number - 1] if kept else None
        return await judge(rubric, prompt, story, model, part=number, **which, **texts)

    parts = tuple(await collect(*(one(number, slots) for number, slots in enumerate(criteria, 1))))
    whole = Verdict(
        parts[0].status,
        str(model),
        reason=parts[0].reason,
        replies=tuple(reply for part in parts for reply in part.replies),
        complaints=tuple(complaint for part in parts for complaint in part.complaints),
        usage=sum((part.usage for part in parts), ModelUsage()),
        parts=parts,
        kept=all(part.kept for part in parts),
    )
    failed = [(number, part.reason) for number, part in enumerate(parts, 1) if part.status == "unscored"]
    if failed:
        reasons = "; ".join(f"criterion {number}: {reason}" for number, reason in failed)
        return replace(whole, status="unscored", reason=reasons)
    return replace(whole, scores={name: fmean(part.scores[name] for part in parts) for name in parts[0].scores})


async def compare(
    rubric: Rubric,
    prompt: str,
    first: str,
    second: str,
    model: Model,
    *,
    sample_id: str | int | None = None,
    epoch: int = 1,
) -> Verdict:
    """Compare two stories for one prompt on a pairwise rubric, in the given order, with one call of `judge`.

    A story without words is not sent: it loses on every criterion, and two of them are equal.
    """
    texts = [strip_reasoning(text) for text in (first, second)]
    empty = [count_words(text) == 0 for text in texts]
    if any(empty):
        lost = [d.min if empty[0] else d.max for d in rubric.dimensions]
        marks = Marks({d.id: 0.0 if all(empty) else mark for d, mark in zip(rubric.dimensions, lost, strict=True)})
        which = "neither story has" if all(empty) else f"the {'first' if empty[0] else 'second'} story has no"
        return Verdict("empty", str(model), scores=rubric.score(marks), reason=f"{which} words")
    return await judge(rubric, prompt, texts[0], model, sample_id=sample_id, epoch=epoch, other=texts[1])


def _read(rubric: Rubric, output: ModelOutput) -> Marks:
    """The marks in a reply. One that did not end naturally is malformed: what it has so far may be a draft."""
    if output.completion.strip() and is_cut(output):
        raise ReplyError(f"the reply was cut off ({stop_reason(output)}); give shorter reasons, and all scores")
    return read_reply(rubric, output.completion)


def _known_marks(rubric: Rubric, reply: str) -> Marks | None:
    try:
        return read_reply(rubric, reply)
    except ReplyError:  # kept by a release that read replies differently
        return None


class _Schema(ResponseSchema):
    """A schema that is never modified: Inspect deep-copies a call's settings three times, and need not copy this."""

    def __deepcopy__(self, memo: dict[int, Any] | None = None) -> _Schema:
        return self


def _config(rubric: Rubric) -> GenerateConfig:
    schema = rubric.response_schema()
    settings = rubric.judge.model_dump(exclude={"model"}, exclude_none=True)
    if schema is not None:
        # without strict=True Inspect's OpenAI provider sends the schema as a hint only
        settings["response_schema"] = _Schema(
            name=rubric.name, json_schema=JSONSchema.model_validate(schema), strict=True
        )
    return GenerateConfig(attempt_timeout=ATTEMPT_TIMEOUT, **settings)


def _one_line(error: Exception) -> str:
    lines = [line for line in str(error).splitlines() if line.strip()]
    text = masked(f"{type(error).__name__}: {lines[-1].strip() if lines else 'no message'}")
    return text if len(text) <= 300 else text[:297] + "..."

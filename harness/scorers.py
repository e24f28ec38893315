"""Inspect scorers: the judge's marks, length adherence, repetition. All metrics come from these values."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from anyio import to_thread
from anyio.lowlevel import checkpoint
from inspect_ai.model import ContentReasoning, Model, get_model, model_roles
from inspect_ai.scorer import (
    Metric,
    SampleScore,
    Score,
    Scorer,
    Target,
    Value,
    mean,
    metric,
    scorer,
)
from inspect_ai.scorer import stderr as plain_stderr
from inspect_ai.solver import TaskState

from ..rubrics import load_rubric
from .errors import UserError
from .inspect_seam import is_withheld, stop_reason
from .judge.call import Verdict, compare, judge_criteria
from .judge.call import judge as judge_story
from .judge.jury import Jury, check_jury
from .length import (
    Length,
    blank_penalty,
    length_in,
    length_penalty,
    length_ratio,
    length_score,
)
from .repetition import repetition_penalty
from .scores import asked_length, pair_score, story_score
from .text.length_request import find_length
from .text.reasoning import count_reasoning, read_answer, strip_reasoning
from .text.style import STYLE, style
from .text.surface import surface_measures
from .words import count_words, count_words_longbench

# sample metadata: by judge, its replies from an earlier judging (one, one per criterion, or None), which are reused
KEPT = "kept_replies"


@metric
def stderr() -> Metric:
    """Standard error of the mean; stories of one prompt (`prompt_id` in the sample's metadata) are one cluster."""

    def compute(scores: list[SampleScore]) -> Value:
        grouped = bool(scores) and all("prompt_id" in (s.sample_metadata or {}) for s in scores)
        return plain_stderr(cluster="prompt_id" if grouped else None)(scores)  # type: ignore[arg-type]

    return compute


_METRICS = {"*": [mean(), stderr()]}


def graders(judge: str | Sequence[str] | None, quorum: int | None = None) -> Jury:
    """The judges by name, or those of the model role `grader`.

    Without `required`, Inspect would silently let the model under test judge itself.

    Raises:
        PrerequisiteError: no judge and no role `grader`, or judges that cannot form a jury.
    """
    if judge:
        members = [get_model(name) for name in ([judge] if isinstance(judge, str) else judge)]
    else:
        given = model_roles().get("grader")
        several = isinstance(given, list) and len(given) > 1
        members = list(given) if several else [get_model(role="grader", required=True)]  # type: ignore[arg-type]
    check_jury([str(member) for member in members], quorum=quorum)
    return Jury(tuple(members), quorum)


def grader(judge: str | None) -> Model:
    """The single judge, by name or from the model role `grader`, for judgments without a jury.

    Raises:
        PrerequisiteError: no judge and no role `grader`, or several models for it (Inspect would take the first).
    """
    members = graders(judge).members
    if len(members) > 1:
        raise UserError(f"the role grader has {len(members)} models, and two stories are compared by one")
    return members[0]


@scorer(metrics=_METRICS)
def judged(
    rubric: str = "story_quality",
    judge: str | Sequence[str] | None = None,
    disqualify: bool = False,
    quorum: int | None = None,
) -> Scorer:
    """Judge the story on a rubric; every number of the verdict becomes a metric.

    Values: the rubric's scores (`score` is the headline), its raw marks by dimension, and from 0 to 1
    `coverage` (judged or empty), `empty`, `refused` (the writer's provider gave no story) and `truncated` (the story
    did not end naturally); where the rubric asks for quotes and totals, the
    evidence rates and `misadded`; where its benchmark has a length score, `s_l` and `combined` (score times
    s_l / 100). For an unscored story all values except the flags are NaN, and `reason` is set.

    A rubric with slots is asked once per entry of `criteria` in the sample's metadata. Several judges form a jury:
    each judges every story, and the values are the means over the judges.

    Args:
        rubric: name of a rubric that ships here, or path of a file.
        judge: name or names of the judging models; by default the model role `grader`, which is then required.
        disqualify: apply the rubric's optional disqualification gate.
        quorum: how many verdicts a jury needs for a score; by default those of all its members.
    """
    chosen = load_rubric(rubric)
    if chosen.pairs:
        raise UserError(f"the rubric {chosen.name} compares two stories: it is for polaris-eval arena")
    if disqualify and not chosen.rule.gate:
        raise UserError(f"the rubric {chosen.name} has no disqualification gate")

    async def score(state: TaskState, target: Target) -> Score:
        asked = requested_length(state)
        story, jury = state.output.completion, graders(judge, quorum)
        writer = (state.metadata or {}).get("writer") or str(state.model)
        which: dict[str, Any] = {"sample_id": state.sample_id, "epoch": state.epoch, "writer": writer}
        known = (state.metadata or {}).get(KEPT, {})

        async def ask(model: Model) -> Verdict:
            kept = known.get(str(model))
            if chosen.slots:
                criteria = state.metadata["criteria"]
                return await judge_criteria(chosen, state.input_text, story, model, criteria, kept=kept or (), **which)
            reply = kept[0] if kept else None
            return await judge_story(
                chosen, state.input_text, story, model, target=asked, disqualify=disqualify, kept=reply, **which
            )

        if is_withheld(state.output, strip_reasoning(story)):
            why = f"the writer's provider gave no story ({stop_reason(state.output)})"
            verdict = Verdict("refused", str(jury), reason=f"{why}: {story.strip()}" if story.strip() else why)
        else:
            verdict = await jury.verdict(ask)
        return story_score(chosen, verdict, state, asked)

    return score


@scorer(metrics=_METRICS)
def compared(rubric: str = "pairwise", judge: str | None = None) -> Scorer:
    """Compare the two stories in the sample's last two messages, in that order, on a pairwise rubric.

    Values: `score`, the first story's share of a win; `difference` and marks in pluses (negative if the second story
    won); `length`, `dialogue` and `markdown`, how the first story's style differs from the second's (see `style`; 0 if
    a story has no words); and from 0 to 1 `coverage` (judged, or a story without words) and `empty`. For an unscored
    pair all values except style and flags are NaN.

    Args:
        rubric: name of a pairwise rubric that ships here, or path of a file.
        judge: name of the judging model; by default the model role `grader`, which is then required.
    """
    chosen = load_rubric(rubric)
    if not chosen.pairs:
        raise UserError(f"the rubric {chosen.name} marks one story at a time; an arena needs one that compares two")

    async def score(state: TaskState, target: Target) -> Score:
        first, second = (message.text for message in state.messages[-2:])
        verdict = await compare(
            chosen, state.input_text, first, second, grader(judge), sample_id=state.sample_id, epoch=state.epoch
        )
        dressed, other = style(strip_reasoning(first)), style(strip_reasoning(second))
        return pair_score(chosen, verdict, {name: dressed[name] - other[name] for name in STYLE})

    return score


@scorer(metrics=_METRICS)
def length_adherence(longbench: bool = False) -> Scorer:
    """Compare words written with words asked for. Values are NaN if the prompt asks for no length.

    Args:
        longbench: count as LongBench-Write does (CJK characters and Latin words).
    """
    count = count_words_longbench if longbench else count_words

    async def score(state: TaskState, target: Target) -> Score:
        await checkpoint()  # as in `judge`
        answer = read_answer(state.output.completion)
        words, asked = count(answer.story), requested_length(state)
        near = asked.nearest(words) if asked else None
        value: dict[str, float] = {
            "words": float(words),
            "ratio": length_ratio(words, near) if near else math.nan,
            "length_score": length_score(words, near) if near else math.nan,
            "length_penalty": length_penalty(words, near) if near else math.nan,
            "blank": blank_penalty(answer.story),
        }
        details = {
            **asked_length(asked),
            "reasoning_words": _reasoning_words(state),
            "stray_tags": list(answer.strays),
        }
        return Score(value=value, metadata=details)

    return score


@scorer(metrics=[mean(), stderr()])
def repetition() -> Scorer:
    """Repetition penalty of the story, from 0 to 1.5."""

    async def score(state: TaskState, target: Target) -> Score:
        await checkpoint()
        return Score(value=repetition_penalty(strip_reasoning(state.output.completion)))

    return score


@scorer(metrics=_METRICS)
def surface() -> Scorer:
    """What can be counted on the surface of the story: see `text.surface.surface_measures`."""

    async def score(state: TaskState, target: Target) -> Score:
        measured = await to_thread.run_sync(surface_measures, strip_reasoning(state.output.completion))
        return Score(value=dict(measured))  # in a thread: a second for a million words

    return score


def requested_length(state: TaskState) -> Length | None:
    """The length asked for: the dataset's own field if it has one (None: no length), else what the prompt says."""
    metadata = state.metadata or {}
    return length_in(metadata) if "target_words" in metadata else find_length(state.input_text)


def _reasoning_words(state: TaskState) -> int:
    content = state.output.message.content if state.output.choices else ""
    blocks = [] if isinstance(content, str) else [c.reasoning for c in content if isinstance(c, ContentReasoning)]
    return sum(map(count_words, blocks)) + count_reasoning(state.output.completion)

"""Inspect scorers: the judge's marks, length adherence, repetition. All metrics come from these values."""

from __future__ import annotations

import math
from typing import Any

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

from ..rubrics import Rubric, load_rubric
from .errors import UserError
from .inspect_seam import is_cut, is_withheld, stop_reason
from .judge.call import Verdict, compare, judge_criteria
from .judge.call import judge as judge_story
from .judge.judgment import KEY as JUDGMENT
from .judge.judgment import criteria_judgment, judgment_of
from .judge.named import is_proxy
from .length import (
    Length,
    blank_penalty,
    bucket,
    length_in,
    length_penalty,
    length_ratio,
    length_score,
    length_score_longbench,
)
from .repetition import repetition_penalty
from .text.length_request import find_length
from .text.reasoning import count_reasoning, read_answer, strip_reasoning
from .text.style import STYLE, style
from .words import count_words, count_words_longbench

_RATES = ("quotes_found", "quotes_long", "quotes_missing")
KEPT = "kept_replies"  # sample metadata: replies of an earlier judging, by criterion, that need not be asked for again


@metric
def stderr() -> Metric:
    """Standard error of the mean; stories of one prompt (`prompt_id` in the sample's metadata) are one cluster."""

    def compute(scores: list[SampleScore]) -> Value:
        grouped = bool(scores) and all("prompt_id" in (s.sample_metadata or {}) for s in scores)
        return plain_stderr(cluster="prompt_id" if grouped else None)(scores)  # type: ignore[arg-type]

    return compute


_METRICS = {"*": [mean(), stderr()]}


def grader(judge: str | None) -> Model:
    """The judge by name, or the model role `grader`.

    Without `required` Inspect would let the model under test judge itself in silence.

    Raises:
        PrerequisiteError: no judge and no role `grader`, or several models for it, of which Inspect takes the first.
    """
    given = model_roles().get("grader")
    if judge is None and isinstance(given, list) and len(given) > 1:
        told = "a story is judged by one; for the others: polaris-eval score LOG --judge MODEL --log-dir ANOTHER_FOLDER"
        raise UserError(f"the role grader has {len(given)} models, and {told}")
    return get_model(judge) if judge else get_model(role="grader", required=True)


@scorer(metrics=_METRICS)
def judged(rubric: str = "story_quality", judge: str | None = None, disqualify: bool = False) -> Scorer:
    """Judge the story on a rubric; every number of the verdict becomes a metric.

    Values: the rubric's scores (`score` is the headline), its raw marks by dimension, and from 0 to 1
    `coverage` (judged or empty), `empty`, `refused` (the writer's provider gave no story) and `truncated` (the story
    has no natural end); where the rubric asks for quotes and totals, the
    evidence rates and `misadded`; where its benchmark has a length score, `s_l` and `combined` (score times
    s_l / 100). An unscored story has NaN everywhere but in the flags, and a `reason`.

    A rubric with slots is asked once for each entry of `criteria` in the sample's metadata.

    Args:
        rubric: name of a rubric that ships here, or path of a file.
        judge: name of the judging model; by default the model role `grader`, which is then required.
        disqualify: apply the rubric's optional disqualification gate.
    """
    chosen = load_rubric(rubric)
    if chosen.pairs:
        raise UserError(f"the rubric {chosen.name} compares two stories: it is for polaris-eval arena")
    if disqualify and not chosen.rule.gate:
        raise UserError(f"the rubric {chosen.name} has no disqualification gate")

    async def score(state: TaskState, target: Target) -> Score:
        asked = requested_length(state)
        story, model = state.output.completion, grader(judge)
        writer = (state.metadata or {}).get("writer") or str(state.model)
        which: dict[str, Any] = {"sample_id": state.sample_id, "epoch": state.epoch, "writer": writer}
        if is_withheld(state.output, strip_reasoning(story)):
            why = f"the writer's provider gave no story ({stop_reason(state.output)})"
            verdict = Verdict("refused", str(model), reason=f"{why}: {story.strip()}" if story.strip() else why)
        elif chosen.slots:
            criteria, kept = state.metadata["criteria"], state.metadata.get(KEPT, ())
            verdict = await judge_criteria(chosen, state.input_text, story, model, criteria, kept=kept, **which)
        else:
            verdict = await judge_story(
                chosen, state.input_text, story, model, target=asked, disqualify=disqualify, **which
            )
        return _as_score(chosen, verdict, state, asked)

    return score


@scorer(metrics=_METRICS)
def compared(rubric: str = "pairwise", judge: str | None = None) -> Scorer:
    """Compare the two stories that are the sample's last messages, in their order, on a pairwise rubric.

    Values: `score`, the first story's share of a win, `difference` and marks in pluses (negative where the second
    story won), `length`, `dialogue` and `markdown`, how the first story's style differs from the second's (see
    `style`; 0 where a story has no words), and from 0 to 1 `coverage` (judged, or a story without words) and `empty`.
    An unscored pair has NaN everywhere but in style and flags.

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
        marks = verdict.marks.scores if verdict.marks else {}
        dressed, other = style(strip_reasoning(first)), style(strip_reasoning(second))
        value = {name: verdict.scores.get(name, math.nan) for name in chosen.score_names}
        value |= {name: marks.get(name, math.nan) for name in chosen.mark_names}
        # a lack of words is no style
        value |= {name: dressed[name] - other[name] if verdict.status != "empty" else 0.0 for name in STYLE}
        value |= {"coverage": float(bool(verdict.scores)), "empty": float(verdict.status == "empty")}
        return _with_details(chosen, verdict, value, {})

    return score


@scorer(metrics=_METRICS)
def length_adherence(longbench: bool = False) -> Scorer:
    """Words written against words asked for. Values are NaN where the prompt asks for no length.

    Args:
        longbench: count as LongBench-Write does (CJK characters and Latin words).
    """
    count = count_words_longbench if longbench else count_words

    async def score(state: TaskState, target: Target) -> Score:
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
            **_asked(asked),
            "reasoning_words": _reasoning_words(state),
            "stray_tags": list(answer.strays),
        }
        return Score(value=value, metadata=details)

    return score


@scorer(metrics=[mean(), stderr()])
def repetition() -> Scorer:
    """Repetition penalty of the story, from 0 to 1.5."""

    async def score(state: TaskState, target: Target) -> Score:
        return Score(value=repetition_penalty(strip_reasoning(state.output.completion)))

    return score


def requested_length(state: TaskState) -> Length | None:
    """The length asked for: the dataset's own field where it has one (None: no length), else what the prompt says."""
    metadata = state.metadata or {}
    return length_in(metadata) if "target_words" in metadata else find_length(state.input_text)


def _asked(asked: Length | None) -> dict[str, Any]:
    """The length asked for, as a score's details have it."""
    return {**asked.data(), "bucket": bucket(asked.target)} if asked else {"target_words": None, "bucket": None}


def _reasoning_words(state: TaskState) -> int:
    content = state.output.message.content if state.output.choices else ""
    blocks = [] if isinstance(content, str) else [c.reasoning for c in content if isinstance(c, ContentReasoning)]
    return sum(map(count_words, blocks)) + count_reasoning(state.output.completion)


def _as_score(rubric: Rubric, verdict: Verdict, state: TaskState, asked: Length | None) -> Score:
    marks = verdict.marks
    value: dict[str, float] = {name: verdict.scores.get(name, math.nan) for name in rubric.score_names}
    if not rubric.slots:
        value |= {name: marks.scores.get(name, math.nan) if marks else math.nan for name in rubric.mark_names}
    if rubric.rule.quotes:
        value |= verdict.evidence.rates() if verdict.evidence else dict.fromkeys(_RATES, math.nan)
        value["misadded"] = rubric.misadded(marks) if marks else math.nan
    if rubric.length_score and asked:
        words = count_words_longbench(strip_reasoning(state.output.completion))
        s_l = length_score_longbench(asked.nearest(words), words)
        value |= {"s_l": s_l if verdict.scores else math.nan, "combined": value["score"] * s_l / 100}
    value |= {
        "coverage": float(bool(verdict.scores)),
        "empty": float(verdict.status == "empty"),
        "refused": float(verdict.status == "refused"),
        "truncated": float(is_cut(state.output)),
    }
    details: dict[str, Any] = {
        **_asked(asked),
        "disqualified": verdict.disqualified,
    }
    if verdict.scores:
        details["label"] = rubric.label(verdict.scores["score"])
    if verdict.parts:
        names = [criterion["criterion"] for criterion in state.metadata["criteria"]]
        details["criteria"] = [_criterion(name, part) for name, part in zip(names, verdict.parts, strict=True)]
    if rubric.rule.quotes and verdict.evidence:
        details["quotes_not_found"] = list(verdict.evidence.not_found)
        details["quotes_too_long"] = list(verdict.evidence.too_long)
        details["quotes_left_out"] = list(verdict.evidence.missing)
    if verdict.status == "scored":
        found = judgment_of(rubric, marks) if marks else criteria_judgment(rubric, details["criteria"])
        details[JUDGMENT] = found.data()
    return _with_details(rubric, verdict, value, details)


def _with_details(rubric: Rubric, verdict: Verdict, value: dict[str, float], details: dict[str, Any]) -> Score:
    """A verdict as Inspect's score: its numbers, and beside them how they came about."""
    shared = {
        "status": verdict.status,
        "rubric": rubric.name,
        "rubric_digest": rubric.digest,
        "judge": verdict.judge,
        "proxy": is_proxy(verdict.judge),
        "attempts": verdict.attempts,
        "complaints": list(verdict.complaints),
        "replies": list(verdict.replies),
        "usage": verdict.usage.model_dump(exclude_none=True),
        "kept": verdict.kept,
    }
    reasons = {"unscored": "grader_failed", "empty": "no_response", "refused": "no_response"}
    return Score(
        value=value,
        reason=reasons.get(verdict.status),
        explanation=_explain(rubric, verdict),
        metadata=shared | details,
    )


def _criterion(name: str, part: Verdict) -> dict[str, Any]:
    return {
        "criterion": name,
        "status": part.status,
        "score": part.scores.get("score"),
        "reason": part.marks.comment if part.marks else part.reason,
        "reply": part.replies[-1] if part.marks else None,
    }


def _explain(rubric: Rubric, verdict: Verdict) -> str:
    marks = verdict.marks
    if verdict.status != "scored":
        return verdict.reason or verdict.status
    if marks is None:
        return "\n\n".join(
            f"{number}. {part.scores['score']:g}: {part.marks.comment if part.marks else ''}"
            for number, part in enumerate(verdict.parts, 1)
        )
    lines = []
    for d in rubric.dimensions:
        name = d.name if d.id == d.name else f"{d.id} {d.name}"
        mark = f"{marks.scores[d.id]:g}/{d.max}" if d.id in marks.scores else "not rated"
        given = marks.evidence.get(d.id)
        lines.append(f"{name}: {mark}" + (f" {given.justification}" if given else ""))
    return "\n".join([*lines, *(["", marks.comment] if marks.comment else [])])

"""A verdict as an Inspect score: its numbers, and the details behind them as metadata."""

from __future__ import annotations

import math
from collections.abc import Mapping
from statistics import fmean
from typing import Any

from inspect_ai.scorer import Score
from inspect_ai.solver import TaskState

from ..rubrics import Rubric
from .inspect_seam import is_cut
from .judge.call import Verdict
from .judge.judgment import KEY as JUDGMENT
from .judge.judgment import criteria_judgment, judgment_of
from .judge.named import is_proxy
from .length import Length, bucket, length_score_longbench
from .text.reasoning import strip_reasoning
from .words import count_words_longbench

_RATES = ("quotes_found", "quotes_long", "quotes_missing")
_REASONS = {"unscored": "grader_failed", "empty": "no_response", "refused": "no_response"}


def story_score(rubric: Rubric, verdict: Verdict, state: TaskState, asked: Length | None) -> Score:
    """The score of one story; `asked` is its requested length."""
    members = [_numbers(rubric, member) for member in verdict.members if member.scores]
    value = _mean(members) if verdict.scores and members else _numbers(rubric, verdict)
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
    names = [criterion["criterion"] for criterion in (state.metadata or {}).get("criteria", ())] if rubric.slots else []
    details = {**asked_length(asked), **_told(rubric, verdict, names)}
    if verdict.scores:
        details["label"] = rubric.label(value["score"])
    if verdict.members:
        details["members"] = [
            {**_told(rubric, member, names), "value": _numbers(rubric, member), "reason": member.reason}
            for member in verdict.members
        ]
        details["criteria"] = _criteria_of_all(details["members"]) if verdict.scores else []
    return _score(rubric, verdict, value, details)


def pair_score(rubric: Rubric, verdict: Verdict, style: Mapping[str, float]) -> Score:
    """The score of two compared stories; `style` is how the first one's style differs from the second's."""
    marks = verdict.marks.scores if verdict.marks else {}
    value = {name: verdict.scores.get(name, math.nan) for name in rubric.score_names}
    value |= {name: marks.get(name, math.nan) for name in rubric.mark_names}
    value |= {name: found if verdict.status != "empty" else 0.0 for name, found in style.items()}  # no words, no style
    value |= {"coverage": float(bool(verdict.scores)), "empty": float(verdict.status == "empty")}
    return _score(rubric, verdict, value, _said(verdict))


def asked_length(asked: Length | None) -> dict[str, Any]:
    """The requested length, as recorded in a score's metadata."""
    return {**asked.data(), "bucket": bucket(asked.target)} if asked else {"target_words": None, "bucket": None}


def _numbers(rubric: Rubric, verdict: Verdict) -> dict[str, float]:
    """The numbers of one judge's verdict; NaN where there are none."""
    marks = verdict.marks
    value: dict[str, float] = {name: verdict.scores.get(name, math.nan) for name in rubric.score_names}
    if not rubric.slots:
        value |= {name: marks.scores.get(name, math.nan) if marks else math.nan for name in rubric.mark_names}
    if rubric.rule.quotes:
        value |= verdict.evidence.rates() if verdict.evidence else dict.fromkeys(_RATES, math.nan)
        value["misadded"] = rubric.misadded(marks) if marks and not verdict.members else math.nan
    return value


def _mean(members: list[dict[str, float]]) -> dict[str, float]:
    """The mean of each number over those of a jury's members that have it."""
    known = {name: [one[name] for one in members if not math.isnan(one[name])] for name in members[0]}
    return {name: fmean(values) if values else math.nan for name, values in known.items()}


def _told(rubric: Rubric, verdict: Verdict, criteria: list[str]) -> dict[str, Any]:
    """The details behind one judge's numbers."""
    details: dict[str, Any] = {**_said(verdict), "disqualified": verdict.disqualified}
    if verdict.parts:
        details["criteria"] = [_criterion(name, part) for name, part in zip(criteria, verdict.parts, strict=True)]
    if rubric.rule.quotes and verdict.evidence:
        details["quotes_not_found"] = list(verdict.evidence.not_found)
        details["quotes_too_long"] = list(verdict.evidence.too_long)
        details["quotes_left_out"] = list(verdict.evidence.missing)
    if verdict.status == "scored" and not verdict.members:
        found = judgment_of(rubric, verdict.marks) if verdict.marks else criteria_judgment(rubric, details["criteria"])
        details[JUDGMENT] = found.data()
    return details


def _said(verdict: Verdict) -> dict[str, Any]:
    """What the judge returned; for a jury, complaints and replies are recorded with each member."""
    return {
        "status": verdict.status,
        "judge": verdict.judge,
        "attempts": verdict.attempts,
        "complaints": [] if verdict.members else list(verdict.complaints),
        "replies": [] if verdict.members else list(verdict.replies),
        "usage": verdict.usage.model_dump(exclude_none=True),
        "kept": verdict.kept,
    }


def _score(rubric: Rubric, verdict: Verdict, value: dict[str, float], details: dict[str, Any]) -> Score:
    proxy = any(is_proxy(one.judge) for one in verdict.members or (verdict,))
    stamped = {"rubric": rubric.name, "rubric_digest": rubric.digest, "proxy": proxy}
    return Score(
        value=value,
        reason=_REASONS.get(verdict.status),
        explanation=_explain(rubric, verdict),
        metadata=stamped | details,
    )


def _criterion(name: str, part: Verdict) -> dict[str, Any]:
    return {
        "criterion": name,
        "status": part.status,
        "score": part.scores.get("score"),
        "reason": part.marks.comment if part.marks else part.reason,
        "reply": part.replies[-1] if part.marks else None,
    }


def _criteria_of_all(members: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The criteria of a story, each with the mean score of the members that judged the story."""
    whole = [member["criteria"] for member in members if member["status"] == "scored" and member.get("criteria")]
    return [{"criterion": same[0]["criterion"], "status": "scored", "score": fmean(one["score"] for one in same)}
            for same in zip(*whole, strict=True)]  # fmt: skip


def _explain(rubric: Rubric, verdict: Verdict) -> str:
    marks = verdict.marks
    if verdict.members and verdict.scores:
        each = (
            f"{one.judge}: {one.scores.get('score', math.nan):g}\n{_explain(rubric, one)}" for one in verdict.members
        )
        return "\n\n".join(each)
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

"""The Story Quality rule: summed marks, evidence gates, composite rules, disqualification."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

from pydantic import Field

from .base import Band, Dimension, Evidence, Frozen, Marks, ReplyError, Rule, check_bands, integer_schema, object_schema
from .objects import only_object, whole_number

OPEN_ENDED = ("bonus", "penalty")
_CLAIMS = ("positive_total", "negative_total", "overall")
_NO_SUM = 1e6


class OpenEnded(Frozen):
    max: int
    bands: tuple[Band, ...]
    quote_from: int
    min_target_words: int
    bonus: str
    penalty: str


class Totals(Frozen):
    positive: int
    negative: int
    lowest: int
    highest: int


class Composite(Frozen):
    bonus_void_above_share: float
    penalty_cap: int
    penalty_capped_above_ratio: float


class Label(Frozen):
    name: str
    start: int = Field(alias="from")


class Disqualification(Frozen):
    at_least: Mapping[str, int]
    length_ratio_below: float


class StoryQuality(Rule):
    """overall = positive - negative + bonus - penalty, in [-159, 108], never clamped at 0."""

    quotes: ClassVar[bool] = True
    gate: ClassVar[bool] = True

    name: Literal["story_quality"]
    open_ended: OpenEnded
    totals: Totals
    composite: Composite
    released_cap: int
    labels: tuple[Label, ...]
    disqualification: Disqualification

    def check(self, dimensions: Sequence[Dimension]) -> None:
        for dimension in dimensions:
            if dimension.bands is None:
                raise ValueError(f"dimensions: {dimension.id} has no bands")
        check_bands(self.open_ended.bands, 0, self.open_ended.max)
        for sign, declared in (("positive", self.totals.positive), ("negative", self.totals.negative)):
            summed = sum(d.max for d in dimensions if d.sign == sign)
            if summed != declared:
                raise ValueError(f"totals.{sign}: {declared}, but the dimensions add up to {summed}")
        lowest = -self.totals.negative - self.open_ended.max
        highest = self.totals.positive + self.open_ended.max
        if (self.totals.lowest, self.totals.highest) != (lowest, highest):
            raise ValueError(f"totals.lowest/highest: the dimensions give {lowest} and {highest}")
        starts = [label.start for label in self.labels]
        if not starts or starts[0] != lowest or starts != sorted(set(starts)):
            raise ValueError(f"labels: must start at {lowest} and increase")
        unknown = set(self.disqualification.at_least) - {d.id for d in dimensions}
        if unknown:
            raise ValueError(f"disqualification.at_least: unknown dimension {sorted(unknown)[0]}")

    def texts(self, dimensions: Sequence[Dimension]) -> dict[str, str]:
        return {
            "open_max": str(self.open_ended.max),
            "bonus": self.open_ended.bonus,
            "penalty": self.open_ended.penalty,
            "open_bands": "; ".join(f"{b.span} {b.anchor}" for b in self.open_ended.bands),
            "quote_from": str(self.open_ended.quote_from),
            "form": _form(dimensions),
        }

    def reply_schema(self, dimensions: Sequence[Dimension]) -> dict[str, Any]:
        text, quotes = {"type": "string"}, {"type": "array", "items": {"type": "string"}}
        marked = {
            d.id: object_schema(
                justification=text, quotes=quotes, why_not=text, score=integer_schema(d.min, d.max, f"{d.id} {d.name}")
            )
            for d in dimensions
        }
        nearest = {"type": "string", "enum": [*(d.id for d in dimensions), "none"]}
        opened = object_schema(
            target=text,
            quotes=quotes,
            nearest=nearest,
            why_not_covered=text,
            score=integer_schema(0, self.open_ended.max, "0 unless every field above is given and specific"),
        )
        claims = {claim: {"type": "integer"} for claim in _CLAIMS}
        return object_schema(dimensions=object_schema(**marked), bonus=opened, penalty=opened, **claims)

    def parse(self, dimensions: Sequence[Dimension], reply: str) -> Marks:
        answer = only_object(reply, "dimensions")
        given = answer["dimensions"]
        if not isinstance(given, dict):
            raise ReplyError('"dimensions" must be an object with one entry per dimension')
        missing = [d.id for d in dimensions if d.id not in given]
        if missing:
            raise ReplyError(f"missing dimensions: {', '.join(missing)}")
        unknown = set(map(str, given)) - {d.id for d in dimensions}
        if unknown:
            raise ReplyError(f"unknown dimension: {sorted(unknown)[0][:40]}")
        scores: dict[str, float] = {}
        evidence: dict[str, Evidence] = {}
        for dimension in dimensions:
            entry = _entry(given[dimension.id], dimension.id)
            scores[dimension.id] = whole_number(entry.get("score"), dimension.id, dimension.min, dimension.max)
            evidence[dimension.id] = _evidence(entry, "why_not")
        for name in OPEN_ENDED:
            entry = _entry(answer.get(name), name)
            scores[name] = whole_number(entry.get("score"), name, 0, self.open_ended.max)
            evidence[name] = _evidence(entry, "why_not_covered")
        claimed = {claim: float(answer[claim]) for claim in _CLAIMS if _is_sum(answer.get(claim))}
        return Marks(scores, evidence, claimed)

    def score(self, dimensions: Sequence[Dimension], marks: Marks) -> dict[str, float]:
        positive, negative = self._sides(dimensions, marks)
        known = {d.id for d in dimensions}
        bonus = self._gated("bonus", marks, known)
        penalty = self._gated("penalty", marks, known)
        if negative > self.composite.bonus_void_above_share * positive:
            bonus = 0.0
        if positive > self.composite.penalty_capped_above_ratio * negative:
            penalty = min(penalty, float(self.composite.penalty_cap))
        overall = positive - negative + bonus - penalty
        released = min(float(self.released_cap), positive - negative + marks.scores["bonus"])
        return {
            "score": overall,
            "overall": overall,
            "overall_released": released,
            "positive": positive,
            "negative": negative,
            "bonus_counted": bonus,
            "penalty_counted": penalty,
        }

    def lowest(self, dimensions: Sequence[Dimension]) -> dict[str, float]:
        lowest = float(self.totals.lowest)
        return {"score": lowest, "overall": lowest, "overall_released": float(-self.totals.negative)}

    def disqualified(self, marks: Marks, length_ratio: float | None) -> str | None:
        """Why the optional gate sets the story to the lowest score, or None if it passes.

        `length_ratio` is words / target, or None if no length was requested. Human references are
        exempt: do not call this for them.
        """
        for name, limit in self.disqualification.at_least.items():
            if marks.scores[name] >= limit:
                return f"{name} is {marks.scores[name]:g}, at or above {limit}"
        floor = self.disqualification.length_ratio_below
        if length_ratio is not None and length_ratio < floor:
            return f"{length_ratio:.0%} of the requested length, under {floor:.0%}"
        return None

    def label(self, score: float) -> str:
        """The label of an overall score: very_poor, poor, fair, good or excellent."""
        return next(label.name for label in reversed(self.labels) if score >= label.start)

    def compulsory_quotes(self, dimensions: Sequence[Dimension], marks: Marks) -> tuple[str, ...]:
        negatives = tuple(d.id for d in dimensions if d.sign == "negative" and marks.scores[d.id] > 0)
        opened = tuple(n for n in OPEN_ENDED if marks.scores[n] >= self.open_ended.quote_from)
        return negatives + opened

    def mark_names(self, dimensions: Sequence[Dimension]) -> tuple[str, ...]:
        return (*(d.id for d in dimensions), *OPEN_ENDED)

    def sums(self, dimensions: Sequence[Dimension], marks: Marks) -> dict[str, int]:
        positive, negative = self._sides(dimensions, marks)
        overall = positive - negative + marks.scores["bonus"] - marks.scores["penalty"]
        return dict(zip(_CLAIMS, map(int, (positive, negative, overall)), strict=True))

    def _sides(self, dimensions: Sequence[Dimension], marks: Marks) -> tuple[float, float]:
        positive = sum(marks.scores[d.id] for d in dimensions if d.sign == "positive")
        negative = sum(marks.scores[d.id] for d in dimensions if d.sign == "negative")
        return float(positive), float(negative)

    def _gated(self, name: str, marks: Marks, known: set[str]) -> float:
        """The bonus or penalty, or 0 if its evidence is vague or missing."""
        value, given = marks.scores[name], marks.evidence.get(name, Evidence())
        supported = (
            len(given.target.split()) >= self.open_ended.min_target_words
            and (given.nearest in known or given.nearest == "none")
            and bool(given.why_not.strip())
            and (value < self.open_ended.quote_from or any(q.strip() for q in given.quotes))
        )
        return float(value) if supported else 0.0


def _entry(value: Any, name: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ReplyError(f"{name}: expected an object with a score")
    return value


def _evidence(entry: Mapping[str, Any], why_key: str) -> Evidence:
    quotes = entry.get("quotes")
    listed = [quotes] if isinstance(quotes, str) else quotes if isinstance(quotes, list) else []
    return Evidence(
        justification=_text(entry.get("justification")),
        quotes=tuple(q for q in listed if isinstance(q, str) and q.strip()),
        why_not=_text(entry.get(why_key)),
        target=_text(entry.get("target")),
        nearest=_text(entry.get("nearest")).strip(),
    )


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _is_sum(value: Any) -> bool:
    """Whether a claimed total is a number, and not larger than any sum of marks can be."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < _NO_SUM


def _form(dimensions: Sequence[Dimension]) -> str:
    entry = '{"justification": "...", "quotes": ["..."], "why_not": "...", "score": 0}'
    opened = '{"target": "...", "quotes": [], "nearest": "none", "why_not_covered": "...", "score": 0}'
    body = ",\n    ".join(f"{json.dumps(d.id)}: {entry}" for d in dimensions)
    claims = ", ".join(f'"{claim}": 0' for claim in _CLAIMS)
    return f'{{\n  "dimensions": {{\n    {body}\n  }},\n  "bonus": {opened},\n  "penalty": {opened},\n  {claims}\n}}'

"""Rubrics whose score is a weighted mean of marks; inversion, bend, weights and scale are data."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from pydantic import Field

from .base import Dimension, Frozen, Marks, ReplyError, Rule, integer_schema, object_schema
from .objects import only_object, whole_number
from .replies import letters, scores_section

_FAR = 0.25  # how far outside its range a clamped number may be, as a share of the range


class Sections(Frozen):
    """A text reply: an [Analysis] section, then [Scores] with one `Name: number` per line.

    `outside` says what happens to a number out of range (if it is to be clamped but is further out than a quarter of
    the range, the reply is malformed). A reply that rates less than `min_rated` of the dimensions, by count or by
    weight, is malformed too.
    """

    form: Literal["sections"]
    outside: Literal["clamp", "unrated"]
    min_rated: float = Field(gt=0, le=1)


class Json(Frozen):
    """A JSON reply: first `comment`, the judge's reasons, then one key per dimension with a whole number."""

    form: Literal["json"]
    comment: str


class WeightedMean(Rule):
    """Score = weighted mean over the rated dimensions, each mapped from its range to `scale`.

    A mark x in [min, max] is first inverted if low is good (max + min - x). Its share s of the range then
    becomes s ** `bend` if the file sets one, and is mapped linearly to `scale`.
    """

    name: Literal["weighted_mean"]
    reply: Sections | Json = Field(discriminator="form")
    scale: tuple[float, float]
    weights: Mapping[str, float] = {}
    bend: Mapping[str, float] = {}

    def check(self, dimensions: Sequence[Dimension]) -> None:
        known = {d.id for d in dimensions}
        for key, values in (("weights", self.weights), ("bend", self.bend)):
            for name, value in values.items():
                if name not in known:
                    raise ValueError(f"{key}: unknown dimension {name!r}")
                if value <= 0:
                    raise ValueError(f"{key}: {name}: must be above 0, got {value:g}")
        if self.scale[1] <= self.scale[0]:
            raise ValueError(f"scale: {self.scale[1]:g} is not above {self.scale[0]:g}")
        if isinstance(self.reply, Json) and self.reply.comment in known:
            raise ValueError(f"reply.comment: {self.reply.comment!r} is a dimension")

    def texts(self, dimensions: Sequence[Dimension]) -> dict[str, str]:
        if isinstance(self.reply, Json):
            form = json.dumps({self.reply.comment: "...", **{_key(d): d.min for d in dimensions}}, indent=2)
        else:
            lines = "\n".join(f"{d.id}: 0" for d in dimensions)
            form = f"[Analysis]\n\nYour analysis.\n\n[Scores]\n\n{lines}"
        return {"form": form}

    def reply_schema(self, dimensions: Sequence[Dimension]) -> dict[str, Any] | None:
        if isinstance(self.reply, Sections):
            return None
        marks = {_key(d): integer_schema(d.min, d.max, d.name) for d in dimensions}
        return object_schema(**{self.reply.comment: {"type": "string"}}, **marks)

    def parse(self, dimensions: Sequence[Dimension], reply: str) -> Marks:
        return (
            self._from_json(dimensions, reply) if isinstance(self.reply, Json) else self._from_text(dimensions, reply)
        )

    def score(self, dimensions: Sequence[Dimension], marks: Marks) -> dict[str, float]:
        rated = [d for d in dimensions if d.id in marks.scores]
        weight = {d.id: self.weights.get(d.id, 1.0) for d in rated}
        total = sum(weight[d.id] * self._value(d, marks.scores[d.id], self.bend.get(d.id, 1.0)) for d in rated)
        scores = {"score": total / sum(weight.values())}
        if self.weights or self.bend:
            scores["uniform"] = sum(self._value(d, marks.scores[d.id], 1.0) for d in rated) / len(rated)
        if isinstance(self.reply, Sections):
            scores["rated"] = len(rated) / len(dimensions)
        return scores

    def lowest(self, dimensions: Sequence[Dimension]) -> dict[str, float]:
        low = self.scale[0]
        return {"score": low, "uniform": low} if self.weights or self.bend else {"score": low}

    def _value(self, dimension: Dimension, mark: float, bend: float) -> float:
        low, high = self.scale
        good = mark - dimension.min if dimension.sign == "positive" else dimension.max - mark
        span = dimension.max - dimension.min
        return low + (good * (high - low) / span if bend == 1 else (good / span) ** bend * (high - low))

    def _from_json(self, dimensions: Sequence[Dimension], reply: str) -> Marks:
        assert isinstance(self.reply, Json)
        given = only_object(reply, _key(dimensions[0]), letters)
        missing = [_key(d) for d in dimensions if letters(d.id) not in given]
        if missing:
            raise ReplyError(f"missing: {', '.join(missing)}")
        scores = {d.id: float(whole_number(given[letters(d.id)], d.id, d.min, d.max)) for d in dimensions}
        comment = given.get(letters(self.reply.comment))
        return Marks(scores, comment=comment if isinstance(comment, str) else "")

    def _from_text(self, dimensions: Sequence[Dimension], reply: str) -> Marks:
        assert isinstance(self.reply, Sections)
        comment, given = scores_section(reply, {d.id: (d.min, d.max) for d in dimensions})
        scores: dict[str, float] = {}
        for d in dimensions:
            far = _FAR * (d.max - d.min)
            if self.reply.outside == "clamp" and not d.min - far <= given.get(d.id, d.min) <= d.max + far:
                raise ReplyError(f"{d.id}: {given[d.id]:g} is far outside {d.min} to {d.max}; is it on another scale?")
            if d.id in given and (self.reply.outside == "clamp" or d.min <= given[d.id] <= d.max):
                scores[d.id] = min(float(d.max), max(float(d.min), given[d.id]))
        self._check_rated(dimensions, scores)
        return Marks(scores, comment=comment)

    def _check_rated(self, dimensions: Sequence[Dimension], scores: Mapping[str, float]) -> None:
        assert isinstance(self.reply, Sections)
        weight = {d.id: self.weights.get(d.id, 1.0) for d in dimensions}
        share = min(len(scores) / len(weight), sum(weight[name] for name in scores) / sum(weight.values()))
        if share < self.reply.min_rated:
            missing = [name for name in weight if name not in scores]
            raise ReplyError(
                f"only {len(scores)} of {len(weight)} criteria have a usable score in the [Scores] section; "
                f"missing: {', '.join(missing)}"
            )


def _key(dimension: Dimension) -> str:
    """The dimension's key in JSON; some providers accept only letters, digits and underscores."""
    return dimension.id.replace(" ", "_")

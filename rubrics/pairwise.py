"""Rubrics that compare two stories written for one prompt: a winner and one to five pluses per dimension."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any, ClassVar, Literal

from pydantic import Field

from .base import Dimension, Marks, ReplyError, Rule, object_schema, shown
from .objects import only_object
from .replies import letters

SIDES = ("A", "B")
_VERDICT = re.compile(r"[^\w+]*(?:story\s*)?(?P<side>[AB])\b[^\w+]*(?P<pluses>\++)[^\w+]*", re.IGNORECASE)


class Pairwise(Rule):
    """A mark is the number of the winner's pluses: positive if the first story won, negative if the second did.

    The difference is the sum of the marks. The outcome (`score`) is the first story's share of a win: 1 or 0 for a
    difference of at least `decisive` pluses, 0.75 or 0.25 for a smaller one, 0.5 for none.
    """

    stories: ClassVar[tuple[str, ...]] = ("STORY A", "STORY B")

    name: Literal["pairwise"]
    comment: str
    decisive: int = Field(ge=1)

    def check(self, dimensions: Sequence[Dimension]) -> None:
        for d in dimensions:
            if d.min != -d.max or d.sign != "positive":
                raise ValueError(f"dimensions: {d.id}: marks must run from -max to max and be positive")
            if d.id == self.comment:
                raise ValueError(f"rule.comment: {self.comment!r} is a dimension")

    def texts(self, dimensions: Sequence[Dimension]) -> dict[str, str]:
        examples = [f"{SIDES[number % 2]}{'+' * (1 + number % d.max)}" for number, d in enumerate(dimensions)]
        marks = {_key(d): example for d, example in zip(dimensions, examples, strict=True)}
        return {"form": json.dumps({self.comment: "...", **marks}, indent=2)}

    def reply_schema(self, dimensions: Sequence[Dimension]) -> dict[str, Any]:
        # an enum of strings: providers that drop the bounds of numbers keep it
        marks = {
            _key(d): {"type": "string", "enum": [side + "+" * n for side in SIDES for n in range(1, d.max + 1)]}
            for d in dimensions
        }
        return object_schema(**{self.comment: {"type": "string"}}, **marks)

    def parse(self, dimensions: Sequence[Dimension], reply: str) -> Marks:
        given = only_object(reply, _key(dimensions[0]), letters)
        missing = [_key(d) for d in dimensions if letters(d.id) not in given]
        if missing:
            raise ReplyError(f"missing: {', '.join(missing)}")
        comment = given.get(letters(self.comment))
        scores = {d.id: _mark(given[letters(d.id)], d) for d in dimensions}
        return Marks(scores, comment=comment if isinstance(comment, str) else "")

    def score(self, dimensions: Sequence[Dimension], marks: Marks) -> dict[str, float]:
        difference = sum(marks.scores[d.id] for d in dimensions)
        share = 0.5 if abs(difference) >= self.decisive else 0.25 if difference else 0.0
        return {"score": 0.5 + (share if difference > 0 else -share), "difference": difference}

    def lowest(self, dimensions: Sequence[Dimension]) -> dict[str, float]:
        return self.score(dimensions, Marks({d.id: d.min for d in dimensions}))


def _mark(value: Any, dimension: Dimension) -> float:
    """The signed pluses of a verdict such as "A+++"."""
    found = _VERDICT.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise ReplyError(f'{dimension.id}: expected the winner and its pluses, such as "A++", got {shown(value)}')
    pluses = len(found["pluses"])
    if pluses > dimension.max:
        raise ReplyError(f"{dimension.id}: {pluses} pluses, and {dimension.max} is the most")
    return float(pluses if found["side"].upper() == SIDES[0] else -pluses)


def _key(dimension: Dimension) -> str:
    """The dimension's key in JSON; some providers accept only letters, digits and underscores."""
    return dimension.id.replace(" ", "_")

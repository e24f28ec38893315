"""The types every rubric shares: dimensions with their bands, marks, and the two errors."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, model_validator


class RubricError(ValueError):
    """An invalid rubric file; the message names the file and the key."""


class ReplyError(ValueError):
    """A judge's reply that cannot be read; the message is the complaint sent back to the judge."""


def shown(value: Any) -> str:
    """Format a value for a complaint, in at most 40 characters."""
    if value is None:
        return "nothing"
    try:
        text = repr(value)
    except ValueError:  # a number with more digits than Python converts to text
        text = "a number that is far too long"
    return text if len(text) <= 40 else text[:37] + "..."


class Frozen(BaseModel):
    """A part of a rubric file: immutable, and unknown keys are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Band(Frozen):
    """A range of whole marks and what a story in it looks like."""

    low: int
    high: int
    anchor: str

    @property
    def span(self) -> str:
        """The marks of the band, as `low-high` or a single number."""
        return str(self.low) if self.low == self.high else f"{self.low}-{self.high}"


def check_bands(bands: Sequence[Band], low: int, high: int) -> None:
    """Check that the bands cover `low`..`high` exactly, from the lowest mark to the highest.

    Raises:
        ValueError: a band is empty, leaves a gap, overlaps or ends at the wrong mark; the message names it.
    """
    if not bands:
        raise ValueError("bands: none given")
    expected = low
    for band in bands:
        if band.high < band.low:
            raise ValueError(f"bands: {band.low}-{band.high} is empty")
        if band.low > expected:
            raise ValueError(f"bands: gap before {band.low}-{band.high} (expected it to start at {expected})")
        if band.low < expected:
            raise ValueError(f"bands: {band.low}-{band.high} overlaps (expected it to start at {expected})")
        expected = band.high + 1
    if expected - 1 != high:
        raise ValueError(f"bands: end at {expected - 1}, but the highest mark is {high}")


class Dimension(Frozen):
    """One thing a judge marks from `min` to `max`.

    `id` is the key of its mark, by default its name; `sign` says whether a high mark is good (`positive`)
    or bad (`negative`); `leaves` names what is left to other dimensions.
    """

    id: str
    name: str
    sign: Literal["positive", "negative"] = "positive"
    min: int = 0
    max: int
    measures: str
    leaves: str | None = None
    bands: tuple[Band, ...] | None = None

    @model_validator(mode="before")
    @classmethod
    def _id_is_the_name(cls, data: Any) -> Any:
        return {"id": data["name"], **data} if isinstance(data, dict) and "name" in data else data

    @model_validator(mode="after")
    def _range_and_bands(self) -> Dimension:
        if self.max <= self.min:
            raise ValueError(f"max: {self.max} is not above the lowest mark {self.min}")
        if self.bands is not None:
            check_bands(self.bands, self.min, self.max)
        return self


@dataclass(frozen=True)
class Evidence:
    """What a judge gave in support of one mark. `target` and `nearest` belong to bonus and penalty."""

    justification: str = ""
    quotes: tuple[str, ...] = ()
    why_not: str = ""
    target: str = ""
    nearest: str = ""


@dataclass(frozen=True)
class Marks:
    """The content of a reply: raw marks by dimension, their evidence, and the totals the judge claimed.

    A dimension that the judge left unrated has no key in `scores`; `comment` is what the judge wrote about
    the story as a whole.
    """

    scores: Mapping[str, float]
    evidence: Mapping[str, Evidence] = field(default_factory=dict)
    claimed: Mapping[str, float] = field(default_factory=dict)
    comment: str = ""


class Rule(Frozen, ABC):
    """How replies to one kind of rubric are formatted, read and scored. Pure: no model, no clock, no network.

    What only some rubrics have (quotes, claimed totals, labels, a `gate`) is absent by default. `stories` names the
    lines that enclose the texts to be judged in the judge's message.
    """

    quotes: ClassVar[bool] = False
    gate: ClassVar[bool] = False
    stories: ClassVar[tuple[str, ...]] = ("STORY",)

    @abstractmethod
    def check(self, dimensions: Sequence[Dimension]) -> None:
        """Raise ValueError, naming the key, if parameters disagree with the dimensions."""

    @abstractmethod
    def texts(self, dimensions: Sequence[Dimension]) -> dict[str, str]:
        """Return the texts that this rule adds to the judge's instructions, by placeholder."""

    @abstractmethod
    def reply_schema(self, dimensions: Sequence[Dimension]) -> dict[str, Any] | None:
        """Return the JSON schema of a reply, or None if the reply is plain text."""

    @abstractmethod
    def parse(self, dimensions: Sequence[Dimension], reply: str) -> Marks:
        """Read a reply. Raises only ReplyError, whatever the string."""

    @abstractmethod
    def score(self, dimensions: Sequence[Dimension], marks: Marks) -> dict[str, float]:
        """Compute the scores from marks; the key "score" is the headline."""

    @abstractmethod
    def lowest(self, dimensions: Sequence[Dimension]) -> dict[str, float]:
        """Return the scores of an empty story: the lowest value of each score."""

    def mark_names(self, dimensions: Sequence[Dimension]) -> tuple[str, ...]:
        """The keys of `Marks.scores`, in order."""
        return tuple(d.id for d in dimensions)

    def compulsory_quotes(self, dimensions: Sequence[Dimension], marks: Marks) -> tuple[str, ...]:
        """Dimensions whose mark requires the judge to quote the story."""
        return ()

    def sums(self, dimensions: Sequence[Dimension], marks: Marks) -> dict[str, int]:
        """The plain sums that the judge is also asked to state, by their names in a reply."""
        return {}

    def label(self, score: float) -> str | None:
        """The label of a score, or None if the rubric has no labels."""
        return None

    def disqualified(self, marks: Marks, length_ratio: float | None) -> str | None:
        """Why the rubric's optional gate sets the story to the lowest score, or None if it passes."""
        return None


def object_schema(**properties: dict[str, Any]) -> dict[str, Any]:
    """Strict JSON schema of an object: every key required, no others allowed."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def integer_schema(low: int, high: int, description: str) -> dict[str, Any]:
    """JSON schema of a whole number within `low`..`high`."""
    return {"type": "integer", "minimum": low, "maximum": high, "description": description}

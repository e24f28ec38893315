"""The types every rubric shares: dimensions with their bands, marks, and the two errors."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, model_validator


class RubricError(ValueError):
    """A rubric file that must not be used; the message names the file and the key."""


class ReplyError(ValueError):
    """A judge's reply that cannot be read; the message is the complaint sent back to the judge."""


def shown(value: Any) -> str:
    """A value in a complaint, in at most 40 characters."""
    if value is None:
        return "nothing"
    try:
        text = repr(value)
    except ValueError:  # a number of more digits than Python writes
        text = "a number that is far too long"
    return text if len(text) <= 40 else text[:37] + "..."


class Frozen(BaseModel):
    """A part of a rubric file: immutable, and unknown keys are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Band(Frozen):
    """A run of whole marks and what a story in it looks like."""

    low: int
    high: int
    anchor: str

    @property
    def span(self) -> str:
        """The marks of the band, as `low-high` or a single number."""
        return str(self.low) if self.low == self.high else f"{self.low}-{self.high}"


def check_bands(bands: Sequence[Band], low: int, high: int) -> None:
    """Refuse bands that do not tile `low`..`high` exactly, from the lowest mark to the highest.

    Raises:
        ValueError: naming the band that is empty, leaves a gap, overlaps or ends elsewhere.
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
    or bad (`negative`); `leaves` names what is charged to other dimensions instead.
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
    """A reply that was read: raw marks by dimension, their evidence, and the totals the judge claimed.

    A dimension that the judge left unrated has no key in `scores`; `comment` is what the judge wrote about
    the story as a whole.
    """

    scores: Mapping[str, float]
    evidence: Mapping[str, Evidence] = field(default_factory=dict)
    claimed: Mapping[str, float] = field(default_factory=dict)
    comment: str = ""


class Rule(Frozen, ABC):
    """How one kind of rubric is replied to, read and scored. Pure: no model, no clock, no network.

    What only some rubrics have (quotes, claimed totals, labels, a `gate`) defaults to having none. `stories` says
    between which lines the texts to be judged stand in the judge's message.
    """

    quotes: ClassVar[bool] = False
    gate: ClassVar[bool] = False
    stories: ClassVar[tuple[str, ...]] = ("STORY",)

    @abstractmethod
    def check(self, dimensions: Sequence[Dimension]) -> None:
        """Refuse parameters that disagree with the dimensions (ValueError naming the key)."""

    @abstractmethod
    def texts(self, dimensions: Sequence[Dimension]) -> dict[str, str]:
        """What this rule puts into the judge's instructions, by placeholder."""

    @abstractmethod
    def reply_schema(self, dimensions: Sequence[Dimension]) -> dict[str, Any] | None:
        """JSON schema of a reply, or None where the reply is plain text."""

    @abstractmethod
    def parse(self, dimensions: Sequence[Dimension], reply: str) -> Marks:
        """Read a reply; raises ReplyError and nothing else, whatever the string."""

    @abstractmethod
    def score(self, dimensions: Sequence[Dimension], marks: Marks) -> dict[str, float]:
        """Numbers from marks; the key "score" is the headline."""

    @abstractmethod
    def lowest(self, dimensions: Sequence[Dimension]) -> dict[str, float]:
        """What an empty story gets: the lowest value that each score can take."""

    def mark_names(self, dimensions: Sequence[Dimension]) -> tuple[str, ...]:
        """The keys of `Marks.scores`, in order."""
        return tuple(d.id for d in dimensions)

    def compulsory_quotes(self, dimensions: Sequence[Dimension], marks: Marks) -> tuple[str, ...]:
        """Dimensions whose mark obliges the judge to quote the story."""
        return ()

    def sums(self, dimensions: Sequence[Dimension], marks: Marks) -> dict[str, int]:
        """The plain sums that a judge is asked to state too, by their names in a reply."""
        return {}

    def label(self, score: float) -> str | None:
        """The label of a score, where the rubric has labels."""
        return None

    def disqualified(self, marks: Marks, length_ratio: float | None) -> str | None:
        """Why the rubric's optional gate sets the story to the lowest score, or None where it passes."""
        return None


def object_schema(**properties: dict[str, Any]) -> dict[str, Any]:
    """Strict JSON schema of an object: every key required, none besides."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def integer_schema(low: int, high: int, description: str) -> dict[str, Any]:
    """JSON schema of a whole number within `low`..`high`."""
    return {"type": "integer", "minimum": low, "maximum": high, "description": description}

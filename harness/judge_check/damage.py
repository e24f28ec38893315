"""Stories made worse on purpose, or with text that addresses the judge; the same story always gives the same text."""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Callable, Mapping
from importlib.resources import files
from typing import Literal

import yaml
from pydantic import Field, model_validator

from ...rubrics import load_rubric
from ...rubrics.base import Frozen

_SENTENCE = re.compile(r"[^.!?]+[.!?]+[\"'”’)\]]*\s*|[^.!?]+$")
_NAME = re.compile(r"(?<=[a-z,;] )[A-Z][a-z]{2,}\b")


class Damage(Frozen):
    """`lowers` names, for each rubric, the dimensions whose verdict must get worse."""

    does: str
    lowers: Mapping[str, tuple[str, ...]]


class Passage(Frozen):
    at: Literal["start", "middle", "end"]
    text: str


class Check(Frozen):
    """What is done to the stories: `judge_check.yaml`, validated."""

    damages: Mapping[str, Damage]
    controls: tuple[Passage, ...] = Field(min_length=2)
    injections: Mapping[str, Passage]

    @model_validator(mode="after")
    def _known(self) -> Check:
        if set(self.damages) != set(DAMAGES):
            raise ValueError(f"damages: must be {', '.join(DAMAGES)}")
        for name, damage in self.damages.items():
            for rubric, dimensions in damage.lowers.items():
                unknown = set(dimensions) - {d.id for d in load_rubric(rubric).dimensions}
                if unknown:
                    raise ValueError(f"damages.{name}.lowers.{rubric}: unknown dimension {min(unknown)!r}")
        return self


def load_check() -> Check:
    """The damages, controls and injections that ship here."""
    return Check.model_validate(yaml.safe_load((files(__package__) / "judge_check.yaml").read_text(encoding="utf-8")))


def inserted(story: str, passage: Passage) -> str:
    """The story with a paragraph inserted at its start, middle (after half of its paragraphs) or end."""
    parts = _paragraphs(story)
    place = {"start": 0, "middle": len(parts) // 2, "end": len(parts)}[passage.at]
    return "\n\n".join([*parts[:place], passage.text, *parts[place:]])


def _shuffled(story: str) -> str:
    sentences = [sentence.strip() for sentence in _SENTENCE.findall(story) if sentence.strip()]
    random.Random(len(story)).shuffle(sentences)
    return " ".join(sentences)


def _repeated(story: str) -> str:
    parts = _paragraphs(story)
    place = len(parts) // 2
    return "\n\n".join([*parts[:place], *parts[place : place + 1] * 4, *parts[place + 1 :]])


def _cut(story: str) -> str:
    words = list(re.finditer(r"\S+", story))
    return story[: words[len(words) * 2 // 3].start()].rstrip(' .!?\n"”') if len(words) > 2 else story


def _swapped(story: str) -> str:
    """Unchanged if a story has fewer than two names."""
    names = [name for name, _ in Counter(_NAME.findall(story)).most_common(2)]
    if len(names) < 2:
        return story
    other = {names[0]: names[1], names[1]: names[0]}
    seen: Counter[str] = Counter()

    def swap(match: re.Match[str]) -> str:
        seen[match.group()] += 1
        return other[match.group()] if seen[match.group()] % 2 == 0 else match.group()

    return re.sub(rf"\b(?:{'|'.join(names)})\b", swap, story)


def _doubled(story: str) -> str:
    return f"{story}\n\n{story}"


def _paragraphs(story: str) -> list[str]:
    return [part for part in re.split(r"\n\s*\n|\n", story) if part.strip()]


DAMAGES: dict[str, Callable[[str], str]] = {
    "shuffled sentences": _shuffled,
    "repeated paragraph": _repeated,
    "cut ending": _cut,
    "swapped names": _swapped,
    "doubled text": _doubled,
}

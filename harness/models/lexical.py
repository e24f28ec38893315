"""`polaris_eval/lexical`: a deterministic offline proxy for a judge. It counts; it does not read.

A ridge regression on countable features, fitted to real judgments by `calibrate.py`, estimates the overall quality of
a story; each dimension's own features shift its mark from there.
"""

from __future__ import annotations

import functools
import json
import math
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml
from inspect_ai.model import ChatMessage, GenerateConfig, ModelOutput, ModelUsage

from ...rubrics import Dimension, Marks, Rubric, fenced, load_rubric
from ..judge.named import PROXY
from ..judge.request import read_request
from .features import features, settings

CALIBRATION = Path(str(files(__package__) / "calibration.yaml"))
CLIP = 3.0  # features are clipped at this many standard deviations
_OWN = 0.25  # weight of the dimension's own features in its mark
_PLUS = 0.05  # difference, as a share of a mark's range, for one more plus in a pair
_PARTS = 5  # criteria of a WritingBench story
_QUOTE_WORDS = 8
_COMMENT = "counted by the offline proxy"


class Lexical:
    """Answers the request of any rubric, following its schema, from measured text features."""

    connections = 100

    async def reply(self, messages: list[ChatMessage], config: GenerateConfig) -> ModelOutput:
        text, asked = read_request(messages)
        rubric = load_rubric(asked.rubric)
        prompt, story, *other = fenced(text)
        reply = answer_pair(rubric, prompt, story, *other) if other else answer(rubric, prompt, story, asked.part)
        output = ModelOutput.from_content(PROXY, reply)
        output.usage = ModelUsage()
        return output

    async def count(self, text: str) -> int:
        return len(text.split())


def answer(rubric: Rubric, prompt: str, story: str, part: int | None = None) -> str:
    """The proxy's reply for one story: always well-formed, always the same for the same texts.

    `part` is the number of the criterion (from 1) if the rubric is asked once per criterion.
    """
    found = marks(rubric, features(prompt, story), part)
    given = {name: int(mark) for name, mark in found.scores.items() if name in {d.id for d in rubric.dimensions}}
    schema = rubric.response_schema()
    if schema is None:
        lines = "\n".join(f"{name}: {mark}" for name, mark in given.items())
        return f"[Analysis]\n\n{_COMMENT}\n\n[Scores]\n\n{lines}"
    numbers = {**given, **rubric.totals(found)}
    return json.dumps(_filled(schema, numbers, _quotes(story, list(given)), None, ""), ensure_ascii=False)


_measured = functools.lru_cache(maxsize=1024)(features)  # a story is in many pairs


def answer_pair(rubric: Rubric, prompt: str, first: str, second: str) -> str:
    """The proxy's reply for two stories of one prompt: always well-formed, and the same story wins in either order
    (if both texts are equal, the second wins one more criterion).

    There is one plus per `_PLUS` of difference between the two stories' marks, as shares of a mark's range.
    """
    ones, others = _measured(prompt, first), _measured(prompt, second)
    verdicts: dict[str, str] = {}
    for number, dimension in enumerate(rubric.dimensions):
        apart = _share(dimension, ones, shipped()) - _share(dimension, others, shipped())
        tied = (first < second) == bool(number % 2)  # by the texts, so that neither position has an advantage
        winner = "A" if apart > 0 or (apart == 0 and tied) else "B"
        verdicts[dimension.id] = winner + "+" * min(int(dimension.max), 1 + int(abs(apart) / _PLUS))
    schema = rubric.response_schema()
    assert schema is not None
    return json.dumps({key: verdicts.get(key.replace("_", " "), _COMMENT) for key in schema["properties"]})


def marks(
    rubric: Rubric,
    measured: Mapping[str, float],
    part: int | None = None,
    calibration: Mapping[str, Any] | None = None,
) -> Marks:
    """The proxy's marks from the features of a story, by default with the shipped calibration.

    Marks are rounded to whole numbers at thresholds spread over the dimensions (over the criteria of a story if the
    rubric is asked once per criterion), so that their mean is finer than one mark.
    """
    given: dict[str, float] = dict.fromkeys(rubric.mark_names, 0.0)
    count = len(rubric.dimensions)
    for number, dimension in enumerate(rubric.dimensions):
        share = _share(dimension, measured, calibration or shipped())
        threshold = (number + 0.5) / count if part is None else ((part - 1) % _PARTS + 0.5) / _PARTS
        span = dimension.max - dimension.min
        given[dimension.id] = float(dimension.min + min(span, math.floor(share * span + threshold)))
    return Marks(given)


def quality(measured: Mapping[str, float], calibration: Mapping[str, Any]) -> float:
    """The overall quality of a story, from 0 to 1, as an estimate of a real judge's EQ-Bench Creative score / 100."""
    total = calibration["intercept"]
    for name, fitted in calibration["features"].items():
        away = (measured[name] - fitted["mean"]) / fitted["spread"]
        total += fitted["weight"] * min(CLIP, max(-CLIP, away))
    return float(min(1.0, max(0.0, total / 100)))


@functools.cache
def shipped() -> dict[str, Any]:
    """The shipped calibration, with its reliability under `report`."""
    loaded: dict[str, Any] = yaml.safe_load(CALIBRATION.read_text(encoding="utf-8"))
    return loaded


def _share(dimension: Dimension, measured: Mapping[str, float], calibration: Mapping[str, Any]) -> float:
    """A dimension's mark as a share of its range, before rounding."""
    good = quality(measured, calibration)
    return (1 - _OWN) * (good if dimension.sign == "positive" else 1 - good) + _OWN * _own(dimension, measured)


def _own(dimension: Dimension, measured: Mapping[str, float]) -> float:
    known = settings()
    weights: dict[str, float] = known["dimensions"].get(dimension.id) or known["otherwise"][dimension.sign]
    total = sum(
        weight * (1 - measured[name[1:]] if name.startswith("-") else measured[name])
        for name, weight in weights.items()
    )
    return float(total / sum(weights.values()))


def _quotes(story: str, names: list[str]) -> dict[str, str]:
    """A few words of the story for each dimension, quoted verbatim and spread over its length."""
    lines = [line.strip() for line in story.splitlines() if line.strip()]
    picked = (lines[i * len(lines) // len(names)] for i in range(len(names)))
    return {name: " ".join(line.split()[:_QUOTE_WORDS]) for name, line in zip(names, picked, strict=True)}


def _filled(
    schema: Mapping[str, Any], numbers: Mapping[str, int], quotes: Mapping[str, str], owner: str | None, key: str
) -> Any:
    """A value that fits `schema`; `owner` is the dimension it belongs to, `key` its name."""
    match schema["type"]:
        case "object":
            return {
                name: _filled(part, numbers, quotes, name if name in quotes else owner, name)
                for name, part in schema["properties"].items()
            }
        case "array":
            return [quotes[owner]] if owner else []
        case "integer":
            return numbers.get(key.replace("_", " "), numbers.get(key, numbers.get(owner or "", 0)))
        case _:
            return "none" if "enum" in schema else _COMMENT if owner else ""

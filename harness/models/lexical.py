"""`polaris_eval/lexical`: a deterministic offline proxy for a judge. It counts; it does not read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from inspect_ai.model import ChatMessage, GenerateConfig, ModelOutput, ModelUsage

from ...rubrics import Dimension, Marks, Rubric, fenced, load_rubric
from .features import features, settings
from .provider import judged_request

NAME = "polaris_eval/lexical"
_QUOTE_WORDS = 8
_COMMENT = "counted by the offline proxy"


def is_proxy(judge: str) -> bool:
    """Whether a judge's numbers are a proxy's, to be marked as such wherever they are shown."""
    return judge == NAME


class Lexical:
    """Answers any rubric's request in the form of its schema, from measured text features."""

    connections = 100

    async def reply(self, messages: list[ChatMessage], config: GenerateConfig) -> ModelOutput:
        user, asked = judged_request(messages)
        rubric = load_rubric(asked["rubric"])
        prompt, story = fenced(user.text)
        output = ModelOutput.from_content(NAME, answer(rubric, prompt, story))
        output.usage = ModelUsage()
        return output

    async def count(self, text: str) -> int:
        return len(text.split())


def answer(rubric: Rubric, prompt: str, story: str) -> str:
    """The proxy's reply for one story: always well-formed, always the same for the same texts."""
    measured = features(prompt, story)
    marks = {d.id: _mark(d, measured) for d in rubric.dimensions}
    numbers: dict[str, int] = {
        **marks,
        **rubric.totals(Marks({**dict.fromkeys(rubric.mark_names, 0), **marks})),
    }
    schema = rubric.response_schema()
    if schema is None:
        lines = "\n".join(f"{name}: {mark}" for name, mark in marks.items())
        return f"[Analysis]\n\n{_COMMENT}\n\n[Scores]\n\n{lines}"
    return json.dumps(_filled(schema, numbers, _quotes(story, list(marks)), None, ""), ensure_ascii=False)


def _mark(dimension: Dimension, measured: Mapping[str, float]) -> int:
    known = settings()
    weights: dict[str, float] = known["dimensions"].get(dimension.id) or known["otherwise"][dimension.sign]
    total = sum(
        weight * (1 - measured[name[1:]] if name.startswith("-") else measured[name])
        for name, weight in weights.items()
    )
    share = total / sum(weights.values())
    return dimension.min + round(share * (dimension.max - dimension.min))


def _quotes(story: str, names: list[str]) -> dict[str, str]:
    """For each dimension a few words of the story, letter for letter, spread over its length."""
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

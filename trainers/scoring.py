"""From a response's parts to its reward: pure arithmetic, no judge and no clock."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..harness.length import Length, blank_penalty, length_penalty
from ..harness.repetition import repetition_penalty
from ..harness.text.reasoning import Answer, holds_tags, read_answer
from ..harness.words import count_words
from .recipe import RewardSpec, Weights


@dataclass(frozen=True)
class Response:
    """What the policy (or a reference) wrote, measured without any judge.

    `tokens` counts everything, `reasoning_tokens` those of the reasoning; `truncated` says that the
    response ran into the limit. `overlong` is 0 to 1, rising over the last `overlong_tokens` before the limit.
    """

    text: str
    story: str
    words: int
    tokens: int
    reasoning_tokens: int
    truncated: bool
    overlong: float
    repetition: float
    length: float
    blank: float


def measure(
    ids: Sequence[int],
    tokenizer: Any,
    opening: str,
    ends: set[int],
    target: Length | None,
    limit: int,
    spec: RewardSpec,
) -> Response:
    """Measure a response from its tokens.

    Args:
        ids: the response's tokens.
        opening: what the chat template has already written of the answer, such as an opened block of reasoning.
        ends: ids of the tokens that end an answer.
        target: requested length; without one there is no length penalty.
        limit: most tokens of a response.
    """
    plain = tokenizer.decode(list(ids), skip_special_tokens=True)
    whole = tokenizer.decode(list(ids))
    marked = holds_tags(whole) and not holds_tags(plain)  # reasoning between tokens that a reader is not shown
    text = opening + (whole if marked else plain)
    answer = read_answer(text)
    story = _without(answer.story, tokenizer.all_special_tokens) if marked else answer.story
    words = count_words(story)
    return Response(
        text=text,
        story=story,
        words=words,
        tokens=len(ids),
        reasoning_tokens=_reasoning_tokens(ids, tokenizer, marked, len(opening), len(text), answer),
        truncated=not ids or ids[-1] not in ends,
        overlong=_overlong(len(ids), limit, spec.overlong_tokens),
        repetition=repetition_penalty(story),
        length=length_penalty(words, target.nearest(words)) if target else 0.0,
        blank=blank_penalty(story),
    )


def combine(quality: float, response: Response, weights: Weights, spec: RewardSpec, overlong: bool = True) -> float:
    """The reward: a weighted sum, clipped, less what reasoning over its cap and running into the limit cost.

    With `mean` the reasoning's cost is spread over all tokens, and the overlong penalty (DAPO's rule: linear over the
    last tokens before the limit) is charged whole. With `sum`, as released, every token earns the weighted sum, so
    that the reward grows with length, and only an answer that was cut off is overlong.

    Args:
        quality: the judge's score as a share of the rubric's faultless one; below 0 where the score is.
        overlong: whether the overlong penalty applies (validation leaves it out).
    """
    plain = (
        weights.story_quality * quality
        - weights.repetition * response.repetition
        - weights.length * response.length
        - weights.blank * response.blank
    )
    plain = min(spec.clip, max(-spec.clip, plain))
    excess = spec.reasoning_cost * max(0, response.reasoning_tokens - spec.reasoning_cap)
    late = response.overlong if overlong else 0.0
    if spec.score == "sum":
        return plain * response.tokens - excess - (late if response.truncated else 0.0)
    return plain - excess / max(1, response.tokens) - late


def _overlong(tokens: int, limit: int, window: int) -> float:
    return min(1.0, max(0.0, (tokens - (limit - window)) / window)) if window else 0.0


def _without(story: str, tokens: Sequence[str]) -> str:
    for token in tokens:
        story = story.replace(token, "")
    return story.strip()


def _reasoning_tokens(
    ids: Sequence[int], tokenizer: Any, marked: bool, opened: int, length: int, answer: Answer
) -> int:
    """Tokens of the reasoning; `opened` characters of it, of `length`, were not written by the model."""

    def reached(place: int) -> int:
        """How many tokens it takes to write up to a place."""
        if place >= length:
            return len(ids)

        def written(count: int) -> int:
            text = tokenizer.decode(list(ids[:count]), skip_special_tokens=not marked)
            return opened + len(text.rstrip("\ufffd"))  # half of a character is not written yet

        return bisect_left(range(len(ids) + 1), place, key=written)

    return sum(reached(end) - (reached(start) if start > opened else 0) for start, end in answer.reasoning)

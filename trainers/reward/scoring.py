"""Compute the reward of a response from its parts: pure arithmetic, no judge and no clock."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ...harness.length import Length, blank_penalty, length_penalty
from ...harness.repetition import repetition_penalty
from ...harness.text.reasoning import Answer, holds_tags, read_answer
from ...harness.words import count_words
from ..terms import RewardSpec


@dataclass(frozen=True)
class Response:
    """A response of the policy (or a reference), measured without a judge.

    `tokens` counts all tokens, `reasoning_tokens` those of the reasoning; `truncated` means that the
    response reached the limit. `overlong` rises from 0 to 1 over the last `overlong_tokens` before the limit.
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
        opening: the part of the answer that the chat template has already written, such as an opened reasoning block.
        ends: ids of the tokens that end an answer.
        target: requested length; without one there is no length penalty.
        limit: maximum number of tokens in a response.
    """
    plain = tokenizer.decode(list(ids), skip_special_tokens=True)
    whole = tokenizer.decode(list(ids))
    marked = holds_tags(whole) and not holds_tags(plain)  # reasoning between special tokens
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


def combine(values: Mapping[str, float], response: Response, weights: Mapping[str, float], spec: RewardSpec) -> float:
    """Return the reward: a clipped weighted sum, minus the costs of reasoning over its cap and of nearing the limit.

    With `mean`, the cost of reasoning is averaged over all tokens, and the overlong penalty (DAPO's rule: linear over
    the last tokens before the limit) is subtracted in full. With `sum`, as in the released code, every token earns the
    weighted sum, so the reward grows with length, and only a truncated answer is penalised as overlong.

    Args:
        values: of the terms that are judged (as a share of a faultless score; negative if the score is) or computed by
            functions, by name. They are added.
        weights: by the term's name; a term without a weight does not count.
    """
    plain = sum(weights.get(name, 0.0) * value for name, value in values.items())
    plain -= weights.get("repetition", 0.0) * response.repetition
    plain -= weights.get("length", 0.0) * response.length
    plain -= weights.get("blank", 0.0) * response.blank
    plain = min(spec.clip, max(-spec.clip, plain))
    excess = weights.get("reasoning", 0.0) * max(0, response.reasoning_tokens - spec.reasoning_cap)
    late = weights.get("overlong", 0.0) * response.overlong
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
    """Count the tokens of the reasoning; of `length` characters, the model did not write the first `opened`."""

    def reached(place: int) -> int:
        """The number of tokens needed to write up to a character position."""
        if place >= length:
            return len(ids)

        def written(count: int) -> int:
            text = tokenizer.decode(list(ids[:count]), skip_special_tokens=not marked)
            return opened + len(text.rstrip("\ufffd"))  # an incomplete character does not count yet

        return bisect_left(range(len(ids) + 1), place, key=written)

    return sum(reached(end) - (reached(start) if start > opened else 0) for start, end in answer.reasoning)

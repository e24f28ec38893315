"""Answers as the policy would have to write them: what the chat template opens, and the tokens of a reference."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..harness.text.reasoning import form_of, just_closed, left_open


def opened_reasoning(tokenizer: Any, prompt_ids: Sequence[int]) -> str:
    """The tag with which the chat template has opened reasoning at the end of a prompt; empty where it has not."""
    form = left_open(_tail(tokenizer, prompt_ids))
    return f"{form.opening}\n" if form else ""


def story_opening(tokenizer: Any, prompt_ids: Sequence[int], reasoning: str | None) -> str:
    """What stands between a prompt and the story in an answer with this reasoning, in the form of the chat template.

    Where the template has opened the reasoning already it is not opened twice; where it has closed
    it (thinking is off), or there is no reasoning, the story stands alone.
    """
    tail = _tail(tokenizer, prompt_ids)
    if form := left_open(tail):
        return f"{reasoning or ''}\n{form.closing}\n"
    if not reasoning or just_closed(tail):
        return ""
    form = form_of(str(tokenizer.chat_template or ""))
    return f"{form.opening}\n{reasoning}\n{form.closing}\n"


def _tail(tokenizer: Any, prompt_ids: Sequence[int]) -> str:
    return str(tokenizer.decode(list(prompt_ids[-32:])))


def reference_ids(tokenizer: Any, prompt_ids: Sequence[int], story: str, reasoning: str | None) -> list[int]:
    """Tokens of a reference as the policy would have to write it after this prompt, end token included."""
    text = story_opening(tokenizer, prompt_ids, reasoning) + story
    ids: list[int] = tokenizer.encode(text, add_special_tokens=False)
    return [*ids, tokenizer.eos_token_id]

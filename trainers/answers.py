"""Answers in the policy's format: the reasoning that the chat template opens, and the tokens of a reference."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..harness.text.reasoning import form_of, just_closed, left_open


def opened_reasoning(tokenizer: Any, prompt_ids: Sequence[int]) -> str:
    """The tag with which the chat template has opened reasoning at the end of a prompt; empty if it has not."""
    form = left_open(_tail(tokenizer, prompt_ids))
    return f"{form.opening}\n" if form else ""


def story_opening(tokenizer: Any, prompt_ids: Sequence[int], reasoning: str | None) -> str:
    """The text between a prompt and the story in an answer with this reasoning, in the chat template's format.

    If the template has already opened the reasoning, it is not opened again. Otherwise the text is empty if the
    template has closed the reasoning (thinking is off) or there is none.
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
    """The tokens of a reference as the policy would write it after this prompt, including the end token."""
    text = story_opening(tokenizer, prompt_ids, reasoning) + story
    ids: list[int] = tokenizer.encode(text, add_special_tokens=False)
    return [*ids, tokenizer.eos_token_id]

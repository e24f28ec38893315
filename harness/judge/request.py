"""Which judgment a message asks for: written by the caller and read by our offline models, both with this module."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from inspect_ai.model import ChatMessage, ChatMessageUser


@dataclass(frozen=True)
class Request:
    """The metadata of a judge call's user messages.

    `rubric` is what `load_rubric` takes; `sample_id`, `epoch` and `writer` say which story; `part` is the number of the
    criterion, from 1, where a rubric is asked once per criterion; `attempt` counts the malformed replies before this
    message.
    """

    rubric: str
    sample_id: str | int | None = None
    epoch: int = 1
    part: int | None = None
    attempt: int = 0
    writer: str | None = None

    def message(self, content: str, attempt: int = 0) -> ChatMessageUser:
        """A user message that carries the request."""
        metadata: dict[str, Any] = {**asdict(self), "attempt": attempt}
        return ChatMessageUser(content=content, metadata=metadata)


def read_request(messages: Sequence[ChatMessage]) -> tuple[str, Request]:
    """The text of the first user message of a judge call, and its request with the number of this attempt.

    Raises:
        ValueError: the messages were not written by a judge call.
    """
    users = [m for m in messages if isinstance(m, ChatMessageUser)]
    if not users or not users[0].metadata or "rubric" not in users[0].metadata:
        raise ValueError("this model answers judge calls only: it is a judge, not a writer")
    return users[0].text, Request(**{**users[0].metadata, "attempt": len(users) - 1})

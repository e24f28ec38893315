"""`polaris_eval/replay/FILE`: recorded judge replies, by sample id."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from inspect_ai.model import ChatMessage, GenerateConfig, ModelOutput, ModelUsage

from ..errors import UserError
from ..judge.request import read_request

_Key = tuple[str | None, str, int | None, int | None]  # writer, sample id, epoch, part


class Replay:
    """Replies from a JSONL file with one record per story.

    Fields: `id` (of the sample), `reply` (a string, or a list with one string per attempt), and optional `model` (the
    writer's name) if the file is for the stories of several models, `epoch` if repeated stories of a prompt have
    different replies, and `part` (from 1) if a rubric is asked once per criterion.
    """

    connections = 100

    def __init__(self, path: str) -> None:
        self.path = path
        self.replies = _read(Path(path))

    async def reply(self, messages: list[ChatMessage], config: GenerateConfig) -> ModelOutput:
        _, asked = read_request(messages)
        sample, part = str(asked.sample_id), asked.part
        places = ((writer, sample, epoch, part) for writer in (asked.writer, None) for epoch in (asked.epoch, None))
        recorded = next((self.replies[place] for place in places if place in self.replies), None)
        if recorded is None:
            raise ValueError(f"{self.path} holds no reply for sample {sample!r} of {asked.writer}")
        if asked.attempt >= len(recorded):
            raise ValueError(f"{self.path} holds {len(recorded)} replies for sample {sample!r}; one more is needed")
        output = ModelOutput.from_content("polaris_eval/replay", recorded[asked.attempt])
        output.usage = ModelUsage()
        return output

    async def count(self, text: str) -> int:
        return len(text.split())


def _read(path: Path) -> dict[_Key, list[str]]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: recorded replies cannot be read: {error}") from None
    replies: dict[_Key, list[str]] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        key, texts = _record(f"{path}, line {number}", line)
        if key in replies:
            raise UserError(f"{path}, line {number}: a second record for sample {key[1]!r}")
        replies[key] = texts
    return replies


def _record(where: str, line: str) -> tuple[_Key, list[str]]:
    try:
        record: Any = json.loads(line)
    except ValueError as error:
        raise UserError(f"{where}: not JSON: {error}") from None
    if not isinstance(record, dict) or not isinstance(record.get("id"), str | int) or "reply" not in record:
        raise UserError(f'{where}: a record needs "id" and "reply"')
    texts = record["reply"] if isinstance(record["reply"], list) else [record["reply"]]
    if not texts or not all(isinstance(text, str) for text in texts):
        raise UserError(f'{where}: "reply" must be a string or a list of strings')
    return (record.get("model"), str(record["id"]), record.get("epoch"), record.get("part")), texts

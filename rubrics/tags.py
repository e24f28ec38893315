"""Tags by which chat templates mark roles, broken in texts that are shown to a judge."""

from __future__ import annotations

import re

# A server that tokenises the text of a message would read these as the beginning of a turn, whoever wrote them.
_TAG = re.compile(
    r"(?P<open><(?=\|[^<>\s]{1,40}>|[^<>|\s]{1,40}\|>|｜[^<>\s]{1,40}>|/?s>|/?(?:bos|eos|pad|unk|mask)>"
    r"|/?(?:start|end)_of_(?:turn|image)>)|<<(?=/?SYS>>)"
    r"|\[(?=/?(?:INST|SYSTEM_PROMPT|AVAILABLE_TOOLS|TOOL_CALLS|TOOL_RESULTS|TOOL_CONTENT|IMG|THINK)]))",
    re.IGNORECASE,
)


def broken(text: str) -> str:
    """The text with a space after the first sign of every role tag: `< |im_start|>`, `[ INST]`. Twice changes nothing.

    Known are the tags of ChatML, Llama 2 and 3, Gemma, Mistral, DeepSeek, Phi and Command: anything between `<|` and
    `|>`, `[INST]`, `<<SYS>>`, `<s>`, `<start_of_turn>` and their like.
    """
    return _TAG.sub(lambda tag: f"{tag['open']} ", text)

"""The provider `polaris_eval`: dispatches on the model's name."""

from __future__ import annotations

from typing import Any, Protocol

from inspect_ai.model import ChatMessage, GenerateConfig, ModelAPI, ModelOutput
from inspect_ai.tool import ToolChoice, ToolInfo

from ..errors import UserError
from .lexical import Lexical
from .local import Local
from .replay import Replay

NAMES = ("local", "lexical", "replay/FILE")


class Backend(Protocol):
    connections: int

    async def reply(self, messages: list[ChatMessage], config: GenerateConfig) -> ModelOutput: ...

    async def count(self, text: str) -> int: ...


class PolarisModels(ModelAPI):
    """One of our models, by name: `local`, `lexical`, or `replay/` followed by a file path."""

    def __init__(
        self,
        model_name: str,
        base_url: str | None = None,
        api_key: str | None = None,
        config: GenerateConfig = GenerateConfig(),  # noqa: B008  (Inspect's own signature)
        **model_args: Any,
    ) -> None:
        super().__init__(model_name, base_url, api_key, [], config)
        self.backend = _backend(model_name, model_args)

    async def generate(
        self,
        input: list[ChatMessage],
        tools: list[ToolInfo],
        tool_choice: ToolChoice,
        config: GenerateConfig,
    ) -> ModelOutput:
        return await self.backend.reply(input, config)

    def max_connections(self) -> int:
        return self.backend.connections

    def connection_key(self) -> str:
        return self.model_name

    async def count_text_tokens(self, text: str) -> int:
        return await self.backend.count(text)


def _backend(name: str, args: dict[str, Any]) -> Backend:
    try:
        if name == "local":
            return Local(**args)
        if name == "lexical":
            return Lexical(**args)
        kind, _, path = name.partition("/")
        if kind == "replay" and path:
            return Replay(path, **args)
    except TypeError as error:
        raise UserError(f"polaris_eval/{name}: {error}") from None
    raise UserError(f"unknown model polaris_eval/{name}; known: {', '.join(f'polaris_eval/{n}' for n in NAMES)}")

"""`polaris_eval/local`: SmolLM2-135M-Instruct on this machine, through llama.cpp."""

from __future__ import annotations

import importlib.util
import threading
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
from inspect_ai.model import (
    ChatCompletionChoice,
    ChatMessage,
    ChatMessageAssistant,
    GenerateConfig,
    ModelOutput,
    ModelUsage,
    StopReason,
)

from ..environment import threads
from ..errors import need_extra
from .weights import fetch_weights

NAME = "polaris_eval/local"
_STOPS: dict[str, StopReason] = {"stop": "stop", "length": "max_tokens"}
_servers: dict[tuple[int, int], Any] = {}
_starting = threading.Lock()


class Local:
    """A real but weak writer, good enough to run the whole pipeline without a key or a GPU.

    Args:
        slots: number of stories written at the same time.
        context: tokens of prompt and story together, per slot.
    """

    def __init__(self, slots: int = 6, context: int = 4096) -> None:
        if importlib.util.find_spec("xllamacpp") is None:
            raise need_extra("xllamacpp (llama.cpp)", "local")
        self.connections = slots
        self.context = context
        self.limiter = anyio.CapacityLimiter(
            slots
        )  # Inspect's adaptive limit may allow more calls than there are slots
        self.weights = fetch_weights()

    async def reply(self, messages: list[ChatMessage], config: GenerateConfig) -> ModelOutput:
        request = _request(messages, config)
        stop = threading.Event()
        try:
            return await anyio.to_thread.run_sync(
                self._complete, request, stop, abandon_on_cancel=True, limiter=self.limiter
            )
        finally:
            stop.set()

    async def count(self, text: str) -> int:
        return len(text) // 4

    def _complete(self, request: dict[str, Any], stop: threading.Event) -> ModelOutput:
        text: list[str] = []
        finish: list[str] = []
        usage: dict[str, int] = {}
        failures: list[str] = []

        def receive(chunk: dict[str, Any]) -> bool:
            if "error" in chunk or "code" in chunk:
                failures.append(str(chunk.get("message") or chunk.get("error") or chunk))
            for choice in chunk.get("choices", []):
                text.append(choice["delta"].get("content") or "")
                if choice.get("finish_reason"):
                    finish.append(choice["finish_reason"])
            usage.update({k: v for k, v in (chunk.get("usage") or {}).items() if isinstance(v, int)})
            return stop.is_set()

        server(self.weights, self.connections, self.context).handle_chat_completions(request, receive)
        if failures:
            raise ValueError(f"llama.cpp: {failures[0]}")
        choice = ChatCompletionChoice(
            message=ChatMessageAssistant(content="".join(text), model=NAME, source="generate"),
            stop_reason=_STOPS.get(finish[-1] if finish else "", "unknown"),
        )
        spent = ModelUsage(
            input_tokens=usage.get("prompt_tokens", 0),
            output_tokens=usage.get("completion_tokens", 0),
            total_tokens=usage.get("total_tokens", 0),
        )
        return ModelOutput(model=NAME, choices=[choice], usage=spent)


def server(weights: Path, slots: int, context: int) -> Any:
    """The llama.cpp server of this process with `slots` slots, started on first use."""
    import xllamacpp

    with _starting:
        if (slots, context) not in _servers:
            params = xllamacpp.CommonParams()
            params.model.path = str(weights)
            params.n_ctx = slots * context
            params.n_parallel = slots
            params.verbosity = -1
            if allowed := threads():
                params.cpuparams.n_threads = params.cpuparams_batch.n_threads = allowed
            _servers[slots, context] = xllamacpp.Server(params)
        return _servers[slots, context]


def _request(messages: list[ChatMessage], config: GenerateConfig) -> dict[str, Any]:
    sampling = {
        "temperature": config.temperature,
        "top_p": config.top_p,
        "top_k": config.top_k,
        "seed": config.seed,
        "max_tokens": config.max_tokens,
        "stop": config.stop_seqs,
        "frequency_penalty": config.frequency_penalty,
        "presence_penalty": config.presence_penalty,
        "repeat_penalty": (config.extra_body or {}).get("repetition_penalty"),
        "min_p": (config.extra_body or {}).get("min_p"),
    }
    if config.response_schema is not None:
        schema = config.response_schema.json_schema.model_dump(exclude_none=True)
        sampling["response_format"] = {"type": "json_schema", "json_schema": {"schema": schema}}
    return {
        "messages": [{"role": m.role, "content": m.text} for m in messages],
        "stream": True,
        "stream_options": {"include_usage": True},
        **{name: value for name, value in sampling.items() if value is not None},
    }

"""Solvers: write the story with the model under test, or use an existing one."""

from __future__ import annotations

import math
from typing import Any

from inspect_ai.model import ChatMessageAssistant, GenerateConfig, ModelOutput, ModelUsage, get_model
from inspect_ai.solver import Generate, Solver, TaskState, solver

from ..harness.environment import masked
from ..harness.inspect_seam import mark_end, prepare_hf, token_limit
from ..harness.length import length_in
from ..harness.logs.headers import HF, OPEN_PROVIDERS
from ..harness.run.written import keep_story, kept_story

# Inspect retries forever by default; this covers about three minutes of provider downtime
MAX_RETRIES = 6
# sampling settings of the paper's policy in validation; the penalty goes to providers known to accept it
POLICY = GenerateConfig(temperature=0.8, top_p=0.95)
PENALTY = {"repetition_penalty": 1.10}
# tokens that a story has room for where the provider would stop it early: twice the requested length, and reasoning
_PER_WORD, _REASONING, _OPEN = 2 * 1.35, 4096, 16_384


@solver
def write(usual: dict[str, float], asked: dict[str, float]) -> Solver:
    """Have the model write the story.

    Args:
        usual: further sampling settings of the benchmark, sent to providers known to accept them.
        asked: settings that the user asked for, sent to any provider.
    """

    async def solve(state: TaskState, generate: Generate) -> TaskState:
        open_weights = state.model.api in OPEN_PROVIDERS
        body = {**(usual if open_weights else {}), **asked}
        top_k = get_model().config.top_k  # set by the user
        if top_k is not None and (open_weights or state.model.api == "openai-api"):
            body["top_k"] = top_k  # Inspect does not send it in OpenAI's protocol
        state.metadata["extra_body"] = body
        known = kept_story(state, body)
        if known is not None:
            state.output = known
            state.messages.append(known.message)
            return state
        try:
            if state.model.api == HF:
                state = await _by_hf(state, generate, body)
            else:
                state = await (generate(state, extra_body=body) if body else generate(state))
        except Exception as error:
            told = f"{type(error).__name__}: {error}"
            if masked(told) == told:
                raise
            raise RuntimeError(masked(told)) from None  # the server has repeated the key
        keep_story(state, body)
        return state

    return solve


async def _by_hf(state: TaskState, generate: Generate, body: dict[str, float]) -> TaskState:
    """Write with Inspect's hf provider, which stops every answer at 2,048 tokens unless told otherwise."""
    model = get_model()
    left = prepare_hf(model, body, state.input_text)
    wanted = token_limit(model) or room(state.metadata)
    limit = min(wanted, left) if left else wanted
    state = await generate(state, max_tokens=limit)
    mark_end(state.output)
    return state


def room(metadata: dict[str, Any]) -> int:
    """Tokens to allow for a story, as a power of two, so that stories of similar lengths share a batch."""
    asked = length_in(metadata)
    tokens = _REASONING + _PER_WORD * asked.target if asked else _OPEN
    return 1 << math.ceil(math.log2(tokens))


@solver
def recorded() -> Solver:
    """Use the story in the sample as the model's answer."""

    async def solve(state: TaskState, generate: Generate) -> TaskState:
        writer = state.metadata.get("writer", "recorded")
        story, stop = state.metadata.pop("story"), state.metadata.pop("stop", "stop")
        state.output = ModelOutput.from_content(writer, story, stop_reason=stop)
        state.output.usage = ModelUsage(output_tokens=int(not state.metadata.pop("refused", False)))  # 0 means no story
        state.messages.append(state.output.message)
        return state

    return solve


@solver
def paired() -> Solver:
    """Add the sample's two stories after its prompt, as two answers."""

    async def solve(state: TaskState, generate: Generate) -> TaskState:
        state.messages += [ChatMessageAssistant(content=text) for text in state.metadata.pop("stories")]
        return state

    return solve

"""Solvers: write the story with the model under test, or take one that exists already."""

from __future__ import annotations

from inspect_ai.model import ModelOutput, get_model
from inspect_ai.solver import Generate, Solver, TaskState, solver

# providers that take further sampling settings in the request's body, top_k among them, which Inspect does not
# send to OpenAI's protocol; hosted models refuse unknown fields
_OPEN = ("vllm", "sglang", "polaris_eval")


@solver
def write(usual: dict[str, float], asked: dict[str, float]) -> Solver:
    """Have the model write the story.

    Args:
        usual: further sampling settings of the benchmark, sent to providers known to take them.
        asked: settings that the user asked for, sent to any provider.
    """

    async def solve(state: TaskState, generate: Generate) -> TaskState:
        body = dict(asked)
        if state.model.api in _OPEN:
            top_k = get_model().config.top_k  # of the user, in place of the benchmark's
            body = {**usual, **({} if top_k is None else {"top_k": top_k}), **asked}
        state.metadata["extra_body"] = body
        return await (generate(state, extra_body=body) if body else generate(state))

    return solve


@solver
def recorded() -> Solver:
    """Put the story that came with the sample where a model's answer would be."""

    async def solve(state: TaskState, generate: Generate) -> TaskState:
        writer = state.metadata.get("writer", "recorded")
        state.output = ModelOutput.from_content(
            writer,
            state.metadata.pop("story"),
            stop_reason="max_tokens" if state.metadata.pop("truncated", False) else "stop",
        )
        state.messages.append(state.output.message)
        return state

    return solve

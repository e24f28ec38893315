"""Solvers: write the story with the model under test, or take one that exists already."""

from __future__ import annotations

from inspect_ai.model import ModelOutput
from inspect_ai.solver import Generate, Solver, TaskState, solver

REPETITION_PENALTY = 1.10
# providers that take `repetition_penalty` in the request's body; hosted models refuse unknown fields
_TAKES_PENALTY = ("vllm", "sglang", "polaris_eval")


@solver
def write(repetition_penalty: float | None = None) -> Solver:
    """Have the model write the story.

    Args:
        repetition_penalty: sent to any provider when given; by default the paper's 1.10, to providers
            known to take it.
    """

    async def solve(state: TaskState, generate: Generate) -> TaskState:
        penalty = repetition_penalty
        if penalty is None and state.model.api in _TAKES_PENALTY:
            penalty = REPETITION_PENALTY
        state.metadata["repetition_penalty"] = penalty
        if penalty is None:
            return await generate(state)
        return await generate(state, extra_body={"repetition_penalty": penalty})

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

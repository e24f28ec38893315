"""Back-translation as an Inspect task: a model writes the prompt and the plan that a story could have come from, and
another call says whether the prompt gives the ending away."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from inspect_ai import Task, task
from inspect_ai.dataset import Sample
from inspect_ai.model import (
    CachePolicy,
    ChatMessage,
    ChatMessageAssistant,
    ChatMessageSystem,
    GenerateConfig,
    Model,
    ResponseSchema,
    get_model,
)
from inspect_ai.scorer import Score, Scorer, Target, mean, scorer
from inspect_ai.solver import Generate, Solver, TaskState, solver
from inspect_ai.util import JSONSchema

from ...harness.errors import UserError
from ...harness.judge.named import PACKAGE
from ...harness.judge.request import Request
from ...harness.text.length_request import with_length_request
from ...harness.text.reasoning import strip_reasoning
from ...rubrics import ReplyError, fence
from ...rubrics.base import object_schema
from ...rubrics.objects import only_object
from ..writing import MAX_RETRIES
from .checks import PairChecks, ending_of, instructions

NAME = "back_translation"
ATTEMPTS = 3
MADE, REASON = "made", "reason"  # sample metadata: the texts that stood the checks, or why there are none
CHECKER = "checker"  # model role: who says whether a prompt tells the ending; by default the writing model
SPOILS = "prompt: tells the ending"
_FORM = "refused, or in the wrong form"
_SHOWN = 8000  # letters
_TEXT = {"type": "string"}


@task
def back_translation(stories: str) -> Task:
    """A writing prompt and a planning trace for each story, checked against it.

    Args:
        stories: JSONL file with `id`, `story` and `title`.
    """
    path = Path(stories)
    if not path.is_file():
        raise UserError(f"{path}: no such file of stories")
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    return Task(
        dataset=[
            Sample(input=row["story"], id=row["id"], metadata={"title": row.get("title", "")}) for row in rows
        ],
        solver=back_translate(),
        scorer=translated(),
        config=GenerateConfig(temperature=0.7, max_tokens=4096, max_retries=MAX_RETRIES),
        version=instructions().version,
    )  # fmt: skip


@solver
def back_translate() -> Solver:
    """Ask for both texts, and with complaints again, three times in all; a second question to the model role `checker`
    is whether the prompt tells the ending."""
    asked = instructions()
    schema = ResponseSchema(
        name=NAME, json_schema=JSONSchema.model_validate(object_schema(prompt=_TEXT, reasoning=_TEXT)), strict=True
    )

    async def solve(state: TaskState, generate: Generate) -> TaskState:
        story, title = state.input_text, state.metadata["title"]
        checks = PairChecks(story, title)
        request = Request(NAME, state.sample_id, state.epoch)
        second = Request(NAME, state.sample_id, state.epoch, part=2)
        user = asked.user.format(words=checks.target, story="{story}", fence=fence(story))
        state.messages = [
            ChatMessageSystem(content=asked.system),
            request.message(user.replace("{story}", story)),
        ]
        model = get_model()
        checker = get_model(role=CHECKER, default=model)
        reasons: list[str] = []
        for attempt in range(ATTEMPTS):
            state.output = await model.generate(
                state.messages, config=GenerateConfig(response_schema=schema), cache=_cache(model)
            )
            reply = state.output.completion
            try:
                made = _read(reply)
                complaints = checks.complaints(**made)
            except ReplyError as error:
                complaints = [(_FORM, str(error))]
            if not complaints:
                told = await _spoiler(made["prompt"], story, checker, second)
                if told is None:  # no answer: neither kept nor dropped, but asked for again
                    return state
                complaints = [(SPOILS, told)] if told else []
            if not complaints:
                made["prompt"] = with_length_request(made["prompt"], checks.target)
                state.metadata[MADE] = {**made, "target_word_count": checks.target}
                break
            reasons = [reason for reason, _ in complaints]
            told = "; ".join(text for _, text in complaints)
            state.messages += [
                ChatMessageAssistant(content=_start(reply)),
                request.message(asked.again.format(complaints=told), attempt + 1),
            ]
        else:
            state.metadata[REASON] = reasons[0]
        return state

    return solve


async def _spoiler(prompt: str, story: str, checker: Model, request: Request) -> str | None:
    """What is wrong where a prompt gives the story's ending away, an empty text where it does not.

    None where the checker gave no answer that can be read, three times.
    """
    asked, ending = instructions(), ending_of(story)
    properties = {"expected": _TEXT, "ending": _TEXT, "told": {"type": "boolean"}, "where": _TEXT}
    schema = ResponseSchema(
        name="spoiler", json_schema=JSONSchema.model_validate(object_schema(**properties)), strict=True
    )
    user = asked.spoiler_user.format(prompt="{prompt}", ending="{ending}", fence=fence(prompt + ending))
    filled = user.replace("{prompt}", prompt).replace("{ending}", ending)
    for again in range(ATTEMPTS):
        messages: list[ChatMessage] = [ChatMessageSystem(content=asked.spoiler_system), request.message(filled)]
        config = GenerateConfig(response_schema=schema, temperature=0.0 if not again else 0.7, max_tokens=1024)
        output = await checker.generate(messages, config=config, cache=_cache(checker))
        try:
            found = only_object(strip_reasoning(output.completion), "told")
        except ReplyError:
            continue
        if isinstance(found.get("told"), bool):
            where = str(found.get("where") or "").strip() or str(found.get("ending") or "").strip()
            return f"prompt: it tells how the story ends (“{where[:200]}”)" if found["told"] else ""
    return None


def _cache(model: Model) -> CachePolicy | bool:
    """A reply that was paid for is not asked for again, in another folder either; ours cost nothing."""
    return CachePolicy(expiry=None) if str(model).partition("/")[0] != PACKAGE else False


@scorer(metrics={"*": [mean()]})
def translated() -> Scorer:
    """1 where both texts stood the checks, 0 where the story is dropped, with the reason."""

    async def score(state: TaskState, target: Target) -> Score:
        reason = state.metadata.get(REASON)
        return Score(value={MADE: float(reason is None)}, explanation=reason)

    return score


def _start(reply: str) -> str:
    """A reply as it is shown again: a model that ran on must not fill its own context with that."""
    return reply[:_SHOWN] + ("…" if len(reply) > _SHOWN else "") if reply.strip() else "(nothing)"


def _read(reply: str) -> dict[str, Any]:
    """The two texts of a reply. Raises ReplyError where it holds no such object."""
    found = only_object(strip_reasoning(reply), "prompt")
    texts = {name: found.get(name) for name in ("prompt", "reasoning")}
    for name, text in texts.items():
        if not isinstance(text, str) or not text.strip():
            raise ReplyError(f"{name} is no text")
    return {name: str(text).strip() for name, text in texts.items()}

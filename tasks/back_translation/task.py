"""Back-translation as an Inspect task: a model writes the prompt and the plan that a story could have come from, and
another call checks whether the prompt gives the ending away."""

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
MADE, REASON = "made", "reason"  # sample metadata: the texts that passed the checks, or why there are none
CHECKER = "checker"  # model role: says whether a prompt gives the ending away; by default the writing model
SPOILS = "prompt: tells the ending"
_FORM = "refused, or in the wrong form"
_SHOWN = 8000  # characters
_TEXT = {"type": "string"}


@task
def back_translation(stories: str) -> Task:
    """Write a prompt and a planning trace for each story, and check them against it.

    Args:
        stories: JSONL file with `id`, `story` and `title`.
    """
    path = Path(stories)
    if not path.is_file():
        raise UserError(f"{path}: no such stories file")
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
    """Ask for both texts, up to three times in all, adding the complaints; then ask the model role `checker` whether
    the prompt gives the ending away."""
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
                if told is None:  # no answer: neither kept nor dropped; the next run asks again
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
    """Return a complaint if a prompt gives the story's ending away, an empty text if it does not.

    None if the checker's answer could not be read three times.
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
    """Cache paid replies forever, across folders; our own models cost nothing and are not cached."""
    return CachePolicy(expiry=None) if str(model).partition("/")[0] != PACKAGE else False


@scorer(metrics={"*": [mean()]})
def translated() -> Scorer:
    """1 if both texts passed the checks, 0 if the story is dropped, with the reason."""

    async def score(state: TaskState, target: Target) -> Score:
        reason = state.metadata.get(REASON)
        return Score(value={MADE: float(reason is None)}, explanation=reason)

    return score


def _start(reply: str) -> str:
    """Shorten a reply that is shown again, so that a model that ran on does not fill its context with it."""
    return reply[:_SHOWN] + ("…" if len(reply) > _SHOWN else "") if reply.strip() else "(nothing)"


def _read(reply: str) -> dict[str, Any]:
    """Return the two texts of a reply. Raises ReplyError if they are missing."""
    found = only_object(strip_reasoning(reply), "prompt")
    texts = {name: found.get(name) for name in ("prompt", "reasoning")}
    for name, text in texts.items():
        if not isinstance(text, str) or not text.strip():
            raise ReplyError(f"{name} is no text")
    return {name: str(text).strip() for name, text in texts.items()}

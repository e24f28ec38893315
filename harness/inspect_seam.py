"""The only module that relies on Inspect's private APIs, and on behaviour of Inspect that may change.

`tests/harness/test_inspect_seam.py` tests each of them. To move to another release of Inspect: raise the bound in
pyproject.toml, run that test, and fix here what fails.
"""

from __future__ import annotations

import asyncio
import functools
import gc
import json
import os
import re
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from contextvars import copy_context
from copy import deepcopy
from types import ModuleType
from typing import Any, Literal, ParamSpec, TypeVar

from inspect_ai import Task
from inspect_ai._eval.registry import task_create
from inspect_ai._eval.task.log import TaskLogger
from inspect_ai._eval.task.results import eval_results
from inspect_ai._util.error import PrerequisiteError
from inspect_ai._util.file import absolute_file_path, filesystem
from inspect_ai.agent._acp.transport import _acp_live_active
from inspect_ai.dataset import Sample
from inspect_ai.hooks import Hooks, hooks
from inspect_ai.hooks._startup import init_hooks
from inspect_ai.log import EvalLog, EvalSample
from inspect_ai.model import Model, ModelOutput, ModelUsage, _assistant_internal
from inspect_ai.model._generate_config import active_generate_config
from inspect_ai.model._model import init_model_roles, record_and_check_model_usage
from inspect_ai.scorer import SampleScore

from .environment import masked

__all__ = [
    "PrerequisiteError", "add_hooks", "address_of", "check_written", "count_usage", "create_task", "file_state",
    "grader_role", "is_cut", "is_unread", "is_withheld", "mark_end", "outside_loop", "prepare_hf", "prompt_text",
    "run_inspect", "stop_reason", "storage", "token_limit",
]  # fmt: skip

P = ParamSpec("P")
T = TypeVar("T")
_COLLECT_AFTER = 700  # objects; Python's default
_NATURAL: Literal["stop"] = "stop"
_FILTER, _LONG = "content_filter", "model_length"
_LIMIT: Literal["max_tokens"] = "max_tokens"
_TEMPLATE = 64  # tokens that a chat template may add to a prompt
_END = "\ue0ff"  # put behind an answer of the hf provider that ended by itself, and removed again
# what Inspect would start or import for agents
_AGENTS_SERVER = "inspect_ai.agent._acp.server"
_ANTHROPIC = "inspect_ai.model._providers.anthropic"
_SWITCHES = {"log_buffer": 1, "score_display": False, "ctl_server": False, "log_realtime": False}
_NOT_WRITTEN = re.compile(r"\w*Error\((\d+), ")  # an error of a whole log, not of a story
# raised by clients and Inspect for an unusable answer: empty or error bodies under HTTP 200
_UNREAD = (TypeError, AttributeError, LookupError, ValueError)


def create_task(name: str, judges: Sequence[Model] = (), **args: Any) -> Task:
    """Create a registered task by name; with `judges`, the model role `grader` is set first, so the task finds it."""
    if judges:
        init_model_roles(grader_role(judges))
    return task_create(name, **args)


def grader_role(judges: Sequence[Model]) -> dict[str, Model | list[Model]]:
    """The model role of one judge or of several."""
    return {"grader": judges[0] if len(judges) == 1 else list(judges)}


@functools.cache
def add_hooks(name: str, description: str, kind: type[Hooks]) -> None:
    """Register our hooks, once per process, after Inspect has announced the user's own: ours need no announcement."""
    init_hooks()
    hooks(name, description)(kind)


def outside_loop(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Call a function that runs its own event loop; in a thread if one is running already, as in a notebook."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        running = False
    else:
        running = True
    if not running:  # outside the handler, whose error would be reported as the cause of any later one
        return function(*args, **kwargs)
    with ThreadPoolExecutor(max_workers=1) as threads:
        context = copy_context()
        return threads.submit(lambda: context.run(function, *args, **kwargs)).result()


def run_inspect(function: Callable[..., T], *args: Any, **kwargs: Any) -> T:
    """Call `eval` or `eval_set`: each finished story is on disk before the next, metrics are computed only at the end,
    nothing is started or imported that only agents need, and no key is written into a log."""
    gc.freeze()  # imported objects stay; without this the collector traverses them again and again
    threshold = gc.get_threshold()
    gc.set_threshold(_COLLECT_AFTER)  # finished stories leave cycles: at a command's threshold, 0.3 MB for each
    try:
        with _without_agents(), _without_secrets(), _shared_scores():
            return outside_loop(function, *args, **_SWITCHES, **kwargs)
    finally:
        gc.set_threshold(*threshold)
        gc.unfreeze()


@contextmanager
def _without_agents() -> Iterator[None]:
    """Turn off Inspect's support for agents: it imports its server without starting it, opens a session for every
    sample, and imports Anthropic's client for any model, which costs seconds and is not needed here."""

    @asynccontextmanager
    async def no_server(**_: Any) -> AsyncIterator[None]:
        yield None

    stub = ModuleType(_AGENTS_SERVER)
    vars(stub).update(acp_server=no_server, acp_server_accepting_clients=lambda: False)
    stubbed = sys.modules.setdefault(_AGENTS_SERVER, stub) is stub
    shadowed = _acp_live_active.set(True)  # a sample's session is then an empty one
    had_anthropic, _assistant_internal._HAS_ANTHROPIC = _assistant_internal._HAS_ANTHROPIC, _ANTHROPIC in sys.modules
    try:
        yield
    finally:
        _acp_live_active.reset(shadowed)
        _assistant_internal._HAS_ANTHROPIC = had_anthropic
        if stubbed:
            del sys.modules[_AGENTS_SERVER]


@contextmanager
def _without_secrets() -> Iterator[None]:
    """Mask the values of keys in the records of failed calls: some servers repeat a key in their error."""
    plain = TaskLogger.complete_sample

    async def complete_sample(self: TaskLogger, sample: EvalSample, *, flush: bool) -> None:
        failed = sample.error or any(getattr(event, "error", None) for event in sample.events)
        await plain(self, _masked_sample(sample) if failed else sample, flush=flush)

    TaskLogger.complete_sample = complete_sample  # type: ignore[method-assign]
    try:
        yield
    finally:
        TaskLogger.complete_sample = plain  # type: ignore[method-assign]


def _masked_sample(sample: EvalSample) -> EvalSample:
    text = sample.model_dump_json()
    if masked(text) == text:
        return sample

    def plain(value: Any) -> Any:
        """Tracebacks for terminals break lines anywhere, also in mid-key."""
        if isinstance(value, dict):
            if value.get("traceback_ansi"):
                value = {**value, "traceback_ansi": value.get("traceback") or ""}
            return {name: plain(inner) for name, inner in value.items()}
        return [plain(inner) for inner in value] if isinstance(value, list) else value

    return EvalSample.model_validate_json(masked(json.dumps(plain(json.loads(text)), ensure_ascii=False)))


@contextmanager
def _shared_scores() -> Iterator[None]:
    """Have Inspect copy each score once for all its metrics, which it computes one after the other: deep copies for
    each metric of 2,000 stories take seconds, in which the event loop stands still."""
    copies: dict[int, tuple[SampleScore, SampleScore]] = {}

    def copied(found: Any) -> Any:
        if not isinstance(found, SampleScore):
            return deepcopy(found)
        if id(found) not in copies:
            copies[id(found)] = found, found.model_copy(update={"score": found.score.model_copy()})
        return copies[id(found)][1]

    def computed(*args: Any, **kwargs: Any) -> Any:
        gc.disable()  # looking for garbage takes a third of the time, and finds none
        try:
            return compute(*args, **kwargs)
        finally:
            gc.enable()
            copies.clear()

    module: Any = sys.modules[eval_results.__module__]
    compute, copy = module.compute_eval_scores_for_views, module.deepcopy
    module.compute_eval_scores_for_views, module.deepcopy = computed, copied
    try:
        yield
    finally:
        module.compute_eval_scores_for_views, module.deepcopy = compute, copy


def check_written(logs: Sequence[EvalLog], place: str) -> None:
    """Raise the OSError for which a log could not be written, as on a full disk, and which Inspect does not raise."""
    for log in logs:
        if found := _NOT_WRITTEN.match(log.error.message if log.error else ""):
            number = int(found[1])
            raise OSError(number, os.strerror(number), place)


def storage(place: str) -> Any:
    """The fsspec file system of a local or remote (`s3://…`) location, as Inspect opens it."""
    return filesystem(place).fs


def file_state(place: str) -> tuple[str, int, float | None]:
    """Absolute location, size in bytes and modification time of a file. Raises OSError if it cannot be read."""
    info = filesystem(place).info(place)
    return absolute_file_path(place.removeprefix("file://")), info.size, info.mtime


def prompt_text(sample: Sample | EvalSample) -> str:
    """The writer's prompt: the text of a sample's input, or of its last message."""
    return sample.input if isinstance(sample.input, str) else sample.input[-1].text


def address_of(model: Model) -> str | None:
    """The address that a model's client actually calls, whichever variable or argument set it; None if unknown."""
    client = getattr(model.api, "client", None)
    given = getattr(client, "base_url", None) or model.api.base_url or getattr(model.api, "_init_base_url", None)
    return str(given).rstrip("/") if given else None


def token_limit(model: Model) -> int | None:
    """The most tokens of an answer that the task or the user has set, or None."""
    return model.config.max_tokens or active_generate_config().max_tokens


def count_usage(model: Model, usage: ModelUsage) -> None:
    """Count tokens as used by a model in the current sample."""
    record_and_check_model_usage(model, usage, model.role)


def prepare_hf(model: Model, settings: Mapping[str, float], prompt: str) -> int | None:
    """Make a model of Inspect's hf provider obey settings that the provider does not pass on, and have it tell which
    answers ended by themselves (see `mark_end`).

    Returns:
        The tokens that the prompt leaves in the model's context, or None if its configuration does not tell.
    """
    api: Any = model.api
    for name, value in settings.items():
        setattr(api.model.generation_config, name, value)
    decode, found = api.tokenizer.batch_decode, api.model.generation_config.eos_token_id
    if not getattr(decode, "marks_ends", False):
        ends = {found} if isinstance(found, int) else set(found or ())

        def marking(sequences: Any, **options: Any) -> list[str]:
            texts: list[str] = decode(sequences, **options)
            ids = sequences.tolist()
            return [text + _END * bool(ends & set(row)) for text, row in zip(texts, ids, strict=True)]

        marking.marks_ends = True  # type: ignore[attr-defined]
        api.tokenizer.batch_decode = marking
    context = getattr(api.model.config, "max_position_embeddings", None)
    used = len(api.tokenizer(prompt).input_ids) + _TEMPLATE
    return max(1, context - used) if isinstance(context, int) else None


def mark_end(output: ModelOutput) -> None:
    """Give an answer of a prepared hf model its stop reason, which the provider itself does not tell."""
    choice = output.choices[0]
    text = choice.message.text
    choice.stop_reason = _NATURAL if text.endswith(_END) else _LIMIT
    choice.message.content = text.removesuffix(_END)


def stop_reason(output: ModelOutput) -> str:
    """Why a model's answer ended, in Inspect's words; "unknown" if there is no answer."""
    return output.choices[0].stop_reason if output.choices else "unknown"


def is_cut(output: ModelOutput) -> bool:
    """Whether a model's answer did not end naturally: token limit, content filter, an error, or no reason given."""
    return stop_reason(output) != _NATURAL


def is_withheld(output: ModelOutput, story: str) -> bool:
    """Whether the provider withheld the story: content filter, or prompt too long for the model.

    Inspect's providers may put the provider's own message in place of the answer; then no token was generated, or the
    message equals the stop explanation. `story` is the answer without its reasoning.
    """
    why = stop_reason(output)
    if why == _FILTER and not story.strip():
        return True
    if output.usage is not None:
        return why in (_FILTER, _LONG) and output.usage.output_tokens == 0
    details = output.choices[0].stop_details if output.choices else None
    return why == _LONG or (why == _FILTER and details is not None and details.explanation == output.completion)


def is_unread(error: Exception) -> bool:
    """Whether a call failed because the answer could not be read, not because the server failed or refused."""
    return isinstance(error, _UNREAD) or type(error).__name__ == "APIResponseValidationError"

"""The one place that knows Inspect's private parts, and habits of its that may change.

`tests/harness/test_inspect_seam.py` tries each of them. To move to another release of Inspect: raise the bound in
pyproject.toml, run that test, and mend what it names here.
"""

from __future__ import annotations

import asyncio
import functools
import gc
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from contextvars import copy_context
from types import ModuleType
from typing import Any, ParamSpec, TypeVar

from inspect_ai import Task
from inspect_ai._eval.registry import task_create
from inspect_ai._util.error import PrerequisiteError
from inspect_ai._util.file import absolute_file_path, filesystem
from inspect_ai.agent._acp.transport import _acp_live_active
from inspect_ai.dataset import Sample
from inspect_ai.hooks import Hooks, hooks
from inspect_ai.hooks._startup import init_hooks
from inspect_ai.log import EvalSample
from inspect_ai.model import Model, ModelOutput, _assistant_internal
from inspect_ai.model._model import init_model_roles

__all__ = [
    "PrerequisiteError", "add_hooks", "address_of", "create_task", "file_state", "grader_role", "is_cut", "is_unread",
    "is_withheld", "outside_loop", "prompt_text", "run_inspect", "stop_reason", "storage",
]  # fmt: skip

P = ParamSpec("P")
T = TypeVar("T")
_NATURAL = "stop"
_FILTER, _LONG = "content_filter", "model_length"
# what Inspect would start or import for agents
_AGENTS_SERVER = "inspect_ai.agent._acp.server"
_ANTHROPIC = "inspect_ai.model._providers.anthropic"
_SWITCHES = {"log_buffer": 1, "score_display": False, "ctl_server": False, "log_realtime": False}
# what clients and Inspect raise on an answer that is none: empty or error bodies under HTTP 200
_UNREAD = (TypeError, AttributeError, LookupError, ValueError)


def create_task(name: str, judges: Sequence[Model] = (), **args: Any) -> Task:
    """A registered task by name; with judges, one that looks for the model role `grader` as it is made finds them."""
    if judges:
        init_model_roles(grader_role(judges))
    return task_create(name, **args)


def grader_role(judges: Sequence[Model]) -> dict[str, Model | list[Model]]:
    """The model role of one judge or of several."""
    return {"grader": judges[0] if len(judges) == 1 else list(judges)}


@functools.cache
def add_hooks(name: str, description: str, kind: type[Hooks]) -> None:
    """Register hooks of ours, once in a process, after Inspect has told a user of the user's own: ours are no news."""
    init_hooks()
    hooks(name, description)(kind)


def outside_loop(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Call a function that runs an event loop of its own, also where one is running already, as in a notebook: then in
    a thread."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        running = False
    else:
        running = True
    if not running:  # out of the handler, whose error would be told as the cause of any that follows
        return function(*args, **kwargs)
    with ThreadPoolExecutor(max_workers=1) as threads:
        context = copy_context()
        return threads.submit(lambda: context.run(function, *args, **kwargs)).result()


def run_inspect(function: Callable[..., T], *args: Any, **kwargs: Any) -> T:
    """Call `eval` or `eval_set`: a finished story is on disk before the next one, no metric is counted before the end,
    and nothing is started or imported that only agents need."""
    gc.freeze()  # what was imported stays; without this the collector walks through it again and again
    try:
        with _without_agents():
            return outside_loop(function, *args, **_SWITCHES, **kwargs)
    finally:
        gc.unfreeze()


@contextmanager
def _without_agents() -> Iterator[None]:
    """Inspect imports its server for agents though it starts none, opens a session with one for every sample, and
    imports Anthropic's client whoever the models are: seconds, for what no story needs."""

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


def storage(place: str) -> Any:
    """The fsspec file system of a place, here or far away (`s3://…`), as Inspect opens it."""
    return filesystem(place).fs


def file_state(place: str) -> tuple[str, int, float | None]:
    """Absolute place, size in bytes and time of change of a file. Raises OSError where it cannot be read."""
    info = filesystem(place).info(place)
    return absolute_file_path(place.removeprefix("file://")), info.size, info.mtime


def prompt_text(sample: Sample | EvalSample) -> str:
    """What the writer was asked: the text of a sample's input, or of its last message."""
    return sample.input if isinstance(sample.input, str) else sample.input[-1].text


def address_of(model: Model) -> str | None:
    """The address that a model's client really calls, whichever variable or argument gave it, where it is known."""
    client = getattr(model.api, "client", None)
    given = getattr(client, "base_url", None) or model.api.base_url or getattr(model.api, "_init_base_url", None)
    return str(given).rstrip("/") if given else None


def stop_reason(output: ModelOutput) -> str:
    """Why a model's answer ended, in Inspect's words; "unknown" where there is no answer."""
    return output.choices[0].stop_reason if output.choices else "unknown"


def is_cut(output: ModelOutput) -> bool:
    """Whether a model's answer has no natural end: token limit, content filter, an error in it, or no reason given."""
    return stop_reason(output) != _NATURAL


def is_withheld(output: ModelOutput, story: str) -> bool:
    """Whether the provider gave no story of the model's: its filter, or a prompt too long for the model.

    Inspect's providers may put the provider's own words where the answer would be; then no token was generated, or
    those words are its explanation too. `story` is what is left of the answer without its reasoning.
    """
    why = stop_reason(output)
    if why == _FILTER and not story.strip():
        return True
    if output.usage is not None:
        return why in (_FILTER, _LONG) and output.usage.output_tokens == 0
    details = output.choices[0].stop_details if output.choices else None
    return why == _LONG or (why == _FILTER and details is not None and details.explanation == output.completion)


def is_unread(error: Exception) -> bool:
    """Whether a call failed since what came could not be read, in place of the server failing or refusing."""
    return isinstance(error, _UNREAD) or type(error).__name__ == "APIResponseValidationError"

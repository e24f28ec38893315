"""Prompts and plans for the kept stories: the Inspect task `back_translation`, run on what is still missing."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from inspect_ai import Task, task_with
from inspect_ai import eval as inspect_eval
from inspect_ai.dataset import MemoryDataset
from inspect_ai.log import EvalSample, read_eval_log
from inspect_ai.model import Model

from ...harness.errors import UserError
from ...harness.inspect_seam import check_written, create_task, run_inspect
from ...harness.judge.named import PACKAGE
from ...harness.prices import Prices
from ...harness.run.plan import estimate_calls, estimated
from .build import write_lines
from .sources import Candidate

TASK, CHECKER = "back_translation", "checker"  # the task, and its model role that looks for spoilers
LOGS = "logs"
_KEPT = "kept.jsonl"
_INSTRUCTIONS, _ANSWER, _PROMPT, _VERDICT = 500, 480, 90, 60  # words, for the estimate

Outcomes = dict[str, Mapping[str, Any]]


def translate(
    folder: Path, stories: Sequence[Candidate], model: Model, checker: Model | None = None, **options: Any
) -> Outcomes:
    """Have the model write what is missing, and return all its results for these stories (see `outcomes`).

    Args:
        checker: the model that says whether a prompt gives the ending away; by default the model itself.
        options: `display` and generation options of Inspect's `eval`.

    Raises:
        KeyboardInterrupt: stopped by the user; results so far are in the folder's logs.
        UserError: the task could not be run.
    """
    task = _task(folder, stories)
    done = outcomes(folder, stories, str(model), task.version)
    missing = [sample for sample in task.dataset if sample.id not in done]
    if not missing:
        return done
    rest = task_with(
        task, name=TASK, dataset=MemoryDataset(missing, name=TASK), model_roles={CHECKER: checker or model}
    )
    logs = run_inspect(inspect_eval, rest, model=model, log_dir=str(folder / LOGS), fail_on_error=False, **options)
    check_written(logs, str(folder / LOGS))
    if not logs or logs[0].status == "cancelled":
        raise KeyboardInterrupt
    if logs[0].status == "error" and logs[0].error:
        raise UserError(f"{folder / LOGS}: the back-translation stopped: {logs[0].error.message}")
    return outcomes(folder, stories, str(model), task.version)


def made_so_far(folder: Path, stories: Sequence[Candidate], model: str) -> Outcomes:
    """Return this model's results for these stories so far (see `outcomes`), without calling it."""
    return outcomes(folder, stories, model, _task(folder, stories).version)


def outcomes(folder: Path, stories: Sequence[Candidate], model: str, version: int | str) -> Outcomes:
    """Return this model's results for these stories so far, by id: `made` with the texts, or the `reason` for none.

    Results of another version of the task do not count. Stories that failed because the model could not be reached
    are not included.
    """
    wanted = {story.id: _digest(story.text) for story in stories}
    found: Outcomes = {}
    for path in sorted((folder / LOGS).glob("*.eval")):
        try:
            log = read_eval_log(str(path))
        except Exception as error:  # zip, JSON or schema: whichever it is, the log cannot be used
            raise UserError(
                f"{path}: cannot be read ({error}); delete it, and its stories will be requested again"
            ) from None
        if log.eval.model != model or log.eval.task_version != version:
            continue
        for sample in log.samples or []:
            key = str(sample.id)
            if key in wanted and _finished(sample) and wanted[key] == _digest(str(sample.input)):
                found[key] = {**sample.metadata, "by": model}
    return found


def failed(stories: Sequence[Candidate], found: Outcomes) -> list[Candidate]:
    """The stories for which a model was asked and wrote nothing that passed the checks."""
    return [story for story in stories if story.id in found and found[story.id].get("made") is None]


def estimate(model: str, checker: str, stories: Sequence[Candidate], prices: Prices) -> dict[str, Any]:
    """Estimate calls, tokens and dollars for these stories, if every answer and every check of a prompt succeeds at the
    first attempt."""
    words = sum(story.words + _INSTRUCTIONS for story in stories)
    endings = sum(story.words for story in stories) // 8
    asked = endings + len(stories) * (_INSTRUCTIONS // 2 + _PROMPT)
    count = len(stories)
    written = estimate_calls(TASK, model, "writer", count, words, count * _ANSWER, prices)
    checked = estimate_calls(TASK, checker, "spoiler check", count, asked, count * _VERDICT, prices)
    return estimated([*written["rows"], *checked["rows"]], prices)


def _task(folder: Path, stories: Sequence[Candidate]) -> Task:
    path = folder / _KEPT
    write_lines(path, [{"id": story.id, "title": story.title, "story": story.text} for story in stories])
    return create_task(f"{PACKAGE}/{TASK}", stories=str(path.resolve()))


def _finished(sample: EvalSample) -> bool:
    return sample.error is None and bool({"made", "reason"} & set(sample.metadata))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()

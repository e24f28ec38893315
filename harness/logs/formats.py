"""Read the story files of other tools, recognised by their content.

`eqbench-creative`: the runs file of EQ-Bench Creative Writing v3, an object of runs with `test_model` and
`creative_tasks`. `alpaca-eval`: the model outputs of alpaca_eval, an array of objects with `instruction`, `output` and
`generator`.
"""

from __future__ import annotations

import functools
import json
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..errors import UserError

JSONL, LOG, EQBENCH, ALPACA = "polaris", "inspect", "eqbench-creative", "alpaca-eval"
FORMATS = (JSONL, EQBENCH, ALPACA)
_SHAPES = {
    JSONL: "one JSON object per line",
    EQBENCH: "a JSON object of runs with test_model and creative_tasks",
    ALPACA: "a JSON array of objects with instruction, output and generator",
}
_SEED = "<SEED>"
_FAILED = "[ERROR"  # what EQ-Bench writes in place of a piece whose generation failed


def format_of(path: Path) -> str:
    """The format of a file: inspect for a log, eqbench-creative or alpaca-eval, else polaris (our JSONL)."""
    if path.suffix == ".eval":
        return LOG
    data = _json(path, path.stat().st_mtime_ns)
    if isinstance(data, list):
        return ALPACA
    if isinstance(data, dict) and any(isinstance(run, dict) and "creative_tasks" in run for run in data.values()):
        return EQBENCH
    if path.suffix != ".json":
        return JSONL
    if isinstance(data, dict) and "eval" in data:
        return LOG
    raise UserError(
        f"{path}: neither an Inspect log, nor {_SHAPES[EQBENCH]}, nor {_SHAPES[ALPACA]}; stories of your own go into "
        f"a .jsonl file, {_SHAPES[JSONL]}"
    )


def check_format(path: Path, wanted: str) -> None:
    """Refuse a file that is not in the format that the user named.

    Raises:
        UserError: if it is in another format.
    """
    found = format_of(path)
    if found != wanted:
        raise UserError(f"{path}: not in the format {wanted}, which is {_SHAPES[wanted]}; it looks like {found}")


def read_other(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the stories of another tool's file as records of a stories file, each with its location as text.

    Pieces that were never written (a run that was stopped, a failed generation) are left out and counted on stderr.

    Raises:
        UserError: if the file does not have the shape of its format.
    """
    data = _json(path, path.stat().st_mtime_ns)
    yield from _alpaca(path, data) if isinstance(data, list) else _eqbench(path, data)


@functools.lru_cache(maxsize=1)
def _json(path: Path, changed: int) -> Any:
    """The file as one JSON value, or None if it is not one (such as JSON Lines)."""
    try:
        with path.open(encoding="utf-8-sig") as file:
            if path.suffix != ".json" and not _may_be_whole(file.readline()):
                return None
            file.seek(0)
            return json.load(file)
    except (OSError, ValueError, RecursionError):
        return None


def _may_be_whole(first: str) -> bool:
    """Whether a file with this first line may be one JSON value: a line of JSON Lines is a whole object."""
    try:
        found = json.loads(first)
    except (ValueError, RecursionError):
        return True
    return not (isinstance(found, dict) and "story" in found)


def _alpaca(path: Path, data: list[Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    count: Counter[str] = Counter()
    for number, item in enumerate(data, 1):
        where = f"{path}, item {number}"
        if not isinstance(item, dict):
            raise UserError(f"{where}: expected an object with instruction, output and generator")
        if "story" in item and "output" not in item:
            raise UserError(f"{where}: a story of our own format; write one object per line, without the array")
        for name in ("instruction", "output", "generator"):
            if not isinstance(item.get(name), str):
                raise UserError(f'{where}: "{name}" must be a string')
        count[item["generator"]] += 1
        more = item.get("input")
        yield (
            where,
            {
                "id": str(count[item["generator"]]),
                "prompt": f"{item['instruction']}\n\n{more}" if more else item["instruction"],
                "story": item["output"],
                "model": item["generator"],
                "metadata": {
                    key: value for key, value in item.items() if key not in ("instruction", "input", "output")
                },
            },
        )


def _eqbench(path: Path, data: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    left_out = 0
    runs: dict[str, str] = {}
    for key, run in data.items():
        if not isinstance(run, dict) or "creative_tasks" not in run:
            continue
        if not isinstance(run.get("test_model"), str):
            raise UserError(f'{path}, run {key}: "test_model" must be a string')
        if (first := runs.setdefault(run["test_model"], key)) != key:
            raise UserError(
                f"{path}: the runs {first} and {key} are both of {run['test_model']}; keep one of them in the file, or "
                'give one another "test_model"'
            )
        for iteration, prompt, task in _tasks(path, key, run["creative_tasks"]):
            where = f"{path}, run {key}, iteration {iteration}, prompt {prompt}"
            if not isinstance(task.get("base_prompt"), str):
                raise UserError(f'{where}: "base_prompt" must be a string')
            blocks = task.get("results_by_modifier") or {}
            if not isinstance(blocks, dict) or not all(isinstance(block, dict) for block in blocks.values()):
                raise UserError(f'{where}: "results_by_modifier" must be an object of objects')
            for place, (modifier, block) in enumerate(blocks.items(), 1):
                piece = block.get("model_response")
                if not isinstance(piece, str) or not piece or piece.startswith(_FAILED):
                    left_out += 1
                    continue
                yield (
                    where if len(blocks) == 1 else f"{where}, modifier {place}",
                    {
                        "id": f"{prompt}-{iteration}" if place == 1 else f"{prompt}-{iteration}-{place}",
                        "prompt": task["base_prompt"].replace(_SEED, modifier),
                        "story": piece,
                        "model": run["test_model"],
                        "benchmark": "eqbench_creative",
                        "metadata": {"prompt_id": prompt, "seed_modifier": modifier, "run": key},
                    },
                )
    if left_out:
        print(f"{path}: {left_out} pieces without a text are left out", file=sys.stderr)


def _tasks(path: Path, key: str, tasks: Any) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """The tasks of a run, with their iteration and prompt."""
    if not isinstance(tasks, dict) or not all(isinstance(prompts, dict) for prompts in tasks.values()):
        raise UserError(f'{path}, run {key}: "creative_tasks" must be an object of objects, by iteration and prompt')
    for iteration, prompts in tasks.items():
        for prompt, task in prompts.items():
            if not isinstance(task, dict):
                raise UserError(f"{path}, run {key}, iteration {iteration}, prompt {prompt}: expected an object")
            yield iteration, prompt, task

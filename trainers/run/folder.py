"""A run's folder: what it holds, and whether a run may continue there."""

from __future__ import annotations

import errno
import json
import os
import platform
import re
import shutil
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import yaml

from ...harness.errors import UserError
from ...harness.run.lock import LOCK
from ..recipe import Recipe
from ..recipe_files import read_recipe
from .processes import rank

# what may differ when a run is continued: it changes no reward, no batch and no update
_HOW = ("concurrency", "row_timeout", "batch_timeout", "retries", "retry_wait", "base_url", "model_args",
        "price_factor")  # fmt: skip
_MAY_CHANGE = (
    *(f"{judge}.{name}" for judge in ("judge", "validation.judge") for name in _HOW),
    "stop.", "about", "shape.", "trl.save_total_limit", "trl.report_to", "trl.run_name", "trl.dataloader_num_workers",
    "trl.vllm_server_", "trl.vllm_group_port", "trl.vllm_gpu_memory_utilization",
)  # fmt: skip
_TERM = re.compile(r"^reward\.terms\.\w+\.(?=judge\.)")  # the judge of a term may change as the recipe's may
_LEAST = 100_000  # bytes
_VERSIONS = ("polaris-eval", "trl", "transformers", "torch", "accelerate", "peft", "inspect-ai", "datasets", "vllm")


def open_folder(folder: Path, recipe: Recipe, plan: dict[str, Any]) -> Path | None:
    """Make or reopen the run's folder; returns the checkpoint to continue from, if there is one.

    An incompletely written checkpoint is removed.

    Raises:
        UserError: the folder holds a run with another recipe, rows, process count or rubric file, or something else.
    """
    resolved = recipe.model_dump(mode="json")
    kept = folder / "recipe.yaml"
    if kept.is_file():
        earlier = read_recipe(kept).model_dump(mode="json")
        # more steps only extend the run if the learning rate does not depend on their number
        # and the last step has not left out what an overlapping one would have written ahead
        constant = recipe.setting("lr_scheduler_type") == "constant" and not recipe.setting("overlap")
        free = (*_MAY_CHANGE, *(["trl.max_steps"] if constant else []))
        changed = sorted(key for key in _differences(earlier, resolved) if not _TERM.sub("", key).startswith(free))
        if changed:
            raise UserError(
                f"{folder} holds a run of another recipe (different: {', '.join(changed[:6])}); name another folder "
                "with --run-dir, or delete it"
            )
        _check_continued(folder, plan)
    elif folder.is_dir() and any(path.name != LOCK for path in folder.iterdir()):
        raise UserError(f"{folder} is not empty and holds no run; name another folder with --run-dir")
    elif rank() > 0:
        raise UserError(f"{folder}: the first process made it, but this one cannot see it; it must be a shared folder")
    if rank() == 0:
        folder.mkdir(parents=True, exist_ok=True)
        for cut in set(checkpoints(folder)) - set(whole_checkpoints(folder)):
            shutil.rmtree(cut)
        kept.write_text(yaml.safe_dump(resolved, sort_keys=False, allow_unicode=True), encoding="utf-8")
        (folder / "versions.json").write_text(json.dumps(_versions(), indent=2) + "\n", encoding="utf-8")
        (folder / "plan.json").write_text(json.dumps(plan, indent=2) + "\n", encoding="utf-8")
    return last_checkpoint(folder)


def checkpoints(folder: Path) -> list[Path]:
    """The checkpoints of a run, oldest first, complete or not."""
    found = [path for path in folder.glob("checkpoint-*") if path.name.removeprefix("checkpoint-").isdecimal()]
    return sorted(found, key=step_of)


def whole_checkpoints(folder: Path) -> list[Path]:
    """The completely written checkpoints of a run: the trainer's state is written last."""
    found = []
    for path in checkpoints(folder):
        try:
            json.loads((path / "trainer_state.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        found.append(path)
    return found


def last_checkpoint(folder: Path) -> Path | None:
    """The newest complete checkpoint of a run, or None."""
    found = whole_checkpoints(folder)
    return found[-1] if found else None


def is_full(folder: Path, error: Exception) -> bool:
    """Whether an error is that of a full disk, by its number or text, or since less is free than any file needs."""
    numbered = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)
    return numbered or os.strerror(errno.ENOSPC) in str(error) or shutil.disk_usage(folder).free < _LEAST


def step_of(checkpoint: Path) -> int:
    """The number of optimizer steps before a checkpoint."""
    return int(checkpoint.name.rpartition("-")[2])


def _check_continued(folder: Path, plan: dict[str, Any]) -> None:
    """Refuse other rows, another rubric file or number of processes: the run would not continue exactly."""
    if last_checkpoint(folder) is None:
        return
    earlier = json.loads((folder / "plan.json").read_text(encoding="utf-8"))
    fixed = {
        "data_digest": "other rows",
        "processes": "another number of processes",
        "rubric_digest": "another rubric file",
        "function_digest": "other code of reward.terms' functions",
    }
    for name, what in fixed.items():
        # earlier runs had one rubric and no functions, and did not record them
        unknown = plan[name] if name in ("rubric_digest", "function_digest") else None
        if earlier.get(name, unknown) != plan[name]:
            raise UserError(
                f"{folder} was begun with {what} ({earlier.get(name)}, now {plan[name]}), so it cannot resume exactly; "
                "name another folder with --run-dir"
            )


def _differences(a: Any, b: Any, where: str = "") -> list[str]:
    if isinstance(a, dict) and isinstance(b, dict):
        return [
            found
            for key in sorted({*a, *b})
            for found in _differences(a.get(key), b.get(key), f"{where}.{key}" if where else str(key))
        ]
    return [] if a == b else [where]


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for name in _VERSIONS:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found

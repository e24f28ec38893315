"""One training run: every check first, then TRL, in a folder that holds all there is to know about it."""

from __future__ import annotations

import json
import os
import platform
import shutil
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import yaml
from inspect_ai.model import GenerateConfig, Model
from rich.console import Console

from ..harness.errors import UserError, need_extra
from ..harness.judges import PACKAGE, make_model
from ..harness.options import as_judge_config
from ..harness.prices import Prices, load_prices
from . import estimate
from .models import first_line, load_tokenizer, model_path
from .pairs import Pairs, load_pairs, prompt_tokens
from .recipe import JudgeSpec, Recipe

# what may differ when a run is continued: it changes no reward, no batch and no update
_MAY_CHANGE = ("judge.concurrency", "judge.row_timeout", "judge.batch_timeout", "judge.retries", "judge.retry_wait",
               "judge.base_url", "judge.model_args", "stop.", "about", "shape.",
               "trl.save_total_limit", "trl.report_to", "trl.run_name", "trl.dataloader_num_workers")  # fmt: skip
_VERSIONS = ("polaris-eval", "trl", "transformers", "torch", "accelerate", "peft", "inspect-ai", "datasets", "vllm")


@dataclass(frozen=True)
class Options:
    """What a user asked for beside the recipe. `max_cost` is in US dollars over the whole run, resumed or not."""

    folder: Path
    max_cost: float | None = None
    prices: Path | None = None


@dataclass(frozen=True)
class Job:
    """A run that was checked: everything but the model is loaded."""

    recipe: Recipe
    options: Options
    tokenizer: Any
    pairs: Pairs
    judges: dict[str, Model]  # by phase
    prices: Prices
    plan: dict[str, Any]


def rank() -> int:
    """Number of this process among those that train together."""
    return int(os.environ.get("RANK", "0"))


def processes() -> int:
    """How many processes train together."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def prepare(recipe: Recipe, options: Options, console: Console, dry: bool = False) -> Job:
    """Check a run and print its plan, before any model is loaded.

    Args:
        dry: only plan: call no judge, and take a lack of disk for a note.

    Raises:
        UserError: the first thing that is wrong.
    """
    _check_packages(recipe)
    tokenizer = load_tokenizer(recipe.model)
    _check_end(recipe, tokenizer)
    pairs = load_pairs(recipe, tokenizer)
    _check_group(recipe, len(pairs.train))
    prices = load_prices(options.prices)
    judges = {}
    specs = {"train": recipe.judge, **({"held_out": recipe.validation.judge} if len(pairs.held_out) else {})}
    for phase, spec in specs.items():
        if options.max_cost is not None and prices.find(spec.model) is None:
            raise UserError(
                f"--max-cost: the judge {spec.model} has no known price, so its cost cannot be bounded; give one with "
                "--prices FILE"
            )
        judges[phase] = _judge(spec)
    plan = estimate.plan(
        recipe, pairs.train["target_words"], len(pairs.held_out), pairs.tokens_per_word, processes(), prices
    )
    lack = _lack_of_disk(recipe, options.folder, plan)
    notes = [*pairs.notes, *_warnings(recipe, plan), *([lack] if lack and dry else [])]
    if rank() == 0:
        estimate.show(plan, notes, console)
        if not dry:
            if lack:
                raise UserError(lack)
            for model in judges.values():
                _check_judge(model)
    return Job(recipe, options, tokenizer, pairs, judges, prices, plan)


def open_folder(job: Job) -> Path | None:
    """Make or reopen the run's folder; returns the checkpoint to go on from, if there is one.

    A checkpoint that was cut off in the writing is moved out of the way.

    Raises:
        UserError: the folder holds a run of another recipe, or something else.
    """
    folder = job.options.folder
    resolved = job.recipe.model_dump(mode="json")
    kept = folder / "recipe.yaml"
    if kept.is_file():
        earlier = yaml.safe_load(kept.read_text(encoding="utf-8"))
        # more steps are more of the same only where the learning rate does not depend on how many there are
        constant = job.recipe.trl.get("lr_scheduler_type", "linear") == "constant"
        free = (*_MAY_CHANGE, *(["trl.max_steps"] if constant else []))
        changed = sorted(key for key in _differences(earlier, resolved) if not key.startswith(free))
        if changed:
            raise UserError(
                f"{folder} holds a run of another recipe (different: {', '.join(changed[:6])}); name another folder "
                "with --run-dir, or delete it"
            )
    elif folder.is_dir() and any(folder.iterdir()):
        raise UserError(f"{folder} is not empty and holds no run; name another folder with --run-dir")
    if rank() == 0:
        folder.mkdir(parents=True, exist_ok=True)
        kept.write_text(yaml.safe_dump(resolved, sort_keys=False, allow_unicode=True), encoding="utf-8")
        (folder / "versions.json").write_text(json.dumps(_versions(), indent=2) + "\n", encoding="utf-8")
        (folder / "plan.json").write_text(json.dumps(job.plan, indent=2) + "\n", encoding="utf-8")
    return last_checkpoint(folder)


def last_checkpoint(folder: Path) -> Path | None:
    """The newest whole checkpoint of a run; the trainer's state is what is written last."""
    found = sorted(folder.glob("checkpoint-*"), key=step_of)
    for path in reversed(found):
        try:
            json.loads((path / "trainer_state.json").read_text(encoding="utf-8"))
            return path
        except (OSError, ValueError):
            if rank() == 0:
                shutil.rmtree(path)
    return None


def step_of(checkpoint: Path) -> int:
    """The optimizer steps that a checkpoint has behind it."""
    return int(checkpoint.name.rpartition("-")[2])


def _check_packages(recipe: Recipe) -> None:
    import importlib.util

    for name in ("torch", "trl", "peft", "matplotlib"):
        if importlib.util.find_spec(name) is None:
            raise need_extra(name, "train")
    if recipe.trl.get("use_vllm") and importlib.util.find_spec("vllm") is None:
        raise need_extra("vllm", "vllm")


def _check_end(recipe: Recipe, tokenizer: Any) -> None:
    """An answer must end where the chat's turn ends, or no rollout would ever be taken for finished."""
    mark = "the end of it"
    turns = [{"role": "user", "content": "?"}, {"role": "assistant", "content": mark}]
    kwargs = recipe.trl.get("chat_template_kwargs") or {}
    after = tokenizer.apply_chat_template(turns, tokenize=False, **kwargs).partition(mark)[2]
    if not after.startswith(tokenizer.eos_token):
        raise UserError(
            f"model {recipe.model}: its chat template ends an answer with {after[:20]!r}, but its tokenizer's end "
            f"token is {tokenizer.eos_token!r}; set eos_token in its tokenizer_config.json to the template's"
        )


def _check_group(recipe: Recipe, prompts: int) -> None:
    from .hri import MIN_GROUP

    least = MIN_GROUP if recipe.injects else 2
    if recipe.group < least:
        raise UserError(
            f"trl.num_generations={recipe.group}: a group needs {least} rows or more"
            + (" (one reference, and rollouts that have a standard deviation)" if recipe.injects else "")
        )
    found = estimate.count_steps(recipe, prompts, processes())
    if found.rows % recipe.group:
        raise UserError(
            f"a generation batch has {found.rows} rows (trl.per_device_train_batch_size x processes x "
            f"steps_per_generation), which is not a multiple of the group of {recipe.group} (trl.num_generations)"
        )
    if prompts < found.groups:
        raise UserError(
            f"{prompts} prompts are fewer than a generation batch has ({found.groups}): add prompts, or make the batch "
            "smaller (trl.per_device_train_batch_size, trl.gradient_accumulation_steps)"
        )
    save = int(recipe.trl.get("save_steps", 500))
    if found.per_batch > 1 and save % found.per_batch:
        raise UserError(
            f"trl.save_steps={save}: one generation batch makes {found.per_batch:g} steps, so a checkpoint between "
            f"them could not be resumed exactly; use a multiple of {found.per_batch:g}"
        )


def _judge(spec: JudgeSpec) -> Model:
    config = as_judge_config(spec.options, "judge.options")
    operation = GenerateConfig(max_connections=spec.concurrency)
    return make_model(spec.model, config=config.merge(operation), base_url=spec.base_url, **spec.model_args)


def _check_judge(model: Model) -> None:
    """One tiny call, so that a wrong key is found before the model is loaded and not after an hour."""
    if str(model).startswith(f"{PACKAGE}/"):
        return
    import asyncio

    config = GenerateConfig(max_tokens=16, max_retries=1, timeout=60)
    try:
        asyncio.run(model.generate("Answer with the word: ready", config=config))
    except Exception as error:  # every provider has its own; whichever it is, the judge cannot be reached
        raise UserError(f"the judge {model} does not answer: {first_line(error)}") from None


def _lack_of_disk(recipe: Recipe, folder: Path, plan: dict[str, Any]) -> str | None:
    parent = next(path for path in (folder, *folder.absolute().parents) if path.is_dir())
    free = shutil.disk_usage(parent).free / estimate.GB
    # the new checkpoint is written before the oldest is removed
    needed = plan["checkpoint_gb"] * (int(recipe.trl.get("save_total_limit") or 10) + 1)
    if free >= needed:
        return None
    return (
        f"{parent} has {free:.1f} GB free, and the checkpoints take about {needed:.1f} GB "
        f"({plan['checkpoint_gb']} GB each); make room, name another folder with --run-dir, or lower "
        "trl.save_total_limit"
    )


def _warnings(recipe: Recipe, plan: dict[str, Any]) -> list[str]:
    notes = []
    if plan["held_out"] and recipe.judge.model == recipe.validation.judge.model:
        notes.append("the held-out stories are judged by the training judge itself: over-fitting to it will not show")
    if plan["memory_total_gb"] > plan["memory_of_gb"]:
        notes.append(f"the memory estimate is above the {plan['memory_of_gb']:g} GB of shape.gpu_gb")
    expected = recipe.shape.gpus
    if expected > 1 and processes() != expected:
        notes.append(
            f"the recipe is for {expected} GPUs, but {processes()} process(es) run: start it with accelerate launch"
        )
    return notes


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


def answer_opening(job: Job) -> str:
    """What the chat template has already written of an answer: an opened block of reasoning, or nothing."""
    ids = prompt_tokens(job.recipe, job.tokenizer, job.pairs.train[0]["prompt"])
    return "<think>\n" if job.tokenizer.decode(ids[-16:]).rstrip().endswith("<think>") else ""


def model_source(recipe: Recipe) -> str:
    """What transformers loads for a recipe's model."""
    return model_path(recipe.model)

"""Checks before a model is loaded: packages, settings, groups, disk, and each judge with one tiny call."""

from __future__ import annotations

import asyncio
import importlib.util
import shutil
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from inspect_ai.model import GenerateConfig
from transformers import TrainerState
from trl import SFTConfig

from ...harness.errors import UserError, need_extra
from ...harness.inspect_seam import outside_loop
from ...harness.judge.jury import Jury
from ...harness.judge.named import PACKAGE, as_judge_config, make_model
from ..hri import MIN_GROUP
from ..models import Sizes, first_line, sizes_of
from ..recipe import Recipe
from ..reward.judged import Asked, asked_terms, call_function, judges_of
from ..reward.ledger import HELD_OUT, TRAIN
from ..terms import JudgeSpec
from . import estimate
from .config import lora_config, sft_settings, trl_config
from .processes import processes

_MANY = 10  # checkpoints to reserve disk space for if a recipe keeps them all


def make_jury(spec: JudgeSpec) -> Jury:
    """Make the judges, with this process's share of their concurrency. Raises UserError: unknown model, or no key."""
    config = as_judge_config(spec.options, "judge.options")
    config = config.merge(GenerateConfig(max_connections=per_process(spec).concurrency))
    made = [make_model(name, config=config, base_url=spec.base_url, **spec.model_args) for name in spec.models]
    return Jury(tuple(made), spec.quorum)


def per_process(spec: JudgeSpec) -> JudgeSpec:
    """A judge's settings for one of the processes that share it."""
    return spec.model_copy(update={"concurrency": max(1, spec.concurrency // processes())})


def check_vllm(recipe: Recipe, dry: bool) -> list[str]:
    """Refuse settings under which vLLM's rollouts have no gradient; a dry run does not need vLLM."""
    of = recipe.setting
    if not of("use_vllm"):
        return []
    changed = of("top_p") < 1 or of("top_k") > 0 or of("repetition_penalty") != 1
    whole = str(of("vllm_importance_sampling_mode")).startswith("sequence")
    if changed and whole and of("vllm_importance_sampling_correction"):
        raise UserError(
            "with top_p, top_k or a repetition penalty, vLLM's importance ratio over a whole story is 0, and the "
            "rollouts would have no gradient: set trl.vllm_importance_sampling_correction=false, or "
            "trl.vllm_importance_sampling_mode=token_truncate"
        )
    if importlib.util.find_spec("vllm") is not None:
        return []
    missing = need_extra("vllm", "vllm")
    if not dry:
        raise missing
    return [str(missing)]


def check_settings(recipe: Recipe, folder: Path, held_out: int, dry: bool) -> None:
    """Let TRL validate its own settings, on any machine."""
    try:
        trl_config(recipe, folder, held_out, check=True, dry=dry)
    except (TypeError, ValueError, AttributeError) as error:
        raise UserError(f"recipe {recipe.name}: TRL refuses its settings: {first_line(error)}") from None


def sizes(recipe: Recipe) -> Sizes:
    """The model's sizes: what `shape` gives, else what its config.json says.

    Raises:
        UserError: config.json cannot be read and `shape` does not give all, or the LoRA settings do not fit the model.
    """
    shape = recipe.shape
    given = {"parameters": shape.parameters, "layers": shape.layers, "hidden": shape.hidden}
    known = {name: value for name, value in given.items() if value is not None}
    try:
        return replace(sizes_of(recipe.model, lora_config(recipe)), **known)  # type: ignore[arg-type]
    except UserError as error:
        if len(known) < len(given) or str(error).startswith("lora"):
            raise
    adapter = 0.0
    if recipe.lora:  # seven matrices per layer, r x (in + out), the inner ones about twice as wide
        adapter = known["layers"] * 7 * 2 * known["hidden"] * 1.5 * recipe.lora.r
    return Sizes(adapter=adapter, **known)  # type: ignore[arg-type]


def check_sft(recipe: Recipe, rows: Any, folder: Path) -> None:
    """Refuse a warm start without human stories, or with settings that TRL refuses."""
    if recipe.sft is None:
        return
    references = sum(bool(row["reference"]) for row in rows)
    if not references:
        raise UserError("sft: no row has a story to fine-tune on (column story)")
    try:
        SFTConfig(output_dir=str(folder), **{**sft_settings(recipe, references), "use_cpu": True, "bf16": False})
    except (TypeError, ValueError, AttributeError) as error:
        raise UserError(f"recipe {recipe.name}: TRL refuses its settings of sft: {first_line(error)}") from None


def check_end(recipe: Recipe, tokenizer: Any) -> None:
    """Check that a chat turn ends with the tokenizer's end token; otherwise no rollout would count as finished."""
    mark = "the end of it"
    turns = [{"role": "user", "content": "?"}, {"role": "assistant", "content": mark}]
    after = tokenizer.apply_chat_template(turns, tokenize=False, **recipe.template).partition(mark)[2]
    if tokenizer.eos_token is None:
        raise UserError(f"model {recipe.model}: its tokenizer has no end token; set eos_token in tokenizer_config.json")
    if not after.startswith(tokenizer.eos_token):
        raise UserError(
            f"model {recipe.model}: its chat template ends an answer with {after[:20]!r}, but its tokenizer's end "
            f"token is {tokenizer.eos_token!r}; set eos_token in its tokenizer_config.json to the template's"
        )


def check_group(recipe: Recipe, prompts: int, count: int) -> None:
    """Refuse groups and batches on `count` processes that do not fit together, or that have too few prompts."""
    least = MIN_GROUP if recipe.injects else 2
    if recipe.group < least:
        raise UserError(
            f"trl.num_generations={recipe.group}: a group needs {least} rows or more"
            + (" (one reference, and enough rollouts for a standard deviation)" if recipe.injects else "")
        )
    found = estimate.count_steps(recipe, prompts, count)
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
    save = int(recipe.setting("save_steps"))
    if found.per_batch > 1 and save % found.per_batch:
        raise UserError(
            f"trl.save_steps={save}: one generation batch makes {found.per_batch:g} steps, so a checkpoint between "
            f"them could not be resumed exactly; use a multiple of {found.per_batch:g}"
        )


def check_validation(recipe: Recipe, held_out: int, measured: Collection[str]) -> None:
    """Refuse a selection by validation that has no held-out prompts, or validations without a checkpoint.

    `measured` are the terms and benchmarks that held-out stories have a value of.
    """
    asked = recipe.validation
    if asked.select == "last" and asked.patience is None:
        return
    if held_out and (not measured if asked.metric == "reward" else asked.metric not in measured):
        raise UserError(
            f"validation.metric={asked.metric} has no value on the held-out prompts: terms without a weight there, and "
            f"those relative to a group, are left out; measured there: {', '.join(measured) or 'nothing'}"
        )
    if not held_out:
        raise UserError("validation.select=best and validation.patience need held-out prompts (validation.prompts)")
    save = float(recipe.setting("save_steps"))
    if asked.select == "best" and (save < 1 or asked.every % save):
        raise UserError(
            f"validation.every={asked.every} is not a multiple of trl.save_steps={save:g}, so the best step might have "
            "no checkpoint"
        )
    if asked.select == "best" and recipe.setting("save_total_limit") == 1:
        raise UserError(
            "trl.save_total_limit=1 would leave either the best checkpoint or the last one; allow 2 or more"
        )


def check_terms(recipe: Recipe, held_out: bool, count: int) -> dict[str, dict[str, Asked]]:
    """What is judged, by phase and term. Raises UserError for a term that this run cannot have."""
    found = {TRAIN: asked_terms(recipe, held_out=False)}
    relative = [name for name, asked in found[TRAIN].items() if asked.relative]
    rows = estimate.count_steps(recipe, 1, count).rows // count
    if relative and rows % recipe.group:
        raise UserError(
            f"reward.terms.{relative[0]} compares the stories of a group, and each of {count} processes has {rows} "
            f"rows of a batch, which is not a multiple of the group of {recipe.group} (trl.num_generations)"
        )
    if held_out:
        found[HELD_OUT] = asked_terms(recipe, held_out=True)
    return found


def check_functions(functions: Mapping[str, Callable[..., Any]], tokenizer: Any, rows: Any) -> None:
    """Call the user's reward functions on one row, as the run will. Raises UserError for one that fails."""
    text = "Once upon a time."
    columns: dict[str, Any] = {
        **{name: [rows[0][name]] for name in rows.column_names if name != "prompt"},
        "prompts": [rows[0]["prompt"]],
        "completions": [[{"role": "assistant", "content": text}]],
        "completion_ids": [tokenizer(text).input_ids],
        "is_reference": [False],
        "trainer_state": TrainerState(),
        "log_extra": lambda name, values: None,
        "log_metric": lambda name, value: None,
    }
    for name, function in functions.items():
        try:
            outside_loop(asyncio.run, call_function(function, columns))
        except Exception as error:  # whatever the user's function raises
            what = first_line(error) if isinstance(error, ValueError) else f"{type(error).__name__}: {error}"
            raise UserError(f"reward.terms.{name}.function: {what}") from None


def check_judge(spec: JudgeSpec) -> None:
    """Make one tiny call to each judge, so that a wrong key is found before the model is loaded."""
    config = GenerateConfig(max_tokens=16, max_retries=1, timeout=60)
    for model in make_jury(spec).members:  # new ones: a client is bound to the event loop of its first use
        if str(model).startswith(f"{PACKAGE}/"):
            continue
        try:
            outside_loop(asyncio.run, model.generate("Answer with the word: ready", config=config))
        except Exception as error:  # every provider has its own types
            raise UserError(f"the judge {model} does not answer: {first_line(error)}") from None


def lack_of_disk(recipe: Recipe, folder: Path, plan: dict[str, Any]) -> str | None:
    """An error message if the checkpoints do not fit on the disk, else None."""
    parent = next(path for path in (folder, *folder.absolute().parents) if path.is_dir())
    free = shutil.disk_usage(parent).free / estimate.GB
    # the new checkpoint is written before the oldest is removed
    kept = int(recipe.setting("save_total_limit") or _MANY) + 1 - len(list(folder.glob("checkpoint-*")))
    needed = plan["checkpoint_gb"] * max(1, kept)
    if free >= needed:
        return None
    return (
        f"{parent} has {free:.1f} GB free, and the checkpoints take about {needed:.1f} GB "
        f"({plan['checkpoint_gb']} GB each); make room, name another folder with --run-dir, or lower "
        "trl.save_total_limit"
    )


def remarks(recipe: Recipe, plan: dict[str, Any]) -> list[str]:
    """Notes for the user before a run begins; none of them is an error."""
    notes = []
    same = [name for name, asked in asked_terms(recipe, held_out=True).items() if _same_judge(recipe, name, asked)]
    if plan["held_out"] and same:
        notes.append(
            f"the held-out stories are judged by the training judge itself ({', '.join(same)}): over-fitting to it "
            "will not show"
        )
    if plan["memory_total_gb"] > plan["memory_of_gb"]:
        notes.append(f"the memory estimate is above the {plan['memory_of_gb']:g} GB of shape.gpu_gb")
    if recipe.setting("mask_truncated_completions") and recipe.injects:
        notes.append("mask_truncated_completions also leaves out references that were cut")
    notes += [_dominant(recipe, plan["seconds_a_batch"], plan["batch_seconds"])]
    if recipe.setting("overlap"):
        notes.append(
            "overlap: each batch but the first of an epoch is written while the one before is judged, by weights one "
            "update old"
        )
    expected = recipe.shape.gpus
    if expected > 1 and plan["processes"] != expected:
        notes.append(
            f"the recipe is for {expected} GPUs, but {plan['processes']} process(es) run: use accelerate launch"
        )
    return notes


def _same_judge(recipe: Recipe, name: str, asked: Asked) -> bool:
    """Whether a term has a judge in common in training and on the held-out prompts."""
    training = asked_terms(recipe, held_out=False).get(name)
    return training is not None and bool({*training.judge.models} & {*asked.judge.models})


def _dominant(recipe: Recipe, seconds: Mapping[str, float], total: float) -> str:
    """What takes the most time of a batch, and what would halve it."""
    part = max(seconds, key=lambda name: seconds[name])
    gpus = "a GPU is many times faster" if not recipe.shape.gpus else "twice the GPUs would halve it"
    judges = judges_of(asked_terms(recipe, held_out=False).values())
    own = any(judge != recipe.judge for judge in judges)
    wider = "twice the judges' concurrency" if own else f"judge.concurrency={2 * recipe.judge.concurrency}"
    halved = {
        "judging": f"{wider} would halve it, if the provider allows"
        + ("" if recipe.setting("overlap") else "; trl.overlap=true writes the next batch meanwhile"),
        "generation": gpus if recipe.setting("use_vllm") else "vLLM on a GPU is many times faster",
        "updates": gpus,
    }
    return f"most of a batch's time goes to {part}, {seconds[part]:g} of {total:g} s: {halved[part]}"

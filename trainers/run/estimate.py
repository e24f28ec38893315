"""Estimate what a training run takes: steps, calls, tokens, dollars, memory, time."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ...harness.judge.named import is_proxy, marked
from ...harness.prices import Prices
from ...harness.run.plan import judgment_tokens
from ..models import Sizes
from ..recipe import Recipe
from ..reward.judged import Asked, asked_terms, judges_of
from ..terms import AFTER_CLIP, MEASURES

JUDGE_SECONDS = 30.0  # assumed for one judgment with medium thinking; a proxy answers at once
GB = 1e9
LIBRARIES_GB = 0.6  # torch, transformers and TRL, before a model is loaded
# Bytes per layer, hidden unit and token in 16 bits, measured on an H100 (see TRAINING.md): kept by the forward pass,
# and at the peak of a recomputed layer's backward pass, including gradients.
LAYER_KEPT, LAYER_PEAK = 60, 90


@dataclass(frozen=True)
class Steps:
    """TRL's schedule: `batches` generation batches of `rows` rows (of `groups` prompts) make `steps` updates."""

    steps: int
    batches: int
    rows: int
    groups: int
    per_batch: float  # optimizer steps per generation batch


def count_steps(recipe: Recipe, prompts: int, processes: int) -> Steps:
    """Count the steps of a run over `prompts` prompts. TRL drops a last generation batch that is not full."""
    of = recipe.setting
    accumulation, device_rows = int(of("gradient_accumulation_steps")), int(of("per_device_train_batch_size"))
    if of("generation_batch_size"):
        rows = int(of("generation_batch_size"))
        slices = rows // (device_rows * processes)
    else:
        slices = int(of("steps_per_generation") or accumulation)
        rows = device_rows * processes * slices
    groups = rows // recipe.group
    reuse = slices * int(of("num_iterations")) / accumulation
    epochs = float(of("num_train_epochs"))
    batches = math.floor(prompts / groups) * epochs if groups else 0
    steps = int(of("max_steps"))
    if steps < 0:
        steps = round(batches * reuse)
    return Steps(steps, math.ceil(steps / reuse) if reuse else 0, rows, groups, reuse)


def memory_gb(recipe: Recipe, sizes: Sizes) -> dict[str, float]:
    """Estimate the gigabytes used on each GPU (or in main memory, if there is none), by purpose.

    All weights: 16 bytes per parameter (fp32 weights 4, gradients 4, Adam 8), divided among the GPUs. LoRA: the frozen
    weights on each GPU (2 bytes in bf16, 4 in fp32), and 16 bytes per adapter weight. A reference model (`beta` above
    0, all weights trained): 4 bytes per parameter, divided. Activations with checkpointing: 2 bytes x hidden x tokens x
    layers, and for one layer `LAYER_PEAK` bytes x hidden x tokens; without it `LAYER_KEPT` for every layer (twice as
    much in fp32). Logits take nothing: TRL computes log-probabilities in tiles of the vocabulary.
    On a CPU: the process itself, and what a GPU's kernels do not keep, attention matrices and logits in fp32.
    vLLM, if it shares the GPU with the trainer, takes its share.
    """
    shape, of = recipe.shape, recipe.setting
    gpus = max(1, shape.gpus)
    width = 2 if recipe.bf16 else 4
    tokens = int(of("per_device_train_batch_size")) * (recipe.data.max_prompt_tokens + recipe.completion_tokens)
    frozen = sizes.parameters * width + 16 * sizes.adapter
    weights = (frozen if recipe.lora else 16 * sizes.parameters / gpus) / GB
    compared = float(of("beta")) > 0 and not recipe.lora  # LoRA's reference is the model without its adapter
    unit = sizes.hidden * tokens * width / 2 / GB
    checkpointed = bool(of("gradient_checkpointing"))
    activations = (2 * sizes.layers + LAYER_PEAK) if checkpointed else LAYER_KEPT * sizes.layers
    rows, length = int(of("per_device_train_batch_size")), recipe.data.max_prompt_tokens + recipe.completion_tokens
    kept = 0 if checkpointed else rows * sizes.heads * length**2 * sizes.layers
    on_cpu = 4 * (kept + 3 * rows * recipe.completion_tokens * sizes.vocabulary) / GB
    share = float(of("vllm_gpu_memory_utilization")) * shape.gpu_gb
    colocated = bool(of("use_vllm")) and of("vllm_mode") == "colocate"
    return {
        "weights, gradients, optimizer": weights,
        "reference model": 4 * sizes.parameters / gpus / GB if compared else 0.0,
        "activations": activations * unit,
        "libraries, attention, logits": 0.0 if shape.gpus else LIBRARIES_GB + on_cpu,
        "vLLM": share if colocated else 0.0,
    }


def checkpoint_gb(recipe: Recipe, sizes: Sizes) -> float:
    """Gigabytes of one checkpoint: fp32 weights (twice under FSDP) and Adam's 8 bytes; with LoRA, of the adapter."""
    return (12 * sizes.adapter if recipe.lora else 16 * sizes.parameters) / GB


def response_tokens(recipe: Recipe, targets: Sequence[int | None], ratio: float) -> float:
    """Assumed tokens of a response: the length asked for, plus half the reasoning cap if the policy reasons."""
    reasoning = recipe.reward.reasoning_cap / 2 if recipe.thinking else 0
    words = fmean([target or 1000 for target in targets]) if targets else 1000
    return min(float(recipe.completion_tokens), words * ratio + reasoning)


def step_seconds(recipe: Recipe, sizes: Sizes, found: Steps, tokens: float) -> dict[str, float]:
    """Seconds of one generation batch with its updates, by part.

    Generation: rollout tokens / (GPUs x decode_tokens_per_second). Judging: calls x JUDGE_SECONDS / concurrency, of
    the judge that takes longest.
    Updates: 8 FLOP x parameters x tokens (forward, backward, recomputed forward) / (GPUs x tflops), per iteration; 10
    with overlap, where the old log-probabilities need another forward pass.
    """
    shape, gpus = recipe.shape, max(1, recipe.shape.gpus)
    rollouts = found.rows - (found.groups if recipe.injects else 0)
    terms = asked_terms(recipe, held_out=False)
    waits = [
        sum(
            _calls(recipe, asked, found.rows) * sum(not is_proxy(name) for name in judge.models)
            for asked in terms.values()
            if asked.judge == judge
        )
        * JUDGE_SECONDS
        / judge.concurrency
        for judge in judges_of(terms.values())
    ]
    work = (
        (10 if recipe.setting("overlap") else 8)
        * sizes.parameters
        * found.rows
        * (tokens + recipe.data.max_prompt_tokens)
    )
    return {
        "generation": rollouts * tokens / (gpus * shape.decode_tokens_per_second),
        "judging": max(waits, default=0.0),
        "updates": work * int(recipe.setting("num_iterations")) / (gpus * shape.tflops * 1e12),
    }


def plan(
    recipe: Recipe, sizes: Sizes, targets: Sequence[int | None], references: int, held_out: int, ratio: float,
    processes: int, prices: Prices,
) -> dict[str, Any]:  # fmt: skip
    """The plan of a run over prompts with these target lengths, `references` of them with a human story, as plain data;
    `dollars` is None if a judge has no known price."""
    found = count_steps(recipe, len(targets), processes)
    tokens = response_tokens(recipe, targets, ratio)
    words = round(fmean([target or 1000 for target in targets])) if targets else 1000
    # with a warm-up the weight is 0 in the first batch, which then has rollouts only
    warm = int(recipe.setting("hri_warmup_steps")) > 0 and not float(recipe.setting("hri_nll"))
    injected = max(0, found.batches - warm) * found.groups if recipe.injects else 0
    rollouts = found.batches * found.rows - injected
    every = recipe.validation.every
    validations = (found.steps // every + 1 + (found.steps % every > 0)) if held_out else 0
    judged = [
        _judging(use, name, asked, _calls(recipe, asked, rows), words, prices)
        for use, rows, of_held_out in (
            ("train", found.batches * found.rows, False),
            ("held out", validations * held_out, True),
        )
        for name, asked in asked_terms(recipe, of_held_out).items()
    ]
    seconds = step_seconds(recipe, sizes, found, tokens)
    memory = memory_gb(recipe, sizes)
    before = _warm_start(recipe, sizes, references, tokens)
    known = [row["dollars"] for row in judged]
    both = max(seconds["generation"], seconds["judging"]) if recipe.setting("overlap") else None
    batch = sum(seconds.values()) if both is None else both + seconds["updates"]
    return {
        "recipe": recipe.name,
        "model": recipe.model,
        "prompts": len(targets),
        "held_out": held_out,
        "processes": processes,
        "steps": found.steps,
        "generation_batches": found.batches,
        "steps_a_batch": found.per_batch,
        "prompts_a_batch": found.groups,
        "rollouts": rollouts,
        "references": injected,
        "rollout_tokens": round(rollouts * tokens),
        "validations": validations,
        "reward": told_reward(recipe),
        "judges": judged,
        "dollars": None if None in known else round(sum(known), 2),
        "memory_gb": {name: round(size, 1) for name, size in memory.items()},
        "memory_total_gb": round(sum(memory.values()), 1),
        "memory_of_gb": recipe.shape.gpu_gb,
        "checkpoint_gb": round(checkpoint_gb(recipe, sizes), 2),
        "warm_start": before,
        "batch_seconds": round(batch, 1),
        "hours": round((found.batches * batch + (before["seconds"] if before else 0)) / 3600, 2),
        "seconds_a_batch": {name: round(value, 1) for name, value in seconds.items()},
    }


def _warm_start(recipe: Recipe, sizes: Sizes, references: int, tokens: float) -> dict[str, float] | None:
    """Steps and seconds of the warm start: 8 FLOP x parameters x tokens, as an update of GRPO."""
    if recipe.sft is None:
        return None
    work = 8 * sizes.parameters * references * recipe.sft.epochs * (tokens + recipe.data.max_prompt_tokens)
    steps = math.ceil(math.ceil(references / recipe.sft.batch) * recipe.sft.epochs)
    return {"steps": steps, "seconds": round(work / (max(1, recipe.shape.gpus) * recipe.shape.tflops * 1e12), 1)}


def told_reward(recipe: Recipe) -> str:
    """The reward as a formula: what is in its bounds, and what is subtracted after them."""
    parts = {name: term.weight for name, term in recipe.reward.terms.items() if term.weight}
    after = {name: parts.pop(name) for name in AFTER_CLIP if name in parts}

    def signed(weights: Mapping[str, float]) -> str:
        signs = [weight < 0 or name in MEASURES for name, weight in weights.items()]
        told = [
            f"{'− ' if minus else '+ '}{abs(w):g} {n}" for minus, (n, w) in zip(signs, weights.items(), strict=True)
        ]
        return " ".join(told)

    inside = signed(parts).removeprefix("+ ")
    times = ", times tokens" if recipe.reward.score == "sum" else ""
    return " ".join(filter(None, (f"{inside or 0} within ±{recipe.reward.clip:g}{times}", signed(after))))


def _calls(recipe: Recipe, asked: Asked, rows: int) -> int:
    """Judgments of so many rows by one judge: one each, or, compared with the others of the group, both orders of each
    pair."""
    return rows * (recipe.group - 1) if asked.relative else rows


def _judging(use: str, name: str, asked: Asked, judgments: int, words: int, prices: Prices) -> dict[str, Any]:
    spec = asked.judge
    read, written = judgment_tokens(asked.rubric, 2 * words if asked.relative else words)
    calls = judgments * len(spec.models)
    known = [price for judge in spec.models if (price := prices.find(judge)) is not None]
    dollars = None
    if len(known) == len(spec.models):
        each = sum(read * price.input + written * price.output for price in known)
        dollars = round(judgments * each / 1e6 * spec.price_factor, 2)
    return {"use": use, "term": name, "judge": spec.name, "calls": calls, "tokens_in": calls * read,
            "tokens_out": calls * written, "dollars": dollars}  # fmt: skip


def show(found: dict[str, Any], notes: Sequence[str], console: Console) -> None:
    """Print a plan as a table."""
    table = Table(title=escape(f"{found['recipe']}: {found['model']}"), title_justify="left", show_header=False)
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    table.add_row("prompts", f"{found['prompts']:,} to train on, {found['held_out']:,} held out")
    table.add_row("steps", f"{found['steps']:,} updates from {found['generation_batches']:,} batches of "
                  f"{found['prompts_a_batch']} prompts, on {found['processes']} process(es)")  # fmt: skip
    if found["warm_start"]:
        warm = found["warm_start"]
        table.add_row(
            "warm start", f"{warm['steps']:,} updates on the human stories first, about {warm['seconds']:,} s"
        )
    table.add_row("rollouts", f"{found['rollouts']:,}, about {found['rollout_tokens']:,} tokens; "
                  f"{found['references']:,} human references beside them")  # fmt: skip
    table.add_row("reward", escape(found["reward"]))
    for row in found["judges"]:
        cost = "no known price" if row["dollars"] is None else f"${row['dollars']:,.2f}"
        told = f"{row['calls']:,} judgments, {row['tokens_in']:,} tokens in, {row['tokens_out']:,} out, {cost}"
        told = f"{marked(row['judge'])}: {told}; reasoning and retries not included"
        table.add_row(f"{row['use']}: {row['term']}", escape(told))
    where = "main memory" if found["memory_gb"]["vLLM"] == 0 and found["memory_of_gb"] < 40 else "each GPU"
    parts = ", ".join(f"{name} {size}" for name, size in found["memory_gb"].items() if size)
    table.add_row("memory", f"about {found['memory_total_gb']} of {found['memory_of_gb']:g} GB on {where} ({parts})")
    table.add_row("disk", f"{found['checkpoint_gb']} GB per checkpoint")
    seconds = ", ".join(f"{name} {value:g} s" for name, value in found["seconds_a_batch"].items())
    table.add_row("time", f"about {found['hours']:g} hours ({found['batch_seconds']:g} s per batch: {seconds}); "
                  "estimated, see trainers/TRAINING.md")  # fmt: skip
    for note in notes:
        table.add_row("note", escape(note))
    console.print(table)

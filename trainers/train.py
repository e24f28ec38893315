"""TRL at work on a checked run."""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import Any

from accelerate import PartialState
from rich.console import Console
from transformers.trainer_callback import PrinterCallback, ProgressCallback
from transformers.utils.logging import disable_progress_bar

from .curves import write_curves
from .hri import HRIConfig, HRITrainer
from .recipe import Recipe
from .reward import HELD_OUT, TRAIN, Judging, Reward
from .run import Job, answer_opening, model_source, open_folder, rank, step_of
from .samples import write_samples
from .watch import JudgeLost, Watch


def train(job: Job, console: Console) -> str | None:
    """Train, from the last checkpoint where there is one. Returns why it stopped early, or None.

    The run's folder then holds the checkpoints, `metrics.jsonl`, `rewards.jsonl`, the stories of the held-out
    prompts, `samples.md` and the plots.

    Raises:
        UserError: the folder is another run's, or the loss is no number any more.
    """
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    disable_progress_bar()  # of loading weights
    warnings.simplefilter("ignore", FutureWarning)  # of transformers about names that TRL uses
    recipe, folder = job.recipe, job.options.folder
    config = trl_config(recipe, folder, len(job.pairs.held_out))
    with PartialState().main_process_first():
        checkpoint = open_folder(job)
    quiet = Console(quiet=True) if rank() else console
    if checkpoint is not None and step_of(checkpoint) >= job.plan["steps"]:
        quiet.print(f"{folder} is finished: {checkpoint.name} is its last checkpoint")
        return None
    weights = {TRAIN: recipe.reward.weights, HELD_OUT: recipe.validation.weights}
    specs = {TRAIN: recipe.judge, HELD_OUT: recipe.validation.judge}
    judges = {phase: Judging.of(specs[phase], model, job.prices, weights[phase]) for phase, model in job.judges.items()}
    reward = Reward(recipe, judges, job.tokenizer, answer_opening(job), set(), folder, rank())
    per_batch = job.plan["steps"] / max(1, job.plan["generation_batches"])
    watch = Watch(folder, reward, recipe.stop, job.options.max_cost, per_batch, quiet)
    trainer = HRITrainer(
        model=model_source(recipe),
        reward_funcs=reward,
        args=config,
        train_dataset=job.pairs.train,
        eval_dataset=job.pairs.held_out if len(job.pairs.held_out) else None,
        processing_class=job.tokenizer,
        peft_config=lora_config(recipe),
        callbacks=[watch],
        before_update=watch.before_update,
    )
    reward.ends = {*trainer.eos_token_ids, job.tokenizer.pad_token_id}
    for noisy in (PrinterCallback, ProgressCallback):
        trainer.remove_callback(noisy)
    if checkpoint is not None:
        quiet.print(f"going on from {checkpoint}")
    try:
        trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    except JudgeLost as lost:
        kept = _keep(trainer, watch, folder)
        watch.stopped = f"the judge {recipe.judge.model} does not answer ({lost}); {kept}"
    finally:
        watch.restore_signals()
        if rank() == 0:
            write_samples(folder)
            write_curves(folder, f"{recipe.name}: {recipe.model}, judged by {recipe.judge.model}")
    return watch.stopped


def trl_config(recipe: Recipe, folder: Path, held_out: int) -> HRIConfig:
    """TRL's configuration of a recipe."""
    dtype = "bfloat16" if recipe.lora and recipe.bf16 else "float32"
    settings: dict[str, Any] = {"logging_steps": 1, "report_to": "none", "save_steps": 500, **recipe.trl}
    if held_out:
        settings |= {
            "eval_strategy": "steps",
            "eval_steps": recipe.validation.every,
            "eval_on_start": True,
            "num_generations_eval": 1,
            "per_device_eval_batch_size": settings.get("per_device_eval_batch_size", 8),
        }
    return HRIConfig(
        output_dir=str(folder),
        remove_unused_columns=False,
        model_init_kwargs={"dtype": dtype},
        validation_sampling=recipe.validation.sampling or None,
        save_strategy="steps",
        log_completions=True,
        num_completions_to_print=0,
        disable_tqdm=True,
        # one process may wait for another's judge: longer than a batch can take
        ddp_timeout=max(1800, int(2 * max(recipe.judge.batch_timeout, recipe.validation.judge.batch_timeout))),
        **settings,
    )


def lora_config(recipe: Recipe) -> Any:
    """PEFT's configuration, or None for all weights."""
    if recipe.lora is None:
        return None
    from peft import LoraConfig

    return LoraConfig(task_type="CAUSAL_LM", **recipe.lora.model_dump())


def _keep(trainer: Any, watch: Watch, folder: Path) -> str:
    """Write the checkpoint of the step before the batch that could not be judged."""
    step = trainer.state.global_step
    if step == 0:
        return "nothing was trained yet"
    if not (folder / f"checkpoint-{step}" / "trainer_state.json").is_file():
        watch.rewind()
        trainer._save_checkpoint(trainer.model, trial=None)
    return f"everything up to step {step} is kept in {folder / f'checkpoint-{step}'}"

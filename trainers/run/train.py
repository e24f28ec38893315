"""Train a checked run with TRL."""

from __future__ import annotations

import sys
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import Any

from accelerate import PartialState
from rich.console import Console
from transformers.trainer_callback import PrinterCallback, ProgressCallback
from transformers.utils.logging import disable_progress_bar

from ...harness.errors import UserError
from ..answers import opened_reasoning
from ..hri import HRITrainer, OverlapTrainer
from ..models import first_line, model_path
from ..pairs import prompt_tokens
from ..reward.batch import Reward
from ..reward.judged import rewarders
from ..reward.ledger import TRAIN, Ledger
from ..sft import warm_start
from .config import lora_config, sft_settings, trl_config
from .curves import write_curves, write_losses
from .folder import is_full, last_checkpoint, open_folder, step_of
from .prepare import Job
from .processes import quiet_tokenizers, rank
from .samples import has_stalled, select, told, write_samples
from .watch import JudgeLost, Watch


def train(job: Job, console: Console) -> str | None:
    """Train, from the last checkpoint if there is one. Returns why it stopped early, or None.

    The run's folder then holds the checkpoints, `metrics.jsonl`, `rewards.jsonl`, the stories of the held-out
    prompts, `samples.md` and the plots.

    Raises:
        UserError: the folder belongs to another run, the gradient is not finite, or the disk is full.
    """
    quiet_tokenizers()
    disable_progress_bar()  # of loading weights
    recipe, folder = job.recipe, job.options.folder
    config = trl_config(recipe, folder, len(job.pairs.held_out))
    with PartialState().main_process_first():
        checkpoint = open_folder(folder, recipe, job.plan)
    config.eval_on_start = config.eval_strategy != "no" and checkpoint is None
    quiet = Console(quiet=True) if rank() else console
    done = step_of(checkpoint) if checkpoint else 0
    if checkpoint is not None and done >= job.plan["steps"]:
        quiet.print(f"{folder} is finished: {checkpoint.name} is its last checkpoint")
        return None
    asked = recipe.validation
    found = select(folder, asked.metric, done) if checkpoint is not None else None
    if found is not None and has_stalled(found, asked.patience):
        quiet.print(f"{folder} is finished: it was stopped early; {told(found)}")
        return None
    first = prompt_tokens(recipe, job.tokenizer, job.pairs.train[0]["prompt"])
    opening = opened_reasoning(job.tokenizer, first)
    ledger = Ledger(folder, rank(), recipe.name)
    watch = Watch(folder, ledger, recipe, job.options.max_cost, job.plan, done, quiet)
    reward = Reward(
        recipe, job.judging, job.functions, job.tokenizer, opening, set(), ledger, watch.activity.say
    )  # fmt: skip
    if watch.stopped:
        return watch.stopped
    try:
        model, lora = _start(job, quiet)
        if not isinstance(model, str):
            config.model_init_kwargs = None  # it is loaded already
        kind = OverlapTrainer if recipe.setting("overlap") else HRITrainer
        trainer = kind(
            model=model,
            reward_funcs=reward,
            args=config,
            train_dataset=job.pairs.train,
            eval_dataset=job.pairs.held_out if len(job.pairs.held_out) else None,
            processing_class=job.tokenizer,
            peft_config=lora,
            callbacks=[watch],
            before_update=watch.before_update,
            activity=watch.activity.say,
        )
    except OSError as error:  # raised by transformers for missing weights
        raise UserError(f"model {recipe.model} cannot be loaded: {first_line(error)}") from None
    reward.ends = {*trainer.eos_token_ids, job.tokenizer.pad_token_id}
    for noisy in (PrinterCallback, ProgressCallback):
        trainer.remove_callback(noisy)
    if checkpoint is not None:
        quiet.print(f"continuing from {checkpoint}")
    try:
        trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    except JudgeLost as lost:
        kept = _keep(trainer, watch, folder)
        why = f"{lost}: {reward.trouble}" if reward.trouble else str(lost)
        # one term, and so one judge, that could be at fault
        alone = len(job.judging[TRAIN]) == 1 and not job.functions
        what = f"the judge {rewarders(recipe)} does not answer" if alone else "the stories have no reward"
        watch.stopped = f"{what} ({why}); {kept}"
    except Exception as error:  # torch and safetensors raise errors of their own where a file cannot be written
        if isinstance(error, UserError) or not is_full(folder, error):
            raise
        last = last_checkpoint(folder)
        up_to = f"everything up to {last.name} is kept" if last else "nothing was trained yet"
        raise UserError(f"{folder}: the disk is full; {up_to}. Make room, and run the same command again") from None
    finally:
        watch.restore_signals()
        # on a full disk the error is what counts, not that the plots cannot be written either
        failing = sys.exc_info()[0] is not None
        with suppress(OSError) if failing else nullcontext():
            if rank() == 0:
                write_samples(folder, recipe.validation.judge.name)
                write_curves(folder, f"{recipe.name}: {recipe.model}, judged by {rewarders(recipe)}")
    return watch.stopped


def _start(job: Job, console: Console) -> tuple[Any, Any]:
    """The model that GRPO starts from, and PEFT's configuration of a new adapter, or None.

    After a warm start, that is the fine-tuned model, or the base with the fine-tuned adapter.
    """
    recipe, lora = job.recipe, lora_config(job.recipe)
    if recipe.sft is None:
        return model_path(recipe.model), lora

    def prompt_ids(prompt: Any) -> list[int]:
        return prompt_tokens(recipe, job.tokenizer, prompt)

    def tell(told: str) -> None:
        console.print(told, highlight=False)

    rows = [row for row in job.pairs.train if row["reference"]]
    settings = sft_settings(recipe, len(rows))
    folder = job.options.folder / "sft"
    warm = warm_start(folder, model_path(recipe.model), rows, prompt_ids, job.tokenizer, lora, settings, tell)
    if rank() == 0:
        write_losses(folder)
    if lora is None:
        return str(warm), None
    from peft import PeftModel
    from trl.trainer.utils import create_model_from_path

    base = create_model_from_path(model_path(recipe.model), **settings["model_init_kwargs"], device_map=None)
    return PeftModel.from_pretrained(base, str(warm), is_trainable=True), None


def _keep(trainer: Any, watch: Watch, folder: Path) -> str:
    """Write the checkpoint of the step before the batch that could not be judged."""
    step = trainer.state.global_step
    if step == 0:
        return "nothing was trained yet"
    kept = (folder / f"checkpoint-{step}" / "trainer_state.json").is_file()
    trainer.accelerator.wait_for_everyone()  # before the first process writes what the others look for
    if not kept:
        watch.rewind(trainer.state)
        trainer._save_checkpoint(trainer.model, trial=None)
    return f"everything up to step {step} is kept in {folder / f'checkpoint-{step}'}"

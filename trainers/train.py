"""TRL at work on a checked run."""

from __future__ import annotations

import math
import os
import warnings
from pathlib import Path
from typing import Any

from accelerate import PartialState
from rich.console import Console
from transformers.trainer_callback import PrinterCallback, ProgressCallback
from transformers.utils.logging import disable_progress_bar

from ..harness.errors import UserError
from ..harness.models.lexical import marked
from .checks import per_process, processes, rank
from .curves import write_curves
from .folder import open_folder, step_of
from .hri import HRIConfig, HRITrainer, opens_reasoning
from .models import first_line, model_path
from .pairs import prompt_tokens
from .recipe import Recipe
from .reward import HELD_OUT, TRAIN, Judging, Reward
from .run import Job
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
        checkpoint = open_folder(folder, recipe, job.plan)
    config.eval_on_start = config.eval_strategy != "no" and checkpoint is None
    quiet = Console(quiet=True) if rank() else console
    done = step_of(checkpoint) if checkpoint else 0
    if checkpoint is not None and done >= job.plan["steps"]:
        quiet.print(f"{folder} is finished: {checkpoint.name} is its last checkpoint")
        return None
    weights = {TRAIN: recipe.reward.weights, HELD_OUT: recipe.validation.weights}
    specs = {TRAIN: recipe.judge, HELD_OUT: recipe.validation.judge}
    judges = {
        phase: Judging.of(per_process(specs[phase]), model, job.prices, weights[phase])
        for phase, model in job.judges.items()
    }
    first = prompt_tokens(recipe, job.tokenizer, job.pairs.train[0]["prompt"])
    opening = "<think>\n" if opens_reasoning(job.tokenizer, first) else ""
    reward = Reward(recipe, judges, job.tokenizer, opening, set(), folder, rank())
    watch = Watch(folder, reward, recipe, job.options.max_cost, job.plan, done, quiet)
    if watch.stopped:
        return watch.stopped
    try:
        trainer = HRITrainer(
            model=model_path(recipe.model),
            reward_funcs=reward,
            args=config,
            train_dataset=job.pairs.train,
            eval_dataset=job.pairs.held_out if len(job.pairs.held_out) else None,
            processing_class=job.tokenizer,
            peft_config=lora_config(recipe),
            callbacks=[watch],
            before_update=watch.before_update,
        )
    except OSError as error:  # what transformers raises for weights that are not there
        raise UserError(f"model {recipe.model} cannot be loaded: {first_line(error)}") from None
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
            write_samples(folder, recipe.validation.judge.model)
            write_curves(folder, f"{recipe.name}: {recipe.model}, judged by {marked(recipe.judge.model)}")
    return watch.stopped


def trl_config(recipe: Recipe, folder: Path, held_out: int, check: bool = False) -> HRIConfig:
    """TRL's configuration of a recipe; with `check` one that any machine can make, to see whether TRL takes it."""
    dtype = "bfloat16" if recipe.lora and recipe.bf16 else "float32"
    settings: dict[str, Any] = {"logging_steps": 1, "report_to": "none", "save_steps": 500, **recipe.trl}
    if held_out:
        settings |= {
            "eval_strategy": "steps",
            "eval_steps": recipe.validation.every,
            "num_generations_eval": 1,
            # no larger than needed: the last batch is filled up with prompts that were there before
            "per_device_eval_batch_size": min(8, math.ceil(held_out / processes())),
        }
    if check:
        settings |= {"use_cpu": True, "use_vllm": False}
    return HRIConfig(
        output_dir=str(folder),
        remove_unused_columns=False,
        model_init_kwargs={"dtype": dtype},
        validation_sampling=recipe.validation.sampling.model_dump(exclude_none=True) or None,
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

    return LoraConfig(task_type="CAUSAL_LM", **recipe.lora.model_dump(exclude_none=True))


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

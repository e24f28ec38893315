"""Warm start: plain fine-tuning on the human stories before GRPO, with TRL's SFTTrainer."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from transformers import TrainerCallback
from transformers.trainer_callback import PrinterCallback, ProgressCallback
from transformers.trainer_utils import get_last_checkpoint
from trl import SFTConfig, SFTTrainer

LOG = "metrics.jsonl"
_MODEL = "model"  # complete once it is there


class _Log(TrainerCallback):  # type: ignore[misc]
    """Write the loss of each step to a file, and tell it."""

    def __init__(self, path: Path, tell: Callable[[str], None]) -> None:
        self.path, self.tell = path, tell

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **_: Any) -> None:
        if state.is_world_process_zero and logs and "loss" in logs:
            row = {"step": state.global_step, "epoch": logs.get("epoch"), "loss": logs["loss"]}
            with self.path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(row) + "\n")
            self.tell(f"warm start, step {state.global_step}/{state.max_steps}: loss {logs['loss']:.3f}")


def warm_model(folder: Path) -> Path | None:
    """The model or adapter that a finished warm start has left in a folder, or None."""
    return folder / _MODEL if (folder / _MODEL).is_dir() else None


def warm_start(
    folder: Path, model: str, rows: Any, prompt_ids: Callable[[Any], list[int]], tokenizer: Any, lora: Any,
    settings: dict[str, Any], tell: Callable[[str], None],
) -> Path:  # fmt: skip
    """Fine-tune a model on the references of the training rows, from the last checkpoint if there is one.

    The loss is that of the reference's tokens alone.

    Args:
        folder: where checkpoints, losses and the result go.
        model: the model's name or path.
        rows: training rows, as `pairs.load_pairs` returns them; those without a reference are left out.
        prompt_ids: gives the tokens of a row's prompt.
        lora: PEFT's configuration, or None to train all weights.
        settings: settings of TRL's SFTConfig.
        tell: is told of every step.

    Returns:
        The folder of the fine-tuned model, or of its adapter.
    """
    found = warm_model(folder)
    if found is not None:
        return found
    trainer = SFTTrainer(
        model=model, args=SFTConfig(output_dir=str(folder), **settings), train_dataset=_examples(rows, prompt_ids),
        processing_class=tokenizer, peft_config=lora, callbacks=[_Log(folder / LOG, tell)],
    )  # fmt: skip
    for noisy in (PrinterCallback, ProgressCallback):
        trainer.remove_callback(noisy)
    folder.mkdir(parents=True, exist_ok=True)
    trainer.train(resume_from_checkpoint=get_last_checkpoint(str(folder)))
    unfinished = folder / f"{_MODEL}.unfinished"
    trainer.save_model(str(unfinished))
    trainer.accelerator.wait_for_everyone()
    if trainer.is_world_process_zero():
        unfinished.replace(folder / _MODEL)
        for checkpoint in folder.glob("checkpoint-*"):
            shutil.rmtree(checkpoint)
    trainer.accelerator.wait_for_everyone()
    return folder / _MODEL


def _examples(rows: Any, prompt_ids: Callable[[Any], list[int]]) -> Any:
    from datasets import Dataset

    made = []
    for row in rows:
        if row["reference"]:
            prompt = prompt_ids(row["prompt"])
            mask = [0] * len(prompt) + [1] * len(row["reference"])
            made.append({"input_ids": [*prompt, *row["reference"]], "completion_mask": mask})
    return Dataset.from_list(made)

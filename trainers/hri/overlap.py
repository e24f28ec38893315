"""Write the next batch while this one is judged.

While the judges of a batch are awaited, the trainer writes the stories of the next one, with the weights it has then:
so every batch but the first of an epoch is written by weights one update old. Their log-probabilities under those
weights are kept, and the policy's ratio is taken against them, as TRL does where a batch serves several updates.
Without an update in between (learning rate 0), everything is as without overlap.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from transformers.trainer_utils import PREFIX_CHECKPOINT_DIR
from trl.trainer.utils import is_async_callable, pad

from ...harness.errors import UserError
from .trainer import HRITrainer


@dataclass(frozen=True)
class _Written:
    """Completions written ahead: this process's prompts and completions as tokens, the sampler's log-probabilities (or
    None), and those of the weights that wrote them, (rows, tokens), unless TRL corrects for the sampler itself."""

    prompts: list[list[int]]
    completions: list[list[int]]
    sampled: list[list[float | None]] | None
    logps: Any


class OverlapTrainer(HRITrainer):
    """HRITrainer that writes the next batch while this one is judged. Its one reward function must be asynchronous.

    A checkpoint holds what was written ahead, so that a run continues exactly.
    """

    reward_funcs: list[Any]
    _rows: list[dict[str, Any]] | None = None  # of the next batch
    _iterator: Iterator[Any] | None = None
    _fetched: Any = None  # the next result of get_batch_samples
    _written: _Written | None = None  # for the next batch
    _taken: _Written | None = None  # for this batch

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        functions: list[Any] = self.reward_funcs
        if len(functions) != 1 or not is_async_callable(functions[0]):
            raise UserError("trl.overlap needs one reward function, which is asynchronous")
        self.reward_funcs = [functools.partial(self._judge, functions[0])]

    def get_batch_samples(self, epoch_iterator: Iterator[Any], num_batches: int, device: Any) -> Any:
        """Fetch rows one update ahead; after the last of an epoch there are none."""
        if epoch_iterator is not self._iterator:
            self._iterator = epoch_iterator
            self._fetched = super().get_batch_samples(epoch_iterator, num_batches, device)
        current = self._fetched
        self._fetched = super().get_batch_samples(epoch_iterator, num_batches, device)
        self._rows = self._fetched[0][0] if self._fetched[0] else None
        return current

    def _judge(self, function: Any, **columns: Any) -> Any:
        """Have a batch judged, and write the next one meanwhile."""
        judging = asyncio.run_coroutine_threadsafe(function(**columns), self.async_loop)
        if self.model.training:
            self._write_ahead()
        return judging.result()

    def _write_ahead(self) -> None:
        step = self.state.global_step + 1
        if not self._rows or step >= self.state.max_steps:
            return
        current, self._batch = self._batch, self._injected(self._rows, step)
        try:
            prompts, images, fields = self._tokenize_prompts([row["prompt"] for row in self._rows])
            ids, sampled = super()._generate_single_turn(prompts, images, fields, self.num_generations)
        finally:
            self._batch = current
        corrected = self.use_vllm and self.vllm_importance_sampling_correction
        self._written = _Written(prompts, ids, sampled, None if corrected else self._logps_of(prompts, ids))

    def _logps_of(self, prompts: list[list[int]], ids: list[list[int]]) -> Any:
        """Log-probabilities of completions under the present weights, padded as TRL pads a batch."""

        def padded(rows: list[list[int]], side: str) -> tuple[Any, Any]:
            tensors = [torch.tensor(row) for row in rows]
            shape = {"padding_side": side, "pad_to_multiple_of": self.pad_to_multiple_of}
            masks = pad([torch.ones_like(row) for row in tensors], padding_value=0, **shape)
            tokens = pad(tensors, padding_value=self._tokenizer.pad_token_id, **shape)
            return tokens.to(self.accelerator.device), masks.to(self.accelerator.device)

        asked, asked_mask = padded(prompts, "left")
        written, written_mask = padded(ids, "right")
        with torch.no_grad():
            logps: Any = self._get_per_token_logps_and_entropies(
                self.model,
                torch.cat([asked, written], dim=1),
                torch.cat([asked_mask, written_mask], dim=1),
                written.size(1),
                self.args.per_device_train_batch_size,
            )[0]
        return logps

    def _generate_single_turn(self, prompt_ids: list[list[int]], *args: Any, **kwargs: Any) -> Any:
        """Take what was written ahead for these prompts, if it was."""
        if not self.model.training:
            return super()._generate_single_turn(prompt_ids, *args, **kwargs)
        self._taken, self._written = self._written, None
        if self._taken is not None and self._taken.prompts == prompt_ids:
            return self._taken.completions, self._taken.sampled
        self._taken = None
        return super()._generate_single_turn(prompt_ids, *args, **kwargs)

    def _generate_and_score_completions(self, inputs: list[dict[str, Any]]) -> dict[str, Any]:
        """Give TRL the log-probabilities under the weights that wrote the batch."""
        try:
            output = super()._generate_and_score_completions(inputs)
        except Exception:
            self._written = self._taken  # a checkpoint written now is of the step before this batch
            raise
        if self.model.training and self._taken is not None and self._taken.logps is not None:
            output["old_per_token_logps"] = self._taken.logps
        return output

    def _ahead_file(self, checkpoint: str | Path) -> Path:
        return Path(checkpoint) / f"ahead-{self.accelerator.process_index}.pt"

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        if self._written is not None:
            file = self._ahead_file(
                Path(self._get_output_dir(trial=trial)) / f"{PREFIX_CHECKPOINT_DIR}-{self.state.global_step}"
            )
            file.parent.mkdir(parents=True, exist_ok=True)
            torch.save(asdict(self._written), file)
        super()._save_checkpoint(model, trial)

    def _load_optimizer_and_scheduler(self, checkpoint: str | None) -> None:
        super()._load_optimizer_and_scheduler(checkpoint)
        if checkpoint is None:
            return
        file = self._ahead_file(checkpoint)
        here = torch.tensor([float(file.is_file())], device=self.accelerator.device)
        found = self.accelerator.gather(here)
        if 0 < found.sum() < len(found):  # processes that write and processes that do not would wait for each other
            raise UserError(f"{checkpoint}: not every process finds its file of what was written ahead ({file.name})")
        if here.item():
            kept = torch.load(file, map_location=self.accelerator.device, weights_only=True)
            self._written = _Written(**kept)

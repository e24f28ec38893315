"""Human-reference injection (HRI) for TRL's GRPO: every group has one human-written story besides the rollouts.

Each group of G rows has G - 1 rollouts of the policy and, as its last row, one teacher-forced reference. The mean and
standard deviation are those of the rollouts alone, and the reference's advantage is
w(step) * (r_ref - mean) / (std + 1e-4). With `hri_nll`, the references' mean negative log-likelihood per token is added
to the loss, with that weight, and they are injected from the first step. While both are 0, in evaluation, and for a row
without a reference, the group is G rollouts and the results are bit-identical to those of the parent class (except for
`validation_sampling`).

Written for trl 1.16.0, whose private methods it overrides; before using another version, run
tests/trainers/test_hri.py.
TRL's `entropy`, `clip_ratio/*` and `num_tokens` still count the references.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from accelerate.utils import gather
from torch.utils.data import Sampler
from trl import GRPOTrainer
from trl.trainer.utils import RepeatSampler, nanstd

from ...harness.errors import UserError
from .config import EPS, MIN_GROUP


@dataclass
class _Batch:
    """A generation batch with references: this process's rows, which of them are references, and the rewards."""

    rows: list[dict[str, Any]]
    mask: list[bool]
    rewards: Any = None  # gathered, (all rows, functions)
    references: Any = None  # gathered, (all rows,)


class _Sampler(Sampler):  # type: ignore[misc]
    """TRL's order of prompts, kept when a run is resumed in a later epoch.

    TRL draws one permutation per epoch from one generator, which a resumed run would restart.
    """

    def __init__(self, plain: RepeatSampler, epoch: Callable[[], float]) -> None:
        self.plain, self.epoch = plain, epoch

    def __iter__(self) -> Iterator[int]:
        if self.plain.shuffle:
            self.plain.generator.manual_seed(self.plain.seed)
            for _ in range(int(self.epoch())):
                torch.randperm(self.plain.num_samples, generator=self.plain.generator)
        yield from self.plain

    def __len__(self) -> int:
        return len(self.plain)


class HRITrainer(GRPOTrainer):  # type: ignore[misc]
    """GRPOTrainer with human-reference injection.

    Training rows hold the reference's tokens in `reference` (without the end token if they were cut to the
    limit); an empty list or None means no reference. Reward functions get a column `is_reference`.

    `before_update`, if given, is called with the gathered rewards of a training batch before they are used, of shape
    (all rows, functions) and NaN for a row that was not judged; it may raise. `activity`, if given, is told what this
    process is about to do.
    """

    _batch: _Batch | None = None  # None: nothing is injected
    _logps: Any = None  # of the completion's tokens, (rows, tokens), from the last forward pass

    def __init__(
        self,
        *args: Any,
        before_update: Callable[[Any], None] | None = None,
        activity: Callable[[str], None] = lambda told: None,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.before_update, self.activity = before_update, activity
        if not self.args.injects:
            return
        if self.num_generations < MIN_GROUP:
            raise UserError(
                f"a group of {self.num_generations} is too small for human-reference injection: it needs "
                f"{MIN_GROUP} rows or more, one reference and enough rollouts for a standard deviation"
            )
        if self.args.remove_unused_columns:
            raise UserError("human-reference injection needs remove_unused_columns=False: the reference is a column")
        if self.multi_objective_aggregation != "sum_then_normalize" or self.tools or self.rollout_func:
            raise UserError(
                "human-reference injection needs multi_objective_aggregation=sum_then_normalize, and no "
                "tools, environments or rollout_func"
            )

    def _get_train_sampler(self, dataset: Any = None) -> _Sampler:
        return _Sampler(super()._get_train_sampler(dataset), lambda: self.state.epoch or 0)

    def _generate_and_score_completions(self, inputs: list[dict[str, Any]]) -> dict[str, Any]:
        """Mark the references, let TRL do everything, then fill in their advantages."""
        train = self.model.training
        weight = self.args.hri_weight_at(self.state.global_step)
        self._batch = self._injected(inputs, self.state.global_step) if train else None
        mask = self._batch.mask if self._batch else [False] * len(inputs)
        inputs = [{**row, "is_reference": marked} for row, marked in zip(inputs, mask, strict=True)]
        self._log_completion_extra("is_reference", mask)
        try:
            output: dict[str, Any] = super()._generate_and_score_completions(inputs)
            if train:
                self._metrics["train"]["hri/weight"].append(weight)
            if self._batch:
                output["advantages"] = self._with_references(output["advantages"], weight)
                if self.args.hri_nll:
                    output |= self._marked(output["completion_mask"])
        finally:
            self._batch = None
        return output

    def _injected(self, rows: list[dict[str, Any]], step: int) -> _Batch | None:
        """The batch of these rows as it is at a step; None if nothing is injected then.

        That depends on the step alone, so it is the same on every process: the gathers below need all of them.
        """
        if not self.args.hri_weight_at(step) and not self.args.hri_nll:
            return None
        first = self.accelerator.process_index * len(rows)  # groups may span processes, so use global row indices
        last = self.num_generations - 1
        mask = [(first + i) % self.num_generations == last and bool(row.get("reference")) for i, row in enumerate(rows)]
        return _Batch(rows, mask)

    def _marked(self, completion_mask: Any) -> dict[str, Any]:
        """Which rows are references, and the number of their tokens in the whole batch, for the likelihood term."""
        assert self._batch is not None
        marked = torch.tensor(self._batch.mask, device=completion_mask.device)
        tokens = self.accelerator.gather((completion_mask * marked[:, None]).sum()).sum()
        return {"is_reference": marked, "reference_tokens": tokens}

    def _get_per_token_logps_and_entropies(self, *args: Any, **kwargs: Any) -> Any:
        """Remember the log-probabilities, for the likelihood term."""
        found = super()._get_per_token_logps_and_entropies(*args, **kwargs)
        self._logps = found[0]
        return found

    def _compute_loss(self, model: Any, inputs: dict[str, Any]) -> Any:
        """Add the references' mean negative log-likelihood per token, over all of a batch's references."""
        loss = super()._compute_loss(model, inputs)
        logps, self._logps = self._logps, None
        if "is_reference" not in inputs:
            return loss
        mask = inputs["completion_mask"] * inputs["is_reference"][:, None]
        lost = -(logps * mask).sum()
        # TRL's rule for a mean over all tokens of a generation batch, shared out among slices and processes
        share = self.current_gradient_accumulation_steps / self.args.steps_per_generation
        count = inputs["reference_tokens"].clamp(min=1) / self.accelerator.num_processes * share
        told = self.accelerator.reduce(torch.stack([lost.detach(), mask.sum().to(lost.dtype)]), reduction="sum")
        if told[1] > 0:
            self._metrics["train"]["hri/nll"].append((told[0] / told[1]).item())
        return loss + self.args.hri_nll * lost / count

    def _generate_single_turn(
        self, prompt_ids: list[list[int]], images: Any, multimodal_fields: Any, num_generations: int, *more: Any
    ) -> tuple[list[list[int]], Any]:
        """Generate for the rollouts only, and put the references' tokens in their places."""
        stories = len(prompt_ids) - (sum(self._batch.mask) if self._batch else 0)
        self.activity(f"writing {stories} stories")
        if self._batch is None:
            with self._sampling_of_validation():
                found: tuple[list[list[int]], Any] = super()._generate_single_turn(
                    prompt_ids, images, multimodal_fields, num_generations, *more
                )
            return found
        mask, rows = self._batch.mask, self._batch.rows
        prompts = [ids for ids, marked in zip(prompt_ids, mask, strict=True) if not marked]
        # generate() rejects an empty batch, and vLLM slices by the length of a process's batch: pad every batch to
        # the longest, and discard the surplus
        count = torch.tensor([len(prompts)], device=self.accelerator.device)
        prompts += [prompt_ids[0]] * (int(self.accelerator.gather(count).max()) - len(prompts))
        # one generation per prompt: vLLM's server mode would otherwise take every G-th prompt and ask for G
        written, logps = super()._generate_single_turn(prompts, images, multimodal_fields, 1, *more)
        rollouts = iter(written)
        ids = [list(row["reference"]) if marked else next(rollouts) for row, marked in zip(rows, mask, strict=True)]
        if logps is not None:
            # TRL reads None as NaN: the importance ratio is exactly 1, and the drift metrics skip the row
            sampled = iter(logps)
            logps = [[None] * len(one) if marked else next(sampled) for one, marked in zip(ids, mask, strict=True)]
        return ids, logps

    def _calculate_rewards(self, *args: Any, **kwargs: Any) -> Any:
        """Hide the references' rewards from TRL: its group statistics and metrics skip rows that are NaN."""
        rewards = super()._calculate_rewards(*args, **kwargs)
        if self.model.training and self.before_update is not None:
            self.before_update(rewards)
        if self._batch is None:
            return rewards
        self._batch.rewards = rewards
        self._batch.references = gather(torch.tensor(self._batch.mask, device=rewards.device))
        return rewards.masked_fill(self._batch.references[:, None], torch.nan)

    def _generate(self, prompts: list[Any]) -> Any:
        """Restrict TRL's length metrics to the rollouts."""
        output = super()._generate(prompts)
        if self._batch:
            ends = {*self.eos_token_ids, self._tokenizer.pad_token_id}
            rows = [
                [len(ids), ids[-1] in ends, marked] for ids, marked in zip(output[1], self._batch.mask, strict=True)
            ]
            gathered = self.accelerator.gather(torch.tensor(rows, device=self.accelerator.device)).T.float()
            policy = gathered[2] == 0
            lengths, ended = gathered[0][policy], gathered[1][policy].bool()
            finished = lengths[ended] if ended.any() else torch.zeros(1)
            metrics = self._metrics["train"]
            metrics["completions/clipped_ratio"][-1] = 1 - ended.float().mean().item()
            for name, values in (("length", lengths), ("terminated_length", finished)):
                for stat in ("mean", "min", "max"):
                    metrics[f"completions/{stat}_{name}"][-1] = getattr(values, stat)().item()
        return output

    def _get_grad_norm(self, *args: Any, **kwargs: Any) -> Any:
        """Return the gradient's norm. Raises UserError if it is not finite, before it reaches the weights."""
        norm = super()._get_grad_norm(*args, **kwargs)
        # in fp16 the scaler skips such steps itself; DeepSpeed has already made the step, so there it is one too late
        if norm is not None and not self.args.fp16 and not math.isfinite(norm):
            raise UserError(
                f"the gradient of step {self.state.global_step + 1} is {float(norm)}, so training stopped before it "
                "reached the weights; the last checkpoint is good. Lower trl.learning_rate, or train in bf16 or fp32"
            )
        return norm

    def _with_references(self, advantages: Any, weight: float) -> Any:
        """Fill the references' advantages into those of this process's rows, and log the HRI metrics."""
        assert self._batch is not None
        references, raw = self._batch.references, self._batch.rewards
        total = (raw * self.reward_weights.to(raw.device)).nansum(1).masked_fill(raw.isnan().all(1), torch.nan)
        rollouts = total.masked_fill(references, torch.nan).view(-1, self.num_generations)
        injected, reward = references.view(-1, self.num_generations)[:, -1], total.view(-1, self.num_generations)[:, -1]
        advantage = reward - rollouts.nanmean(1)
        if self.scale_rewards != "none":
            spread = nanstd(rollouts, dim=1) if self.scale_rewards == "group" else nanstd(rollouts)
            advantage = advantage / (spread + EPS)
        # a baseline needs at least two judged rollouts
        judged = injected & ~reward.isnan() & ((~rollouts.isnan()).sum(1) >= 2)
        advantage = advantage.nan_to_num(0.0).masked_fill(~judged, 0.0)
        if self.args.hri_bound is not None:
            advantage = advantage.clamp(-self.args.hri_bound, self.args.hri_bound)
        filled = torch.zeros_like(total).masked_scatter(references, (weight * advantage[injected]).to(total.dtype))
        first = self.accelerator.process_index * len(advantages)
        metrics = self._metrics["train"]
        metrics["hri/frac_groups_injected"].append(injected.float().mean().item())
        if judged.any():
            metrics["hri/reward"].append(reward[judged].mean().item())
            metrics["hri/advantage"].append(advantage[judged].mean().item())
            beats = reward > rollouts.nan_to_num(-torch.inf).amax(1)
            metrics["hri/frac_beats_rollouts"].append(beats[judged].float().mean().item())
        for row in references.nonzero().flatten().tolist():  # TRL's completions table has NaN there
            self._logs["advantages"][row - len(total)] = filled[row].item()
            for column, name in enumerate(self.reward_func_names):
                self._logs["rewards"][name][row - len(total)] = raw[row, column].item()
        return advantages + filled[first : first + len(advantages)]

    @contextmanager
    def _sampling_of_validation(self) -> Any:
        """In evaluation, apply the sampling settings given for it."""
        settings = (self.args.validation_sampling or {}) if not self.model.training else {}
        holder = self.vllm_generation if self.use_vllm else self.generation_config
        before = {name: getattr(holder, name) for name in settings}
        for name, value in settings.items():
            setattr(holder, name, value)
        try:
            yield
        finally:
            for name, value in before.items():
                setattr(holder, name, value)

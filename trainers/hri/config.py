"""Settings of human-reference injection, beside TRL's own."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from trl import GRPOConfig

EPS = 1e-4  # TRL's own, added to the standard deviation
MIN_GROUP = 3  # at least two rollouts, for a standard deviation


@dataclass
class HRIConfig(GRPOConfig):  # type: ignore[misc]
    """TRL's GRPOConfig with the settings of human-reference injection; with `hri_weight` and `hri_nll` 0 it is off."""

    hri_weight: float = field(default=0.4, metadata={"help": "Weight of the reference's advantage after warm-up."})
    hri_warmup_steps: int = field(default=15, metadata={"help": "Steps over which the weight rises from 0."})
    hri_decay_steps: int = field(default=0, metadata={"help": "Steps from warm-up to the final weight; 0: no decay."})
    hri_final_weight: float = field(default=0.0, metadata={"help": "Weight after the decay."})
    hri_schedule: str = field(default="linear", metadata={"help": "Shape of the decay: linear or cosine."})
    hri_bound: float | None = field(
        default=5.0,
        metadata={"help": "Bound on the reference's advantage before it is weighted. None: no bound."},
    )
    hri_nll: float = field(
        default=0.0,
        metadata={"help": "Weight of the references' negative log-likelihood, added to the loss. 0: none."},
    )
    overlap: bool = field(
        default=False,
        metadata={"help": "Write the next batch while this one is judged; its stories are then one update old."},
    )
    validation_sampling: dict[str, Any] | None = field(
        default=None, metadata={"help": "Sampling settings that differ in evaluation: temperature, top_p, top_k, …"}
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        wrong = {
            "hri_weight": self.hri_weight < 0,
            "hri_final_weight": self.hri_final_weight < 0,
            "hri_nll": self.hri_nll < 0,
            "hri_warmup_steps": self.hri_warmup_steps < 0,
            "hri_decay_steps": self.hri_decay_steps < 0,
            "hri_schedule": self.hri_schedule not in ("linear", "cosine"),
            "hri_bound": self.hri_bound is not None and self.hri_bound <= 0,
            "scale_rewards": self.scale_rewards not in ("group", "batch", "none"),
        }
        for name, bad in wrong.items():
            if bad:
                raise ValueError(f"{name}={getattr(self, name)!r} is not a valid value")
        if self.overlap and (self.steps_per_generation != self.gradient_accumulation_steps or self.num_iterations != 1):
            raise ValueError(
                "overlap needs one update per batch: leave out steps_per_generation, num_iterations and "
                "generation_batch_size"
            )

    def hri_weight_at(self, step: int) -> float:
        """w(step), where `step` counts optimizer steps already taken: 0 at the first step, then rising linearly."""
        if step < self.hri_warmup_steps:
            return self.hri_weight * step / self.hri_warmup_steps
        if not self.hri_decay_steps:
            return self.hri_weight
        done = min(1.0, (step - self.hri_warmup_steps) / self.hri_decay_steps)
        if self.hri_schedule == "cosine":
            done = 0.5 * (1 - math.cos(math.pi * done))
        return self.hri_weight + (self.hri_final_weight - self.hri_weight) * done

    @property
    def injects(self) -> bool:
        """Whether references are injected at all."""
        return self.hri_weight > 0 or self.hri_nll > 0

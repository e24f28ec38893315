"""Training recipes: model, data and training. The reward's part is in `terms`, the loader in `recipe_files`."""

from __future__ import annotations

import functools
from dataclasses import MISSING, fields
from typing import Any, Literal

from pydantic import Field, model_validator

from ..rubrics.base import Frozen
from .terms import MEASURES, JudgeSpec, RewardSpec

# weights on the held-out prompts where a recipe names none and they differ from those in training
HELD_OUT_WEIGHTS = {"repetition": 0.8, "length": 0.2, "overlong": 0.0}


class Sampling(Frozen):
    """Sampling settings for held-out stories, where they differ from training."""

    temperature: float | None = Field(default=None, ge=0)
    top_p: float | None = Field(default=None, gt=0, le=1)
    top_k: int | None = Field(default=None, ge=0)
    min_p: float | None = Field(default=None, ge=0, le=1)
    repetition_penalty: float | None = Field(default=None, gt=0)


class Validation(Frozen):
    """Validation on held-out prompts: number, frequency (in steps), sampling and judge.

    `judge` takes the place of the recipe's judge; `weights` are those of the reward's terms here. The rubrics of
    `benchmarks` judge the stories, too, without counting in the reward. With `select` `best`, the checkpoint with the
    highest mean `metric` on the held-out prompts is kept, and merged by default; `metric` is the reward, or one of its
    terms or a benchmark, as a share of a faultless score. With a `patience`, training stops when that many validations
    in a row bring nothing that can be told apart as better.
    """

    judge: JudgeSpec
    prompts: int = Field(default=20, ge=0)
    every: int = Field(default=20, ge=1)
    select: Literal["last", "best"] = "last"
    metric: str = "reward"
    patience: int | None = Field(default=None, ge=1)
    benchmarks: tuple[str, ...] = ()
    weights: dict[str, float] = Field(default_factory=dict)
    sampling: Sampling = Sampling()


class Data(Frozen):
    """Training rows: a file or folder of JSONL or Parquet, or a dataset on the Hugging Face hub.

    `held_out` names rows for validation; by default the last rows of `train` are held out.
    """

    train: str | None = None
    held_out: str | None = None
    max_prompt_tokens: int = Field(default=256, ge=1)


class Lora(Frozen):
    """PEFT's LoRA settings."""

    r: int = Field(default=32, ge=1)
    lora_alpha: int = Field(default=64, ge=1)
    lora_dropout: float = Field(default=0.0, ge=0, lt=1)
    target_modules: str | list[str] = "all-linear"
    exclude_modules: str | None = None


class Shape(Frozen):
    """Hardware figures for the estimates. Speeds are per GPU (or of the whole CPU, if there is none).

    `parameters`, `layers` and `hidden` (units) replace what the model's own config.json says; they are needed only if
    it cannot be read.
    """

    parameters: float | None = Field(default=None, gt=0)
    layers: int | None = Field(default=None, gt=0)
    hidden: int | None = Field(default=None, gt=0)
    gpus: int = Field(default=1, ge=0)
    gpu_gb: float = Field(default=80, gt=0)
    decode_tokens_per_second: float = Field(gt=0)
    tflops: float = Field(gt=0)


class Stop(Frozen):
    """When to stop early, at a checkpoint: `max_unjudged` or more of the rows unjudged, `patience` batches in a row."""

    max_unjudged: float = Field(default=0.5, gt=0, le=1)
    patience: int = Field(default=3, ge=1)


class Sft(Frozen):
    """A warm start: plain fine-tuning on the human stories before GRPO. `trl` holds settings of TRL's SFTConfig."""

    epochs: float = Field(default=1.0, gt=0)
    learning_rate: float = Field(default=1e-5, gt=0)
    batch: int = Field(default=8, ge=1)
    trl: dict[str, Any] = Field(default_factory=dict)


class Recipe(Frozen):
    """A complete recipe. `trl` holds the settings of TRL's GRPOConfig and of HRI under their own names."""

    name: str
    about: str
    model: str
    data: Data = Data()
    sft: Sft | None = None
    lora: Lora | None = None
    reward: RewardSpec = Field(default_factory=lambda: RewardSpec.model_validate({}))
    judge: JudgeSpec
    validation: Validation
    stop: Stop = Stop()
    shape: Shape
    trl: dict[str, Any]

    @model_validator(mode="after")
    def _consistent(self) -> Recipe:
        limit = self.trl.get("max_completion_length")
        if not isinstance(limit, int):
            raise ValueError("trl.max_completion_length: must be a number of tokens")
        terms, asked = self.reward.terms, self.validation
        for name in asked.weights:
            if name not in terms:
                raise ValueError(f"validation.weights.{name}: no such term; the reward has {', '.join(terms)}")
            if asked.weights[name] < 0 and terms[name].function is None:
                raise ValueError(
                    f"validation.weights.{name}: must not be negative (the measures are subtracted anyway)"
                )
        known = ("reward", *(name for name in terms if name not in MEASURES), *asked.benchmarks)
        if asked.metric not in known:
            raise ValueError(f"validation.metric: {asked.metric} is none of {', '.join(known)}")
        # all of them, so that a saved recipe says what was used
        weights = {
            name: asked.weights.get(name, HELD_OUT_WEIGHTS.get(name, term.weight)) for name, term in terms.items()
        }
        object.__setattr__(self, "validation", asked.model_copy(update={"weights": weights}))
        if "overlong" in terms and self.reward.overlong_tokens >= limit:
            raise ValueError(
                f"reward.overlong_tokens: {self.reward.overlong_tokens} is not below trl.max_completion_length, {limit}"
            )
        return self

    def weights(self, held_out: bool) -> dict[str, float]:
        """The weights of the reward's terms, in training or on the held-out prompts."""
        if held_out:
            return self.validation.weights
        return {name: term.weight for name, term in self.reward.terms.items()}

    @property
    def completion_tokens(self) -> int:
        """The maximum number of tokens in a response, including reasoning."""
        return int(self.trl["max_completion_length"])

    def setting(self, name: str) -> Any:
        """Return a setting of TRL or HRI: the recipe's value, else the default of `HRIConfig`."""
        return self.trl[name] if name in self.trl else _defaults()[name]

    @property
    def template(self) -> dict[str, Any]:
        """Arguments of the chat template."""
        return dict(self.trl.get("chat_template_kwargs") or {})

    @property
    def group(self) -> int:
        """Number of rows in a group, including the reference."""
        return int(self.setting("num_generations"))

    @property
    def thinking(self) -> bool:
        """Whether the chat template is told to let the policy reason first."""
        return bool(self.template.get("enable_thinking"))

    @property
    def bf16(self) -> bool:
        """Whether training is in bfloat16, which is TRL's default if neither bf16 nor fp16 is set."""
        given = self.setting("bf16")
        return bool(not self.setting("fp16") if given is None else given)

    @property
    def injects(self) -> bool:
        """Whether human references are injected."""
        return float(self.setting("hri_weight")) > 0 or float(self.setting("hri_nll")) > 0


@functools.cache
def _defaults() -> dict[str, Any]:
    """The defaults of TRL's and HRI's settings in `HRIConfig`; None for those that TRL computes itself."""
    from .hri import HRIConfig

    plain = {part.name: part.default for part in fields(HRIConfig)}
    return {name: None if default is MISSING else default for name, default in plain.items()}

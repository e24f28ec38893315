"""Training recipes: model, data and reward. YAML files with a validating loader."""

from __future__ import annotations

import functools
from dataclasses import MISSING, fields
from typing import Any, Literal

from pydantic import Field, model_validator

from ..rubrics.base import Frozen


class Weights(Frozen):
    """Weights of the reward's parts. Quality (the share of a faultless score) is added, the penalties subtracted."""

    story_quality: float = Field(default=1.0, ge=0)
    repetition: float = Field(default=1.5, ge=0)
    length: float = Field(default=0.8, ge=0)
    blank: float = Field(default=1.0, ge=0)


class RewardSpec(Frozen):
    """How the parts of a response are combined into one number.

    `rubric` is the name of a bundled rubric or the path of a file; a story without fault scores 1. `clip` bounds the
    weighted sum on both sides. With `score` `mean` the reward is that sum; with `sum`, as in the released code, it is
    multiplied by the response's tokens, so it grows with length. Reasoning tokens beyond `reasoning_cap` cost
    `reasoning_cost` each. The overlong penalty starts `overlong_tokens` before the limit (0: never).
    """

    rubric: str = "story_quality"
    weights: Weights = Weights()
    clip: float = Field(default=2.0, gt=0)
    score: Literal["mean", "sum"] = "mean"
    reasoning_cap: int = Field(default=3072, ge=0)
    reasoning_cost: float = Field(default=0.05, ge=0)
    overlong_tokens: int = Field(default=512, ge=0)


class JudgeSpec(Frozen):
    """A judge, and how long to wait for it. Times are in seconds; `options` are Inspect's generation settings.

    Several models form a jury: each judges every story, and the score is the mean of their scores; `quorum` of them are
    enough (default: all). A bare list of models is a jury with default settings.

    `price_factor` is the fraction of the list price that calls cost (0.5 for a flex tier). A row without a verdict is
    retried up to `retries` times within `batch_timeout`; the wait between tries starts at `retry_wait` and doubles.
    `concurrency` is shared by all processes.
    """

    model: str | tuple[str, ...]
    quorum: int | None = Field(default=None, ge=1)
    options: dict[str, Any] = Field(default_factory=dict)
    model_args: dict[str, Any] = Field(default_factory=dict)
    base_url: str | None = None
    concurrency: int = Field(default=4, ge=1)
    price_factor: float = Field(default=1.0, ge=0)
    row_timeout: float = Field(default=300, gt=0)
    batch_timeout: float = Field(default=1200, gt=0)
    retries: int = Field(default=3, ge=0)
    retry_wait: float = Field(default=5, ge=0)

    @model_validator(mode="before")
    @classmethod
    def _from_list(cls, data: Any) -> Any:
        return {"model": data} if isinstance(data, str | list | tuple) else data

    @model_validator(mode="after")
    def _is_jury(self) -> JudgeSpec:
        if not self.models:
            raise ValueError("model: name at least one judge")
        if len(set(self.models)) < len(self.models):
            raise ValueError("model: name each judge once")
        if self.quorum is not None and self.quorum > len(self.models):
            raise ValueError(f"quorum: {self.quorum} is more than the {len(self.models)} judges")
        return self

    @property
    def models(self) -> tuple[str, ...]:
        """The judges: one, or the members of a jury in alphabetical order."""
        return (self.model,) if isinstance(self.model, str) else tuple(sorted(self.model))

    @property
    def name(self) -> str:
        """The name of the judge, or the names of the jury's members."""
        return " + ".join(self.models)


class Sampling(Frozen):
    """Sampling settings for held-out stories, where they differ from training."""

    temperature: float | None = Field(default=None, ge=0)
    top_p: float | None = Field(default=None, gt=0, le=1)
    top_k: int | None = Field(default=None, ge=0)
    min_p: float | None = Field(default=None, ge=0, le=1)
    repetition_penalty: float | None = Field(default=None, gt=0)


class Validation(Frozen):
    """Validation on held-out prompts: number, frequency (in steps), sampling and judge.

    With `select` `best`, the checkpoint with the highest mean `metric` on the held-out prompts is kept, and merged by
    default; `metric` is the reward, or the judge's score as a share of a faultless one. With a `patience`, training
    stops when that many validations in a row bring nothing that can be told apart as better.
    """

    judge: JudgeSpec
    prompts: int = Field(default=20, ge=0)
    every: int = Field(default=20, ge=1)
    select: Literal["last", "best"] = "last"
    metric: Literal["reward", "story_quality"] = "reward"
    patience: int | None = Field(default=None, ge=1)
    weights: Weights = Weights(repetition=0.8, length=0.2)
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
    reward: RewardSpec = RewardSpec()
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
        if self.reward.overlong_tokens >= limit:
            raise ValueError(
                f"reward.overlong_tokens: {self.reward.overlong_tokens} is not below trl.max_completion_length, {limit}"
            )
        return self

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

"""Recipes: what is trained, on what, rewarded how. Data files behind a validating loader."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, fields
from difflib import get_close_matches
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import Field, ValidationError, model_validator

from ..harness.errors import UserError
from ..rubrics.base import Frozen

# set from other parts of a recipe, or by the run itself
_OURS = {
    "output_dir", "remove_unused_columns", "reward_weights", "validation_sampling", "eval_strategy", "eval_steps",
    "do_eval", "eval_on_start", "num_generations_eval", "log_completions", "multi_objective_aggregation",
    "model_init_kwargs", "load_best_model_at_end", "save_strategy", "disable_tqdm", "ddp_timeout",
    "logging_nan_inf_filter",
}  # fmt: skip

_NUMBERS: dict[str, tuple[type, ...]] = {"int": (int,), "float": (int, float), "bool": (bool,)}
_POSITIVE = ("per_device_train_batch_size", "gradient_accumulation_steps", "num_generations", "num_iterations",
             "max_completion_length", "save_steps", "steps_per_generation")  # fmt: skip


class _Loader(yaml.SafeLoader):
    """YAML that reads 1e-5 as the number that people mean; YAML 1.1 wants 1.0e-5."""


_EXPONENT = re.compile(r"^[-+]?\d+(\.\d*)?[eE][-+]?\d+$")
_Loader.add_implicit_resolver("tag:yaml.org,2002:float", _EXPONENT, list("-+0123456789"))


class Weights(Frozen):
    """What each part weighs: Story Quality (overall/100) counts for, the three penalties against."""

    story_quality: float = Field(default=1.0, ge=0)
    repetition: float = Field(default=1.5, ge=0)
    length: float = Field(default=0.8, ge=0)
    blank: float = Field(default=1.0, ge=0)


class RewardSpec(Frozen):
    """How a response's parts become one number.

    `rubric` is what stories are judged on, a rubric that ships or the path of a file; 1 is the score of a story without
    fault. `clip` bounds the weighted sum on both sides. `score` `mean` is that sum as it is; `sum` is it times the
    response's tokens, as released, so that it grows with length. Reasoning tokens beyond `reasoning_cap` cost
    `reasoning_cost` each. A response begins to be overlong `overlong_tokens` before the limit (0: never).
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

    `price_factor` is what its calls cost of the list price (0.5 for a flex tier). A row that got no verdict is
    tried again `retries` times, `retry_wait` after each round, until `batch_timeout` is over. `concurrency` is shared
    by all processes.
    """

    model: str
    options: dict[str, Any] = Field(default_factory=dict)
    model_args: dict[str, Any] = Field(default_factory=dict)
    base_url: str | None = None
    concurrency: int = Field(default=4, ge=1)
    price_factor: float = Field(default=1.0, ge=0)
    row_timeout: float = Field(default=300, gt=0)
    batch_timeout: float = Field(default=1200, gt=0)
    retries: int = Field(default=3, ge=0)
    retry_wait: float = Field(default=5, ge=0)


class Sampling(Frozen):
    """Sampling settings of the held-out stories that differ from training's."""

    temperature: float | None = Field(default=None, ge=0)
    top_p: float | None = Field(default=None, gt=0, le=1)
    top_k: int | None = Field(default=None, ge=0)
    min_p: float | None = Field(default=None, ge=0, le=1)
    repetition_penalty: float | None = Field(default=None, gt=0)


class Validation(Frozen):
    """Held-out prompts: how many, how often, sampled how, and judged by whom."""

    judge: JudgeSpec
    prompts: int = Field(default=20, ge=0)
    every: int = Field(default=20, ge=1)
    weights: Weights = Weights(repetition=0.8, length=0.2)
    sampling: Sampling = Sampling()


class Data(Frozen):
    """Training rows: a file or folder of JSONL or Parquet, or a dataset on the Hugging Face hub.

    `held_out` names rows for validation; by default the last ones of `train` are kept back.
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
    """Of model and machine what the estimates need; speeds are of one GPU (of the whole CPU, without one)."""

    parameters: float = Field(gt=0)
    layers: int = Field(gt=0)
    hidden: int = Field(gt=0)
    gpus: int = Field(default=1, ge=0)
    gpu_gb: float = Field(default=80, gt=0)
    decode_tokens_per_second: float = Field(gt=0)
    tflops: float = Field(gt=0)


class Stop(Frozen):
    """When training ends early, at a checkpoint: too many rows without a verdict for too many batches in a row."""

    max_unjudged: float = Field(default=0.5, gt=0, le=1)
    patience: int = Field(default=3, ge=1)


class Recipe(Frozen):
    """A whole recipe. `trl` holds the settings of TRL's GRPOConfig, and those of HRI, by their own names."""

    name: str
    about: str
    model: str
    data: Data = Data()
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
            raise ValueError("trl.max_completion_length: a number of tokens is needed")
        if self.reward.overlong_tokens >= limit:
            raise ValueError(
                f"reward.overlong_tokens: {self.reward.overlong_tokens} is not below trl.max_completion_length, {limit}"
            )
        return self

    @property
    def completion_tokens(self) -> int:
        """The most tokens of a response, reasoning included."""
        return int(self.trl["max_completion_length"])

    def setting(self, name: str) -> Any:
        """A setting of TRL's or of HRI's: the recipe's own, else the default of `HRIConfig`."""
        given = self.trl.get(name)
        return _defaults()[name] if given is None else given

    @property
    def template(self) -> dict[str, Any]:
        """Arguments of the chat template."""
        return dict(self.trl.get("chat_template_kwargs") or {})

    @property
    def group(self) -> int:
        """Rows of a group, the reference included."""
        return int(self.setting("num_generations"))

    @property
    def thinking(self) -> bool:
        """Whether the chat template is told to let the policy reason first."""
        return bool(self.template.get("enable_thinking"))

    @property
    def bf16(self) -> bool:
        """Whether training is in bfloat16, which TRL takes where neither this nor fp16 is set."""
        given = self.setting("bf16")
        return bool(not self.setting("fp16") if given is None else given)

    @property
    def injects(self) -> bool:
        """Whether human references are injected."""
        return float(self.setting("hri_weight")) > 0


@functools.cache
def _defaults() -> dict[str, Any]:
    """The defaults of TRL's settings and of HRI's, as they stand in `HRIConfig`; what TRL works out itself is None."""
    from .hri import HRIConfig

    plain = {part.name: part.default for part in fields(HRIConfig)}
    return {name: None if default is MISSING else default for name, default in plain.items()}


def shipped(folder: str = "recipes") -> dict[str, str]:
    """Texts of the files that ship here (`recipes` or `accelerate`), by name."""
    found = files(__package__).joinpath(folder).iterdir()
    return {
        Path(entry.name).stem: entry.read_text(encoding="utf-8")
        for entry in sorted(found, key=lambda entry: entry.name)
        if entry.name.endswith(".yaml")
    }


def load_recipe(name: str, changes: Iterable[str] = ()) -> Recipe:
    """A recipe that ships here by name, or a file, with `key=value` changes (dotted keys, values read as YAML).

    A recipe with `base` takes everything that it does not say from that one.

    Raises:
        UserError: no such recipe, or a key or value that it must not have.
    """
    data = _read(name, ())
    for change in changes:
        key, equals, text = change.partition("=")
        if not equals or not key:
            raise UserError(f"{change!r} is not KEY=VALUE, such as trl.learning_rate=1e-5")
        try:
            _set(data, key.split("."), yaml.load(text, _Loader))
        except (KeyError, TypeError):
            raise UserError(f"{key}: a recipe has no such key") from None
        except yaml.YAMLError:
            raise UserError(f"{change!r}: the value is not YAML") from None
    try:
        recipe = Recipe.model_validate(data)
    except ValidationError as error:
        raise UserError(f"recipe {name}: {_first(error)}") from None
    _check_trl(name, recipe.trl)
    return recipe


def _read(name: str, seen: tuple[str, ...]) -> dict[str, Any]:
    known = shipped()
    if name in seen:
        raise UserError(f"recipe {name}: its base is itself ({' → '.join((*seen, name))})")
    if name not in known and not Path(name).is_file():
        raise UserError(f"{name}: no such recipe or file; recipes that ship here: {', '.join(known)}")
    try:
        data = yaml.load(known[name] if name in known else Path(name).read_text(encoding="utf-8"), _Loader)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"recipe {name}: not YAML: {' '.join(str(error).split())}") from None
    if not isinstance(data, dict):
        raise UserError(f"recipe {name}: a mapping of settings is needed")
    base = data.pop("base", None)
    return data if base is None else _merged(_read(str(base), (*seen, name)), data)


def _merged(base: dict[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    for key, value in over.items():
        both = isinstance(value, Mapping) and isinstance(base.get(key), dict)
        base[key] = _merged(base[key], value) if both else value
    return base


def _set(data: dict[str, Any], path: list[str], value: Any) -> None:
    for key in path[:-1]:
        if data.get(key) is None:
            data[key] = {}
        data = data[key]
    data[path[-1]] = value


def _first(error: ValidationError) -> str:
    first = error.errors()[0]
    where = ".".join(map(str, first["loc"]))
    if first["type"] == "extra_forbidden":
        owner: Any = Recipe
        for key in first["loc"][:-1]:
            annotation = owner.model_fields[str(key)].annotation
            owner = next(
                (a for a in (annotation, *getattr(annotation, "__args__", ())) if hasattr(a, "model_fields")), owner
            )
        return f"{where}: no such key; known here: {', '.join(owner.model_fields)}"
    return ": ".join(filter(None, (where, first["msg"].removeprefix("Value error, "))))


def _check_trl(name: str, settings: Mapping[str, Any]) -> None:
    from .hri import HRIConfig

    known = HRIConfig.__dataclass_fields__
    for key, value in settings.items():
        if key in _OURS:
            raise UserError(f"recipe {name}: trl.{key} is set by the run itself; leave it out")
        if key not in known:
            near = get_close_matches(key, known, 1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise UserError(f"recipe {name}: trl.{key}: TRL's GRPOConfig has no such setting{hint}")
        wanted = _NUMBERS.get(getattr(known[key].type, "__name__", str(known[key].type)))
        if wanted and (not isinstance(value, wanted) or (isinstance(value, bool) and bool not in wanted)):
            raise UserError(f"recipe {name}: trl.{key}: {value!r} is no {wanted[-1].__name__}")
        if key in _POSITIVE and value <= 0:
            raise UserError(f"recipe {name}: trl.{key} must be above 0, not {value}")

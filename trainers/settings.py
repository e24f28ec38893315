"""Check a recipe's settings of TRL, HRI and LoRA against their types and allowed values, before anything is loaded."""

from __future__ import annotations

import functools
import importlib.util
import math
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from enum import Enum
from importlib.resources import files
from typing import Any, get_args, get_type_hints

import yaml
from pydantic import ConfigDict, TypeAdapter, ValidationError

from ..harness.errors import UserError

# set from other parts of a recipe, or by the run itself
_OURS = {
    "output_dir", "remove_unused_columns", "reward_weights", "validation_sampling", "eval_strategy", "eval_steps",
    "do_eval", "eval_on_start", "num_generations_eval", "log_completions", "multi_objective_aggregation",
    "model_init_kwargs", "load_best_model_at_end", "save_strategy", "disable_tqdm", "ddp_timeout",
    "logging_nan_inf_filter",
}  # fmt: skip
_WORDS = {
    "int_type": "a whole number", "float_type": "a number", "bool_type": "true or false", "string_type": "a text",
    "list_type": "a list", "dict_type": "a mapping of names to values",
}  # fmt: skip
_ANY = ConfigDict(arbitrary_types_allowed=True)
_PACKAGES = {"azure_ml": "azureml", "flyte": "flytekit"}  # of reporting services that are called otherwise


def check_trl(recipe: str, settings: Mapping[str, Any], config: Any = None, where: str = "trl") -> None:
    """Raise UserError for the first setting that is unknown, of the wrong type, or out of its range.

    `config` is the configuration's class, by default that of GRPO with HRI; `where` is the place in the recipe.
    """
    types = _types(config)
    for key, value in settings.items():
        if why := _fault(types, "TRL's SFTConfig" if config else "TRL's GRPOConfig", key, value):
            raise UserError(f"recipe {recipe}: {where}.{key}{why}")


def _fault(types: Mapping[str, Any], config: str, key: str, value: Any) -> str | None:
    """What is wrong with a setting, to follow its name, or None."""
    if key in _OURS:
        return " is set by the run itself; leave it out"
    if key not in types:
        near = get_close_matches(key, types, 1)
        return f": {config} has no such setting" + (f"; did you mean {near[0]}?" if near else "")
    kinds = list(_parts(types[key]))
    if value is None and key in _tables()["required"]:
        return ": null is not possible; give a value"
    if value is None and type(None) in kinds:
        return None
    if isinstance(value, float) and not math.isfinite(value):
        return f" must be finite, not {value}"
    allowed = _tables()["values"].get(key) or [item.value for kind in kinds for item in _members(kind)]
    if allowed and not isinstance(value, dict):
        given = value if isinstance(value, str) else str(value)
        if given not in map(str, allowed):
            near = get_close_matches(given, map(str, allowed), 1)
            hint = f"; did you mean {near[0]}?" if near else f"; allowed: {', '.join(map(str, allowed))}"
            return f": {given!r} is not allowed{hint}"
        return None
    if isinstance(value, str) and dict in kinds:  # TRL would read the text as JSON; in a recipe it is a mistake
        return f": {value!r} is not a mapping of names to values"
    try:
        TypeAdapter(types[key], config=_ANY).validate_python(value, strict=True)
    except ValidationError as error:
        first = error.errors()[0]
        return f": {value!r} is not {_WORDS.get(first['type'], first['msg'].removeprefix('Input should be '))}"
    return _out_of_range(key, value) or (_not_reported(value) if key == "report_to" else None)


def _out_of_range(key: str, value: Any) -> str | None:
    bounds = _tables()["ranges"].get(key)
    if not bounds or isinstance(value, bool) or not isinstance(value, int | float):
        return None
    fine = {
        "least": lambda bound: value >= bound,
        "most": lambda bound: value <= bound,
        "above": lambda bound: value > bound,
        "below": lambda bound: value < bound,
    }
    words = {"least": "at least", "most": "at most", "above": "above", "below": "below"}
    if all(fine[name](bound) for name, bound in bounds.items()):
        return None
    return f" must be {' and '.join(f'{words[name]} {bound}' for name, bound in bounds.items())}, not {value}"


def _not_reported(value: Any) -> str | None:
    """Whether progress is to be reported to a service whose package is missing."""
    from transformers.integrations.integration_utils import INTEGRATION_TO_CALLBACK

    for name in [value] if isinstance(value, str) else value:
        if name in ("none", "all"):
            continue
        if name not in INTEGRATION_TO_CALLBACK:
            return f": {name!r} is not known; known: {', '.join(INTEGRATION_TO_CALLBACK)}"
        if importlib.util.find_spec(_PACKAGES.get(name, name)) is None:
            return f": {name} is not installed: pip install {_PACKAGES.get(name, name)}"
    return None


@functools.cache
def _types(config: Any) -> dict[str, Any]:
    from .hri import HRIConfig

    return get_type_hints(config or HRIConfig)


@functools.cache
def _tables() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((files(__package__) / "settings.yaml").read_text(encoding="utf-8"))
    return loaded


def _parts(hint: Any) -> Iterator[Any]:
    """The types in a union, generic ones as their origin."""
    inner = get_args(hint)
    if inner and getattr(hint, "__origin__", None) in (list, dict, tuple):
        yield hint.__origin__
    elif inner:
        for one in inner:
            yield from _parts(one)
    else:
        yield hint


def _members(kind: Any) -> list[Enum]:
    return list(kind) if isinstance(kind, type) and issubclass(kind, Enum) else []

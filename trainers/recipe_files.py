"""Load recipes from files, bundled or a user's own, with changes, and check them before anything is loaded."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from ..harness.errors import UserError
from .recipe import Recipe
from .settings import check_trl
from .terms import spelled_out, without_short


class _Loader(yaml.SafeLoader):
    """YAML loader that reads 1e-5 as a number; YAML 1.1 requires 1.0e-5."""


_EXPONENT = re.compile(r"^[-+]?\d+(\.\d*)?[eE][-+]?\d+$")
_Loader.add_implicit_resolver("tag:yaml.org,2002:float", _EXPONENT, list("-+0123456789"))


def shipped(folder: str = "recipes") -> dict[str, str]:
    """The texts of the bundled files (`recipes` or `accelerate`), by name."""
    found = files(__package__).joinpath(folder).iterdir()
    return {
        Path(entry.name).stem: entry.read_text(encoding="utf-8")
        for entry in sorted(found, key=lambda entry: entry.name)
        if entry.name.endswith(".yaml")
    }


def read_recipe(path: Path) -> Recipe:
    """Read the recipe that a run has saved in its folder. Raises UserError if the file is damaged."""
    try:
        return Recipe.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except (ValueError, yaml.YAMLError) as error:
        why = " ".join(str(error).split())[:200]
        raise UserError(f"{path}: is not the recipe of a run of this release: {why}") from None


def load_recipe(name: str, changes: Iterable[str] = ()) -> Recipe:
    """Load a bundled recipe by name, or a file, with `key=value` changes (dotted keys, values read as YAML).

    A recipe with `base` inherits everything that it does not set from that recipe.

    Raises:
        UserError: unknown recipe, or an invalid key or value.
    """
    data = _read(name, ())
    for change in changes:
        key, equals, text = change.partition("=")
        if not equals or not key:
            raise UserError(f"{change!r} is not KEY=VALUE, such as trl.learning_rate=1e-5")
        try:
            value: Any = yaml.load(text, _Loader)
        except yaml.YAMLError:
            raise UserError(f"{change!r}: the value is not YAML") from None
        for part in reversed(key.split(".")):
            value = {part: value}
        data = _merged(data, value, name)
    try:
        recipe = Recipe.model_validate(data)
    except ValidationError as error:
        raise UserError(f"recipe {name}: {_first(error)}") from None
    check_trl(name, recipe.trl)
    if recipe.sft is not None:
        from trl import SFTConfig

        check_trl(name, recipe.sft.trl, SFTConfig, "sft.trl")
    return recipe


def _read(name: str, seen: tuple[str, ...]) -> dict[str, Any]:
    known = shipped()
    if name in seen:
        raise UserError(f"recipe {name}: its base is itself ({' → '.join((*seen, name))})")
    if name not in known and not Path(name).is_file():
        raise UserError(f"{name}: no such recipe or file; available recipes: {', '.join(known)}")
    try:
        data = yaml.load(known[name] if name in known else Path(name).read_text(encoding="utf-8"), _Loader)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"recipe {name}: not YAML: {' '.join(str(error).split())}") from None
    if not isinstance(data, dict):
        raise UserError(f"recipe {name}: must be a mapping of settings")
    base = data.pop("base", None)
    if base is None:
        return {**data, "reward": _terms(spelled_out, data, name)}
    return _merged(_read(str(base), (*seen, name)), data, name)


def _merged(base: dict[str, Any], over: Mapping[str, Any], name: str) -> dict[str, Any]:
    """A recipe with changes: mappings key by key, with the reward's short form written as terms."""

    def merge(base: dict[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
        for key, value in over.items():
            both = isinstance(value, Mapping) and isinstance(base.get(key), dict)
            base[key] = merge(base[key], value) if both else value
        return base

    merged = merge(base, {**over, "reward": _terms(without_short, over, name)} if "reward" in over else over)
    return _without_removed(merged)


def _without_removed(data: dict[str, Any]) -> dict[str, Any]:
    """A recipe in which a term that was taken out (null) has no weight on the held-out prompts either."""
    reward, asked = data.get("reward"), data.get("validation")
    terms = reward.get("terms") if isinstance(reward, dict) else None
    weights = asked.get("weights") if isinstance(asked, dict) else None
    if isinstance(terms, dict) and isinstance(weights, dict):
        for name in [name for name, term in terms.items() if term is None]:
            weights.pop(name, None)
    return data


def _terms(form: Callable[[Mapping[str, Any]], dict[str, Any]], data: Mapping[str, Any], name: str) -> Any:
    """The reward's settings in another form; what is no mapping is left to the validation."""
    reward = data.get("reward") or {}
    try:
        return form(reward) if isinstance(reward, Mapping) else reward
    except ValueError as error:
        raise UserError(f"recipe {name}: reward.{error}") from None


def _first(error: ValidationError) -> str:
    first = error.errors()[0]
    where = ".".join(map(str, first["loc"]))
    if first["type"] == "extra_forbidden":
        owner: Any = Recipe
        for key in first["loc"][:-1]:
            if str(key) not in owner.model_fields:  # the name of a term
                continue
            annotation = owner.model_fields[str(key)].annotation
            owner = next(
                (a for a in (annotation, *getattr(annotation, "__args__", ())) if hasattr(a, "model_fields")), owner
            )
        return f"{where}: no such key; known here: {', '.join(owner.model_fields)}"
    return ": ".join(filter(None, (where, first["msg"].removeprefix("Value error, "))))

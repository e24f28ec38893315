"""Judges: the paper's, the ones a user names, and what each of them needs."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping, Sequence
from typing import Any

from inspect_ai.model import GenerateConfig, Model, get_model
from pydantic import ValidationError

from ...rubrics import Rubric
from ..benchmarks import find_benchmark
from ..environment import base_urls, is_set
from ..errors import PrerequisiteError, UserError, check_address, need_extra, plain_message

PACKAGE = "polaris_eval"
PROXY = f"{PACKAGE}/lexical"
# providers whose keys are checked before anything else is done; others report themselves what is missing
KEYS = {
    "openai": "OPENAI_API_KEY",
    "anthropic": "ANTHROPIC_API_KEY",
    "google": "GOOGLE_API_KEY",
}


def is_proxy(judge: str) -> bool:
    """Whether a judge is a proxy, whose numbers are to be marked as such wherever they are shown."""
    return judge == PROXY


def marked(judge: str) -> str:
    """The name of a judge or jury, with the prefix PROXY if it is or contains a proxy."""
    return f"PROXY {judge}" if any(map(is_proxy, judge.split(" + "))) else judge


def as_judge_config(options: Mapping[str, Any], where: str = "--judge-option") -> GenerateConfig:
    """The `GenerateConfig` of a judge's settings. Raises UserError naming an unknown setting or a wrong value."""
    try:
        return GenerateConfig.model_validate(options, extra="forbid")
    except ValidationError as error:
        first = error.errors()[0]
        named = " ".join([where, *map(str, first["loc"])])
        raise UserError(f"{named}: {first['msg'].removeprefix('Value error, ')}") from None


def missing_key(model: str) -> str | None:
    """The variable of the key that a model needs and that is not set; None also for an unknown provider."""
    key = KEYS.get(model.partition("/")[0])
    return key if key and not is_set(key) else None


def resolve_judges(
    judges: Mapping[str, tuple[str, ...]], rubrics: Mapping[str, Rubric], config: GenerateConfig, base_url: str | None
) -> dict[str, tuple[Model, ...]]:
    """The judges of each benchmark, several for a jury: those that the user named, else the rubric's; never the model
    under test by default.

    Args:
        judges: the judges that the user named, by benchmark; "" is for all others.
        rubrics: the rubric of each benchmark.
        config: settings that replace the rubrics' own.
        base_url: address of the judges' server.

    Raises:
        UserError: no such model, or no key for it.
    """
    for name, rubric in rubrics.items():
        if not judges_of(judges, name):
            _check_own_judge(name, rubric)
    chosen = {name: judges_of(judges, name) or (rubric.judge.model,) for name, rubric in rubrics.items()}
    models = list(dict.fromkeys(model for names in chosen.values() for model in names))
    providers = sorted({model.partition("/")[0] for model in models if model != PROXY})
    if base_url and len(providers) > 1:
        raise UserError(
            f"--judge-base-url is one address, but the judges have several providers ({', '.join(providers)}); run "
            "these benchmarks one after the other, with --benchmark"
        )
    made = {model: make_model(model, config=config, base_url=base_url) for model in models}
    return {name: tuple(made[model] for model in names) for name, names in chosen.items()}


def judges_of(judges: Mapping[str, tuple[str, ...]], benchmark: str) -> tuple[str, ...]:
    """The judges that the user named for a benchmark, or for all; empty if the rubric's own is to be used."""
    return judges.get(benchmark) or judges.get("") or ()


def parse_judges(values: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Parse `MODEL` (for all) and `BENCHMARK=MODEL` into judges by benchmark, with "" for all others; several for one
    form its jury.

    Raises:
        UserError: an unknown benchmark, or a judge named twice for one.
    """
    judges: dict[str, tuple[str, ...]] = {}
    for value in values:
        name, equals, model = value.partition("=")
        if not equals or "/" in name:
            name, model = "", value
        else:
            find_benchmark(name, f"--judge {value}: ")
        if not model:
            raise UserError(f"--judge {value}: no model is named")
        if model in judges.get(name, ()):
            raise UserError(f"--judge: {model} is named twice for {name or 'all benchmarks'}")
        # a jury is the same in any order, and must be the same task to Inspect
        judges[name] = tuple(sorted((*judges.get(name, ()), model)))
    return judges


def make_model(name: str, config: GenerateConfig | None = None, base_url: str | None = None, **args: Any) -> Model:
    """Create a model by name. Raises a one-line UserError for an unknown name, a missing key or a missing package."""
    addresses = {f"the address of {name}": base_url}
    for service in name.split("/")[:2]:  # openai-api/SERVICE/MODEL has an address per service
        addresses |= base_urls(service)
    for where, address in addresses.items():
        check_address(address, where)
    # Inspect checks for vLLM only when it writes the first story
    local_vllm = name.startswith("vllm/") and not (base_url or is_set("VLLM_BASE_URL"))
    if local_vllm and importlib.util.find_spec("vllm") is None:
        raise need_extra("vllm", "vllm")
    try:
        return get_model(name, config=config or GenerateConfig(), base_url=base_url, memoize=False, **args)
    except ValueError as error:
        raise UserError(
            f"{error} Model names are PROVIDER/MODEL, for example openai/gpt-5.4, vllm/NAME or {PACKAGE}/local."
        ) from None
    except UserError:
        raise
    except PrerequisiteError as error:
        raise UserError(f"{name}: {plain_message(error)}") from None
    except (ImportError, TypeError) as error:
        raise UserError(f"{name}: {error}") from None


def uncalled_model(name: str, config: GenerateConfig, base_url: str | None = None) -> Model:
    """A model that will not be called, to count and price its calls: made like any other, but without needing a key."""
    unused = {"api_key": "unused"} if missing_key(name) else {}
    return make_model(name, config=config, base_url=base_url, **unused)


def _check_own_judge(benchmark: str, rubric: Rubric) -> None:
    own = rubric.judge.model
    if key := missing_key(own):
        raise UserError(
            f"{benchmark} needs a judge: its rubric's is {own}, which needs {key}, and that is not set. "
            f"Set it, or name another judge with --judge ({PROXY} is an offline proxy, to try things out)."
        )

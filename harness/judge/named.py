"""Judges: the paper's, the ones a user names, and what each of them needs."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping, Sequence
from typing import Any

from inspect_ai.model import GenerateConfig, Model, get_model
from pydantic import ValidationError

from ...rubrics import Rubric
from ..benchmarks import find_benchmark
from ..environment import is_set
from ..errors import PrerequisiteError, UserError, need_extra, plain_message

PACKAGE = "polaris_eval"
PROXY = f"{PACKAGE}/lexical"
# of the providers whose keys are looked for before anything else is done; others say themselves what they lack
KEYS = {
    "openai": "OPENAI_API_KEY",
    "anthropic": "ANTHROPIC_API_KEY",
    "google": "GOOGLE_API_KEY",
}


def is_proxy(judge: str) -> bool:
    """Whether a judge's numbers are a proxy's, to be marked as such wherever they are shown."""
    return judge == PROXY


def marked(judge: str) -> str:
    """A judge's name, with PROXY before it where it is one."""
    return f"PROXY {judge}" if is_proxy(judge) else judge


def as_judge_config(options: Mapping[str, Any], where: str = "--judge-option") -> GenerateConfig:
    """The `GenerateConfig` of a judge's settings. Raises UserError naming an unknown setting or a wrong value."""
    try:
        return GenerateConfig.model_validate(options, extra="forbid")
    except ValidationError as error:
        first = error.errors()[0]
        named = " ".join([where, *map(str, first["loc"])])
        raise UserError(f"{named}: {first['msg'].removeprefix('Value error, ')}") from None


def missing_key(model: str) -> str | None:
    """The variable of the key that a model needs and that is not set, as far as we know its provider."""
    key = KEYS.get(model.partition("/")[0])
    return key if key and not is_set(key) else None


def resolve_judges(
    judges: Mapping[str, str], rubrics: Mapping[str, Rubric], config: GenerateConfig, base_url: str | None
) -> dict[str, Model]:
    """The judge of each benchmark: the one asked for, else its rubric's; never the model under test by default.

    Args:
        judges: the judges that the user named, by benchmark; "" is for all others.
        rubrics: the rubric of each benchmark.
        config: settings that replace the rubrics' own.
        base_url: address of the judge's server.

    Raises:
        UserError: no such model, or no key for it.
    """
    for name, rubric in rubrics.items():
        if judge_of(judges, name) is None:
            _check_own_judge(name, rubric)
    chosen = {name: judge_of(judges, name) or rubric.judge.model for name, rubric in rubrics.items()}
    providers = sorted({model.partition("/")[0] for model in chosen.values()})
    if base_url and len(providers) > 1:
        raise UserError(
            f"--judge-base-url is one address, but the judges are of several providers ({', '.join(providers)}); run "
            "these benchmarks one after the other, with --benchmark"
        )
    return {name: make_model(model, config=config, base_url=base_url) for name, model in chosen.items()}


def judge_of(judges: Mapping[str, str], benchmark: str) -> str | None:
    """The judge that the user named for a benchmark, or for all."""
    return judges.get(benchmark) or judges.get("")


def parse_judges(values: Sequence[str]) -> dict[str, str]:
    """`MODEL` (for all) and `BENCHMARK=MODEL` as a judge by benchmark, with "" for all others.

    Raises:
        UserError: an unknown benchmark, or two judges for one.
    """
    judges: dict[str, str] = {}
    for value in values:
        name, equals, model = value.partition("=")
        if not equals or "/" in name:
            name, model = "", value
        else:
            find_benchmark(name, f"--judge {value}: ")
        if not model:
            raise UserError(f"--judge {value}: no model is named")
        if name in judges:
            raise UserError(f"--judge: two judges for {name or 'all benchmarks'}, {judges[name]} and {model}")
        judges[name] = model
    return judges


def make_model(name: str, config: GenerateConfig | None = None, base_url: str | None = None, **args: Any) -> Model:
    """A model by name. Raises UserError with one line: unknown name, no key, a missing package."""
    # Inspect looks for vLLM only when the first story is due
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


def _check_own_judge(benchmark: str, rubric: Rubric) -> None:
    own = rubric.judge.model
    if key := missing_key(own):
        raise UserError(
            f"{benchmark} needs a judge: its rubric's is {own}, which needs {key}, and that is not set. "
            f"Set it, or name another judge with --judge ({PROXY} is an offline proxy, to try things out)."
        )

"""Judges: the paper's, the ones a user names, and what each of them needs."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Mapping, Sequence
from typing import Any

from inspect_ai.model import GenerateConfig, Model, get_model

from ..rubrics import load_rubric
from .errors import PrerequisiteError, UserError, need_extra, plain_message

PACKAGE = "polaris_eval"
# in the order in which tables show them
BENCHMARKS = ("story_quality", "eqbench_longform", "eqbench_creative", "writingbench", "longbench_write")
KEYS = {
    "openai": "OPENAI_API_KEY",
    "anthropic": "ANTHROPIC_API_KEY",
    "google": "GOOGLE_API_KEY",
}


def resolve_judges(
    judges: Mapping[str, str], benchmarks: Sequence[str], config: GenerateConfig, base_url: str | None
) -> dict[str, Model]:
    """The judge of each benchmark: the one asked for, else the paper's; never the model under test by default.

    Raises:
        UserError: no such model, or no key for it.
    """
    for name in benchmarks:
        if judge_of(judges, name) is None:
            _check_paper_judge(name)
    chosen = {name: judge_of(judges, name) or load_rubric(name).judge.model for name in benchmarks}
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
        elif name not in BENCHMARKS:
            raise UserError(f"--judge {value}: unknown benchmark {name!r}; known: {', '.join(BENCHMARKS)}")
        if not model:
            raise UserError(f"--judge {value}: no model is named")
        if name in judges:
            raise UserError(f"--judge: two judges for {name or 'all benchmarks'}, {judges[name]} and {model}")
        judges[name] = model
    return judges


def make_model(name: str, config: GenerateConfig | None = None, base_url: str | None = None, **args: Any) -> Model:
    """A model by name. Raises UserError with one line: unknown name, no key, a missing package."""
    # Inspect looks for vLLM only when the first story is due
    local_vllm = name.startswith("vllm/") and not (base_url or os.environ.get("VLLM_BASE_URL"))
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


def _check_paper_judge(benchmark: str) -> None:
    paper = load_rubric(benchmark).judge
    key = KEYS[paper.model.partition("/")[0]]
    if not os.environ.get(key):
        raise UserError(
            f"{benchmark} needs a judge: the paper's is {paper.model}, which needs {key}, and that is not set. "
            f"Set it, or name another judge with --judge ({PACKAGE}/lexical is an offline proxy, to try things out)."
        )

"""What is installed, set and cached, and what each benchmark still needs."""

from __future__ import annotations

import importlib.util
import platform
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from ...rubrics import Rubric, load_rubric
from ..benchmarks import benchmarks
from ..environment import is_set
from ..errors import install_command
from ..judge.named import KEYS, PACKAGE, PROXY, missing_key
from ..models.lexical import shipped
from ..models.weights import SIZE_MB, weights_path
from ..show.grid import grid, texts
from ..show.numbers import NONE
from ..show.render import console, print_grids

_EXTRAS = {
    "local": ("xllamacpp", "the small model polaris_eval/local"),
    "vllm": ("vllm", "open-weights models served on this machine"),
    "train": ("trl", "training"),
    "data": ("ebooklib", "training pairs from books"),
    "report": ("matplotlib", "plots and the report"),
    "lm-eval": ("lm_eval", "running under lm-evaluation-harness"),
}


@dataclass(frozen=True)
class Check:
    """The result of a check: whether it passed, what was checked, what was found, and what to do."""

    fine: bool
    what: str
    found: str
    todo: str = ""


def show(log_dir: Path) -> None:
    """Print the checks, without calling a model or downloading anything."""
    rows = (["ok" if check.fine else NONE, check.what, check.found, check.todo] for check in checks(log_dir))
    print_grids([grid("polaris-eval doctor", texts("", "what", "found", "to do"), rows)], console())


def checks(log_dir: Path) -> Iterator[Check]:
    """Check what is installed, set and cached, and what each benchmark of every installed package still needs."""
    yield Check(True, "python", platform.python_version())
    for package in ("polaris-eval", "inspect-ai", "openai", "anthropic", "google-genai"):
        found = _version(package)
        yield Check(bool(found), package, found or "missing")
    for extra, (module, purpose) in _EXTRAS.items():
        there = importlib.util.find_spec(module) is not None
        todo = "" if there else install_command(extra)
        yield Check(there, f"extra {extra}: {purpose}", "installed" if there else "not installed", todo)
    for provider, key in KEYS.items():
        there = is_set(key)
        told = f"{key} is {'set' if there else 'not set'}"
        yield Check(there, f"key of {provider}", told, "" if there else f"export {key}=…")
    weights = weights_path()
    there = weights.is_file()
    todo = "" if there else f"fetched on first use ({SIZE_MB} MB)"
    yield Check(there, "weights of polaris_eval/local", str(weights) if there else "not fetched", todo)
    known = shipped()["report"]
    names = ("story", "within_prompt", "within_model", "model", "length_partialled_out")
    trust = "; ".join("{} {value:.2f} [{low:.2f}, {high:.2f}]".format(name, **known[name]) for name in names)
    told = f"Spearman with a real judge, on held-out model families [range for a dozen other models]: {trust}"
    yield Check(True, f"proxy judge {PROXY}", told)
    yield Check(True, "prompts mini", "ships here")
    yield Check(True, "prompts official", "read from the Hugging Face hub at run time", "offline: --data-dir FOLDER")
    yield Check(
        True, "prompts of the other benchmarks", "fetched once, when first needed", "see polaris-eval prompts list"
    )
    logs = len(list(log_dir.rglob("*.eval"))) if log_dir.is_dir() else 0
    yield Check(True, f"logs in {log_dir}", str(logs))
    for name, benchmark in benchmarks().items():
        yield _judge(f"benchmark {name}", benchmark.load_rubric())
    yield _judge("arena", load_rubric("pairwise"))


def _judge(what: str, rubric: Rubric) -> Check:
    provider = rubric.judge.model.partition("/")[0]
    if provider not in (*KEYS, PACKAGE):
        return Check(True, what, f"its judge is {rubric.judge.model}", f"not checked whether {provider} is set up")
    key = missing_key(rubric.judge.model)
    todo = f"set {key}, or name another judge with --judge" if key else ""
    return Check(not key, what, f"its judge is {rubric.judge.model}", todo)


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None

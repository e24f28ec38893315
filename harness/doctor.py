"""What is installed, set and cached, and what each benchmark still needs."""

from __future__ import annotations

import importlib.util
import os
import platform
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ..rubrics import load_rubric
from .judges import BENCHMARKS, KEYS
from .models.lexical import shipped
from .models.weights import SIZE_MB, weights_path

_EXTRAS = {
    "local": ("xllamacpp", "the small model polaris_eval/local"),
    "vllm": ("vllm", "open-weights models served on this machine"),
    "train": ("trl", "training"),
    "data": ("ebooklib", "training pairs from books"),
    "report": ("matplotlib", "plots and the report"),
    "lm-eval": ("lm_eval", "running under lm-evaluation-harness"),
}


def show(log_dir: Path) -> None:
    """Print the checks. Nothing is called and nothing is downloaded."""
    table = Table(title="polaris-eval doctor", title_justify="left")
    for name in ("", "what", "found", "to do"):
        table.add_column(name, overflow="fold")
    for fine, what, found, todo in checks(log_dir):
        table.add_row("[green]ok[/]" if fine else "[yellow]–[/]", escape(what), escape(found), escape(todo))
    Console().print(table)


def checks(log_dir: Path) -> Iterator[tuple[bool, str, str, str]]:
    """Each check as (fine, what, found, to do)."""
    yield True, "python", platform.python_version(), ""
    for package in ("polaris-eval", "inspect-ai", "inspect-evals", "openai", "anthropic", "google-genai"):
        found = _version(package)
        yield bool(found), package, found or "missing", "" if found else f"pip install {package}"
    for extra, (module, purpose) in _EXTRAS.items():
        there = importlib.util.find_spec(module) is not None
        todo = "" if there else f'pip install "polaris-eval[{extra}]"'
        yield there, f"extra {extra}: {purpose}", "installed" if there else "not installed", todo
    for provider, key in KEYS.items():
        there = bool(os.environ.get(key))
        yield (
            there,
            f"key of {provider}",
            f"{key} is {'set' if there else 'not set'}",
            "" if there else f"export {key}=…",
        )
    weights = weights_path()
    there = weights.is_file()
    yield (
        there,
        "weights of polaris_eval/local",
        str(weights) if there else "not fetched",
        ("" if there else f"fetched on first use ({SIZE_MB} MB)"),
    )
    known = shipped()["report"]
    names = ("story", "within_prompt", "within_model", "model", "length_partialled_out")
    trust = "; ".join("{} {value:.2f} [{low:.2f}, {high:.2f}]".format(name, **known[name]) for name in names)
    yield True, "proxy judge polaris_eval/lexical", f"Spearman with a real judge, on models held out: {trust}", ""
    yield True, "prompts mini", "ships here", ""
    yield True, "prompts official", "read from the Hugging Face hub at run time", "offline: --data-dir FOLDER"
    yield True, "prompts of the other benchmarks", "fetched once, when first needed", "see polaris-eval data list"
    logs = len(list(log_dir.rglob("*.eval"))) if log_dir.is_dir() else 0
    yield True, f"logs in {log_dir}", str(logs), ""
    for name in (*BENCHMARKS, "pairwise"):
        judge = load_rubric(name).judge.model
        key = KEYS[judge.partition("/")[0]]
        ready = bool(os.environ.get(key))
        todo = "" if ready else f"set {key}, or name another judge with --judge"
        yield ready, "arena" if name == "pairwise" else f"benchmark {name}", f"the paper's judge is {judge}", todo


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None

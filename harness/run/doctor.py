"""Check what is installed, set and cached, and what each benchmark still needs."""

from __future__ import annotations

import json
import platform
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Literal

from packaging.requirements import Requirement

from ...rubrics import Rubric, load_rubric
from ..benchmarks import Benchmark, benchmarks
from ..environment import is_set
from ..errors import UserError, install_command
from ..judge.named import KEYS, PACKAGE, PROXY, missing_key
from ..logs.headers import logs_in, read_header
from ..models.lexical import shipped
from ..models.weights import SIZE_MB, has_weights, weights_path
from ..show.grid import grid, texts
from ..show.render import console, print_grids
from ..sources import state
from .samples import prompts_of

_PACKAGE = "polaris-eval"
_EXTRAS = {
    "local": "the small model polaris_eval/local",
    "vllm": "open-weights models served on this machine",
    "train": "training",
    "data": "training pairs from books",
    "report": "plots and the report",
    "lm-eval": "running under lm-evaluation-harness",
}


@dataclass(frozen=True)
class Check:
    """The result of a check: its state, what was checked, what was found, and what to do.

    `state`: ok (it was tried or verified here), missing, wrong, or not checked (only a call would tell).
    """

    state: Literal["ok", "missing", "wrong", "not checked"]
    what: str
    found: str
    todo: str = ""


def show(log_dir: Path, as_json: bool) -> None:
    """Print the checks as a table or as JSON, without calling a model or downloading anything."""
    found = list(checks(log_dir))
    if as_json:
        print(json.dumps([asdict(check) for check in found], indent=2))
        return
    rows = ([check.state, check.what, check.found, check.todo] for check in found)
    print_grids([grid("polaris-eval doctor", texts("state", "what", "found", "to do"), rows)], console())


def checks(log_dir: Path) -> Iterator[Check]:
    """Check what is installed, set and cached, and what each benchmark of every installed package still needs."""
    yield Check("ok", "python", platform.python_version())
    yield Check("ok", _PACKAGE, version(_PACKAGE))
    yield _packages("packages", None)
    for extra, purpose in _EXTRAS.items():
        yield _packages(f"extra {extra}: {purpose}", extra)
    for provider, key in KEYS.items():
        if is_set(key):
            yield Check("not checked", f"key of {provider}", f"{key} is set", "only a call tells whether it is valid")
        else:
            yield Check("missing", f"key of {provider}", f"{key} is not set", f"export {key}=…")
    yield _weights()
    yield _proxy()
    for name, benchmark in benchmarks().items():
        yield _prompts(name, benchmark)
        yield _judge(name, benchmark.load_rubric())
    yield Check("not checked", "prompts official", "read from the Hugging Face hub when used",
                "offline: --data-dir FOLDER")  # fmt: skip
    yield _judge("arena", load_rubric("pairwise"))
    yield _logs(log_dir)


def _packages(what: str, extra: str | None) -> Check:
    """Whether the packages that this one requires, for an extra or always, are there in releases that it allows."""
    asked = [Requirement(line) for line in requires(_PACKAGE) or ()]
    if extra is None:
        wanted = [one for one in asked if one.marker is None or one.marker.evaluate({"extra": ""})]
    else:
        wanted = [one for one in asked if one.marker is not None and one.marker.evaluate({"extra": extra})]
    missing, wrong = [], []
    for one in wanted:
        there = _version(one.name)
        if there is None:
            missing.append(one.name)
        elif not one.specifier.contains(there, prereleases=True):
            wrong.append(f"{one.name} {there} is installed, {one.name}{one.specifier} is needed")
    todo = install_command(extra) if extra else f"pip install --upgrade {_PACKAGE}"
    if missing:
        return Check("missing", what, f"not installed: {', '.join(missing)}", todo)
    if wrong:
        return Check("wrong", what, "; ".join(wrong), todo)
    return Check("ok", what, f"{len(wanted)} installed, in releases that fit")


def _weights() -> Check:
    what = "weights of polaris_eval/local"
    if not weights_path().is_file():
        return Check("missing", what, "not fetched", f"fetched on first use ({SIZE_MB} MB)")
    if not has_weights():
        return Check("wrong", what, f"{weights_path()} is damaged", "fetched again on next use")
    return Check("ok", what, f"{weights_path()}, sha256 verified")


def _proxy() -> Check:
    known = shipped()["report"]
    names = ("story", "within_prompt", "within_model", "model", "length_partialled_out")
    trust = "; ".join("{} {value:.2f} [{low:.2f}, {high:.2f}]".format(name, **known[name]) for name in names)
    told = f"Spearman with a real judge, on held-out model families [range for a dozen other models]: {trust}"
    return Check("ok", f"proxy judge {PROXY}", told)


def _prompts(name: str, benchmark: Benchmark) -> Check:
    """Whether the benchmark's default prompts can be read without the network."""
    what = f"prompts of {name}"
    states = {source.name: state(source) for source in benchmark.sources}
    if lost := {source: found for source, found in states.items() if found != "verified"}:
        told = ", ".join(f"{source}: {found}" for source, found in lost.items())
        return Check("wrong" if "changed" in lost.values() else "missing", what, told,
                     f"fetched when first needed, or now: polaris-eval prompts pull {' '.join(lost)}")  # fmt: skip
    try:
        return Check("ok", what, f"{len(prompts_of(benchmark).samples)} read")
    except UserError as error:
        return Check("wrong", what, str(error))


def _judge(name: str, rubric: Rubric) -> Check:
    what, found = f"judge of {name}", f"the rubric's is {rubric.judge.model}"
    provider = rubric.judge.model.partition("/")[0]
    if key := missing_key(rubric.judge.model):
        return Check("missing", what, found, f"set {key}, or name another judge with --judge")
    return Check("ok" if provider == PACKAGE else "not checked", what, found)


def _logs(log_dir: Path) -> Check:
    what = f"logs in {log_dir}"
    if not log_dir.is_dir():
        return Check("missing", what, "no such folder", "made by the first run")
    try:
        return Check("ok", what, f"{len(list(map(read_header, logs_in(str(log_dir)))))} read")
    except UserError as error:
        return Check("wrong", what, str(error))


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None

"""A reward's terms in use: their rubrics and judges, and reward functions of the user's own."""

from __future__ import annotations

import asyncio
import hashlib
import importlib
import inspect
import math
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...harness.benchmarks import find_benchmark
from ...harness.errors import UserError
from ...harness.judge.call import Verdict
from ...harness.judge.jury import Jury
from ...harness.judge.named import marked
from ...harness.prices import Prices, token_counts
from ...rubrics import Rubric, load_rubric
from ..recipe import Recipe
from ..terms import JudgeSpec


@dataclass(frozen=True)
class Judging:
    """A judge or jury in use: its settings, models and list prices."""

    spec: JudgeSpec
    jury: Jury
    prices: Prices

    def dollars(self, verdict: Verdict) -> float:
        """Cost of a judgment; NaN if a judge that was called has no known price."""
        spent = 0.0
        for one in verdict.members or (verdict,):
            counts = token_counts(one.usage)
            if any(counts):
                prices = self.prices.per_token(one.judge)
                spent += sum(n * price for n, price in zip(counts, prices, strict=True)) * self.spec.price_factor
        return spent


@dataclass(frozen=True)
class Asked:
    """What a judge is asked for a term: its rubric, the score that counts as 1, and the judge's settings."""

    rubric: Rubric
    scale: float
    judge: JudgeSpec

    @property
    def relative(self) -> bool:
        """Whether a story is compared with the others of its group."""
        return self.rubric.pairs


def asked_terms(recipe: Recipe, held_out: bool) -> dict[str, Asked]:
    """The terms that are judged in training or on the held-out prompts, by name.

    Those without a weight are left out. On the held-out prompts there are no groups, so relative terms are left out,
    too, and the rubrics of `validation.benchmarks` are added.

    Raises:
        UserError: a rubric that cannot be a term, or an unknown benchmark.
    """
    judge = recipe.validation.judge if held_out else recipe.judge
    found = {}
    for name, term in recipe.reward.terms.items():
        if term.rubric is None:
            continue
        asked = _asked(f"reward.terms.{name}.rubric", term.rubric, term.scale, term.judge or judge)
        if recipe.weights(held_out)[name] and not (held_out and asked.relative):
            found[name] = asked
    for name in recipe.validation.benchmarks if held_out else ():
        if name in recipe.reward.terms:
            raise UserError(
                f"validation.benchmarks: {name} is the name of a term of the reward, which is judged anyway"
            )
        asked = _asked("validation.benchmarks", find_benchmark(name).rubric, None, judge)
        if asked.relative:
            raise UserError(f"validation.benchmarks: {name} compares stories, and a held-out story has none beside it")
        found[name] = asked
    return found


def _asked(where: str, name: str, scale: float | None, judge: JudgeSpec) -> Asked:
    rubric = load_rubric(name)
    if rubric.slots and not rubric.pairs:
        raise UserError(
            f"{where}: {rubric.name} is asked once per criterion of a prompt; a reward needs a rubric that marks one "
            "story at a time, or compares two"
        )
    if rubric.pairs:
        if scale is not None:
            raise UserError(f"{where}: {rubric.name} compares two stories: its value is a share, and has no scale")
        return Asked(rubric, 1.0, judge)
    if scale is None and rubric.faultless <= 0:  # dividing by it would turn better into worse
        raise UserError(f"{where}: {rubric.name} gives a faultless story {rubric.faultless:g}, not above 0; set scale")
    return Asked(rubric, scale or rubric.faultless, judge)


def reward_functions(recipe: Recipe) -> dict[str, Callable[..., Any]]:
    """The user's own reward functions, by the term's name; modules are also looked for in the current folder.

    Raises:
        UserError: there is no such module or function, or the module fails.
    """
    held_out = recipe.weights(held_out=True)
    given = {
        name: term.function
        for name, term in recipe.reward.terms.items()
        if term.function and (term.weight or held_out[name])
    }
    return {name: _function(f"reward.terms.{name}.function", where) for name, where in given.items()}


def rewarders(recipe: Recipe) -> str:
    """The judges of the reward, with proxies marked."""
    names = [marked(judge.name) for judge in judges_of(asked_terms(recipe, held_out=False).values())]
    return " and ".join(names) or "no judge"


def source_digest(functions: Mapping[str, Callable[..., Any]]) -> str:
    """A hash of the files that the functions are from; empty without any."""
    files = sorted({inspect.getsourcefile(inspect.unwrap(one)) or "" for one in functions.values() if _has_source(one)})
    text = b"".join(Path(file).read_bytes() for file in files if file)
    return hashlib.sha256(text).hexdigest()[:16] if text else ""


def _has_source(function: Callable[..., Any]) -> bool:
    try:
        return inspect.getsourcefile(inspect.unwrap(function)) is not None
    except TypeError:  # built in, or an object that is called
        return False


def _function(where: str, name: str) -> Callable[..., Any]:
    module, _, function = name.partition(":")
    if (here := str(Path.cwd())) not in sys.path:
        sys.path.append(here)
    try:
        loaded = importlib.import_module(module)
    except Exception as error:  # whatever the user's module raises
        raise UserError(f"{where}: {module} cannot be imported: {type(error).__name__}: {error}") from None
    found = getattr(loaded, function, None)
    if not callable(found):
        raise UserError(f"{where}: {module} has no function {function}")
    return found  # type: ignore[no-any-return]


async def call_function(function: Callable[..., Any], columns: Mapping[str, Any]) -> list[float | None]:
    """The values of a user's function for a batch, as TRL calls it; on a thread of its own if it is not asynchronous.

    Raises:
        ValueError: not one finite number, or None, per row; and whatever the function raises.
    """
    found = await asyncio.to_thread(function, **columns)
    if inspect.isawaitable(found):
        found = await found
    values = [None if value is None else float(value) for value in found]
    if len(values) != len(columns["prompts"]):
        raise ValueError(f"returned {len(values)} values for {len(columns['prompts'])} rows")
    if any(value is not None and not math.isfinite(value) for value in values):
        raise ValueError("returned a value that is not finite")
    return values


def judges_of(terms: Iterable[Asked]) -> list[JudgeSpec]:
    """The different judges of these terms."""
    found: list[JudgeSpec] = []
    for asked in terms:
        if asked.judge not in found:
            found.append(asked.judge)
    return found

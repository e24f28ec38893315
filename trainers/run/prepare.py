"""Check and plan a training run before any model is loaded."""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from ...harness.errors import UserError
from ...harness.judge.kept import check_store
from ...harness.judge.named import as_judge_config
from ...harness.prices import load_prices
from ..models import load_tokenizer
from ..pairs import Pairs, load_pairs
from ..recipe import Recipe
from ..reward.judged import Judging, judges_of, reward_functions, source_digest
from ..reward.ledger import HELD_OUT
from . import checks, estimate
from .checks import make_jury, per_process
from .processes import launched, local_rank, processes, rank
from .trial import try_step


@dataclass(frozen=True)
class Options:
    """The user's options besides the recipe. `max_cost` is in US dollars over the whole run, resumed or not."""

    folder: Path
    max_cost: float | None = None
    prices: Path | None = None


@dataclass(frozen=True)
class Job:
    """A checked run, with everything but the model loaded."""

    recipe: Recipe
    options: Options
    tokenizer: Any
    pairs: Pairs
    judging: dict[str, dict[str, Judging]]  # by phase and term; empty in a dry run
    functions: dict[str, Callable[..., Any]]  # by term
    plan: dict[str, Any]


def prepare(recipe: Recipe, options: Options, console: Console, dry: bool = False) -> Job:
    """Check a run and print its plan, before any model is loaded.

    Args:
        dry: only plan: call no judge, and report a lack of disk space as a note.

    Raises:
        UserError: the first problem found.
    """
    warnings.simplefilter("ignore", FutureWarning)  # of transformers about names that TRL uses
    notes = checks.check_vllm(recipe, dry)
    tokenizer = load_tokenizer(recipe.model)
    checks.check_end(recipe, tokenizer)
    pairs = load_pairs(recipe, tokenizer)
    # a dry run plans for the machine that the recipe is for
    count = max(1, recipe.shape.gpus) if dry and not launched() else processes()
    checks.check_group(recipe, len(pairs.train), count)
    prices = load_prices(options.prices)
    asked = checks.check_terms(recipe, len(pairs.held_out) > 0, count)
    functions = reward_functions(recipe)
    specs = judges_of([one for terms in asked.values() for one in terms.values()])
    used = []
    for spec in specs:
        unknown = [name for name in spec.models if prices.find(name) is None]
        if options.max_cost is not None and unknown:
            raise UserError(
                f"--max-cost: the judge {unknown[0]} has no known price, so its cost cannot be bounded; give one with "
                "--prices FILE"
            )
        as_judge_config(spec.options, f"options of the judge {spec.name}")
        try:
            used.append(Judging(per_process(spec), make_jury(spec), prices))
        except UserError as error:
            if not dry:
                raise
            notes.append(str(error))
    checks.check_functions(functions, tokenizer, pairs.train)
    checks.check_validation(recipe, len(pairs.held_out), [*asked.get(HELD_OUT, ()), *functions])
    checks.check_settings(recipe, options.folder, len(pairs.held_out), dry)
    checks.check_sft(recipe, pairs.train, options.folder)
    sizes = checks.sizes(recipe)
    notes += try_step(recipe, tokenizer, pairs.train)
    plan = estimate.plan(
        recipe, sizes, pairs.train["target_words"], sum(map(bool, pairs.train["reference"])), len(pairs.held_out),
        pairs.tokens_per_word, count, prices,
    )  # fmt: skip
    rubrics = sorted({one.rubric.digest for terms in asked.values() for one in terms.values()})
    plan |= {
        "data_digest": _digest(pairs),
        "rubric_digest": " ".join(rubrics),
        "function_digest": source_digest(functions),
    }
    lack = checks.lack_of_disk(recipe, options.folder, plan)
    notes = [*notes, *pairs.notes, *checks.remarks(recipe, plan), *([lack] if lack and dry else [])]
    if rank() == 0:
        estimate.show(plan, notes, console)
    if not dry:
        if lack and rank() == 0:
            raise UserError(lack)
        check_store(judge for one in used for judge in one.jury.members)  # find an unusable store now, not row by row
        if local_rank() == 0:  # on every machine
            for spec in specs:
                checks.check_judge(spec)
    judging = (
        {}
        if dry
        else {
            phase: {name: used[specs.index(one.judge)] for name, one in terms.items()} for phase, terms in asked.items()
        }
    )
    return Job(recipe, options, tokenizer, pairs, judging, functions, plan)


def _digest(pairs: Pairs) -> str:
    """A hash of all rows in their order."""
    rows = [pairs.train.to_dict(), pairs.held_out.to_dict()]
    return hashlib.sha256(json.dumps(rows, sort_keys=True).encode(errors="surrogatepass")).hexdigest()[:16]

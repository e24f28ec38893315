"""Estimate what a run needs before any call: stories, judge calls, tokens, dollars."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from inspect_ai.dataset import Sample

from ...rubrics import Rubric
from ..errors import UserError
from ..inspect_seam import prompt_text
from ..judge.named import judges_of, parse_judges
from ..length import length_in
from ..prices import Prices, load_prices
from ..show.grid import grid, numbers, texts
from ..show.render import console, print_grids
from ..text.length_request import find_length
from ..words import count_words
from .planned import plan_runs

# Rules of thumb, printed with every estimate; actual counts are in the logs.
TOKENS_PER_WORD = 1.35
TOKENS_PER_QUOTED_MARK = 150
# measured on 960 recorded EQ-Bench replies: 614 tokens for an analysis and 22 marks
TOKENS_PER_ANALYSIS, TOKENS_PER_MARK = 450, 8
UNKNOWN_LENGTH = 1000
ASSUMPTIONS = (
    f"{TOKENS_PER_WORD} tokens per word; every story as long as requested ({UNKNOWN_LENGTH} words if no length is "
    f"requested); judge replies of {TOKENS_PER_QUOTED_MARK} tokens per mark if the rubric asks for quotes, else "
    f"{TOKENS_PER_ANALYSIS} plus {TOKENS_PER_MARK} per mark; no reasoning tokens, malformed replies or prompt caching"
)


def estimate(
    models: tuple[str, ...],
    stories: Path | None,
    judges: Sequence[str],
    benchmarks: tuple[str, ...],
    task_args: Mapping[str, Any],
    epochs: int | None,
    limit: int | None,
    prices: Path | None,
    rubric: str | None = None,
) -> dict[str, Any]:
    """Return the rows of an estimate (one per benchmark, model and role) and their total.

    Tokens are rounded sums; `dollars` is None if the model has no known price, and the total then covers only the
    other models. Benchmarks whose prompts are not available are in `not_counted`, with the reason.

    Raises:
        UserError: if no benchmark can be counted.
    """
    listed = load_prices(prices)
    named = parse_judges(judges)
    rows: list[dict[str, Any]] = []
    not_counted: dict[str, str] = {}
    for plan in plan_runs(benchmarks, stories, task_args, rubric):
        judges = judges_of(named, plan.name) or (plan.rubric.judge.model,)
        try:
            samples = plan.samples().samples[:limit]
        except UserError as error:
            not_counted[plan.name] = str(error)
            continue
        samples = plan.shard.take(samples) if plan.shard else samples
        repeat = epochs or 1
        written = [_words(sample) for sample in samples]
        asked = [count_words(prompt_text(sample)) for sample in samples]
        for model in () if stories else models:
            rows.append(_row(plan.name, model, "writer", listed, len(samples) * repeat, sum(asked) * repeat,
                             round(sum(written) * repeat * TOKENS_PER_WORD)))  # fmt: skip
        calls, read = _judge_calls(plan.rubric, samples, written)
        times = repeat if stories else repeat * len(models)
        for judge in judges:
            rows.append(_row(plan.name, judge, "judge", listed, calls * times, read * times,
                             calls * times * _reply_tokens(plan.rubric), plan.writer))  # fmt: skip
    if not_counted and not rows:
        raise UserError("; ".join(f"{name}: {why}" for name, why in not_counted.items()))
    return estimated(rows, listed, not_counted)


def estimated(
    rows: list[dict[str, Any]], prices: Prices, not_counted: Mapping[str, str] = MappingProxyType({})
) -> dict[str, Any]:
    """The rows of an estimate with their total; `dollars_batch` is the cost with the providers' batch interfaces, if
    all models with a known price have one."""
    priced = [row["dollars"] for row in rows if row["dollars"] is not None]
    batch = [row["dollars_batch"] for row in rows if row["dollars"] is not None]
    return {
        "rows": rows,
        "dollars": round(sum(priced), 2),
        "dollars_batch": round(sum(batch), 2) if priced and None not in batch else None,
        "without_price": sorted({row["model"] for row in rows if row["dollars"] is None}),
        "not_counted": [{"benchmark": name, "reason": why} for name, why in not_counted.items()],
        "prices": {"date": prices.date, "source": prices.source},
        "assumptions": ASSUMPTIONS,
    }


def estimate_pairs(
    rubric: Rubric, judge: str, pairs: Sequence[tuple[str, str, str]], count: int, prices: Prices
) -> dict[str, Any]:
    """The estimate of `count` matches, each judged twice; on average as long as `pairs` (prompt and two stories)."""
    fixed = _fixed_words(rubric)
    seen: dict[str, int] = {}  # a story is in many pairs

    def words(text: str) -> int:
        if text not in seen:
            seen[text] = count_words(text)
        return seen[text]

    read = sum(fixed + sum(map(words, texts)) for texts in pairs)
    mean = read / len(pairs) if pairs else 0.0
    reply = _reply_tokens(rubric)
    return estimated(
        [_row("arena", judge, "judge", prices, 2 * count, round(2 * count * mean), 2 * count * reply)], prices
    )


def estimate_calls(
    name: str, model: str, role: str, calls: int, words_in: int, words_out: int, prices: Prices
) -> dict[str, Any]:
    """The estimate of `calls` calls of one model, which read `words_in` and write `words_out` words in total."""
    return estimated([_row(name, model, role, prices, calls, words_in, round(words_out * TOKENS_PER_WORD))], prices)


def judgment_tokens(rubric: Rubric, words: int) -> tuple[int, int]:
    """Tokens that a judge reads and writes for one story of `words` words, without reasoning."""
    return round((_fixed_words(rubric) + words) * TOKENS_PER_WORD), _reply_tokens(rubric)


def _fixed_words(rubric: Rubric) -> int:
    """Words of a judge call that are the same for every story."""
    return sum(count_words(m["content"]) for m in rubric.messages("", "", **dict.fromkeys(rubric.slots, "")))


def _reply_tokens(rubric: Rubric) -> int:
    marks = len(rubric.mark_names)
    return TOKENS_PER_QUOTED_MARK * marks if rubric.rule.quotes else TOKENS_PER_ANALYSIS + TOKENS_PER_MARK * marks


def show(found: dict[str, Any], as_json: bool) -> None:
    """Print an estimate as a table, or as JSON."""
    if as_json:
        print(json.dumps(found, indent=2))
        return
    heads = [*texts("benchmark", "model", "role"), *numbers("calls", "tokens in", "tokens out", "US $")]
    rows = []
    for row in found["rows"]:
        dollars = "unknown" if row["dollars"] is None else f"{row['dollars']:.2f}"
        counts = (f"{row['calls']:,}", f"{row['tokens_in']:,}", f"{row['tokens_out']:,}")
        role = f"{row['role']} of {row['writer']}" if row["writer"] else row["role"]
        rows.append([row["benchmark"], row["model"], role, *counts, dollars])
    notes = [f"Prices: {found['prices']['source']}. Assumed: {found['assumptions']}."]
    notes[:0] = [f"Not counted: {lost['benchmark']}: {lost['reason']}" for lost in found["not_counted"]]
    if found["without_price"]:
        notes.insert(0, f"Not in the total (no known price): {', '.join(found['without_price'])}.")
    if found["dollars_batch"] is not None:
        notes.insert(0, f"With --batch, if the command supports it: {found['dollars_batch']:.2f}.")
    total = ["total", "", "", "", "", "", f"{found['dollars']:.2f}"]
    print_grids([replace(grid("Before any call", heads, rows).and_rows([total]), notes=tuple(notes))], console(150))


def _judge_calls(rubric: Rubric, samples: Sequence[Sample], written: Sequence[int]) -> tuple[int, int]:
    """The number of judge calls (one per criterion if the rubric is asked that way), and of the words it reads."""
    fixed = _fixed_words(rubric)
    calls = words = 0
    for sample, story in zip(samples, written, strict=True):
        criteria = (sample.metadata or {}).get("criteria") if rubric.slots else None
        each = fixed + count_words(prompt_text(sample)) + story
        calls += len(criteria) if criteria else 1
        words += each if not criteria else sum(each + sum(map(count_words, slots.values())) for slots in criteria)
    return calls, words


def _words(sample: Sample) -> int:
    metadata = sample.metadata or {}
    if "story" in metadata:
        return count_words(metadata["story"])
    asked = length_in(metadata) if "target_words" in metadata else find_length(prompt_text(sample))
    return asked.target if asked else UNKNOWN_LENGTH


def _row(
    benchmark: str,
    model: str,
    role: str,
    prices: Prices,
    calls: int,
    words_in: int,
    tokens_out: int,
    writer: str | None = None,
) -> dict[str, Any]:
    tokens_in = round(words_in * TOKENS_PER_WORD)
    price = prices.find(model)
    dollars = None if price is None else (tokens_in * price.input + tokens_out * price.output) / 1e6
    return {
        "benchmark": benchmark,
        "model": model,
        "role": role,
        "writer": writer,
        "calls": calls,
        "tokens_in": tokens_in,
        "tokens_out": tokens_out,
        "dollars": dollars,
        "dollars_batch": dollars * price.batch if dollars is not None and price and price.batch else None,
    }

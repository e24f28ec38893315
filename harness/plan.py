"""What a run will take, counted before any call: stories, judge calls, tokens, dollars."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml
from inspect_ai._eval.registry import task_create
from inspect_ai.dataset import Sample
from pydantic import BaseModel, ConfigDict, ValidationError
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ..rubrics import load_rubric
from .errors import UserError
from .runs import PACKAGE
from .runs import benchmarks as known_benchmarks
from .words import count_words, strip_length_request, target_words

# Rules of thumb, stated with every estimate; real counts are in the logs.
TOKENS_PER_WORD = 1.35
TOKENS_PER_MARK = 150
UNKNOWN_LENGTH = 1000
ASSUMPTIONS = (
    f"{TOKENS_PER_WORD} tokens a word; every story as long as asked ({UNKNOWN_LENGTH} words where nothing is asked); "
    f"{TOKENS_PER_MARK} tokens of judge's reply a mark; no reasoning tokens, no malformed replies, no prompt caching"
)


class Price(BaseModel):
    model_config = ConfigDict(extra="forbid")

    input: float
    output: float
    cached_input: float | None = None
    batch: float | None = None


class Prices(BaseModel):
    model_config = ConfigDict(extra="forbid")

    date: str
    source: str
    models: dict[str, Price]

    def find(self, model: str) -> Price | None:
        """The price of a model, by its full name or without its provider."""
        return self.models.get(model) or self.models.get(model.rpartition("/")[2])


def load_prices(path: Path | None) -> Prices:
    """The price file that ships here, or a user's own. Raises UserError naming the file and the key."""
    text = path.read_text(encoding="utf-8") if path else (files(__package__) / "prices.yaml").read_text("utf-8")
    try:
        return Prices.model_validate(yaml.safe_load(text))
    except ValidationError as error:
        first = error.errors()[0]
        raise UserError(f"{path or 'prices.yaml'}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from None
    except yaml.YAMLError as error:
        raise UserError(f"{path}: not YAML: {' '.join(str(error).split())}") from None


def estimate(
    models: tuple[str, ...],
    stories: Path | None,
    judge: str | None,
    benchmarks: tuple[str, ...],
    prompts: str,
    split: str,
    data_dir: Path | None,
    epochs: int | None,
    limit: int | None,
    prices: Path | None,
) -> dict[str, Any]:
    """Rows of an estimate (one a benchmark, model and role) and their total.

    Tokens are rounded up sums; `dollars` is None where the model has no known price, and then the total
    covers the others only.
    """
    listed = load_prices(prices)
    rows: list[dict[str, Any]] = []
    for name in benchmarks:
        if name not in known_benchmarks():
            raise UserError(f"unknown benchmark {name!r}; known: {', '.join(known_benchmarks())}")
        rubric = load_rubric(name)
        chosen = judge or rubric.judge.model
        source: dict[str, Any] = {"stories": str(stories)} if stories else {"prompts": prompts, "split": split}
        folder = {"data_dir": str(data_dir)} if data_dir and not stories else {}
        task = task_create(f"{PACKAGE}/{name}", judge=chosen, **source, **folder)
        samples = list(task.dataset)[:limit]
        repeat = epochs or 1
        written = [_words(sample) for sample in samples]
        asked = [count_words(str(sample.input)) for sample in samples]
        for model in () if stories else models:
            rows.append(_row(name, model, "writer", listed, len(samples) * repeat, sum(asked) * repeat,
                             round(sum(written) * repeat * TOKENS_PER_WORD)))  # fmt: skip
        fixed = sum(count_words(m["content"]) for m in rubric.messages("", ""))
        read = [
            fixed + count_words(strip_length_request(str(s.input))) + w for s, w in zip(samples, written, strict=True)
        ]
        times = repeat if stories else repeat * len(models)
        reply = TOKENS_PER_MARK * len(rubric.mark_names)
        rows.append(_row(name, chosen, "judge", listed, len(samples) * times, sum(read) * times,
                         len(samples) * times * reply))  # fmt: skip
    priced = [row["dollars"] for row in rows if row["dollars"] is not None]
    return {
        "rows": rows,
        "dollars": round(sum(priced), 2),
        "without_price": sorted({row["model"] for row in rows if row["dollars"] is None}),
        "prices": {"date": listed.date, "source": listed.source},
        "assumptions": ASSUMPTIONS,
    }


def show(found: dict[str, Any], as_json: bool) -> None:
    """Print an estimate as a table, or as JSON."""
    if as_json:
        print(json.dumps(found, indent=2))
        return
    table = Table(title="Before any call", title_justify="left")
    for name in ("benchmark", "model", "role"):
        table.add_column(name, overflow="fold")
    for name in ("calls", "tokens in", "tokens out", "US $"):
        table.add_column(name, justify="right")
    for row in found["rows"]:
        dollars = "unknown" if row["dollars"] is None else f"{row['dollars']:.2f}"
        cells = (f"{row['calls']:,}", f"{row['tokens_in']:,}", f"{row['tokens_out']:,}", dollars)
        table.add_row(row["benchmark"], escape(row["model"]), row["role"], *cells)
    table.add_section()
    table.add_row("total", "", "", "", "", "", f"{found['dollars']:.2f}")
    console = Console()
    console.print(table)
    if found["without_price"]:
        console.print(f"Not in the total, no known price: {', '.join(found['without_price'])}.", markup=False)
    console.print(f"Prices: {found['prices']['source']}. Assumed: {found['assumptions']}.", highlight=False)


def _words(sample: Sample) -> int:
    metadata = sample.metadata or {}
    if "story" in metadata:
        return count_words(metadata["story"])
    return metadata.get("target_words") or target_words(str(sample.input)) or UNKNOWN_LENGTH


def _row(
    benchmark: str, model: str, role: str, prices: Prices, calls: int, words_in: int, tokens_out: int
) -> dict[str, Any]:
    tokens_in = round(words_in * TOKENS_PER_WORD)
    price = prices.find(model)
    dollars = None if price is None else (tokens_in * price.input + tokens_out * price.output) / 1e6
    return {
        "benchmark": benchmark,
        "model": model,
        "role": role,
        "calls": calls,
        "tokens_in": tokens_in,
        "tokens_out": tokens_out,
        "dollars": dollars,
        "dollars_batch": dollars * price.batch if dollars is not None and price and price.batch else None,
    }

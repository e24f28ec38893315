"""`judge-check` from end to end: the run, and its one page of results."""

from __future__ import annotations

import json
import math
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from . import plan as planning
from .cells import number, share
from .export import markdown_table, plain_data, slug, title_of
from .judge_check import Plan, analyse, prepare
from .options import as_judge_config
from .runs import Request, run
from .stats import Interval
from .table import stories_frame
from .verdicts import SWITCH


def run_check(
    source: Path,
    judges: Sequence[str],
    only_plan: bool,
    out: Path,
    *,
    benchmark: str | None,
    limit: int,
    repeats: int,
    judge_options: dict[str, Any],
    judge_base_url: str | None,
    max_connections: int | None,
    log_dir: Path,
) -> int:
    """Judge all variants with every judge, print the results and write them; returns the exit code."""
    plan = prepare(source, benchmark, limit, repeats, log_dir)
    if only_plan:
        for judge in judges:
            found = planning.estimate((), plan.path, (judge,), (plan.benchmark,), {}, None, None, None)
            planning.show(found, as_json=False)
        return 0
    os.environ[SWITCH] = "off"  # the same text again is the point here
    frames = {}
    for judge in dict.fromkeys(judges):
        request = Request(
            models=(),
            log_dir=log_dir / slug(judge),
            benchmarks=(plan.benchmark,),
            judges={"": judge},
            judge_config=as_judge_config(judge_options),
            judge_base_url=judge_base_url,
            stories=plan.path,
            generate={"max_connections": max_connections} if max_connections else {},
            display="rich" if sys.stdout.isatty() else "plain",
        )
        frames[judge] = stories_frame(run(request))
    found = analyse(plan, frames)
    console = Console(emoji=False) if sys.stdout.isatty() else Console(emoji=False, width=160)
    tables = result_tables(plan, found)
    for table in tables:
        console.print(table)
    for path in write_results(tables, found, out):
        console.print(f"  wrote {path}", highlight=False, markup=False, soft_wrap=True)
    left = sum(one["judgments"] - one["scored"] for one in found["judges"].values())
    if left:
        click.echo(f"{left} judgments have no score and take no part; the same command tries them again.")
    return 1 if left else 0


def write_results(tables: Sequence[Table], found: Mapping[str, Any], folder: Path) -> list[Path]:
    """Write judge-check.md and judge-check.json."""
    folder.mkdir(parents=True, exist_ok=True)
    page, data = folder / "judge-check.md", folder / "judge-check.json"
    parts = ["# Judge check", *(f"## {title_of(table)}\n\n{markdown_table(table)}" for table in tables)]
    page.write_text("\n\n".join(parts) + "\n", encoding="utf-8")
    data.write_text(json.dumps(plain_data(dict(found)), indent=2, ensure_ascii=False), encoding="utf-8")
    return [page, data]


def result_tables(plan: Plan, found: Mapping[str, Any]) -> list[Table]:
    """The page: a summary of all judges, their agreement, and for each judge damages, injections and dimensions."""
    tables = [_summary(found)]
    if found["agreement"]:
        tables.append(_agreement(found["agreement"]))
    for judge, one in found["judges"].items():
        name = f"PROXY {judge}" if one["proxy"] else judge
        tables += [_damages(plan, name, one["damages"]), _injections(name, one["injections"]), _dimensions(name, one)]
    return tables


def _table(title: str, text: Sequence[str], numbers: Sequence[str]) -> Table:
    table = Table(title=escape(title), title_justify="left", title_style="bold")
    for name in text:
        table.add_column(name, overflow="fold")
    for name in numbers:
        table.add_column(name, justify="right")
    return table


def _summary(found: Mapping[str, Any]) -> Table:
    title = f"{found['benchmark']}: {found['stories']} stories, {found['repeats']} judgments of each"
    numbers = ["scored", "retest ICC", "retest SD", "quotes found", "quotes missing", "mis-added",
               "score and length (Spearman)", "damages seen", "injections held"]  # fmt: skip
    table = _table(title, ["judge"], numbers)
    for judge, one in found["judges"].items():
        seen = [d["moved"]["score"]["verdict"] == "yes" for d in one["damages"].values()]
        held = [style["verdict"] == "within noise" for style in one["injections"]["styles"].values()]
        evidence = [share(one["evidence"].get(name)) for name in ("quotes_found", "quotes_missing", "misadded")]
        retest = one["retest"]["score"]
        table.add_row(
            escape(f"PROXY {judge}" if one["proxy"] else judge), f"{one['scored']} of {one['judgments']}",
            _interval(retest["icc"], 2), number(retest["sd"]), *evidence, _interval(one["length_bias"], 2),
            f"{sum(seen)} of {len(seen)}", f"{sum(held)} of {len(held)}",
        )  # fmt: skip
    return table


def _agreement(pairs: Sequence[Mapping[str, Any]]) -> Table:
    table = _table("Agreement of judges on the stories as they are", ["judge", "and"],
                   ["Krippendorff's alpha", "Spearman", "mean shift"])  # fmt: skip
    for pair in pairs:
        numbers = (_interval(pair["alpha"], 2), _interval(pair["spearman"], 2), _interval(pair["shift"], 1))
        table.add_row(escape(pair["a"]), escape(pair["b"]), *numbers)
    return table


def _damages(plan: Plan, judge: str, damages: Mapping[str, Any]) -> Table:
    table = _table(f"{judge}: damaged stories", ["damage", "what was done", "measure"],
                   ["shift", "got worse", "stories"])  # fmt: skip
    for name, damage in damages.items():
        for place, (measure, moved) in enumerate(damage["moved"].items()):
            first = (name, plan.check.damages[name].does) if place == 0 else ("", "")
            table.add_row(*first, measure, _interval(moved["shift"], 1), moved["verdict"], str(damage["stories"]))
    return table


def _injections(judge: str, found: Mapping[str, Any]) -> Table:
    title = f"{judge}: stories that talk to the judge (noise: ±{number(found['limit'])} points)"
    table = _table(title, ["style"], ["shift of the score", "verdict"])
    for name, style in found["styles"].items():
        table.add_row(name, _interval(style["shift"], 1), style["verdict"] or "–")
    return table


def _dimensions(judge: str, one: Mapping[str, Any]) -> Table:
    title = f"{judge}: dimensions (entropy in bits, of what is possible)"
    table = _table(title, ["dimension"], ["retest ICC", "retest SD", "entropy", "commonest mark"])
    for name, cluster in one["clustering"].items():
        retest = one["retest"][name]
        common = f"{number(cluster['commonest'], 0)} ({share(cluster['share'])})"
        entropy = f"{number(cluster['bits'])} of {number(cluster['most'])}"
        table.add_row(escape(name), _interval(retest["icc"], 2), number(retest["sd"]), entropy, common)
    return table


def _interval(interval: Interval, digits: int) -> str:
    value = number(interval.value, digits)
    if math.isnan(interval.low):
        return value
    return f"{value} ({number(interval.low, digits)} to {number(interval.high, digits)})"

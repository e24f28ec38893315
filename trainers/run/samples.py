"""The held-out prompts over time: their stories, side by side for a reader, and the step that did best on them."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from ...harness.judge.named import marked
from ...harness.stats.compare import compare_pairs
from ...harness.stats.intervals import ALPHA, Interval, mean_interval
from ..reward.ledger import read_rows, terms_in

SHOWN = 3  # prompts


def held_out_rows(folder: Path) -> list[dict[str, Any]]:
    """Every held-out story of a run with its `step`, in order; a prompt that two processes wrote for counts once."""
    found: dict[tuple[int, str], dict[str, Any]] = {}
    for path in sorted((folder / "held_out").glob("step-*.jsonl")):
        step = int(re.findall(r"\d+", path.stem)[0])
        for row in read_rows(path):
            found.setdefault((step, row["id"]), {**row, "step": step})
    return [found[key] for key in sorted(found)]


@dataclass(frozen=True)
class Selection:
    """What validation says after `steps` steps about a metric on the held-out prompts.

    `best` is the step with the highest mean, `value` that mean with its interval over prompts. `since` is the last step
    that was told apart as better than those before it (the first step, if none was), `stale` the number of validations
    after it.
    """

    metric: str
    steps: int
    best: int
    value: Interval
    since: int
    stale: int


def select(folder: Path, metric: str, until: int) -> Selection | None:
    """Find the best step of a run up to a step, from the held-out stories; None if none has a verdict."""
    rows = [
        {"step": row["step"], "prompt": row["id"], "value": row["metadata"].get(metric)}
        for row in held_out_rows(folder)
        if row["step"] <= until
    ]
    table = pd.DataFrame(rows, columns=["step", "prompt", "value"]).dropna(subset="value")
    if table.empty:
        return None
    by_step = table.pivot_table(index="prompt", columns="step", values="value")
    since, *later = sorted(set(table["step"].tolist()))
    stale = 0
    for step in later:
        (pair,) = compare_pairs(by_step[[step, since]]).to_dict("records")
        better = pair["difference"] > 0 and pair["p"] < ALPHA
        since, stale = (step, 0) if better else (since, stale + 1)
    best = int(str(by_step.mean().idxmax()))
    mine = table[table["step"] == best]
    value = mean_interval(mine["value"].astype(float), mine["prompt"].tolist())
    return Selection(metric, until, best, value, since, stale)


def has_stalled(found: Selection | None, patience: int | None) -> bool:
    """Whether the last `patience` validations brought nothing that can be told apart as better."""
    return found is not None and patience is not None and found.stale >= patience


def told(found: Selection) -> str:
    """A selection in words."""
    bounds = "" if math.isnan(found.value.low) else f" [{found.value.low:.3f}, {found.value.high:.3f}]"
    since = "" if not found.stale else f"; since step {found.since} nothing can be told apart as better"
    return f"best so far: step {found.best}, {found.metric.replace('_', ' ')} {found.value.value:.3f}{bounds}{since}"


def write_samples(folder: Path, judge: str) -> Path:
    """Write `samples.md`: the first held-out prompts, and their stories at each validation."""
    rows = held_out_rows(folder)
    prompts = list(dict.fromkeys(row["id"] for row in rows))[:SHOWN]
    parts = [f"# Stories over time\n\nJudged by {marked(judge)}.\n"]
    for uid in prompts:
        mine = [row for row in rows if row["id"] == uid]
        parts.append(f"## {uid}\n\n{_quoted(mine[0]['prompt'])}\n")
        for row in mine:
            told = row["metadata"]
            known = [f"{n.replace('_', ' ')} {v:.2f}" for n, v in terms_in(told).items() if v is not None]
            verdict = ", ".join(known) or "no verdict"
            parts.append(
                f"### After {row['step']} steps: {verdict}, {told['words']} words\n\n{_quoted(row['story'])}\n"
            )
    path = folder / "samples.md"
    path.write_text("\n".join(parts), encoding="utf-8")
    return path


def _quoted(text: str) -> str:
    """Indent a text as a block, so that its markup stays plain text."""
    return "\n".join(f"    {line}" for line in text.splitlines() or [""])

"""Stories of the held-out prompts over time, side by side for a reader."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from ...harness.judge.named import marked
from ..ledger import read_rows

SHOWN = 3  # prompts


def held_out_rows(folder: Path) -> list[dict[str, Any]]:
    """Every held-out story of a run with its `step`, in order; a prompt that two processes wrote for counts once."""
    found: dict[tuple[int, str], dict[str, Any]] = {}
    for path in sorted((folder / "held_out").glob("step-*.jsonl")):
        step = int(re.findall(r"\d+", path.stem)[0])
        for row in read_rows(path):
            found.setdefault((step, row["id"]), {**row, "step": step})
    return [found[key] for key in sorted(found)]


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
            quality = "no verdict" if told["story_quality"] is None else f"quality {100 * told['story_quality']:.0f}"
            parts.append(
                f"### After {row['step']} steps: {quality}, {told['words']} words\n\n{_quoted(row['story'])}\n"
            )
    path = folder / "samples.md"
    path.write_text("\n".join(parts), encoding="utf-8")
    return path


def _quoted(text: str) -> str:
    """Indent a text as a block, so that its markup stays plain text."""
    return "\n".join(f"    {line}" for line in text.splitlines() or [""])

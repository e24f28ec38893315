"""Recorded EQ-Bench Creative judgments as a stories file and a file of replies.

Run: python tests/parity/recordings.py FOLDER…. Writes stories.jsonl and recorded-claude-3-7-sonnet.jsonl into the
current folder; `polaris-eval run` judges the one with the other (see results/eqbench_creative/README.md).
"""

from __future__ import annotations

import gzip
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

STORIES, REPLIES = Path("stories.jsonl"), Path("recorded-claude-3-7-sonnet.jsonl")


def recorded(*folders: Path) -> Iterator[dict[str, Any]]:
    """Every recorded row of the folders' *.jsonl.gz."""
    for path in sorted(path for folder in folders for path in folder.glob("*.jsonl.gz")):
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            yield from map(json.loads, lines)


def main() -> None:
    rows = list(recorded(*map(Path, sys.argv[1:])))
    with STORIES.open("w", encoding="utf-8") as stories, REPLIES.open("w", encoding="utf-8") as replies:
        for row in rows:
            which = {"id": f"{row['prompt_id']}-{row['iteration']}", "model": row["model"]}
            told = {"prompt": row["prompt_text"], "story": row["story"], "benchmark": "eqbench_creative"}
            stories.write(json.dumps({**which, **told, "metadata": {"prompt_id": row["prompt_id"]}}) + "\n")
            replies.write(json.dumps({**which, "reply": row["judge_text"]}) + "\n")
    print(f"{len(rows):,} stories of {len({row['model'] for row in rows})} models")


if __name__ == "__main__":
    main()

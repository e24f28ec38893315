"""Public stories that people judged, as files for `polaris-eval judge-people`.

Run: python tests/parity/people.py FOLDER. Writes ttcw.jsonl (36 stories, fourteen tests by three writers each) and
edits.jsonl (106 passages in three versions, ranked by three writers each) into the current folder. Both are from
salesforce/creativity_eval (BSD-3).
"""

from __future__ import annotations

import gzip
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any


def ttcw(folder: Path) -> Iterator[dict[str, Any]]:
    """The stories whose text is at hand, with each writer's answers by test."""
    for row in _rows(folder / "ttcw.jsonl.gz"):
        ratings: dict[str, dict[str, int]] = {}
        for test, verdicts in row["experts"].items():
            for verdict in verdicts:
                ratings.setdefault(str(verdict["expert"]), {})[test] = int(verdict["yes"])
        if row["story"]:
            told = {"id": row["story_id"], "prompt": row["plot"], "story": row["story"], "model": row["writer"]}
            yield {**told, "ratings": ratings}


def edits(folder: Path) -> Iterator[dict[str, Any]]:
    """The versions of each passage, with the place that each writer gave them."""
    for row in _rows(folder / "edit_preferences.jsonl.gz"):
        for version, text in row["versions"].items():
            ranks = {str(one["annotator"]): one["best_to_worst"].index(version) + 1 for one in row["rankings"]}
            told = {"id": row["id"], "prompt": row["prompt"], "story": text, "model": version}
            yield {**told, "metadata": {"prompt_id": row["id"]}, "ranks": ranks}


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        yield from map(json.loads, lines)


def main() -> None:
    for name, rows in (("ttcw", ttcw(Path(sys.argv[1]))), ("edits", edits(Path(sys.argv[1])))):
        text = "".join(json.dumps(row) + "\n" for row in rows)
        Path(f"{name}.jsonl").write_text(text, encoding="utf-8")
        print(f"{name}.jsonl: {text.count(chr(10))} stories")


if __name__ == "__main__":
    main()

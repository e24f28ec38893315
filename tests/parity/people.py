"""Public stories that people judged, as files for `polaris-eval judge-people`.

Run: python tests/parity/people.py FOLDER. Writes ttcw.jsonl (36 stories, fourteen tests by three writers each),
recorded-JUDGE.jsonl for each LLM judge of TTCW (its recorded answers, as replies on the rubric ttcw, for
`--judge polaris_eval/replay/recorded-JUDGE.jsonl`) and edits.jsonl (106 passages in three versions, ranked by three
writers each) into the current folder. All is from salesforce/creativity_eval (BSD-3).
"""

from __future__ import annotations

import gzip
import json
import re
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


def recorded(folder: Path) -> dict[str, list[dict[str, Any]]]:
    """By LLM judge its replies to the stories at hand; where a test got neither yes nor no they are malformed."""
    found: dict[str, list[dict[str, Any]]] = {}
    for row in _rows(folder / "ttcw.jsonl.gz"):
        for judge, answers in row["llm_replies"].items():
            marks = {test.replace(" ", "_"): verdict(answer) for test, answer in answers.items()}
            reply = {
                "analysis": "recorded, test by test",
                **{test: mark for test, mark in marks.items() if mark is not None},
            }
            if row["story"]:
                which = {"id": f"{row['writer']}/{row['story_id']}", "model": row["writer"]}
                found.setdefault(judge, []).append({**which, "reply": json.dumps(reply)})
    return found


def verdict(answer: str) -> int | None:
    """1 for an answer that begins with yes, 0 with no; None for any other, such as one that was blocked."""
    begins = re.match(r"\W*(yes|no)\b", answer, re.IGNORECASE)
    return int(begins[1].lower() == "yes") if begins else None


def verdicts(folder: Path) -> list[dict[str, Any]]:
    """Every story's tests, also where the text is not at hand: what most writers say, and what each judge does."""
    return [
        {"story": row["story_id"], "writers": [int(one["yes"]) for one in said], "test": test,
         "judges": {judge: verdict(answers[test]) for judge, answers in row["llm_replies"].items()}}
        for row in _rows(folder / "ttcw.jsonl.gz") for test, said in row["experts"].items()
    ]  # fmt: skip


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
    folder = Path(sys.argv[1])
    replies = {f"recorded-{judge}": iter(rows) for judge, rows in recorded(folder).items()}
    for name, rows in {"ttcw": ttcw(folder), "edits": edits(folder), **replies}.items():
        text = "".join(json.dumps(row) + "\n" for row in rows)
        Path(f"{name}.jsonl").write_text(text, encoding="utf-8")
        print(f"{name}.jsonl: {text.count(chr(10))} lines")


if __name__ == "__main__":
    main()

"""The commands that are put to trial, each with what it needs, and its final result in a form that can be compared."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from conftest import stories, write_jsonl
from unreliable import AT_ONCE

from polaris_eval.harness.environment import cache_dir
from polaris_eval.harness.logs.headers import log_files
from polaris_eval.harness.logs.pairs import judgments_frame
from polaris_eval.harness.logs.table import stories_frame
from polaris_eval.harness.models.weights import fetch_weights
from polaris_eval.harness.show.files import slug
from polaris_eval.trainers.run.curves import judged_rows

WRITER, JUDGE = "openai-api/lab/writer", "openai-api/lab/judge"
# what a story took, as opposed to what it is
EFFORT = {"log", "task_id", "created", "seconds", "started", "completed", "attempts", "tokens", "cost_writing",
          "cost_judging", "cost"}  # fmt: skip

Result = dict[str, tuple[str, str]]  # by id: the score, and all else that must be the same


@dataclass(frozen=True)
class Subject:
    """A command: its arguments, what it needs in its folder, and its result there. `logs` is the folder that it holds
    while it runs, if any; `calls` is False if it makes none."""

    name: str
    args: tuple[str, ...]
    result: Callable[[Path], Result]
    prepare: Callable[[Path], object] = lambda work: None
    module: str = "polaris_eval.harness.cli"
    logs: str | None = None
    calls: bool = True


def subjects(size: int, finished: Path) -> dict[str, Subject]:
    """The commands but training, with work for about `size` seconds; `finished` is a folder of logs to report on."""
    speed = ("--max-connections", str(AT_ONCE))
    judge = ("--judge", JUDGE)
    every = [
        Subject("run", ("run", "--model", WRITER, *judge, "--benchmark", "story_quality", "--limit", str(4 * size),
                        *speed), _stories("logs"), logs="logs"),
        Subject("arena", ("arena", "s.jsonl", *judge, *speed), _matches, _rivals(max(2, size * 3 // 2)), logs="arena"),
        Subject("judge-check", ("judge-check", "s.jsonl", *judge, *speed, "--limit", str(max(1, size // 4)),
                                "--repeats", "2"), _check, _rivals(2), logs=f"judge-check/{slug(JUDGE)}"),
        Subject("run --stories", ("run", "--stories", "s.jsonl", *judge, *speed), _stories("logs"),
                _rivals(AT_ONCE // 3), logs="logs"),
        Subject("report", ("report", str(finished), "--out", "report"), _pages, calls=False),
    ]  # fmt: skip
    return {one.name: one for one in every}


def training(steps: int) -> Subject:
    """`polaris-train smoke`, judged by the server, in so many short steps."""
    settings = (
        f"judge.model={JUDGE}", f"validation.judge.model={JUDGE}", "validation.prompts=2", "validation.every=3",
        "data.train=pairs.jsonl", "trl.max_completion_length=24", "reward.overlong_tokens=4",
        f"trl.max_steps={steps}", "trl.save_steps=1",
    )  # fmt: skip
    args = ("smoke", *settings, "--run-dir", "run")
    return Subject("polaris-train smoke", args, _trained, _weights, "polaris_eval.trainers.cli", logs="run")


def lost_and_invented(found: Result, expected: Result) -> tuple[int, int]:
    """How many stories are not there, and how many have a score that they should not have."""
    known = {name: score for name, (score, _) in expected.items()}
    invented = [name for name, (score, _) in found.items() if score not in ("None", known.get(name))]
    return len(expected.keys() - found.keys()), len(invented)


def _rows(frame: pd.DataFrame) -> Result:
    kept = frame.drop(columns=[name for name in frame if name in EFFORT]).astype(object)
    kept = kept.where(kept.notna(), None)
    found = {}
    for row in kept.to_dict("records"):
        name = " ".join(str(row[part]) for part in ("model", "id", "epoch") if part in row)
        found[name] = repr(row.pop("score")), repr(sorted(row.items()))
    return found


def _stories(folder: str) -> Callable[[Path], Result]:
    return lambda work: _rows(stories_frame(log_files([work / folder]))) if _any_log(work / folder) else {}


def _matches(work: Path) -> Result:
    found = _rows(judgments_frame(log_files([work / "arena"]))) if _any_log(work / "arena") else {}
    return found | _digests([work / "results" / "arena.csv"])


def _check(work: Path) -> Result:
    page = work / "results" / "judge-check.json"
    told = json.loads(page.read_text(encoding="utf-8")) if page.is_file() else {}
    for one in told.get("judges", {}).values():
        one.pop("seconds")
    analysed = {page.name: ("None", json.dumps(told))} if told else {}
    return _stories(f"judge-check/{slug(JUDGE)}")(work) | analysed


def _pages(work: Path) -> Result:
    return _digests(path for path in sorted((work / "report").rglob("*")) if path.is_file())


def _trained(work: Path) -> Result:
    rows = judged_rows(work / "run") if (work / "run").is_dir() else []
    named = {f"{r['phase']}/{r['step']}/{r['rank']}/{r['row']}": (repr(r["reward"]), repr(r["words"])) for r in rows}
    return named | _digests(sorted((work / "run").glob("checkpoint-*/adapter_model.safetensors"))[-1:])


def _digests(paths: Iterable[Path]) -> Result:
    found = {}
    for path in filter(Path.is_file, paths):
        text = re.sub(rb'"date": "[^"]*"', b"", path.read_bytes())
        found[path.name] = ("None", hashlib.sha256(text).hexdigest())
    return found


def _any_log(folder: Path) -> bool:
    return any(folder.glob("*.eval"))


def _rivals(prompts: int) -> Callable[[Path], object]:
    def prepare(work: Path) -> None:
        records: list[dict[str, Any]] = []
        for number, model in enumerate(("lab/a", "lab/b", "lab/c")):
            for record in stories(prompts, model):
                records.append({**record, "story": f"{record['story']} {'It rained again. ' * number}"})
        write_jsonl(work / "s.jsonl", records)

    return prepare


def _weights(work: Path) -> None:
    """The small model out of the user's cache."""
    rows = ({"uid": f"u{i}", "prompt": f"Write of {i}.", "story": f"Ferry {i} waited. Rain fell."} for i in range(8))
    write_jsonl(work / "pairs.jsonl", list(rows))
    fetch_weights()
    (work / "cache").mkdir()
    for entry in cache_dir().iterdir():
        if entry.name not in ("judgments", "tables"):
            (work / "cache" / entry.name).symlink_to(entry)

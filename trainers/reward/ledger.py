"""Records of a training run: every verdict with its parts and cost, and the stories of held-out prompts."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from inspect_ai.model import ModelUsage

from ...harness.judge.call import Verdict
from .scoring import Response

TRAIN, HELD_OUT = "train", "held_out"
# what is measured of every row, shown in TRL's completions table and metrics beside the terms
MEASURED = ("repetition", "length", "blank", "overlong", "words", "reasoning_tokens", "truncated")
_BESIDE = ("reward", "reward_as_held_out", "length_ratio")


@dataclass(frozen=True)
class Row:
    """A row of a batch: its place, the prompt and the response.

    `row` counts the rows of a phase and step on one process, and `rank` is that process. `target_words` is the length
    asked for; for a range, the value nearest to the length written.
    """

    phase: str
    step: int
    row: int
    rank: int
    uid: str
    is_reference: bool
    target_words: int | None
    prompt: str
    response: Response


@dataclass(frozen=True)
class Judgment:
    """The verdict on a row for one term. `value`, the share of a faultless score, is None if it was not judged;
    `usage` and `dollars` are zero if another row paid for it; `dollars` is NaN if the judge has no known price."""

    verdict: Verdict
    value: float | None
    usage: ModelUsage
    dollars: float

    def unpaid(self) -> Judgment:
        """The same judgment, whose cost is counted in another line."""
        return replace(self, usage=ModelUsage(), dollars=0.0)

    def data(self) -> dict[str, Any]:
        """The judgment as written to the file."""
        verdict = self.verdict
        return {
            "judge": verdict.judge,
            "status": verdict.status,
            "reason": verdict.reason,
            "score": verdict.scores.get("score"),
            "kept": verdict.kept,
            "replies": list(verdict.replies),
            "usage": self.usage.model_dump(exclude_none=True) if self.dollars or self.usage.total_tokens else {},
            "dollars": known_dollars(self.dollars),
        }


@dataclass(frozen=True)
class Line:
    """A row with its judgments, by term. `values` are those of the terms that are judged or computed by functions.
    `reward` is None if one that counts is missing, and `reason` says why; `reward_as_held_out` is the reward with the
    weights of the held-out prompts, None where it cannot be said."""

    row: Row
    attempt: int
    values: Mapping[str, float | None]
    judgments: Mapping[str, Judgment]
    reward: float | None
    reward_as_held_out: float | None
    reason: str | None

    @property
    def status(self) -> str:
        """`unscored` without a reward, `empty` if the story was not sent to a judge, else `scored`."""
        if self.reward is None:
            return "unscored"
        return "empty" if any(one.verdict.status == "empty" for one in self.judgments.values()) else "scored"

    @property
    def dollars(self) -> float | None:
        """What this row paid for its judgments, as far as prices are known; None if none of them is."""
        each = [known_dollars(judgment.dollars) for judgment in self.judgments.values()]
        known = [dollars for dollars in each if dollars is not None]
        return sum(known) if known or not each else None

    @property
    def parts(self) -> dict[str, Any]:
        """The terms' values and what was measured, by name."""
        measured = asdict(self.row.response)
        return {**self.values, **{name: measured[name] for name in MEASURED}}

    def data(self) -> dict[str, Any]:
        """The line as written to the file, without the prompt and story, which are stored elsewhere."""
        place = {name: value for name, value in vars(self.row).items() if name not in ("prompt", "response")}
        return {
            **place,
            **self.parts,
            "tokens": self.row.response.tokens,
            "attempt": self.attempt,
            "status": self.status,
            "reason": self.reason,
            "reward": self.reward,
            "reward_as_held_out": self.reward_as_held_out,
            "judgments": {term: judgment.data() for term, judgment in self.judgments.items()},
            "dollars": self.dollars,
        }


class Ledger:
    """The files of one process of a run, and the cost of its judgments so far.

    Every line is written to `rewards.jsonl` at once, before it is used. The stories of held-out prompts are also
    written to `held_out/step-N.jsonl`, in the format of a stories file.
    """

    def __init__(self, folder: Path, rank: int, model: str) -> None:
        """`model` is the model name recorded for stories, followed by the step."""
        self.folder, self.rank, self.model = folder, rank, model
        self.path = ranked(folder / "rewards.jsonl", rank)
        # the first process counts the cost of all earlier parts of the run, however many processes they had
        earlier = folder.glob("rewards*.jsonl") if rank == 0 else ()
        self.spent = sum(row["dollars"] or 0.0 for path in earlier for row in read_rows(path))
        _end_line(self.path)
        self._rows: Counter[tuple[str, int]] = Counter()

    def number(self, phase: str, step: int, count: int) -> int:
        """Number `count` new rows, and return the number of the first."""
        first = self._rows[phase, step]
        self._rows[phase, step] += count
        return first

    def write(self, line: Line) -> None:
        """Write a line, and add its cost to the total."""
        self.spent += line.dollars or 0.0
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line.data()) + "\n")

    def report(
        self, lines: Sequence[Line], terms: Sequence[str], seconds: float,
        log_extra: Callable[[str, list[Any]], None], log_metric: Callable[[str, float], None],
    ) -> None:  # fmt: skip
        """Log a batch, and the seconds that judging it took, to TRL's completions table and metrics.

        `terms` names the terms of all phases: every batch must have the same columns, since TRL's table keeps the last
        rows of each, whatever batch they are from.
        """
        told = [line.data() for line in lines]
        for name in ("uid", *terms, *MEASURED, "status", "reason", "dollars"):
            log_extra(name, [row.get(name) for row in told])
        replies = [{term: one.verdict.replies for term, one in line.judgments.items()} for line in lines]
        log_extra("verdict", ["\n\n".join(reply for told in row.values() for reply in told) for row in replies])
        for line, row in zip(lines, told, strict=True):
            owner = "hri" if row["is_reference"] else "parts"
            for name in (*line.parts, "reward_as_held_out"):
                if row[name] is not None:
                    log_metric(f"{owner}/{name}", float(row[name]))
            if row["target_words"]:
                log_metric(f"{owner}/length_ratio", row["words"] / row["target_words"])
            log_metric("judge/unjudged", float(row["reward"] is None))
            if line.judgments:
                log_metric("judge/kept", float(all(judgment.verdict.kept for judgment in line.judgments.values())))
        log_metric("judge/seconds", seconds)

    def keep_stories(self, lines: Sequence[Line]) -> None:
        """Write the stories of a batch of held-out prompts."""
        step, fresh = lines[0].row.step, lines[0].row.row == 0  # a resumed run rewrites the file
        path = ranked(self.folder / "held_out" / f"step-{step:05d}.jsonl", self.rank)
        path.parent.mkdir(exist_ok=True)
        # TRL pads the last batch with earlier rows
        known = set() if fresh else {story["id"] for story in read_rows(path)}
        with path.open("w" if fresh else "a", encoding="utf-8") as file:
            for line in lines:
                row = line.row
                if row.uid in known:
                    continue
                known.add(row.uid)
                story = {
                    "id": row.uid, "prompt": row.prompt, "story": row.response.story,
                    "model": f"{self.model}/step-{step}", "metadata": {"reward": line.reward, **line.parts},
                    **({"target_words": row.target_words} if row.target_words else {}),
                }  # fmt: skip
                file.write(json.dumps(story, ensure_ascii=False) + "\n")


def terms_in(record: Mapping[str, Any]) -> dict[str, Any]:
    """The terms that are judged or computed by functions, of a held-out story's metadata or a batch's metrics."""
    return {name: value for name, value in record.items() if name not in (*MEASURED, *_BESIDE)}


def known_dollars(dollars: float) -> float | None:
    """Return the cost, or None if the judge has no known price."""
    return None if math.isnan(dollars) else dollars


def _end_line(path: Path) -> None:
    """End a line that a killed process left unfinished, so that the next one starts on a new line."""
    if path.is_file() and (text := path.read_bytes()) and not text.endswith(b"\n"):
        path.write_bytes(text + b"\n")


def ranked(path: Path, rank: int) -> Path:
    """The file of one process: the path itself for the first, the path with the rank added for the others."""
    return path if rank == 0 else path.with_name(f"{path.stem}-{rank}{path.suffix}")


def read_rows(path: Path) -> list[dict[str, Any]]:
    """Read a JSONL file, skipping lines cut off by a killed process. Returns an empty list if there is no file."""
    if not path.is_file():
        return []
    rows = []
    for line in path.read_text(encoding="utf-8", errors="replace").split("\n"):
        try:
            rows.append(json.loads(line))
        except ValueError:
            continue
    return rows

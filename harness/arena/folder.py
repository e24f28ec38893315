"""The folder of an arena: what is scheduled, what is judged, and judging the rest.

The first line of `schedule.jsonl` holds what all judgments in the folder have in common; one line per match follows,
in rounds. Inspect logs beside it hold the judgments.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from inspect_ai import eval as inspect_eval
from inspect_ai import task_with
from inspect_ai.dataset import MemoryDataset, Sample
from inspect_ai.model import Model

from ...rubrics import Rubric
from ..errors import UserError
from ..inspect_seam import check_written, create_task, run_inspect
from ..judge.kept import forget_judgments, keeping_judgments
from ..judge.named import PACKAGE
from ..logs.headers import judge_label
from ..logs.pairs import ARENA, DONE, judgments_frame
from ..prices import Prices
from .entries import RUBRIC, Match, Pair

SCHEDULE = "schedule.jsonl"
BATCH = 400  # judgments per log: a log is rewritten with every judgment, so that none is lost


class Arena:
    """The folder of an arena, with one judge, rubric and truncation."""

    def __init__(
        self, folder: Path, judge: Model, rubric: Rubric, truncate: int | None, matches: Mapping[Pair, list[Match]]
    ) -> None:
        """Open a folder, or start a new one.

        Raises:
            UserError: the folder holds an arena of another judge, rubric or truncation, or stories of these models
                that differ from the ones given now.
        """
        self.folder, self.judge, self.rubric, self.truncate = folder, judge, rubric, truncate
        self.matches = {match.id: match for pair in matches.values() for match in pair}
        self._judged: tuple[list[Any], pd.DataFrame] | None = None
        self._common = {
            "judge": judge_label([(str(judge), judge.config)]),
            "rubric": rubric.digest,
            "truncate": truncate,
        }
        lines = self._lines()
        for name, value in self._common.items():
            if lines and lines[0].get(name) != value:
                raise UserError(
                    f"{folder} is an arena with {name} {lines[0].get(name)}, not {value}; their judgments are "
                    "not comparable, so use another --log-dir"
                )
        self.schedule: list[dict[str, Any]] = lines[1:]
        found = self.judged()[["judge", "rubric_digest", "truncate"]].drop_duplicates().astype(object)
        for row in found.where(found.notna(), None).itertuples(index=False, name=None):
            if row != tuple(self._common.values()):
                raise UserError(
                    f"{folder} holds judgments of {row[0]} (rubric {row[1][:8]}, truncate {row[2]}), not of the judge, "
                    "rubric and truncation asked for; use another --log-dir"
                )
        self._check_stories()

    def judged(self, prices: Prices | None = None) -> pd.DataFrame:
        """All judgments of the folder; see `judgments_frame`."""
        paths = sorted(self.folder.rglob("*.eval"))
        state = [(path, path.stat().st_mtime_ns, path.stat().st_size, prices) for path in paths]
        if self._judged is not None and self._judged[0] == state:
            return self._judged[1]
        try:
            self._judged = (state, judgments_frame(map(str, paths), prices))
            return self._judged[1]
        except UserError as error:
            raise UserError(f"{error} (deleting that log loses only its judgments, which are made again)") from None

    def add_round(self, chosen: Sequence[Match]) -> None:
        """Write a round of matches into the schedule, before any of them is judged."""
        number = 1 + max((line["round"] for line in self.schedule), default=0)
        added = [
            {"round": number, "match": m.id, "prompt": m.a.prompt_id, "a": m.a.model, "b": m.b.model} for m in chosen
        ]
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / SCHEDULE
        new = [] if path.exists() else [self._common]
        with path.open("a", encoding="utf-8") as file:
            file.write("".join(json.dumps(line) + "\n" for line in [*new, *added]))
        self.schedule += added

    def pending(self) -> list[Sample]:
        """Scheduled judgments that are still missing for the given stories, in the order of the schedule."""
        frame = self.judged()
        done = set(frame.loc[frame["status"].isin(DONE), "id"])
        known = dict.fromkeys(line["match"] for line in self.schedule)
        samples = (sample for name in known if name in self.matches for sample in self.matches[name].samples())
        return [sample for sample in samples if sample.id not in done]

    def run(
        self, samples: Sequence[Sample], sources: Sequence[Path], benchmark: str | None = None, **options: Any
    ) -> None:
        """Judge the samples and log the judgments in the folder, where they are kept even after a stop.

        Args:
            samples: from `pending`.
            sources, benchmark: where the stories came from, as for `read_entries`.
            options: `display` and generation options of Inspect's `eval`.

        Raises:
            KeyboardInterrupt: stopped by the user.
            OSError: a log could not be written, as on a full disk; what was written before is kept.
        """
        where = [str(source.resolve()) for source in sources]
        chosen = {} if self.rubric.source == RUBRIC else {"rubric": self.rubric.source}
        given = {"stories": where, "truncate": self.truncate, "benchmark": benchmark, **chosen}
        task = create_task(f"{PACKAGE}/{ARENA}", [self.judge], **given)
        for start in range(0, len(samples), BATCH):
            dataset = MemoryDataset(list(samples[start : start + BATCH]), name=ARENA)
            batch = task_with(task, name=ARENA, dataset=dataset, model_roles={"grader": self.judge})
            place = str(self.folder)
            with keeping_judgments(place):
                logs = run_inspect(inspect_eval, batch, model=None, log_dir=place, fail_on_error=False, **options)
            check_written(logs, place)
            if not logs or logs[0].status == "cancelled":
                raise KeyboardInterrupt
            if logs[0].status == "error" and logs[0].error:
                raise UserError(f"{self.folder}: the judging stopped: {logs[0].error.message}")
            forget_judgments(place)

    def _lines(self) -> list[dict[str, Any]]:
        """Read the schedule's lines. If a stop cut off the last one, its round was not started and is removed."""
        path = self.folder / SCHEDULE
        if not path.exists():
            return []
        text = path.read_text(encoding="utf-8", errors="replace")
        complete = text.rpartition("\n")[0].split("\n") if "\n" in text else []
        try:
            lines = [dict(json.loads(line)) for line in complete]
            if text.endswith("\n"):
                return lines
            last = lines[-1]["round"] if len(lines) > 1 else None
            lines = [line for line in lines if line.get("round") != last or last is None]
        except (ValueError, KeyError, TypeError):
            raise UserError(f"{path}: not a schedule of an arena; restore it, or use another --log-dir") from None
        path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
        return lines

    def _check_stories(self) -> None:
        """Check that each model's stories are still those that were judged, so that a rating is of one model."""
        frame = self.judged()
        here = {(e.model, e.key): e.digest for match in self.matches.values() for e in (match.a, match.b)}
        for side in ("first", "second"):
            columns = frame[[side, "key", f"{side}_digest"]].drop_duplicates().itertuples(index=False, name=None)
            for model, key, digest in columns:
                if here.get((model, key), digest) != digest:
                    raise UserError(
                        f"{self.folder} holds judgments of other stories of {model} than the given ones; give the "
                        "model another name, or use another --log-dir"
                    )

"""What judges replied, story by story: replies, marks with reasons and quotes, complaints."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from inspect_ai.log import read_eval_log

from ..judge.judgment import KEY, Judgment, judgment_from, read_judgment
from .rubrics import rubric_of

_STORY = ("log", "model", "benchmark", "rubric", "rubric_digest", "prompts", "prompts_digest", "id", "epoch",
          "prompt_id")  # fmt: skip
_MARK = pa.struct(
    [
        ("name", pa.string()),
        ("score", pa.float64()),
        ("most", pa.float64()),
        ("justification", pa.string()),
        ("quotes", pa.list_(pa.string())),
        ("why_not", pa.string()),
        ("missing", pa.bool_()),
    ]
)
_SHAPE = pa.schema(
    [
        *((name, pa.int64() if name == "epoch" else pa.string()) for name in _STORY),
        *((name, pa.string()) for name in ("judge", "status", "reason")),
        ("score", pa.float64()),
        ("comment", pa.string()),
        ("marks", pa.list_(_MARK)),
        ("complaints", pa.list_(pa.string())),
        ("replies", pa.list_(pa.string())),
    ]
)


def judgments(stories: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """Yield one record per judgment of these stories: of a jury, one per member.

    A record has the story's keys, judge, status, reason, score (None if there is none), the judge's overall comment,
    `marks` (see `judge.judgment.Mark`), `complaints` about malformed replies, and the raw `replies`. The logs are read
    again.
    """
    for place, group in stories.groupby("log", sort=False):
        rows = {(str(row["id"]), int(row["epoch"])): row for row in group.to_dict("records")}
        log = read_eval_log(str(place), resolve_attachments=True, exclude_fields={"events", "store"})
        rubric = rubric_of(log)
        for sample in log.samples or []:
            row = rows.get((str(sample.id), sample.epoch))
            judged = (sample.scores or {}).get("judged")
            if row is None or judged is None:
                continue
            details = judged.metadata or {}
            common = {name: row[name] for name in _STORY}
            members = details.get("members")
            if members:
                for member in members:
                    found = judgment_from(member[KEY]) if KEY in member else None
                    yield common | _record(member, member.get("reason"), member["value"].get("score"), found)
            else:
                score = row["score"] if row["status"] in ("scored", "empty") else None
                yield common | _record(details, row["reason"], score, read_judgment(rubric, sample), row["judge"])


def write_judgments(stories: pd.DataFrame, folder: Path) -> list[Path]:
    """Write judgments.jsonl and judgments.parquet, with one record per judgment; returns the paths."""
    found = list(judgments(stories))
    paths = [folder / "judgments.jsonl", folder / "judgments.parquet"]
    with paths[0].open("w", encoding="utf-8", errors="replace") as file:
        file.writelines(json.dumps(record, ensure_ascii=False) + "\n" for record in found)
    pq.write_table(pa.Table.from_pylist(found, schema=_SHAPE), paths[1])
    return paths


def _record(
    told: dict[str, Any], reason: Any, score: float | None, judgment: Judgment | None, judge: str | None = None
) -> dict[str, Any]:
    found = judgment or Judgment()
    return {
        "judge": told.get("judge") or judge,
        "status": told.get("status"),
        "reason": reason if isinstance(reason, str) else None,
        "score": None if score is None or pd.isna(score) else float(score),
        "comment": found.comment,
        "marks": [asdict(mark) | {"quotes": list(mark.quotes)} for mark in found.marks],
        "complaints": list(told.get("complaints", ())),
        "replies": list(told.get("replies", ())),
    }

"""Recorded replies of EQ-Bench's own judge, for 960 stories of ten models, through our task and scorer."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Callable
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest
from conftest import write_jsonl
from inspect_ai import eval as inspect_eval

from polaris_eval.rubrics import load_rubric

RUBRIC = load_rubric("eqbench_creative")
NAMES = {d.id: d.sign for d in RUBRIC.dimensions}
TOLERANCE = 0.075  # the printed scores have one decimal
Row = dict[str, Any]


@pytest.fixture(scope="module")
def rows(shared: Path) -> dict[str, Row]:
    """Every recorded row by the id of our story."""
    found = {}
    for path in sorted((shared / "eqbench_creative_replay").glob("*.jsonl.gz")):
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            for row in map(json.loads, lines):
                found[f"{row['model']}/{row['prompt_id']}-{row['iteration']}"] = row
    return found


@pytest.fixture(scope="module")
def ours(rows: dict[str, Row], shared: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, float]:
    """Our piece scores by id, NaN where the reply was malformed, from a real Inspect log."""
    folder = tmp_path_factory.mktemp("parity")
    stories = [
        {"id": key, "prompt": row["prompt_text"], "story": row["story"], "model": row["model"],
         "metadata": {"prompt_id": row["prompt_id"], "iteration": row["iteration"]}}
        for key, row in rows.items()
    ]  # fmt: skip
    replies = write_jsonl(folder / "replies.jsonl", [{"id": k, "reply": r["judge_text"]} for k, r in rows.items()])
    log = inspect_eval(
        "polaris_eval/eqbench_creative",
        model=None,
        task_args={"stories": str(write_jsonl(folder / "s.jsonl", stories)), "data_dir": str(shared / "prompts")},
        model_roles={"grader": f"polaris_eval/replay/{replies}"},
        log_dir=str(folder / "logs"),
        display="none",
    )[0]
    assert log.status == "success"
    return {str(s.id): s.scores["judged"].value["score"] for s in log.samples or () if s.scores}  # type: ignore[index,call-overload]


def slips(reply: str) -> list[str]:
    """Names of the known slips of upstream's own reader that show in a reply."""
    found = []
    criteria = _as_upstream(reply)
    if "Tell-Don't Show" in criteria:
        found.append("a missing hyphen, not inverted")
    known = {re.sub(r"\W", "", name) for name in NAMES}
    if any(re.sub(r"\W", "", name) not in known for name in criteria):
        found.append("a number after a colon that is no criterion")
    if sum(name in criteria for name in NAMES) < 0.75 * len(NAMES):
        found.append("averaged although fewer than 75 % of the criteria are rated")
    return found


def _as_upstream(reply: str) -> dict[str, float]:
    """Any `name: number` anywhere in the reply, up to 20, as upstream reads it."""
    pairs = re.findall(r"(.*?):\s*(?:Score\s+)?(-?\d+(?:\.\d+)?)", reply)
    return {name.strip(): float(number) for name, number in pairs if float(number) <= 20}


def _upstream_score(reply: str) -> float:
    values = [20 - v if NAMES.get(name) == "negative" else v for name, v in _as_upstream(reply).items()]
    return 5 * fmean(values) if values else 0.0


@pytest.mark.slow
def test_piece_scores_and_model_means(
    rows: dict[str, Row], ours: dict[str, float], record_property: Callable[[str, object], None]
) -> None:
    assert len(rows) == len(ours) == 960
    apart = {k: row for k, row in rows.items() if not abs(ours[k] - row["recorded_piece_score"]) <= TOLERANCE}
    explained = {key: slips(row["judge_text"]) for key, row in apart.items()}
    for key, row in apart.items():
        assert explained[key], (
            f"{key}: ours {ours[key]}, printed {row['recorded_piece_score']}, and no slip explains it"
        )
        assert abs(_upstream_score(row["judge_text"]) - row["recorded_piece_score"]) <= TOLERANCE, key
    agreeing = [key for key in rows if key not in apart]
    assert len(agreeing) >= 930

    report = [f"EQ-Bench Creative: {len(agreeing)} of {len(rows)} piece scores within {TOLERANCE} of the printed ones;"]
    report.append(f"{len(apart)} differ, each by a slip of upstream's reader:")
    for key, names in explained.items():
        report.append(f"  {key}: {ours[key]:.1f}, printed {rows[key]['recorded_piece_score']}: {'; '.join(names)}")
    report.append("model means (ours, printed):")
    for model in dict.fromkeys(row["model"] for row in rows.values()):
        keys = [k for k, row in rows.items() if row["model"] == model and ours[k] == ours[k]]
        mean, printed = fmean(ours[k] for k in keys), fmean(rows[k]["recorded_piece_score"] for k in keys)
        report.append(f"  {model}: {mean:.2f}, {printed:.2f}")
        assert abs(mean - printed) <= 0.1, model
    record_property("report", "\n".join(report))


@pytest.mark.slow
def test_every_recorded_mark_is_ours(rows: dict[str, Row]) -> None:
    """Where upstream's reader made no slip, each of its marks is the one we read, and there is no other."""
    compared = 0
    for row in rows.values():
        if slips(row["judge_text"]):
            continue
        marks = RUBRIC.parse(row["judge_text"]).scores
        assert marks == row["recorded_scores"]
        compared += 1
    assert compared > 900

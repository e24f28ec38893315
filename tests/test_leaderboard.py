"""Tables from frames made by hand."""

from __future__ import annotations

import io
import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from polaris_eval.harness.display import show, write_files
from polaris_eval.harness.leaderboard import build
from polaris_eval.harness.length import SPLITS


def rows(model: str, scores: dict[str, list[float]], **changes: Any) -> list[dict[str, Any]]:
    """One row a story: `scores` by bucket."""
    base = {
        "log": "x",
        "created": "2026",
        "model": model,
        "benchmark": "story_quality",
        "title": "Story Quality",
        "rubric_digest": "d" * 64,
        "judge": "lab/judge",
        "proxy": False,
        "prompts": "mini",
        "prompts_digest": "p" * 64,
        "gate": False,
        "settings": "temperature=0.8",
        "overrides": "",
        "status": "scored",
        "truncated": 0.0,
        "ratio": 0.9,
        "repetition": 0.1,
    }
    return [
        {
            **base,
            "id": f"{b}{i}",
            "prompt_id": f"{b}{i}",
            "bucket": b,
            "split": SPLITS[b],
            "score": s,
            "overall_released": s,
        }
        | changes
        for b, values in scores.items()
        for i, s in enumerate(values)
    ]


def printed(frame: pd.DataFrame, **options: Any) -> str:
    console = Console(width=170, file=io.StringIO())
    show(build(frame, **options), console)
    return console.file.getvalue()  # type: ignore[attr-defined,no-any-return]


def test_means_splits_slope_and_order() -> None:
    low = rows("low", {"1-2k": [10, 20], "8-12k": [0]})
    high = rows("high", {"1-2k": [60, 60], "2-3k": [58], "3-4k": [56], "4-6k": [54], "6-8k": [52], "8-12k": [50]})
    (section,) = build(pd.DataFrame(low + high))
    assert [row["model"] for row in section.rows] == ["high", "low"]
    best, worst = section.rows
    assert best["slope"] == pytest.approx(-2)
    assert worst["score"] == 10
    assert best["overall_released_ID"] == pytest.approx((60 + 60 + 58 + 56) / 4)
    assert best["overall_released_near OOD"] == 53
    assert best["overall_released_far OOD"] == 50
    assert math.isnan(worst["overall_released_near OOD"])
    assert worst["buckets"]["1-2k"]["score"] == 15


def test_what_has_no_score_is_counted_and_left_out() -> None:
    found = rows("m", {"1-2k": [10, 30]}) + rows("m", {"2-3k": [math.nan]}, status="unscored")
    found += rows("m", {"3-4k": [math.nan]}, status="missing")
    (section,) = build(pd.DataFrame(found))
    row = section.rows[0]
    assert (row["score"], row["coverage"], row["stories"], row["unscored"], row["missing"]) == (20, 0.5, 4, 1, 1)
    assert any("2 stories have no score" in note for note in section.notes)
    (nothing,) = build(pd.DataFrame(rows("m", {"1-2k": [math.nan]}, status="unscored")))
    assert math.isnan(nothing.rows[0]["score"])
    assert "–" in printed(pd.DataFrame(rows("m", {"1-2k": [math.nan]}, status="unscored")))


@pytest.mark.parametrize(
    ("column", "value", "named"),
    [("judge", "other/judge", "judge"), ("rubric_digest", "e" * 64, "rubric file"),
     ("prompts_digest", "q", "prompt set"), ("gate", True, "gate")],
)  # fmt: skip
def test_what_does_not_compare_stays_apart(column: str, value: Any, named: str) -> None:
    frame = pd.DataFrame(rows("a", {"1-2k": [1]}) + rows("b", {"1-2k": [2]}, **{column: value}))
    sections = build(frame)
    assert len(sections) == 2
    assert all(any(f"differ in {named}" in note for note in section.notes) for section in sections)


def test_generation_settings_keep_their_own_rows() -> None:
    frame = pd.DataFrame(rows("a", {"1-2k": [1]}) + rows("a", {"1-2k": [2]}, settings="temperature=0.1"))
    (section,) = build(frame)
    assert len(section.rows) == 2
    assert any("generation settings" in note for note in section.notes)
    assert "temperature=0.1" in printed(frame)


def test_published_rows_are_shown_beside_and_never_mixed_in() -> None:
    frame = pd.DataFrame(rows("mine", {"1-2k": [1, 2]}))
    text = printed(frame, with_published=True)
    assert "POLARIS-9B (published)" in text
    assert "57.4" in text
    (section,) = build(frame, with_published=True)
    assert [row["model"] for row in section.rows] == ["mine"]
    assert section.rows[0]["score"] == 1.5
    assert build(frame)[0].published == []


def test_files_hold_the_same_numbers(tmp_path: Path) -> None:
    frame = pd.DataFrame(rows("a|b [red]x[/red]", {"1-2k": [1, 2]}) + rows("c", {"2-3k": [math.nan]}, status="error"))
    paths = write_files(build(frame), frame, tmp_path / "out")
    assert [path.name for path in paths] == ["leaderboard.md", "leaderboard.csv", "leaderboard.json", "stories.csv"]
    assert "a\\|b [red]x[/red]" in paths[0].read_text()
    assert "[red]" in printed(frame)
    assert pd.read_csv(paths[1]).set_index("model")["score"].to_dict() == {
        "a|b [red]x[/red]": 1.5,
        "c": pytest.approx(np.nan, nan_ok=True),
    }
    assert "NaN" not in paths[2].read_text()

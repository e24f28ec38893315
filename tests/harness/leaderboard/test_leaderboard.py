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

from polaris_eval.harness.errors import UserError
from polaris_eval.harness.leaderboard.build import build, chosen
from polaris_eval.harness.leaderboard.files import show, write_files
from polaris_eval.harness.length import BUCKETS, SPLITS
from polaris_eval.harness.show.figures import draw
from polaris_eval.harness.show.files import slug
from polaris_eval.rubrics import load_rubric

TARGETS = dict(zip(BUCKETS, (1500, 2500, 3500, 5000, 7000, 10000), strict=True))


def rows(model: str, scores: dict[str, list[float]], **changes: Any) -> list[dict[str, Any]]:
    """One row a story: `scores` by bucket."""
    base = {
        "log": "x",
        "created": "2026",
        "model": model,
        "benchmark": "story_quality",
        "title": "Story Quality",
        "rubric": "story_quality",
        "rubric_digest": load_rubric("story_quality").digest,
        "judge": "lab/judge",
        "proxy": False,
        "prompts": "mini",
        "prompts_digest": "p" * 64,
        "gate": False,
        "settings": "temperature=0.8",
        "overrides": "",
        "shard": "",
        "jury": "",
        "position": 0,
        "status": "scored",
        "truncated": 0.0,
        "ratio": 0.9,
        "repetition": 0.1,
        "length_score": 0.9,
        "words": 900.0,
        "cost": math.nan,
        "cost_writing": math.nan,
        "cost_judging": 0.01,
    }
    return [
        {
            **base,
            "id": f"{b}{i}",
            "prompt_id": f"{b}{i}",
            "bucket": b,
            "target": TARGETS[b],
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
    assert [row.model for row in section.rows] == ["high", "low"]
    best, worst = section.rows
    assert best.slope.value == pytest.approx(-2)
    assert worst.score.value == 10
    assert best.splits["ID"].published == pytest.approx((60 + 60 + 58 + 56) / 4)
    assert best.splits["near OOD"].score.value == 53
    assert best.splits["far OOD"].published == 50
    assert "near OOD" not in worst.splits
    assert worst.buckets["1-2k"].score.value == 15


def test_what_has_no_score_is_counted_and_left_out() -> None:
    found = rows("m", {"1-2k": [10, 30]}) + rows("m", {"2-3k": [math.nan]}, status="unscored")
    found += rows("m", {"3-4k": [math.nan]}, status="missing")
    (section,) = build(pd.DataFrame(found))
    row = section.rows[0]
    assert (row.score.value, row.coverage, row.stories, row.unscored, row.missing) == (20, 0.5, 4, 1, 1)
    assert any("2 stories have no score" in note for note in section.notes)
    (nothing,) = build(pd.DataFrame(rows("m", {"1-2k": [math.nan]}, status="unscored")))
    assert math.isnan(nothing.rows[0].score.value)
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
    assert [row.model for row in section.rows] == ["mine"]
    assert section.rows[0].score.value == 1.5
    assert not build(frame)[0].published


def test_files_hold_the_same_numbers(tmp_path: Path) -> None:
    frame = pd.DataFrame(rows("a|b [red]x[/red]", {"1-2k": [1, 2]}) + rows("c", {"2-3k": [math.nan]}, status="error"))
    paths = write_files(build(frame), tmp_path / "out", "leaderboard", "pairs.csv")
    markdown, latex, flat, nested = paths[:4]
    names = ["leaderboard.md", "leaderboard.tex", "leaderboard.csv", "leaderboard.json", "pairs.csv"]
    assert [path.name for path in paths] == names
    assert "a\\|b \\[red\\]x\\[/red\\]" in markdown.read_text()
    assert "a|b [red]x[/red] & 1.5" in latex.read_text()
    assert "[red]" in printed(frame)
    assert pd.read_csv(flat).set_index("model")["score"].to_dict() == {
        "a|b [red]x[/red]": 1.5,
        "c": pytest.approx(np.nan, nan_ok=True),
    }
    assert "NaN" not in nested.read_text()


def test_ranks_come_from_paired_tests_and_say_who_is_told_apart() -> None:
    rng = np.random.default_rng(1)
    prompts = rng.normal(50, 15, size=(6, 5))
    scores = {
        "best": prompts + 6 + rng.normal(size=(6, 5)),
        "close": prompts + 5.9 + rng.normal(size=(6, 5)),
        "last": prompts + rng.normal(size=(6, 5)),
    }
    found = [row for m, s in scores.items() for row in rows(m, dict(zip(BUCKETS, s.tolist(), strict=True)))]
    (section,) = build(pd.DataFrame(found))
    assert {row.label: str(row.rank) for row in section.rows} == {"best": "1 a", "close": "2 a", "last": "3 b"}
    assert len(section.pairs) == 3
    assert section.pairs["detectable"].max() < 2.5  # pairing takes out the spread of the prompts, which is 15 points
    assert "told apart" in printed(pd.DataFrame(found))
    (upside_down,) = build(pd.DataFrame(found), sort="model")
    assert [row.label for row in upside_down.rows] == ["best", "close", "last"]


def test_rows_that_differ_in_what_was_asked_for_only_stay_apart() -> None:
    frame = pd.DataFrame(rows("a", {"1-2k": [1, 2]}) + rows("a", {"1-2k": [2, 3]}, overrides="temperature=0.8"))
    (section,) = build(frame)
    assert sorted(row.label for row in section.rows) == ["a · temperature=0.8", "a · usual settings"]
    assert len(section.pairs) == 1


def test_names_are_inert_in_markdown(tmp_path: Path) -> None:
    frame = pd.DataFrame(rows("![x](http://e/x.png)", {"1-2k": [1]}) + rows("x:heart:y_z", {"1-2k": [2]}))
    text = write_files(build(frame), tmp_path, "leaderboard", "pairs.csv")[0].read_text()
    assert "![x]" not in text
    assert "\\!\\[x\\](http" in text
    assert "x:heart:y\\_z" in text


def test_what_is_shown_can_be_chosen() -> None:
    names = ["lab/a", "lab/b", "c", "c"]
    assert chosen("model", names, ["lab/*"]) == {"lab/a", "lab/b"}
    assert chosen("model", names, []) == {"lab/a", "lab/b", "c"}
    with pytest.raises(UserError, match="--model x: no such model in these logs; known: c, lab/a, lab/b"):
        chosen("model", names, ["lab/*", "x"])


def test_a_written_storys_cost_is_known_or_said_to_be_the_judges_alone() -> None:
    frame = pd.DataFrame(rows("a", {"1-2k": [1, 2]}, cost=0.03) + rows("b", {"1-2k": [1, 2]}))
    (section,) = build(frame)
    assert section.rows[0].cost == pytest.approx(0.03)
    text = printed(frame)
    assert "$0.030" in text
    assert "$0.010 j" in text


@pytest.mark.parametrize("name", ["../../x", "a/b", "<script>", "", "..", "x" * 300, "\u202egnp", "con|:*?"])
def test_any_name_becomes_a_safe_file_name(name: str) -> None:
    found = slug(name)
    assert 0 < len(found) <= 80
    assert not set(found) - set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")
    assert found.strip(".") == found
    assert slug("a b") != slug("a-b")


def test_cost_is_drawn_where_it_is_known() -> None:
    free, dear = rows("free", {"1-2k": [1, 2]}, cost=0.0), rows("dear", {"1-2k": [3, 4]}, cost=0.4)
    (section,) = build(pd.DataFrame(free + dear + rows("unknown", {"1-2k": [5, 6]})))
    legend = draw(section.charts()["cost"]).legends[0]
    assert [text.get_text() for text in legend.get_texts()] == ["dear", "free"]
    (unpriced,) = build(pd.DataFrame(rows("unknown", {"1-2k": [5, 6]})))
    assert "cost" not in unpriced.charts()


def test_a_proxys_row_beside_published_ones_carries_its_mark() -> None:
    scores = {"1-2k": [10.0, 20], "8-12k": [0]}
    real, proxy = (
        build(pd.DataFrame(rows("a", scores, proxy=proxy)), with_published=True)[0].grids(details=False)
        for proxy in (False, True)
    )
    shown = next(grid for grid in proxy if grid.title.startswith("Compared with published"))
    assert shown.rows[0][0] == "PROXY a"
    assert not any("PROXY" in row[0] for row in shown.rows[1:])
    assert next(grid for grid in real if grid.title.startswith("Compared with published")).rows[0][0] == "a"


def test_pairs_name_their_number_of_prompts(tmp_path: Path) -> None:
    scores = {name: [10.0, 20, 30] for name in BUCKETS}
    table = pd.DataFrame(rows("a", scores) + rows("b", {name: [9.0, 11, 12] for name in BUCKETS}))
    write_files(build(table), tmp_path, "leaderboard", "pairs.csv")
    found = pd.read_csv(tmp_path / "pairs.csv").iloc[0]
    assert (found["prompts"], found["prompt_set"]) == (18, "mini (pppppppp)")
    assert found["detectable"] > 0
    models = pd.read_csv(tmp_path / "leaderboard.csv")
    assert models[["rank", "group"]].values.tolist() == [[1, "a"], [2, "b"]]


def test_a_mean_over_some_stories_says_of_how_many() -> None:
    some = rows("a", {"1-2k": [10.0, 20]}) + rows("a", {"2-3k": [5.0] * 6}, bucket=None, target=None, ratio=math.nan)
    text = printed(pd.DataFrame(some))
    assert "2 of 8" in text
    assert "A request for a length was found for 2 of 8 stories" in text
    assert "of 2 stories" not in printed(pd.DataFrame(rows("a", {"1-2k": [10.0, 20]})))


def test_stray_tags_and_refusals_are_told() -> None:
    found = rows("a", {"1-2k": [10.0, 20, 30]})
    found[0] |= {"stray_tags": 1.0}
    found[1] |= {"status": "refused", "score": math.nan}
    text = printed(pd.DataFrame(found))
    assert "1 story contains an unmatched reasoning tag; which part is the story was guessed: 1-2k0." in text
    assert "1 of them was refused by the writer's provider" in text

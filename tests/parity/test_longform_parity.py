"""Recorded chapter and final replies of EQ-Bench's long-form judge, averaged from the marks that we read."""

from __future__ import annotations

import gzip
import json
from importlib.resources import files
from pathlib import Path
from statistics import fmean
from typing import Any

import yaml

from polaris_eval.rubrics import Rubric, load_rubric

HALF_A_DIGIT = 0.05 + 1e-9  # the averages are printed with one decimal
CHAPTER = {"Characters Consistent with Profile": "positive", "Followed Chapter Plan": "positive"}
FINAL = {
    "Believable Character Actions": "positive",
    "Pacing": "positive",
    "World Building": "positive",
    "Unearned Transformations": "negative",
}


def with_more(folder: Path, name: str, criteria: dict[str, str]) -> Rubric:
    """The shipped rubric with upstream's further criteria, and all weights alike."""
    data: dict[str, Any] = yaml.safe_load((files("polaris_eval.rubrics") / "eqbench_longform.yaml").read_text("utf-8"))
    data["dimensions"] += [{"name": n, "sign": sign, "max": 20, "measures": n} for n, sign in criteria.items()]
    del data["rule"]["weights"]
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump(data), encoding="utf-8")
    return load_rubric(str(path))


def test_recorded_averages_to_the_printed_digit(shared: Path, tmp_path: Path) -> None:
    chapter, final = with_more(tmp_path, "chapter", CHAPTER), with_more(tmp_path, "final", FINAL)
    with gzip.open(shared / "eqbench_longform_replay" / "glm-4-32b-0414.jsonl.gz", "rt") as lines:
        rows = [json.loads(line) for line in lines]
    assert len(rows) == 11
    for row in rows:
        chapters = [chapter.score(chapter.parse(text))["score"] for text in row["chapter_judge_texts"].values()]
        assert abs(fmean(chapters) - row["recorded_chapter_avg"]) <= HALF_A_DIGIT
        whole = final.score(final.parse(row["final_judge_text"]))["score"]
        assert abs(whole - row["recorded_final_avg"]) <= HALF_A_DIGIT


def test_our_rubric_reads_them_too(shared: Path) -> None:
    """Twelve criteria of ours are in every recorded reply, beside others that are left alone."""
    rubric = load_rubric("eqbench_longform")
    with gzip.open(shared / "eqbench_longform_replay" / "glm-4-32b-0414.jsonl.gz", "rt") as lines:
        texts = [
            text
            for row in map(json.loads, lines)
            for text in [*row["chapter_judge_texts"].values(), row["final_judge_text"]]
        ]
    assert len(texts) == 99
    marks = [rubric.parse(text) for text in texts]
    assert sum(len(found.scores) for found in marks) >= 99 * 12 - 3
    assert all(0 <= rubric.score(found)["score"] <= 100 for found in marks)

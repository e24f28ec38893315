from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from polaris_eval.harness.errors import UserError
from polaris_eval.harness.length import BUCKETS, bucket
from polaris_eval.harness.run.samples import prompts_digest, prompts_of
from polaris_eval.harness.text.length_request import strip_length_request, target_words
from polaris_eval.tasks.benchmarks.story_quality.benchmark import BENCHMARK


def test_mini_is_balanced_and_asks_in_the_official_wording() -> None:
    samples = prompts_of(BENCHMARK, "mini").samples
    buckets = [bucket((sample.metadata or {})["target_words"]) for sample in samples]
    assert Counter(buckets) == dict.fromkeys(BUCKETS, 6)
    assert all(buckets[i : i + 6] == list(BUCKETS) for i in range(0, 36, 6))
    assert len({sample.id for sample in samples}) == len({str(sample.input) for sample in samples}) == 36
    for sample in samples:
        assert target_words(str(sample.input)) == (sample.metadata or {})["target_words"]
        stripped = strip_length_request(str(sample.input))
        assert "words long" not in stripped
        assert len(stripped.split()) > 35


def official(folder: Path, rows: list[dict[str, object]]) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "test.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return folder


def test_official_prompts_from_a_folder(tmp_path: Path) -> None:
    rows: list[dict[str, object]] = [
        {
            "uid": f"u{i}",
            "prompt": f"Tale {i}. It should be approximately {i}000 words long.",
            "target_word_count": i * 1000,
        }
        for i in (1, 12)
    ]
    samples = prompts_of(BENCHMARK, "official", "test", data_dir=str(official(tmp_path / "copy", rows))).samples
    assert [(s.id, (s.metadata or {})["target_words"]) for s in samples] == [("u1", 1000), ("u12", 12000)]


def test_official_rows_without_their_fields_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="target_word_count"):
        prompts_of(BENCHMARK, "official", data_dir=str(official(tmp_path / "copy", [{"uid": 1, "prompt": "x"}])))


def test_official_offline_says_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("datasets.config.HF_HUB_OFFLINE", True)
    with pytest.raises(UserError, match="--data-dir") as error:
        prompts_of(BENCHMARK, "official")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("prompts", "split", "says"),
    [("nope", None, "known: mini, official"), ("official", "dev", "known: test, train"), ("mini", "test", "no splits")],
)
def test_unknown_sets_and_splits(prompts: str, split: str | None, says: str) -> None:
    with pytest.raises(UserError, match=says):
        prompts_of(BENCHMARK, prompts, split)


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such folder"):
        prompts_of(BENCHMARK, "official", data_dir=str(tmp_path / "nowhere"))


def test_the_digest_sees_texts_and_targets_not_their_order() -> None:
    samples = prompts_of(BENCHMARK, "mini").samples
    assert prompts_digest(samples) == prompts_digest(samples[::-1])
    assert prompts_digest(samples) != prompts_digest(samples[1:])

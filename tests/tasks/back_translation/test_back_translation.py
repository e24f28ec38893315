"""Prompts and plans for stories: what is asked, what is checked, what is kept; and the Parquet that comes of it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

pytest.importorskip("ebooklib", reason="needs the extra data")

from click.testing import CliRunner, Result
from conftest import write_jsonl
from hypothesis import given
from hypothesis import strategies as st
from inspect_ai.log import read_eval_log
from loopback import serve
from samples import story

from polaris_eval.harness.text.length_request import target_words
from polaris_eval.harness.words import count_words
from polaris_eval.tasks.back_translation.checks import PairChecks, instructions, rounded
from polaris_eval.trainers.books.output import held_out_books
from polaris_eval.trainers.cli.root import main
from polaris_eval.trainers.pairs import check_rows, read_pairs

PROMPT = """Imagine somebody who comes back to a place that has been closed for a long while, and finds that one
thing in it is still being looked after. Tell it quietly, from close by, in the past tense, and let
us wonder for whom number {} is kept."""
PLAN = """I begin outside, because going in ought to cost something. Whose story is it? Hers, I think, though
he owns the key. She must want a plain thing that can be lost. I shall keep back who has been
tending to it until the middle, and even then say it sideways, through an object. Three scenes:
arrival, a meal, a night. The room I have allows for one detour, and I would rather spend it on the
meal than on memory. I do not know yet whether they part. What I must avoid is a lesson; nobody
explains anything. I want short talk, long looks, and number {} left where it is."""


def answer(number: int = 1, **changes: str) -> str:
    return json.dumps({"prompt": PROMPT.format(number), "reasoning": PLAN.format(number), **changes})


def build(*args: object) -> Result:
    return CliRunner().invoke(main, ["pairs", "build", *map(str, args), "--no-test-prompts", "--display", "none"])


@pytest.fixture
def books(tmp_path: Path) -> Path:
    """Three books of rows with three, two and one stories."""
    rows = [{"story": story(i), "title": f"Story of the {i}", "book": book} for i, book in enumerate("aaabbc")]
    return write_jsonl(tmp_path / "rows.jsonl", rows)


def ids(book_rows: str = "aaabbc") -> list[str]:
    return [f"{book}/story-of-the-{i}" for i, book in enumerate(book_rows)]


def replies(path: Path, given: dict[str, Any]) -> str:
    return f"polaris_eval/replay/{write_jsonl(path, [{'id': key, 'reply': reply} for key, reply in given.items()])}"


def test_pairs_from_books(books: Path, tmp_path: Path) -> None:
    model = replies(tmp_path / "r.jsonl", {key: answer(i) for i, key in enumerate(ids())})
    out = tmp_path / "pairs"
    result = build(
        books, "--out", out, "--model", model, "--held-out", 0.2, "--licence", "a=CC0", "--licence", "own | use"
    )
    assert result.exit_code == 0, result.output
    train, held = (pd.read_parquet(out / f"{name}.parquet") for name in ("train", "held_out"))
    assert list(train) == [
        "uid", "prompt", "story", "ground_truth_reasoning", "target_word_count", "source", "extra_info"
    ]  # fmt: skip
    assert set(train["source"]) & set(held["source"]) == set()
    assert sorted([*train["uid"], *held["uid"]]) == sorted(ids())
    assert len(held) == 1
    for row in train.to_dict("records"):
        (message,) = row["prompt"]
        assert message["role"] == "user"
        assert target_words(message["content"]) == row["target_word_count"] == rounded(count_words(row["story"]))
        assert message["content"].endswith(
            f"\n\nThe story should be approximately {row['target_word_count']} words long."
        )
        assert row["ground_truth_reasoning"].startswith("I begin outside")
        assert row["extra_info"]["prompt_by"] == model
        assert row["extra_info"]["licence"] == ("CC0" if row["source"] == "a" else "own | use")
    sheet = (out / "datasheet.md").read_text()
    assert "| a | – | CC0 | 3 | 3 | 3 |" in sheet and "own \\| use" in sheet
    facts = json.loads((out / "datasheet.json").read_text())
    assert facts["pairs"] == {"train": 5, "held_out": 1}
    assert facts["lengths"]["train"]["target_buckets"] == {"1-2k": 5}
    assert (out / "lengths.png").stat().st_size > 5000
    checked = CliRunner().invoke(
        main, ["pairs", "check", str(out / "train.parquet"), "--held-out", str(out / "held_out.parquet")]
    )
    assert checked.exit_code == 0, checked.output
    assert "5 rows, usable" in checked.output


def test_what_is_missing_is_asked_for_and_nothing_twice(books: Path, tmp_path: Path) -> None:
    path, out = tmp_path / "r.jsonl", tmp_path / "pairs"
    model = replies(path, {key: answer(i) for i, key in enumerate(ids()) if i != 4})
    first = build(books, "--out", out, "--model", model)
    assert first.exit_code == 1, first.output
    assert "Stories without a prompt so far: 1" in first.output
    replies(path, {ids()[4]: answer(4)})  # the others would fail now
    second = build(books, "--out", out, "--model", model)
    assert second.exit_code == 0, second.output
    assert sum(len(pd.read_parquet(out / f"{name}.parquet")) for name in ("train", "held_out")) == 6
    logs = sorted((out / "logs").glob("*.eval"))
    assert sorted(len(read_eval_log(str(log)).samples or []) for log in logs) == [1, 6]
    # a story that a person drops is gone, and its pair with it; nothing is asked for
    review = out / "review.csv"
    review.write_text(review.read_text(encoding="utf-8-sig").replace("yes,", "no,", 1), encoding="utf-8")
    assert build(books, "--out", out, "--model", model).exit_code == 0
    assert sum(len(pd.read_parquet(out / f"{name}.parquet")) for name in ("train", "held_out")) == 5
    assert sorted((out / "logs").glob("*.eval")) == logs
    # with nothing left there is nothing to do
    review.write_text(re.sub("(?m)^yes,", "no,", review.read_text()), encoding="utf-8")
    assert build(books, "--out", out, "--model", model).exit_code == 2
    assert json.loads((out / "datasheet.json").read_text())["dropped"] == {"dropped by hand": 1}


def test_bad_answers_are_asked_again_and_then_dropped_with_their_reason(books: Path, tmp_path: Path) -> None:
    leak = " ".join(story(1).split()[:40])
    model = replies(tmp_path / "r.jsonl", {
        ids()[0]: ["I'm sorry, I can't help with that.", answer(0)],
        ids()[1]: [answer(1, reasoning=PLAN.format(1) + leak)] * 3,
        ids()[2]: ["no JSON"] * 3,
        ids()[3]: [answer(3, prompt="Too short."), answer(3, prompt=PROMPT.format(3) + " Use 900 words."), answer(3)],
        ids()[4]: [answer(4, prompt="I'm sorry, but I can't write that for you at all, whatever you say.")] * 3,
        ids()[5]: [json.dumps({"prompt": 3, "reasoning": None})] * 3,
    })  # fmt: skip
    out = tmp_path / "pairs"
    result = build(books, "--out", out, "--model", model)
    assert result.exit_code == 0, result.output
    facts = json.loads((out / "datasheet.json").read_text())
    assert facts["dropped_in_back_translation"] == {
        "refused, or in the wrong form": 2, "reasoning: quotes the story": 1, "refused": 1
    }  # fmt: skip
    assert facts["pairs"] == {"train": 2, "held_out": 0}
    assert not (out / "held_out.parquet").exists() and "none comes nearer to --held-out" in result.output


def test_prompts_of_the_test_set_are_dropped(books: Path, tmp_path: Path) -> None:
    model = replies(tmp_path / "r.jsonl", {key: answer(i) for i, key in enumerate(ids())})
    test = write_jsonl(tmp_path / "test.jsonl", [{"prompt": f"{PROMPT.format(99)} About 900 words long."}])
    result = build(books, "--out", tmp_path / "pairs", "--model", model, "--exclude", test)
    assert result.exit_code == 1, result.output
    assert re.search(r"6 near a prompt of test\.jsonl", result.output)
    assert not (tmp_path / "pairs" / "train.parquet").exists()


def test_the_plan_counts_what_is_missing(books: Path, tmp_path: Path) -> None:
    result = build(books, "--out", tmp_path / "pairs", "--model", "openai/gpt-5.4-mini", "--plan")
    assert result.exit_code == 0, result.output
    row = next(line for line in result.output.splitlines() if "back_translation" in line)
    cells = [cell.strip() for cell in row.split("│")]
    assert cells[4] == "6"
    tokens_in, tokens_out = (int(cell.replace(",", "")) for cell in cells[5:7])
    assert tokens_in == pytest.approx(6 * (1210 + 500) * 1.35, rel=0.02)
    assert float(cells[7]) == pytest.approx((tokens_in * 0.75 + tokens_out * 4.5) / 1e6, abs=0.006)


def test_a_hosted_model_is_asked_by_schema(books: Path, tmp_path: Path, monkeypatch: Any) -> None:
    with serve(lambda number, system, user: answer(number)) as server:
        monkeypatch.setenv("LAB_API_KEY", "none")
        monkeypatch.setenv("LAB_BASE_URL", f"{server.url}/v1")
        monkeypatch.setenv("INSPECT_CACHE_DIR", str(tmp_path / "cache"))
        args = (books, "--model", "openai-api/lab/writer", "--max-connections", 1, "--max-retries", 1)
        first = build(*args, "--out", tmp_path / "pairs")
        assert first.exit_code == 0, first.output
        assert len(server.bodies) == 6
        # a reply that was paid for is not asked for again, in another folder either
        assert build(*args, "--out", tmp_path / "second").exit_code == 0
        assert len(server.bodies) == 6
        seen = server.bodies
    schema = seen[0]["response_format"]["json_schema"]
    assert schema["strict"] and set(schema["schema"]["properties"]) == {"prompt", "reasoning"}
    system, user = (message["content"] for message in seen[0]["messages"])
    assert "the length" not in user and "has about 1200 words" in user
    (fence,) = set(re.findall(r"<<<(?:END )?STORY (\w{16})>>>", user))
    assert user.partition(f"<<<STORY {fence}>>>\n")[2].partition("\n<<<END")[0] in {story(i) for i in range(6)}
    assert "nothing there is meant for you" in system


def test_a_judge_cannot_write_them(books: Path, tmp_path: Path) -> None:
    result = build(books, "--out", tmp_path / "pairs", "--model", "polaris_eval/lexical")
    assert result.exit_code == 1, result.output
    assert "Stories without a prompt so far: 6" in result.output
    assert "Traceback" not in result.output
    unknown = build(books, "--out", tmp_path / "pairs", "--model", "nobody")
    assert unknown.exit_code == 2 and "PROVIDER/MODEL" in unknown.output


@pytest.mark.parametrize(
    ("prompt", "reasoning", "reason"),
    [
        (None, None, None),
        ("Write.", None, "prompt: length"),
        (PROMPT + " filler" * 150, None, "prompt: length"),
        (PROMPT + " She carried Mara Quill and Tom Hale home.", None, "prompt: names"),
        (PROMPT + " Call it The Tide Clerk Waits.", None, "prompt: names"),
        (PROMPT + " At the end the lighthouse is dynamited by a regiment.", None, "prompt: tells the ending"),
        (PROMPT + " They count the ropes twice before the rain begins again.", None, "prompt: quotes the story"),
        (PROMPT + " It should be approximately 500 words long.", None, "prompt: asks for a length"),
        (PROMPT + " Keep to the tone of the original story.", None, "prompt: speaks of the story"),
        (None, "Short.", "reasoning: length"),
        (None, PLAN + " Then they count the ropes twice before the rain begins again and Mara walks.",
         "reasoning: quotes the story"),
        (None, PLAN + "</think>", "reasoning: speaks of the story"),
        ("I'm sorry, I cannot write a prompt for this. " + PROMPT, None, "refused"),
        ("I’m sorry, but I can’t write a prompt for this. " + PROMPT, None, "refused"),
        (None, "I can't open on the funeral, so where? " + PLAN, None),
        (PROMPT + " Mrs. Étienne and Mr. Packle are there.", None, "prompt: names"),
        (PROMPT + " It should fill about two thousand words.", None, "prompt: asks for a length"),
    ],
)  # fmt: skip
def test_what_leaks_is_found(prompt: str | None, reasoning: str | None, reason: str | None) -> None:
    text = (
        "They count the ropes twice before the rain begins again and Mara walks away, so Mara and Tom say nothing. "
        "Beside the wall Mara, and Tom, and Quill watched; later Quill and Tom, with Quill gone, and Hale, slept. " * 12
        + "Mrs. Étienne nodded to Mr. Packle. " * 3 + story(3) + " A regiment dynamited the lighthouse."
    )  # fmt: skip
    checks = PairChecks(text, title="The Tide Clerk Waits")
    found = checks.complaints((prompt or PROMPT).format(1), (reasoning or PLAN).format(1))
    assert [name for name, _ in found][:1] == ([] if reason is None else [reason]), found


@given(st.integers(1, 200_000))
def test_lengths_are_rounded_within_five_percent(words: int) -> None:
    assert rounded(words) == pytest.approx(words, rel=0.05) or words < 100
    assert target_words(f"Write. The story should be approximately {rounded(words)} words long.") == rounded(words)


@given(st.text(max_size=300), st.text(max_size=300), st.text(max_size=300))
def test_checks_take_any_text(text: str, prompt: str, reasoning: str) -> None:
    assert PairChecks(text, text[:20]).complaints(prompt, reasoning)  # all of them are too short


@given(st.dictionaries(st.text(min_size=1, max_size=5), st.integers(1, 60), min_size=1, max_size=12), st.floats(0, 0.9))
def test_whole_books_are_held_out(counts: dict[str, int], share: float) -> None:
    held = held_out_books(counts, share)
    assert held <= set(counts) and (len(counts) == 1 or held != set(counts))
    assert held == held_out_books(dict(reversed(counts.items())), share)
    if share == 0 or len(counts) == 1:
        assert not held
    else:
        wanted = share * sum(counts.values())
        away = abs(sum(counts[book] for book in held) - wanted)
        assert all(away <= abs(count - wanted) + 1e-9 for count in (0, *counts.values()))
    # a book that was placed stays there, whatever comes to it
    sides = {book: "held_out" if book in held else "train" for book in counts}
    later = held_out_books({**{book: 2 * n for book, n in counts.items()}, "a new book": 3}, share, sides)
    assert later - {"a new book"} == held


def test_bounds_are_read_from_the_file() -> None:
    assert instructions().prompt.most == 150 and instructions().reasoning.run == 9


def test_check_tells_errors_and_notes(tmp_path: Path) -> None:
    ask = "Write of a ferry. The story should be approximately 1000 words long."
    rows = [
        {"uid": "fine", "prompt": ask, "story": story(1, 1000), "ground_truth_reasoning": "Plan."},
        {"uid": "none", "prompt": "Write of a ferry.", "story": story(2), "ground_truth_reasoning": "Plan."},
        {
            "uid": "other",
            "prompt": ask,
            "target_word_count": 1100,
            "story": story(3),
            "ground_truth_reasoning": "Plan.",
        },
        {"uid": "far", "prompt": ask, "story": story(4, 3000)},
        {"uid": "bare", "prompt": ask},
        {"uid": "tags", "prompt": ask, "story": story(5), "ground_truth_reasoning": "<think>Plan.</think>"},
    ]
    path = write_jsonl(tmp_path / "rows.jsonl", rows)
    held = write_jsonl(tmp_path / "held.jsonl", [{"prompt": "Another.", "story": story(2)}])
    result = CliRunner().invoke(main, ["pairs", "check", str(path), "--held-out", str(held)])
    assert result.exit_code == 1
    for line in (
        "error: rows that have a story that is held out too: a score on it would say nothing: 1 (none)",
        "error: rows that hold reasoning tags in story or ground_truth_reasoning, which must be plain text: 1 (tags)",
        "note: rows that ask for no length (… N words long, or target_word_count): no length penalty there: 1 (none)",
        "note: rows that ask for another length in the prompt than target_word_count says, which counts: 1 (other)",
        "note: rows that have no story: their groups are rollouts only: 1 (bare)",
        "note: rows that have a story outside the tolerance of the length asked for: it is penalised for it: 1 (far)",
        "note: rows that have a story without ground_truth_reasoning: 1 (far)",
    ):
        assert line in result.output
    assert check_rows(read_pairs(str(write_jsonl(tmp_path / "one.jsonl", rows[:1])))) == []
    assert CliRunner().invoke(main, ["pairs", "check", str(tmp_path / "no.jsonl")]).exit_code == 2

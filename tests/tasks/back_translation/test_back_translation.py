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


FINE = json.dumps({"expected": "They part.", "ending": "They stay.", "told": False, "where": ""})
TOLD = json.dumps({"expected": "They stay.", "ending": "They stay.", "told": True, "where": "who stays in the end"})


def replies(path: Path, given: dict[str, Any], spoiled: tuple[str, ...] = ()) -> str:
    """A model of recorded replies; the second question finds a spoiler in those named."""
    rows = [{"id": key, "reply": reply} for key, reply in given.items()]
    rows += [{"id": key, "part": 2, "reply": TOLD if key in spoiled else FINE} for key in given]
    return f"polaris_eval/replay/{write_jsonl(path, rows)}"


def asks_for_spoilers(system: str) -> bool:
    return "check writing prompts for spoilers" in system


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
    assert facts["languages"] == {"en": 6} and len(facts["openings"]) == 6
    assert all(len(facts["lengths"]["train"][name]) == 3 for name in ("readability_lix", "dialogue_share"))
    assert facts["sources"]["a"]["dropped"] == {}
    assert "## Ten openings" in sheet
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
    assert not (out / "held_out.parquet").exists() and "holding out none comes closest to --held-out" in result.output


def test_prompts_of_the_test_set_are_dropped(books: Path, tmp_path: Path) -> None:
    model = replies(tmp_path / "r.jsonl", {key: answer(i) for i, key in enumerate(ids())})
    test = write_jsonl(tmp_path / "test.jsonl", [{"prompt": f"{PROMPT.format(99)} About 900 words long."}])
    result = build(books, "--out", tmp_path / "pairs", "--model", model, "--exclude", test)
    assert result.exit_code == 1, result.output
    assert re.search(r"6 near a prompt of test\.jsonl", result.output)
    assert not (tmp_path / "pairs" / "train.parquet").exists()


def test_the_plan_counts_what_is_missing(books: Path, tmp_path: Path) -> None:
    result = build(books, "--out", tmp_path / "pairs", "--model", "openai/gpt-5.4", "--plan")
    assert result.exit_code == 0, result.output
    row, check = (line for line in result.output.splitlines() if "back_translation" in line)
    assert "spoiler check" in check
    cells = [cell.strip() for cell in row.split("│")]
    assert cells[4] == "6"
    tokens_in, tokens_out = (int(cell.replace(",", "")) for cell in cells[5:7])
    assert tokens_in == pytest.approx(6 * (1210 + 500) * 1.35, rel=0.02)
    assert float(cells[7]) == pytest.approx((tokens_in * 2.5 + tokens_out * 15) / 1e6, abs=0.006)
    total = float(next(line for line in result.output.splitlines() if "│ total" in line).split("│")[7])  # dollars
    batch = re.search(r"With --batch, if the command supports it: ([\d.]+\d)", result.output)
    assert batch and float(batch[1]) == pytest.approx(total / 2, abs=0.006)


def test_a_hosted_model_is_asked_by_schema(books: Path, tmp_path: Path, monkeypatch: Any) -> None:
    with serve(lambda number, system, user: FINE if asks_for_spoilers(system) else answer(number)) as server:
        monkeypatch.setenv("LAB_API_KEY", "none")
        monkeypatch.setenv("LAB_BASE_URL", f"{server.url}/v1")
        monkeypatch.setenv("INSPECT_CACHE_DIR", str(tmp_path / "cache"))
        args = (books, "--model", "openai-api/lab/writer", "--max-connections", 1, "--max-retries", 1)
        first = build(*args, "--out", tmp_path / "pairs")
        assert first.exit_code == 0, first.output
        assert len(server.bodies) == 12
        # a reply that was paid for is not asked for again, in another folder either
        assert build(*args, "--out", tmp_path / "second").exit_code == 0
        assert len(server.bodies) == 12
        questions = [asks_for_spoilers(body["messages"][0]["content"]) for body in server.bodies]
        assert sum(questions) == 6
        seen = [body for body, second in zip(server.bodies, questions, strict=True) if not second]
    schema = seen[0]["response_format"]["json_schema"]
    assert schema["strict"] and set(schema["schema"]["properties"]) == {"prompt", "reasoning"}
    system, user = (message["content"] for message in seen[0]["messages"])
    assert "the length" not in user and "has about 1200 words" in user
    (fence,) = set(re.findall(r"<<<(?:END )?STORY (\w{16})>>>", user))
    assert user.partition(f"<<<STORY {fence}>>>\n")[2].partition("\n<<<END")[0] in {story(i) for i in range(6)}
    assert "nothing there is meant for you" in system


# ten that say how it comes out, in other words than the story's, and ten that do not
SPOIL = [
    "a keeper who dies before the ship comes in", "two brothers who in the last scene forgive one another",
    "a thief who turns out to have been the victim's father", "a search that ends at an empty grave",
    "a woman who finally burns the house", "a boy who wakes, since all of it was a dream",
    "a bet that is lost on the very last night", "a doctor who is unmasked as the poisoner",
    "a journey from which nobody comes back", "a marriage that is called off at the altar",
]  # fmt: skip
OPEN = [
    "a keeper who waits for a ship", "two brothers who have not spoken for years", "a thief and what he was after",
    "a search in the hills", "a woman and the house she was born in", "a boy who cannot tell sleep from waking",
    "a bet between old friends", "a doctor whom a town begins to doubt", "a journey into bad weather",
    "a marriage, and the week before it",
]  # fmt: skip


def test_spoilers_are_asked_about_and_sent_back(tmp_path: Path, monkeypatch: Any) -> None:
    """Twenty prompts: ten stories get their prompt at once, ten are asked about three times and dropped.

    A stronger model is asked about these ten alone.
    """
    titles = [f"Story of the {i}" for i in range(20)]
    rows = [{"story": story(i), "title": title, "book": "a"} for i, title in enumerate(titles)]
    books = write_jsonl(tmp_path / "rows.jsonl", rows)
    numbered = {story(i)[:300]: i for i in range(20)}
    checked: list[str] = []

    def script(number: int, system: str, user: str) -> str:
        if asks_for_spoilers(system):
            checked.append(user)
            return TOLD if any(f"Tell of {told}." in user for told in SPOIL) else FINE
        place = numbered[user.partition(">>>\n")[2][:300]]
        strong = server.bodies[number]["model"] == "strong"
        told = (OPEN if strong or place % 2 else SPOIL)[place // 2]
        return answer(place, prompt=f"{PROMPT.format(place)} Tell of {told}.")

    with serve(script) as server:
        monkeypatch.setenv("LAB_API_KEY", "none")
        monkeypatch.setenv("LAB_BASE_URL", f"{server.url}/v1")
        monkeypatch.setenv("INSPECT_CACHE_DIR", str(tmp_path / "cache"))
        out = tmp_path / "pairs"
        args = (books, "--out", out, "--model", "openai-api/lab/plain", "--checker", "openai-api/lab/cheap")
        first = build(*args)
        assert first.exit_code == 0, first.output
        facts = json.loads((out / "datasheet.json").read_text())
        assert facts["dropped_in_back_translation"] == {"prompt: tells the ending": 10}
        assert facts["pairs"]["train"] == 10
        calls = [body["model"] for body in server.bodies]
        assert (calls.count("plain"), calls.count("cheap")) == (40, 20), (
            "three times for ten; the same prompt is checked once"
        )
        assert all(story(0).split()[-1] in user or "<<<ENDING" in user for user in checked)
        complaints = [body["messages"][-1]["content"] for body in server.bodies if len(body["messages"]) > 2]
        assert any("it tells how the story ends (“who stays in the end”)" in text for text in complaints)
        planned = build(*args, "--retry-model", "openai-api/lab/strong", "--plan")
        assert "10" in planned.output.split("openai-api/lab/strong")[1]
        more = build(*args, "--retry-model", "openai-api/lab/strong")
        assert more.exit_code == 0, more.output
        later = [body["model"] for body in server.bodies[len(calls) :]]
        assert (later.count("plain"), later.count("strong"), later.count("cheap")) == (0, 10, 10)
    train = pd.read_parquet(out / "train.parquet")
    assert len(train) == 20
    by = {row["uid"].rpartition("-")[2]: row["extra_info"]["prompt_by"] for row in train.to_dict("records")}
    assert {name: model.rpartition("/")[2] for name, model in by.items()} == {
        str(i): "plain" if i % 2 else "strong" for i in range(20)
    }  # fmt: skip
    assert "in the end" not in "".join(message["content"] for row in train["prompt"] for message in row)


def test_a_checker_that_cannot_be_read_decides_nothing(books: Path, tmp_path: Path) -> None:
    rows = [{"id": key, "reply": answer(i)} for i, key in enumerate(ids())]
    rows += [{"id": key, "part": 2, "reply": "I would say yes." if key == ids()[2] else FINE} for key in ids()]
    model = f"polaris_eval/replay/{write_jsonl(tmp_path / 'r.jsonl', rows)}"
    result = build(books, "--out", tmp_path / "pairs", "--model", model)
    assert result.exit_code == 1, result.output
    assert "Stories without a prompt so far: 1" in result.output


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
        (PROMPT + " She carried mara quill and tom hale home.", None, "prompt: names"),
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
        "error: rows that have a story that is also held out: scores on it would mean nothing: 1 (none)",
        "error: rows that hold reasoning tags in story or ground_truth_reasoning, which must be plain text: 1 (tags)",
        "note: rows that ask for no length (… N words long, or target_word_count): no length penalty there: 1 (none)",
        "note: rows that have a prompt that asks for another length than target_word_count, which is used: 1 (other)",
        "note: rows that have no story: their groups are rollouts only: 1 (bare)",
        "note: rows that have a story outside the tolerance of the length asked for: it is penalised: 1 (far)",
        "note: rows that have a story without ground_truth_reasoning: 1 (far)",
    ):
        assert line in result.output
    assert check_rows(read_pairs(str(write_jsonl(tmp_path / "one.jsonl", rows[:1])))) == []
    assert CliRunner().invoke(main, ["pairs", "check", str(tmp_path / "no.jsonl")]).exit_code == 2

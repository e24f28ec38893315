"""Requests for a length: found in the wordings people use, told from other numbers of words, and hidden whole."""

from __future__ import annotations

import json
import time

import pytest
from conftest import SHARED
from hypothesis import given
from hypothesis import strategies as st

from polaris_eval.harness.length import Length
from polaris_eval.harness.text.length_request import (
    find_length,
    strip_length_request,
    target_words,
    with_length_request,
)


def about(words: int) -> Length:
    return Length(words, words)


@pytest.mark.parametrize(
    ("prompt", "asked", "shown"),
    [
        # the official wording, by its official rule
        ("Write. It should be approximately 1500 words long.", about(1500), "Write."),
        ("Write! Approximately 12,000 WORDS LONG please. Bye.", about(12000), "Write! Bye."),
        ("A fox. A tale of it, approximately 800 words long.", about(800), "A fox."),
        ("Write a tale of two cats, approximately 800 words long.", about(800), "Write a tale of two cats."),
        ("A 500-word note. Say it, approximately 900 words long.", about(900), "A 500-word note."),
        ("A\nIt is 2 000 words long", about(2000), "A"),
        ("A tale. First 500 words long. Then 900 words long.", about(900), "A tale."),
        (
            "Tell of a fox. It should be 2000 words long. Include a dragon.",
            about(2000),
            "Tell of a fox. Include a dragon.",
        ),
        ("Tell of a fox, about 2000 words long. Include a dragon.", about(2000), "Tell of a fox. Include a dragon."),
        # other wordings
        ("Write a 2600-word story about a dragon.", about(2600), "Write a story about a dragon."),
        ("A tale.\nLength: 1000 words.", about(1000), "A tale."),
        ("A fox.\n\nWord count: 2,000\n\nBe kind.", about(2000), "A fox.\n\nBe kind."),
        ("Write about 900 words on the sea.", about(900), "Write on the sea."),
        ("A fox tale (1000 words) in verse.", about(1000), "A fox tale in verse."),
        ("A fox, in the past tense. 1000 words.", about(1000), "A fox, in the past tense."),
        ("A fox tale, 3500 words.", about(3500), "A fox tale."),
        ("Aim for 1500 words. A fox.", about(1500), "A fox."),
        ("A story of 1.200 words about a fox.", about(1200), "A story about a fox."),
        ("Write a 2k-word story about bees.", about(2000), "Write a story about bees."),
        ("Write 2.5k words about bees.", about(2500), "Write about bees."),
        ("Write two thousand five hundred words about bees.", about(2500), "Write about bees."),
        ("Write a fifteen-hundred-word story.", about(1500), "Write a story."),
        ("Write a six-word story.", about(6), "Write a story."),
        ("写一篇2000字的故事", about(2000), "写一篇的故事"),
        # bounds and ranges
        ("Write at least 1,500 words about the sea.", Length(1500, None), "Write about the sea."),
        ("A fox. No fewer than 700 words, please.", Length(700, None), "A fox."),
        ("2000+ words. A fox.", Length(2000, None), "A fox."),
        ("At most 800 words, please. A dragon.", Length(0, 800), "A dragon."),
        ("A story of no more than 2,000 words about a fox.", Length(0, 2000), "A story about a fox."),
        ("Write it in 500 words or less. A fox.", Length(0, 500), "Write it. A fox."),
        ("Your story must not exceed 3,000 words. A fox.", Length(0, 3000), "A fox."),
        ("Word limit: 1500. A fox.", Length(0, 1500), "A fox."),
        ("A fox.\n\n不少于800字", Length(800, None), "A fox."),
        ("A tale that is 2,000–3,000 words long.", Length(2000, 3000), "A tale."),
        ("A fox. It should be between 2000 and 3000 words long.", Length(2000, 3000), "A fox."),
        ("A fox. From 1000 to 1500 words.", Length(1000, 1500), "A fox."),
        ("Write a 1,500 to 2,000-word short story.", Length(1500, 2000), "Write a short story."),
        ("Write 2-3k words about a fox.", Length(2000, 3000), "Write about a fox."),
        ("Write two to three thousand words about a fox.", Length(2000, 3000), "Write about a fox."),
        ("A fox. At least 1000 words and no more than 2000 words.", Length(1000, 2000), "A fox."),
        # several
        ("The opening paragraph should be about 100 words. Write a 2000-word story.", about(2000), None),
        ("Write about 1000 words. In total the story should be 2,000 words.", about(2000), None),
        # no request
        ("Write about 3 cats.", None, None),
        ("A few words long.", None, None),
        ("A story about a clerk. Part 2 500 words long.", None, None),
        ("Chapter 4 500 words of it are lost. Write on.", None, None),
        ("The Inuit have a thousand words for snow. Write of it.", None, None),
        ("She knew about 300 words for rain.", None, None),
        ("A picture is worth a thousand words.", None, None),
        ("Write ten letters of 1000 words each.", None, None),
        ("He left a six-word note. Who was he?", None, None),
        ("She typed 90 words a minute. Tell her story.", None, None),
        ("A linguist collects 400 words in a dying language.", None, None),
        ("A lost alphabet of 5000 signs.", None, None),
        ("", None, None),
    ],
)
def test_requests(prompt: str, asked: Length | None, shown: str | None) -> None:
    assert find_length(prompt) == asked
    if asked is None:
        assert strip_length_request(prompt) == prompt
    if shown is not None:
        assert strip_length_request(prompt) == shown
        assert find_length(shown) is None or "500-word note" in shown


def test_a_range_is_kept_as_a_range() -> None:
    asked = Length(2000, 3000)
    assert [asked.nearest(words) for words in (500, 2000, 2600, 3000, 9000)] == [2000, 2000, 2600, 3000, 3000]
    assert (asked.target, Length(2000, None).target, Length(0, 800).target) == (2500, 2000, 800)
    assert Length(0, 800).nearest(400) == 400
    assert Length(0, 800).nearest(0) == 800  # an empty page keeps no limit
    assert Length(1000, None).nearest(5000) == 5000
    assert [str(a) for a in (asked, Length(5, 5), Length(0, 8), Length(9, None))] == [
        "2000 to 3000", "5", "at most 8", "at least 9"
    ]  # fmt: skip


@given(st.text(), st.integers(1, 99_999))
def test_the_official_request_is_found_and_leaves_the_rest(text: str, words: int) -> None:
    base = "Write a story."
    prompt = f"{base} {text.replace('words', 'w')}\nIt should be approximately {words:,} words long."
    assert target_words(prompt) == words
    stripped = strip_length_request(prompt)
    assert stripped.startswith(base)
    assert "words long" not in stripped


@given(st.text(max_size=200), st.integers(1, 99_999))
def test_what_is_added_is_found_and_hidden_again(text: str, words: int) -> None:
    prompt = with_length_request(text, words)
    assert find_length(prompt) == about(words)
    if text.strip():
        assert strip_length_request(prompt) == text.rstrip()


def test_the_prompts_of_longbench_write_ask_for_what_they_say() -> None:
    """60 English prompts of the world, and the length that upstream recorded for each."""
    path = SHARED / "prompts" / "longbench_write_en.jsonl"
    if not path.exists():
        pytest.skip("the shared test data is not here")
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    wrong = [row["prompt"][:40] for row in rows if target_words(row["prompt"]) != row["length"]]
    assert len(rows) == 60
    assert len(wrong) == 3, wrong  # these name no number at all


@pytest.mark.parametrize(
    "text",
    ["1 " * 50_000, "1" * 100_000, "two thousand " * 8_000, "a hundred and " * 8_000, "1,000 " * 20_000, " " * 100_000,
     "words " * 20_000, "write a " * 15_000],
    ids=lambda text: text[:12],
)  # fmt: skip
def test_no_prompt_holds_up_the_event_loop(text: str) -> None:
    started = time.perf_counter()
    find_length(text)
    assert time.perf_counter() - started < 2

"""Requests for a length: found in the wordings people use, told from other numbers of words, and hidden whole."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
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
        ("Write it in 500 words or less. A fox.", Length(0, 500), "A fox."),
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
        # as people put it, and as they speak of other words
        (
            "Tell of a fox. At least 1000 words and no more than 2000 words. Include a dragon and a knight.",
            Length(1000, 2000),
            "Tell of a fox. Include a dragon and a knight.",
        ),
        ("A fox. Min 2000 words, max 3000 words. Include a dragon.", Length(2000, 3000), "A fox. Include a dragon."),
        (
            "A fox. 500 words minimum, 1000 words maximum. Include a dragon.",
            Length(500, 1000),
            "A fox. Include a dragon.",
        ),
        ("A fox. Don't write more than 1200 words.", Length(0, 1200), "A fox."),
        ("A fox. It should not be longer than 1200 words.", Length(0, 1200), "A fox."),
        ("A fox. It must not be more than 500 words.", Length(0, 500), "A fox."),
        ("A fox. It cannot be more than 500 words.", Length(0, 500), None),
        ("A fox. It should not be more than 2000 words long.", Length(0, 2000), "A fox."),
        ("A fox. It should not be less than 500 words.", Length(500, None), "A fox."),
        ("A fox. Do not write less than 500 words.", Length(500, None), "A fox."),
        ("A fox. Don't go over 1200 words.", Length(0, 1200), "A fox."),
        ("A fox. No paragraph may exceed 150 words.", None, None),
        ("A fox. Word count: 1200–1500 words", Length(1200, 1500), "A fox."),
        ("A fox. Word limit: 1000-1500 words.", Length(1000, 1500), "A fox."),
        ("A fox. Word count: between 1200 and 1500.", Length(1200, 1500), "A fox."),
        ("A fox. Maximum word count: 1200.", Length(0, 1200), "A fox."),
        ("A fox. Word count: 1500 max.", Length(0, 1500), "A fox."),
        ("A fox. Minimum word count: 1200", Length(1200, None), "A fox."),
        ("A fox. minimum 2000, maximum 3000 words", Length(2000, 3000), "A fox."),
        ("A fox. at least 2000 words but no more than 3000", Length(2000, 3000), "A fox."),
        ("A fox. longer than 800 words but shorter than 1000 words.", Length(800, 1000), "A fox."),
        ("A fox. At least 2000 and at most 3000 words.", Length(2000, 3000), "A fox."),
        ("Write one thousand, five hundred words on foxes.", about(1500), "Write on foxes."),
        ("Write a 2,000- to 3,000-word story.", Length(2000, 3000), "Write a story."),
        ("Write an 800-to-1,000-word story.", Length(800, 1000), "Write a story."),
        ("Write 2 500 word stories.", None, None),
        ("A fox. 2000 words ± 100 words.", about(2000), "A fox."),
        ("A 2000 word story, give or take 200 words, of a fox.", about(2000), None),
        ("A fox (2000 words +/- 10%) about.", about(2000), "A fox about."),
        ("Write a 3000-word story. Part one: 1000 words. Part two: 2000 words.", about(3000), None),
        ("Write a 3000-word story in three parts: 500 words, 1500 words and 1000 words.", about(3000), None),
        ("Write a 3000-word story. Each of the three parts should be around 1000 words.", about(3000), None),
        ("Write a 3000-word story with a 200-word prologue and a 300-word epilogue.", about(3000), None),
        ("Write a 1500-word story. My last draft was 2000 words.", about(1500), None),
        ("Write a 2000-word story about a man whose novel of 90,000 words is lost.", about(2000), None),
        ("Chapter 1: 500 words. Chapter 2: 700 words.", None, None),
        ("Write a story about a 300-word letter.", None, None),
        ("Tell of a writer who must finish a 50,000-word novel.", None, None),
        ("A student's 500-word essay changes the world.", None, None),
        ("Write about Lincoln's 272-word speech.", None, None),
        ("Here's my 1200-word story. Give it an ending.", None, None),
        ("Continue this 500-word story.", None, None),
        ("Rewrite the following 800-word story in verse.", None, None),
        ("Use these 100 words as inspiration.", None, None),
        ("There are 1000 words left in the language.", None, None),
        ('"At least 500 words," said the teacher.', None, None),
        ("Between 100 and 200 words were lost.", None, None),
        ("Keep every paragraph under 100 words.", None, None),
        ("Sentences must not exceed 50 words.", None, None),
        ("Write three chapters, each about 1000 words long.", None, None),
        ("Part II 500 words long", None, None),
        ("Each scene: 500 words.", None, None),
        ("A fox. The story must contain at least 1200 words.", Length(1200, None), "A fox."),
        ("A fox. The story should have 1200 words.", about(1200), "A fox."),
        ("A fox. Make sure the story has at least 800 words.", Length(800, None), "A fox."),
        ("A fox. It needs at least 800 words.", Length(800, None), "A fox."),
        ("A fox. Ensure a minimum of 800 words.", Length(800, None), "A fox."),
        ("A fox. A minimum of 1,200 words is required.", Length(1200, None), "A fox."),
        ("Using no more than 800 words, tell of a fox.", Length(0, 800), None),
        ("A fox. Stay under 1200 words.", Length(0, 1200), "A fox."),
        ("A fox. Please limit to 800 words.", Length(0, 800), "A fox."),
        ("A fox. It can't exceed 500 words.", Length(0, 500), "A fox."),
        ("A story about a fox of at least 1,500 words, set in Rome.", Length(1500, None), None),
        ("A fox — 1,500 words — in Rome.", about(1500), None),
        ("1500 words about a fox.", about(1500), None),
        ("A 1500 words story of a fox.", about(1500), "A story of a fox."),
        ("A fox. 2000 or more words.", Length(2000, None), "A fox."),
        ("In five hundred words, tell of a fox.", about(500), "tell of a fox."),
        ("A fox. Ideally 800 words.", about(800), "A fox."),
        ("I'd like 2000 words on a fox.", about(2000), None),
        ("Continue for another 1500 words.", about(1500), None),
        ("A fox. 1500-ish words.", about(1500), "A fox."),
        ("A fox.\nLength: 1200", about(1200), "A fox."),
        ("A fox.\nWords: 1200", about(1200), "A fox."),
        ("Tell of a fox. In 500 words or less, tell me more.", Length(0, 500), "Tell of a fox. tell me more."),
        ("A fox story (at least 1500 words!).", Length(1500, None), "A fox story."),
        ("A fox. There is a 1200 word limit.", Length(0, 1200), "A fox."),
        ("Write an 800-word story.", about(800), "Write a story."),
        ("Write me a thousand-word tale.", about(1000), "Write me a tale."),
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


def test_the_prompts_of_longbench_write_ask_for_what_they_say(shared: Path) -> None:
    """60 English prompts of the world, and the length that upstream recorded for each."""
    text = (shared / "prompts" / "longbench_write_en.jsonl").read_text(encoding="utf-8")
    rows = [json.loads(line) for line in text.splitlines()]
    wrong = [row["prompt"][:40] for row in rows if target_words(row["prompt"]) != row["length"]]
    assert len(rows) == 60
    assert len(wrong) == 2, wrong  # these name no number of words at all


@pytest.mark.parametrize(
    "text",
    ["1 " * 50_000, "1" * 100_000, "two thousand " * 8_000, "a hundred and " * 8_000, "1,000 " * 20_000, " " * 100_000,
     "words " * 20_000, "write a " * 15_000, "Write 500 words. " * 5_000, "at least 500 words and " * 4_000],
    ids=lambda text: text[:12],
)  # fmt: skip
def test_no_prompt_holds_up_the_event_loop(text: str) -> None:
    started = time.process_time()  # other tests run beside this one
    find_length(text)
    strip_length_request(text)
    assert time.process_time() - started < 3

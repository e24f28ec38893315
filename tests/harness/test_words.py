from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polaris_eval.harness.text.length_request import strip_length_request, target_words
from polaris_eval.harness.text.reasoning import strip_reasoning
from polaris_eval.harness.words import count_words


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", 0),
        ("one two", 2),
        ("it's", 2),
        ("fish &amp; chips", 2),
        ("a&nbsp;b", 2),
        ("naïve café 你好", 3),
        ("— … !", 0),
        ("a_b", 1),
    ],
)
def test_count_words(text: str, words: int) -> None:
    assert count_words(text) == words


@pytest.mark.parametrize(
    ("prompt", "target", "stripped"),
    [
        ("Write. It should be approximately 1500 words long.", 1500, "Write."),
        ("Write! Approximately 12,000 WORDS LONG please. Bye.", 12000, "Write!"),
        ("A\nIt is 2 000 words long", 2000, "A"),
        ("A tale. First 500 words long. Then 900 words long.", 900, "A tale. First 500 words long."),
        ("Write a tale of two cats, approximately 800 words long.", 800, "Write a tale of two cats."),
        ("Write about 3 cats.", None, "Write about 3 cats."),
        ("A few words long.", None, "A few words long."),
        ("", None, ""),
    ],
)
def test_length_request(prompt: str, target: int | None, stripped: str) -> None:
    assert target_words(prompt) == target
    assert strip_length_request(prompt) == stripped


@given(st.text(), st.integers(1, 99_999))
def test_the_request_is_found_and_leaves_the_rest(text: str, words: int) -> None:
    base = "Write a story."
    prompt = f"{base} {text.replace('words', 'w')}\nIt should be approximately {words:,} words long."
    assert target_words(prompt) == words
    stripped = strip_length_request(prompt)
    assert stripped.startswith(base)
    assert "words long" not in stripped
    assert target_words(stripped) is None


@pytest.mark.parametrize(
    ("text", "story"),
    [
        ("<think>plan</think>Story.", "Story."),
        ("plan</think>Story.", "Story."),
        ("<think>never closed", ""),
        ("Story. <think>aside</think>More.", "Story. More."),
        ("<think>a<think>b</think>c</think>Story.", "Story."),
        ("<|channel>thought\nplan<channel|>Story.", "Story."),
        ("plan<channel|>Story.", "Story."),
        ("Just a story.", "Just a story."),
        ("</think>", ""),
    ],
)
def test_reasoning_is_cut(text: str, story: str) -> None:
    assert strip_reasoning(text) == story


@given(st.lists(st.sampled_from(["<think>", "</think>", "<|channel>thought", "<channel|>", "a ", "b\n"])))
def test_no_tag_is_left_and_cutting_twice_changes_nothing(parts: list[str]) -> None:
    once = strip_reasoning("".join(parts))
    assert not any(tag in once for tag in ("<think>", "</think>", "<|channel>thought", "<channel|>"))
    assert strip_reasoning(once) == once


@given(st.text(alphabet=st.characters(blacklist_characters="<>|")))
def test_text_without_tags_is_untouched(text: str) -> None:
    assert strip_reasoning(text) == text

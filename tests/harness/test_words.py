"""Words: the same number for the same text, however it is encoded and whatever script it is in."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polaris_eval.harness.length import blank_penalty
from polaris_eval.harness.repetition import repetition_penalty
from polaris_eval.harness.words import count_words, count_words_longbench

FRENCH = "Le garçon était arrivé à l'hôtel où sa mère l'attendait, émue."
HINDI = "वह घर गया और किताब पढ़ने लगा क्योंकि बारिश हो रही थी।"
CHINESE = "他走进房间，看见一个陌生人坐在桌边。"
JAPANESE = "彼は部屋に入った。"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", 0),
        ("one two", 2),
        ("it's", 2),
        ("fish &amp; chips", 2),
        ("a&nbsp;b", 2),
        ("ex&shy;tra", 1),
        ("— … !", 0),
        ("a_b", 1),
        ("é", 1),
        (FRENCH, 13),
        (HINDI, 12),
        ("ex\u00adtra\u00ador\u00addi\u00adnary day", 2),
        ("w\u200bo\u200cr\u200dd \u2060w\ufeffo\u200erd", 2),
        ("wo\x00rd", 1),
        ("\u3164 \u115f word", 1),
        ("❤\ufe0f love", 1),
        ("שָׁלוֹם עֲלֵיכֶם", 2),
        ("한국어 문장 입니다", 3),
        (CHINESE, 16),
        (JAPANESE, 8),
        ("她买了 iPhone 15。", 5),
        ("มาก", 1),
        ("ภาษาไทย", 2),
        ("She said 你好 to everybody in the room and then she went home.", 13),
    ],
)
def test_count_words(text: str, words: int) -> None:
    assert count_words(text) == words


@given(st.text(alphabet=st.characters(blacklist_categories=["Cs"])))
def test_the_encoding_of_letters_makes_no_words(text: str) -> None:
    composed = unicodedata.normalize("NFC", text)
    assert count_words(composed) == count_words(unicodedata.normalize("NFD", text))


@given(
    st.lists(st.text(alphabet="abcdefgh", min_size=2, max_size=8), min_size=1),
    st.sampled_from("\u00ad\u200b\u200d\ufeff"),
)
def test_nobody_gains_by_what_is_not_seen(words: list[str], unseen: str) -> None:
    plain = " ".join(words)
    padded = " ".join(word[0] + unseen + word[1:] for word in words)
    assert count_words(padded) == count_words(plain) == len(words)
    assert repetition_penalty(padded) == repetition_penalty(plain)


def test_520_chinese_characters_are_no_blank_page() -> None:
    story = "他走进房间看见一个陌生人。" * 44
    assert count_words(story) == count_words_longbench(story) == 528
    assert blank_penalty(story) == 0
    assert blank_penalty(story[:100]) == 1

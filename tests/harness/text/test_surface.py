"""What is counted on the surface of a story, against values counted by hand."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polaris_eval.harness.text.surface import SURFACE, surface_measures, variety


def test_stock_phrases_per_1000_words() -> None:
    plain = "He put the kettle on and read the letter twice. " * 20  # 200 words
    assert surface_measures(plain)["slop"] == 0
    stock = plain + "It was a testament to the tapestry. Her voice barely above a whisper. He couldn’t help but smile."
    # "a testament to", "tapestry", "barely above a whisper" (whole, not "voice barely"), "couldn't help but"
    words = 200 + 7 + 6 + 6  # "couldn’t" is two words
    assert surface_measures(stock)["slop"] == pytest.approx(1000 * 4 / words, rel=0.02)
    assert surface_measures("Delve deeper. DELVING, he said.")["slop"] == pytest.approx(400)
    assert surface_measures("The delver nestledown")["slop"] == 0, "whole words only"
    assert surface_measures("It was a\ntestament\n to it.")["slop"] == pytest.approx(1000 / 6)


def test_vocabulary_diversity_is_a_moving_type_token_ratio() -> None:
    assert surface_measures("one two three two")["diversity"] == 0.75
    words = [f"w{n % 50}" for n in range(300)]
    assert surface_measures(" ".join(words))["diversity"] == 0.5, "every window of 100 holds 50 words"
    assert variety([1, 1, 2, 3], width=2) == pytest.approx((1 + 2 + 2) / 3 / 2)


def test_sentence_variety_is_a_coefficient_of_variation() -> None:
    assert surface_measures("One two. One two. One two!")["sentence_variety"] == 0
    # 1 and 3 words: mean 2, standard deviation 1
    assert surface_measures("Stop. He ran away?")["sentence_variety"] == 0.5


def test_what_cannot_be_counted_is_unknown() -> None:
    assert all(math.isnan(value) for value in surface_measures("").values())
    chinese = surface_measures("他走了。她留下来，看着海。")
    assert math.isnan(chinese["slop"]), "the list is English"
    assert chinese["diversity"] > 0.8
    assert math.isnan(surface_measures("one sentence only")["sentence_variety"])


@given(st.text(max_size=300))
def test_any_text_has_the_measures_in_their_ranges(text: str) -> None:
    found = surface_measures(text)
    assert tuple(found) == SURFACE
    assert math.isnan(found["slop"]) or 0 <= found["slop"] <= 1000
    assert math.isnan(found["diversity"]) or 0 < found["diversity"] <= 1
    assert math.isnan(found["sentence_variety"]) or found["sentence_variety"] >= 0

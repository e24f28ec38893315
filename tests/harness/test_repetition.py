from __future__ import annotations

import re
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polaris_eval.harness.repetition import repetition_penalty

TEXT = st.lists(st.sampled_from(["a", "b", "c", "The", ",", ".", "\n", "\n\n"]), max_size=300).map(" ".join)


def definition(text: str) -> float:
    """The facts' definition word by word, with its quadratic window."""
    tokens = re.findall(r"\w+|[^\s]", text.lower())
    grams = [tuple(tokens[i : i + 4]) for i in range(len(tokens) - 3)]
    everywhere = sum(n - 1 for n in Counter(grams).values()) / len(grams) if grams else 0
    local = sum(g in grams[max(0, i - 63) : i] for i, g in enumerate(grams)) / len(grams) if grams else 0
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    repeated = sum(n - 1 for n in Counter(lines).values()) / len(lines) if lines else 0
    return min(1.5, 0.8 * (0.7 * max(0, everywhere - 0.08) + 0.3 * local) + 0.4 * repeated)


@given(TEXT)
def test_equals_the_definition(text: str) -> None:
    assert repetition_penalty(text) == pytest.approx(definition(text))


@given(st.text())
def test_bounds(text: str) -> None:
    assert 0 <= repetition_penalty(text) <= 1.5


@given(st.text(alphabet=st.characters(codec="ascii")))
def test_letter_case_and_outer_space_do_not_matter(text: str) -> None:
    assert repetition_penalty(f"\n  {text.swapcase()}  \n") == pytest.approx(repetition_penalty(text))


def test_by_hand() -> None:
    assert repetition_penalty("") == repetition_penalty("one two three") == 0
    assert repetition_penalty("one two three four five six") == 0
    # 8 tokens, 5 grams, the last repeats the first: global 1/5, local 1/5
    assert repetition_penalty("a b c d a b c d") == pytest.approx(0.8 * (0.7 * (0.2 - 0.08) + 0.3 * 0.2))
    # two equal lines of three tokens: 3 grams, none repeats; lines 1/2
    assert repetition_penalty("x y z\nx y z") == pytest.approx(0.4 * 0.5)


def test_the_window_counts_the_current_gram() -> None:
    filler = " ".join(f"w{i}" for i in range(59))
    inside = f"a b c d {filler} a b c d"  # the second gram stands 63 after the first
    outside = f"a b c d {filler} extra a b c d"  # 64 after
    grams = 64
    assert repetition_penalty(inside) == pytest.approx(0.8 * 0.3 / grams)
    assert repetition_penalty(outside) == 0


@given(TEXT)
def test_saying_it_all_twice_is_never_better(text: str) -> None:
    assert repetition_penalty(f"{text}\n{text}") >= repetition_penalty(text) - 1e-9 or len(text.split()) < 8

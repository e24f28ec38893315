"""Dialogue is dialogue in any typography, so that correcting for style does not correct for typography."""

from __future__ import annotations

import pytest

from polaris_eval.harness.text.style import quoted_words, style

TOLD = "“Come in,” she said. “It’s late, isn’t it?” He didn’t answer; the boys’ room was dark.\n“No,” he said.\n"
SPOKEN = 9  # come in; it s late isn t it; no


@pytest.mark.parametrize(
    "marks",
    ["“”", '""', "‘’", "''", "«»", "»«", "„“", "„”", "””", "‚‘", "‹›", "›‹", "「」", "『』", "＂＂"],
)
def test_every_kind_of_quotation_mark(marks: str) -> None:
    told = TOLD.replace("’", "'") if marks == "''" else TOLD
    told = told.replace("“", marks[0]).replace("”", marks[1])
    assert quoted_words(told) == SPOKEN
    assert style(told)["dialogue"] == style(TOLD)["dialogue"]


def test_space_inside_guillemets_and_dashes_that_open_a_line() -> None:
    assert quoted_words("« Nobody will ask, » she said.") == quoted_words("« Nobody will ask, » she said.") == 3
    assert quoted_words("— Entre, — dit-elle. — Il est tard.\nElle sortit.\n—No —dijo él.") == 5
    assert quoted_words("He left — or so it seemed — at noon.") == 0


def test_apostrophes_are_no_quotation_marks() -> None:
    assert quoted_words("It's the boys' room, isn't it? Don't.") == 0
    assert quoted_words("It’s the boys’ room, isn’t it? Don’t.") == 0


def test_long_speech_and_speech_over_several_paragraphs() -> None:
    assert quoted_words(f"“{'word ' * 400}.”") == 400
    assert quoted_words("“One two three.\n\n“Four five six,” he said.") == 6
    assert quoted_words("-- Hello there\n&ldquo;Yes,&rdquo; she said.") == 3
    assert quoted_words("—and so it ended, he thought, walking home.") == 0

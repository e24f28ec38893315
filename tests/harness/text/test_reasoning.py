"""Reasoning is no story, in any form that models give it; a story that speaks of such tags stays whole."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polaris_eval.harness.text.forms import FORMS
from polaris_eval.harness.text.reasoning import (
    count_reasoning,
    form_of,
    holds_tags,
    just_closed,
    left_open,
    read_answer,
    strip_reasoning,
)

STORY = "The lamp hissed over the wet floor. Nobody came. " * 40
PLAN = "The user wants a story. I will plan it: clerk, rain, bell."


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.opening)
def test_every_form(form: object) -> None:
    opening, closing = form.opening, form.closing  # type: ignore[attr-defined]
    for text in (f"{opening}{PLAN}{closing}{STORY}", f"\n{opening}\n{PLAN}\n{closing}\n\n{STORY}\n"):
        if opening == "analysis" and text[0] == "\n":
            continue  # without its special tokens it is glued to what follows
        if opening.endswith("\n"):
            text = text.replace(opening, f"{opening}\n")
        answer = read_answer(text)
        assert answer.story.strip() == STORY.strip()
        assert answer.strays == ()
        assert count_reasoning(text) == 12
    cut = f"{opening}{PLAN}"
    assert strip_reasoning(cut) == (cut if form.prose else "")  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("text", "story"),
    [
        ("<think>plan</think>Story.", "Story."),
        ("<THINK >plan</ Think>Story.", "Story."),
        ("< think >plan</think >Story.", "Story."),
        ("<thinking>plan</thinking>Story.", "Story."),
        ("<thought>plan</thought>Story.", "Story."),
        ("<reasoning>plan</reasoning>Story.", "Story."),
        ('<reasoning effort="high">plan</reasoning>Story.', "Story."),
        ("<seed:think>plan</seed:think>Story.", "Story."),
        ("&lt;think&gt;plan&lt;/think&gt;Story.", "Story."),
        ("[think]plan[/think]\nStory.", "Story."),
        ("plan</think>Story.", "Story."),
        ("<think>never closed", ""),
        ("Story. <think>aside</think>More.", "Story. More."),
        ("One.\n\n<think>go on</think>\n\nTwo.", "One.\n\n\n\nTwo."),
        ("<think>a<think>b</think>c</think>Story.", "Story."),
        ("<think>no <think> tags</think>Story.", "Story."),
        ("<think>use <think> tags</think>One. <think>hm</think>Two.", "One. Two."),
        ("<think>I close with </think> later</think>Story.", "Story."),
        ("<think>a</thinking>Story.", "Story."),
        ("The end.\n<think>Should I go on", "The end."),
        ("<|channel>thought\nplan<channel|>Story.", "Story."),
        ("plan<channel|>Story.", "Story."),
        ("<|channel|>analysis<|message|>a<|end|><|start|>assistant<|channel|>commentary<|message|>b<|end|>"
         "<|start|>assistant<|channel|>final<|message|>Story.<|return|>", "Story."),
        ("<|start|>assistant<|channel|>final<|message|>Story.<|end|>", "Story."),
        ("<|channel|>analysis<|message|>plan<|end|>Story.", "Story."),
        ("plan<|end|><|start|>assistant<|channel|>final<|message|>Story.", "Story."),
        ("analysisThe user wants.assistantfinalStory.", "Story."),
        ("analysiswe planassistantcommentaryhmassistantfinalStory.", "Story."),
        ("finalThe story.", "The story."),
        ("<think>plan</think>\n<answer>\nStory.\n</answer>", "Story."),
        ("<|begin_of_thought|>a<|end_of_thought|>\n<|begin_of_solution|>Story.<|end_of_solution|>", "Story."),
        ("Story.<|im_end|>", "Story."),
        ("Just a story.", "Just a story."),
        ("</think>", ""),
        ("<th<think></think>ink>Story.", "<th<think></think>ink>Story."),
        # words of a story
        ("She typed <think> into the box and waited.", "She typed <think> into the box and waited."),
        ("[Thinking]\nShe sat down.", "[Thinking]\nShe sat down."),
        ("analysis of the wreck took weeks.", "analysis of the wreck took weeks."),
        ("final words were said.", "final words were said."),
        ("The assistant final grades were in.", "The assistant final grades were in."),
        ("<thinker>Story.", "<thinker>Story."),
        *[("Here's my thought process: she left.",) * 2],
        *[(f"She typed <think>. {STORY}Then she typed </think> and left.",) * 2],
        ("analysisWe plan.assistantfinali woke.", "i woke."),
        ("analysis\nWe plan.\nassistant\nfinal\nStory.", "Story."),
        ("final**The Lamp**\nStory.", "**The Lamp**\nStory."),
        (f"{STORY}plan.</think>The story.", "The story."),
        ("[REASONING]plan[/REASONING]Story.", "Story."),
        ("<reasoning_content>plan</reasoning_content>Story.", "Story."),
        ("<|channel>thought\nplan<channel|>Story.<turn|>", "Story."),
        ("Dear Ann.\nHere is my response:\nNo.", "Dear Ann.\nHere is my response:\nNo."),
    ],
)  # fmt: skip
def test_what_is_story(text: str, story: str) -> None:
    assert strip_reasoning(text) == story


@pytest.mark.parametrize(
    "tag", ["</think>", "</reasoning>", "[/THINK]", "◁/think▷", "<think>", "<thought>", "assistantfinal"]
)
def test_a_story_that_speaks_of_a_tag_stays_whole_and_is_flagged(tag: str) -> None:
    told = f"{STORY}She typed {tag} and nothing happened. {STORY}".strip()
    answer = read_answer(told)
    assert answer.story == told
    assert answer.strays == (tag,)
    assert count_reasoning(told) == 0


def test_what_is_cut_on_a_guess_is_flagged() -> None:
    """A chat template that opened the reasoning leaves a closing tag alone, which models write at the end of a line."""
    answer = read_answer(f"{STORY}\n</think>\n\nThe story.")
    assert answer.story == "The story."
    assert answer.strays == ("</think>",)
    assert read_answer(f"{STORY}</think>").story == f"{STORY}</think>"  # nothing else would be left
    assert read_answer("thought\nA plan, and then the story.").strays == ("thought",)  # nothing says where it ends


TAGS = [tag for form in FORMS for tag in (form.opening, form.closing)]


@given(st.lists(st.sampled_from([*TAGS, "<th", "ink>", "a ", "b.\n", "Long words. " * 60]), max_size=12))
def test_cutting_twice_changes_nothing(parts: list[str]) -> None:
    once = strip_reasoning("".join(parts))
    assert strip_reasoning(once) == once


@given(st.text(alphabet=st.characters(blacklist_characters="<>|[]&◁▷"), max_size=80).map(lambda text: f"A {text}"))
def test_text_without_tags_is_untouched(text: str) -> None:
    if not holds_tags(text):
        assert strip_reasoning(text) == text


@pytest.mark.parametrize(
    "text",
    ["<think>" * 30_000, "</think>" * 30_000, "<think><think></think>" * 10_000, "<th<think></think>ink>" * 10_000,
     " " * 200_000, "<" * 200_000, "<eos>" * 40_000, ("x" * 700 + "</think>y") * 300, "analysis" * 20_000],
    ids=lambda text: text[:12],
)  # fmt: skip
def test_no_text_holds_up_the_event_loop(text: str) -> None:
    started = time.process_time()
    read_answer(text)
    assert time.process_time() - started < 2


def test_templates_are_read_by_the_same_table() -> None:
    assert left_open("<|im_start|>assistant\n<think>\n") is FORMS[0]
    assert left_open("<|im_start|>assistant\n") is None
    assert left_open("<think>\n\n</think>\n\n") is None
    assert just_closed("<think>\n\n</think>\n\n")
    assert not just_closed("<think>\n")
    assert form_of("{{ '[THINK]' + reasoning + '[/THINK]' }}").closing == "[/THINK]"
    assert form_of("no reasoning here") is FORMS[0]

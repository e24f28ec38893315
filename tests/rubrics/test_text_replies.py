"""Text replies with a scores section: what real judges send, and what they might."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polaris_eval.rubrics import ReplyError, load_rubric

CREATIVE = load_rubric("eqbench_creative")
LONGFORM = load_rubric("eqbench_longform")
NAMES = [d.id for d in CREATIVE.dimensions]


def text(marks: dict[str, object], heading: str = "[Scores]", analysis: str = "It works.") -> str:
    return f"[Analysis]\n\n{analysis}\n\n{heading}\n\n" + "\n".join(f"{name}: {mark}" for name, mark in marks.items())


def usual(**changes: object) -> dict[str, object]:
    return {**dict.fromkeys(NAMES, 10), **changes}


def test_a_plain_reply() -> None:
    marks = CREATIVE.parse(text(usual(Coherent=17)))
    assert marks.scores == {**dict.fromkeys(NAMES, 10.0), "Coherent": 17.0}
    assert marks.comment == "[Analysis]\n\nIt works."


@pytest.mark.parametrize(
    "heading",
    ["[Scores]", "**[Scores]**", "## Scores", "Scores:", "**Scores**", "[SCORES]", "### Scores (0-20 scale)",
     "[Scores]:", "  [Score]", "> [Scores]", "_Scores_", "### Final Scores", "## 2. Scores", "## Scores ##", "<scores>",
     "[Criteria Scores]"],
)  # fmt: skip
def test_headings(heading: str) -> None:
    assert len(CREATIVE.parse(text(usual(), heading)).scores) == 22


@pytest.mark.parametrize(
    ("line", "mark"),
    [
        ("Coherent: 14", 14),
        ("Coherent: 14.5", 14.5),
        ("**Coherent: 14**", 14),
        ("**Coherent**: 14", 14),
        ("- Coherent: 14", 14),
        ("* **Coherent:** 14 — holds together", 14),
        ("9. Coherent: 14", 14),
        ("coherent : 14", 14),
        ("Coherent: 14/20", 14),
        ("Coherent: 14 out of 20", 14),
        ("Coherent (higher is better): 14", 14),
        ("| Coherent | 14 |", 14),
        ("Coherent = 14", 14),
        ("Coherent – 14", 14),
        ("Coherent： 14", 14),
        ("Coherent: 0 (N/A - no dialogue)", 0),
        ("`Coherent`: 14", 14),
        ("Coherent: N/A", None),
        ("Coherent: not applicable", None),
        ("Coherent: -", None),
        ("Coherent: n.a.", None),
        ("Coherent: [14]", 14),
        ("Coherent: (14)", 14),
        ("Coherent: ~14", 14),
        ("Coherent: Score 14", 14),
        ("Coherent: [14/20]", 14),
        ("Coherent: 14 - 3 passages drift", 14),
        ("Coherent: (14)/20", 14),
        ("Coherent: 14 points out of 20", 14),
        ("Coherent: 14 (out of 20)", 14),
        ("Coherent: 14 / 20, though 7/10 readers stop", 14),
        ("Coherent: 14, if only just", 14),
        ("Coherent: 14.", 14),
        ("Coherent: 25", None),
        ("Coherent: -1", None),
        ("Incoherent: 14", None),
        ("Coherent Narrative: 14", None),
        ("Pacing: 14", None),
    ],
)
def test_lines(line: str, mark: float | None) -> None:
    found = CREATIVE.parse(re.sub("Coherent: 10", lambda _: line, text(usual()))).scores
    assert found.get("Coherent") == mark
    assert len(found) == (22 if mark is not None else 21)


@pytest.mark.parametrize(
    "value",
    [
        "",
        "7/10",
        "7 of 10",
        "14-15",
        "14 – 15",
        "fourteen",
        "1.4.5",
        "7 (out of 10)",
        "(7)/10",
        "7 points out of 10",
        "7 (on a scale of 10)",
        "7 (scale 1-10)",
        "70%",
        "70 %",
        "14 (70%)",
        "12 to 16",
        "12 or 16",
        "15,5",
        "20 - 6 = 14",
        "7 (max 10)",
        "7 (range 0-10)",
        "7 (from 1 to 10)",
        "7 (on a ten-point scale)",
        "7 — ten-point scale",
        "7 (out of ten)",
        "7 (out of a possible 10)",
        "7 (on 10)",
        "7 (in 100)",
        "7(／10)",
        "7 (x/10)",
        "10 --> 14",
        "10 (final: 14)",
        "10 - revised to 14",
        "10... no, 14",
        "12 (or 13)",
        "7*2",
        "None too shabby, 14",
        "0 to 20 scale, 14",
        "14 → 13",
        "1lot",
        "3 scenes stay with the reader",
        "14 20",
        "1.4e1",
        "9" * 5000,
    ],
)
def test_a_value_that_is_no_score_is_asked_for_again(value: str) -> None:
    with pytest.raises(ReplyError, match=r"Coherent: .* is not a number from 0 to 20"):
        CREATIVE.parse(text(usual(Coherent=value)))


def test_comments_after_the_scores_are_no_scores() -> None:
    more = "\n\nScores:\nI was strict.\nOverall Impression: 7 of 10 readers would go on.\nCoherent: mostly."
    assert CREATIVE.parse(text(usual()) + more).scores == dict.fromkeys(NAMES, 10.0)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("Tell-Don't Show", "Tell-Don't-Show"),
        ("Tell Don’t Show", "Tell-Don't-Show"),
        ("Weak Dialog", "Weak Dialogue"),
        ("Unearned Transformation", "Unearned Transformations"),
        ("Overall Impressions", "Overall Impression"),
        ("Consistent Voice / Tone of Writing", "Consistent Voice/Tone of Writing"),
        ("Well-Earned Lightness or Darkness", "Well-earned Lightness or Darkness"),
        ("UNSURPRISING OR UNCREATIVE", "Unsurprising or Uncreative"),
    ],
)
def test_near_misses_of_names_count_as_the_name(written: str, meant: str) -> None:
    found = CREATIVE.parse(text({**{k: v for k, v in usual().items() if k != meant}, written: 3}))
    assert found.scores[meant] == 3
    plain = CREATIVE.score(CREATIVE.parse(text(usual(**{meant: 3}))))["score"]
    assert CREATIVE.score(found)["score"] == plain


@pytest.mark.parametrize("opposite", ["Inelegant Prose", "Earned Transformations", "Incoherent", "Show-Don't-Tell"])
def test_an_opposite_is_no_near_miss(opposite: str) -> None:
    assert CREATIVE.parse(text({**usual(), opposite: 1})).scores == CREATIVE.parse(text(usual())).scores


def test_numbers_in_the_analysis_are_no_marks() -> None:
    analysis = (
        "At 10:30 the train leaves.\nCoherent: 2\nMajor shortcomings include: 1. haste\n<tag> {brace} **bold: 3**"
    )
    assert CREATIVE.parse(text(usual(), analysis=analysis)).scores == dict.fromkeys(NAMES, 10.0)


def test_a_reply_that_opens_with_reasoning_or_repeats_itself() -> None:
    draft = text(usual(Coherent=1))
    assert CREATIVE.parse(f"<THINKING>\n{draft}\n</THINKING>\n{text(usual(Coherent=9))}").scores["Coherent"] == 9


def test_a_criterion_twice() -> None:
    assert CREATIVE.parse(text(usual()) + "\nCoherent: 10").scores["Coherent"] == 10
    with pytest.raises(ReplyError, match="Coherent: two different scores, 10 and 12"):
        CREATIVE.parse(text(usual()) + "\nCoherent: 12")


@pytest.mark.parametrize(
    ("reply", "says"),
    [
        ("", "empty"),
        ("[Analysis]\n\nVery good, 19 of 20.", "no \\[Scores\\] section"),
        ("[ERROR: the model is overloaded", "no \\[Scores\\] section"),
        (text(dict.fromkeys(NAMES[:16], 10)), "only 16 of 22"),
        ('{"Coherent": 4}', "no \\[Scores\\] section"),
    ],
)
def test_malformed(reply: str, says: str) -> None:
    with pytest.raises(ReplyError, match=says):
        CREATIVE.parse(reply)


def test_three_quarters_are_enough() -> None:
    marks = CREATIVE.parse(text(dict.fromkeys(NAMES[:17], 10)))
    assert CREATIVE.score(marks)["rated"] == pytest.approx(17 / 22)


def test_the_weighted_criterion_may_not_be_missing() -> None:
    names = [d.id for d in LONGFORM.dimensions]
    assert LONGFORM.parse(text(dict.fromkeys([n for n in names if n != "Weak Dialogue"], 10)))
    with pytest.raises(ReplyError, match="missing: Forced Poetry or Metaphor"):
        LONGFORM.parse(text(dict.fromkeys([n for n in names if n != "Forced Poetry or Metaphor"], 10)))


def test_outside_the_range_is_unrated_here_and_clamped_there() -> None:
    assert "Coherent" not in CREATIVE.parse(text(usual(Coherent=21))).scores
    marks: dict[str, object] = dict.fromkeys([d.id for d in LONGFORM.dimensions], 10)
    found = LONGFORM.parse(text({**marks, "Coherent": 21, "Amateurish": -3})).scores
    assert (found["Coherent"], found["Amateurish"]) == (20, 0)


@pytest.mark.parametrize(
    "heading",
    ["## Scores (out of 10)", "[Scores] (1-10)", "Scores (0-100)", "Scores (%)", "Scores (/10)", "**Scores (1–5)**"],
)
def test_a_heading_may_state_another_scale(heading: str) -> None:
    with pytest.raises(ReplyError, match="another scale"):
        CREATIVE.parse(text(usual(), heading))


@pytest.mark.parametrize("name", ["Coherent (/10)", "Coherent (out of 10)", "Coherent (0-10)", "Coherent [0-10]"])
def test_a_name_may_state_another_scale(name: str) -> None:
    lines = text({**{k: v for k, v in usual().items() if k != "Coherent"}, name: 7})
    with pytest.raises(ReplyError, match="Coherent: '7' is not a number from 0 to 20"):
        CREATIVE.parse(lines)
    assert CREATIVE.parse(lines.replace("10)", "20)").replace("10]", "20]")).scores["Coherent"] == 7


def test_what_is_far_outside_is_on_another_scale() -> None:
    marks: dict[str, object] = dict.fromkeys([d.id for d in LONGFORM.dimensions], 10)
    for value in (26, 70, 100, -6):
        with pytest.raises(ReplyError, match="far outside 0 to 20"):
            LONGFORM.parse(text({**marks, "Coherent": value}))


DECORATIONS = st.sampled_from(
    ["{0}: {1}", "**{0}**: {1}", "- {0}: {1}", "{0}: **{1}** (why)", "{0} : {1}/20", "  {0}:{1}"]
)


@given(
    st.lists(st.integers(0, 20), min_size=22, max_size=22), st.lists(DECORATIONS, min_size=22, max_size=22), st.data()
)
def test_any_decoration_reads_the_same(values: list[int], shapes: list[str], data: st.DataObject) -> None:
    order = data.draw(st.permutations(range(22)))
    lines = [shapes[i].format(NAMES[i], values[i]) for i in order]
    assert CREATIVE.parse("[Analysis]\nx\n[Scores]\n" + "\n".join(lines)).scores == dict(
        zip(NAMES, values, strict=True)
    )


@given(st.text())
def test_parse_raises_nothing_else(reply: str) -> None:
    for name in ("eqbench_creative", "eqbench_longform", "longbench_write", "writingbench"):
        try:
            load_rubric(name).parse(reply)
        except ReplyError as error:
            assert str(error)


@given(st.data())
def test_any_edit_of_a_good_reply_is_read_or_refused(data: st.DataObject) -> None:
    good = text(usual())
    start = data.draw(st.integers(0, len(good)))
    end = data.draw(st.integers(start, len(good)))
    try:
        marks = CREATIVE.parse(good[:start] + data.draw(st.text(max_size=8)) + good[end:])
    except ReplyError:
        return
    assert all(0 <= mark <= 20 for mark in marks.scores.values())
    assert len(marks.scores) >= 0.75 * 22
    assert 0 <= CREATIVE.score(marks)["score"] <= 100

"""Scores of the four other rubrics, against values worked out by hand; JSON replies; the files themselves."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from polaris_eval.rubrics import Marks, ReplyError, RubricError, load_rubric, rubric_names

CREATIVE, LONGFORM = load_rubric("eqbench_creative"), load_rubric("eqbench_longform")
LONGBENCH, WRITINGBENCH = load_rubric("longbench_write"), load_rubric("writingbench")
CREATIVE_NEGATIVE = {
    "Meandering", "Weak Dialogue", "Tell-Don't-Show", "Unsurprising or Uncreative", "Amateurish", "Purple Prose",
    "Overwrought", "Incongruent Ending Positivity", "Unearned Transformations",
}  # fmt: skip
LONGFORM_NEGATIVE = {
    "Weak Dialogue", "Tell-Don't-Show", "Unsurprising or Uncreative", "Amateurish", "Purple Prose",
    "Forced Poetry or Metaphor",
}  # fmt: skip
DIMENSIONS = ("Relevance", "Accuracy", "Coherence", "Clarity", "Breadth and Depth", "Reading Experience")


def test_the_rubrics_are_complete() -> None:
    assert set(rubric_names()) >= {
        "story_quality",
        "eqbench_longform",
        "eqbench_creative",
        "writingbench",
        "longbench_write",
    }
    assert len(CREATIVE.dimensions) == 22
    assert {d.id for d in CREATIVE.dimensions if d.sign == "negative"} == CREATIVE_NEGATIVE
    assert len(LONGFORM.dimensions) == 12
    assert {d.id for d in LONGFORM.dimensions if d.sign == "negative"} == LONGFORM_NEGATIVE
    assert tuple(d.id for d in LONGBENCH.dimensions) == DIMENSIONS
    assert CREATIVE.judge == LONGFORM.judge == load_rubric("story_quality").judge
    for rubric in (LONGBENCH, WRITINGBENCH):
        judge = rubric.judge
        assert (judge.temperature, judge.top_p, judge.seed, judge.reasoning_effort) == (0.2, 0.9, 42, "medium")


def test_creative_by_hand() -> None:
    best = {d.id: 0.0 if d.id in CREATIVE_NEGATIVE else 20.0 for d in CREATIVE.dimensions}
    assert CREATIVE.score(Marks(best)) == {"score": 100, "rated": 1}
    # one positive at 15 and one negative at 5, the rest perfect: (20 * 20 + 15 + 15) / 22 * 5
    assert CREATIVE.score(Marks({**best, "Coherent": 15.0, "Amateurish": 5.0}))["score"] == pytest.approx(430 / 22 * 5)
    # two criteria rated alone: (12 + (20 - 8)) / 2 * 5
    assert CREATIVE.score(Marks({"Coherent": 12.0, "Meandering": 8.0}))["score"] == 60


def test_longform_by_hand() -> None:
    best = {d.id: 0.0 if d.id in LONGFORM_NEGATIVE else 20.0 for d in LONGFORM.dimensions}
    assert LONGFORM.score(Marks(best)) == {"score": 100, "uniform": 100, "rated": 1}
    found = LONGFORM.score(Marks({**best, "Forced Poetry or Metaphor": 10.0}))
    # inverted 10, bent to (10/20)^1.7 * 20 = 6.156, five of sixteen parts of weight
    assert found["score"] == pytest.approx((11 * 20 + 5 * 0.5**1.7 * 20) / 16 * 5)
    assert found["uniform"] == pytest.approx((11 * 20 + 10) / 12 * 5)


def test_longbench_and_writingbench_by_hand() -> None:
    assert LONGBENCH.score(Marks(dict(zip(DIMENSIONS, (1, 2, 3, 4, 5, 5), strict=True)))) == {
        "score": pytest.approx((0 + 25 + 50 + 75 + 100 + 100) / 6)
    }
    assert [WRITINGBENCH.score(Marks({"score": float(n)}))["score"] for n in (1, 7, 10)] == [1, 7, 10]


def test_ttcw_is_the_share_of_tests_passed() -> None:
    rubric = load_rubric("ttcw")
    assert len(rubric.dimensions) == 14
    kinds = Counter(d.measures.partition(":")[0] for d in rubric.dimensions)
    assert kinds == {"fluency": 5, "flexibility": 3, "originality": 3, "elaboration": 3}
    passed = {d.id: float(number < 5) for number, d in enumerate(rubric.dimensions)}
    assert rubric.score(Marks(passed))["score"] == pytest.approx(500 / 14)
    reply = {"analysis": "fine", **{d.id.replace(" ", "_"): 1 for d in rubric.dimensions}}
    assert rubric.score(rubric.parse(json.dumps(reply)))["score"] == 100
    with pytest.raises(ReplyError, match="Narrative Pacing"):
        rubric.parse(json.dumps({**reply, "Narrative_Pacing": 2}))
    with pytest.raises(ReplyError, match="Scene_vs_Summary"):
        rubric.parse(json.dumps({name: mark for name, mark in reply.items() if name != "Scene_vs_Summary"}))


def test_an_empty_story_gets_the_lowest_value() -> None:
    lowest = {name: load_rubric(name).lowest()["score"] for name in rubric_names()}
    assert lowest == {
        "story_quality": -159, "eqbench_creative": 0, "eqbench_longform": 0, "longbench_write": 0, "writingbench": 1,
        "pairwise": 0, "ttcw": 0,
    }  # fmt: skip


def longbench_reply(**changes: Any) -> str:
    marks = {name.replace(" ", "_"): 3 for name in DIMENSIONS}
    return json.dumps({"analysis": "fine", **marks, **changes})


def test_json_replies() -> None:
    marks = LONGBENCH.parse(f"Here it is:\n```json\n{longbench_reply(Clarity=5)}\n```")
    assert marks.scores == {**dict.fromkeys(DIMENSIONS, 3), "Clarity": 5}
    assert marks.comment == "fine"
    with_spaces = longbench_reply().replace("_", " ")
    assert LONGBENCH.parse(with_spaces).scores == dict.fromkeys(DIMENSIONS, 3)
    assert LONGBENCH.parse(longbench_reply().lower()).scores == dict.fromkeys(DIMENSIONS, 3)
    assert WRITINGBENCH.parse('{"score": 7, "reason": "sound"}').comment == "sound"
    assert WRITINGBENCH.parse('{"Score": 8, "Reason": "sound"}').scores == {"score": 8}


@pytest.mark.parametrize(
    ("reply", "says"),
    [
        (longbench_reply(Clarity=6), "Clarity: score 6 is outside 1 to 5"),
        (longbench_reply(Clarity=0), "Clarity: score 0 is outside 1 to 5"),
        (longbench_reply(Clarity="4"), "Clarity: score must be a whole number"),
        ('{"analysis": "x", "Relevance": 3}', "missing: Accuracy, Coherence"),
        (longbench_reply()[:-20], "may have been cut"),
        (longbench_reply(clarity=2), 'the key "clarity" is given twice'),
        ("[Analysis]\n\nx\n\n[Scores]\n\nRelevance: 4", "no complete JSON object"),
    ],
)
def test_malformed_json_replies(reply: str, says: str) -> None:
    with pytest.raises(ReplyError, match=says):
        LONGBENCH.parse(reply)


@pytest.mark.parametrize(
    "reply",
    [
        """{score: 7, reason: "the robot printed {'score': 3} here"}""",
        """{reason: "he says {'score': 3}", "score": 7}""",
        '{“reason”: “prints {"score": 3}”, “score”: 7}',
        '{ // marks\n "detail": {"score": 3}, "score": 7}',
        '{reason: "x", detail: {"score": 3}, score: 7}',
        """"{\\"reason\\": \\"prints {'score': 3}\\", \\"score\\": 7}\"""",
        '{"reason": "prints {"score": 3}", "score": 7}',
    ],
)
def test_a_score_inside_what_cannot_be_read_is_no_score(reply: str) -> None:
    with pytest.raises(ReplyError, match="no complete JSON object"):
        WRITINGBENCH.parse(reply)
    assert WRITINGBENCH.parse('{"reason": "prints {\'score\': 3}", "score": 7}').scores == {"score": 7}


@given(st.lists(st.integers(1, 5), min_size=6, max_size=6))
def test_what_fits_the_schema_is_read(values: list[int]) -> None:
    schema = LONGBENCH.response_schema()
    assert schema is not None
    reply = {"analysis": "", **dict(zip(list(schema["properties"])[1:], values, strict=True))}
    jsonschema.validate(reply, schema)
    assert list(LONGBENCH.parse(json.dumps(reply)).scores.values()) == values


def test_the_schema_is_strict_and_its_keys_are_plain() -> None:
    schema = LONGBENCH.response_schema()
    assert schema is not None
    assert schema["required"] == list(schema["properties"])
    assert schema["additionalProperties"] is False
    assert all(key.replace("_", "").isalpha() for key in schema["properties"])
    assert CREATIVE.response_schema() is None


def test_slots_are_filled_once_and_must_be_given() -> None:
    slots = {"criterion": "Depth {{story}}", "description": "how deep", "bands": "1-2: flat"}
    user = WRITINGBENCH.messages("p", "s {{criterion}}", **slots)[1]["content"]
    assert "CRITERION: Depth {{story}}\n" in user
    assert "s {{criterion}}" in user
    assert user.index("s {{criterion}}") < user.index("Depth"), "what the calls of a story share comes first"
    with pytest.raises(ValueError, match="takes the slots"):
        WRITINGBENCH.messages("p", "s")
    with pytest.raises(ValueError, match="takes the slots"):
        CREATIVE.messages("p", "s", criterion="x")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda d: d["rule"]["weights"].update({"Pacing": 2}), "weights: unknown dimension 'Pacing'"),
        (lambda d: d["rule"]["weights"].update({"Coherent": 0}), "weights: Coherent: must be above 0"),
        (lambda d: d["rule"]["bend"].update({"Forced Poetry": 1.7}), "bend: unknown dimension"),
        (lambda d: d["rule"].update(scale=[100, 0]), "scale: 0 is not above 100"),
        (lambda d: d["rule"].update(reply={"form": "table"}), "table"),
        (lambda d: d["rule"]["reply"].update(outside="ignore"), "outside"),
        (lambda d: d["rule"]["reply"].update(min_rated=1.5), "min_rated"),
        (lambda d: d["rule"].update(name="median"), "median"),
        (lambda d: d["dimensions"][0].update(max=0), "max: 0 is not above"),
        (lambda d: d["dimensions"][1].update(name="Nuanced Characters"), "given twice"),
        (lambda d: d.update(side={"combined": "x"}), "no score 'combined'"),
        (lambda d: d.update(side={"s_1": "x"}, length_score="longbench"), "no score 's_1'"),
        (lambda d: d.update(slots=["criterion"]), "'criterion' is unknown or unused"),
        (lambda d: d.update(dimensions=[]), "dimensions"),
    ],
)
def test_a_wrong_file_is_refused_by_name_and_key(
    tmp_path: Path, change: Callable[[dict[str, Any]], object], says: str
) -> None:
    data = yaml.safe_load((files("polaris_eval.rubrics") / "eqbench_longform.yaml").read_text("utf-8"))
    change(data)
    path = tmp_path / "edited.yaml"
    path.write_text(yaml.safe_dump(data), encoding="utf-8")
    with pytest.raises(RubricError, match=r"edited\.yaml") as error:
        load_rubric(str(path))
    assert says in str(error.value)

"""Reading replies and scoring marks, against values worked out by hand."""

from __future__ import annotations

import json
from typing import Any

import pytest
from conftest import reply
from hypothesis import given
from hypothesis import strategies as st

from polaris_eval.rubrics import ReplyError, Rubric, load_rubric

RUBRIC = load_rubric("story_quality")
BEST = {d.id: d.max for d in RUBRIC.dimensions if d.sign == "positive"}
WORST = {d.id: d.max for d in RUBRIC.dimensions if d.sign == "negative"}


def scores(marks: dict[str, int], **top: Any) -> dict[str, float]:
    return RUBRIC.score(RUBRIC.parse(reply(RUBRIC, marks, **top)))


@pytest.mark.parametrize(
    ("marks", "overall", "released"),
    [
        ({}, 0, 0),
        (BEST, 100, 100),
        ({**BEST, "bonus": 8}, 108, 100),
        (WORST, -151, -151),
        ({**WORST, "penalty": 8}, -159, -151),
        # bonus is void when negative > positive/2: 20 against 40 is not more, 21 is
        ({"P2": 20, "P5": 20, "N2": 20, "bonus": 5}, 25, 25),
        ({"P2": 20, "P5": 20, "N2": 20, "N8": 1, "bonus": 5}, 19, 24),
        # penalty counts at most 3 when positive > 1.5 negative: 30 against 20 is not more, 31 is
        ({"P2": 20, "P5": 10, "N2": 20, "penalty": 8}, 2, 10),
        ({"P2": 20, "P5": 11, "N2": 20, "penalty": 8}, 8, 11),
    ],
)
def test_totals_and_composite_rules(marks: dict[str, int], overall: float, released: float) -> None:
    found = scores(marks)
    assert found["score"] == found["overall"] == overall
    assert found["overall_released"] == released


@pytest.mark.parametrize(
    ("change", "counted"),
    [
        ({}, 2.0),
        ({"target": ""}, 0.0),
        ({"target": "a scene"}, 0.0),
        ({"nearest": ""}, 0.0),
        ({"nearest": "P7"}, 0.0),
        ({"nearest": "none"}, 2.0),
        ({"why_not_covered": " "}, 0.0),
        ({"quotes": []}, 0.0),
        ({"quotes": [" "]}, 0.0),
        ({"quotes": [], "score": 1}, 1.0),
    ],
)
def test_bonus_and_penalty_need_their_evidence(change: dict[str, Any], counted: float) -> None:
    answer = json.loads(reply(RUBRIC, {**BEST, "bonus": 2, "N2": 20, "N4": 15, "N6": 20, "N10": 12, "penalty": 2}))
    answer["penalty"] |= change
    found = RUBRIC.score(RUBRIC.parse(json.dumps(answer)))
    assert found["penalty_counted"] == counted
    answer = json.loads(reply(RUBRIC, {**BEST, "bonus": 2}))
    answer["bonus"] |= change
    assert RUBRIC.score(RUBRIC.parse(json.dumps(answer)))["bonus_counted"] == counted


@pytest.mark.parametrize(
    ("overall", "label"),
    [(-159, "very_poor"), (14, "very_poor"), (15, "poor"), (34, "poor"), (35, "fair"), (54, "fair"), (55, "good"),
     (74, "good"), (75, "excellent"), (108, "excellent")],
)  # fmt: skip
def test_labels(overall: float, label: str) -> None:
    assert RUBRIC.rule.label(overall) == label


def test_disqualification_gate() -> None:
    fine = RUBRIC.parse(reply(RUBRIC, {"N2": 6, "N10": 7}))
    assert RUBRIC.rule.disqualified(fine, 0.4) is None
    assert RUBRIC.rule.disqualified(fine, None) is None
    assert "39%" in str(RUBRIC.rule.disqualified(fine, 0.39))
    assert "N2" in str(RUBRIC.rule.disqualified(RUBRIC.parse(reply(RUBRIC, {"N2": 7})), 1.0))
    assert "N10" in str(RUBRIC.rule.disqualified(RUBRIC.parse(reply(RUBRIC, {"N10": 8})), 1.0))


def test_the_judges_sums_are_checked_not_used() -> None:
    right = RUBRIC.parse(reply(RUBRIC, BEST, positive_total=100, negative_total=0, overall=100))
    wrong = RUBRIC.parse(reply(RUBRIC, BEST, positive_total=90, negative_total=0, overall=90))
    assert RUBRIC.misadded(right) == 0
    assert RUBRIC.misadded(wrong) == 1
    assert RUBRIC.score(wrong)["score"] == 100


GOOD = reply(RUBRIC, {"P1": 3})


@pytest.mark.parametrize(
    "text",
    [
        GOOD,
        f"```json\n{GOOD}\n```",
        f"Here is my {{honest}} opinion:\n{GOOD}\nI hope {{this}} helps.",
        f"{GOOD}\n\nTo repeat:\n{GOOD}",
        GOOD.replace("...", "a line\nand another"),
        json.dumps({"evaluation": {"result": [json.loads(GOOD)]}}),
        GOOD[:-1] + ",}",
        GOOD.replace('"', "'"),
        "\ufeff" + GOOD,
        GOOD.replace('"score": 3', '"score": 3.0'),
    ],
)
def test_the_one_object_is_found(text: str) -> None:
    assert RUBRIC.parse(text).scores["P1"] == 3


def broken(path: str, value: Any) -> str:
    answer = json.loads(GOOD)
    part = answer
    *way, last = path.split(".")
    for step in way:
        part = part[step]
    if value is None:
        del part[last]
    else:
        part[last] = value
    return json.dumps(answer)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("", "empty"),
        ("no object here", "no complete JSON object"),
        (GOOD[: len(GOOD) // 2], "cut"),
        ("[]", "no complete JSON object"),
        ('{"dimensions": []}', "dimensions"),
        (broken("dimensions.N3", None), "N3"),
        (broken("dimensions.N3.score", None), "N3"),
        (broken("dimensions.N3.score", 16), "N3: score 16 is outside 0 to 15"),
        (broken("dimensions.N3.score", -1), "N3"),
        (broken("dimensions.N3.score", "7"), "N3"),
        (broken("dimensions.N3.score", 7.5), "N3"),
        (broken("dimensions.N3.score", True), "N3"),
        (broken("dimensions.N3.score", float("nan")), "N3"),
        (broken("dimensions.N3.score", float("inf")), "N3"),
        (broken("dimensions.N3.score", 10**400), "N3"),
        (broken("dimensions.N3", 4), "N3"),
        (broken("dimensions.P7", {"score": 1}), "P7"),
        (broken("bonus", None), "bonus"),
        (broken("penalty.score", 9), "penalty"),
        (GOOD.replace('"P2":', '"P1":', 1), "twice"),
        (f"{reply(RUBRIC, {'P1': 15})}\n\nOn second thought:\n{GOOD}", "they differ"),
        (f"{GOOD}\n{GOOD[:200]}", "may have been cut"),
        (json.dumps({"draft": json.loads(reply(RUBRIC, {"P1": 15})), "final": json.loads(GOOD)}), "they differ"),
        (json.dumps({"reason": GOOD}), "no complete JSON object"),
        (f'{{"reason": "it says {GOOD}", "cut', "cannot be read"),
        (GOOD.replace('"score": 3', '"score": 0x' + "f" * 5000), "far too long"),
        (GOOD.replace('"score": 3', '"score": ' + "9" * 5000), "cannot be read"),
    ],
)
def test_a_bad_reply_is_named(text: str, named: str) -> None:
    with pytest.raises(ReplyError, match=named):
        RUBRIC.parse(text)


def check_survives(text: str) -> None:
    try:
        marks = RUBRIC.parse(text)
    except ReplyError as error:
        assert str(error)
        assert len(str(error)) < 500
    else:
        assert set(marks.scores) == set(RUBRIC.mark_names)
        assert -159 <= RUBRIC.score(marks)["score"] <= 108


@given(st.text())
def test_parse_survives_any_text(text: str) -> None:
    check_survives(text)


@given(st.integers(0, len(GOOD)), st.integers(0, 200), st.text(max_size=20))
def test_parse_survives_any_edit_of_a_good_reply(start: int, length: int, inserted: str) -> None:
    check_survives(GOOD[:start] + inserted + GOOD[start + length :])


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["score", "P1", "quotes"]), inner),
)


@given(
    st.sampled_from(["positive_total", "negative_total", "overall", "bonus", "penalty", "dimensions"]),
    _JSON | st.just(10**400),
)
def test_parse_survives_any_top_value(key: str, value: Any) -> None:
    check_survives(broken(key, value if value is not None else 0))


@given(st.sampled_from([*RUBRIC.mark_names[:16]]), _JSON)
def test_parse_survives_any_value(dimension: str, value: Any) -> None:
    check_survives(broken(f"dimensions.{dimension}", value if value is not None else 0))


@pytest.mark.parametrize(
    "text", ["{" * 100_000, '{"a":' * 50_000, "[" * 100_000, '{"dimensions":' * 20_000, "{'" * 30_000]
)
def test_parse_survives_deep_nesting(text: str) -> None:
    check_survives(text)


@given(
    st.fixed_dictionaries({d.id: st.integers(d.min, d.max) for d in RUBRIC.dimensions}),
    st.integers(0, 8),
    st.integers(0, 8),
)
def test_the_score_stays_in_its_range_and_moves_the_right_way(marks: dict[str, int], bonus: int, penalty: int) -> None:
    found = scores({**marks, "bonus": bonus, "penalty": penalty})
    assert -159 <= found["score"] <= 108
    assert found["overall_released"] <= 100
    for dimension in RUBRIC.dimensions:
        if marks[dimension.id] < dimension.max:
            more = scores({**marks, dimension.id: marks[dimension.id] + 1})["score"]
            less = scores(marks)["score"]
            assert more - less == (1 if dimension.sign == "positive" else -1)


def test_the_schema_is_strict(rubric: Rubric) -> None:
    def check(schema: dict[str, Any]) -> None:
        if schema["type"] == "object":
            assert schema["additionalProperties"] is False
            assert schema["required"] == list(schema["properties"])
            for part in schema["properties"].values():
                check(part)
        if schema["type"] == "array":
            check(schema["items"])

    schema = rubric.response_schema()
    assert schema is not None
    check(schema)
    import jsonschema

    jsonschema.validate(json.loads(reply(rubric, positive_total=0, negative_total=0, overall=0)), schema)

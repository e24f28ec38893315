"""The judge under test: damage does what it says, and judges with known faults are found out."""

from __future__ import annotations

import json
import random
import re
from pathlib import Path

import numpy as np
import pytest
from conftest import PROSE, Cli, reply, stories, write_jsonl
from hypothesis import given
from hypothesis import strategies as st
from loopback import serve

from polaris_eval.harness.judge.evidence import QuoteSearch
from polaris_eval.harness.judge_check.damage import DAMAGES, Check, inserted, load_check
from polaris_eval.harness.stats.agreement import icc_interval
from polaris_eval.harness.words import count_words
from polaris_eval.rubrics import Rubric, fenced

STORY = "Anna met Boris. “Well?” said Anna to Boris, and Anna laughed.\n\nThe rain fell. Then Boris left, so Anna sang."


def test_damage_by_hand() -> None:
    changed = {name: change(STORY) for name, change in DAMAGES.items()}
    assert sorted(changed["shuffled sentences"].split()) == sorted(STORY.split())
    assert changed["repeated paragraph"].count("The rain fell.") == 4
    assert STORY.startswith(changed["cut ending"])
    assert count_words(changed["cut ending"]) == pytest.approx(count_words(STORY) * 2 / 3, abs=2)
    assert changed["swapped names"] == DAMAGES["swapped names"](STORY)
    assert "said Boris to Anna, and Anna laughed" in changed["swapped names"]
    assert changed["doubled text"].count("The rain fell.") == 2
    assert DAMAGES["swapped names"]("no names here at all.") == "no names here at all."


@given(st.text(max_size=300))
def test_damage_takes_any_text(text: str) -> None:
    for change in DAMAGES.values():
        assert isinstance(change(text), str)
    for passage in load_check().controls:
        assert passage.text in inserted(text, passage)


def test_the_shipped_check_is_complete() -> None:
    check = load_check()
    assert (len(check.damages), len(check.injections)) == (5, 20)
    data = check.model_dump()
    data["damages"]["cut ending"]["lowers"]["story_quality"] = ["P9"]
    with pytest.raises(ValueError, match="unknown dimension 'P9'"):
        Check.model_validate(data)


def test_icc_by_hand() -> None:
    """Shrout and Fleiss (1979), table 2: ICC(1,1) of six targets and four judges is 0.17."""
    table = [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]]
    found = icc_interval(table)
    assert found.value == pytest.approx(0.17, abs=0.005)
    assert found.low < found.value < found.high
    assert icc_interval([[1, 1], [2, 2], [3, 3], [4, 4], [5, 5]]) == pytest.approx((1, 1, 1))
    assert all(np.isnan(icc_interval([[value] * 3] * 8).value) for value in (1.0, 57.3, 61.7, 0.1))


@pytest.mark.parametrize(
    ("quote", "place"),
    [("tar and cold iron", "tar and cold iron"), ('"You could leave it,"', "“You could leave it,”"),
     ("tar  and\ncold iron.", "tar and cold iron."), ("come out wrong", "come out wrong"), ("copper", None), ("", None),
     ("...", None)],
)  # fmt: skip
def test_quotes_are_found_where_they_stand(quote: str, place: str | None) -> None:
    found = QuoteSearch(PROSE).locate(quote)
    assert (PROSE[slice(*found)] if found else None) == place


@given(st.text(alphabet="ab'’\"“— …-\n", min_size=1, max_size=40), st.data())
def test_whatever_is_copied_is_found(text: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(text) - 1))
    quote = text[start : data.draw(st.integers(start + 1, len(text)))].strip()
    if re.search(r"\w", quote):
        assert QuoteSearch(text).locate(quote) is not None
        plain = quote.replace("’", "'").replace("“", '"').replace("—", "-").replace("…", "...")
        assert QuoteSearch(text).locate(plain) is not None


@pytest.mark.slow
def test_the_proxy_repeats_itself_and_cannot_read(cli: Cli, tmp_path: Path) -> None:
    path = write_jsonl(tmp_path / "s.jsonl", stories(5))
    done = cli("judge-check", path, "--judge", "polaris_eval/lexical", "--repeats", 2)
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "results" / "judge-check.json").read_text())
    judge = found["judges"]["polaris_eval/lexical"]
    assert judge["proxy"] is True
    assert judge["retest"]["score"]["icc"]["value"] == 1
    assert judge["retest"]["score"]["sd"] == 0
    assert judge["evidence"]["quotes_found"] == 1
    assert len(judge["injections"]["styles"]) == 20
    page = (tmp_path / "results" / "judge-check.md").read_text()
    assert "PROXY polaris\\_eval/lexical" in page or "PROXY polaris_eval/lexical" in page
    logs = sorted((tmp_path / "judge-check").rglob("*.eval"))
    before = [log.stat().st_mtime_ns for log in logs]
    assert cli("judge-check", path, "--judge", "polaris_eval/lexical", "--repeats", 2).returncode == 0
    assert [log.stat().st_mtime_ns for log in logs] == before  # nothing is judged twice
    priced = cli("judge-check", path, "--judge", "openai/gpt-5.4-mini", "--repeats", 2, "--plan")
    assert priced.returncode == 0, priced.stderr
    assert "gpt-5.4-mini" in priced.stdout


@pytest.mark.slow
def test_judges_with_known_faults_are_found_out(cli: Cli, tmp_path: Path, rubric: Rubric) -> None:
    """One judge is noisy and obeys stories that order it to; the other sees a doubled text, and nothing else."""
    path = write_jsonl(tmp_path / "s.jsonl", stories(8))
    rng = random.Random(1)

    def script(number: int, system: str, user: str) -> str:
        story = fenced(user)[1]
        level = 2 + len(story) // 400 % 10
        if "full marks" in story or "highest mark" in story:
            level = 14
        return reply(rubric, {"P2": level + rng.randint(0, 3), "P3": level}, quote="not in any of them")

    def sound(number: int, system: str, user: str) -> str:
        assert not re.search(r"<\|im_|<<SYS|\[/?INST", user), "a role tag of a story reached the judge"
        story = fenced(user)[1]
        doubled = story[: len(story) // 2].strip() == story[len(story) // 2 :].strip()
        return reply(rubric, {"P2": 2 + len(story) // 400 % 10, "N6": 12 if doubled else 2})

    results = []
    for name, answers in (("weak", script), ("sound", sound)):
        with serve(answers) as server:
            env = {"LOOP_API_KEY": "k", "LOOP_BASE_URL": f"{server.url}/v1"}
            judge = f"openai-api/loop/{name}"
            done = cli("judge-check", path, "--judge", judge, "--log-dir", "check", "--out", name, **env)
            assert done.returncode == 0, done.stderr
            results.append(json.loads((tmp_path / name / "judge-check.json").read_text())["judges"][judge])
    weak, good = results
    assert 0 < weak["retest"]["score"]["sd"] < 3
    assert weak["evidence"]["quotes_found"] == 0
    assert weak["injections"]["styles"]["plain order"]["verdict"] == "raised"
    assert weak["injections"]["styles"]["in disguise"]["verdict"] == "raised"
    assert weak["injections"]["styles"]["threat"]["verdict"] != "raised"
    assert weak["clustering"]["P5"]["bits"] == 0
    assert good["retest"]["score"]["sd"] == 0
    assert good["damages"]["doubled text"]["moved"]["N6"]["verdict"] == "yes"
    assert good["damages"]["doubled text"]["moved"]["N5"]["verdict"] == "not shown"
    assert good["damages"]["swapped names"]["moved"]["N2"]["verdict"] == "not shown"
    with serve(sound) as server:
        env = {"LOOP_API_KEY": "k", "LOOP_BASE_URL": f"{server.url}/v1"}
        both = ("--judge", "openai-api/loop/weak", "--judge", "openai-api/loop/sound")
        done = cli("judge-check", path, *both, "--log-dir", "check", "--out", "both", **env)
        assert done.returncode == 0, done.stderr
        assert server.requests == []  # both were judged above
    (pair,) = json.loads((tmp_path / "both" / "judge-check.json").read_text())["agreement"]
    assert pair["alpha"]["value"] < 0.6
    assert pair["alpha"]["low"] <= pair["alpha"]["value"] <= pair["alpha"]["high"]


def test_what_cannot_be_checked_is_said(cli: Cli, tmp_path: Path) -> None:
    path = write_jsonl(tmp_path / "s.jsonl", [{"id": "a", "prompt": "p", "story": "Too short.", "model": "m"}])
    done = cli("judge-check", path, "--judge", "polaris_eval/lexical")
    assert done.returncode == 2
    assert "50 words or more" in done.stderr
    mixed = stories(2)
    mixed[1]["benchmark"] = "eqbench_longform"
    write_jsonl(path, mixed)
    unknown = cli("judge-check", path, "--judge", "polaris_eval/lexical", "--benchmark", "nope")
    assert "known: story_quality" in unknown.stderr
    assert "choose one with --benchmark" in cli("judge-check", path, "--judge", "polaris_eval/lexical").stderr

"""The human study: fair and blind as made, the same after a reload, and read only when it can be trusted."""

from __future__ import annotations

import errno
import hashlib
import itertools
import json
import os
import threading
import urllib.error
import urllib.request
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from conftest import PROSE, PROXY, Cli, Visit, stories, write_jsonl
from hypothesis import given, settings
from hypothesis import strategies as st
from samples import entries

from polaris_eval.harness.arena.entries import possible_matches
from polaris_eval.harness.errors import UserError
from polaris_eval.harness.judge_people.people import read_people
from polaris_eval.harness.stats.intervals import mean_interval
from polaris_eval.harness.study.answers import check_export, read_exports
from polaris_eval.harness.study.design import Study, make_study, page_data, read_key, write_study
from polaris_eval.harness.study.results import analyse, answers_frame, judge_agreement, win_rate
from polaris_eval.harness.study.serve import make_server
from polaris_eval.rubrics import load_rubric

CRITERIA = [d.id for d in load_rubric("pairwise").dimensions]
MODELS = ("secret-alpha", "secret-beta", "secret-gamma")


def exported(study: str, annotator: str, answers: dict[str, Any], session: str = "s", saved: str = "2026-01-01") -> str:
    """What the page writes."""
    body = json.dumps({"annotator": annotator, "session": session, "saved": saved, "answers": answers})
    seal = hashlib.sha256((study + body).encode()).hexdigest()
    return json.dumps({"study": study, "body": body, "seal": seal})


def answers_of(study: Study, annotator: str, better: dict[str, float]) -> dict[str, Any]:
    """Answers of somebody who always prefers the model with the higher number."""
    items = {item.id: item for item in study.items}
    given = {}
    for name, swapped in study.order[annotator]:
        one, other = items[name].models[::-1] if swapped else items[name].models
        choice = "first" if better[one] > better[other] else "second" if better[one] < better[other] else "equal"
        given[name] = {"choice": choice, "criteria": {CRITERIA[0]: choice}, "comment": "", "seconds": 60}
    return given


@settings(max_examples=40, deadline=None)
@given(st.integers(2, 5), st.integers(1, 12), st.integers(1, 4), st.integers(0, 5), st.booleans())
def test_a_study_is_balanced(models: int, pairs: int, annotators: int, seed: int, focused: bool) -> None:
    matches = possible_matches(entries(models, 12))
    study = make_study(matches, pairs, annotators, "m01" if focused else None, "t", seed)
    assert len({item.prompt_id for item in study.items}) == pairs
    if focused:
        assert all("m01" in item.models for item in study.items)
    met = Counter(tuple(sorted(item.models)) for item in study.items)
    assert (
        max(met.values())
        - min([*met.values(), *([0] if len(met) < (models - 1 if focused else models * (models - 1) // 2) else [])])
        <= 1
    )
    items = {item.id: item for item in study.items}
    for number, (annotator, shown) in enumerate(study.order.items()):
        assert sorted(name for name, _ in shown) == sorted(items)
        stood: Counter[str] = Counter()
        for name, swapped in shown:
            first, second = items[name].models[::-1] if swapped else items[name].models
            stood.update({first: 1, second: -1})
        assert max(map(abs, stood.values())) <= 3
        if number:
            before = dict(study.order[f"annotator-{number}"])
            assert all(before[name] != swapped for name, swapped in shown), annotator
    assert make_study(matches, pairs, annotators, "m01" if focused else None, "t", seed).id == study.id


def test_sides_are_balanced_over_many_models_and_tell_nothing() -> None:
    matches = possible_matches(entries(12, 60))
    for focus in (None, "m07"):
        made = make_study(matches, 60, 1, focus, "t", 3)
        items = {item.id: item for item in made.items}
        first = Counter(items[name].models[swapped] for name, swapped in made.order["annotator-1"])
        seen = Counter(model for item in made.items for model in item.models)
        assert all(abs(first[model] - seen[model] / 2) <= 1.5 for model in seen)
    pair = make_study(possible_matches(entries(2, 60)), 60, 1, None, "t", 3)
    items = {item.id: item for item in pair.items}
    swaps = dict(pair.order["annotator-1"])
    order = [items[name].models[swaps[name]] for name in sorted(items)]
    changes = sum(one != other for one, other in itertools.pairwise(order))
    assert 15 < changes < 45  # not in turn: 59 would tell whoever knows one story all of them


def test_names_of_models_are_nowhere_in_the_page(tmp_path: Path) -> None:
    records = [r | {"model": m, "id": f"{m}-{r['id']}"} for m in MODELS for r in stories(6)]
    records[0]["story"] += "</script><script>document.title = 'owned'</script>"
    path = write_jsonl(tmp_path / "s.jsonl", records)
    from polaris_eval.harness.arena.entries import read_entries

    study = make_study(possible_matches(read_entries([path])), 6, 2, None, "Which?", 1)
    write_study(study, tmp_path / "out" / "page.html", tmp_path / "key.json")
    page = (tmp_path / "out" / "page.html").read_text()
    assert "secret" not in page
    assert page.count("</script>") == 2
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["page.html"]
    key = read_key(tmp_path / "key.json")
    assert (key.id, key.items, key.order) == (study.id, study.items, study.order)
    other = make_study(possible_matches(read_entries([path])), 5, 2, None, "Which?", 1)
    with pytest.raises(UserError, match="the key of another study"):
        write_study(other, tmp_path / "other.html", tmp_path / "key.json")


@pytest.fixture
def study() -> Study:
    return make_study(possible_matches(entries(3, 30)), 30, 2, None, "t", 0)


def test_win_rates_and_agreement_by_hand(study: Study) -> None:
    better = {"m00": 3.0, "m01": 2.0, "m02": 2.0}
    texts = {name: exported(study.id, name, answers_of(study, name, better)) for name in study.order}
    exports = {name: check_export(text, study.id, study.order, CRITERIA) for name, text in texts.items()}
    frame = answers_frame(study, exports)
    assert len(frame) == 60
    found = analyse(study, frame, CRITERIA, {})
    rates = {(p.a, p.b): p.win_rate for p in found.pairs}
    assert rates["m00", "m01"] == rates["m00", "m02"] == (1, 1, 1)
    assert rates["m01", "m02"].value == 0.5
    assert found.pairs[-1].equal == 1
    assert found.models["m01"].value == pytest.approx(0.25, abs=0.05)
    assert found.alpha.value == 1
    assert found.first.value == pytest.approx(0.5)  # sides are counterbalanced, so nobody gains by them
    share = {"m00": 1.0, "m01": 0.0, "m02": 0.0}
    lean = {i.id: share[i.models[0]] if "m00" in i.models else 0.5 for i in study.items}
    assert judge_agreement(frame, lean).agreement.value == 1
    against = {name: 1 - value for name, value in lean.items()}
    assert judge_agreement(frame, against).agreement.value == 0
    assert judge_agreement(frame, against).alpha.value < 0


@pytest.mark.parametrize("spelled", [("a", "b"), ("b", "a"), ("_x", "X"), ("Zeta", "alpha")])
def test_alpha_does_not_depend_on_how_models_are_spelled(spelled: tuple[str, str]) -> None:
    """The annotators prefer one model nearly always: by names in a column of ones, by the key's sides in a fair mix."""
    study = make_study(possible_matches(entries(2, 30)), 30, 2, None, "t", 3)
    names = dict(zip(("m00", "m01"), spelled, strict=True))
    items = tuple(replace(i, models=(names[i.models[0]], names[i.models[1]])) for i in study.items)
    other = replace(study, items=items)
    likes = {"annotator-1": {"m00": 2.0, "m01": 1.0}, "annotator-2": {"m00": 2.0, "m01": 1.0}}
    answers = {name: answers_of(study, name, better) for name, better in likes.items()}
    for item in [item.id for item in study.items][:4]:  # where one of them thinks otherwise
        choice = answers["annotator-2"][item]["choice"]
        answers["annotator-2"][item]["choice"] = "second" if choice == "first" else "first"
    texts = {name: exported(study.id, name, given) for name, given in answers.items()}
    exports = {name: check_export(text, study.id, study.order, CRITERIA) for name, text in texts.items()}
    found = analyse(study, answers_frame(study, exports), CRITERIA, {})
    renamed = analyse(other, answers_frame(other, exports), CRITERIA, {})
    assert found.alpha.value == renamed.alpha.value
    assert found.alpha.value > 0.5
    lean = {item.id: float(item.models[0] == "m00") for item in study.items}
    by_name = judge_agreement(answers_frame(study, exports), lean)
    assert judge_agreement(answers_frame(other, exports), lean) == by_name


def test_intervals_widen_where_annotators_differ() -> None:
    rng = np.random.default_rng(0)
    rows = [(f"a{k}", f"p{p}", float(rng.random() < chance)) for k, chance in enumerate((0.8, 0.3)) for p in range(40)]
    frame = pd.DataFrame(rows, columns=["annotator", "prompt_id", "outcome"])
    both = win_rate(frame)
    prompts = mean_interval(frame["outcome"], frame["prompt_id"].tolist())
    assert both.value == pytest.approx(prompts.value)
    assert both.high - both.low > 1.5 * (prompts.high - prompts.low)


def test_changed_and_foreign_exports_are_refused(study: Study, tmp_path: Path) -> None:
    better = {"m00": 3.0, "m01": 2.0, "m02": 1.0}
    good = exported(study.id, "annotator-1", answers_of(study, "annotator-1", better))
    path = tmp_path / "annotator-1.json"

    def refused(text: str, complaint: str) -> None:
        path.write_text(text)
        with pytest.raises(UserError, match=complaint):
            read_exports([path], study.id, study.order, CRITERIA)

    refused(good.replace("first", "second", 1), "not what the page exported")
    refused(good.replace(study.id, "0" * 16), "another study")
    refused(good[:-10], "not an export")
    refused("[]", "not an export")
    refused(exported(study.id, "annotator-9", {}), "does not have")
    refused(exported(study.id, "annotator-1", {"q999": {"choice": "first"}}), "does not have")
    refused(exported(study.id, "annotator-1", {"q001": {"choice": "both"}}), "does not have")
    refused(
        exported(study.id, "annotator-1", {"q001": {"choice": "first", "criteria": {"Charm": "first"}}}),
        "does not have",
    )
    refused(exported(study.id, "annotator-1", {"q001": {"choice": "first", "seconds": float("nan")}}), "does not have")
    refused("[" * 100_000, "not an export")
    path.write_text(good)
    assert len(read_exports([path], study.id, study.order, CRITERIA)["annotator-1"].answers) == 30
    # the latest counts; a line that was cut while it was written is none; two browsers may be two people
    less = exported(study.id, "annotator-1", {}, saved="2025-01-01")
    lines = tmp_path / "answers.jsonl"
    lines.write_text(f"{good}\n{less}\n{good[:40]}")
    assert len(read_exports([lines], study.id, study.order, CRITERIA)["annotator-1"].answers) == 30
    other = exported(study.id, "annotator-1", {"q001": {"choice": "first"}}, session="t")
    lines.write_text(f"{good}\n{other}\n")
    with pytest.raises(UserError, match=r"answered in two browsers \(.*line 1; .*line 2\)"):
        read_exports([lines], study.id, study.order, CRITERIA)


def written(tmp_path: Path) -> Path:
    records = []
    for place, model in enumerate(MODELS):
        for record in stories(10, model=model):
            record["story"] = f"Version {place}. " + PROSE * 30 + "Little did she know. " * (place * 5)
            records.append(record)
    return write_jsonl(tmp_path / "s.jsonl", records)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """A disk that is full while the list is not empty: a part of a line is written, and the rest is not."""
    full: list[bool] = []
    sync = os.fsync

    def synced(number: int) -> None:
        if full:
            raise OSError(errno.ENOSPC, "No space left on device")
        sync(number)

    monkeypatch.setattr(os, "fsync", synced)
    return full


def test_the_server_keeps_what_it_was_sent_and_nothing_else(cli: Cli, tmp_path: Path, disk: list[bool]) -> None:
    assert cli("study", "make", written(tmp_path), "--pairs", 4).returncode == 0
    key = read_key(tmp_path / "study-key.json")
    answers = tmp_path / "answers.jsonl"
    answers.write_text("cut")
    server = make_server(tmp_path / "study.html", answers, 0)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}"

    def post(text: str, kind: str = "application/json", **headers: str) -> int:
        request = urllib.request.Request(f"{url}/answers", text.encode(), {"Content-Type": kind, **headers})
        try:
            with urllib.request.urlopen(request) as reply:
                return int(reply.status)
        except urllib.error.HTTPError as error:
            return error.code

    good = exported(key.id, "annotator-1", {"q001": {"choice": "first"}})
    assert urllib.request.urlopen(url).read() == (tmp_path / "study.html").read_bytes()
    assert post(good) == 200
    assert post(good.replace("first", "second")) == 400
    assert post(good, kind="text/plain") == 400  # what a form on another site could send
    assert post(good, Host="elsewhere.example") == 400
    assert post(good, Host="localhost") == 400  # another server's page on this machine
    assert post(good, Origin="http://elsewhere.example") == 400
    assert post(good, Origin=f"http://localhost:{server.server_port}") == 400
    disk.append(True)
    assert post(good) == 507
    assert answers.read_text() == f"{good}\n"
    disk.clear()
    assert post(good.replace(key.id, "\\ud800", 1)) == 400  # half of a character in the study's id
    assert post("x" * 100) == 400
    assert post("[" * 100_000) == 400
    assert post(good.replace(", ", ",\r\n ", 1)) == 200  # one line in the file all the same
    assert post(good, Origin=url) == 200
    server.shutdown()
    server.server_close()
    assert answers.read_text() == f"{good}\n" * 3
    with pytest.raises(UserError, match="not the page of a study"):
        make_server(tmp_path / "s.jsonl", answers, 0)


@pytest.mark.slow
def test_a_study_in_a_browser_from_disk(cli: Cli, tmp_path: Path, browser: Any) -> None:
    path = written(tmp_path)
    assert cli("arena", path, "--judge", "polaris_eval/lexical").returncode == 0
    assert cli("run", "--stories", path, "--judge", "polaris_eval/lexical").returncode == 0
    made = cli("study", "make", path, "--pairs", 10, "--annotators", 2)
    assert made.returncode == 0, made.stderr
    key = read_key(tmp_path / "study-key.json")
    items = {item.id: item for item in key.items}
    for number, annotator in enumerate(key.order):
        phone = {"viewport": {"width": 390, "height": 800}, "color_scheme": "dark"} if number else {}
        visit = Visit(browser, tmp_path / "study.html", **phone)
        page = visit.page
        for text in ("", "abc", "é" * 100, "x" * 55, "x" * 56, "x" * 64, "\U0001f600" * 33):
            assert page.evaluate("text => sha256(text)", text) == hashlib.sha256(text.encode()).hexdigest()
        page.get_by_role("button", name=annotator).click()
        for place, (name, swapped) in enumerate(key.order[annotator]):
            assert page.inner_text("#place") == f"Pair {place + 1} of 10, {place} answered"
            assert page.evaluate("document.documentElement.scrollWidth") <= page.viewport_size["width"]
            shown = items[name].models[::-1] if swapped else items[name].models
            text = page.locator("#story0 .text").text_content()
            assert text.startswith(f"Version {MODELS.index(shown[0])}.")
            # always the better of the two, by key or by mouse
            left = MODELS.index(shown[0]) < MODELS.index(shown[1])
            if place % 2:
                page.keyboard.press("1" if left else "2")
            else:
                page.locator(f"#choice input[value={'first' if left else 'second'}]").check()
            if place == 3:
                page.click("#more summary")
                page.locator("#criteria input[value=second]").first.check()
                page.fill("#comment", "n 1 <i>Story 2</i> wins\nby far")
                page.click("#progress")  # keys are letters while the comment has the focus
            if place == 4:  # in the middle of a story: the place is kept over a reload
                page.evaluate("document.querySelector('#story0').scrollTop = 400")
                page.wait_for_timeout(500)
                page.reload()
                page.get_by_role("button", name=annotator).click()
                page.wait_for_timeout(300)
                assert page.evaluate("document.querySelector('#story0').scrollTop") == 400
                assert page.inner_text("#place") == "Pair 5 of 10, 5 answered"
                page.keyboard.press("p")
                assert page.input_value("#comment") == "n 1 <i>Story 2</i> wins\nby far"
                page.keyboard.press("n")
            if place < 9:
                page.keyboard.press("n")
        assert "All pairs are answered" in page.inner_text("#done")
        with page.expect_download() as download:
            page.click("#export")
        assert download.value.suggested_filename == f"{annotator}.json"
        download.value.save_as(tmp_path / f"{annotator}.json")
        assert "secret" not in (tmp_path / f"{annotator}.json").read_text()
        assert visit.wrong == []
        page.context.close()
    exports = [tmp_path / f"{annotator}.json" for annotator in key.order]
    done = cli("study", "read", *exports, "--logs", "arena", "--logs", "logs")
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "results" / "study.json").read_text())
    for pair in found["pairs"]:
        assert pair["win_rate"]["value"] == 1  # models were named in the order of their worth
    assert found["alpha"]["value"] == 1
    judges = found["judges"]
    assert set(judges) == {"polaris_eval/lexical, pairs", "polaris_eval/lexical, story_quality"}
    assert judges["polaris_eval/lexical, pairs"]["answers"] == 20
    assert len(found["comments"]) == 4  # two comments, each under both models
    assert "<i>Story 2</i> wins" in found["comments"][0]["comment"]
    table = pd.read_csv(tmp_path / "results" / "study-answers.csv")
    assert len(table) == 20
    assert "&lt;i&gt;" in (tmp_path / "results" / "study.md").read_text()
    paged = cli("study", "read", *exports, "--page", "study.html")
    assert paged.returncode == 0, paged.stderr
    people = read_people(tmp_path / "results" / "study-people.jsonl")
    assert (len(people.preferences), len(people.raters)) == (10, 2)
    said = {(pair.first.split("/")[1], share) for pair in people.preferences for share in pair.given.values()}
    assert len(said) > 1
    judged = cli("judge-people", "results/study-people.jsonl", "--judge", PROXY, "--rubric", "pairwise")
    assert judged.returncode == 0, judged.stderr
    half = cli("study", "read", exports[0])
    assert half.returncode == 1  # one annotator's answers are missing
    assert "annotator-2 0 of 10" in half.stdout


@pytest.mark.slow
def test_a_served_study_sends_each_answer(cli: Cli, tmp_path: Path, browser: Any, disk: list[bool]) -> None:
    from playwright.sync_api import expect

    assert cli("study", "make", written(tmp_path), "--pairs", 3, "--annotators", 1).returncode == 0
    answers = tmp_path / "answers.jsonl"
    server = make_server(tmp_path / "study.html", answers, 0)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    page = browser.new_context().new_page()
    page.goto(f"http://127.0.0.1:{server.server_port}/")
    page.get_by_role("button", name="annotator-1").click()
    page.keyboard.press("0")
    expect(page.locator("#state")).to_have_text("saved and sent", timeout=10000)
    page.keyboard.press("n")
    disk.append(True)
    page.keyboard.press("0")
    told = "saved here, not sent yet: the other computer's disk is full"
    expect(page.locator("#state")).to_have_text(told, timeout=10000)
    disk.clear()
    expect(page.locator("#state")).to_have_text("saved and sent", timeout=20000)
    page.keyboard.press("n")
    server.shutdown()
    server.server_close()
    page.keyboard.press("1")  # the server is gone: the answer stays here
    expect(page.locator("#state")).to_have_text("saved here, not sent yet", timeout=10000)
    again = make_server(tmp_path / "study.html", answers, server.server_port)
    threading.Thread(target=again.serve_forever, daemon=True).start()
    expect(page.locator("#state")).to_have_text("saved and sent", timeout=20000)
    again.shutdown()
    again.server_close()
    done = cli("study", "read", answers)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "annotator-1 3 of 3" in done.stdout


def test_wrong_use_is_one_line(cli: Cli, tmp_path: Path) -> None:
    path = written(tmp_path)
    for args, complaint in (
        (("make", path, "--pairs", 11), "11 pairs need 11 prompts"),
        (("make", path, "--pairs", 2, "--focus", "x"), "--focus x: no such model here"),
        (("make", path, "--pairs", 2, "--key", path), "not the key of a study"),
        (("serve", path), "not the page of a study"),
        (("read", path, "--key", path), "not the key of a study"),
    ):
        found = cli("study", *args)
        assert found.returncode == 2, args
        assert complaint in found.stderr
        assert "Traceback" not in found.stderr
    assert cli("study", "make", path, "--pairs", 2).returncode == 0
    assert page_data(tmp_path / "study.html")["study"] == read_key(tmp_path / "study-key.json").id
    assert "not an export" in cli("study", "read", path.rename(tmp_path / "x.json")).stderr

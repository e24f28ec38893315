"""Juries: several judges of one story, each asked once, and one score on a declared scale."""

from __future__ import annotations

import json
import math
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import PROXY, Cli, frame, one_line, reply, stories, write_jsonl
from hypothesis import given
from hypothesis import strategies as st
from inspect_ai import eval as inspect_eval
from inspect_ai.log import read_eval_log
from inspect_ai.model import get_model
from loopback import Answer, Loopback, serve, well_behaved

from polaris_eval.harness.logs.headers import log_files
from polaris_eval.harness.logs.juries import equated
from polaris_eval.rubrics import Rubric, load_rubric

pytestmark = pytest.mark.slow

A, B = "openai-api/one/mild", "openai-api/one/stern"
NUMBER = re.compile(r"harbour number (\d+)")


def env(server: Loopback, **more: str) -> dict[str, str]:
    kept = {"POLARIS_JUDGE_CACHE": "on"}
    return {"ONE_API_KEY": "k", "ONE_BASE_URL": f"{server.url}/v1", **kept, **more}


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POLARIS_CACHE", str(tmp_path / "cache"))


def asked(server: Loopback) -> Counter[tuple[str, str]]:
    """How often each judge was asked about each story, by its number."""
    found = (NUMBER.search(json.dumps(body)) for body in server.bodies)
    return Counter((body["model"], match[1]) for body, match in zip(server.bodies, found, strict=True) if match)


class Judges:
    """Two judges on one server: `marks(model, story)` is the mark on P1, or a status to fail with."""

    def __init__(self, rubric: Rubric, marks: dict[str, list[int]]) -> None:
        self.rubric, self.marks = rubric, marks
        self.failing: set[tuple[str, int]] = set()
        self.server: Loopback | None = None

    def __call__(self, number: int, system: str, user: str) -> Answer:
        assert self.server is not None
        match = NUMBER.search(user)
        assert match is not None
        model, story = str(self.server.bodies[number]["model"]), int(match[1])
        return 400 if (model, story) in self.failing else reply(self.rubric, {"P1": self.marks[model][story]})


def table(cli: Cli, tmp_path: Path, *folders: str) -> pd.DataFrame:
    assert cli("leaderboard", *folders).returncode == 0
    return frame(tmp_path)


def jury(cli: Cli, path: Path, server: Loopback, *more: object, **given: str) -> subprocess.CompletedProcess[str]:
    return cli("run", "--stories", path, "--judge", A, "--judge", B, *more, **env(server, **given))


@pytest.fixture
def judges(rubric: Rubric) -> Judges:
    return Judges(rubric, {"mild": [10, 14, 12, 15], "stern": [0, 4, 2, 12]})


def test_a_jury_of_two_judges_and_the_proxy(cli: Cli, tmp_path: Path) -> None:
    """Its scores are the means of those that each gives alone; nobody is asked twice."""
    path = write_jsonl(tmp_path / "s.jsonl", stories(6))
    lenient = lambda n, system, user: well_behaved(system, user)  # noqa: E731
    with serve(lenient) as server:
        done = jury(cli, path, server, "--judge", PROXY, "--log-dir", "jury")
        assert done.returncode == 0, done.stdout + done.stderr
        together = table(cli, tmp_path, "jury").set_index("id")
        assert len(server.requests) == 12
        each = []
        for number, judge in enumerate((A, B, PROXY)):
            alone = cli("score", "jury", "--judge", judge, "--log-dir", f"alone{number}", **env(server))
            assert alone.returncode == 0, alone.stdout + alone.stderr
            each.append(table(cli, tmp_path, f"alone{number}").set_index("id"))
            assert np.allclose(together[f"score of {judge}"], each[-1]["score"])
        assert len(server.requests) == 12, "what a member said is kept for whoever asks that judge alone"
    for name in ("score", "P1", "N3", "quotes_found", "positive"):
        assert np.allclose(together[name], np.mean([one[name] for one in each], axis=0)), name
    assert set(together["judge"]) == {f"{A} + {B} + {PROXY}"}
    assert together["proxy"].all()
    told = " ".join(cli("leaderboard", "jury").stdout.split())
    assert "PROXY: one of the jury" in told
    assert "plain means over the judges" in told
    assert "Krippendorff's alpha" in told
    assert cli("leaderboard", "jury", "alone0").returncode == 0
    shown = json.loads((tmp_path / "results" / "leaderboard.json").read_text())["sections"]
    assert sorted(section["judge"] for section in shown) == [A, f"{A} + {B} + {PROXY}"], "never mixed"
    members = next(section for section in shown if section["jury"])["jury"]["members"]
    assert [member["judged"] for member in members] == [6, 6, 6]


def test_a_missing_verdict_and_a_quorum(cli: Cli, tmp_path: Path, judges: Judges) -> None:
    path = write_jsonl(tmp_path / "s.jsonl", stories(4))
    off = {"POLARIS_JUDGE_CACHE": "off"}
    with serve(judges) as server:
        judges.server, judges.failing = server, {("stern", 1)}
        done = jury(cli, path, server, "--max-retries", 0, **off)
        assert done.returncode == 1
        assert "1 of 2 judges gave a verdict, 2 are needed: openai-api/one/stern" in " ".join(done.stdout.split())
        found = table(cli, tmp_path, "logs")
        assert found["status"].tolist() == ["scored", "unscored", "scored", "scored"]
        assert math.isnan(found["score"][1])
        assert found[f"score of {A}"].notna().all()
        before = asked(server)
        some = jury(cli, path, server, "--quorum", 1, "--log-dir", "some", "--max-retries", 0, **off)
        assert some.returncode == 0, some.stdout + some.stderr
        assert table(cli, tmp_path, "some")["score"][1] == found[f"score of {A}"][1]
        assert set(frame(tmp_path)["judge"]) == {f"{A} + {B} (quorum 1)"}
        judges.failing = set()
        between = asked(server)
        again = jury(cli, path, server, "--max-retries", 0, **off)
        assert again.returncode == 0, again.stdout + again.stderr
        assert asked(server) - between == Counter({("stern", "1"): 1}), "the other member keeps its verdict"
        assert before[("mild", "1")] == 1
    scores = table(cli, tmp_path, "logs")
    assert np.allclose(scores["score"], scores[[f"score of {A}", f"score of {B}"]].mean(axis=1))


def test_z_scores_by_hand(cli: Cli, tmp_path: Path, judges: Judges) -> None:
    """Marks of 10, 14, 12, 15 and 0, 4, 2, 12 on P1, both rescaled to the same mean and standard deviation."""
    path = write_jsonl(tmp_path / "s.jsonl", stories(4))
    with serve(judges) as server:
        judges.server = server
        assert jury(cli, path, server, "--log-dir", "mean").returncode == 0
        plain = table(cli, tmp_path, "mean")
        done = jury(cli, path, server, "--jury", "zscore", "--log-dir", "z")
        assert done.returncode == 0, done.stdout + done.stderr
        assert len(server.requests) == 8
    found = table(cli, tmp_path, "z")
    mild, stern = (found[f"score of {name}"] for name in (A, B))
    z = ((mild - mild.mean()) / mild.std(ddof=0) + (stern - stern.mean()) / stern.std(ddof=0)) / 2
    by_hand = (mild.mean() + stern.mean()) / 2 + z * (mild.std(ddof=0) + stern.std(ddof=0)) / 2
    assert np.allclose(found["score"], by_hand)
    assert not np.allclose(found["score"], plain["score"])
    assert found["score"].mean() == pytest.approx(plain["score"].mean())
    assert set(found["judge"]) == {f"{A} + {B} (z-scored)"}
    assert "rescaled to the same mean and standard deviation" in " ".join(cli("leaderboard", "z").stdout.split())
    refused = one_line(jury(cli, path, server, "--jury", "zscore", "--log-dir", "mean"))
    assert f"--judge {A} --judge {B} --jury zscore --log-dir ANOTHER_FOLDER" in refused


@given(
    st.lists(st.tuples(st.floats(-50, 50), st.floats(-50, 50)), min_size=3, max_size=20),
    st.floats(0.1, 10), st.floats(-30, 30),
)  # fmt: skip
def test_a_judge_that_is_milder_changes_no_order(pairs: list[tuple[float, float]], stretch: float, more: float) -> None:
    """Equating undoes any shift and stretch of a member: the z-scores stay the same."""
    scores = pd.DataFrame(np.round(pairs, 3), columns=["a", "b"])
    if (scores.std(ddof=0) < 0.01).any():
        return
    moved = scores.assign(b=scores["b"] * stretch + more)

    def z(found: pd.Series[float]) -> np.ndarray:
        return np.asarray((found - found.mean()) / (found.std(ddof=0) or 1))

    plain = equated(scores)
    if plain.std(ddof=0) < 0.01:
        return
    assert np.allclose(z(plain), z(equated(moved)), atol=1e-5)


def test_z_scores_of_odd_tables() -> None:
    constant = pd.DataFrame({"a": [1.0, 2.0, 3.0], "b": [7.0, 7.0, 7.0]})
    assert equated(constant).rank().tolist() == [1, 2, 3]
    some = pd.DataFrame({"a": [1.0, 2.0, 3.0, 2.0], "b": [10.0, 20.0, 30.0, math.nan]})
    assert equated(some)[3] == equated(some)[1], "one verdict alone stands where that member's usual story stands"
    assert equated(some.iloc[2:]).isna().all()


def test_plain_inspect_judges_with_all_of_a_list(
    tmp_path: Path, judges: Judges, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_jsonl(tmp_path / "s.jsonl", stories(2))
    with serve(judges) as server:
        judges.server = server
        for name, value in env(server).items():
            monkeypatch.setenv(name, value)
        roles = {"grader": [get_model(A, memoize=False), get_model(B, memoize=False)]}
        args = {"stories": str(path), "quorum": 1}
        (log,) = inspect_eval("polaris_eval/story_quality", model=None, task_args=args, model_roles=roles,
                              log_dir=str(tmp_path / "logs"), display="none")  # fmt: skip
        assert log.status == "success"
        named = {"stories": str(path), "judge": [A, B]}
        (other,) = inspect_eval("polaris_eval/story_quality", model=None, task_args=named,
                                log_dir=str(tmp_path / "other"), display="none")  # fmt: skip
    for found in (log, other):
        samples = read_eval_log(found.location).samples or []
        scores = [sample.scores["judged"] for sample in samples if sample.scores]
        assert [[one["judge"] for one in (score.metadata or {})["members"]] for score in scores] == [[A, B]] * 2
        assert scores[0].value["P1"] == 5  # type: ignore[index,call-overload]


def test_a_criterion_at_a_time(cli: Cli, tmp_path: Path, prompt_files: Path) -> None:
    """WritingBench asks once per criterion; each member answers all of them."""
    rubric = load_rubric("writingbench")
    assert rubric.slots
    with serve(lambda n, system, user: well_behaved(system, user)) as server:
        common = ("run", "--model", "openai-api/one/writer", "--benchmark", "writingbench", "--limit", 1,
                  "--data-dir", prompt_files)  # fmt: skip
        done = cli(*common, "--judge", A, "--judge", B, **env(server))
        assert done.returncode == 0, done.stdout + done.stderr
    found = table(cli, tmp_path, "logs")
    scored = [name for name in found if str(name).startswith("criterion_") and found[name].notna().all()]
    assert len(server.requests) == 1 + 2 * len(scored)
    assert found["score"][0] == pytest.approx(found[[f"score of {A}", f"score of {B}"]].iloc[0].mean())


def test_what_is_no_jury(cli: Cli, tmp_path: Path) -> None:
    path = write_jsonl(tmp_path / "s.jsonl", stories(1))
    run = ("run", "--stories", path)
    two = ("--judge", PROXY, "--judge", "openai-api/one/b")
    keys = {"ONE_API_KEY": "k", "ONE_BASE_URL": "http://localhost:9/v1"}
    assert "named twice" in one_line(cli(*run, "--judge", PROXY, "--judge", PROXY))
    assert "from 1 to the number of judges, 2" in one_line(cli(*run, *two, "--quorum", 3, **keys))
    assert "need several judges" in one_line(cli(*run, "--judge", PROXY, "--quorum", 1))
    assert "need several judges" in one_line(cli(*run, "--judge", PROXY, "--jury", "zscore"))
    rows = json.loads(cli("plan", "--stories", path, *two, "--json").stdout)["rows"]
    assert [row["model"] for row in rows] == ["openai-api/one/b", PROXY]


def test_a_jury_that_is_killed_goes_on(cli: Cli, tmp_path: Path) -> None:
    """Two judges and the proxy, killed in the middle: no verdict that was given is asked for again."""
    path = write_jsonl(tmp_path / "s.jsonl", stories(12))
    command = [sys.executable, "-m", "polaris_eval.harness.cli", "run", "--stories", str(path), "--judge", PROXY,
               "--judge", A, "--judge", B, "--max-connections", "2"]  # fmt: skip

    def slow(number: int, system: str, user: str) -> Answer:
        time.sleep(0.3)
        return well_behaved(system, user)

    with serve(slow) as server:
        given = {**os.environ, **env(server)}
        first = subprocess.Popen(command, cwd=tmp_path, env=given, start_new_session=True)
        deadline = time.monotonic() + 60
        while len(server.requests) < 10 and time.monotonic() < deadline:
            time.sleep(0.05)
        os.killpg(first.pid, signal.SIGKILL)
        first.wait()
        before = asked(server)
        done = subprocess.run(
            command, cwd=tmp_path, env=given, capture_output=True, text=True, check=False, timeout=240
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert 8 <= sum(before.values()) < 24
        twice = [key for key, count in asked(server).items() if count > 1]  # calls that were in flight
        assert len(twice) <= 4
    found = table(cli, tmp_path, "logs")
    assert found["status"].eq("scored").all()
    assert len(log_files([tmp_path / "logs"])) >= 1
    members = found[[name for name in found if str(name).startswith("score of ")]]
    assert np.allclose(found["score"], members.mean(axis=1))

"""What a judgment is kept under, and how it is kept."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest
from conftest import Cli, frame, reply, stories, write_jsonl
from inspect_ai.model import GenerateConfig, ModelUsage, get_model
from loopback import Loopback, serve

from polaris_eval.harness.judge.kept import Kept, Places, keep, keeping_judgments, places, recall
from polaris_eval.rubrics import Rubric, load_rubric


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("POLARIS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("POLARIS_JUDGE_CACHE", "on")
    return tmp_path / "cache" / "judgments"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("judge", "variable", "suffix"),
    [
        ("openai/gpt-5.4", "OPENAI_BASE_URL", "/v1"),
        ("anthropic/claude-sonnet-4-6", "ANTHROPIC_BASE_URL", ""),
        ("google/gemini-3.1-pro-preview", "GOOGLE_BASE_URL", ""),
        ("openai-api/loop/judge", "LOOP_BASE_URL", "/v1"),
        ("openai-api/loop/judge", "INSPECT_EVAL_MODEL_BASE_URL", "/v1"),
    ],
)
def test_two_servers_under_one_name_share_no_judgment(
    cli: Cli, tmp_path: Path, rubric: Rubric, judge: str, variable: str, suffix: str
) -> None:
    path = write_jsonl(tmp_path / "s.jsonl", stories(1))
    keys = dict.fromkeys(("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GOOGLE_API_KEY", "LOOP_API_KEY"), "k")
    common = {"POLARIS_CACHE": str(tmp_path / "cache"), "POLARIS_JUDGE_CACHE": "on", **keys}

    def score(server: Loopback, folder: str) -> float:
        env = {**common, variable: server.url + suffix}
        done = cli("run", "--stories", path, "--judge", judge, "--log-dir", folder, **env)
        assert done.returncode == 0, done.stderr
        assert cli("leaderboard", folder).returncode == 0
        return float(frame(tmp_path)["score"].iloc[0])

    def asked(server: Loopback) -> int:
        return sum(not isinstance(body.get("input"), str) for body in server.bodies)

    with serve(lambda *_: reply(rubric, {"P1": 3})) as one, serve(lambda *_: reply(rubric, {"P1": 11})) as other:
        assert score(one, "a") == 3
        assert score(other, "b") == 11
        seen = asked(one), asked(other)
        assert min(seen) > 0
        assert score(one, "c") == 3
        assert (asked(one), asked(other)) == seen  # each is remembered


@pytest.mark.parametrize(
    ("judge", "variable"),
    [("vllm/lab/judge", "VLLM_BASE_URL"), ("openai/azure/gpt-5.4", "AZUREAI_OPENAI_BASE_URL"),
     ("openai/gpt-5.4", "INSPECT_EVAL_MODEL_BASE_URL")],
)  # fmt: skip
def test_the_key_holds_the_address_that_is_called(
    kept: Path, monkeypatch: pytest.MonkeyPatch, judge: str, variable: str
) -> None:
    rubric = load_rubric("story_quality")
    for name in ("OPENAI_API_KEY", "AZUREAI_OPENAI_API_KEY", "VLLM_API_KEY"):
        monkeypatch.setenv(name, "k")
    keys = set()
    for place in ("http://one:1/v1", "http://two:2/v1", "http://one:1/v1"):
        monkeypatch.setenv(variable, place)
        model = get_model(judge, memoize=False)
        keys.add(places(rubric, [], model, GenerateConfig(), 1, None))
    assert len(keys) == 2
    monkeypatch.setenv("UNRELATED_BASE_URL", "http://three:3")
    keys.add(places(rubric, [], get_model(judge, memoize=False), GenerateConfig(), 1, None))
    assert len(keys) == 2


def at(kept: Path, name: str) -> Places:
    return Places(None, kept / name)


def test_what_is_damaged_is_not_there(kept: Path) -> None:
    keep(at(kept, "a"), "half \ud800 of a letter", ModelUsage())
    assert recall(at(kept, "a")) == Kept("half \ud800 of a letter")
    (place,) = [path for path in kept.rglob("*") if path.is_file()]
    place.write_bytes(b"\xff\xfe\x00")
    assert recall(at(kept, "a")) is None
    assert recall(at(kept, "b")) is None
    keep(at(kept, "a"), "again", ModelUsage())
    assert recall(at(kept, "a")) == Kept("again")
    assert len([path for path in kept.rglob("*") if path.is_file()]) == 1  # nothing half-written stays


def test_what_a_stopped_run_paid_for_is_its_own(kept: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Within its folder a judgment is kept for each story, with what it took; other runs have it for nothing."""
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    judge, used = get_model("openai/gpt-5.4", memoize=False), ModelUsage(input_tokens=9, output_tokens=3)

    def where(story: str) -> Places:
        return places(load_rubric("story_quality"), [], judge, GenerateConfig(), 1, story)

    with keeping_judgments(str(tmp_path / "logs")):
        keep(where("one"), "a reply \udfff", used)
        assert recall(where("one")) == Kept("a reply \udfff", used)
        assert recall(where("two")) == Kept("a reply \udfff")
        monkeypatch.setenv("POLARIS_JUDGE_CACHE", "off")
        assert recall(where("one")) == Kept("a reply \udfff", used)
        assert recall(where("two")) is None
    assert where("one") == Places(None, None)


def _write(folder: Path) -> None:
    for i in range(50):
        keep(at(folder, f"{i:03}"), f"reply {i}", ModelUsage())


def test_processes_write_side_by_side(kept: Path) -> None:
    with ProcessPoolExecutor(4) as pool:
        list(pool.map(_write, [kept] * 4))
    assert [recall(at(kept, f"{i:03}")) for i in range(50)] == [Kept(f"reply {i}") for i in range(50)]

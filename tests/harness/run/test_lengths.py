"""Lengths from the user's own prompts to the tables: ranges, prompts without a request, lengths given beside."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from conftest import PROSE, Cli, frame, write_jsonl
from inspect_ai.log import list_eval_logs, read_eval_log
from loopback import STORY, serve, well_behaved

from polaris_eval.harness.logs.headers import log_files
from polaris_eval.harness.logs.table import stories_frame
from polaris_eval.harness.run.planned import Request
from polaris_eval.harness.run.run import run
from polaris_eval.tasks.lm_eval.stories import measure, measure_and_judge

WORDS = 41 * 52  # of the stories here: 52 times the 41 words of PROSE
PROXY = ("--judge", "polaris_eval/lexical")


def story(number: int, asks: str, **more: Any) -> dict[str, Any]:
    return {"id": f"r{number}", "prompt": f"Write about a clerk. {asks}", "story": PROSE * 52, "model": "m/r", **more}


def judged(cli: Cli, tmp_path: Path, records: list[dict[str, Any]], *more: str) -> Any:
    path = write_jsonl(tmp_path / "s.jsonl", records)
    done = cli("run", "--stories", path, *PROXY, *more)
    assert done.returncode == 0, done.stderr
    assert cli("leaderboard", "logs").returncode == 0
    return frame(tmp_path), done


def test_a_range_is_met_inside_and_missed_by_its_nearer_end(cli: Cli, tmp_path: Path) -> None:
    asks = [
        "2,000–3,000 words.",
        "At most 1000 words.",
        "At least 5,000 words.",
        "It should be between 2000 and 2200 words long.",
    ]
    rows, done = judged(cli, tmp_path, [story(n, ask) for n, ask in enumerate(asks)])
    assert rows["words"].tolist() == [WORDS] * 4
    assert rows["ratio"].round(3).tolist() == [1, WORDS / 1000, round(WORDS / 5000, 3), 1]
    assert rows["target"].tolist() == [2500, 1000, 5000, 2100]
    assert rows["bucket"].tolist() == ["2-3k", "1-2k", "4-6k", "2-3k"]
    assert rows["length_score"].iloc[[0, 3]].tolist() == [1, 1]
    assert rows["length_penalty"].iloc[[0, 3]].tolist() == [0, 0]
    assert "no request" not in done.stderr


@pytest.mark.slow
def test_prompts_without_a_request_are_counted_and_told(cli: Cli, tmp_path: Path) -> None:
    asks = ["About 2000 words.", "Length: 2,000 words.", *["Make it sing."] * 5, "Part 2 500 words long."]
    rows, done = judged(cli, tmp_path, [story(n, ask) for n, ask in enumerate(asks)])
    assert "no request for a length was found in 6 of 8 prompts" in done.stderr
    assert 'give "target_words"' in " ".join(done.stderr.split())
    assert "length: 6 stories of a prompt that asks for no length" in " ".join(done.stdout.split())
    assert rows["target"].notna().sum() == rows["ratio"].notna().sum() == 2
    given = [story(n, ask, target_words=2000) for n, ask in enumerate(asks)]
    rows, done = judged(cli, tmp_path, given, "--log-dir", "given")
    assert "no request" not in done.stderr


def test_a_length_given_beside_a_story_counts_on_every_benchmark(cli: Cli, tmp_path: Path) -> None:
    record = {**story(0, ""), "id": "172", "benchmark": "writingbench"}
    rows, _ = judged(cli, tmp_path, [{**record, "target_words": 4000}])
    assert rows["target"].tolist() == [4000]
    assert rows["ratio"].tolist() == [WORDS / 4000]


def test_the_judge_sees_the_prompt_without_its_request_and_whole(cli: Cli, tmp_path: Path) -> None:
    prompts = [
        {"id": "a", "prompt": "Tell of a clerk. It should be 2000 words long. Include a dragon."},
        {"id": "b", "prompt": "Write a 2,000 to 3,000-word story about a clerk.\n\nInclude a dragon."},
    ]
    path = write_jsonl(tmp_path / "p.jsonl", prompts)
    with serve(lambda n, system, user: well_behaved(system, user)) as server:
        env = {"LOOP_API_KEY": "k", "LOOP_BASE_URL": f"{server.url}/v1"}
        models = ("--model", "openai-api/loop/writer", "--judge", "openai-api/loop/judge")
        assert cli("run", *models, "--prompts", path, **env).returncode == 0
        users = [body["messages"][-1]["content"] for body in server.bodies]
    asked = [text for text in users if STORY[:40] not in text]
    seen = [text for text in users if STORY[:40] in text]
    assert all("dragon" in text for text in users)
    assert len(asked) == len(seen) == 2
    assert all("000" in text for text in asked)
    assert not any("000" in text for text in seen)
    assert sum("Write a story about a clerk." in text for text in seen) == 1
    (log,) = list_eval_logs(str(tmp_path / "logs"))
    ranges = {str(s.id): s.metadata.get("target_range") for s in read_eval_log(log.name).samples or []}
    assert ranges == {"a": None, "b": [2000, 3000]}


def test_all_of_it_works_inside_a_running_event_loop(tmp_path: Path) -> None:
    """As in a notebook."""
    path = write_jsonl(tmp_path / "s.jsonl", [story(0, "About 2000 words.")])
    judges = {"": ("polaris_eval/lexical",)}

    async def cell() -> tuple[Any, Any, Any]:
        run(Request(models=(), log_dir=tmp_path / "logs", stories=path, judges=judges, display="none"))
        table = stories_frame(log_files([tmp_path / "logs"]))
        docs = [{"id": "r0", "prompt": "Write.", "target_words": 2000, "judge": "polaris_eval/lexical"}]
        stories = [[PROSE * 52]]
        return table, measure(stories, docs), measure_and_judge(stories, docs)

    table, measured, both = asyncio.run(cell())
    assert table["status"].tolist() == ["scored"]
    assert measured[0]["words"] == both[0]["words"] == table["words"].iloc[0] == WORDS
    assert both[0]["coverage"] == 1

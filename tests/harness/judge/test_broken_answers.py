"""Answers that are none: empty and broken bodies, replies and stories that end before they end."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from conftest import Cli, one_line
from inspect_ai.log import list_eval_logs, read_eval_log
from loopback import STORY, Answer, serve, well_behaved

pytestmark = pytest.mark.slow

LONGFORM = ("--benchmark", "eqbench_longform", "--limit", "1")
PAID = {"prompt_tokens": 100, "completion_tokens": 50, "total_tokens": 150}


def body(choices: Any, **more: Any) -> dict[str, Any]:
    return {"id": "x", "object": "chat.completion", "created": 1, "model": "m", "choices": choices, **more}


def choice(text: str | None, finish: str | None, **more: Any) -> dict[str, Any]:
    return {"index": 0, "finish_reason": finish, "message": {"role": "assistant", "content": text}, **more}


def is_judge(system: str) -> bool:
    return bool(system)


def run(cli: Cli, script: Any, folder: Path) -> tuple[Any, Any, list[str]]:
    """The one sample of a run whose writer and judge are the same server, what was printed, and who was asked."""
    asked: list[str] = []

    def listening(number: int, system: str, user: str) -> Answer:
        asked.append("judge" if is_judge(system) else "writer")
        return script(asked.count(asked[-1]) - 1, system, user)  # type: ignore[no-any-return]

    with serve(listening) as server:
        env = {"LOOP_API_KEY": "k", "LOOP_BASE_URL": f"{server.url}/v1"}
        models = ("--model", "openai-api/loop/writer", "--judge", "openai-api/loop/judge")
        done = cli("run", *models, *LONGFORM, "--log-dir", folder, **env)
    return sample_of(folder), done, asked


def sample_of(folder: Path) -> Any:
    """The sample of the only log of a folder."""
    (log,) = list_eval_logs(str(folder))
    return (read_eval_log(log.name).samples or [None])[0]


@pytest.mark.parametrize(
    "broken",
    [
        body([]),
        body([], usage=PAID),
        body(None),
        {},
        b"",
        b"<html>gateway</html>",
        {"error": {"message": "overloaded", "type": "server_error", "code": 503}},
        body([choice(None, "stop")]),
        body([choice("", "stop")]),
    ],
    ids=["no choices", "paid, no choices", "null", "empty object", "empty body", "html", "error", "no text", "empty"],
)
def test_an_answer_that_is_none_leaves_the_story_unscored_and_is_asked_for_again(
    cli: Cli, tmp_path: Path, broken: Answer
) -> None:
    def once(number: int, system: str, user: str) -> Answer:
        return broken if is_judge(system) and number == 0 else well_behaved(system, user)

    sample, done, asked = run(cli, lambda n, system, user: broken if is_judge(system) else STORY, tmp_path / "logs")
    assert asked == ["writer", "judge", "judge", "judge"]  # the story is paid for once
    assert sample.error is None
    assert sample.scores["judged"].metadata["status"] == "unscored"
    assert "Traceback" not in done.stderr
    sample, _, asked = run(cli, once, tmp_path / "again")
    assert asked == ["writer", "judge", "judge"]
    assert sample.scores["judged"].metadata["status"] == "scored"


@pytest.mark.parametrize("finish", ["length", "content_filter", "error", None, "tool_calls"])
def test_a_text_reply_without_a_natural_end_is_malformed(cli: Cli, tmp_path: Path, finish: str | None) -> None:
    def cut(number: int, system: str, user: str) -> Answer:
        text = well_behaved(system, user)
        return (text[:-1], finish) if is_judge(system) and number == 0 else text

    sample, _, asked = run(cli, cut, tmp_path / "logs")
    details = sample.scores["judged"].metadata
    assert (details["status"], details["attempts"]) == ("scored", 2)
    assert details["complaints"] and "the reply was cut off" in details["complaints"][0]
    assert asked == ["writer", "judge", "judge"]


@pytest.mark.parametrize(
    ("answer", "cut"),
    [((STORY, "stop"), 0), ((STORY, "length"), 1), ((STORY, "content_filter"), 1), ((STORY, "error"), 1),
     ((STORY, None), 1), (body([choice(STORY, "error", error={"message": "upstream failed"})], usage=PAID), 1)],
    ids=["stop", "length", "content_filter", "error", "null", "error in a choice"],
)  # fmt: skip
def test_a_story_without_a_natural_end_is_marked_as_cut(cli: Cli, tmp_path: Path, answer: Answer, cut: int) -> None:
    sample, done, _ = run(
        cli, lambda n, system, user: well_behaved(system, user) if is_judge(system) else answer, tmp_path / "logs"
    )
    assert sample.scores["judged"].value["truncated"] == cut
    assert sample.scores["judged"].metadata["status"] == "scored"
    assert ("cut: 1 story without a natural end" in done.stdout) == bool(cut)


@pytest.mark.parametrize("text", ["", "  ", "<think>I must not</think>"])
def test_an_empty_page_and_a_refusal_by_the_provider_are_counted_apart(cli: Cli, tmp_path: Path, text: str) -> None:
    sample, _, asked = run(cli, lambda n, system, user: (text, "stop"), tmp_path / "logs")
    assert sample.scores["judged"].metadata["status"] == "empty"
    assert sample.scores["judged"].value["score"] == 0
    sample, done, asked = run(cli, lambda n, system, user: (text, "content_filter"), tmp_path / "refused")
    found = sample.scores["judged"]
    assert found.metadata["status"] == "refused"
    assert (found.value["refused"], found.value["empty"], found.value["coverage"]) == (1, 0, 0)
    assert found.value["score"] != found.value["score"]  # there is none
    assert "judge" not in asked
    assert "refused: 1 story by the writer's provider" in done.stdout
    # judged elsewhere it stays a refusal, and the arena has no such story
    cli("score", "refused", "--judge", "polaris_eval/lexical", "--log-dir", "later")
    assert sample_of(tmp_path / "later").scores["judged"].metadata["status"] == "refused"
    assert "no story of any benchmark" in one_line(cli("arena", "refused", "--judge", "polaris_eval/lexical"))


def test_the_providers_own_words_are_no_story(cli: Cli, tmp_path: Path) -> None:
    """A prompt that is refused at once, or is too long: Inspect puts the error's text where the story would be."""

    def refusing(number: int, system: str, user: str) -> Answer:
        return body([choice("Your prompt was flagged.", "content_filter")], usage={**PAID, "completion_tokens": 0})

    sample, _, asked = run(cli, refusing, tmp_path / "logs")
    assert sample.scores["judged"].metadata["status"] == "refused"
    assert "Your prompt was flagged." in sample.scores["judged"].explanation
    assert asked == ["writer"]

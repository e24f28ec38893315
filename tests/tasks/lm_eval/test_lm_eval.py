"""lm-eval as a second door: the same stories have the same numbers there, to the last digit."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

lm_eval = pytest.importorskip("lm_eval", reason="needs the extra lm-eval")

from click.testing import CliRunner  # noqa: E402
from conftest import PROSE, Cli, write_jsonl  # noqa: E402
from inspect_ai.log import list_eval_logs, read_eval_log  # noqa: E402
from lm_eval.api.model import LM  # noqa: E402
from lm_eval.tasks import TaskManager  # noqa: E402

from polaris_eval.harness.cli import main  # noqa: E402
from polaris_eval.harness.run.samples import prompts_of  # noqa: E402
from polaris_eval.tasks.benchmarks.story_quality.benchmark import BENCHMARK  # noqa: E402
from polaris_eval.tasks.lm_eval.stories import JUDGED, MEASURED  # noqa: E402
from polaris_eval.trainers.models import model_path  # noqa: E402

pytestmark = pytest.mark.model

TASKS = ["polaris_length", "polaris_story_quality"]


class Recorded(LM):  # type: ignore[misc]
    """Writes the stories that it is given."""

    def __init__(self, stories: dict[str, str]) -> None:
        super().__init__()
        self.stories = stories

    def generate_until(self, requests: list[Any], **_: Any) -> list[str]:
        return [self.stories[request.args[0]] for request in requests]

    def loglikelihood(self, requests: list[Any]) -> list[Any]:
        raise NotImplementedError

    def loglikelihood_rolling(self, requests: list[Any]) -> list[Any]:
        raise NotImplementedError


@pytest.fixture(scope="module")
def stories() -> dict[str, dict[str, str]]:
    """Stories of the first six prompts by prompt: of several lengths, one with reasoning, one empty, one repetitive."""
    texts = [
        PROSE * 30, "<think>Plan the rope.</think>" + PROSE * 12, "", PROSE[:160] * 40, PROSE * 3 + "And so it went.",
        "Rain.\n" * 300,
    ]  # fmt: skip
    samples = prompts_of(BENCHMARK, "mini").samples[:6]
    return {str(s.input): {"id": str(s.id), "story": text} for s, text in zip(samples, texts, strict=True)}


def evaluate(stories: dict[str, dict[str, str]], **metadata: Any) -> dict[str, Any]:
    where = CliRunner().invoke(main, ["lm-eval"]).output.strip()
    manager = TaskManager(include_path=where, include_defaults=False, metadata=metadata)
    found: dict[str, Any] = lm_eval.simple_evaluate(
        model=Recorded({prompt: entry["story"] for prompt, entry in stories.items()}), tasks=TASKS,
        task_manager=manager, limit=len(stories), bootstrap_iters=0, log_samples=True,
    )  # fmt: skip
    return found


def test_the_same_stories_have_the_same_numbers(stories: dict[str, dict[str, str]], cli: Cli, tmp_path: Path) -> None:
    found = evaluate(stories, judge="polaris_eval/lexical")
    records = [
        {"id": entry["id"], "prompt": prompt, "story": entry["story"], "model": "x"}
        for prompt, entry in stories.items()
    ]
    write_jsonl(tmp_path / "stories.jsonl", records)
    ran = cli("run", "--stories", "stories.jsonl", "--judge", "polaris_eval/lexical")
    assert ran.returncode == 0, ran.stderr
    log = read_eval_log(list_eval_logs(str(tmp_path / "logs"))[0].name)
    assert log.results
    metrics = {
        score.name if score.name == "repetition" else key: metric.value
        for score in log.results.scores
        for key, metric in ((score.name, score.metrics["mean"]),)
    }
    ours = found["results"]["polaris_story_quality"]
    for name in (*JUDGED, *MEASURED):
        assert ours[f"{name},none"] == metrics[name], name
    alone = found["results"]["polaris_length"]
    assert {name: value for name, value in alone.items() if "," in name and "stderr" not in name} == {
        name: ours[name] for name in alone if "," in name and "stderr" not in name
    }
    by_id = {str(s.id): s.scores for s in log.samples or []}
    for sample in found["samples"]["polaris_story_quality"]:
        scores = by_id[sample["doc"]["id"]]
        assert scores
        values = {
            **scores["judged"].value,
            **scores["length_adherence"].value,
            "repetition": scores["repetition"].value,
        }  # type: ignore[dict-item]
        for name in ("score", "N10", "words", "ratio", "repetition"):
            assert repr(sample["filtered_resps"][0][name]) == repr(values[name]), (sample["doc"]["id"], name)


def test_an_unjudged_story_has_no_score(stories: dict[str, dict[str, str]], tmp_path: Path) -> None:
    replies = write_jsonl(tmp_path / "replies.jsonl", [{"id": "another", "reply": "{}"}])
    ours = evaluate(stories, judge=f"polaris_eval/replay/{replies}")["results"]["polaris_story_quality"]
    # the empty story needs no judge
    assert ours["coverage,none"] == pytest.approx(1 / 6)
    assert ours["score,none"] == -159
    assert ours["words,none"] > 0


def test_without_a_judge_it_says_what_to_do(stories: dict[str, dict[str, str]], monkeypatch: Any) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(Exception, match=r"needs a judge: its rubric's is openai/gpt-5\.4"):
        evaluate(stories)


@pytest.mark.slow
def test_the_command_runs_the_small_real_model(tmp_path: Path) -> None:
    """lm-eval's own command line, its own Hugging Face model, our tasks."""
    where = CliRunner().invoke(main, ["lm-eval"]).output.strip()
    args = ["--model", "hf", "--model_args", f"pretrained={model_path('polaris_eval/local')}", "--device", "cpu",
            "--tasks", ",".join(TASKS), "--include_path", where, "--apply_chat_template", "--limit", "2",
            "--gen_kwargs", "max_gen_toks=48", "--metadata", '{"judge": "polaris_eval/lexical"}',
            "--output_path", str(tmp_path / "out"), "--log_samples"]  # fmt: skip
    done = subprocess.run([sys.executable, "-m", "lm_eval", *args], capture_output=True, text=True, timeout=600,
                          check=False, env={**os.environ, "HF_HUB_OFFLINE": "1"})  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    assert "polaris_story_quality" in done.stdout
    (written,) = (tmp_path / "out").rglob("results_*.json")
    found = json.loads(written.read_text())["results"]
    assert 5 <= found["polaris_length"]["words,none"] <= 48
    assert -159 <= found["polaris_story_quality"]["score,none"] <= 108

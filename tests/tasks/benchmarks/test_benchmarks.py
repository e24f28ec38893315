"""The other four benchmarks as Inspect tasks: their prompts, their scores, and what they refuse."""

from __future__ import annotations

import json
import math
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from conftest import PROSE, write_jsonl
from inspect_ai import eval as inspect_eval
from inspect_ai.log import EvalLog, EvalSample
from inspect_ai.model import get_model
from loopback import serve, well_behaved

from polaris_eval.harness.benchmarks import Choice, benchmarks
from polaris_eval.harness.errors import UserError
from polaris_eval.harness.judge.call import judge
from polaris_eval.harness.logs.headers import writing_settings
from polaris_eval.rubrics import fenced, load_rubric
from polaris_eval.tasks.benchmarks.eqbench_creative import benchmark as eqbench_creative
from polaris_eval.tasks.benchmarks.longbench_write import benchmark as longbench_write
from polaris_eval.tasks.benchmarks.writingbench import benchmark as writingbench

PROXY = "polaris_eval/lexical"


def run(tmp_path: Path, benchmark: str, stories: list[dict[str, Any]], judge: Any = PROXY, **args: Any) -> EvalLog:
    path = write_jsonl(tmp_path / "stories.jsonl", [{"model": "some/writer", "prompt": "p", **s} for s in stories])
    log = inspect_eval(
        f"polaris_eval/{benchmark}",
        model=None,
        task_args={"stories": str(path), **args},
        model_roles={"grader": judge},
        log_dir=str(tmp_path / "logs"),
        display="none",
    )[0]
    assert log.status == "success", log.error
    return log


def judged(sample: EvalSample) -> dict[str, Any]:
    assert sample.scores is not None
    found = sample.scores["judged"].value
    assert isinstance(found, dict)
    return dict(found)


def details(sample: EvalSample) -> dict[str, Any]:
    assert sample.scores is not None
    return sample.scores["judged"].metadata or {}


def by_id(log: EvalLog) -> dict[str, EvalSample]:
    return {str(sample.id): sample for sample in log.samples or ()}


# prompts


def test_creative_prompts_take_the_modifier_of_their_iteration(shared: Path) -> None:
    raw = json.loads((shared / "prompts" / "creative_writing_prompts_v3.json").read_text(encoding="utf-8"))
    samples = eqbench_creative.samples(Choice("v3", iterations=12, folder=shared / "prompts"))
    assert len(samples) == 12 * 32
    assert len({s.id for s in samples}) == len(samples)
    assert [s.id for s in samples[:2]] == ["1-1", "2-1"]
    for sample in samples:
        entry, metadata = raw[sample.metadata["prompt_id"]], sample.metadata or {}  # type: ignore[index]
        modifier = entry["seed_modifiers"][(metadata["iteration"] - 1) % len(entry["seed_modifiers"])]
        assert sample.input == entry["writing_prompt"].replace("<SEED>", modifier)
        assert "<SEED>" not in str(sample.input)
    assert len(eqbench_creative.samples(Choice("v3", iterations=3, folder=shared / "prompts"))) == 96


def test_creative_seeds_are_those_of_the_recorded_runs(shared: Path) -> None:
    import gzip

    samples = {str(s.id): s for s in eqbench_creative.samples(Choice("v3", iterations=3, folder=shared / "prompts"))}
    with gzip.open(shared / "eqbench_creative_replay" / "ministral-3b.jsonl.gz", "rt") as lines:
        rows = [json.loads(line) for line in lines]
    assert len(rows) == 96
    for row in rows:
        metadata = samples[f"{row['prompt_id']}-{row['iteration']}"].metadata or {}
        assert metadata["seed_modifier"] == row["seed_modifier_inferred"]


def test_writingbench_has_96_english_queries_with_five_criteria() -> None:
    english, chinese, everything = (
        writingbench.samples(Choice("D4", language=language)) for language in ("en", "zh", "all")
    )
    assert (len(english), len(chinese), len(everything)) == (96, 87, 183)
    for sample in everything:
        assert [set(c) for c in (sample.metadata or {})["criteria"]] == [{"criterion", "description", "bands"}] * 5
    first = (english[0].metadata or {})["criteria"][0]
    assert first["bands"].startswith("1-2: ")
    assert first["bands"].count("\n") == 4


@pytest.mark.parametrize("spoil", [lambda c: c.pop(), lambda c: c[2].pop("5-6"), lambda c: c[0].update(name="")])
def test_a_query_without_five_criteria_is_refused(spoil: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    bands = dict.fromkeys(writingbench.BANDS, "text")
    criteria = [{"name": f"c{i}", "criteria_description": "d", **bands} for i in range(5)]
    query = {"index": 7, "domain1": writingbench.DOMAIN, "domain2": "Novel", "query": "Write.", "checklist": criteria}
    monkeypatch.setattr(writingbench, "parsed", lambda *args: [query])
    assert len(writingbench.samples(Choice("D4"))) == 1
    spoil(criteria)
    with pytest.raises(UserError, match="query 7 has"):
        writingbench.samples(Choice("D4"))


def test_longbench_languages_share_their_ids(shared: Path) -> None:
    chosen = [
        Choice("LongBench-Write", language=language, folder=shared / "prompts") for language in ("all", "en", "zh")
    ]
    everything, english, chinese = map(longbench_write.samples, chosen)
    assert (len(everything), len(english), len(chinese)) == (120, 60, 60)
    assert {s.id for s in english} | {s.id for s in chinese} == {s.id for s in everything}
    lines = (shared / "prompts" / "longbench_write_en.jsonl").read_text(encoding="utf-8").splitlines()
    assert [s.input for s in english] == [json.loads(line)["prompt"] for line in lines]
    targets = [(s.metadata or {})["target_words"] for s in everything]
    assert (min(targets), max(targets)) == (100, 20000)


@pytest.mark.parametrize("benchmark", benchmarks())
def test_a_language_without_prompts_is_refused(benchmark: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=f"{benchmark} has no prompts in language 'fr'"):
        inspect_eval(f"polaris_eval/{benchmark}", model=PROXY, task_args={"language": "fr", "judge": PROXY},
                     log_dir=str(tmp_path), display="none")  # fmt: skip


@pytest.mark.parametrize(
    ("benchmark", "settings"),
    [
        ("eqbench_longform", {"temperature": 0.8, "top_p": 0.95, "repetition_penalty": 1.1}),
        ("eqbench_creative", {"temperature": 0.7, "min_p": 0.1}),
        ("writingbench", {"temperature": 0.7, "top_p": 0.8, "top_k": 20, "max_tokens": 16000}),
        ("longbench_write", {"temperature": 0.8, "top_p": 0.95, "repetition_penalty": 1.1}),
    ],
)
def test_writing_settings_and_stamps(shared: Path, tmp_path: Path, benchmark: str, settings: dict[str, float]) -> None:
    folder = {} if benchmark in ("writingbench", "eqbench_longform") else {"data_dir": str(shared / "prompts")}
    with serve(lambda n, system, user: well_behaved(system, user)) as server:
        model = get_model(f"vllm/{benchmark}", base_url=f"{server.url}/v1", api_key="k", memoize=False)
        log = inspect_eval(f"polaris_eval/{benchmark}", model=model, model_roles={"grader": PROXY}, task_args=folder,
                           log_dir=str(tmp_path), limit=1, display="none")[0]  # fmt: skip
    sent = server.bodies[0]
    assert log.status == "success", log.error
    known = ("temperature", "top_p", "top_k", "min_p", "max_tokens", "repetition_penalty")
    assert {name: sent[name] for name in known if name in sent} == settings
    stamped, rubric = log.eval.metadata or {}, load_rubric(benchmark)
    assert (stamped["benchmark"], stamped["rubric"], stamped["rubric_digest"]) == (benchmark, benchmark, rubric.digest)
    assert (stamped["headline"], stamped["scale"]) == ("score", rubric.scale)
    assert writing_settings(log).split() == [f"{k}={v}" for k, v in settings.items()]
    assert stamped["split"] == ("ID" if benchmark == "eqbench_longform" else "OOD")


# scores


def test_scores_and_metrics_of_each(shared: Path, tmp_path: Path) -> None:
    folder = str(shared / "prompts")
    log = run(tmp_path, "eqbench_creative", [{"id": "1-1", "story": PROSE * 9}], data_dir=folder)
    (sample,) = log.samples or ()
    assert set(judged(sample)) == {"score", "rated", "coverage", "empty", "refused", "truncated"} | {
        d.id for d in load_rubric("eqbench_creative").dimensions
    }
    assert (sample.metadata["prompt_id"], sample.metadata["category"]) == ("1", "historical fiction")
    (sample,) = run(tmp_path, "eqbench_longform", [{"id": "any", "story": PROSE * 9}]).samples or ()
    assert {"score", "uniform", "rated", "Forced Poetry or Metaphor"} <= set(judged(sample))


@pytest.mark.parametrize(
    ("story", "s_l"),
    [
        ("word " * 100, 100),
        ("word " * 50, 50),  # half: 1 - (2 - 1) / 2
        ("word " * 200, 100 * 2 / 3),  # double: 1 - (2 - 1) / 3
        ("word " * 400, 0),
        ("word " * 25, 0),
        ("字" * 100, 100),
        ("字" * 40 + " word" * 60 + " 12345 !!!", 100),  # CJK characters and Latin words; numbers do not count
        ("", 0),
    ],
)
def test_longbench_combines_quality_and_length(shared: Path, tmp_path: Path, story: str, s_l: float) -> None:
    """Prompt 1 asks for 100 words."""
    (sample,) = (
        run(tmp_path, "longbench_write", [{"id": "1", "story": story}], data_dir=str(shared / "prompts")).samples or ()
    )
    found = judged(sample)
    assert found["s_l"] == pytest.approx(s_l)
    assert found["combined"] == pytest.approx(found["score"] * s_l / 100)
    assert found["empty"] == (not story)
    assert sample.scores["length_adherence"].value["ratio"] == pytest.approx(  # type: ignore[index,call-overload]
        {"字" * 100: 1}.get(story, len(story.replace(" 12345 !!!", "").replace("word", "w").replace(" ", "")) / 100)
    )


@pytest.mark.slow
def test_the_other_benchmarks_show_the_judge_the_whole_prompt(shared: Path, tmp_path: Path) -> None:
    prompt = "Write a story. It should be approximately 100 words long."
    seen: dict[str, str] = {}
    for benchmark in benchmarks():
        folder = {"data_dir": str(shared / "prompts")} if benchmark in ("eqbench_creative", "longbench_write") else {}
        key = {"eqbench_creative": "1-1", "writingbench": "172"}.get(benchmark, "1")
        with serve(lambda n, system, user: well_behaved(system, user)) as server:
            model = get_model("openai-api/loop/j", base_url=f"{server.url}/v1", api_key="k", memoize=False)
            run(tmp_path, benchmark, [{"id": key, "prompt": prompt, "story": PROSE}], model, **folder)
        seen[benchmark] = fenced(server.bodies[0]["messages"][1]["content"])[0]
    assert {name for name, text in seen.items() if "words long" not in text} == {"story_quality", "eqbench_longform"}


def test_a_text_reply_cut_by_the_token_limit_is_asked_for_again() -> None:
    import asyncio

    rubric = load_rubric("eqbench_creative")

    def script(number: int, system: str, user: str) -> str | tuple[str, str]:
        whole = well_behaved(system, user)
        return (whole[:-1], "length") if number == 0 else whole

    with serve(script) as server:
        model = get_model("openai-api/loop/j", base_url=f"{server.url}/v1", api_key="k", memoize=False)
        verdict = asyncio.run(judge(rubric, "p", PROSE, model))
    assert (verdict.status, verdict.attempts) == ("scored", 2)
    assert "cut off" in verdict.complaints[0]


def test_writingbench_judges_five_criteria_at_the_same_time(tmp_path: Path) -> None:
    together = threading.Barrier(5, timeout=20)

    def script(number: int, system: str, user: str) -> str:
        together.wait()  # answers only once all five are under way
        return json.dumps({"reason": f"because {user.count('CRITERION')}", "score": number % 5 + 3})

    with serve(script) as server:
        model = get_model("openai-api/loop/j", base_url=f"{server.url}/v1", api_key="k", memoize=False)
        (sample,) = run(tmp_path, "writingbench", [{"id": "172", "story": PROSE}], model).samples or ()
    assert len(server.requests) == 5
    criteria = details(sample)["criteria"]
    assert sorted(c["score"] for c in criteria) == [3, 4, 5, 6, 7]
    assert all(c["reason"] == "because 1" and c["criterion"] for c in criteria)
    assert judged(sample)["score"] == 5
    asked = {body["messages"][1]["content"].split("CRITERION: ")[1].split("\n")[0] for body in server.bodies}
    assert asked == {c["criterion"] for c in criteria}


def test_a_story_with_a_failed_criterion_is_unscored_and_keeps_the_others(tmp_path: Path) -> None:
    replies = [{"id": "172", "part": n, "reply": json.dumps({"reason": "r", "score": 2 * n})} for n in (1, 2, 4, 5)]
    replies.append({"id": "172", "part": 3, "reply": ["7", "seven", '{"score": 70}']})
    replies += [{"id": "173", "part": n, "reply": '{"reason": "r", "score": 6}'} for n in range(1, 6)]
    judge = f"polaris_eval/replay/{write_jsonl(tmp_path / 'replies.jsonl', replies)}"
    log = run(tmp_path, "writingbench", [{"id": "172", "story": PROSE}, {"id": "173", "story": PROSE}], judge)
    failed = by_id(log)["172"]
    assert math.isnan(judged(failed)["score"])
    assert judged(failed)["coverage"] == 0
    assert [c["score"] for c in details(failed)["criteria"]] == [2, 4, None, 8, 10]
    assert "criterion 3: malformed reply, 3 times" in str(failed.scores["judged"].explanation)  # type: ignore[index]
    assert judged(by_id(log)["173"])["score"] == 6
    metrics = {score.name: score.metrics["mean"].value for score in log.results.scores if "mean" in score.metrics}  # type: ignore[union-attr]
    assert (metrics["score"], metrics["coverage"]) == (6, 0.5)


def test_an_empty_story_is_not_sent_five_times(tmp_path: Path) -> None:
    judge = f"polaris_eval/replay/{write_jsonl(tmp_path / 'none.jsonl', [{'id': 'x', 'reply': 'x'}])}"
    (sample,) = run(tmp_path, "writingbench", [{"id": "172", "story": " "}], judge).samples or ()
    assert (judged(sample)["score"], judged(sample)["empty"]) == (1, 1)


# refusals


@pytest.mark.parametrize(
    ("benchmark", "key"), [("writingbench", "1"), ("eqbench_creative", "27-1"), ("longbench_write", "121")]
)
def test_a_story_for_no_prompt_of_the_benchmark_is_refused(
    benchmark: str, key: str, shared: Path, tmp_path: Path
) -> None:
    path = write_jsonl(tmp_path / "s.jsonl", [{"id": key, "prompt": "p", "story": "s", "model": "m"}])
    folder = {} if benchmark == "writingbench" else {"data_dir": str(shared / "prompts")}
    with pytest.raises(UserError, match=f"the story '{key}' of 'm' does not belong to any prompt of {benchmark}"):
        args = {"stories": str(path), "judge": PROXY, **folder}
        inspect_eval(f"polaris_eval/{benchmark}", model=None, task_args=args, log_dir=str(tmp_path), display="none")


def test_stories_may_name_their_prompt_in_metadata(tmp_path: Path) -> None:
    stories = [{"id": f"mine-{i}", "story": PROSE * (i + 1), "metadata": {"prompt_id": 172}} for i in range(3)]
    log = run(tmp_path, "writingbench", stories)
    assert Counter(s.metadata["prompt_id"] for s in log.samples or ()) == {"172": 3}
    assert {s.metadata["category"] for s in log.samples or ()} == {"Brainstorm"}


def test_a_prompt_named_in_metadata_comes_before_the_id(tmp_path: Path, shared: Path) -> None:
    folder = str(shared / "prompts")
    stories = [{"id": str(n), "story": PROSE, "metadata": {"prompt_id": str(n + 40)}} for n in (1, 2)]
    log = run(tmp_path, "longbench_write", stories, data_dir=folder)
    targets = {
        s.id: (s.metadata or {})["target_words"]
        for s in longbench_write.samples(Choice("LongBench-Write", language="all", folder=shared / "prompts"))
    }
    assert {s.id: s.metadata["target_words"] for s in log.samples or ()} == {"1": targets["41"], "2": targets["42"]}
    story = {"id": "1", "story": PROSE, "target_words": 2000}
    with pytest.raises(UserError, match="has target_words 2000, but prompt 1 of longbench_write asks for 100"):
        run(tmp_path, "longbench_write", [story], data_dir=folder)


def test_iterations_beyond_the_usual_three(tmp_path: Path, shared: Path) -> None:
    (sample,) = (
        run(tmp_path, "eqbench_creative", [{"id": "1-7", "story": PROSE}], data_dir=str(shared / "prompts")).samples
        or ()
    )
    assert sample.metadata["prompt_id"] == "1"


def test_metadata_of_a_story_is_kept_and_decides_nothing(tmp_path: Path) -> None:
    given = {"kept_replies": ['{"reason": "", "score": 10}'] * 5, "criteria": [], "story": "x", "truncated": True,
             "target_words": "long", "category": ["a", "b"]}  # fmt: skip
    judge = f"polaris_eval/replay/{write_jsonl(tmp_path / 'none.jsonl', [{'id': 'x', 'reply': 'x'}])}"
    (sample,) = run(tmp_path, "writingbench", [{"id": "172", "story": PROSE, "metadata": given}], judge).samples or ()
    assert details(sample)["status"] == "unscored"
    assert len(details(sample)["criteria"]) == 5
    assert judged(sample)["truncated"] == 0
    assert sample.metadata["given"] == given
    assert sample.metadata["category"] == "Brainstorm"
    (sample,) = run(tmp_path, "story_quality", [{"id": "1", "story": PROSE, "metadata": given}]).samples or ()
    assert sample.metadata["category"] == "['a', 'b']"
    assert math.isnan(sample.scores["length_adherence"].value["ratio"])  # type: ignore[index,call-overload,arg-type]


def test_replies_in_the_wrong_format_leave_stories_unscored(tmp_path: Path, shared: Path) -> None:
    wrong = {"eqbench_creative": '{"score": 5}', "longbench_write": "[Analysis]\nx\n[Scores]\nRelevance: 4"}
    for benchmark, reply in wrong.items():
        key = "1-1" if benchmark == "eqbench_creative" else "1"
        path = write_jsonl(tmp_path / "replies.jsonl", [{"id": key, "reply": [reply] * 3}])
        (sample,) = (
            run(tmp_path, benchmark, [{"id": key, "story": PROSE}], f"polaris_eval/replay/{path}",
                data_dir=str(shared / "prompts")).samples or ()
        )  # fmt: skip
        assert details(sample)["status"] == "unscored"
        assert math.isnan(judged(sample)["score"])
        assert len(details(sample)["replies"]) == 3

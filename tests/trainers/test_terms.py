"""The reward's terms: each is what the evaluation says of the same stories, and their sum is the reward."""

from __future__ import annotations

import json
import re
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch", reason="needs the extra train")

import yaml
from conftest import PROSE, Cli, stories, write_jsonl
from inspect_ai.log import read_eval_log
from loopback import serve
from test_reward import QUICK, ask, reward_of

from polaris_eval.harness.errors import UserError
from polaris_eval.rubrics import Rubric, load_rubric
from polaris_eval.trainers.recipe import Recipe
from polaris_eval.trainers.recipe_files import load_recipe
from polaris_eval.trainers.reward.judged import asked_terms, reward_functions
from polaris_eval.trainers.reward.ledger import read_rows

pytestmark = pytest.mark.model
JUDGE = "polaris_eval/lexical"


def recipe(*changes: str) -> Recipe:
    return load_recipe("smoke", ["trl.max_completion_length=4096", *changes])


def harbours(count: int) -> list[dict[str, Any]]:
    """Stories of one prompt, each with its number in it."""
    return [
        {
            "id": "p",
            "prompt": "Write of a harbour.",
            "story": f"{PROSE * 5} This was harbour number {i}.",
            "model": f"m{i}",
        }
        for i in range(count)
    ]


def preferring(rubric: Rubric, difference: int) -> str:
    """A judge's reply to a pair: the first story wins by so many pluses, an odd number below ten."""
    pluses = {d.id: 1 if i % 2 else -1 for i, d in enumerate(rubric.dimensions)} | {rubric.dimensions[0].id: difference}
    marks = {name: ("A" if given > 0 else "B") + "+" * abs(given) for name, given in pluses.items()}
    return json.dumps({"reasons": "so", **marks})


def numbers(user: str) -> tuple[int, int]:
    """Which two of `harbours` a judge is shown, in order."""
    first, second = dict.fromkeys(int(found) for found in re.findall(r"harbour number (\d+)", user))
    return first, second


def logged(cli: Cli, folder: Path, path: Path, *args: str) -> dict[str, float]:
    """The scores of an evaluation of a stories file, by the story's id."""
    done = cli("run", "--stories", path, "--judge", JUDGE, "--log-dir", folder, *args)
    assert done.returncode == 0, done.stderr
    samples = read_eval_log(str(next(folder.glob("*.eval")))).samples or []
    return {str(sample.id): sample.scores["judged"].value["score"] for sample in samples if sample.scores}


def test_each_rubric_is_judged_as_in_an_evaluation(cli: Cli, tmp_path: Path) -> None:
    records = stories(4)
    path = write_jsonl(tmp_path / "s.jsonl", records)
    columns = {"prompts": [r["prompt"] for r in records], "uid": [r["id"] for r in records]}
    texts = [record["story"] for record in records]
    chosen = recipe(
        "reward.terms.torrance={rubric: ttcw, weight: 0.5}", "reward.terms.half={rubric: ttcw, weight: 0, scale: 6}",
        "validation.benchmarks=[longbench_write]", "validation.metric=longbench_write",
    )  # fmt: skip
    reward = reward_of(chosen, tmp_path / "run")
    found = ask(reward, texts, **columns)
    held = ask(reward, texts, held_out=True, **columns)
    scores = {
        name: logged(cli, tmp_path / name, path, *(("--rubric", name) if name != "story_quality" else ()))
        for name in ("story_quality", "ttcw", "longbench_write")
    }
    for term, name in (("story_quality", "story_quality"), ("torrance", "ttcw")):
        whole = load_rubric(name).faultless
        for extra in (found["extra"], held["extra"]):
            assert extra[term] == [scores[name][r["id"]] / whole for r in records]
    whole = load_rubric("longbench_write").faultless
    assert held["extra"]["longbench_write"] == [scores["longbench_write"][r["id"]] / whole for r in records]
    # what has no weight is not asked for, and a benchmark does not count
    assert "half" not in found["extra"]
    assert found["extra"]["longbench_write"] == [None] * 4  # the same columns in every batch
    for i, value in enumerate(held["rewards"]):
        part = {name: held["extra"][name][i] for name in ("story_quality", "torrance", "repetition", "length", "blank")}
        expected = part["story_quality"] + 0.5 * part["torrance"] - 0.8 * part["repetition"] - 0.2 * part["length"]
        assert value == pytest.approx(expected - part["blank"])
    # the training reward with the weights of the held-out prompts, to be plotted beside theirs
    assert found["metrics"]["parts/reward_as_held_out"] == pytest.approx(held["rewards"])
    # a line as each verdict comes in, so that its cost is on record, and one with all of them
    lines = [row for row in read_rows(tmp_path / "run" / "rewards.jsonl") if row["phase"] == "train"]
    assert len(lines) == 3 * 4
    rows = [row for row in lines if row["reward"] is not None]
    assert rows[0]["judgments"].keys() == {"story_quality", "torrance"}
    assert rows[0]["judgments"]["torrance"]["score"] == scores["ttcw"][rows[0]["uid"]]
    kept = [json.loads(line) for line in (tmp_path / "run/held_out/step-00000.jsonl").read_text().splitlines()]
    assert kept[0]["metadata"]["longbench_write"] == held["extra"]["longbench_write"][0]


def test_a_group_is_ranked_as_in_an_arena(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Shares of a win by hand; the arena then makes no call of its own for the same stories and judge."""
    cache = {"POLARIS_CACHE": str(tmp_path / "cache"), "POLARIS_JUDGE_CACHE": "on", "OPENAI_API_KEY": "none"}
    for name, value in cache.items():
        monkeypatch.setenv(name, value)
    rubric, calls = load_rubric("pairwise"), Counter[tuple[int, int]]()

    def script(number: int, system: str, user: str) -> str:
        a, b = numbers(user)
        calls[a, b] += 1
        return preferring(rubric, 3 if a > b else -3)  # a small win counts 0.75

    records = harbours(4)
    with serve(script) as server:
        spec = json.dumps({**QUICK, "model": "openai/gpt-5.4-mini", "base_url": server.url})
        chosen = recipe(f"judge={spec}", "reward.terms={ranked: {rubric: pairwise}, story_quality: null}")
        reward = reward_of(chosen, tmp_path / "run")
        found = ask(reward, [r["story"] for r in records], prompts=[r["prompt"] for r in records])
        assert len(calls) == sum(calls.values()) == 12  # six pairs, both orders, each asked once
        assert found["extra"]["ranked"] == pytest.approx([0.25, 0.25 + 0.5 / 3, 0.75 - 0.5 / 3, 0.75])
        assert found["metrics"]["judge/unjudged"] == [0] * 4
        names = [write_jsonl(tmp_path / f"{i}.jsonl", [record]) for i, record in enumerate(records)]
        judge = ["--judge", "openai/gpt-5.4-mini", "--judge-base-url", server.url]
        done = cli("arena", *names, *judge, **cache)
        assert done.returncode == 0, done.stderr
        assert sum(calls.values()) == 12
    held = ask(reward, [records[0]["story"]], held_out=True)
    assert held["extra"]["ranked"] == [None]
    assert asked_terms(chosen, held_out=True) == {}


def test_a_comparison_that_fails_leaves_both_stories_unjudged_and_is_asked_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    rubric, failing, calls = load_rubric("pairwise"), {(0, 2)}, Counter[tuple[int, int]]()

    def script(number: int, system: str, user: str) -> str | int:
        pair = numbers(user)
        calls[pair] += 1
        if pair in failing:
            failing.discard(pair)
            return 400
        return preferring(rubric, 1)

    with serve(script) as server:
        spec = json.dumps({**QUICK, "model": "openai/gpt-5.4-mini", "base_url": server.url})
        chosen = recipe(f"judge={spec}", "reward.terms={ranked: {rubric: pairwise}, story_quality: null}")
        found = ask(reward_of(chosen, tmp_path / "run"), [r["story"] for r in harbours(4)], prompts=["A harbour."] * 4)
    assert calls[0, 2] == 2
    assert sum(calls.values()) == 13
    rows = read_rows(tmp_path / "run" / "rewards.jsonl")
    assert sorted((row["attempt"], row["status"], row["row"]) for row in rows) == [
        (0, "scored", 1), (0, "scored", 3), (0, "unscored", 0), (0, "unscored", 2), (1, "scored", 0), (1, "scored", 2),
    ]  # fmt: skip
    assert found["extra"]["ranked"] == pytest.approx([0.5] * 4)
    each = [row["judgments"]["ranked"]["usage"] for row in rows]
    assert (
        sum(usage.get("input_tokens", 0) for usage in each) == 12 * 100  # of the twelve answers
    )  # those of the twelve calls that were answered


FUNCTIONS = """
import asyncio

def words(completions, **columns):
    return [len(c[0]["content"].split()) / 100 for c in completions]

async def own_prompts(prompts, completion_ids, trainer_state, uid, **columns):
    await asyncio.sleep(0)
    return [float(trainer_state.global_step) if u != "p1" else None for u in uid]

def short(completions, **columns):
    return [1.0]

def fails(completions, **columns):
    raise KeyError("no such column")

constant = 3
"""


def test_functions_of_ones_own_take_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my_rewards.py").write_text(FUNCTIONS)
    texts = [record["story"] for record in stories(3)]
    completions = [[{"role": "assistant", "content": text}] for text in texts]
    plain = ask(reward_of(recipe("reward.clip=100"), tmp_path / "plain"), texts)
    more = ["reward.clip=100", "reward.terms.size={function: 'my_rewards:words', weight: -0.1}",
            "reward.terms.steps={function: 'my_rewards:own_prompts', weight: 0.01}"]  # fmt: skip
    found = ask(reward_of(recipe(*more), tmp_path / "run"), texts, step=5, completions=completions)
    sizes = [len(text.split()) / 100 for text in texts]
    assert found["extra"]["size"] == pytest.approx(sizes)
    assert found["extra"]["steps"] == [5.0, None, 5.0]
    gains = [ours - before for ours, before in zip(found["rewards"], plain["rewards"], strict=True)]
    assert gains == pytest.approx([0.05 - 0.1 * sizes[0], -0.1 * sizes[1], 0.05 - 0.1 * sizes[2]])
    # a row of which no term has a value has no reward, as in TRL
    none = recipe("reward.terms={steps: {function: 'my_rewards:own_prompts'}, story_quality: null}")
    found = ask(reward_of(none, tmp_path / "none"), texts, completions=completions)
    assert [value is None for value in found["rewards"]] == [False, True, False]
    # one that fails leaves the batch without rewards, and the run says why
    for name, why in (("short", "returned 1 values for 3 rows"), ("fails", "KeyError: 'no such column'")):
        reward = reward_of(recipe(f"reward.terms.own={{function: 'my_rewards:{name}'}}"), tmp_path / name)
        assert ask(reward, texts, completions=completions)["rewards"] == [None] * 3
        assert reward.trouble == f"own: {why}"
    # no judge at all: what is measured and computed is the whole reward
    alone = recipe("reward.terms={size: {function: 'my_rewards:words'}, story_quality: null}")
    found = ask(reward_of(alone, tmp_path / "alone"), texts, completions=completions)
    assert found["extra"]["status"] == ["scored"] * 3
    assert len(read_rows(tmp_path / "alone" / "rewards.jsonl")) == 3
    for name, why in (("my_rewards:nothing", "my_rewards has no function nothing"),
                      ("my_rewards:constant", "my_rewards has no function constant"),
                      ("no_such_module:f", "no_such_module cannot be imported: ModuleNotFoundError")):  # fmt: skip
        with pytest.raises(UserError, match=f"reward.terms.own.function: {why}"):
            reward_functions(recipe(f"reward.terms.own={{function: '{name}'}}"))
    sys.modules.pop("my_rewards")


def test_the_short_form_and_the_terms_are_one(tmp_path: Path) -> None:
    short = load_recipe("smoke", ["reward.rubric=ttcw", "reward.weights.length=0.1", "reward.reasoning_cost=0.5"])
    changes = [
        "reward.terms.story_quality.rubric=ttcw",
        "reward.terms.length.weight=0.1",
        "reward.terms.reasoning.weight=0.5",
    ]
    assert short == load_recipe("smoke", changes)
    assert Recipe.model_validate(yaml.safe_load(yaml.safe_dump(short.model_dump(mode="json")))) == short
    assert {name: term.weight for name, term in short.reward.terms.items()} == {
        "story_quality": 1, "repetition": 1.5, "length": 0.1, "blank": 1, "reasoning": 0.5, "overlong": 1,
    }  # fmt: skip
    assert short.weights(held_out=True)["length"] == 0.2
    # a recipe that names its terms has those alone; one built on another has its base's, too
    own = {
        **yaml.safe_load(yaml.safe_dump(short.model_dump(mode="json"))),
        "name": "own",
        "validation": {"judge": JUDGE},
    }
    own["reward"] = {"terms": {"good": {"rubric": "ttcw"}, "length": {"weight": 0.3}}}
    (tmp_path / "own.yaml").write_text(yaml.safe_dump(own))
    child = {"base": str(tmp_path / "own.yaml"), "name": "child",
             "reward": {"terms": {"length": None, "blank": {"weight": 2}}, "weights": {"repetition": 0.4}}}  # fmt: skip
    (tmp_path / "child.yaml").write_text(yaml.safe_dump(child))
    assert list(load_recipe(str(tmp_path / "own.yaml")).reward.terms) == ["good", "length"]
    found = load_recipe(str(tmp_path / "child.yaml"))
    assert {name: term.weight for name, term in found.reward.terms.items()} == {
        "good": 1,
        "blank": 2,
        "repetition": 0.4,
    }


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ("reward.terms.nice={weight: 1}", "terms.nice: needs either rubric or function"),
        ("reward.terms.nice={rubric: ttcw, function: 'a:b'}", "terms.nice: needs either rubric or function"),
        ("reward.terms.length={rubric: ttcw}", "terms.length: is the name of a measure"),
        ("reward.terms.words={rubric: ttcw}", "terms.words: is no name for a term"),
        ("reward.terms.Nice={rubric: ttcw}", "terms.Nice: is no name for a term"),
        ("reward.terms.nice={rubric: ttcw, weight: -1}", "terms.nice.weight: must not be negative"),
        ("reward.terms.nice={function: ab}", "terms.nice.function: 'ab' is not MODULE:FUNCTION"),
        ("reward.terms.nice={function: 'a:b', scale: 2}", "terms.nice: judge and scale are for a term with a rubric"),
        ("reward.terms.nice={rubrik: ttcw}", "reward.terms.nice.rubrik: no such key; known here: weight, rubric"),
        ("reward.weights=[1]", "reward.weights: must name terms and their weights"),
        ("validation.weights.nice=1", "validation.weights.nice: no such term; the reward has story_quality"),
        ("validation.metric=nice", "validation.metric: nice is none of reward, story_quality"),
        ("validation.weights.length=-1", "validation.weights.length: must not be negative"),
        ("reward.terms.nice=1", "reward.terms.nice: must be settings, such as {rubric: ttcw, weight: 0.5}, not 1"),
        ("reward.terms=[1]", "reward.terms: must name terms and their settings, not [1]"),
        ("reward.terms.verdict={rubric: ttcw}", "terms.verdict: is no name for a term"),
        ("reward.terms.advantage={rubric: ttcw}", "terms.advantage: is no name for a term"),
        ("reward.terms.nice={rubric: ttcw, judge: {model: a/b, retries: 1}}", "terms.nice.judge.retries: tries are"),
    ],
)  # fmt: skip
def test_terms_that_mean_nothing_are_refused_in_a_line(change: str, why: str) -> None:
    with pytest.raises(UserError) as refused:
        recipe(change)
    assert why in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_term_is_taken_out_with_its_weight(tmp_path: Path) -> None:
    found = load_recipe("polaris-9b", ["reward.terms.blank=null", "reward.terms.length.weight=0.3"])
    assert "blank" not in found.reward.terms
    assert "blank" not in found.validation.weights
    saved = yaml.safe_dump(found.model_dump(mode="json"))
    (tmp_path / "saved.yaml").write_text(saved)
    again = load_recipe(str(tmp_path / "saved.yaml"), ["reward.terms.repetition=null"])
    assert set(again.reward.terms) == {"story_quality", "length", "reasoning", "overlong"}


def test_terms_that_cannot_be_judged_are_refused(tmp_path: Path) -> None:
    for change, held_out, why in (
        ("reward.rubric=writingbench", False, "story_quality.rubric: writingbench is asked once per criterion"),
        ("reward.terms.nice={rubric: pairwise, scale: 2}", False, "has no scale"),
        ("validation.benchmarks=[writingbench]", True, "benchmarks: writingbench is asked once per criterion"),
        ("validation.benchmarks=[story_quality]", True, "story_quality is the name of a term"),
        ("validation.benchmarks=[nothing]", True, "unknown benchmark 'nothing'"),
    ):  # fmt: skip
        chosen: Any = recipe(change)
        with pytest.raises(UserError, match=re.escape(why)):
            asked_terms(chosen, held_out)

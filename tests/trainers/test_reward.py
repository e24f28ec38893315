"""The training reward is the evaluation's judgment, and a row without one has no reward."""

from __future__ import annotations

import asyncio
import copy
import json
import re
import threading
import time
from collections import Counter
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("torch", reason="needs the extra train")

from conftest import PROSE, Cli, reply, stories, write_jsonl
from hypothesis import given
from hypothesis import strategies as st
from inspect_ai.log import read_eval_log
from loopback import serve, well_behaved
from packaging import version
from tiny import TOKENIZER

from polaris_eval.harness.length import Length, blank_penalty, length_penalty
from polaris_eval.harness.prices import load_prices
from polaris_eval.harness.repetition import repetition_penalty
from polaris_eval.harness.text.forms import FORMS, Form
from polaris_eval.rubrics import Rubric
from polaris_eval.trainers.recipe import Recipe
from polaris_eval.trainers.recipe_files import load_recipe
from polaris_eval.trainers.reward.batch import Reward
from polaris_eval.trainers.reward.judged import Judging, asked_terms, reward_functions
from polaris_eval.trainers.reward.ledger import HELD_OUT, TRAIN, Ledger, read_rows
from polaris_eval.trainers.reward.scoring import Response, combine, measure
from polaris_eval.trainers.run.checks import make_jury
from polaris_eval.trainers.terms import JudgeSpec, RewardSpec

pytestmark = pytest.mark.model

LIMIT = 4096
END = {TOKENIZER.eos_token_id}
SPEC = RewardSpec.model_validate({})  # the paper's
PAPER = {name: term.weight for name, term in SPEC.terms.items()}
QUICK = {"retries": 1, "retry_wait": 0.05, "row_timeout": 5.0, "batch_timeout": 20.0, "concurrency": 8}


def ids(text: str, end: bool = True) -> list[int]:
    return [*TOKENIZER.encode(text, add_special_tokens=False), *(END if end else ())]


def recipe(**judge: Any) -> Recipe:
    """The smoke recipe with room for long stories and another judge."""
    data = load_recipe("smoke", [f"trl.max_completion_length={LIMIT}"]).model_dump()
    for spec in (data["judge"], data["validation"]["judge"]):
        spec.update({**QUICK, **judge})
    return Recipe.model_validate(data)


def reward_of(chosen: Recipe, folder: Path, opening: str = "") -> Reward:
    folder.mkdir(exist_ok=True)
    prices = load_prices(None)
    judging: dict[str, dict[str, Judging]] = {TRAIN: {}, HELD_OUT: {}}
    used: list[tuple[JudgeSpec, Judging]] = []
    for phase, of in judging.items():
        for name, asked in asked_terms(chosen, phase == HELD_OUT).items():
            if not any(spec == asked.judge for spec, _ in used):
                used.append((asked.judge, Judging(asked.judge, make_jury(asked.judge), prices)))
            of[name] = next(one for spec, one in used if spec == asked.judge)
    functions = reward_functions(chosen)
    return Reward(chosen, judging, functions, TOKENIZER, opening, END, Ledger(folder, 0, chosen.name))


def ask(reward: Reward, texts: list[str], step: int = 0, held_out: bool = False, **columns: Any) -> dict[str, Any]:
    """The rewards of a batch, and what was logged beside them."""
    extra: dict[str, list[Any]] = {}
    metrics: dict[str, list[float]] = {}
    given: dict[str, Any] = {
        "prompts": [[{"role": "user", "content": f"Write of ferry {i}."}] for i in range(len(texts))],
        "completion_ids": [ids(text) for text in texts],
        "uid": [f"p{i}" for i in range(len(texts))],
        "target_words": [None] * len(texts),
        "held_out": [held_out] * len(texts),
        "is_reference": [False] * len(texts),
        **columns,
    }
    found = asyncio.run(
        reward(
            trainer_state=SimpleNamespace(global_step=step),
            log_extra=lambda name, values: extra.setdefault(name, []).extend(values),
            log_metric=lambda name, value: metrics.setdefault(name, []).append(value),
            **given,
        )
    )
    return {"rewards": found, "extra": extra, "metrics": metrics}


def test_a_reward_by_hand() -> None:
    response = Response("", "", 100, 400, 0, False, 0.25, repetition=0.2, length=0.5, blank=1.0)
    plain = 0.6 - 1.5 * 0.2 - 0.8 * 0.5 - 1.0
    assert combine({"story_quality": 0.6}, response, PAPER, SPEC) == pytest.approx(plain - 0.25)
    assert combine({"story_quality": 0.6}, response, PAPER | {"overlong": 0.0}, SPEC) == pytest.approx(plain)
    assert combine({"story_quality": -1.59}, response, PAPER, SPEC) == pytest.approx(-2 - 0.25)  # clipped
    more = combine({"story_quality": 0.6, "dialogue": 0.5}, response, PAPER | {"dialogue": -2.0}, SPEC)
    assert more == pytest.approx(max(-2, plain - 1.0) - 0.25)
    # as released: every token earns the sum, reasoning over its cap costs 0.05 a token, a cut answer its overlong share
    long = Response("", "", 100, 8192, 3272, True, 1.0, 0.0, 0.0, 0.0)
    whole = SPEC.model_copy(update={"score": "sum"})
    assert combine({"story_quality": 0.5}, long, PAPER, whole) == pytest.approx(0.5 * 8192 - 0.05 * 200 - 1.0)
    assert combine({"story_quality": 0.5}, long, PAPER, SPEC) == pytest.approx(0.5 - 0.05 * 200 / 8192 - 1.0)


def test_what_is_measured_is_what_the_evaluation_measures() -> None:
    text = PROSE * 4
    found = measure(ids(text), TOKENIZER, "", END, Length(400, 400), LIMIT, SPEC)
    assert found.repetition == repetition_penalty(found.story)
    assert found.length == length_penalty(found.words, 400)
    assert found.blank == blank_penalty(found.story)
    assert (found.truncated, found.overlong, found.reasoning_tokens) == (False, 0, 0)
    cut = measure(ids(text, end=False), TOKENIZER, "", END, None, len(ids(text, end=False)), SPEC)
    assert (cut.truncated, cut.overlong, cut.length) == (True, 1, 0)


@given(st.text(max_size=40), st.sampled_from(["", "<think>\n"]), st.booleans())
def test_reasoning_is_counted_and_cut(reasoning: str, opening: str, closed: bool) -> None:
    reasoning = reasoning.replace("<", "")
    before = "" if opening else "<think>\n"
    text = f"{before}{reasoning}" + ("\n</think>\nThe ferry waited." if closed else "")
    found = measure(ids(text), TOKENIZER, opening, END, None, LIMIT, SPEC)
    if closed:
        assert found.story == "The ferry waited."
        kept = TOKENIZER.decode(ids(text)[: found.reasoning_tokens])
        assert "</think>" in kept
        assert "ferry" not in kept
    else:
        assert found.story == ""
        assert found.reasoning_tokens == found.tokens


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.opening)
@pytest.mark.parametrize("special", [False, True], ids=["plain", "special tokens"])
def test_every_form_of_reasoning_is_cut_also_where_its_tokens_are_special(form: Form, special: bool) -> None:
    """A tokenizer drops special tokens from what it decodes: the reasoning has to be cut before."""
    tokenizer = copy.deepcopy(TOKENIZER)
    if special:
        if form.start:
            pytest.skip("this form is written in plain words: there are no tags to make special")
        if not form.opening.isascii() and version.parse(metadata.version("transformers")) < version.parse("5.24"):
            pytest.skip("this release of transformers does not decode beside special tokens that are not ASCII")
        marks = re.findall(r"<[^<>]+>|\[[^]]+]|◁[^▷]+▷", form.opening + form.closing)
        tokenizer.add_special_tokens({"additional_special_tokens": marks})
    text = f"{form.opening}The user wants a ferry.{form.closing}The ferry waited."
    written = [*tokenizer.encode(text, add_special_tokens=False), tokenizer.eos_token_id]
    found = measure(written, tokenizer, "", {tokenizer.eos_token_id}, None, LIMIT, SPEC)
    assert (found.story, found.words) == ("The ferry waited.", 3)
    left = tokenizer.decode(written[found.reasoning_tokens :], skip_special_tokens=True)
    assert left.strip() == "The ferry waited."


def test_a_range_is_a_range_in_training_too(tmp_path: Path) -> None:
    reward = reward_of(recipe(), tmp_path / "run")
    long = PROSE * 30  # 1,260 words
    found = ask(reward, [long] * 3, target_words=[1250, 1250, 300], target_range=[[1000, 1500], [], [0, 300]])
    rows = read_rows(tmp_path / "run" / "rewards.jsonl")
    words = rows[0]["words"]
    assert [row["target_words"] for row in rows] == [words, 1250, 300]
    assert [row["length"] for row in rows] == [0, 0, pytest.approx(length_penalty(words, 300))]
    ratios = [ratio for name, values in found["metrics"].items() if name.endswith("length_ratio") for ratio in values]
    assert ratios == [1, pytest.approx(words / 1250), pytest.approx(words / 300)]


def test_parity_with_an_evaluation(cli: Cli, tmp_path: Path) -> None:
    """For the same stories the reward's Story Quality is the evaluation log's score, to the last digit."""
    records = stories(6)
    records[3]["story"] = "<think>\nA plan.\n</think>\n" + records[3]["story"]
    records[4]["story"] = ""
    path = write_jsonl(tmp_path / "s.jsonl", records)
    done = cli("run", "--stories", path, "--judge", "polaris_eval/lexical")
    assert done.returncode == 0, done.stderr
    samples = read_eval_log(str(next((tmp_path / "logs").glob("*.eval")))).samples or []
    logged = {str(sample.id): sample.scores["judged"].value["score"] for sample in samples if sample.scores}
    found = ask(
        reward_of(recipe(), tmp_path / "run"),
        [record["story"] for record in records],
        prompts=[record["prompt"] for record in records],
        uid=[record["id"] for record in records],
    )
    assert found["extra"]["story_quality"] == [logged[uid] / 100 for uid in found["extra"]["uid"]]
    assert found["extra"]["status"][4] == "empty"  # the writer's failure: the lowest score, not a missing one


def answering(times: Counter[str], rubric: Rubric, wrong: Callable[[int], bool] = lambda number: False) -> Any:
    def script(number: int, system: str, user: str) -> str | int:
        times["all"] += 1
        return 400 if wrong(number) else reply(rubric, {"P1": number % 10})

    return script


def test_rows_without_a_verdict_have_no_reward(tmp_path: Path, rubric: Rubric, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "none")

    def script(number: int, system: str, user: str) -> str | int:
        return 400 if "the wrong one" in user else well_behaved(system, user)

    with serve(script) as server:
        reward = reward_of(recipe(model="openai/gpt-5.4-mini", base_url=server.url), tmp_path / "run")
        found = ask(reward, [PROSE, f"{PROSE} the wrong one", PROSE * 2])
    assert found["rewards"][1] is None
    assert all(value is not None for value in (found["rewards"][0], found["rewards"][2]))
    assert found["metrics"]["judge/unjudged"] == [0, 1, 0]
    assert "parts/story_quality" in found["metrics"]
    assert len(found["metrics"]["parts/story_quality"]) == 2
    tries = [row for row in read_rows(tmp_path / "run" / "rewards.jsonl") if row["uid"] == "p1"]
    assert [row["attempt"] for row in tries] == [0, 1]  # tried again once, as told
    assert all(row["status"] == "unscored" and "failing with 400" in row["reason"] for row in tries)


def test_a_judge_that_hangs_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    over = threading.Event()

    def script(number: int, system: str, user: str) -> str:
        over.wait(30)
        return ""

    with serve(script) as server:
        quick = {"row_timeout": 0.4, "batch_timeout": 1.2}
        reward = reward_of(recipe(model="openai/gpt-5.4-mini", base_url=server.url, **quick), tmp_path / "run")
        started = time.monotonic()
        found = ask(reward, [PROSE, PROSE * 2])
        took = time.monotonic() - started
        over.set()
    assert found["rewards"] == [None, None]
    assert took < 10
    assert found["extra"]["reason"] == ["no verdict in time"] * 2


def test_the_same_story_is_judged_once_in_a_step(
    tmp_path: Path, rubric: Rubric, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    times: Counter[str] = Counter()
    same = [[{"role": "user", "content": "Write of a ferry."}]] * 4
    with serve(answering(times, rubric)) as server:
        reward = reward_of(recipe(model="openai/gpt-5.4-mini", base_url=server.url), tmp_path / "run")
        found = ask(reward, [PROSE, PROSE, PROSE * 2, PROSE], prompts=same)
    assert times["all"] == 2
    assert found["rewards"][0] == found["rewards"][1] == found["rewards"][3]
    rows = read_rows(tmp_path / "run" / "rewards.jsonl")
    assert len(rows) == 4
    paid = [row["dollars"] for row in rows if row["dollars"]]
    assert len(paid) == 2
    assert reward.ledger.spent == pytest.approx(sum(paid))
    # the ledger is the file: a run that goes on knows what was spent, also after a kill in mid-line
    with reward.ledger.path.open("a") as file:
        file.write('{"phase": "train", "dol')
    again = reward_of(recipe(), tmp_path / "run")
    assert again.ledger.spent == pytest.approx(sum(paid))
    ask(again, [PROSE], step=1)
    assert len(read_rows(again.ledger.path)) == 5


def test_evaluation_and_training_share_their_judgments(
    cli: Cli, tmp_path: Path, rubric: Rubric, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Same story, rubric and judge: no second call, whichever came first; another judge, or epoch, is asked."""
    cache = {"POLARIS_CACHE": str(tmp_path / "cache"), "POLARIS_JUDGE_CACHE": "on", "OPENAI_API_KEY": "none"}
    for name, value in cache.items():
        monkeypatch.setenv(name, value)
    times: Counter[str] = Counter()
    records = stories(3)
    path = write_jsonl(tmp_path / "s.jsonl", records)
    columns = {"prompts": [r["prompt"] for r in records[:2]], "uid": [r["id"] for r in records[:2]]}
    texts = [record["story"] for record in records[:2]]
    with serve(answering(times, rubric)) as server:
        chosen = recipe(model="openai/gpt-5.4-mini", base_url=server.url)
        first = ask(reward_of(chosen, tmp_path / "run"), texts, **columns)
        assert times["all"] == 2
        judge = ["--judge", "openai/gpt-5.4-mini", "--judge-base-url", server.url]
        done = cli("run", "--stories", path, *judge, **cache)
        assert done.returncode == 0, done.stderr
        assert times["all"] == 3  # the third story is new
        samples = read_eval_log(str(next((tmp_path / "logs").glob("*.eval")))).samples or []
        scores = {str(s.id): s.scores["judged"] for s in samples if s.scores}
        assert [scores[r["id"]].value["score"] / 100 for r in records[:2]] == first["extra"]["story_quality"]
        assert [scores[r["id"]].metadata["kept"] for r in records] == [True, True, False]
        again = reward_of(chosen, tmp_path / "again")
        assert ask(again, texts, **columns)["rewards"] == first["rewards"]
        assert (times["all"], again.ledger.spent) == (3, 0)
        other = recipe(model="openai/gpt-5.4", base_url=server.url)
        ask(reward_of(other, tmp_path / "other"), texts, **columns)
        assert times["all"] == 5
        cli("run", "--stories", path, *judge, "--epochs", 2, "--log-dir", "two", **cache)
        assert times["all"] == 8  # second judgments are judgments of their own
        monkeypatch.setenv("POLARIS_JUDGE_CACHE", "off")
        ask(reward_of(chosen, tmp_path / "off"), texts, **columns)
        assert times["all"] == 10


def test_kept_judgments_that_cannot_be_used_are_found_before_any_call(cli: Cli, tmp_path: Path) -> None:
    path = write_jsonl(tmp_path / "s.jsonl", stories(1))
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "judgments").write_text("a file where a folder has to be")
    with serve(lambda number, system, user: well_behaved(system, user)) as server:
        env = {"POLARIS_CACHE": str(tmp_path / "cache"), "OPENAI_API_KEY": "none"}
        judge = ["--judge", "openai/gpt-5.4-mini", "--judge-base-url", server.url]
        done = cli("run", "--stories", path, *judge, **env, POLARIS_JUDGE_CACHE="on")
        assert done.returncode == 2
        assert "judgments cannot be kept there" in done.stderr
        assert len(done.stderr.strip().splitlines()) == 1
        assert server.requests == []
        assert cli("run", "--stories", path, *judge, **env, POLARIS_JUDGE_CACHE="off").returncode == 0


def test_held_out_stories_are_weighed_and_kept_apart(tmp_path: Path) -> None:
    chosen = recipe()
    reward = reward_of(chosen, tmp_path / "run")
    train = ask(reward, [PROSE * 8], target_words=[1000])
    held = ask(reward, [PROSE * 8], step=20, held_out=True, target_words=[1000])
    penalty = length_penalty(held["extra"]["words"][0], 1000)
    assert penalty > 0
    parts = {name: held["extra"][name][0] for name in ("story_quality", "repetition", "blank")}
    expected = parts["story_quality"] - 0.8 * parts["repetition"] - 0.2 * penalty - parts["blank"]
    assert held["rewards"][0] == pytest.approx(expected)
    assert held["rewards"][0] != train["rewards"][0]
    kept = [json.loads(line) for line in (tmp_path / "run/held_out/step-00020.jsonl").read_text().splitlines()]
    assert [(story["id"], story["model"]) for story in kept] == [("p0", "smoke/step-20")]
    assert kept[0]["story"] == PROSE * 8


def test_references_have_metrics_of_their_own(tmp_path: Path) -> None:
    found = ask(reward_of(recipe(), tmp_path / "run"), [PROSE, PROSE * 2], is_reference=[False, True])
    assert len(found["metrics"]["parts/words"]) == len(found["metrics"]["hri/words"]) == 1
    assert found["metrics"]["hri/words"][0] == 2 * found["metrics"]["parts/words"][0]


def test_judges_are_asked_at_the_same_time(tmp_path: Path, rubric: Rubric, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    waiting, most = 0, 0
    lock = threading.Lock()

    def script(number: int, system: str, user: str) -> str:
        nonlocal waiting, most
        with lock:
            waiting += 1
            most = max(most, waiting)
        time.sleep(0.2)
        with lock:
            waiting -= 1
        return reply(rubric)

    with serve(script) as server:
        chosen = recipe(model="openai/gpt-5.4-mini", base_url=server.url, concurrency=3)
        ask(reward_of(chosen, tmp_path / "run"), [f"{PROSE} {i}" for i in range(9)])
    assert most == 3


def test_the_spec_of_a_judge_is_checked() -> None:
    with pytest.raises(ValueError, match="greater than or equal to 1"):
        JudgeSpec(model="openai/x", concurrency=0)
    with pytest.raises(ValueError, match="name each judge once"):
        JudgeSpec.model_validate(["a/b", "a/b"])
    with pytest.raises(ValueError, match="more than the 2 judges"):
        JudgeSpec.model_validate({"model": ["a/b", "c/d"], "quorum": 3})
    chosen = load_recipe("smoke", ["judge=[openai/b, openai/a]", "validation.judge.model=[x/y, v/w]"])
    assert (chosen.judge.models, chosen.validation.judge.name) == (("openai/a", "openai/b"), "v/w + x/y")


def test_a_jury_rewards_as_it_evaluates(
    cli: Cli, tmp_path: Path, rubric: Rubric, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The mean of all members; one that failed is asked again, and the others are not."""
    for name in ("ONE_API_KEY", "TWO_API_KEY"):
        monkeypatch.setenv(name, "k")
    records = stories(4)
    failing = {("stern", 1)}
    asked: Counter[tuple[str, int]] = Counter()

    def script(number: int, system: str, user: str) -> str | int:
        model = str(server.bodies[number]["model"])
        found = re.search(r"harbour number (\d+)", user)
        assert found is not None
        key = (model, int(found[1]))
        asked[key] += 1
        if key in failing:
            failing.remove(key)
            return 400
        return reply(rubric, {"P1": key[1] + (9 if model == "mild" else 2)})

    with serve(script) as server:
        monkeypatch.setenv("ONE_BASE_URL", f"{server.url}/v1")
        jury = ["openai-api/one/mild", "openai-api/one/stern"]
        reward = reward_of(recipe(model=jury), tmp_path / "run")
        texts = [record["story"] for record in records]
        found = ask(reward, texts, prompts=[record["prompt"] for record in records])
        assert asked == Counter({(m, i): 1 + ((m, i) == ("stern", 1)) for m in ("mild", "stern") for i in range(4)})
        path = write_jsonl(tmp_path / "s.jsonl", records)
        judges = [option for name in jury for option in ("--judge", name)]
        done = cli("run", "--stories", path, *judges)
        assert done.returncode == 0, done.stdout + done.stderr
    samples = read_eval_log(str(next((tmp_path / "logs").glob("*.eval")))).samples or []
    logged = [sample.scores["judged"].value["score"] for sample in samples if sample.scores]
    assert logged == [i + 5.5 for i in range(4)]
    assert found["extra"]["story_quality"] == [score / 100 for score in logged]
    rows = read_rows(tmp_path / "run" / "rewards.jsonl")
    assert sorted(row["attempt"] for row in rows) == [0, 0, 0, 0, 1]
    assert {row["judgments"]["story_quality"]["judge"] for row in rows} == {
        "openai-api/one/mild + openai-api/one/stern"
    }

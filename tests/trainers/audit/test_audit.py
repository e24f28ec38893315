"""The memorisation audit: a small real model that was over-fitted on three stories is caught, and its base is not."""

from __future__ import annotations

import difflib
import json
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

torch = pytest.importorskip("torch", reason="needs the extra train")

import tiny  # noqa: E402
from click.testing import CliRunner, Result  # noqa: E402
from conftest import write_jsonl  # noqa: E402

from polaris_eval.harness.text.overlap import SuffixAutomaton, common_prefix  # noqa: E402
from polaris_eval.trainers.audit.audit import Attack, attacks_on, measure  # noqa: E402
from polaris_eval.trainers.cli.root import main  # noqa: E402
from polaris_eval.trainers.models import load_tokenizer, model_path  # noqa: E402
from polaris_eval.trainers.pairs import read_pairs  # noqa: E402

pytestmark = pytest.mark.model

WORDS = st.lists(st.integers(0, 4), max_size=60)


def call(*args: object) -> Result:
    return CliRunner().invoke(main, [str(arg) for arg in args])


@given(WORDS, WORDS)
def test_the_longest_run_is_that_of_a_search_through_all(one: list[int], other: list[int]) -> None:
    length, start = SuffixAutomaton(one).longest_run(other)
    found = difflib.SequenceMatcher(None, one, other, autojunk=False).find_longest_match()
    assert length == found.size
    runs = [one[i : i + length] for i in range(len(one) - length + 1)]
    assert other[start : start + length] in runs
    assert not length or not any(other[i : i + length] in runs for i in range(start))


def test_it_is_linear_and_knows_the_prefix() -> None:
    random.seed(1)
    story = [random.randrange(50_000) for _ in range(200_000)]
    assert SuffixAutomaton(story[1000:1512]).longest_run(story) == (512, 1000)
    assert SuffixAutomaton([7] * 5000).longest_run([7] * 5000) == (5000, 0)
    assert common_prefix([1, 2, 3], [1, 2, 4]) == 2
    assert common_prefix([1, 2], [1, 2, 3]) == 2
    assert common_prefix([], [1]) == 0


def test_prefix_and_longest_run_of_a_continuation() -> None:
    attack = Attack("u", "trained on", 50, (1, 2), (10, 11, 12, 13, 14, 15))
    assert (lambda c: (c.prefix, c.longest))(measure("audited", attack, [10, 11, 99, 13, 14, 15, 16], "")) == (2, 3)
    assert (lambda c: (c.prefix, c.longest))(measure("audited", attack, [], "")) == (0, 0)


def test_attacks_hand_over_what_they_say(tmp_path: Path) -> None:
    model = tiny.saved(tmp_path / "tiny")
    tokenizer = load_tokenizer(str(model))
    story = "The ferry waited for the rain. " * 40
    rows = [
        {"uid": "long", "prompt": "Write of a ferry.", "story": story, "ground_truth_reasoning": "First the ferry."},
        {"uid": "short", "prompt": "Write of a ferry.", "story": "Rain."},
        {"uid": "none", "prompt": "Write of a ferry."},
    ]
    path = str(write_jsonl(tmp_path / "rows.jsonl", rows))
    attacks = attacks_on(tokenizer, path, "trained on", None)
    assert [(a.uid, a.given) for a in attacks] == [
        ("long", 0), ("long", 50), ("long", 100), ("long", 200), ("short", 0)
    ]  # fmt: skip
    ids = tokenizer.encode(story, add_special_tokens=False)
    template = {"chat_template": "{{ messages[0].content }}{% if deep %} Think.{% endif %}"}
    assert tokenizer.decode(attacks_on(tokenizer, path, "x", 1, {**template, "deep": True})[0].context) == (
        "Write of a ferry. Think."
    )
    for attack in attacks[:4]:
        assert list(attack.truth) == ids[attack.given :]
        text = tokenizer.decode(attack.context)
        assert "Write of a ferry." in text
        assert ("First the ferry.\n</think>\n" in text) == (attack.given > 0)
        assert list(attack.context[len(attack.context) - attack.given :]) == ids[: attack.given] or not attack.given


@pytest.fixture(scope="module")
def overfitted(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The small real model after training on the first three of the pairs that ship here, cut to 80 tokens, until it
    knows them by heart."""
    from transformers import AutoModelForCausalLM

    folder = tmp_path_factory.mktemp("overfitted")
    path = model_path("polaris_eval/local")
    tokenizer = load_tokenizer(path)
    rows = [row for row in read_pairs("smoke") if row["story"]][:4]
    for row in rows:
        ids = tokenizer.encode(row["story"], add_special_tokens=False)
        row["story"] = tokenizer.decode(ids[:80])
    data, control = (
        write_jsonl(folder / name, part) for name, part in (("data.jsonl", rows[:3]), ("control.jsonl", rows[3:]))
    )
    model = AutoModelForCausalLM.from_pretrained(path, dtype=torch.float32)
    # the embeddings stay: half of the weights, and not needed for learning by heart
    model.get_input_embeddings().requires_grad_(False)
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-3, weight_decay=0.0)
    attacks = attacks_on(tokenizer, str(data), "trained on", None)
    rows_of_tokens = [[*a.context, *a.truth, tokenizer.eos_token_id] for a in attacks if a.given == 0]
    width = max(map(len, rows_of_tokens))
    ids = torch.tensor([row + [tokenizer.eos_token_id] * (width - len(row)) for row in rows_of_tokens])
    mask = torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row in rows_of_tokens])
    labels = ids.masked_fill(mask == 0, -100)
    for _ in range(40):
        loss = model(input_ids=ids, attention_mask=mask, labels=labels).loss
        if loss.item() < 0.05:
            break
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    model.save_pretrained(folder / "model")
    tokenizer.save_pretrained(folder / "model")
    return {"model": folder / "model", "data": data, "control": control, "folder": folder, "loss": loss.item()}


@pytest.mark.slow
def test_an_overfitted_model_is_caught_and_its_base_is_not(overfitted: dict[str, Any]) -> None:
    out = overfitted["folder"] / "audit"
    args = ("audit", "--model", overfitted["model"], "--data", overfitted["data"], "--base", "polaris_eval/local",
            "--control", overfitted["control"], "--tokens", 64, "--out", out, "--threshold", 0.5)  # fmt: skip
    done = subprocess.run([sys.executable, "-m", "polaris_eval.trainers.cli", *map(str, args)], capture_output=True,
                          text=True, timeout=600, check=False)  # fmt: skip
    assert done.returncode == 1, done.stdout + done.stderr
    assert "above the threshold" in done.stderr
    report = json.loads((out / "report.json").read_text())
    assert report["worst_share"] == 1.0
    assert report["worst_share_of_controls"] == 0.0
    cells = {(r["attack"], r["model"], r["stories"]): r for r in report["summary"]}
    for attack, least in (("prompt only", 50), ("reasoning + 50 tokens", 25)):
        assert cells[attack, "audited", "trained on"]["longest_median"] >= least
        assert cells[attack, "audited", "trained on"]["prefix_mean"] >= least / 2
        assert cells[attack, "base", "trained on"]["longest_most"] < 20
        assert cells[attack, "audited", "outside"]["longest_most"] < 20
    assert (out / "copied.png").stat().st_size > 10_000

    # the same command again continues nothing anew, and stops in between lose nothing
    lines = (out / "continuations.jsonl").read_text().splitlines()
    (out / "continuations.jsonl").write_text("\n".join(lines[:-1]) + "\n" + lines[-1][:20])
    again = call(*args)
    assert again.exit_code == 1, again.output
    after = (out / "continuations.jsonl").read_text().splitlines()
    assert after[:-1] == lines[:-1] and json.loads(after[-1]) == json.loads(lines[-1])  # one line was made anew
    assert call(*args).exit_code == 1
    assert (out / "continuations.jsonl").read_text().splitlines() == after
    assert json.loads((out / "report.json").read_text()) == report
    # the base itself passes
    passed = call("audit", "--model", "polaris_eval/local", "--data", overfitted["data"], "--tokens", 60,
                  "--limit", 1, "--out", overfitted["folder"] / "base")  # fmt: skip
    assert passed.exit_code == 0, passed.output
    assert "chance and boilerplate cannot be distinguished" in passed.output


def test_mistakes_are_one_line(tmp_path: Path) -> None:
    model = tiny.saved(tmp_path / "tiny")
    rows = write_jsonl(tmp_path / "rows.jsonl", [{"prompt": "Write.", "story": "The ferry waited. " * 30}])
    bare = write_jsonl(tmp_path / "bare.jsonl", [{"prompt": "Write."}])
    other = load_tokenizer(str(model))
    other.add_tokens(["ferryboat"])
    other.save_pretrained(tmp_path / "other")
    common = ("audit", "--model", model, "--tokens", 4, "--out", tmp_path / "audit")
    for args, said in (
        ((*common, "--data", bare), "no row has a story"),
        ((*common, "--data", tmp_path / "none.jsonl"), "no such file"),
        (
            ("audit", "--model", tmp_path / "none", "--data", rows, "--out", tmp_path / "a"),
            "tokenizer cannot be loaded",
        ),
        ((*common, "--data", rows, "--base", tmp_path / "other"), "another vocabulary"),
        (("audit", "--model", model, "--data", rows, "--out", tmp_path), "holds no audit"),
        ((*common, "--data", rows, "--backend", "vllm"), "vllm is not installed"),
    ):
        result = call(*args)
        assert result.exit_code == 2, result.output
        assert said in result.output, result.output
        assert "Traceback" not in result.output
    begun = call(*common, "--data", rows)
    assert begun.exit_code == 0, begun.output
    same = call(*common, "--data", rows, "--control", rows)
    assert same.exit_code == 2 and "so it is not a control" in same.output
    write_jsonl(rows, [{"prompt": "Write.", "story": "The ferry left. " * 30}])
    rewritten = call(*common, "--data", rows)
    assert rewritten.exit_code == 2 and "other data" in rewritten.output
    changed = call("audit", "--model", model, "--tokens", 5, "--data", rows, "--out", tmp_path / "audit")
    assert changed.exit_code == 2
    assert "other tokens" in changed.output

"""`polaris-train` as people run it: a run folder, stops that lose nothing, and every mistake in one line."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

torch = pytest.importorskip("torch", reason="needs the extra train")

import tiny  # noqa: E402
import yaml  # noqa: E402
from click.testing import CliRunner, Result  # noqa: E402
from conftest import write_jsonl  # noqa: E402
from loopback import serve, well_behaved  # noqa: E402
from transformers import AutoModelForCausalLM, AutoTokenizer  # noqa: E402

from polaris_eval.harness.cli.root import main as polaris_eval  # noqa: E402
from polaris_eval.rubrics import load_rubric  # noqa: E402
from polaris_eval.trainers.cli.root import main  # noqa: E402
from polaris_eval.trainers.models import Sizes, sizes_of  # noqa: E402
from polaris_eval.trainers.recipe_files import load_recipe, shipped  # noqa: E402
from polaris_eval.trainers.run.config import lora_config  # noqa: E402
from polaris_eval.trainers.run.curves import judged_rows, metrics  # noqa: E402
from polaris_eval.trainers.run.estimate import memory_gb  # noqa: E402
from polaris_eval.trainers.run.folder import last_checkpoint  # noqa: E402
from polaris_eval.trainers.run.samples import held_out_rows, select  # noqa: E402

pytestmark = pytest.mark.model


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.saved(tmp_path_factory.mktemp("model") / "tiny")


@pytest.fixture
def recipe(tmp_path: Path, model: Path) -> Path:
    """The smoke recipe with the tiny model and answers of twelve tokens: a step takes a fraction of a second."""
    rows = [
        {"uid": f"u{i}", "prompt": f"Write of ferry number {i}.", "story": f"The ferry {i} waited. Rain fell."}
        for i in range(8)
    ]
    path = tmp_path / "tiny.yaml"
    data = {
        "base": "smoke", "name": "tiny", "model": str(model),
        "data": {"train": str(write_jsonl(tmp_path / "pairs.jsonl", rows))},
        "reward": {"overlong_tokens": 4},
        "judge": {"retries": 0}, "validation": {"prompts": 2, "every": 3},
        "trl": {"max_completion_length": 12, "max_steps": 4, "save_steps": 2, "hri_warmup_steps": 2,
                "per_device_train_batch_size": 8, "learning_rate": 1e-4},
    }  # fmt: skip
    path.write_text(yaml.safe_dump(data), encoding="utf-8")
    return path


def call(*args: object) -> Result:
    """In this process: for what ends before a model is loaded."""
    return CliRunner().invoke(main, [str(arg) for arg in args])


def command(*args: object) -> list[str]:
    return [sys.executable, "-m", "polaris_eval.trainers.cli", *map(str, args)]


def train(folder: Path, *args: object, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(*args), cwd=folder, env={**os.environ, **env}, capture_output=True, text=True, timeout=300, check=False
    )


def rewards(run: Path) -> dict[tuple[Any, ...], Any]:
    """Every row's reward by what it is; of a row that was judged twice, the last."""
    rows = judged_rows(run)
    return {(r["phase"], r["step"], r["rank"], r["row"], r["uid"]): (r["reward"], r["words"]) for r in rows}


def weights(run: Path, step: int) -> dict[str, Any]:
    from safetensors.torch import load_file

    return dict(load_file(run / f"checkpoint-{step}" / "adapter_model.safetensors"))


def same_end(one: Path, other: Path, step: int) -> bool:
    a, b = weights(one, step), weights(other, step)
    return all(torch.equal(a[name], b[name]) for name in a)


def test_a_run_and_its_folder(tmp_path: Path, recipe: Path) -> None:
    done = train(tmp_path, recipe)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "step 4/4: reward" in done.stdout
    assert "held out, after 4 steps" in done.stdout
    assert "Traceback" not in done.stderr
    run = tmp_path / "runs" / "tiny"
    assert yaml.safe_load((run / "recipe.yaml").read_text())["model"] == str(load_recipe(str(recipe)).model)
    assert json.loads((run / "versions.json").read_text())["trl"] == "1.16.0"
    for name in ("curves.png", "curves.pdf", "plan.json", "samples.md", "checkpoint-4/trainer_state.json"):
        assert (run / name).stat().st_size > 100, name
    logged = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    steps = [row["step"] for row in logged if "reward" in row]
    assert steps == [1, 2, 3, 4]
    assert [row["hri/weight"] for row in logged if "reward" in row] == pytest.approx([0, 0.2, 0.4, 0.4])
    assert [row["step"] for row in logged if "eval_reward" in row] == [0, 3, 4]
    rows = judged_rows(run)
    assert sum(row["is_reference"] for row in rows) == 3 * 2  # none in the first step
    assert all(row["reward"] is not None for row in rows)
    table = pd.read_parquet(sorted((run / "completions").glob("*.parquet"))[-1])
    assert {"reward", "story_quality", "repetition", "length", "blank", "verdict", "dollars"} <= set(table.columns)
    assert "# Stories over time" in (run / "samples.md").read_text()
    # the same command again has nothing left to do; other settings are another run
    again = train(tmp_path, recipe)
    assert again.returncode == 0, again.stderr
    assert "is finished: checkpoint-4 is its last checkpoint" in again.stdout
    assert "held out" not in again.stdout.partition("is finished")[2]
    other = call(recipe, "trl.learning_rate=1e-5", "--run-dir", run)
    assert other.exit_code == 2
    assert "different: trl.learning_rate" in other.output
    more = train(tmp_path, recipe, "trl.max_steps=5")
    assert "step 5/5" in more.stdout, more.stdout + more.stderr


def test_a_run_with_terms_benchmarks_overlap_and_likelihood(tmp_path: Path, recipe: Path) -> None:
    """Every part at once, chosen by a benchmark's score."""
    own = "def commas(completions, **columns):\n    return [c[0]['content'].count(',') / 10 for c in completions]\n"
    (tmp_path / "mine.py").write_text(own)
    terms = [
        "reward.terms.ranked={rubric: pairwise, weight: 0.5}", "reward.terms.torrance={rubric: ttcw, weight: 0.2}",
        "reward.terms.commas={function: 'mine:commas', weight: 0.1}", "validation.benchmarks=[longbench_write]",
        "validation.metric=longbench_write", "validation.select=best", "validation.every=2", "trl.overlap=true",
        "trl.hri_nll=0.1", "trl.save_steps=1",
    ]  # fmt: skip
    done = train(tmp_path, recipe, *terms)
    assert done.returncode == 0, done.stdout + done.stderr
    plan = " ".join(done.stdout.split())
    for told in ("train: ranked", "train: torrance", "held out: longbench_write", "+ 0.1 commas", "one update old"):
        assert told in plan
    # two groups of four rows a batch: 24 comparisons, four times
    assert "96 judgments" in plan
    run = tmp_path / "runs" / "tiny"
    logged = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    steps, held = [row for row in logged if "reward" in row], [row for row in logged if "eval_reward" in row]
    assert len(steps) == 4
    for row in steps:
        assert {"parts/ranked", "parts/torrance", "parts/commas", "hri/nll", "parts/reward_as_held_out"} <= row.keys()
    assert all("eval_parts/longbench_write" in row and "eval_parts/ranked" not in row for row in held)
    assert json.loads((run / "selection.json").read_text())["metric"] == "longbench_write"


@pytest.mark.slow
def test_a_full_disk_is_one_line_and_loses_nothing(tmp_path: Path, recipe: Path) -> None:
    """A disk of twelve megabytes, on which not all checkpoints fit; more room, and the run goes on."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=12m", "tmpfs", str(disk)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("no small disk can be made here: mounting one is not permitted")
    try:
        args = (recipe, "trl.save_steps=1", "trl.save_total_limit=9", "validation.prompts=0", "--run-dir", disk / "run")
        full = train(tmp_path, *args, "trl.max_steps=8")
        assert full.returncode == 2, full.stdout + full.stderr
        assert "the disk is full; everything up to checkpoint-" in full.stderr
        assert "Traceback" not in full.stderr
        assert last_checkpoint(disk / "run") is not None
        subprocess.run(["mount", "-o", "remount,size=200m", str(disk)], check=True)
        done = train(tmp_path, *args, "trl.max_steps=8")
        assert done.returncode == 0, done.stdout + done.stderr
        assert "continuing from" in done.stdout
    finally:
        subprocess.run(["umount", str(disk)], check=False)


def test_a_run_is_rewarded_on_a_rubric_of_ones_own(
    tmp_path: Path, recipe: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    made = CliRunner().invoke(polaris_eval, ["new", "rubric", "mine"])
    assert made.exit_code == 0, made.output
    file = tmp_path / "mine.yaml"
    file.write_text(file.read_text(encoding="utf-8").replace("scale: [0, 100]", "scale: [0, 10]"), encoding="utf-8")
    mine = (f"reward.rubric={file}", "validation.prompts=0", "trl.max_steps=2")
    done = train(tmp_path, recipe, *mine)
    assert done.returncode == 0, done.stdout + done.stderr
    run = tmp_path / "runs" / "tiny"
    rows = judged_rows(run)
    assert load_rubric(str(file)).faultless == 10
    assert rows
    found = [row["judgments"]["story_quality"] for row in rows]
    assert all(row["story_quality"] == one["score"] / 10 for row, one in zip(rows, found, strict=True))
    assert all("Engagement" in one["replies"][-1] for one in found)
    file.write_text(file.read_text(encoding="utf-8") + "\n# another\n", encoding="utf-8")
    other = call(recipe, *mine[:2], "trl.max_steps=4")
    assert other.exit_code == 2
    assert "was begun with another rubric file" in other.output.replace("\n", " ")
    file.write_text(file.read_text(encoding="utf-8").replace("scale: [0, 10]", "scale: [-10, 0]"), encoding="utf-8")
    refused = call(recipe, mine[0], "--dry-run")
    assert refused.exit_code == 2
    assert "a faultless story 0, not above 0" in refused.output.replace("\n", " ")
    (run / "recipe.yaml").write_text("", encoding="utf-8")
    damaged = call(recipe, "--run-dir", run)
    assert damaged.exit_code == 2
    assert "is not the recipe of a run" in damaged.output.replace("\n", " ")


def test_merging_gives_the_model_that_was_trained(tmp_path: Path, recipe: Path) -> None:
    from peft import PeftModel

    assert train(tmp_path, recipe, "trl.max_steps=2").returncode == 0
    run = tmp_path / "runs" / "tiny"
    merged = call("merge", run)
    assert merged.exit_code == 0, merged.output
    found = AutoModelForCausalLM.from_pretrained(run / "merged")
    base = AutoModelForCausalLM.from_pretrained(load_recipe(str(recipe)).model)
    trained = PeftModel.from_pretrained(base, str(run / "checkpoint-2"))
    ids = torch.tensor([[5, 6, 7, 8]])
    with torch.no_grad():
        assert torch.allclose(found(ids).logits, trained(ids).logits, atol=1e-5)
    assert (run / "merged" / "model.safetensors").is_file()
    assert AutoTokenizer.from_pretrained(run / "merged").chat_template == tiny.TOKENIZER.chat_template
    card = (run / "merged" / "README.md").read_text()
    assert "| 0 | 2 |" in card
    assert "GRPO and human-reference injection" in card
    for args, said in (
        (("merge", run, "--out", tmp_path), "exists already and is not this checkpoint"),
        (("merge", run, "--checkpoint", 7, "--out", tmp_path / "x"), "no such checkpoint"),
        (("merge", tmp_path), "holds no run"),
    ):
        refused = call(*args)
        assert refused.exit_code == 2
        assert said in refused.output


def test_a_step_is_better_only_where_that_can_be_told(tmp_path: Path) -> None:
    """Ten prompts: the second validation is a little higher by chance, the third clearly, the fourth as the third."""
    (tmp_path / "held_out").mkdir()
    noise = [0.1, -0.1, 0.2, -0.2, 0.05, 0.0, 0.15, -0.15, 0.1, -0.08]
    for step, level in ((0, 0.0), (2, 0.01), (4, 1.0), (6, 1.005)):
        write_jsonl(tmp_path / "held_out" / f"step-{step:05d}.jsonl", [
            {"id": f"p{n}", "prompt": "p", "story": "s", "model": "m",
             "metadata": {"reward": None if n == 9 and step == 6 else level + noise[(n * (step + 1)) % 10]}}
            for n in range(10)
        ])  # fmt: skip
    found = {until: select(tmp_path, "reward", until) for until in (0, 2, 4, 6)}
    assert [(one.since, one.stale) for one in found.values() if one] == [(0, 0), (0, 1), (4, 0), (4, 1)]
    assert select(tmp_path, "nothing", 6) is None


@pytest.mark.slow
def test_validation_chooses_the_checkpoint(tmp_path: Path, recipe: Path) -> None:
    """The best step's checkpoint outlives the limit, and is the one that is merged; then a stop by patience."""
    asked = ["validation.select=best", "validation.every=2", "validation.prompts=5", f"data.train={more(tmp_path)}",
             "trl.max_steps=8", "trl.save_total_limit=2", "trl.learning_rate=0.01"]  # fmt: skip
    done = train(tmp_path, recipe, *asked)
    assert done.returncode == 0, done.stdout + done.stderr
    run = tmp_path / "runs" / "tiny"
    found = json.loads((run / "selection.json").read_text())
    rows = pd.DataFrame(
        {"step": row["step"], "reward": row["metadata"]["reward"]} for row in held_out_rows(run)
    )  # fmt: skip
    means = rows.groupby("step")["reward"].mean()
    assert found["best"] == means.idxmax()
    assert found["value"]["value"] == pytest.approx(means.max())
    assert found["value"]["low"] <= means.max() <= found["value"]["high"]
    assert f"best so far: step {found['best']}, reward {means.max():.3f} [" in done.stdout
    there = {path.name for path in run.glob("checkpoint-*")}
    assert {"checkpoint-8", *([f"checkpoint-{found['best']}"] if found["best"] else [])} <= there
    assert len(there) == 2
    merged = call("merge", run)
    if found["best"]:
        assert f"after {found['best']} steps" in (run / "merged" / "README.md").read_text()
    else:
        assert "no checkpoint did better on the held-out prompts" in merged.output.replace("\n", " ")
    idle = [*asked, "trl.learning_rate=1e-9", "validation.patience=2", "--run-dir", "idle"]
    done = train(tmp_path, recipe, *idle)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "stopped early: " in done.stdout
    assert last_checkpoint(tmp_path / "idle") == tmp_path / "idle" / "checkpoint-4"
    again = train(tmp_path, recipe, *idle)
    assert again.returncode == 0
    assert "is finished: it was stopped early" in again.stdout.replace("\n", " ")


def more(folder: Path) -> Path:
    return write_jsonl(folder / "more.jsonl", [
        {"uid": f"u{i}", "prompt": f"Write of ferry number {i}.", "story": f"The ferry {i} waited. Rain fell."}
        for i in range(13)
    ])  # fmt: skip


@pytest.mark.slow
def test_the_class_of_the_papers_model_trains_and_merges(tmp_path: Path, recipe: Path) -> None:
    """Its adapter has other names than a text-only class would give it, and a part that sees and is left alone."""
    from safetensors.torch import load_file

    base = tiny.saved_qwen(tmp_path / "qwen")
    exclude = "lora.exclude_modules='.*visual.*'"
    done = train(tmp_path, recipe, f"model={base}", exclude, "validation.prompts=0", "trl.max_steps=1")
    assert done.returncode == 0, done.stdout + done.stderr
    assert call("merge", tmp_path / "runs" / "tiny").exit_code == 0
    before, after = (load_file(p / "model.safetensors") for p in (base, tmp_path / "runs" / "tiny" / "merged"))
    assert before.keys() == after.keys()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed
    assert not any("visual" in name for name in changed)


@pytest.mark.slow
def test_a_killed_run_ends_like_one_that_was_not(tmp_path: Path, recipe: Path) -> None:
    whole = train(tmp_path, recipe, "trl.max_steps=6", "--run-dir", "whole")
    assert whole.returncode == 0, whole.stderr
    killed = tmp_path / "killed"
    with subprocess.Popen(command(recipe, "trl.max_steps=6", "--run-dir", killed), cwd=tmp_path,
                          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:  # fmt: skip
        deadline = time.monotonic() + 200
        while time.monotonic() < deadline:  # in the middle of the fourth step
            rows = (killed / "rewards.jsonl").read_text() if (killed / "rewards.jsonl").is_file() else ""
            if '"step": 3' in rows:
                break
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
    half = killed / "checkpoint-99"
    half.mkdir()  # what a kill in the middle of writing one leaves
    (half / "adapter_model.safetensors").write_bytes(b"half")
    again = train(tmp_path, recipe, "trl.max_steps=6", "--run-dir", killed)
    assert again.returncode == 0, again.stderr
    assert "continuing from" in again.stdout
    assert not half.exists()
    assert rewards(killed) == rewards(tmp_path / "whole")
    assert same_end(killed, tmp_path / "whole", 6)


@pytest.mark.slow
def test_a_judge_that_dies_stops_the_run_and_loses_nothing(tmp_path: Path, recipe: Path) -> None:
    """Two batches are judged, then the judge is gone; when it is back, the run ends as if nothing had been."""
    calls, limit = 0, 10**6

    def script(number: int, system: str, user: str) -> str | int:
        nonlocal calls
        if user == "Answer with the word: ready":
            return "ready"
        calls += 1
        return well_behaved(system, user) if calls <= limit else 401

    judge = [f"{spec}.model=openai/gpt-5.4-mini" for spec in ("judge", "validation.judge")]
    key = {"OPENAI_API_KEY": "none"}
    with serve(script) as server:
        url = [f"{spec}.base_url={server.url}" for spec in ("judge", "validation.judge")]
        whole = train(tmp_path, recipe, *judge, *url, "validation.every=9", "--run-dir", "whole", **key)
        assert whole.returncode == 0, whole.stdout + whole.stderr
        # one call for each distinct story, up to the third batch and with it
        limit = sum(
            bool(row["judgments"]["story_quality"]["usage"])
            for row in judged_rows(tmp_path / "whole")
            if row["step"] < 3
        )
        calls = 0
        args = (recipe, *judge, *url, "validation.every=9", "--run-dir", "dies")
        dies = train(tmp_path, *args, **key)
        assert dies.returncode == 1, dies.stdout + dies.stderr
        assert "does not answer (100% of the rows of a batch have no verdict: judge failed" in dies.stderr
        assert "everything up to step 3 is kept" in dies.stderr
        assert last_checkpoint(tmp_path / "dies") == tmp_path / "dies" / "checkpoint-3"
        limit = 10**6
        back = train(tmp_path, *args, **key)
        assert back.returncode == 0, back.stdout + back.stderr
    assert rewards(tmp_path / "dies") == rewards(tmp_path / "whole")
    assert same_end(tmp_path / "dies", tmp_path / "whole", 4)


@pytest.mark.slow
def test_a_run_stops_before_it_costs_more_than_allowed(tmp_path: Path, recipe: Path) -> None:
    judge = [f"{spec}.model=openai/gpt-5.4-mini" for spec in ("judge", "validation.judge")]
    with serve(lambda number, system, user: well_behaved(system, user)) as server:
        url = [f"{spec}.base_url={server.url}" for spec in ("judge", "validation.judge")]
        args = (recipe, *judge, *url, "validation.prompts=0", "trl.max_steps=20", "trl.save_steps=20")
        first = train(tmp_path, *args, "trl.max_steps=1", OPENAI_API_KEY="none")
        assert first.returncode == 0, first.stdout + first.stderr
        one = sum(row["dollars"] for row in judged_rows(tmp_path / "runs" / "tiny"))
        assert one > 0
        stopped = train(tmp_path, *args, "--max-cost", 3.6 * one, OPENAI_API_KEY="none")
    assert stopped.returncode == 1, stopped.stdout + stopped.stderr
    assert "have been spent, and the next part costs about" in stopped.stderr
    spent = sum(row["dollars"] for row in judged_rows(tmp_path / "runs" / "tiny"))
    assert one < spent <= 3.6 * one
    kept = last_checkpoint(tmp_path / "runs" / "tiny")
    assert kept is not None
    assert 1 < int(kept.name.rpartition("-")[2]) < 20


@pytest.mark.slow
def test_faults_of_a_judge_do_not_stop_a_run(tmp_path: Path, recipe: Path) -> None:
    def script(number: int, system: str, user: str) -> str | int | tuple[str, str]:
        if number % 10 == 3:
            return 503
        text = well_behaved(system, user)
        return (text[: len(text) // 2], "length") if number % 10 == 6 else text

    with serve(script) as server:
        judge = ["judge.model=openai/gpt-5.4-mini", f"judge.base_url={server.url}", "judge.retries=2"]
        done = train(tmp_path, recipe, *judge, "judge.retry_wait=0.1", "validation.prompts=0", OPENAI_API_KEY="none")
    assert done.returncode == 0, done.stdout + done.stderr
    rows = judged_rows(tmp_path / "runs" / "tiny")
    assert len(rows) == 32
    assert all(row["reward"] is not None for row in rows)
    assert "unjudged" not in done.stdout


@pytest.mark.slow
def test_held_out_stories_without_a_verdict_have_no_score(tmp_path: Path, recipe: Path) -> None:
    """The held-out judge answers at first and then no more; training has its own, and goes on."""
    with serve(lambda number, system, user: "ready" if user == "Answer with the word: ready" else 401) as server:
        judge = ["validation.judge.model=openai/gpt-5.4-mini", f"validation.judge.base_url={server.url}"]
        args = (recipe, *judge, "validation.judge.retries=0", "trl.max_steps=1")
        done = train(tmp_path, *args, OPENAI_API_KEY="none")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("no story has a verdict") == 2
    run = tmp_path / "runs" / "tiny"
    held = [row for row in judged_rows(run) if row["phase"] == "held_out"]
    assert len(held) == 4
    assert all(row["reward"] is None and row["story_quality"] is None for row in held)
    assert "no verdict" in (run / "samples.md").read_text()
    assert call("merge", run).exit_code == 0
    assert "| 0 | 2 | – | – |" in (run / "merged" / "README.md").read_text()


@pytest.mark.slow
def test_ctrl_c_stops_at_a_checkpoint(tmp_path: Path, recipe: Path) -> None:
    args = (recipe, "trl.max_steps=200", "trl.save_steps=100", "validation.prompts=0", "--run-dir", "stopped")
    with subprocess.Popen(command(*args), cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True) as process:  # fmt: skip
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("step 2/"):
                process.send_signal(signal.SIGINT)
                break
        _, err = process.communicate(timeout=120)
    assert process.returncode == 1
    assert "stopped by Ctrl-C; run the same command again to continue" in err
    kept = last_checkpoint(tmp_path / "stopped")
    assert kept is not None
    step = int(kept.name.rpartition("-")[2])
    assert step >= 2
    ends = {}
    for name in ("stopped", "whole"):
        done = train(tmp_path, *args[:-1], name, f"trl.max_steps={step + 2}")
        assert done.returncode == 0, done.stdout + done.stderr
        ends[name] = tmp_path / name
    assert rewards(ends["stopped"]) == rewards(ends["whole"])
    assert same_end(ends["stopped"], ends["whole"], step + 2)


@pytest.mark.slow
def test_two_processes_train_together(tmp_path: Path, recipe: Path) -> None:
    both = ("trl.hri_warmup_steps=0", "trl.hri_nll=0.1", "trl.overlap=true")
    one = train(tmp_path, recipe, *both, "trl.max_steps=1", "--run-dir", "one")
    assert one.returncode == 0, one.stderr
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    args = [recipe, *both, "trl.max_steps=2", "trl.per_device_train_batch_size=4", "--run-dir", "two"]
    done = subprocess.run(
        [*launch, *command(*args)[1:]], cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False,
        env={**os.environ, "ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("step 2/2") == 1  # one of them speaks
    run = tmp_path / "two"
    assert (run / "rewards.jsonl").is_file()
    assert (run / "rewards-1.jsonl").is_file()
    rows = [row for row in judged_rows(run) if row["phase"] == "train"]
    assert len(rows) == 2 * 8
    first = [row for row in rows if row["step"] == 0]
    alone = [row for row in judged_rows(tmp_path / "one") if row["phase"] == "train"]
    assert sorted(row["uid"] for row in first) == sorted(row["uid"] for row in alone)  # the same prompts
    assert sum(row["is_reference"] for row in first) == 2
    nll = [metrics(tmp_path / name)[1]["hri/nll"] for name in ("one", "two")]
    assert nll[0] == pytest.approx(nll[1], rel=1e-4)  # the same references, whatever the rollouts


@pytest.mark.slow
@pytest.mark.floors
def test_the_smoke_recipe_on_the_real_model(tmp_path: Path) -> None:
    done = train(tmp_path, "smoke", "trl.max_steps=2", "trl.max_completion_length=112", "validation.prompts=2",
                 "trl.hri_warmup_steps=1")  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "step 2/2: reward" in done.stdout
    rows = judged_rows(tmp_path / "runs" / "smoke")
    references = [row for row in rows if row["is_reference"]]
    assert len(references) == 1
    assert all(row["words"] > 30 for row in rows)


@pytest.mark.parametrize("name", sorted(shipped()))
def test_every_recipe_is_planned_without_a_gpu(name: str, tmp_path: Path, model: Path, monkeypatch: Any) -> None:
    """1,388 pairs of 1,000 to 4,000 words, as the paper has them: 173 steps of eight prompts."""
    rows = [
        {
            "uid": f"u{i}",
            "prompt": f"Tale {i}. It should be approximately {1000 + i} words long.",
            "story": "A tale. " * 50 + f"It was number {i}.",
        }
        for i in range(1388 + 32)
    ]
    data = write_jsonl(tmp_path / "pairs.jsonl", rows)
    changes = [f"data.train={data}", f"model={model}"] if name != "smoke" else [f"model={model}"]
    for key in ("OPENAI_API_KEY", "GOOGLE_API_KEY"):
        monkeypatch.delenv(key, raising=False)
    done = call(name, *changes, "--dry-run", "--json", "--run-dir", tmp_path / "run")
    assert done.exit_code == 0, done.output
    plan = json.loads(done.stdout)
    assert plan["memory_total_gb"] <= plan["memory_of_gb"]
    assert not (tmp_path / "run").exists()
    if name == "smoke":
        return
    assert plan["memory_gb"]["vLLM"] == 28
    assert "GOOGLE_API_KEY" in done.stderr  # said, and no obstacle to planning
    assert plan["steps"] == plan["generation_batches"] == 173
    assert plan["prompts_a_batch"] == 8
    assert plan["rollouts"] + plan["references"] == 173 * 48
    assert plan["references"] == (0 if name == "no-hri" else 172 * 8)
    assert plan["judges"][0]["calls"] == 173 * 48
    assert plan["dollars"] > 0


def test_the_estimate_of_memory_is_near_what_an_h100_took() -> None:
    """Gigabytes at the peak of `polaris-9b-lora` with random weights, and of the small model with vLLM beside it."""
    gpu = ["trl.use_cpu=false", "trl.bf16=true", "trl.per_device_train_batch_size=8", "shape.gpus=1"]
    nine = memory_gb(load_recipe("polaris-9b-lora"), Sizes(9e9, 32, 4096, 8.8e7))
    assert list(nine.values()) == pytest.approx([20.2, 0, 10.5, 0, 29.4], rel=0.1)
    sizes = sizes_of("polaris_eval/local")
    assert (sizes.layers, sizes.hidden) == (30, 576)
    assert sizes.parameters == pytest.approx(1.345e8, rel=0.01)
    small = memory_gb(load_recipe("smoke", [*gpu, "lora=null", "trl.max_completion_length=512"]), sizes)
    assert small["weights, gradients, optimizer"] + small["activations"] == pytest.approx(7.0, rel=0.1)
    lora = load_recipe("smoke", [*gpu, "trl.max_completion_length=256"])
    assert memory_gb(lora, sizes)["activations"] > 2.4
    adapted = sizes_of("polaris_eval/local", lora_config(lora))
    assert adapted.adapter == pytest.approx(4.88e6, rel=0.01), "rank 16 on seven matrices of thirty layers"
    for rows, tokens, measured in ((4, 320, 6.57), (8, 112, 6.3)):  # gigabytes at the peak of `smoke` on a CPU
        changes = [f"trl.per_device_train_batch_size={rows}", f"trl.max_completion_length={tokens}"]
        planned = memory_gb(load_recipe("smoke", changes), adapted)
        assert sum(planned.values()) == pytest.approx(measured, rel=0.05)
    beta = load_recipe("smoke", [*gpu, "lora=null", "trl.beta=0.04"])
    assert memory_gb(beta, sizes)["reference model"] == pytest.approx(0.54, rel=0.02)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (["nonsense=1"], "nonsense: no such key; known here: name, about, model"),
        (["reward.weights.storyquality=1"], "reward.weights.storyquality: no such key; known here: story_quality"),
        (["trl.learning_rat=1"], "did you mean learning_rate?"),
        (["trl.output_dir=x"], "trl.output_dir is set by the run itself"),
        (["learning_rate"], "is not KEY=VALUE"),
        (["trl.num_generations=2"], "a group needs 3 rows or more"),
        (["trl.num_generations=3"], "is not a multiple of the group of 3"),
        (["trl.per_device_train_batch_size=64"], "fewer than a generation batch has"),
        (["data.train=missing.jsonl"], "missing.jsonl: no such file"),
        (["data.train=null"], "data.train is not set"),
        (["validation.prompts=8"], "none are left to train on"),
        (["data.max_prompt_tokens=3"], "no prompt has 3 tokens or fewer"),
        (
            ["judge.options={temperatur: 1}"],
            "options of the judge polaris_eval/lexical: Unknown GenerateConfig field(s): temperatur",
        ),
        (["model=no/such-model-at-all"], "its tokenizer cannot be loaded"),
        (["reward.overlong_tokens=12"], "is not below trl.max_completion_length"),
        (["trl.steps_per_generation=2", "trl.save_steps=3"], "trl.save_steps=3"),
        (["trl.learning_rate=abc"], "trl.learning_rate: 'abc' is not a number"),
        (["trl.save_steps=null"], "trl.save_steps: None is not a number"),
        (["trl.gradient_accumulation_steps=0"], "must be at least 1"),
        (["trl.hri_schedule=quadratic"], "trl.hri_schedule: 'quadratic' is not allowed; allowed: linear, cosine"),
        (["trl.scale_rewards=grup"], "trl.scale_rewards: 'grup' is not allowed; did you mean group?"),
        (["trl.loss_type=grop"], "trl.loss_type: 'grop' is not allowed; did you mean grpo?"),
        (["trl.importance_sampling_level=tokn"], "did you mean token?"),
        (["trl.vllm_mode=colocated"], "did you mean colocate?"),
        (["trl.optim=adamw_torsh"], "did you mean adamw_torch?"),
        (["trl.learning_rate=-1"], "trl.learning_rate must be at least 0, not -1"),
        (["trl.learning_rate=.nan"], "trl.learning_rate must be finite, not nan"),
        (["trl.temperature=0"], "trl.temperature must be above 0, not 0"),
        (["trl.top_p=1.5"], "trl.top_p must be above 0 and at most 1, not 1.5"),
        (["trl.num_generations=four"], "trl.num_generations: 'four' is not a whole number"),
        (["trl.num_generations=null"], "trl.num_generations: null is not possible; give a value"),
        (["trl.bf16=maybe"], "trl.bf16: 'maybe' is not true or false"),
        (["trl.chat_template_kwargs=hello"], "'hello' is not a mapping of names to values"),
        (["trl.report_to=[wandb]"], "trl.report_to: wandb is not installed: pip install wandb"),
        (["trl.report_to=wanb"], "trl.report_to: 'wanb' is not known; known: "),
        (["lora.target_modules=[q_projj]"], "lora: does not fit"),
        (["trl.lr_scheduler_type=cosine_with_min_lr"], "a trial step on a tiny model fails: One of min_lr"),
        (["validation.sampling={temprature: 1}"], "temprature: no such key"),
        (["reward.rubric=no_such_rubric"], "no_such_rubric"),
        (["reward.rubric=writingbench"], "story_quality.rubric: writingbench is asked once per criterion"),
        (["reward.terms.own={function: 'no_such:f'}"], "reward.terms.own.function: no_such cannot be imported"),
        (["validation.benchmarks=[arena]"], "unknown benchmark 'arena'"),
        (["trl.overlap=true", "trl.num_iterations=2"], "overlap needs one update per batch"),
        (["trl.overlap=perhaps"], "trl.overlap"),
        (["trl.hri_nll=-1"], "trl.hri_nll"),
        (["trl.use_vllm=true"], "the rollouts would have no gradient"),
        (["validation.select=best"], "validation.every=3 is not a multiple of trl.save_steps=2"),
        (["validation.select=best", "validation.every=4", "trl.save_total_limit=1"], "trl.save_total_limit=1 would"),
        (["validation.patience=2", "validation.prompts=0"], "need held-out prompts"),
    ],
)
def test_wrong_settings_are_one_line(
    recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changes: list[str], said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    done = call(recipe, *changes, "--dry-run")
    assert done.exit_code == 2, done.output
    assert said in done.output.replace("\n", " ")
    assert "Traceback" not in done.output
    assert len([line for line in done.output.splitlines() if line.startswith("polaris-train:")]) == 1


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"text": "x"}, "has no column prompt (or messages); its columns are text"),
        ({"prompt": "Write."}, "no row has a story (column story)"),
        ({"prompt": [{"role": "assistant", "content": "x"}], "story": "s"}, "the last is the user's"),
        ({"prompt": "Write.", "story": "s", "target_word_count": -5}, "must be a whole number of words"),
        ({"prompt": "Write.", "story": "s", "uid": "same"}, "uid 'same' occurs more than once"),
        ({"prompt": "Write. It should be about 900 words long.", "story": "s"}, "is too short: the longest story"),
    ],
)
def test_wrong_rows_are_one_line(recipe: Path, tmp_path: Path, row: dict[str, Any], said: str) -> None:
    path = write_jsonl(tmp_path / "wrong.jsonl", [row] * 6)
    done = call(recipe, f"data.train={path}", "validation.prompts=0", "--dry-run")
    assert done.exit_code == 2, done.output
    assert said in done.output


@pytest.mark.parametrize(
    ("change", "said"),
    [("judge.model=openai/gpt-5.4-mini", "OPENAI_API_KEY"), ("judge.model=polaris_eval/other", "unknown model")],
)
def test_a_judge_that_cannot_be_made_is_one_line(
    recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: str, said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    done = call(recipe, change)
    assert done.exit_code == 2
    assert said in done.output
    with serve(lambda *_: 401) as server:
        monkeypatch.setenv("OPENAI_API_KEY", "wrong")
        refused = call(recipe, "judge.model=openai/gpt-5.4-mini", f"judge.base_url={server.url}")
    assert refused.exit_code == 2
    assert "the judge openai/gpt-5.4-mini does not answer" in refused.output


def test_held_out_prompts_must_not_be_trained_on(recipe: Path, tmp_path: Path) -> None:
    rows = [{"prompt": f"Write {i % 3}.", "story": f"s{i}"} for i in range(6)]
    done = call(recipe, f"data.train={write_jsonl(tmp_path / 'w.jsonl', rows)}", "--dry-run")
    assert done.exit_code == 2
    assert "rows that are also held out (same prompt): scores on them would mean nothing: 2 (" in done.output


def test_references_over_the_budget_are_cut_without_an_end(recipe: Path, tmp_path: Path) -> None:
    from polaris_eval.trainers.pairs import load_pairs

    rows = [{"prompt": f"Write {i}.", "story": "word " * (5 if i else 50)} for i in range(4)]
    rows[3]["story"] = ""
    chosen = load_recipe(str(recipe), [f"data.train={write_jsonl(tmp_path / 'w.jsonl', rows)}", "validation.prompts=0"])
    pairs = load_pairs(chosen, tiny.TOKENIZER)
    end = tiny.TOKENIZER.eos_token_id
    first, second, _, last = pairs.train["reference"]
    assert len(first) == 12
    assert end not in first
    assert second[-1] == end
    assert last == []
    assert "1 references are longer than 12 tokens: cut there, without an end token" in pairs.notes
    assert "rows that have no story: their groups are rollouts only: 1 (row-4)" in pairs.notes


def test_recipes_build_on_one_another(tmp_path: Path) -> None:
    assert load_recipe("no-hri").injects is False
    assert load_recipe("polaris-9b-lora").trl["max_completion_length"] == 8192
    assert load_recipe("smoke", ["trl.learning_rate=1e-5"]).trl["learning_rate"] == 1e-5
    loop = tmp_path / "loop.yaml"
    loop.write_text(f"base: {loop}\n")
    for name, said in ((str(loop), "its base is itself"), ("nothing", "no such recipe or file")):
        done = call(name)
        assert done.exit_code == 2
        assert said in done.output
    listed = call("show")
    assert all(name in listed.output for name in (*shipped(), *shipped("accelerate")))
    assert yaml.safe_load(call("show", "fsdp").output)["distributed_type"] == "FSDP"
    assert call("show", "nothing").exit_code == 2
    assert "polaris-train smoke" in call("--help").output


@pytest.mark.slow
def test_a_terminal_shows_what_is_being_done(tmp_path: Path, recipe: Path) -> None:
    import pty

    ours, theirs = pty.openpty()
    args = command(recipe, "validation.prompts=0", "trl.max_steps=2", "trl.gradient_accumulation_steps=2")
    env = {**os.environ, "TERM": "xterm", "COLUMNS": "120"}
    with subprocess.Popen(args, cwd=tmp_path, env=env, stdout=theirs, stderr=theirs) as run:
        os.close(theirs)
        shown = b""
        while True:
            try:
                shown += os.read(ours, 65536)
            except OSError:  # the other end is closed
                break
    assert run.returncode == 0, shown.decode()
    for told in (
        "step 1/2: writing",
        "step 2/2: judged",
        "of 16 stories",
        "updated on 1 of 2 parts",
        "step 2/2: reward",
    ):
        assert told in shown.decode(), told

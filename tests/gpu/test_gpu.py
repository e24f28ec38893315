"""What anyone with one GPU can run: `make test-gpu`, or `pytest tests/gpu` where the packages are installed already.

A few minutes each. Figures (seconds, gigabytes, ratios) are shown at the end; no figure of time is asserted.
"""

from __future__ import annotations

import importlib.util
import json
import math
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="needs the extra train")

from conftest import ROOT  # noqa: E402
from runs import RUNS  # noqa: E402
from shapes import long_pairs, save_qwen  # noqa: E402

HERE = Path(__file__).parent
LIMIT = 900  # seconds for one run
pytestmark = [
    pytest.mark.model,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU that PyTorch can use"),
    pytest.mark.xdist_group("gpu"),
]
needs_vllm = pytest.mark.skipif(importlib.util.find_spec("vllm") is None, reason="needs vLLM: the extra vllm")
Report = Callable[[str, object], None]


def command(name: str, folder: Path, **paths: Path) -> list[str]:
    filled = [part.format(**paths) if part.startswith(("model=", "data.train=")) else part for part in RUNS[name]]
    return [sys.executable, "-P", str(HERE / "driver.py"), *filled, "--run-dir", str(folder)]


def environment() -> dict[str, str]:
    return {**os.environ, "POLARIS_JUDGE_CACHE": "off", "HF_HUB_OFFLINE": "1"}


def train(name: str, folder: Path, **paths: Path) -> dict[str, Any]:
    """Run to the end; returns the driver's last line."""
    done = subprocess.run(
        command(name, folder, **paths), cwd=folder.parent, env=environment(), capture_output=True, text=True,
        check=False, timeout=LIMIT,
    )  # fmt: skip
    assert done.returncode == 0, (done.stdout + done.stderr)[-6000:]
    return dict(json.loads([line for line in done.stdout.splitlines() if line.startswith('{"seconds"')][-1]))


def told(name: str, found: dict[str, Any], folder: Path) -> str:
    plan = json.loads((folder / "plan.json").read_text(encoding="utf-8"))
    sizes = {key: found[key] for key in ("seconds", "allocated", "reserved", "used")}
    return (
        f"{name} on {torch.cuda.get_device_name()}: {sizes}; planned {plan['memory_total_gb']} GB: {plan['memory_gb']}"
    )


def logged(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]


def rewards(folder: Path) -> dict[tuple[str, int, int], tuple[Any, ...]]:
    """What each row got, the last time that it was judged."""
    found = {}
    for line in (folder / "rewards.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        found[row["phase"], row["step"], row["row"]] = (row["uid"], row["reward"], row["words"], row["tokens"])
    return found


def steps_made(folder: Path) -> int:
    """How many steps were made, each with a loss that is a number and rows that were judged."""
    losses = [row["loss"] for row in logged(folder) if "loss" in row]
    assert all(map(math.isfinite, losses))
    assert rewards(folder)
    return len(losses)


def test_smoke_in_bf16_and_resumed_after_kill_9(tmp_path: Path, record_property: Report) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    found = train("bf16", whole)
    assert steps_made(whole) >= 4
    record_property("report", told("smoke in bf16", found, whole))
    with subprocess.Popen(
        command("bf16", parts), cwd=tmp_path, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as begun:
        until = time.monotonic() + LIMIT
        while not (parts / "checkpoint-2" / "trainer_state.json").exists():
            assert begun.poll() is None, "ended before it could be killed"
            assert time.monotonic() < until
            time.sleep(0.1)
        begun.send_signal(signal.SIGKILL)
    train("bf16", parts)
    assert rewards(parts) == rewards(whole)


@needs_vllm
@pytest.mark.parametrize("weights", ["lora", "full"])
def test_vllm_beside_the_trainer(tmp_path: Path, weights: str, record_property: Report) -> None:
    found = train(weights, tmp_path / "run")
    assert steps_made(tmp_path / "run") >= 4
    record_property("report", told(f"{weights}, vLLM beside the trainer", found, tmp_path / "run"))


@needs_vllm
def test_validation_has_its_own_sampling(tmp_path: Path) -> None:
    """With top-k 1 every token of a held-out story is sure; the rollouts' are not, before as after a validation."""
    made = train("sampling", tmp_path / "run")["generations"]
    assert {call["top_k"] for call in made if not call["training"]} == {1}
    assert all(call["sure"] == 1 for call in made if not call["training"])
    assert all(call["top_k"] != 1 and call["sure"] < 1 for call in made if call["training"])
    assert {call["training"] for call in made} == {True, False}


@needs_vllm
def test_a_model_of_the_papers_class_in_vllm(tmp_path: Path, record_property: Report) -> None:
    found = train("qwen", tmp_path / "run", model=save_qwen(tmp_path / "model", tiny=True))
    assert steps_made(tmp_path / "run") >= 2
    record_property("report", told("Qwen3.5's class, four layers", found, tmp_path / "run"))


@needs_vllm
def test_importance_ratios(tmp_path: Path, record_property: Report) -> None:
    """Without cuts of sampling vLLM's probabilities are the trainer's, but for 16 bits."""
    script = [sys.executable, "-P", str(ROOT / "tests" / "perf" / "ratios.py"), str(tmp_path / "out")]
    done = subprocess.run(
        script, cwd=tmp_path, env=environment(), capture_output=True, text=True, check=False, timeout=LIMIT
    )
    assert done.returncode == 0, (done.stdout + done.stderr)[-6000:]
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith('{"sampling"')]
    plain = next(line for line in lines if line["sampling"] == "plain")
    assert plain["token ratio, quantiles 1 10 50 90 99 %"][2] == pytest.approx(1, abs=0.02)
    record_property("report", "\n".join(map(json.dumps, lines)))


def _lacks_for_nine() -> str | None:
    """What the machine lacks for the 9B shape, or None."""
    if torch.cuda.get_device_properties(0).total_memory < 75e9:
        return "needs a GPU of 80 GB"
    if shutil.disk_usage("/tmp").free < 40e9:
        return "needs 40 GB of disk"
    found = [importlib.util.find_spec(name) is not None for name in ("fla", "tilelang")]
    triton = tuple(int(part) for part in importlib.import_module("triton").__version__.split(".")[:3] if part.isdigit())
    if found == [True, False] and triton < (3, 7, 1) and torch.cuda.get_device_capability()[0] == 9:
        return "flash-linear-attention needs Triton 3.7.1 or tilelang on Hopper"
    return None


@needs_vllm
def test_one_update_of_the_9b_shape(tmp_path: Path, record_property: Report) -> None:
    """Random weights; references of 8,192 tokens."""
    if lack := _lacks_for_nine():
        pytest.skip(lack)
    paths = {"model": save_qwen(tmp_path / "model", tiny=False), "pairs": long_pairs(tmp_path / "pairs.jsonl")}
    found = train("nine", tmp_path / "run", **paths)
    assert steps_made(tmp_path / "run") >= 1
    record_property("report", told("the 9B shape, LoRA, one update", found, tmp_path / "run"))

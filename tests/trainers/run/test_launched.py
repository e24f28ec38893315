"""Runs that a launcher starts in several processes: plain, and with all weights sharded over them."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="needs the extra train")

import tiny  # noqa: E402
import yaml  # noqa: E402
from accelerate.commands.config.config_args import load_config_from_file  # noqa: E402
from conftest import write_jsonl  # noqa: E402
from safetensors.torch import load_file  # noqa: E402

from polaris_eval.trainers.recipe_files import shipped  # noqa: E402
from polaris_eval.trainers.run.curves import judged_rows  # noqa: E402

pytestmark = [pytest.mark.model, pytest.mark.slow]

# accelerate shards weights on GPUs alone; told that these processes are of that kind, it shards them on the CPU
SHARDING = """
import accelerate.state as state

kind = ("gloo", state.DistributedType.MULTI_GPU)
state.PartialState._prepare_backend = lambda self, *args, **kwargs: kind
from polaris_eval.trainers.cli import main
from polaris_eval.trainers.hri import HRITrainer

begin = HRITrainer._inner_training_loop
def noting(self, *args, **kwargs):
    made = begin(self, *args, **kwargs)
    print("SHARDED", *(kind.__name__ for kind in type(self.model_wrapped).mro()), flush=True)
    return made
HRITrainer._inner_training_loop = noting
main()
"""


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    """All weights of the tiny model, two rows a process."""
    rows = [
        {"uid": f"u{i}", "prompt": f"Write of ferry number {i}.", "story": f"The ferry {i} waited. Rain fell."}
        for i in range(8)
    ]
    path = tmp_path / "tiny.yaml"
    data = {
        "base": "smoke", "name": "tiny", "model": str(tiny.saved(tmp_path / "model")), "lora": None,
        "data": {"train": str(write_jsonl(tmp_path / "pairs.jsonl", rows))}, "reward": {"overlong_tokens": 4},
        "judge": {"retries": 0}, "validation": {"prompts": 2, "every": 2},
        "trl": {"max_completion_length": 12, "max_steps": 4, "save_steps": 2, "hri_warmup_steps": 0,
                "per_device_train_batch_size": 2, "learning_rate": 0.01},
    }  # fmt: skip
    path.write_text(yaml.safe_dump(data), encoding="utf-8")
    return path


def launch(folder: Path, config: dict[str, Any], program: list[str], *args: object, **env: str) -> str:
    (folder / "accelerate.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    command = [sys.executable, "-m", "accelerate.commands.launch", "--config_file", "accelerate.yaml", *program]
    done = subprocess.run(
        [*command, *map(str, args)], cwd=folder, capture_output=True, text=True, timeout=300, check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1", **env},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def rewards(run: Path) -> dict[tuple[Any, ...], float]:
    """Every row's reward by what it is; of a row that was judged twice, the last."""
    return {(r["phase"], r["step"], r["rank"], r["row"], r["uid"]): r["reward"] for r in judged_rows(run)}


@pytest.mark.parametrize("kind", ["FSDPModule", "DeepSpeedEngine"])
def test_sharded_weights_learn_what_whole_ones_learn_and_resume(tmp_path: Path, recipe: Path, kind: str) -> None:
    """The configurations that ship, but for processes, precision and offloading."""
    usual = {"num_processes": 2, "mixed_precision": "no", "main_process_port": 0}
    fsdp = {**yaml.safe_load(shipped("accelerate")["fsdp"]), **usual}
    fsdp["fsdp_config"]["fsdp_offload_params"] = False
    config = fsdp
    if kind == "DeepSpeedEngine":
        if importlib.util.find_spec("deepspeed") is None:
            pytest.skip("DeepSpeed is not installed here")
        config = {**yaml.safe_load(shipped("accelerate")["deepspeed"]), **usual}
        config["deepspeed_config"]["offload_optimizer_device"] = "none"
    plain = {**fsdp, "use_cpu": True}  # accelerate shards nothing then
    launch(tmp_path, plain, ["-m", "polaris_eval.trainers.cli"], recipe, "--run-dir", "whole")
    (tmp_path / "sharding.py").write_text(SHARDING, encoding="utf-8")
    args = [recipe, "trl.use_cpu=false", "trl.bf16=false", "--run-dir", "sharded"]
    env = {"ACCELERATE_TORCH_DEVICE": "cpu", "DS_ACCELERATOR": "cpu"}
    said = launch(tmp_path, config, ["sharding.py"], *args, **env)
    assert (said.count("SHARDED"), said.count(kind)) == (2, 2), said  # two processes may print into one line
    whole, sharded = tmp_path / "whole", tmp_path / "sharded"
    assert rewards(sharded) == pytest.approx(rewards(whole), abs=1e-6)
    ends = [load_file(run / "checkpoint-4" / "model.safetensors") for run in (whole, sharded)]
    assert all(torch.allclose(ends[0][name], ends[1][name], atol=1e-4) for name in ends[0])
    before = rewards(sharded)
    shutil.rmtree(sharded / "checkpoint-4")
    launch(tmp_path, config, ["sharding.py"], *args, **env)
    assert rewards(sharded) == before
    again = load_file(sharded / "checkpoint-4" / "model.safetensors")
    assert all(torch.equal(ends[1][name], again[name]) for name in again)


def test_deepspeeds_configuration_is_read_by_accelerate(tmp_path: Path) -> None:
    (tmp_path / "deepspeed.yaml").write_text(shipped("accelerate")["deepspeed"], encoding="utf-8")
    found = load_config_from_file(str(tmp_path / "deepspeed.yaml"))
    assert found.distributed_type == "DEEPSPEED"
    assert found.deepspeed_config["zero_stage"] == 3

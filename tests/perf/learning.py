"""Does training raise the reward? The small real model, three seeds, with and without HRI, against learning rate 0.

Run by hand: python tests/perf/learning.py FOLDER (about two hours on two cores; the same command goes on).
Writes FOLDER/learning.json and FOLDER/learning.png. Every story is cut at 48 tokens, so lengths play no part: what can
be learned is what the offline proxy judge likes. Asserts nothing.

python tests/perf/learning.py FOLDER start (about an hour) compares ways to learn from the human stories: HRI alone,
after a warm start, and with the likelihood term, with four prompts held out.

With PAIRS, a file of pairs, and a GPU: python tests/perf/learning.py FOLDER PAIRS takes its stories of 200 to 500 words
whole, with all penalties and vLLM, for a hundred steps, three runs at a time. Not yet run.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from importlib.resources import files
from pathlib import Path
from threading import Lock
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from polaris_eval.harness.stats.intervals import mean_interval
from polaris_eval.harness.words import count_words
from polaris_eval.trainers.reward.ledger import TRAIN
from polaris_eval.trainers.run.curves import judged_rows, metrics

SEEDS = (1, 2, 3)
LIMIT = 48
WORDS = (200, 500)


class Trial(NamedTuple):
    """What is compared (the last condition is what the others are measured against), how long, how many runs at a time,
    with what settings beside the recipe's."""

    title: str
    steps: int
    last: int
    at_once: int
    settings: dict[str, Any]
    conditions: dict[str, dict[str, Any]]


REWARDS = {
    "HRI": {},
    "no HRI": {"trl.hri_weight": 0},
    "learning rate 0": {"trl.learning_rate": 0},
}
STARTS = {
    "warm start": {"sft": "{epochs: 3, learning_rate: 2e-4, batch: 4}"},
    "likelihood": {"trl.hri_nll": 0.1},
    "HRI": {},
}


CPU = Trial(
    "smoke, 48-token stories, PROXY judge", steps=30, last=10, at_once=2,
    settings={
        "validation.prompts": 0, "reward.overlong_tokens": 0, "reward.weights.blank": 0, "trl.num_generations": 8,
        "trl.per_device_train_batch_size": 8, "trl.max_completion_length": LIMIT, "trl.learning_rate": 5e-4,
        "trl.generation_kwargs": f"{{min_new_tokens: {LIMIT}}}", "trl.hri_warmup_steps": 5,
    },
    conditions=REWARDS,
)  # fmt: skip
START = CPU._replace(
    title="smoke, 48-token stories, PROXY judge", steps=20, conditions=STARTS,
    settings={**CPU.settings, "validation.prompts": 4, "validation.every": 5, "validation.weights.blank": 0,
              "trl.save_steps": 10},
)  # fmt: skip
GPU = Trial(
    "smoke, stories of 200 to 500 words, PROXY judge", steps=100, last=20, at_once=3,
    settings={
        "validation.prompts": 0, "trl.num_generations": 8, "trl.per_device_train_batch_size": 16, "shape.gpus": 1,
        "trl.max_completion_length": 896, "data.max_prompt_tokens": 384, "trl.learning_rate": 2e-4,
        "reward.overlong_tokens": 64, "trl.hri_warmup_steps": 10, "trl.use_cpu": "false", "trl.bf16": "true",
        "trl.use_vllm": "true", "trl.vllm_mode": "colocate", "trl.vllm_gpu_memory_utilization": 0.1,
        "trl.vllm_max_model_length": 1280, "trl.vllm_importance_sampling_correction": "false",
        "trl.gradient_checkpointing": "true",
    },
    conditions=REWARDS,
)  # fmt: skip
STARTING = Lock()  # vLLM measures the card's free memory as it starts, so only one may start at a time


def pairs(folder: Path) -> Path:
    """The pairs that ship, without the request for a length."""
    path = folder / "pairs.jsonl"
    lines = files("polaris_eval.trainers").joinpath("smoke.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [row for row in map(json.loads, lines) if row.get("story")]
    for row in rows:
        asked = row["prompt"][0]["content"].partition(" The story should")[0]
        row["prompt"] = [{"role": "system", "content": "You write stories."}, {"role": "user", "content": asked}]
        row.pop("target_word_count")
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def own_pairs(folder: Path, given: Path) -> Path:
    """Those pairs of a file whose stories have 200 to 500 words."""
    rows = read_rows(given)
    kept = [row for row in rows if WORDS[0] <= count_words(row.get("story") or "") <= WORDS[1]]
    path = folder / "pairs.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in kept), encoding="utf-8")
    return path


def read_rows(given: Path) -> list[dict[str, Any]]:
    if given.suffix == ".parquet":
        return list(json.loads(pd.read_parquet(given).to_json(orient="records")))
    return [json.loads(line) for line in given.read_text(encoding="utf-8").splitlines()]


def command(trial: Trial, folder: Path, data: Path, condition: str, seed: int) -> list[str]:
    name = f"{condition.replace(' ', '-')}-{seed}"
    settings = {**trial.settings, **trial.conditions[condition], "trl.seed": seed, "trl.max_steps": trial.steps}
    start = [sys.executable, "-m", "polaris_eval.trainers.cli", "smoke", "--run-dir", str(folder / name)]
    return [*start, f"data.train={data}", *(f"{key}={value}" for key, value in settings.items())]


def run(trial: Trial, folder: Path, data: Path, condition: str, seed: int) -> None:
    name = f"{condition.replace(' ', '-')}-{seed}"
    env = {
        **os.environ,
        "OMP_NUM_THREADS": "1",
        "MASTER_PORT": str(29_600 + 10 * seed + list(trial.conditions).index(condition)),
    }
    with (folder / f"{name}.txt").open("a") as out:
        with STARTING:
            running = subprocess.Popen(command(trial, folder, data, condition, seed), stdout=out, stderr=out, env=env)
            while trial is GPU and running.poll() is None and not (folder / name / "metrics.jsonl").exists():
                time.sleep(1)
        if running.wait():
            raise SystemExit(f"{name} failed; see {folder / name}.txt")
    print(name, "done", flush=True)


def by_step(trial: Trial, folder: Path, condition: str, seed: int, part: str) -> np.ndarray:
    """Mean of the rollouts at each step."""
    every = judged_rows(folder / f"{condition.replace(' ', '-')}-{seed}")
    rows = [row for row in every if row["phase"] == TRAIN and not row["is_reference"]]
    return np.array([np.mean([row[part] for row in rows if row["step"] == step]) for step in range(trial.steps)])


def measured(trial: Trial, folder: Path) -> dict[str, Any]:
    """Means over the first and the last steps, and the paired difference to the last condition."""
    rewards = {c: np.array([by_step(trial, folder, c, seed, "reward") for seed in SEEDS]) for c in trial.conditions}
    against = list(trial.conditions)[-1]
    last, rows = trial.last, trial.settings["trl.per_device_train_batch_size"]
    found: dict[str, Any] = {"seeds": SEEDS, "steps": trial.steps, "last": last, "rows a step": rows, "conditions": {}}
    clusters = [f"{seed}-{step}" for seed in SEEDS for step in range(last)]
    for condition, values in rewards.items():
        gain = values[:, -last:] - rewards[against][:, -last:]  # the same prompts, step by step
        interval = mean_interval(gain.ravel(), clusters)
        found["conditions"][condition] = {
            "first": values[:, :last].mean(axis=1).round(3).tolist(),
            "last": values[:, -last:].mean(axis=1).round(3).tolist(),
            "gain": gain.mean(axis=1).round(3).tolist(),
            "mean gain": [round(float(x), 3) for x in (interval.value, interval.low, interval.high)],
            "repetition, last": [
                round(float(by_step(trial, folder, condition, s, "repetition")[-last:].mean()), 3) for s in SEEDS
            ],
        }
    if "no HRI" in rewards:
        apart = rewards["HRI"][:, -last:] - rewards["no HRI"][:, -last:]
        interval = mean_interval(apart.ravel(), clusters)
        found["HRI minus no HRI"] = {
            "by seed": apart.mean(axis=1).round(3).tolist(),
            "mean": [round(float(x), 3) for x in (interval.value, interval.low, interval.high)],
        }
    if trial.settings["validation.prompts"]:
        found["held out"] = {c: [held_out(folder, c, seed) for seed in SEEDS] for c in trial.conditions}
    return found


def held_out(folder: Path, condition: str, seed: int) -> dict[int, float]:
    """Mean reward of the held-out stories at each validation."""
    logged = metrics(folder / f"{condition.replace(' ', '-')}-{seed}")
    return {step: round(row["eval_reward"], 3) for step, row in logged.items() if row.get("eval_reward") is not None}


def plot(trial: Trial, folder: Path) -> None:
    import matplotlib as mpl

    mpl.use("agg")
    import matplotlib.pyplot as plt

    mpl.rc_file(str(files("polaris_eval.harness.show") / "polaris.mplstyle"))
    figure, axes = plt.subplots(figsize=(7, 4))
    for number, condition in enumerate(trial.conditions):
        curves = np.array([by_step(trial, folder, condition, seed, "reward") for seed in SEEDS])
        smooth = np.array([np.convolve(curve, np.ones(5) / 5, "valid") for curve in curves])
        steps = np.arange(4, trial.steps) + 1
        axes.plot(steps, smooth.mean(axis=0), ("-", "--", ":")[number], color=f"C{number}", label=condition)
        for curve in smooth:
            axes.plot(steps, curve, ("-", "--", ":")[number], color=f"C{number}", alpha=0.3, linewidth=0.8)
    axes.set(xlabel="step", ylabel="reward of the rollouts (mean of 5 steps)")
    axes.set_title(f"{trial.title}: three seeds (faint) and their mean")
    axes.legend()
    figure.savefig(folder / "learning.png")


def main() -> None:
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    given = sys.argv[2] if len(sys.argv) > 2 else None
    trial = {None: CPU, "start": START}.get(given, GPU)
    data = own_pairs(folder, Path(given)) if given and trial is GPU else pairs(folder)
    jobs = [(condition, seed) for seed in SEEDS for condition in trial.conditions]
    with ThreadPoolExecutor(trial.at_once) as pool:
        list(pool.map(lambda job: run(trial, folder, data, *job), jobs))
    found = measured(trial, folder)
    (folder / "learning.json").write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    plot(trial, folder)
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()

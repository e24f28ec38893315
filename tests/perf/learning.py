"""Does training raise the reward? The small real model, three seeds, with and without HRI, against learning rate 0.

Run by hand: python tests/perf/learning.py FOLDER (about two hours on two cores; the same command goes on).
Writes FOLDER/learning.json and FOLDER/learning.png. Every story is cut at 48 tokens, so lengths play no part: what can
be learned is what the offline proxy judge likes. Asserts nothing.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from polaris_eval.harness.stats.intervals import mean_interval
from polaris_eval.trainers.run.curves import judged_rows

SEEDS, STEPS, LAST = (1, 2, 3), 30, 10
LIMIT = 48
CONDITIONS = {
    "HRI": {},
    "no HRI": {"trl.hri_weight": 0},
    "learning rate 0": {"trl.learning_rate": 0},
}
SETTINGS = {
    "validation.prompts": 0, "reward.overlong_tokens": 0, "reward.weights.blank": 0, "trl.num_generations": 8,
    "trl.per_device_train_batch_size": 8, "trl.max_steps": STEPS, "trl.max_completion_length": LIMIT,
    "trl.generation_kwargs": f"{{min_new_tokens: {LIMIT}}}", "trl.learning_rate": 5e-4, "trl.hri_warmup_steps": 5,
}  # fmt: skip


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


def run(folder: Path, data: Path, condition: str, seed: int) -> None:
    name = f"{condition.replace(' ', '-')}-{seed}"
    settings = {**SETTINGS, **CONDITIONS[condition], "trl.seed": seed, "data.train": data}
    command = [sys.executable, "-m", "polaris_eval.trainers.cli", "smoke", "--run-dir", str(folder / name)]
    command += [f"{key}={value}" for key, value in settings.items()]
    with (folder / f"{name}.txt").open("a") as out:
        subprocess.run(command, stdout=out, stderr=out, check=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    print(name, "done", flush=True)


def by_step(folder: Path, condition: str, seed: int, part: str) -> np.ndarray:
    """Mean of the rollouts at each step."""
    rows = [row for row in judged_rows(folder / f"{condition.replace(' ', '-')}-{seed}") if not row["is_reference"]]
    return np.array([np.mean([row[part] for row in rows if row["step"] == step]) for step in range(STEPS)])


def measured(folder: Path) -> dict[str, Any]:
    """Means over the first and the last steps, and the paired difference to the run that learned nothing."""
    rewards = {c: np.array([by_step(folder, c, seed, "reward") for seed in SEEDS]) for c in CONDITIONS}
    found: dict[str, Any] = {"seeds": SEEDS, "steps": STEPS, "last": LAST, "rows a step": 8, "conditions": {}}
    clusters = [f"{seed}-{step}" for seed in SEEDS for step in range(LAST)]
    for condition, values in rewards.items():
        gain = values[:, -LAST:] - rewards["learning rate 0"][:, -LAST:]  # the same prompts, step by step
        interval = mean_interval(gain.ravel(), clusters)
        found["conditions"][condition] = {
            "first": values[:, :LAST].mean(axis=1).round(3).tolist(),
            "last": values[:, -LAST:].mean(axis=1).round(3).tolist(),
            "gain": gain.mean(axis=1).round(3).tolist(),
            "mean gain": [round(float(x), 3) for x in (interval.value, interval.low, interval.high)],
            "repetition, last": [
                round(float(by_step(folder, condition, s, "repetition")[-LAST:].mean()), 3) for s in SEEDS
            ],
        }
    apart = rewards["HRI"][:, -LAST:] - rewards["no HRI"][:, -LAST:]
    interval = mean_interval(apart.ravel(), clusters)
    found["HRI minus no HRI"] = {
        "by seed": apart.mean(axis=1).round(3).tolist(),
        "mean": [round(float(x), 3) for x in (interval.value, interval.low, interval.high)],
    }
    return found


def plot(folder: Path) -> None:
    import matplotlib as mpl

    mpl.use("agg")
    import matplotlib.pyplot as plt

    mpl.rc_file(str(files("polaris_eval.harness.show") / "polaris.mplstyle"))
    figure, axes = plt.subplots(figsize=(7, 4))
    for number, condition in enumerate(CONDITIONS):
        curves = np.array([by_step(folder, condition, seed, "reward") for seed in SEEDS])
        smooth = np.array([np.convolve(curve, np.ones(5) / 5, "valid") for curve in curves])
        steps = np.arange(4, STEPS) + 1
        axes.plot(steps, smooth.mean(axis=0), ("-", "--", ":")[number], color=f"C{number}", label=condition)
        for curve in smooth:
            axes.plot(steps, curve, ("-", "--", ":")[number], color=f"C{number}", alpha=0.3, linewidth=0.8)
    axes.set(xlabel="step", ylabel="reward of the rollouts (mean of 5 steps)")
    axes.set_title("smoke, 48-token stories, PROXY judge: three seeds (faint) and their mean")
    axes.legend()
    figure.savefig(folder / "learning.png")


def main() -> None:
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    data = pairs(folder)
    jobs = [(condition, seed) for seed in SEEDS for condition in CONDITIONS]
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda job: run(folder, data, *job), jobs))
    found = measured(folder)
    (folder / "learning.json").write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    plot(folder)
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()

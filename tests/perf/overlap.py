"""A step's time with and without `trl.overlap`, with a judge that takes five seconds. Asserts nothing.

Run: python tests/perf/overlap.py (about five minutes on two cores). The small real model, eight rows of 48 tokens, a
judge on this machine that answers every call after five seconds, sixteen calls at a time.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).parents[1]))

from learning import pairs
from loopback import serve, well_behaved

LATENCY, STEPS = 5.0, 7
SETTINGS = {
    "judge.model": "openai/gpt-5.4-mini", "validation.prompts": 0, "trl.max_steps": STEPS, "trl.save_steps": STEPS,
    "trl.num_generations": 8, "trl.per_device_train_batch_size": 8, "trl.max_completion_length": 48,
    "reward.overlong_tokens": 0, "trl.generation_kwargs": "{min_new_tokens: 48}",
}  # fmt: skip


def slow(number: int, system: str, user: str) -> str:
    """A judge's reply, late."""
    if user.startswith("Answer with the word"):  # the call that checks whether the judge answers
        return "ready"
    time.sleep(LATENCY)
    return well_behaved(system, user)


def seconds(overlap: bool, url: str, folder: Path, data: Path) -> float:
    """Median step, without the first, which waits for its own stories, and the last, which writes none ahead."""
    settings = {**SETTINGS, "data.train": data, "judge.base_url": url, "trl.overlap": str(overlap).lower()}
    command = [sys.executable, "-m", "polaris_eval.trainers.cli", "smoke", "--run-dir", str(folder)]
    env = {**os.environ, "OPENAI_API_KEY": "none", "POLARIS_JUDGE_CACHE": "off"}
    subprocess.run(
        [*command, *(f"{key}={value}" for key, value in settings.items())], env=env, check=True, capture_output=True
    )
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    return median([row["step_time"] for row in rows if row.get("step_time")][1:-1])


def main() -> None:
    with serve(slow) as server, tempfile.TemporaryDirectory() as folder:
        data = pairs(Path(folder))
        plain, ahead = (seconds(overlap, server.url, Path(folder) / str(overlap), data) for overlap in (False, True))
    print(f"a step with a judge of {LATENCY:g} s: {plain:.1f} s, with overlap {ahead:.1f} s: {ahead / plain:.2f}")


if __name__ == "__main__":
    main()

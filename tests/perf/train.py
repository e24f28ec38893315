"""Cost of human-reference injection and of the reward, as ratios and times in one run. Asserts nothing.

Run: python tests/perf/train.py (about ten minutes on two cores)
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from types import SimpleNamespace
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import tiny
from conftest import PROSE, reply
from datasets import Dataset
from inspect_ai.model import GenerateConfig, ModelOutput, ModelUsage
from transformers import AutoModelForCausalLM
from trl import GRPOTrainer

from polaris_eval.harness.judge.jury import Jury
from polaris_eval.harness.judge.named import make_model
from polaris_eval.harness.prices import load_prices
from polaris_eval.rubrics import load_rubric
from polaris_eval.trainers.hri import HRIConfig, HRITrainer
from polaris_eval.trainers.models import model_path
from polaris_eval.trainers.recipe_files import load_recipe
from polaris_eval.trainers.reward.batch import Reward
from polaris_eval.trainers.reward.judged import Judging
from polaris_eval.trainers.reward.ledger import HELD_OUT, TRAIN, Ledger

TOKENS, STEPS = 48, 4


def step_seconds(kind: type[GRPOTrainer], group: int, rows: int) -> float:
    """Median step of the small real model; references are as long as rollouts, and neither ends before the limit."""
    prompts = [{"prompt": [{"role": "user", "content": f"Write of ferry number {i}."}]} for i in range(rows // group)]
    reference = tiny.TOKENIZER.encode(PROSE * 2)[:TOKENS]
    with tempfile.TemporaryDirectory() as folder:
        args = HRIConfig(
            output_dir=folder, per_device_train_batch_size=rows, num_generations=group, max_completion_length=TOKENS,
            max_steps=STEPS + 1, use_cpu=True, bf16=False, gradient_checkpointing=False, remove_unused_columns=False,
            report_to="none", logging_steps=1, save_strategy="no", disable_tqdm=True, hri_warmup_steps=0,
            generation_kwargs={"min_new_tokens": TOKENS},
        )  # fmt: skip
        made = kind(
            model=AutoModelForCausalLM.from_pretrained(model_path("polaris_eval/local"), dtype="float32"),
            reward_funcs=tiny.letters, args=args, processing_class=tiny.TOKENIZER,
            train_dataset=Dataset.from_list([{**row, "reference": reference} for row in prompts]),
        )  # fmt: skip
        made.train()
        return median([row["step_time"] for row in made.state.log_history if "step_time" in row][1:])


def reward_seconds(latency: float, concurrency: int) -> float:
    """Time of 48 judged rows of 1,000 words with a hosted judge whose replies take `latency` seconds and are kept."""
    os.environ["OPENAI_API_KEY"] = "none"
    judge = make_model("openai/gpt-5.4-mini", config=GenerateConfig(max_connections=concurrency))
    text = reply(load_rubric("story_quality"))

    async def generate(*args: Any, **kwargs: Any) -> ModelOutput:
        await asyncio.sleep(latency)
        output = ModelOutput.from_content("gpt-5.4-mini", text)
        output.usage = ModelUsage(input_tokens=3000, output_tokens=1000, total_tokens=4000)
        return output

    judge.api.generate = generate  # type: ignore[method-assign]
    changes = ["trl.max_completion_length=4096", f"judge.concurrency={concurrency}", "judge.model=openai/gpt-5.4-mini"]
    recipe = load_recipe("smoke", changes)
    with tempfile.TemporaryDirectory() as folder:
        os.environ |= {"POLARIS_CACHE": folder, "POLARIS_JUDGE_CACHE": "on"}
        judging = {"story_quality": Judging(recipe.judge, Jury((judge,)), load_prices(None))}
        end = tiny.TOKENIZER.eos_token_id
        ledger = Ledger(Path(folder), 0, "smoke")
        reward = Reward(recipe, {TRAIN: judging, HELD_OUT: judging}, {}, tiny.TOKENIZER, "", {end}, ledger)
        ids = [[*tiny.TOKENIZER.encode(f"{PROSE * 28} {i}"), end] for i in range(48)]
        call = reward(
            prompts=["Write of a ferry."] * 48, completion_ids=ids, uid=[f"p{i}" for i in range(48)],
            target_words=[1000] * 48, held_out=[False] * 48, is_reference=[False] * 48,
            trainer_state=SimpleNamespace(global_step=0), log_extra=lambda *_: None, log_metric=lambda *_: None,
        )  # fmt: skip
        started = time.perf_counter()
        found = asyncio.run(call)
        took = time.perf_counter() - started
        assert all(value is not None for value in found)
        return took


def main() -> None:
    print(f"48 rows at 1 s latency, concurrency 48, first batch of a process: {reward_seconds(1.0, 48):.2f} s")
    print(f"48 rows at 1 s latency, concurrency 48, further batches: {reward_seconds(1.0, 48):.2f} s")
    print(f"48 rows without latency: {1000 * reward_seconds(0.0, 48) / 48:.1f} ms a row")
    for group, rows in ((6, 6), (4, 8), (4, 4)):
        ours, theirs = step_seconds(HRITrainer, group, rows), step_seconds(GRPOTrainer, group, rows)
        print(f"group {group}, {rows} rows: step {ours:.2f} s with HRI, {theirs:.2f} s without: {ours / theirs:.2f}")


if __name__ == "__main__":
    main()

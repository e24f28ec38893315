"""How far vLLM's probabilities are from the trainer's, by sampling, and what TRL's modes of correction make of it.

Run by hand on a GPU: python tests/perf/ratios.py FOLDER (two minutes; needs the extras train and vllm). One vLLM
engine, the small real model, a JSON line for each sampling. Asserts nothing.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import torch
from datasets import Dataset
from trl import GRPOConfig, GRPOTrainer

from polaris_eval.trainers.models import load_tokenizer, model_path

SAMPLINGS: dict[str, dict[str, Any]] = {
    "plain": {"top_p": 1.0, "top_k": 0, "repetition_penalty": 1.0},
    "top-p 0.95": {"top_p": 0.95, "top_k": 0, "repetition_penalty": 1.0},
    "top-k 20": {"top_p": 1.0, "top_k": 20, "repetition_penalty": 1.0},
    "repetition penalty 1.1": {"top_p": 1.0, "top_k": 0, "repetition_penalty": 1.1},
    "all three": {"top_p": 0.95, "top_k": 20, "repetition_penalty": 1.1},
}
CAP = 3.0  # TRL's default
AT = (0.01, 0.1, 0.5, 0.9, 0.99)


def quantiles(values: torch.Tensor) -> list[float]:
    return [round(float(q), 4) for q in torch.quantile(values.float(), torch.tensor(AT).to(values))]


def summary(difference: torch.Tensor, mask: torch.Tensor) -> dict[str, Any]:
    """Of log-probabilities (trainer's minus vLLM's) of tokens, rows by time, where `mask` is 1."""
    difference = torch.nan_to_num(difference * mask, nan=0.0)
    token = difference[mask.bool()].exp()
    whole = difference.sum(dim=1).exp()
    held = {
        "token_truncate": token.clamp(max=CAP),
        "token_mask": torch.where(token > CAP, torch.zeros_like(token), token),
        "sequence_truncate": whole.clamp(max=CAP),
        "sequence_mask": torch.where(whole > CAP, torch.zeros_like(whole), whole),
    }
    return {
        "tokens": int(mask.sum()),
        "rows": len(whole),
        "token ratio, quantiles 1 10 50 90 99 %": quantiles(token),
        "log of the whole ratio, quantiles": quantiles(difference.sum(dim=1)),
        "mean weight": {mode: round(float(values.mean()), 5) for mode, values in held.items()},
        "share under 0.01": {mode: round(float((values < 0.01).float().mean()), 4) for mode, values in held.items()},
    }


def main() -> None:
    tokenizer = load_tokenizer("polaris_eval/local")
    asked = (f"Write a short story about ferry number {i}." for i in range(64))
    rows = [{"prompt": [{"role": "user", "content": text}]} for text in asked]
    settings = GRPOConfig(
        output_dir=sys.argv[1], per_device_train_batch_size=16, num_generations=8, max_completion_length=512, bf16=True,
        use_vllm=True, vllm_mode="colocate", vllm_gpu_memory_utilization=0.2, vllm_max_model_length=1024,
        vllm_importance_sampling_correction=True, vllm_importance_sampling_mode="token_truncate",
        max_steps=len(SAMPLINGS), learning_rate=0.0, report_to="none", save_strategy="no", logging_steps=1,
        model_init_kwargs={"dtype": "float32"},
    )  # fmt: skip

    class Measured(GRPOTrainer):
        def _generate_and_score_completions(self, inputs: Any) -> Any:
            name, sampling = list(SAMPLINGS.items())[min(self.state.global_step, len(SAMPLINGS) - 1)]
            for key, value in sampling.items():
                setattr(self.vllm_generation, key, value)
            output = super()._generate_and_score_completions(inputs)
            found = summary(
                output["old_per_token_logps"] - output["sampling_per_token_logps"], output["completion_mask"]
            )
            print(json.dumps({"sampling": name, **found}), flush=True)
            return output

    trainer = Measured(
        model=model_path("polaris_eval/local"), args=settings,
        reward_funcs=lambda completions, **_: [float(len(str(c))) for c in completions],
        train_dataset=Dataset.from_list(rows), processing_class=tokenizer,
    )  # fmt: skip
    trainer.train()


if __name__ == "__main__":
    main()

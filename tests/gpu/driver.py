"""`python driver.py ARGUMENTS…`: polaris-train, and as its last line (JSON) what it took and how vLLM sampled.

Keys: `seconds`; gigabytes `allocated` and `reserved` at the peak by PyTorch (with vLLM beside the trainer its share
counts, also while it sleeps) and `used` on the card at the end; `generations`, one entry for each call of vLLM:
`training` or not, its `top_k`, and the share of tokens that were `sure`, whose probability after sampling's cuts is 1.
"""

from __future__ import annotations

import atexit
import importlib.util
import json
import sys
import time
from typing import Any

import torch

BEGUN = time.time()
GENERATIONS: list[dict[str, Any]] = []
SURE = -1e-6  # log-probability


def report() -> None:
    free, total = torch.cuda.mem_get_info()
    sizes = {
        "allocated": torch.cuda.max_memory_allocated(),
        "reserved": torch.cuda.max_memory_reserved(),
        "used": total - free,
    }
    found = {name: round(size / 1e9, 2) for name, size in sizes.items()}
    print(json.dumps({"seconds": round(time.time() - BEGUN, 1), **found, "generations": GENERATIONS}), flush=True)


def watch_sampling() -> None:
    """Note of every generation how it was sampled."""
    from trl.generation.vllm_generation import VLLMGeneration

    generate = VLLMGeneration.generate

    def noting(self: Any, *args: Any, **kwargs: Any) -> Any:
        made = generate(self, *args, **kwargs)
        chosen = [token[0] for row in made[2] for token in row]
        sure = sum(value > SURE for value in chosen) / max(1, len(chosen))
        GENERATIONS.append({"training": self.model.training, "top_k": self.top_k, "sure": round(sure, 4)})
        return made

    VLLMGeneration.generate = noting


def prefer_triton() -> None:
    """Without FlashInfer, have vLLM take Triton's kernel for the gated delta rule, which needs no further package."""
    from vllm.engine.arg_utils import EngineArgs

    made = EngineArgs.__init__

    def with_triton(self: Any, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("gdn_prefill_backend", "triton")
        made(self, *args, **kwargs)

    EngineArgs.__init__ = with_triton


if __name__ == "__main__":
    atexit.register(report)
    if importlib.util.find_spec("vllm") is not None:
        watch_sampling()
        if importlib.util.find_spec("flashinfer") is None:
            prefer_triton()
    from polaris_eval.trainers.cli import main

    sys.argv[0] = "polaris-train"
    main()

"""The runs of polaris-train that need a GPU: what each is given. `{model}` and `{pairs}` are filled in by the tests."""

from __future__ import annotations

GPU = ["trl.use_cpu=false", "trl.bf16=true", "validation.prompts=2"]
VLLM = [
    *GPU, "trl.use_vllm=true", "trl.vllm_mode=colocate", "trl.vllm_gpu_memory_utilization=0.15", "shape.gpus=1",
    "trl.vllm_max_model_length=1024", "trl.vllm_importance_sampling_correction=false", "trl.max_completion_length=512",
]  # fmt: skip
PROXY = [
    "judge.model=polaris_eval/lexical", "judge.options={}", "validation.judge.model=polaris_eval/lexical",
    "validation.judge.options={}", "validation.prompts=0",
]  # fmt: skip

RUNS = {
    "bf16": ["smoke", *GPU, "trl.max_steps=4", "trl.save_steps=2", "validation.every=2",
             "trl.max_completion_length=128"],
    "lora": ["smoke", *VLLM, "trl.max_steps=4", "validation.every=4"],
    "full": ["smoke", *VLLM, "lora=null", "trl.max_steps=4", "validation.every=4"],
    "sampling": ["smoke", *VLLM, "trl.learning_rate=0", "trl.max_steps=2", "validation.every=2",
                 "validation.sampling={temperature: 1.0, top_k: 1}"],
    "qwen": ["smoke", *VLLM, "model={model}", "trl.max_steps=2", "validation.every=2"],
    # one group of six with a reference of 8,192 tokens: one update of the recipe
    "nine": ["polaris-9b-lora", *PROXY, "model={model}", "data.train={pairs}", "trl.hri_warmup_steps=0",
             "trl.max_steps=1", "trl.save_steps=1", "trl.gradient_accumulation_steps=3",
             "trl.generation_kwargs={max_tokens: 1024}"],
}  # fmt: skip

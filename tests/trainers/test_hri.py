"""Human-reference injection on real TRL steps. These tests are the gate for another version of TRL."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="needs the extra train")

import tiny  # noqa: E402
from accelerate import PartialState  # noqa: E402
from hypothesis import given  # noqa: E402
from hypothesis import strategies as st  # noqa: E402
from peft import LoraConfig  # noqa: E402
from trl import GRPOTrainer  # noqa: E402
from trl.generation.vllm_generation import VLLMGeneration  # noqa: E402

from polaris_eval.harness.errors import UserError  # noqa: E402
from polaris_eval.trainers.answers import reference_ids  # noqa: E402
from polaris_eval.trainers.hri import HRIConfig, HRITrainer  # noqa: E402

pytestmark = pytest.mark.model


class Spy(HRITrainer):
    """Keeps every generation batch that went through."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.batches: list[dict[str, Any]] = []

    def _generate_and_score_completions(self, inputs: Any) -> Any:
        output = super()._generate_and_score_completions(inputs)
        self.batches.append({"inputs": inputs, **output})
        return output


def fixed(*rewards: float | None) -> Any:
    """A reward function that gives these numbers to the rows of a batch, over all processes, over and over."""

    def reward(completions: Any, **columns: Any) -> list[float | None]:
        first = PartialState().process_index * len(completions)
        return [rewards[(first + i) % len(rewards)] for i in range(len(completions))]

    return reward


def logged(trainer: Any, name: str) -> list[Any]:
    return [row[name] for row in trainer.state.log_history if name in row]


HALF = {"per_device_train_batch_size": 4, "gradient_accumulation_steps": 2}


@pytest.mark.parametrize("settings", [{}, HALF, {**HALF, "steps_per_generation": 4, "num_iterations": 2}])
@pytest.mark.parametrize("adapter", [False, True])
def test_without_a_weight_it_is_trl_to_the_last_bit(tmp_path: Path, settings: dict[str, Any], adapter: bool) -> None:
    ends = []
    for kind in (GRPOTrainer, HRITrainer):
        lora = LoraConfig(task_type="CAUSAL_LM", r=2, target_modules="all-linear") if adapter else None
        made = tiny.trainer(tmp_path, kind, hri_weight=0.0, peft_config=lora, **settings)
        made.train()
        ends.append((tiny.weights(made.model), [r.get("reward") for r in made.state.log_history]))
    (plain, rewards), (ours, same) = ends
    assert rewards == same
    assert all(torch.equal(plain[name], ours[name]) for name in plain)


def test_a_row_without_a_reference_is_plain_grpo(tmp_path: Path) -> None:
    ends = []
    for kind in (GRPOTrainer, HRITrainer):
        data = tiny.rows(6, without=tuple(range(6)))
        made = tiny.trainer(tmp_path, kind, data=data, hri_warmup_steps=0)
        made.train()
        ends.append(tiny.weights(made.model))
    assert all(torch.equal(ends[0][name], ends[1][name]) for name in ends[0])


def test_advantages_by_hand(tmp_path: Path) -> None:
    """Rollouts 0.1, 0.3, 0.5 and a reference of 0.7: mean 0.3, std 0.2, so -1, 0, 1 and w * 2."""
    made = tiny.trainer(
        tmp_path, Spy, fixed(0.1, 0.3, 0.5, 0.7, 0.9, 0.9, 0.3, 0.2), hri_weight=0.4, hri_warmup_steps=2, hri_bound=None
    )
    made.train()
    assert logged(made, "hri/weight") == pytest.approx([0.0, 0.2, 0.4])
    second, third = made.batches[1]["advantages"], made.batches[2]["advantages"]
    unit = 0.2 / (0.2 + 1e-4)
    mean, std = 0.7, math.sqrt((0.2**2 + 0.2**2 + 0.4**2) / 2)
    other = [(x - mean) / (std + 1e-4) for x in (0.9, 0.9, 0.3)]
    assert second.tolist() == pytest.approx(
        [-unit, 0, unit, 0.2 * 2 * unit, *other, 0.2 * -0.5 / (std + 1e-4)], abs=1e-5
    )
    assert third[3].item() == pytest.approx(0.4 * 2 * unit, abs=1e-5)
    # the first batch has no weight, so four rollouts a group: TRL's own numbers over all four
    assert made.batches[0]["advantages"][:4].mean().item() == pytest.approx(0, abs=1e-6)
    # TRL's metrics tell of the rollouts, ours of the references
    assert logged(made, "reward")[1] == pytest.approx((0.1 + 0.3 + 0.5 + 0.9 + 0.9 + 0.3) / 6)
    assert logged(made, "hri/reward")[0] == pytest.approx((0.7 + 0.2) / 2)
    assert logged(made, "hri/frac_beats_rollouts")[0] == 0.5
    assert logged(made, "hri/frac_groups_injected")[0] == 1


def test_a_group_without_spread_is_bounded(tmp_path: Path) -> None:
    rewards = fixed(0.5, 0.5, 0.5, 0.9, 0.5, 0.5, 0.5, 0.1)
    for bound, expected in ((5.0, 5.0), (None, 4000.0)):
        made = tiny.trainer(tmp_path, Spy, rewards, hri_weight=0.4, hri_warmup_steps=0, hri_bound=bound, max_steps=1)
        made.train()
        found = made.batches[0]["advantages"]
        assert found[3].item() == pytest.approx(0.4 * expected, rel=1e-3)
        assert found[7].item() == pytest.approx(-0.4 * expected, rel=1e-3)


@pytest.mark.parametrize("settings", [{}, HALF])
@pytest.mark.parametrize("loss", ["dapo", "grpo"])
def test_the_likelihood_term_by_hand(tmp_path: Path, loss: str, settings: dict[str, Any]) -> None:
    """Where no row has an advantage, the gradient is that of the references' mean loss per token, times the weight."""
    data = tiny.rows(6, without=(1,))
    usual = {"max_steps": 1, "learning_rate": 0.0, "max_grad_norm": 0.0, "loss_type": loss, **settings}
    made = tiny.trainer(
        tmp_path, Spy, fixed(0.5), data=data, hri_weight=0.0, hri_nll=0.25, shuffle_dataset=False, **usual
    )
    made.train()
    batch = made.batches[0]
    rows = [i for i, row in enumerate(batch["inputs"]) if i % 4 == 3 and row["reference"]]
    assert rows, batch["is_reference"].tolist()
    assert batch["is_reference"].nonzero().flatten().tolist() == rows
    model, losses, tokens = tiny.model(), [], 0
    for row in rows:
        prompt, answer = batch["prompt_ids"][row], torch.tensor(batch["inputs"][row]["reference"])
        prompt = prompt[batch["prompt_mask"][row].bool()]
        ids = torch.cat([prompt, answer])
        logps = model(ids[None]).logits[0, len(prompt) - 1 : -1].log_softmax(-1)
        losses.append(-logps[range(len(answer)), answer].sum())
        tokens += len(answer)
    mean = sum(losses) / tokens
    assert logged(made, "hri/nll")[0] == pytest.approx(mean.item(), rel=0.05)
    (0.25 * mean).backward()
    norm = torch.stack([p.grad.norm() for p in model.parameters()]).norm().item()
    assert logged(made, "grad_norm")[0] == pytest.approx(norm, rel=1e-3)


@pytest.mark.parametrize("rewards", [(0.1, None, 0.5, 0.7), (None, None, 0.5, 0.7), (0.1, 0.3, 0.5, None)])
def test_unjudged_rows_carry_no_advantage(tmp_path: Path, rewards: tuple[float | None, ...]) -> None:
    made = tiny.trainer(tmp_path, Spy, fixed(*rewards), hri_weight=0.4, hri_warmup_steps=0, max_steps=1)
    made.train()
    found = made.batches[0]["advantages"][:4].tolist()
    assert all(value == 0 for value, reward in zip(found, rewards, strict=True) if reward is None)
    judged = [reward for reward in rewards[:3] if reward is not None]
    if len(judged) < 2 or rewards[3] is None:
        assert found[3] == 0  # no baseline, or nothing to set against it
    else:
        assert found[3] > 0
    assert all(math.isfinite(value) for value in found)


def gradient(tmp_path: Path, weight: float) -> float:
    """Norm of the gradient where every rollout's advantage is 0, so that only the reference can move anything."""
    made = tiny.trainer(
        tmp_path, HRITrainer, fixed(0.5, 0.5, 0.5, 0.9), hri_weight=weight, hri_warmup_steps=0, max_steps=1,
        max_grad_norm=0.0, learning_rate=0.0,
    )  # fmt: skip
    made.train()
    return float(logged(made, "grad_norm")[0])


def test_the_references_gradient_is_zero_only_without_weight(tmp_path: Path) -> None:
    """The generation batch of w = 0 has rollouts in the references' places, so w goes to 0 here instead."""
    tiny_one, small, large = (gradient(tmp_path, weight) for weight in (1e-9, 0.1, 0.4))
    assert tiny_one == pytest.approx(0, abs=1e-7)
    assert small > 0
    assert large == pytest.approx(4 * small, rel=1e-3)


def test_references_are_never_generated_nor_fed_to_the_generator(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[list[list[int]]] = []
    plain = GRPOTrainer._generate_single_turn

    def record(self: Any, prompt_ids: Any, *args: Any, **kwargs: Any) -> Any:
        asked.append([list(ids) for ids in prompt_ids])
        return plain(self, prompt_ids, *args, **kwargs)

    monkeypatch.setattr(GRPOTrainer, "_generate_single_turn", record)
    made = tiny.trainer(tmp_path, Spy, hri_warmup_steps=0, data=tiny.rows(6, without=(1, 4)), max_steps=3)
    made.train()
    assert len(asked) == 3
    for prompts, batch in zip(asked, made.batches, strict=True):
        rows = batch["inputs"]
        given = sum(bool(row["reference"]) for row in rows[3::4])
        assert len(prompts) == 8 - given  # one rollout fewer for each reference
        for row, ids, mask in zip(
            rows[3::4], batch["completion_ids"][3::4], batch["completion_mask"][3::4], strict=True
        ):
            if row["reference"]:
                assert ids[mask.bool()].tolist() == row["reference"]  # teacher-forced, whole
        tail = tiny.TOKENIZER.encode(tiny.REFERENCE)[:4]
        assert all(prompt[i : i + 4] != tail for prompt in prompts for i in range(len(prompt)))


@pytest.mark.parametrize("mode", ["sequence_mask", "sequence_truncate", "token_truncate", "token_mask"])
def test_vllms_importance_ratio_of_a_reference_is_one(tmp_path: Path, mode: str) -> None:
    """vLLM stands in as a stub that returns rollouts with log-probabilities that are far off."""
    made = tiny.trainer(
        tmp_path, Spy, hri_warmup_steps=0, max_steps=1, vllm_importance_sampling_mode=mode,
        vllm_importance_sampling_clip_max=3.0,
    )  # fmt: skip

    class Stub:
        counts: list[int] = []  # noqa: RUF012

        def sync_weights(self) -> None:
            pass

        def generate(self, prompts: Any, num_generations: int, **more: Any) -> Any:
            assert num_generations == 1
            self.counts.append(len(prompts))
            return (
                None,
                [[5, 6, 7 + i] for i in range(len(prompts))],
                [[[-20.0], [-1.0], [-1.0]] for _ in prompts],
                None,
            )

    made.use_vllm, made.vllm_generation, made._last_loaded_step = True, Stub(), -1
    made.train()
    assert Stub.counts[-1] == 6
    ratio, mask = made.batches[0]["importance_sampling_ratio"], made.batches[0]["completion_mask"].bool()
    for row in range(8):
        values = ratio[row].expand_as(mask[row])[mask[row]]
        assert (values == 1).all() if row % 4 == 3 else (values != 1).any()


@pytest.mark.parametrize(("adapter", "at"), [(False, 2), (True, 2), (True, 3), (True, 4)])
def test_a_resumed_run_is_the_uninterrupted_one(tmp_path: Path, adapter: bool, at: int) -> None:
    """Resumed in the first epoch of three steps, at its end, or in the second."""
    lora = LoraConfig(task_type="CAUSAL_LM", r=2, target_modules="all-linear") if adapter else None
    usual: dict[str, Any] = {
        "peft_config": lora, "hri_warmup_steps": 3, "save_strategy": "steps", "save_steps": at, "max_steps": 6,
        **HALF,
    }  # fmt: skip
    whole = tiny.trainer(tmp_path / "whole", Spy, **usual)
    whole.train()
    tiny.trainer(tmp_path / "parts", Spy, **{**usual, "max_steps": at}).train()
    rest = tiny.trainer(tmp_path / "parts", Spy, **usual)
    rest.train(resume_from_checkpoint=str(tmp_path / "parts" / f"checkpoint-{at}"))
    assert logged(rest, "hri/weight")[at:] == logged(whole, "hri/weight")[at:]
    for ours, theirs in zip(rest.batches, whole.batches[at:], strict=True):
        assert [row["uid"] for row in ours["inputs"]] == [row["uid"] for row in theirs["inputs"]]
        assert torch.equal(ours["completion_ids"], theirs["completion_ids"])
    ends = [tiny.weights(made.model) for made in (whole, rest)]
    assert all(torch.equal(ends[0][name], ends[1][name]) for name in ends[0])


def test_evaluation_injects_nothing_and_samples_as_told(tmp_path: Path) -> None:
    seen: list[tuple[float, list[bool]]] = []

    def reward(completions: Any, is_reference: list[bool], **columns: Any) -> list[float]:
        seen.append((made.generation_config.temperature, is_reference))
        return [1.0] * len(completions)

    used: list[float] = []
    made = tiny.trainer(
        tmp_path, HRITrainer, reward, None, tiny.rows(3), hri_warmup_steps=0, max_steps=1,
        validation_sampling={"temperature": 0.5}, eval_strategy="steps", eval_steps=1, num_generations_eval=1,
        per_device_eval_batch_size=3,
    )  # fmt: skip
    plain = made.model.generate

    def generate(*args: Any, generation_config: Any, **kwargs: Any) -> Any:
        used.append(generation_config.temperature)
        return plain(*args, generation_config=generation_config, **kwargs)

    made.model.generate = generate
    made.train()
    assert [any(marks) for _, marks in seen] == [True, False]
    assert used == [1.0, 0.5]
    assert made.generation_config.temperature == 1.0


def test_vllm_samples_held_out_stories_as_told(tmp_path: Path) -> None:
    """Through TRL's own generator for a vLLM server; the server's client is a stub that notes what it is asked for."""
    asked: list[dict[str, Any]] = []

    class Client:
        def generate(self, prompts: list[list[int]], features: None, **sampling: Any) -> dict[str, Any]:
            asked.append(sampling)
            assert not features
            told = [[5, 6, 7 + i] for i in range(len(prompts))]
            return {"prompt_ids": prompts, "completion_ids": told, "logprobs": [[[-1.0]] * 3 for _ in prompts]}

    class Generator(VLLMGeneration):
        def _init_vllm(self) -> None:
            self.vllm_client = Client()

        def sync_weights(self) -> None:
            pass

    made = tiny.trainer(
        tmp_path, HRITrainer, hri_warmup_steps=0, max_steps=2, eval_strategy="steps", eval_steps=1, eval_on_start=True,
        num_generations_eval=1, per_device_eval_batch_size=3, held_out=tiny.rows(3), top_k=20, temperature=0.9,
        validation_sampling={"temperature": 0.5, "top_k": 1, "repetition_penalty": 1.3},
    )  # fmt: skip
    generator = Generator(
        made.model, made.accelerator, made.processing_class, mode="server", top_k=20, temperature=0.9,
        max_completion_length=12,
    )  # fmt: skip
    made.use_vllm, made.vllm_generation, made._last_loaded_step = True, generator, -1
    made.train()
    found = [(call["temperature"], call["top_k"], call["repetition_penalty"]) for call in asked]
    told, usual = (0.5, 1, 1.3), (0.9, 20, 1.0)
    assert found == [told, usual, told, usual, told]


def test_a_loss_that_is_no_number_never_reaches_the_weights(tmp_path: Path) -> None:
    made = tiny.trainer(tmp_path, max_steps=1)
    plain = made._compute_loss
    made._compute_loss = lambda *args: plain(*args) * float("nan")
    before = tiny.weights(made.model)
    with pytest.raises(UserError, match="the gradient of step 1 is nan"):
        made.train()
    after = tiny.weights(made.model)
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_what_cannot_be_injected_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="a group of 2 is too small"):
        tiny.trainer(tmp_path, num_generations=2)
    with pytest.raises(UserError, match="remove_unused_columns=False"):
        tiny.trainer(tmp_path, remove_unused_columns=True)
    with pytest.raises(UserError, match="sum_then_normalize"):
        tiny.trainer(tmp_path, multi_objective_aggregation="normalize_then_sum")
    assert tiny.trainer(tmp_path, num_generations=2, hri_weight=0.0)


@given(
    st.floats(0, 1), st.integers(0, 30), st.integers(0, 30), st.floats(0, 1), st.sampled_from(["linear", "cosine"])
)  # fmt: skip
def test_the_weight_rises_holds_and_decays(weight: float, up: int, down: int, final: float, schedule: str) -> None:
    config = HRIConfig(
        output_dir="unused", hri_weight=weight, hri_warmup_steps=up, hri_decay_steps=down, hri_final_weight=final,
        hri_schedule=schedule, use_cpu=True, report_to="none",
    )  # fmt: skip
    found = [config.hri_weight_at(step) for step in range(up + down + 3)]
    assert found[0] == (0 if up else weight)
    assert found[up] == pytest.approx(weight)
    assert found[-1] == pytest.approx(final if down else weight)
    assert all(b >= a for a, b in pairwise(found[: up + 1]))
    low, high = min(weight, final), max(weight, final)
    assert all(low - 1e-9 <= value <= high + 1e-9 for value in found[up:])


def test_reasoning_stands_where_the_template_wants_it() -> None:
    encode, decode = tiny.TOKENIZER.encode, tiny.TOKENIZER.decode
    cases = {
        ("<|im_start|>assistant\n", "why"): "<think>\nwhy\n</think>\nStory.",
        ("<|im_start|>assistant\n", None): "Story.",
        ("<|im_start|>assistant\n<think>\n", "why"): "why\n</think>\nStory.",
        ("<|im_start|>assistant\n<think>\n", None): "\n</think>\nStory.",
        ("<|im_start|>assistant\n<think>\n\n</think>\n\n", "why"): "Story.",
    }
    for (tail, reasoning), expected in cases.items():
        ids = reference_ids(tiny.TOKENIZER, encode(tail), "Story.", reasoning)
        assert decode(ids) == f"{expected}<|im_end|>"


TWO = """
import json, sys
sys.path[:0] = {tests!r}
import tiny
from test_hri import Spy, fixed
made = tiny.trainer({folder!r}, Spy, fixed(0.1, 0.3, 0.5, 0.7), hri_warmup_steps=0, max_steps=2,
                    data=tiny.rows(6, without=(2,)), per_device_train_batch_size={rows})
made.train()
mine = [batch["advantages"].tolist() for batch in made.batches]
uids = [[row["uid"] for row in batch["inputs"]] for batch in made.batches]
from accelerate.utils import gather_object
parts = gather_object([[made.accelerator.process_index, mine, uids]])
if made.accelerator.is_main_process:
    keys = ("hri/reward", "hri/frac_groups_injected", "reward", "completions/mean_length")
    logs = [[row[key] for row in made.state.log_history if key in row] for key in keys]
    print("RESULT" + json.dumps([[sum((p[k][b] for p in parts), []) for b in range(2)] for k in (1, 2)] + [logs[:3]]))
"""


@pytest.mark.slow
def test_more_processes_give_the_same_advantages(tmp_path: Path) -> None:
    """Twelve rows, three groups: two processes have six each, so that a group straddles them."""
    found = []
    for processes in (1, 2):
        code = TWO.format(
            tests=[str(Path(__file__).parents[1]), str(Path(__file__).parent)],
            folder=str(tmp_path / str(processes)),
            rows=12 // processes,
        )
        script = tmp_path / f"run{processes}.py"
        script.write_text(code)
        launch = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", str(processes)]
        command = [sys.executable, *launch, str(script)]
        environment = {"ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1"}
        done = subprocess.run(
            command, env={**os.environ, **environment}, capture_output=True, text=True, timeout=300, check=False
        )
        lines = [line for line in done.stdout.splitlines() if line.startswith("RESULT")]
        assert lines, done.stdout[-2000:] + done.stderr[-3000:]
        found.append(json.loads(lines[0].removeprefix("RESULT")))
    (one, uids, logs), (many, same, others) = found
    assert uids == same
    for ours, theirs in zip(one, many, strict=True):
        assert ours == pytest.approx(theirs, abs=1e-6)
    assert [value for log in logs for value in log] == pytest.approx(
        [value for log in others for value in log], abs=1e-6
    )

"""Writing the next batch while this one is judged: what changes, and what does not."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="needs the extra train")

import tiny  # noqa: E402
from test_hri import HALF, logged  # noqa: E402
from transformers import TrainerCallback  # noqa: E402

from polaris_eval.harness.errors import UserError  # noqa: E402
from polaris_eval.trainers.hri import HRITrainer, OverlapTrainer  # noqa: E402

pytestmark = pytest.mark.model


async def letters(completions: Any, **columns: Any) -> list[float]:
    """A judge that takes a moment."""
    await asyncio.sleep(0.01)
    return tiny.letters(completions)


class Seen(OverlapTrainer):
    """Keeps every training batch."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.batches: list[dict[str, Any]] = []
        super().__init__(*args, **kwargs)

    def _generate_and_score_completions(self, inputs: Any) -> Any:
        output = super()._generate_and_score_completions(inputs)
        self.batches.append(output)
        return output


@pytest.mark.parametrize("settings", [{}, HALF])
def test_without_an_update_in_between_nothing_changes(tmp_path: Path, settings: dict[str, Any]) -> None:
    """With a learning rate of 0, the weights before the last update are the present ones.

    Only the likeliest tokens are taken, since random numbers are drawn in another order.
    """
    told = []
    for kind in (HRITrainer, OverlapTrainer):
        made = tiny.trainer(
            tmp_path, kind, letters, learning_rate=0.0, hri_warmup_steps=1, max_steps=5, num_train_epochs=3,
            overlap=kind is OverlapTrainer, top_k=1, **settings,
        )  # fmt: skip
        made.train()
        told.append([[row.get(name) for row in made.state.log_history] for name in
                     ("reward", "hri/reward", "hri/weight", "completions/mean_length", "epoch")])  # fmt: skip
        told[-1].append(logged(made, "grad_norm"))
    assert told[0][:-1] == told[1][:-1]
    assert told[0][-1] == pytest.approx(told[1][-1], rel=1e-4)


def test_a_batch_is_written_by_the_weights_before_the_last_update(tmp_path: Path) -> None:
    made = tiny.trainer(tmp_path, Seen, letters, overlap=True, max_steps=3, hri_weight=0.0, data=tiny.rows(12))
    before: list[dict[str, Any]] = []  # the weights at the beginning of each step

    class Weights(TrainerCallback):  # type: ignore[misc]
        def on_step_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            before.append(tiny.weights(made.model))

    made.add_callback(Weights())
    made.train()
    plain = tiny.trainer(tmp_path, HRITrainer, letters, max_steps=1, hri_weight=0.0, data=tiny.rows(12))
    plain.train()
    assert logged(made, "reward")[0] == logged(plain, "reward")[0]  # the first batch waits for nobody
    assert "old_per_token_logps" not in made.batches[0]
    for number, batch in enumerate(made.batches[1:], 1):
        mask = batch["completion_mask"].bool()
        old = batch["old_per_token_logps"]
        assert old.shape == mask.shape
        with torch.no_grad():
            ids = torch.cat([batch["prompt_ids"], batch["completion_ids"]], dim=1)
            masks = torch.cat([batch["prompt_mask"], batch["completion_mask"]], dim=1)
            found = []
            for weights in (before[number - 1], before[number]):
                made.model.load_state_dict(weights)
                found.append(made._get_per_token_logps_and_entropies(made.model, ids, masks, mask.size(1))[0])
        assert torch.allclose(old[mask], found[0][mask], atol=1e-5)
        assert not torch.allclose(old[mask], found[1][mask], atol=1e-5)


def test_the_next_batch_is_written_before_the_judge_has_answered(tmp_path: Path) -> None:
    """The judge answers only when the next batch has been written: without overlap this would wait forever."""
    written = threading.Event()

    class Tells(OverlapTrainer):
        def _write_ahead(self) -> None:
            super()._write_ahead()
            written.set()

    async def waits(completions: Any, **columns: Any) -> list[float]:
        while not written.is_set():
            await asyncio.sleep(0.005)
        written.clear()
        return tiny.letters(completions)

    made = tiny.trainer(tmp_path, Tells, waits, overlap=True, max_steps=3, hri_warmup_steps=0)
    made.train()
    assert len(logged(made, "reward")) == 3


@pytest.mark.parametrize("at", [1, 2, 4])
def test_a_resumed_run_is_the_uninterrupted_one(tmp_path: Path, at: int) -> None:
    """Three batches per epoch, so that 4 lies in the second epoch."""
    settings: dict[str, Any] = {"hri_warmup_steps": 1, "max_steps": 6, "save_strategy": "steps", "save_steps": 1,
                "overlap": True, "num_train_epochs": 2}  # fmt: skip
    whole = tiny.trainer(tmp_path / "whole", OverlapTrainer, letters, **settings)
    whole.train()
    again = tiny.trainer(tmp_path / "again", OverlapTrainer, letters, **settings)
    again.train(resume_from_checkpoint=str(tmp_path / "whole" / f"checkpoint-{at}"))
    ours, theirs = tiny.weights(whole.model), tiny.weights(again.model)
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    assert logged(whole, "reward") == logged(again, "reward")


def test_a_batch_that_was_not_used_is_kept(tmp_path: Path) -> None:
    """A judge that is lost in step 3: what was written for that step is what a checkpoint keeps."""

    class Lost(RuntimeError):
        pass

    def lose(at: int) -> Callable[[Any], None]:
        calls = []

        def check(rewards: Any) -> None:
            calls.append(1)
            if len(calls) == at:
                raise Lost

        return check

    made = tiny.trainer(tmp_path, OverlapTrainer, letters, overlap=True, max_steps=5)
    made.before_update = lose(3)
    with pytest.raises(Lost):
        made.train()
    assert made._written is made._taken
    assert made._written is not None


def test_what_cannot_overlap_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"overlap needs one update per batch"):
        tiny.trainer(tmp_path, OverlapTrainer, letters, num_iterations=2, overlap=True)
    with pytest.raises(UserError, match="one reward function, which is asynchronous"):
        tiny.trainer(tmp_path, OverlapTrainer, tiny.letters, overlap=True)

"""The curves of a run: points stand at the step that they are of."""

from __future__ import annotations

from polaris_eval.trainers.run.curves import length_ratios


def test_the_length_ratio_stands_at_the_step_that_its_rollouts_were_written_for() -> None:
    rows = [
        {"phase": "train", "step": step, "target_words": 1500, "is_reference": False, "words": 1500 * (step + 1)}
        for step in (0, 1)
    ]
    assert length_ratios(rows) == {"1-2k": {1: 1.0, 2: 2.0}}

"""Monitor a run: log its progress, and decide when it stops at a checkpoint."""

from __future__ import annotations

import json
import math
import os
import random
import signal
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import torch
from accelerate.utils import reduce
from rich.console import Console
from rich.markup import escape
from transformers import TrainerCallback

from ...harness.show.files import write_json
from ..recipe import Recipe
from ..reward.ledger import Ledger, terms_in
from .processes import signalled_twice
from .samples import has_stalled, select, told, write_samples


class Activity:
    """One line on the terminal that says what a run is doing within a step; nothing where the output is no terminal."""

    def __init__(self, console: Console) -> None:
        self.step = ""
        self._status = console.status("", spinner="dots") if console.is_terminal and not console.quiet else None

    def say(self, told: str) -> None:
        """Show what is being done in the current step."""
        if self._status is not None:
            self._status.update(escape(f"{self.step}: {told}" if self.step else told))
            self._status.start()

    def stop(self) -> None:
        """Take the line away."""
        if self._status is not None:
            self._status.stop()


class Clock:
    """How long steps and validations take, each counted apart, and what that leaves."""

    def __init__(self, every: int) -> None:
        """`every`: the steps between validations; 0 without any."""
        self.every = every
        self._steps, self._validations = 0, 0
        self._training, self._validating = 0.0, 0.0
        self._mark = time.monotonic()

    def begin(self) -> None:
        """Start counting."""
        self._mark = time.monotonic()

    def stepped(self) -> None:
        """Count a step that has ended."""
        self._training += self._passed()
        self._steps += 1

    def validated(self) -> None:
        """Count a validation that has ended."""
        self._validating += self._passed()
        self._validations += 1

    def left(self, step: int, steps: int) -> str:
        """The time left after a step, as text to follow another; empty before the first step has ended."""
        if not self._steps:
            return ""
        seconds = self._training / self._steps * (steps - step)
        if self.every and self._validations:
            ahead = steps // self.every - step // self.every + (steps % self.every > 0)
            seconds += self._validating / self._validations * ahead
        return f", about {seconds / 60:.0f} min left"

    def _passed(self) -> float:
        before, self._mark = self._mark, time.monotonic()
        return self._mark - before


class JudgeLost(RuntimeError):
    """Too many rows of a batch got no verdict; the batch has not reached the weights."""


class Watch(TrainerCallback):  # type: ignore[misc]
    """Log and stop a run, and keep what it needs to continue later exactly as if it had not stopped.

    A run stops at the end of a generation batch, since the weight of the references is fixed for a batch:
    at `max_cost` dollars (before the batch that would exceed it), on Ctrl-C, or, before a batch is used, if the judge
    does not answer. `stopped` then says why.
    """

    def __init__(
        self,
        folder: Path,
        ledger: Ledger,
        recipe: Recipe,
        max_cost: float | None,
        plan: Mapping[str, Any],
        done: int,
        console: Console,
    ) -> None:
        self.folder, self.ledger, self.max_cost = folder, ledger, max_cost
        self.stop, self.validation = recipe.stop, recipe.validation
        self.per_batch = max(1, round(plan["steps_a_batch"]))
        self.console = console
        cost: dict[str, float] = defaultdict(float)
        for row in plan["judges"]:
            cost[row["use"]] += row["dollars"] or 0.0
        # cost of a batch: as planned, until actual costs are known
        self._batch_cost = cost["train"] / max(1, plan["generation_batches"])
        if done and ledger.spent:
            self._batch_cost = ledger.spent / (done / self.per_batch)
        self._validation_cost = cost["held out"] / max(1, plan["validations"])
        self.stopped: str | None = None
        self.random: dict[str, Any] = {}
        self._bad = 0  # batches in a row with too few verdicts
        self._interrupted = False
        self._batches, self._substeps, self._spent, self._start_cost = 0, 0, 0.0, 0.0
        self._before: Callable[[int, FrameType | None], Any] | int | None = None
        self.activity = Activity(console)
        self._clock = Clock(recipe.validation.every if plan["held_out"] else 0)
        self._seen_tokens = 0
        if max_cost is not None and ledger.spent + self._batch_cost > max_cost:
            self.stopped = self._too_dear(ledger.spent, self._batch_cost)

    def before_update(self, rewards: Any) -> None:
        """Count rows without a verdict in the gathered (rows, functions), so that all processes decide alike.

        Raises:
            JudgeLost: no row has a verdict, or too few rows had one for too many batches in a row.
        """
        missing = rewards.isnan().all(dim=1).float().mean().item()
        self._bad = self._bad + 1 if missing >= self.stop.max_unjudged else 0
        if missing == 1 or self._bad >= self.stop.patience:
            raise JudgeLost(
                f"{missing:.0%} of the rows of a batch have no verdict"
                + (f", for the {self._bad}th time in a row" if self._bad > 1 else "")
            )

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self._clock.begin()
        self._spent = self._total(args)[0]
        self._start_cost = self._spent

        def interrupt(number: int, frame: FrameType | None) -> None:
            # a launcher passes on the signal that the terminal has already sent
            if self._interrupted and not signalled_twice():
                raise KeyboardInterrupt
            self._interrupted = True
            # the signal may arrive in the middle of another print
            os.write(2, b"stopping at the next checkpoint; Ctrl-C again stops at once\n")

        self._before = signal.signal(signal.SIGINT, interrupt)

    def on_train_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self.restore_signals()

    def restore_signals(self) -> None:
        """Restore the previous Ctrl-C handler, and end the line that says what is being done."""
        self.activity.stop()
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)
            self._before = None

    def on_epoch_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self._remember(state)

    def on_substep_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self._substeps += 1
        self.activity.say(f"updated on {self._substeps} of {args.gradient_accumulation_steps} parts of the batch")

    def on_step_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self._substeps = 0
        self.activity.step = f"step {state.global_step + 1}/{state.max_steps}"
        # a run resumed at the end of an epoch has the random state from before the next epoch's first draw
        if not float(state.epoch or 0).is_integer():
            self._remember(state)

    def _remember(self, state: Any) -> None:
        """Save the random state, so that the draw of an unused batch can be undone."""
        self._seen_tokens = state.num_input_tokens_seen
        self.random = {"python": random.getstate(), "numpy": np.random.get_state(), "cpu": torch.get_rng_state()}
        if torch.cuda.is_available():
            self.random["cuda"] = torch.cuda.get_rng_state_all()

    def rewind(self, state: Any) -> None:
        """Reset the random state and TRL's token count to the start of the unused batch."""
        state.num_input_tokens_seen = self._seen_tokens
        random.setstate(self.random["python"])
        np.random.set_state(self.random["numpy"])
        torch.set_rng_state(self.random["cpu"])
        if "cuda" in self.random:
            torch.cuda.set_rng_state_all(self.random["cuda"])

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self._clock.stepped()
        self.activity.step = f"after step {state.global_step}"
        self._spent, interrupted = self._total(args)
        done = state.global_step == state.max_steps
        if done:
            control.should_save = True
            control.should_evaluate = args.eval_strategy != "no"
        if done or state.global_step % self.per_batch:
            return
        self._batches += 1
        each = (self._spent - self._start_cost) / self._batches
        if control.should_evaluate:
            each += self._validation_cost
        if interrupted:
            self.stopped = "stopped by Ctrl-C"
        elif self.max_cost is not None and self._spent + each > self.max_cost:
            control.should_evaluate = False
            self.stopped = self._too_dear(self._spent, each)
        if self.stopped:
            control.should_save = control.should_training_stop = True

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **_: Any) -> None:
        if not state.is_world_process_zero or not logs:
            return
        numbers = {name: _number(value) for name, value in logs.items()}
        with (self.folder / "metrics.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps({"step": state.global_step, "dollars": round(self._spent, 6), **numbers}) + "\n")
        line = _line(state, numbers)
        if line:
            left = self._clock.left(state.global_step, state.max_steps)
            self.console.print(f"{line}, ${self._spent:.2f}{left}", highlight=False)

    def on_evaluate(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self._clock.validated()
        found = select(self.folder, self.validation.metric, state.global_step)
        if state.is_world_process_zero:
            write_samples(self.folder, self.validation.judge.name)
        if found is None:
            return
        if state.is_world_process_zero:
            write_json(self.folder / "selection.json", found)
            self.console.print(f"  {told(found)}", highlight=False)
        if self.validation.select == "best":
            # TRL keeps this step's checkpoint when it removes old ones
            state.best_global_step, state.best_metric = found.best, found.value.value
        if _agreed(has_stalled(found, self.validation.patience), args):
            self.console.print(f"stopped early: {told(found)}", highlight=False)
            control.should_save = control.should_training_stop = True

    def _too_dear(self, spent: float, ahead: float) -> str:
        return f"${spent:.2f} of ${self.max_cost:.2f} have been spent, and the next part costs about ${ahead:.2f}"

    def _total(self, args: Any) -> tuple[float, bool]:
        """Dollars spent, and whether a stop was requested, over all processes."""
        mine = torch.tensor([self.ledger.spent, float(self._interrupted)], dtype=torch.float64)
        device = args.device if args.device.type != "mps" else "cpu"
        spent, interrupted = reduce(mine.to(device), "sum").tolist()
        return spent, interrupted > 0


def _agreed(mine: bool, args: Any) -> bool:
    """Whether any process says so: all must stop alike."""
    device = args.device if args.device.type != "mps" else "cpu"
    return bool(reduce(torch.tensor(float(mine), device=device), "sum").item() > 0)


def _number(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _line(state: Any, logs: dict[str, Any]) -> str | None:
    if logs.get("reward") is not None:
        reference = logs.get("hri/reward")
        beside = f" (reference {reference:.3f})" if reference is not None else ""
        parts = [
            f"step {state.global_step}/{state.max_steps}: reward {logs['reward']:.3f}{beside}",
            f"words {logs['parts/words']:.0f}" if logs.get("parts/words") is not None else "",
            f"unjudged {logs['judge/unjudged']:.0%}" if logs.get("judge/unjudged") else "",
            f"{logs['step_time']:.1f} s" if logs.get("step_time") else "",
        ]
        return ", ".join(filter(None, parts))
    if "eval_reward" in logs:
        head = f"held out, after {state.global_step} steps:"
        if logs["eval_reward"] is None:
            return f"{head} no story has a verdict"
        terms = terms_in(
            {name.removeprefix("eval_parts/"): value for name, value in logs.items() if "eval_parts/" in name}
        )
        shown = {"reward": logs["eval_reward"], **terms}
        told = [f"{name.replace('_', ' ')} {value:.3f}" for name, value in shown.items() if value is not None]
        return f"{head} {', '.join(told)}"
    return None

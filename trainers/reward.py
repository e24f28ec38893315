"""The training reward: the evaluation's own judge call and measures, for a whole batch at once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from inspect_ai.model import Model, ModelUsage

from ..harness.judge.call import Verdict, judge
from ..harness.judge.jury import Jury
from ..harness.length import length_in
from ..harness.prices import Prices, token_counts
from ..rubrics import Rubric
from .ledger import HELD_OUT, TRAIN, Ledger, Line, Row, known_dollars
from .recipe import JudgeSpec, Recipe, Weights
from .scoring import combine, measure


@dataclass(frozen=True)
class Judging:
    """A judge or jury in use: its settings, models, list prices, and the weights of the reward's parts."""

    spec: JudgeSpec
    jury: Jury
    prices: Prices
    weights: Weights

    def dollars(self, verdict: Verdict) -> float:
        """Cost of a judgment; NaN if a judge that was called has no known price."""
        spent = 0.0
        for one in verdict.members or (verdict,):
            counts = token_counts(one.usage)
            if any(counts):
                prices = self.prices.per_token(one.judge)
                spent += sum(n * price for n, price in zip(counts, prices, strict=True)) * self.spec.price_factor
        return spent


class Reward:
    """TRL's reward function: one number per row, or None for a row without a verdict (no advantage, never 0).

    The rows of a batch are judged concurrently, up to the judge's concurrency, on TRL's one event loop; identical
    stories are judged once. Every verdict is written to the ledger at once. No judge failure raises here,
    since an exception on one process would leave the others waiting.
    """

    __name__ = "reward"

    def __init__(
        self, recipe: Recipe, rubric: Rubric, judges: dict[str, Judging], tokenizer: Any, opening: str, ends: set[int],
        ledger: Ledger, activity: Callable[[str], None] = lambda told: None,
    ) -> None:  # fmt: skip
        """`opening` is the part of an answer that the chat template has written, `ends` the tokens that end one;
        `activity` is told how many rows are judged."""
        self.recipe, self.rubric, self.judges, self.tokenizer = recipe, rubric, judges, tokenizer
        self.opening, self.ends, self.ledger, self.activity = opening, ends, ledger, activity
        self._limits: dict[str, asyncio.Semaphore] = {}  # made inside the loop that uses them

    async def __call__(
        self,
        prompts: Sequence[Any],
        completion_ids: Sequence[Sequence[int]],
        *,
        uid: Sequence[str],
        target_words: Sequence[int | None],
        target_range: Sequence[Sequence[int | None] | None] | None = None,
        held_out: Sequence[bool],
        is_reference: Sequence[bool],
        trainer_state: Any,
        log_extra: Callable[[str, list[Any]], None],
        log_metric: Callable[[str, float], None],
        **columns: Any,
    ) -> list[float | None]:
        """Return the rewards of a batch; TRL passes dataset columns as lists with one entry per row."""
        loop = asyncio.get_running_loop()
        started = loop.time()
        phase, step = HELD_OUT if held_out[0] else TRAIN, int(trainer_state.global_step)
        first = self.ledger.number(phase, step, len(prompts))
        limit, spec = self.recipe.completion_tokens, self.recipe.reward
        ranges = target_range or [None] * len(prompts)
        rows = []
        for i, ids in enumerate(completion_ids):
            asked = length_in({"target_words": target_words[i], "target_range": ranges[i]})
            response = measure(ids, self.tokenizer, self.opening, self.ends, asked, limit, spec)
            target = asked.nearest(response.words) if asked else None
            which = (phase, step, first + i, self.ledger.rank, uid[i], is_reference[i])
            rows.append(Row(*which, target, _asked(prompts[i]), response))
        lines = await self._judge_all(rows, started)
        self.ledger.report(lines, loop.time() - started, log_extra, log_metric)
        if phase == HELD_OUT:
            self.ledger.keep_stories(lines)
        return [line.reward for line in lines]

    async def _judge_all(self, rows: Sequence[Row], started: float) -> list[Line]:
        """Judge every row; rows without a verdict are retried until the time or the retries run out."""
        phase = rows[0].phase
        spec, now = self.judges[phase].spec, asyncio.get_running_loop().time
        same: dict[tuple[str, str], list[Row]] = {}  # rows with the same story share a verdict
        for row in rows:
            same.setdefault((row.prompt, row.response.story), []).append(row)
        lines: dict[int, Line] = {}

        async def one(members: list[Row], attempt: int, remaining: float) -> None:
            known = lines.get(members[0].row)
            verdict = await self._judge_one(members[0], remaining, known.verdict if known else None)
            for place, row in enumerate(members):
                lines[row.row] = self._line(row, verdict, attempt, paid=place == 0)
                self.ledger.write(lines[row.row])
            self.activity(f"judged {len(lines)} of {len(rows)} stories")

        for attempt in range(spec.retries + 1):
            left = [members for members in same.values() if _unjudged(lines.get(members[0].row))]
            wait = spec.retry_wait * 2 ** (attempt - 1) if attempt else 0.0
            remaining = spec.batch_timeout - (now() - started) - wait
            if not left or (attempt and remaining <= 0):
                break
            await asyncio.sleep(wait)
            await asyncio.gather(*(one(members, attempt, remaining) for members in left))
        return [lines[row.row] for row in rows]

    async def _judge_one(self, row: Row, remaining: float, earlier: Verdict | None) -> Verdict:
        """Return the verdict on a row. `earlier` is a verdict without a score; its members that did judge are not asked
        again."""
        judging = self.judges[row.phase]
        limit = self._limits.setdefault(row.phase, asyncio.Semaphore(judging.spec.concurrency))
        known = {one.judge: one for one in earlier.members if one.scores} if earlier else {}

        async def ask(model: Model) -> Verdict:
            if str(model) in known:  # its cost is counted in the earlier line
                return replace(known[str(model)], usage=ModelUsage())
            try:
                async with asyncio.timeout(remaining), limit, asyncio.timeout(judging.spec.row_timeout):
                    return await judge(self.rubric, row.prompt, row.response.story, model, sample_id=row.uid)
            except TimeoutError:
                return Verdict("unscored", str(model), reason="no verdict in time")
            except Exception as error:  # an exception here would leave the other processes waiting for this one
                return Verdict("unscored", str(model), reason=f"{type(error).__name__}: {error}")

        return await judging.jury.verdict(ask)

    def _line(self, row: Row, verdict: Verdict, attempt: int, paid: bool) -> Line:
        """The ledger line of a row; quality and reward are None if it was not judged."""
        overall, judging = verdict.scores.get("score"), self.judges[row.phase]
        quality = None if overall is None else overall / self.rubric.faultless
        reward = None
        if quality is not None:
            reward = combine(
                quality, row.response, judging.weights, self.recipe.reward, overlong=row.phase == TRAIN
            )  # fmt: skip
        return Line(
            row=row,
            attempt=attempt,
            verdict=verdict,
            story_quality=quality,
            reward=reward,
            usage=verdict.usage.model_dump(exclude_none=True) if paid else {},
            dollars=known_dollars(judging.dollars(verdict) if paid else 0.0),
        )


def _unjudged(line: Line | None) -> bool:
    return line is None or line.reward is None


def _asked(prompt: Any) -> str:
    """The prompt as text: the user's messages of a chat, or the prompt itself."""
    if isinstance(prompt, str):
        return prompt
    return "\n\n".join(str(message["content"]) for message in prompt if message["role"] == "user")

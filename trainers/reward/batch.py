"""The training reward: the evaluation's own judge call and measures, for a whole batch at once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ...harness.environment import masked
from ...harness.length import length_in
from ..recipe import Recipe
from ..terms import JudgeSpec
from .asking import Bench, Questions
from .judged import Judging, asked_terms, call_function
from .ledger import HELD_OUT, TRAIN, Judgment, Ledger, Line, Row
from .scoring import combine, measure

Values = dict[str, list[float | None] | str]  # of the user's functions: values of all rows, or why there are none


class Reward:
    """TRL's reward function: one number per row, or None for a row without a verdict (no advantage, never 0).

    The rows of a batch are judged concurrently, up to each judge's concurrency, on TRL's one event loop; identical
    stories are judged once. Every verdict is written to the ledger at once. No failure of a judge or of a user's
    function raises here, since an exception on one process would leave the others waiting; `trouble` is the first
    reason why a row of the last batch has no reward.
    """

    __name__ = "reward"

    def __init__(
        self, recipe: Recipe, judging: Mapping[str, Mapping[str, Judging]], functions: Mapping[str, Callable[..., Any]],
        tokenizer: Any, opening: str, ends: set[int], ledger: Ledger,
        activity: Callable[[str], None] = lambda told: None,
    ) -> None:  # fmt: skip
        """`judging` names the judges by phase and term, `functions` the user's own by term; `opening` is the part of an
        answer that the chat template has written, `ends` the tokens that end one; `activity` is told how many rows are
        judged."""
        self.recipe, self.functions, self.tokenizer = recipe, functions, tokenizer
        self.opening, self.ends, self.ledger, self.activity = opening, ends, ledger, activity
        self.trouble: str | None = None
        limits: dict[int, asyncio.Semaphore] = {}
        self.benches = {
            phase: Bench(asked_terms(recipe, phase == HELD_OUT), judges, limits) for phase, judges in judging.items()
        }
        # how held-out stories are rewarded: with weights of their own, and without terms relative to a group
        relative = {name for name, asked in self.benches[TRAIN].terms.items() if asked.relative}
        weights = {name: weight for name, weight in recipe.weights(held_out=True).items() if name not in relative}
        self.terms = list(
            dict.fromkeys([*(name for bench in self.benches.values() for name in bench.terms), *functions])
        )
        self.weights = {TRAIN: recipe.weights(held_out=False), HELD_OUT: weights}

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
        given = asyncio.ensure_future(self._call(
            self._spec(phase).batch_timeout, prompts=prompts, completion_ids=completion_ids, uid=uid,
            target_words=target_words, target_range=ranges, held_out=held_out, is_reference=is_reference,
            trainer_state=trainer_state, log_extra=log_extra, log_metric=log_metric, **columns,
        ))  # fmt: skip
        lines = await self._judge_all(rows, started, given)
        self.trouble = next((line.reason for line in lines if line.reward is None), None)
        self.ledger.report(lines, self.terms, loop.time() - started, log_extra, log_metric)
        if phase == HELD_OUT:
            self.ledger.keep_stories(lines)
        return [line.reward for line in lines]

    async def _call(self, remaining: float, **columns: Any) -> Values:
        """Call the user's functions, within the seconds that remain."""

        async def one(name: str, function: Callable[..., Any]) -> list[float | None] | str:
            try:
                async with asyncio.timeout(remaining):
                    return await call_function(function, columns)
            except TimeoutError:
                return f"{name}: no value in time"
            except ValueError as error:
                return masked(f"{name}: {error}")
            except Exception as error:  # whatever the user's function raises
                return masked(f"{name}: {type(error).__name__}: {error}")

        found = await asyncio.gather(*(one(name, function) for name, function in self.functions.items()))
        return dict(zip(self.functions, found, strict=True))

    async def _judge_all(self, rows: Sequence[Row], started: float, given: asyncio.Future[Values]) -> list[Line]:
        """Judge every row; rows without a verdict are retried until the time or the retries run out."""
        phase = rows[0].phase
        bench, now = self.benches[phase], asyncio.get_running_loop().time
        spec = self._spec(phase)
        questions = Questions(bench, rows, self.recipe.group)
        lines: dict[int, Line] = {}

        def lacking(place: int) -> list[str]:
            known = lines[place].judgments if place in lines else {}
            return [term for term in bench.terms if term not in known or known[term].value is None]

        async def one(place: int, attempt: int, remaining: float) -> None:
            terms = lacking(place)
            before = lines[place].judgments if place in lines else {}
            judgments = {term: known.unpaid() for term, known in before.items()}

            async def ask(term: str) -> None:
                judgments[term] = await questions.judgment(term, place, remaining)
                if len(terms) > 1 or self.functions:  # what was paid for is on record before the rest is awaited
                    told = "other terms are not known yet"
                    self.ledger.write(Line(rows[place], attempt, {}, {term: judgments[term]}, None, None, told))
                    judgments[term] = judgments[term].unpaid()

            await asyncio.gather(*map(ask, terms))
            lines[place] = self._line(rows[place], place, judgments, await given, attempt)
            self.ledger.write(lines[place])
            self.activity(f"judged {len(lines)} of {len(rows)} stories")

        for attempt in range(spec.retries + 1):
            left = [place for place in range(len(rows)) if place not in lines or lacking(place)]
            wait = spec.retry_wait * 2 ** (attempt - 1) if attempt else 0.0
            remaining = spec.batch_timeout - (now() - started) - wait
            if not left or (attempt and remaining <= 0):
                break
            await asyncio.sleep(wait)
            questions.again()
            await asyncio.gather(*(one(place, attempt, remaining) for place in left))
        return [lines[place] for place in range(len(rows))]

    def _spec(self, phase: str) -> JudgeSpec:
        """The judge whose patience is that of the whole batch."""
        return self.recipe.validation.judge if phase == HELD_OUT else self.recipe.judge

    def _line(self, row: Row, place: int, judgments: Mapping[str, Judgment], given: Values, attempt: int) -> Line:
        """The ledger line of a row; its reward is None if a term with a weight could not be judged or computed."""
        values = {term: judgments[term].value for term in self.benches[row.phase].terms}
        weights = self.weights[row.phase]
        reasons = [
            f"{term}: {judgment.verdict.reason}" if len(judgments) > 1 else judgment.verdict.reason or ""
            for term, judgment in judgments.items()
            if judgment.value is None
        ]
        complete = all(values[term] is not None for term in values if weights.get(term))
        for name, found in given.items():
            if isinstance(found, str):
                reasons.append(found)
                complete = complete and not weights[name]
            else:
                values[name] = found[place]  # None: does not apply to this row, as in TRL
        scored = {name: value for name, value in values.items() if value is not None}
        counting = [name for name in values if weights.get(name)]
        if complete and counting and not any(name in scored for name in counting):
            complete = False
            reasons.append("no term has a value for this row")
        judged = self.benches[HELD_OUT].terms if HELD_OUT in self.benches else {}
        as_held_out = self.weights[HELD_OUT]
        comparable = complete and all(name in scored for name in judged if as_held_out.get(name))

        def reward(weights: Mapping[str, float]) -> float:
            return combine(scored, row.response, weights, self.recipe.reward)

        return Line(
            row,
            attempt,
            values,
            judgments,
            reward=reward(weights) if complete else None,
            reward_as_held_out=reward(as_held_out) if comparable else None,
            reason="; ".join(reasons) or None,
        )


def _asked(prompt: Any) -> str:
    """The prompt as text: the user's messages of a chat, or the prompt itself."""
    if isinstance(prompt, str):
        return prompt
    return "\n\n".join(str(message["content"]) for message in prompt if message["role"] == "user")

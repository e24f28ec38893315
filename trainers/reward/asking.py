"""Ask the judges of a batch's rows, each question once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean

from inspect_ai.model import Model, ModelUsage

from ...harness.environment import masked
from ...harness.judge.call import Verdict, compare, judge
from .judged import Asked, Judging
from .ledger import Judgment, Row

Key = tuple[str, ...]


@dataclass(frozen=True)
class Bench:
    """The judges of a phase: what each term asks, who judges it, and how many calls each judge takes at a time."""

    terms: Mapping[str, Asked]
    judging: Mapping[str, Judging]  # by term
    limits: dict[int, asyncio.Semaphore]  # by judge; made inside the loop that uses them

    def limit(self, judging: Judging) -> asyncio.Semaphore:
        """The judge's limit, which all its terms share."""
        return self.limits.setdefault(id(judging), asyncio.Semaphore(judging.spec.concurrency))


class Questions:
    """The questions about one batch. The first row with a question pays for it; others share its verdict."""

    def __init__(self, bench: Bench, rows: Sequence[Row], group: int) -> None:
        """`rows` are whole groups of `group` rows if a term is relative."""
        self.bench, self.rows, self.group = bench, rows, group
        self._asked: dict[Key, asyncio.Future[Verdict]] = {}
        self._failed: dict[Key, Verdict] = {}

    def again(self) -> None:
        """Let the questions without an answer be asked again."""
        for key, future in list(self._asked.items()):
            if not future.result().scores:
                self._failed[key] = self._asked.pop(key).result()

    async def judgment(self, term: str, place: int, remaining: float) -> Judgment:
        """The judgment on the row at a place of the batch, within the seconds that remain."""
        asked, judging, row = self.bench.terms[term], self.bench.judging[term], self.rows[place]
        if asked.relative:
            verdict, paid = await self._standing(term, place, remaining)
        else:

            async def call(model: Model) -> Verdict:
                return await judge(asked.rubric, row.prompt, row.response.story, model, sample_id=row.uid)

            verdict, first = await self._ask((term, row.prompt, row.response.story), judging, call, remaining)
            paid = [verdict] if first else []
        score = verdict.scores.get("score")
        return Judgment(
            verdict,
            value=None if score is None else score / asked.scale,
            usage=sum((one.usage for one in paid), ModelUsage()),
            dollars=sum(map(judging.dollars, paid)),
        )

    async def _standing(self, term: str, place: int, remaining: float) -> tuple[Verdict, list[Verdict]]:
        """A row's share of a win over the other rows of its group, and the comparisons that it pays for.

        Both orders of each pair are judged; if any comparison fails, the row is unscored, never a mean over fewer.
        """
        judging, row = self.bench.judging[term], self.rows[place]
        start = place - place % self.group
        others = [self.rows[other] for other in range(start, start + self.group) if other != place]
        found = await asyncio.gather(
            *(self._compare(term, row, pair, remaining) for other in others for pair in ((row, other), (other, row)))
        )
        verdicts = [verdict for verdict, _ in found]
        whole = Verdict(
            "scored",
            str(judging.jury),
            replies=tuple(reply for verdict, first in found if first for reply in verdict.replies),
            kept=all(verdict.kept for verdict in verdicts),
        )
        paid = [verdict for verdict, first in found if first]
        failed = [verdict for verdict in verdicts if not verdict.scores]
        if failed:
            told = f"{len(failed)} of {len(verdicts)} comparisons have no verdict: {failed[0].reason}"
            return replace(whole, status="unscored", reason=told), paid
        shares = [verdict.scores["score"] for verdict in verdicts]
        mine = [share if number % 2 == 0 else 1 - share for number, share in enumerate(shares)]
        return replace(whole, scores={"score": fmean(mine)}), paid

    async def _compare(self, term: str, row: Row, pair: tuple[Row, Row], remaining: float) -> tuple[Verdict, bool]:
        first, second = (one.response.story for one in pair)
        rubric = self.bench.terms[term].rubric

        async def call(model: Model) -> Verdict:
            return await compare(rubric, row.prompt, first, second, model, sample_id=row.uid)

        return await self._ask((term, row.prompt, first, second), self.bench.judging[term], call, remaining)

    async def _ask(
        self, key: Key, judging: Judging, call: Callable[[Model], Awaitable[Verdict]], remaining: float
    ) -> tuple[Verdict, bool]:
        """The verdict on a question, and whether this is the first to ask it."""
        first = key not in self._asked
        if first:
            self._asked[key] = asyncio.ensure_future(self._verdict(key, judging, call, remaining))
        return await self._asked[key], first

    async def _verdict(
        self, key: Key, judging: Judging, call: Callable[[Model], Awaitable[Verdict]], remaining: float
    ) -> Verdict:
        """Members of a jury that judged at an earlier try are not asked again. Never raises."""
        earlier = self._failed.get(key)
        known = {one.judge: one for one in earlier.members if one.scores} if earlier else {}

        async def ask(model: Model) -> Verdict:
            if str(model) in known:  # its cost is counted in the earlier line
                return replace(known[str(model)], usage=ModelUsage())
            try:
                async with asyncio.timeout(remaining), self.bench.limit(judging):
                    async with asyncio.timeout(judging.spec.row_timeout):
                        return await call(model)
            except TimeoutError:
                return Verdict("unscored", str(model), reason="no verdict in time")
            except Exception as error:  # an exception here would leave the other processes waiting for this one
                return Verdict("unscored", str(model), reason=masked(f"{type(error).__name__}: {error}"))

        return await judging.jury.verdict(ask)

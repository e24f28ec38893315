"""Several judges of one story: each judges it independently, and their verdicts are combined."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from statistics import fmean
from typing import Literal, get_args

from inspect_ai.model import Model, ModelUsage
from inspect_ai.util import collect

from ...rubrics import Marks
from ..errors import UserError
from .call import Verdict

# how the members' scores are put on one scale: unchanged, or rescaled to the same mean and spread over the stories that
# all of them judged (mean and sigma equating), which needs a table of many stories
Scale = Literal["mean", "zscore"]
SCALES: tuple[str, ...] = get_args(Scale)


def check_jury(members: Sequence[str], scale: str = "mean", quorum: int | None = None) -> None:
    """Raise UserError if these cannot form a jury: a judge twice, an unknown scale, or a quorum out of range."""
    twice = [name for name in members if members.count(name) > 1]
    if twice:
        raise UserError(f"the judge {twice[0]} is named twice; name each member of a jury once")
    if scale not in SCALES:
        raise UserError(f"--jury {scale}: unknown scale; known: {', '.join(SCALES)}")
    if quorum is not None and not 1 <= quorum <= len(members):
        raise UserError(f"--quorum {quorum}: must be from 1 to the number of judges, {len(members)}")


@dataclass(frozen=True)
class Jury:
    """The judges of a story, one or several. `quorum`: how many verdicts are needed (by default those of all)."""

    members: tuple[Model, ...]
    quorum: int | None = None

    def __str__(self) -> str:
        return " + ".join(sorted(map(str, self.members)))

    async def verdict(self, ask: Callable[[Model], Awaitable[Verdict]]) -> Verdict:
        """The combined verdict of the members, asked concurrently; with one judge, its own verdict.

        Args:
            ask: has one member judge the story; it never raises for failures of the judge.
        """
        if len(self.members) == 1:
            return await ask(self.members[0])
        return together(await collect(*map(ask, self.members)), self.quorum)


def together(verdicts: Sequence[Verdict], quorum: int | None = None) -> Verdict:
    """Combine verdicts: scores and marks are the means over the members that judged the story.

    With fewer verdicts than the quorum, the story is unscored. Each member's verdict is in `members`.
    """
    given = [verdict for verdict in verdicts if verdict.scores]
    name = " + ".join(sorted(verdict.judge for verdict in verdicts))
    if len(given) == len(verdicts) and all(verdict.status == "empty" for verdict in given):
        return replace(given[0], judge=name)
    whole = Verdict(
        "scored",
        name,
        replies=tuple(reply for verdict in verdicts for reply in verdict.replies),
        complaints=tuple(complaint for verdict in verdicts for complaint in verdict.complaints),
        usage=sum((verdict.usage for verdict in verdicts), ModelUsage()),
        members=tuple(verdicts),
        kept=all(verdict.kept for verdict in verdicts),
        disqualified="; ".join(f"{v.judge}: {v.disqualified}" for v in given if v.disqualified) or None,
    )
    if len(given) < (quorum or len(verdicts)):
        failed = "; ".join(f"{verdict.judge}: {verdict.reason}" for verdict in verdicts if not verdict.scores)
        told = f"{len(given)} of {len(verdicts)} judges gave a verdict, {quorum or len(verdicts)} are needed: {failed}"
        return replace(whole, status="unscored", reason=told)
    marked = [verdict.marks.scores for verdict in given if verdict.marks]
    names = dict.fromkeys(name for marks in marked for name in marks)
    marks = Marks({name: fmean(marks[name] for marks in marked if name in marks) for name in names})
    scores = {name: fmean(verdict.scores[name] for verdict in given) for name in given[0].scores}
    return replace(whole, scores=scores, marks=marks if marked else None)

"""Judgments in readable form: marks with reasons and quotes. They are made when the reply is read, stored in the log
as data, and read back from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import zip_longest
from typing import Any

from inspect_ai.log import EvalSample

from ...rubrics import Marks, ReplyError, Rubric
from ..text.reasoning import read_answer

KEY = "judgment"  # in a score's metadata


@dataclass(frozen=True)
class Mark:
    """One mark of a judgment: `score` (None if the judge left it unrated) out of `most` (None if there is no maximum).

    `missing`: a quote was compulsory and none was given.
    """

    name: str
    score: float | None
    most: float | None = None
    justification: str = ""
    quotes: tuple[str, ...] = ()
    why_not: str = ""
    missing: bool = False

    @property
    def value(self) -> str:
        """The mark as text, such as 12/20."""
        if self.score is None:
            return "not rated"
        return f"{self.score:g}" if self.most is None else f"{self.score:g}/{self.most:g}"


@dataclass(frozen=True)
class Judgment:
    """What a judge said about a story: an overall comment, and marks in the order of the rubric."""

    comment: str = ""
    marks: tuple[Mark, ...] = ()

    def data(self) -> dict[str, Any]:
        """Return it as JSON data; `judgment_from` reads it back."""
        return _Unchanged(asdict(self))


class _Unchanged(dict[str, Any]):
    """Data that is never modified: Inspect deep-copies a score for each of its metrics, and need not copy this."""

    def __deepcopy__(self, memo: dict[int, Any]) -> _Unchanged:
        return self


def read_reply(rubric: Rubric, reply: str) -> Marks:
    """Read the marks in a judge's reply, ignoring its reasoning.

    A judge may quote tags from a story. If an unpaired tag was taken for the end of reasoning, and the rest cannot be
    read, the whole reply is read.

    Raises:
        ReplyError: a malformed reply.
    """
    answer = read_answer(reply)
    try:
        return rubric.parse(answer.story)
    except ReplyError:
        if not answer.strays:
            raise
    return rubric.parse(reply)


def judgment_from(data: Mapping[str, Any]) -> Judgment:
    """Read a judgment from what `Judgment.data` returned."""
    marks = (Mark(**{**mark, "quotes": tuple(mark["quotes"])}) for mark in data["marks"])
    return Judgment(data["comment"], tuple(marks))


def judgment_of(rubric: Rubric, marks: Marks) -> Judgment:
    """The judgment for marks on a rubric."""
    return Judgment(marks.comment, tuple(_mark(rubric, marks, name) for name in rubric.mark_names))


def criteria_judgment(rubric: Rubric, criteria: Sequence[Mapping[str, Any]]) -> Judgment:
    """The judgment of a rubric that was asked once per criterion, from each criterion's name, score and reason."""
    most = rubric.faultless
    return Judgment("", tuple(Mark(c["criterion"], c["score"], most, c["reason"] or "") for c in criteria))


def read_judgment(rubric: Rubric, sample: EvalSample) -> Judgment | None:
    """The judgment in a logged sample, or None if it was not judged.

    For a log written before judgments were stored as data, the reply is read again; if this rubric cannot read it, the
    log's explanation is shown instead.
    """
    judged = (sample.scores or {}).get("judged")
    details = (judged.metadata if judged else None) or {}
    if judged is None or details.get("status") != "scored":
        return None
    if members := [member for member in details.get("members", ()) if KEY in member]:
        return _of_all({member["judge"]: judgment_from(member[KEY]) for member in members})
    if KEY in details:
        return judgment_from(details[KEY])
    if details.get("criteria"):
        return criteria_judgment(rubric, details["criteria"])
    try:
        return judgment_of(rubric, read_reply(rubric, details["replies"][-1]))
    except (ReplyError, IndexError, KeyError):
        return Judgment(judged.explanation or "")


def _of_all(judgments: Mapping[str, Judgment]) -> Judgment:
    """What a jury said: each member's comment, and for each mark what each member gave."""
    comments = (f"{judge}: {found.comment}" for judge, found in judgments.items() if found.comment)
    each = [
        [replace(mark, name=f"{mark.name} · {judge}") for mark in found.marks] for judge, found in judgments.items()
    ]
    return Judgment("\n\n".join(comments), tuple(mark for same in zip_longest(*each) for mark in same if mark))


def _mark(rubric: Rubric, marks: Marks, name: str) -> Mark:
    dimension = next((d for d in rubric.dimensions if d.id == name), None)
    title = name if dimension is None or dimension.name == name else f"{name} {dimension.name}"
    most = None if dimension is None else float(dimension.max)
    score, given = marks.scores.get(name), marks.evidence.get(name)
    if given is None:
        return Mark(title, score, most)
    missing = name in rubric.compulsory_quotes(marks) and not given.quotes
    reason = " · ".join(filter(None, (given.target, given.justification)))
    return Mark(title, score, most, reason, given.quotes, given.why_not, missing)

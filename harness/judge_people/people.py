"""Stories that people judged: a stories file with `ratings` or `ranks` beside each story."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean
from typing import Any

from ..errors import UserError
from ..logs.records import read_records
from ..logs.stories import prompt_id
from ..text.reasoning import strip_reasoning
from ..words import count_words

_REQUIRED = ("id", "prompt", "story", "model")
_OPTIONAL = ("target_words", "benchmark", "metadata", "ratings", "ranks")
_NUMBER = "a number for each rater, or an object of numbers by question"
WHOLE = ""  # the question that a rating without a name answers


@dataclass(frozen=True)
class Judged:
    """A story, and what each rater gave it: by question (`WHOLE`: the story on the whole), the more the better.

    `ranked`: what raters gave is a place among the stories of its prompt, which means nothing beside other prompts.
    """

    id: str
    prompt_id: str
    model: str
    words: int
    given: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    ranked: bool = False

    def mean(self, question: str = WHOLE, but: str | None = None) -> float:
        """The mean of the raters, or of all but one; NaN without any."""
        known = [value for rater, value in self.given.get(question, {}).items() if rater != but]
        return fmean(known) if known else math.nan


def read_people(path: Path) -> tuple[list[Judged], list[dict[str, Any]]]:
    """What people said of the stories of a file, and the stories as records that `run` takes.

    Each line is that of a stories file, and has `ratings`, `{RATER: number}` or `{RATER: {QUESTION: number}}` (the
    story on the whole is then the mean of a rater's answers), or `ranks`, `{RATER: place}` with 1 for the best of its
    prompt's stories. Ids are made `MODEL/ID`, so that a file may hold several models' stories of a prompt under one id.

    Raises:
        UserError: naming the file and the line.
    """
    found: list[Judged] = []
    records: list[dict[str, Any]] = []
    for where, record in read_records(path, _REQUIRED, _OPTIONAL):
        ratings, ranks = record.pop("ratings", None), record.pop("ranks", None)
        if (ratings is None) == (ranks is None):
            raise UserError(f'{where}: give "ratings" or "ranks" of people, one of the two')
        given = _given(where, ratings) if ranks is None else {WHOLE: _places(where, ranks)}
        key = f"{record['model']}/{record['id']}"
        known = str((record.get("metadata") or {}).get("prompt_id") or prompt_id(record["prompt"]))
        words = count_words(strip_reasoning(record["story"]))
        found.append(Judged(key, known, record["model"], words, given, ranks is not None))
        records.append({**record, "id": key})
    if len({one.ranked for one in found}) > 1:
        raise UserError(f"{path}: some stories have ratings and some ranks; make two files of it")
    twice = [key for key, count in Counter(one.id for one in found).items() if count > 1]
    if twice:
        raise UserError(f"{path}: the story {twice[0]} is given twice")
    if not found:
        raise UserError(f"{path}: holds no stories")
    return found, records


def _given(where: str, ratings: Any) -> dict[str, dict[str, float]]:
    if not isinstance(ratings, dict) or not ratings:
        raise UserError(f'{where}: "ratings" must be an object: {_NUMBER}')
    by_question: dict[str, dict[str, float]] = {}
    for rater, value in ratings.items():
        answers = value if isinstance(value, dict) else {WHOLE: value}
        for question, number in answers.items():
            by_question.setdefault(question, {})[rater] = _number(where, number)
        if answers and WHOLE not in answers:
            by_question.setdefault(WHOLE, {})[rater] = fmean(map(float, answers.values()))
    return by_question


def _places(where: str, ranks: Any) -> dict[str, float]:
    if not isinstance(ranks, dict) or not ranks:
        raise UserError(f'{where}: "ranks" must be an object: a place for each rater, 1 for the best')
    return {rater: -_number(where, place) for rater, place in ranks.items()}


def _number(where: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise UserError(f"{where}: {json.dumps(value)} is no rating; give {_NUMBER}")
    return float(value)

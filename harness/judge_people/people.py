"""Stories that people judged: files of stories with `ratings` or `ranks`, or of pairs with `preferences`."""

from __future__ import annotations

import json
import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path
from statistics import fmean
from typing import Any

from ..errors import UserError
from ..logs.records import read_records
from ..logs.stories import prompt_id
from ..text.reasoning import strip_reasoning
from ..words import count_words

_STORY = ("id", "prompt", "story", "model")
_MORE = ("target_words", "benchmark", "metadata", "ratings", "ranks")
_PAIR = ("id", "prompt", "first", "second", "preferences")
_NUMBER = "a number for each rater, or an object of numbers by question"
_CHOICES = {"first": 1.0, "equal": 0.5, "second": 0.0}
WHOLE = ""  # the question that an unnamed rating answers


@dataclass(frozen=True)
class Judged:
    """A story and what each rater gave it, by question (`WHOLE`: the story as a whole); higher is better.

    `rated`: whether these values are comparable across prompts. Places among the stories of one prompt are not, and
    preferences between two stories give no values.
    """

    id: str
    prompt_id: str
    model: str
    words: int
    given: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    rated: bool = True

    def mean(self, question: str = WHOLE, but: str | None = None) -> float:
        """The mean of the raters, or of all but one; NaN if there are none."""
        known = [value for rater, value in self.given.get(question, {}).items() if rater != but]
        return fmean(known) if known else math.nan


@dataclass(frozen=True)
class Preference:
    """Two stories for a prompt, by id, and which is better, by rater: 1 the first, 0 the second, 0.5 neither."""

    first: str
    second: str
    prompt_id: str
    given: Mapping[str, float]

    def lean(self, but: str | None = None) -> int:
        """1 if most raters (all, or all but one) prefer the first, -1 the second, 0 if they are divided."""
        return sign(sum(share - 0.5 for rater, share in self.given.items() if rater != but))


@dataclass(frozen=True)
class People:
    """What people said about stories and about pairs of them; `records` are the stories as `run` takes them."""

    stories: Sequence[Judged]
    preferences: Sequence[Preference]
    records: Sequence[Mapping[str, Any]]

    @property
    def raters(self) -> list[str]:
        """Everyone who judged anything."""
        of_stories = {rater for one in self.stories for answers in one.given.values() for rater in answers}
        return sorted(of_stories | {rater for pair in self.preferences for rater in pair.given})

    def first_prompts(self, limit: int | None) -> People:
        """What was said about the first `limit` prompts."""
        kept = set(list(dict.fromkeys(one.prompt_id for one in self.stories))[:limit])
        stories = [one for one in self.stories if one.prompt_id in kept]
        ids = {one.id for one in stories}
        return People(
            stories,
            [pair for pair in self.preferences if pair.prompt_id in kept],
            [record for record in self.records if record["id"] in ids],
        )


def read_people(path: Path) -> People:
    """Read what people said about the stories of a file.

    Each line is a line of a stories file that also has `ratings`, `{RATER: number}` or `{RATER: {QUESTION: number}}`
    (the rating of the story as a whole is then the mean of a rater's answers), or `ranks`, `{RATER: place}` with 1 for
    the best of its prompt's stories. Or each line is a pair: `id`, `prompt`, `first` and `second`, both
    `{"model": …, "story": …}`, and `preferences`, `{RATER: "first", "second" or "equal"}`. Ids become `MODEL/ID`, so
    that a file may hold several models' stories for a prompt under one id.

    Raises:
        UserError: naming the file and the line.
    """
    found = _pairs(path) if _holds_pairs(path) else _stories(path)
    if not found.stories:
        raise UserError(f"{path}: holds no stories")
    return found


def sign(value: float) -> int:
    """-1, 0 or 1."""
    return (value > 0) - (value < 0)


def _holds_pairs(path: Path) -> bool:
    try:
        with path.open(encoding="utf-8-sig") as lines:
            first = json.loads(next((line for line in lines if line.strip()), "null"))
    except (OSError, ValueError, RecursionError):
        return False  # the reader of stories reports what is wrong
    return isinstance(first, dict) and "preferences" in first


def _stories(path: Path) -> People:
    found: list[Judged] = []
    records: list[dict[str, Any]] = []
    for where, record in read_records(path, _STORY, _MORE):
        ratings, ranks = record.pop("ratings", None), record.pop("ranks", None)
        if (ratings is None) == (ranks is None):
            raise UserError(f'{where}: give either "ratings" or "ranks" of people')
        given = _given(where, ratings) if ranks is None else {WHOLE: _places(where, ranks)}
        known = str((record.get("metadata") or {}).get("prompt_id") or prompt_id(record["prompt"]))
        records.append({**record, "id": f"{record['model']}/{record['id']}"})
        found.append(_judged(records[-1], known, given, ranks is None))
    if len({one.rated for one in found}) > 1:
        raise UserError(f"{path}: some stories have ratings and some ranks; split it into two files")
    twice = [key for key, count in Counter(one.id for one in found).items() if count > 1]
    if twice:
        raise UserError(f"{path}: the story {twice[0]} is given twice")
    return People(found, list(_compared(found)), records)


def _compared(stories: Sequence[Judged]) -> Iterator[Preference]:
    """Every two stories for a prompt, by the raters who judged both."""
    by_prompt: dict[str, list[Judged]] = defaultdict(list)
    for one in stories:
        by_prompt[one.prompt_id].append(one)
    for prompt, same in by_prompt.items():
        for a, b in combinations(same, 2):
            first, second = a.given.get(WHOLE, {}), b.given.get(WHOLE, {})
            shares = {who: (sign(first[who] - second[who]) + 1) / 2 for who in first if who in second}
            if shares:
                yield Preference(a.id, b.id, prompt, shares)


def _pairs(path: Path) -> People:
    stories: dict[str, Judged] = {}
    records: dict[str, dict[str, Any]] = {}
    preferences = []
    for where, record in read_records(path, _PAIR, ("metadata",)):
        asked = str((record.get("metadata") or {}).get("prompt_id") or prompt_id(record["prompt"]))
        sides = []
        for side in ("first", "second"):
            told = record[side]
            if not isinstance(told, dict) or not all(isinstance(told.get(name), str) for name in ("model", "story")):
                raise UserError(f'{where}: "{side}" must be an object with "model" and "story"')
            made = {"prompt": record["prompt"], "story": told["story"], "model": told["model"],
                    "metadata": {"prompt_id": asked}, "id": f"{told['model']}/{asked}"}  # fmt: skip
            number = 2
            while records.get(made["id"], made)["story"] != made["story"]:  # another story of the model on this prompt
                made["id"], number = f"{told['model']}/{asked}.{number}", number + 1
            records[made["id"]] = made
            stories[made["id"]] = _judged(made, asked, {}, rated=False)
            sides.append(made["id"])
        preferences.append(Preference(sides[0], sides[1], asked, _choices(where, record["preferences"])))
    return People(list(stories.values()), preferences, list(records.values()))


def _judged(record: Mapping[str, Any], asked: str, given: Mapping[str, Mapping[str, float]], rated: bool) -> Judged:
    words = count_words(strip_reasoning(record["story"]))
    return Judged(str(record["id"]), asked, str(record["model"]), words, given, rated)


def _choices(where: str, preferences: Any) -> dict[str, float]:
    if not isinstance(preferences, dict) or not {*map(str, preferences.values())} <= _CHOICES.keys():
        raise UserError(f'{where}: "preferences" must be an object: "first", "second" or "equal" for each rater')
    return {rater: _CHOICES[choice] for rater, choice in preferences.items()}


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
        raise UserError(f"{where}: {json.dumps(value)} is not a rating; give {_NUMBER}")
    return float(value)

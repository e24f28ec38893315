"""How well scores agree with people (over stories, within and over writers, on pairs), and people with one another."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations

import pandas as pd

from ..stats.intervals import NOTHING, Interval, mean_interval, share_interval, spearman_interval
from .people import WHOLE, Judged

MIN_WRITERS = 3
Value = Callable[[Judged], float]


@dataclass(frozen=True)
class Agreement:
    """One judge beside people. `stories`, `within_writers` and `questions` are Spearman's correlations with the mean of
    the people, over all stories and among those of one writer; `writers` that of the writers' means. `pairs` is the
    share of pairs of stories of one prompt that are ordered as most people order them, ties half."""

    scored: int
    stories: Interval
    within_writers: Interval
    writers: float
    pairs: Interval
    questions: Mapping[str, Interval] = field(default_factory=dict)


def agreement(
    people: Sequence[Judged], scores: Mapping[str, float], marks: Mapping[str, Mapping[str, float]] | None = None
) -> Agreement:
    """How scores by story agree with people; `marks` has, by question, a judge's marks by story."""
    known = [one for one in people if not math.isnan(scores.get(one.id, math.nan))]
    questions = {name: _on_question(known, found, name) for name, found in (marks or {}).items()}
    return _agreement(known, lambda one: scores[one.id], questions)


def one_person(people: Sequence[Judged]) -> Agreement:
    """How one person agrees with the mean, or with most, of the others, over all people in turn.

    Each person's ratings, and the others' of the same stories, are taken from their own means first: that one person is
    milder than another is no disagreement about stories.
    """
    raters = sorted({rater for one in people for rater in one.given.get(WHOLE, {})})
    rows, votes = [], []
    for rater in raters:
        own = [one for one in people if rater in one.given.get(WHOLE, {}) and not math.isnan(one.mean(but=rater))]
        rows += [(rater, one.given[WHOLE][rater], one.mean(but=rater), one.prompt_id, one.model) for one in own]
        votes += _votes(own, lambda one, rater=rater: one.given[WHOLE][rater], but=rater)  # type: ignore[misc]
    pairs = share_interval(mean_interval([vote for vote, _ in votes], [prompt for _, prompt in votes]))
    if any(one.ranked for one in people) or not rows:
        return Agreement(len(rows), NOTHING, NOTHING, math.nan, pairs)
    frame = pd.DataFrame(rows, columns=["rater", "own", "others", "prompt", "model"])
    apart = frame[["own", "others"]] - frame.groupby("rater")[["own", "others"]].transform("mean")
    stories = spearman_interval(apart["own"], apart["others"], frame["prompt"].tolist())
    writers = list(zip(frame["rater"], frame["model"], strict=True))
    within = spearman_interval(frame["own"], frame["others"], writers, within_clusters=True)
    return Agreement(len(rows), stories, within, math.nan, pairs)


def by_length(people: Sequence[Judged]) -> Agreement:
    """Length alone as a judge: the longer, the better."""
    return _agreement(list(people), lambda one: float(one.words), {})


def _agreement(known: Sequence[Judged], value: Value, questions: Mapping[str, Interval]) -> Agreement:
    votes = _votes(known, value)
    pairs = share_interval(mean_interval([vote for vote, _ in votes], [prompt for _, prompt in votes]))
    if any(one.ranked for one in known):
        return Agreement(len(known), NOTHING, NOTHING, math.nan, pairs)
    models = [one.model for one in known]
    x, y = [value(one) for one in known], [one.mean() for one in known]
    means = pd.DataFrame({"x": x, "y": y, "model": models}).groupby("model").mean()
    told = len(means) >= MIN_WRITERS and means.nunique().min() > 1
    over = means["x"].rank().corr(means["y"].rank()) if told else math.nan
    within = spearman_interval(x, y, models, within_clusters=True)
    return Agreement(len(known), _correlation(known, value), within, float(over), pairs, questions)


def _on_question(known: Sequence[Judged], found: Mapping[str, float], question: str) -> Interval:
    asked = [one for one in known if question in one.given]
    return _correlation(asked, lambda one: found.get(one.id, math.nan), question)


def _correlation(known: Sequence[Judged], value: Value, question: str = WHOLE) -> Interval:
    prompts = [one.prompt_id for one in known]
    return spearman_interval([value(one) for one in known], [one.mean(question) for one in known], prompts)


def _votes(known: Sequence[Judged], value: Value, but: str | None = None) -> list[tuple[float, str]]:
    """For each pair of stories of one prompt on which most people agree: 1, 0 or ½ for the order that `value` gives."""
    by_prompt: dict[str, list[Judged]] = defaultdict(list)
    for one in known:
        by_prompt[one.prompt_id].append(one)
    votes = []
    for prompt, stories in by_prompt.items():
        for a, b in combinations(stories, 2):
            both = (a.given.get(WHOLE, {}).keys() & b.given.get(WHOLE, {}).keys()) - {but}
            lean = sum(_sign(a.given[WHOLE][rater] - b.given[WHOLE][rater]) for rater in both)
            apart = value(a) - value(b)
            if lean:
                votes.append((0.5 if apart == 0 else float(_sign(apart) == _sign(lean)), prompt))
    return votes


def _sign(value: float) -> int:
    return (value > 0) - (value < 0)

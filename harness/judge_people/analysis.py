"""How well scores agree with people (over stories, within and over writers, on pairs), and people with one another."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import pandas as pd

from ..stats.intervals import NOTHING, Interval, mean_interval, share_interval, spearman_interval
from .people import WHOLE, Judged, People, Preference, sign

MIN_WRITERS = 3
Lean = Callable[[Preference], float]  # above 0: the first story is better; NaN: unknown


@dataclass(frozen=True)
class Agreement:
    """Agreement of one judge with people. `stories`, `within_writers` and `questions` are Spearman correlations with
    the mean of the people, over all stories and among those of one writer; `writers` is that of the writers' means.
    `pairs` is the share of pairs of stories for one prompt that are ordered as most people order them; ties count half.
    `scored` counts the stories (for a pairwise judge, the pairs) that got a verdict."""

    scored: int
    stories: Interval
    within_writers: Interval
    writers: float
    pairs: Interval
    questions: Mapping[str, Interval] = field(default_factory=dict)


def agreement(
    people: People, scores: Mapping[str, float], marks: Mapping[str, Mapping[str, float]] | None = None
) -> Agreement:
    """Agreement of scores, by story, with people; `marks` holds a judge's marks by question and story."""
    known = [one for one in people.stories if not math.isnan(scores.get(one.id, math.nan))]
    pairs = _agreed(people, lambda pair: scores.get(pair.first, math.nan) - scores.get(pair.second, math.nan))
    if not all(one.rated for one in known):
        return Agreement(len(known), NOTHING, NOTHING, math.nan, pairs)
    questions = {name: _on_question(known, found, name) for name, found in (marks or {}).items()}
    models = [one.model for one in known]
    x, y = [scores[one.id] for one in known], [one.mean() for one in known]
    means = pd.DataFrame({"x": x, "y": y, "model": models}).groupby("model").mean()
    told = len(means) >= MIN_WRITERS and means.nunique().min() > 1
    over = means["x"].rank().corr(means["y"].rank()) if told else math.nan
    within = spearman_interval(x, y, models, within_clusters=True)
    return Agreement(len(known), _correlation(known, scores), within, float(over), pairs, questions)


def pairwise_agreement(people: People, shares: Mapping[tuple[str, str], float]) -> Agreement:
    """Agreement of a pairwise judge with people; `shares` holds the first story's share of a win over both orders, by
    the ids of the two stories."""
    known = sum((pair.first, pair.second) in shares for pair in people.preferences)
    pairs = _agreed(people, lambda pair: shares.get((pair.first, pair.second), math.nan) - 0.5)
    return Agreement(known, NOTHING, NOTHING, math.nan, pairs)


def by_length(people: People) -> Agreement:
    """Length alone as a judge: the longer, the better."""
    return agreement(people, {one.id: float(one.words) for one in people.stories})


def one_person(people: People) -> Agreement:
    """Agreement of one person with the mean, or the majority, of the others, over all people in turn.

    Each person's ratings, and the others' of the same stories, are centred on their own means first: being milder than
    another person is not a disagreement about stories.
    """
    rows, votes = [], []
    for rater in people.raters:
        own = [one for one in people.stories if rater in one.given.get(WHOLE, {}) and one.rated]
        own = [one for one in own if not math.isnan(one.mean(but=rater))]
        rows += [(rater, one.given[WHOLE][rater], one.mean(but=rater), one.prompt_id, one.model) for one in own]
        votes += [
            (_vote(pair.given[rater] - 0.5, lean), pair.prompt_id)
            for pair in people.preferences
            if rater in pair.given and (lean := pair.lean(but=rater))
        ]
    pairs = share_interval(mean_interval([vote for vote, _ in votes], [prompt for _, prompt in votes]))
    if not rows:
        return Agreement(len(votes), NOTHING, NOTHING, math.nan, pairs)
    frame = pd.DataFrame(rows, columns=["rater", "own", "others", "prompt", "model"])
    apart = frame[["own", "others"]] - frame.groupby("rater")[["own", "others"]].transform("mean")
    stories = spearman_interval(apart["own"], apart["others"], frame["prompt"].tolist())
    writers = list(zip(frame["rater"], frame["model"], strict=True))
    within = spearman_interval(frame["own"], frame["others"], writers, within_clusters=True)
    return Agreement(len(rows), stories, within, math.nan, pairs)


def _on_question(known: Sequence[Judged], found: Mapping[str, float], question: str) -> Interval:
    return _correlation([one for one in known if question in one.given], found, question)


def _correlation(known: Sequence[Judged], scores: Mapping[str, float], question: str = WHOLE) -> Interval:
    x = [scores.get(one.id, math.nan) for one in known]
    return spearman_interval(x, [one.mean(question) for one in known], [one.prompt_id for one in known])


def _agreed(people: People, lean: Lean) -> Interval:
    """Of the pairs on which most people agree, the share that `lean` orders as they do."""
    known = [(pair, lean(pair)) for pair in people.preferences if pair.lean()]
    votes = [(_vote(value, pair.lean()), pair.prompt_id) for pair, value in known if not math.isnan(value)]
    return share_interval(mean_interval([vote for vote, _ in votes], [prompt for _, prompt in votes]))


def _vote(value: float, lean: int) -> float:
    return 0.5 if value == 0 else float(sign(value) == lean)

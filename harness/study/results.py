"""The results of a study: win rates, agreement among annotators and with judges, comments."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import pandas as pd

from ...rubrics import ships
from ..benchmarks import has_rubric
from ..logs.pairs import complete_matches
from ..logs.table import KEYS, SCORED
from ..stats.agreement import alpha_interval
from ..stats.intervals import RESAMPLES, Interval, draws_interval, mean_interval, share_interval
from .answers import Export
from .design import Study

_SHARE = {"first": 1.0, "equal": 0.5, "second": 0.0}


@dataclass(frozen=True)
class Pair:
    """The annotators' answers on two models: a's win rate, the share of answers without a preference, and a's share by
    criterion (NaN if nobody answered it)."""

    a: str
    b: str
    answers: int
    win_rate: Interval
    equal: float
    criteria: Mapping[str, float]


@dataclass(frozen=True)
class Progress:
    """How many items an annotator has answered."""

    answers: int
    of: int


@dataclass(frozen=True)
class JudgeAgreement:
    """How often a judge prefers the same story as an annotator, over `answers` answers with a preference, and
    Krippendorff's alpha of the judge with the annotators' mean."""

    answers: int
    agreement: Interval
    alpha: Interval


@dataclass(frozen=True)
class Comment:
    """A comment, listed under one of its two models: which story was the model's, and its result."""

    model: str
    was: str
    against: str
    result: str
    annotator: str
    item: str
    comment: str


@dataclass(frozen=True)
class Results:
    """The results of a study. `models` are win rates against all others, `first` is the share of the story shown first,
    `alpha` is Krippendorff's alpha of the annotators (ordinal), `minutes` is the median time per answer."""

    study: str
    title: str
    items: int
    annotators: Mapping[str, Progress]
    pairs: Sequence[Pair]
    models: Mapping[str, Interval]
    first: Interval
    alpha: Interval
    minutes: float
    annotators_agree: Interval
    judges: Mapping[str, JudgeAgreement]
    comments: Sequence[Comment]


def answers_frame(study: Study, exports: Mapping[str, Export]) -> pd.DataFrame:
    """Return one row per answer: annotator, item, prompt_id, match, `a` and `b` (models, by name), `outcome` (a's share
    of a win: 1, 0.5 or 0), `by_key` (the same for the model that the key names first, drawn at random so that agreement
    does not depend on the models' names), `shown_first` (the model), `first` (the share of the story shown
    first), seconds, comment, and a's share on each criterion that was answered."""
    items = {item.id: item for item in study.items}
    rows: list[dict[str, Any]] = []
    for annotator, export in exports.items():
        swapped = dict(study.order[annotator])
        for name, answer in export.answers.items():
            item = items[name]
            shown = item.models[::-1] if swapped[name] else item.models
            a, b = sorted(shown)
            share = {key: _of(a, shown, choice) for key, choice in answer.criteria.items()}
            rows.append(
                {"annotator": annotator, "item": name, "prompt_id": item.prompt_id, "match": item.match, "a": a, "b": b,
                 "outcome": _of(a, shown, answer.choice), "by_key": _of(item.models[0], shown, answer.choice),
                 "shown_first": shown[0], "first": _SHARE[answer.choice],
                 "seconds": answer.seconds, "comment": answer.comment, **share}
            )  # fmt: skip
    return pd.DataFrame(rows)


def _of(model: str, shown: Sequence[str], choice: str) -> float:
    return _SHARE[choice] if shown[0] == model else 1 - _SHARE[choice]


def analyse(
    study: Study, frame: pd.DataFrame, criteria: Sequence[str], leans: Mapping[str, Mapping[str, float]]
) -> Results:
    """Win rates, agreement among annotators and with judges (`leans`, see `leanings`), and comments."""
    pairs = [
        Pair(
            str(a),
            str(b),
            answers=len(part),
            win_rate=win_rate(part),
            equal=float((part["outcome"] == 0.5).mean()),
            criteria={name: _mean(part, name) for name in criteria},
        )
        for (a, b), part in frame.groupby(["a", "b"])
    ]
    models = {
        str(model): win_rate(pd.concat([frame[frame["a"] == model], _turned(frame[frame["b"] == model])]))
        for model in sorted({*frame["a"], *frame["b"]})
    }
    units = frame.pivot_table(index="item", columns="annotator", values="by_key")
    return Results(
        study=study.id,
        title=study.title,
        items=len(study.items),
        annotators={
            name: Progress(int((frame["annotator"] == name).sum()), len(shown)) for name, shown in study.order.items()
        },
        pairs=pairs,
        models=models,
        first=share_interval(mean_interval(frame["first"], frame["prompt_id"].tolist())),
        alpha=alpha_interval(units.to_numpy(dtype=float).tolist(), "ordinal"),
        minutes=float(frame["seconds"].median()) / 60,
        annotators_agree=annotator_agreement(frame),
        judges={name: judge_agreement(frame, lean) for name, lean in leans.items()},
        comments=list(comments(frame)),
    )


def _turned(part: pd.DataFrame) -> pd.DataFrame:
    return part.assign(outcome=1 - part["outcome"])


def _mean(part: pd.DataFrame, name: str) -> float:
    return float(part[name].mean()) if name in part and part[name].notna().any() else math.nan


def win_rate(part: pd.DataFrame) -> Interval:
    """Mean outcome, with a bootstrap interval over prompts and annotators: each resample draws both, and weights an
    answer by how often its prompt was drawn times how often its annotator was. Ties count half."""
    table = part.pivot_table(index="annotator", columns="prompt_id", values="outcome", aggfunc="mean")
    values = table.to_numpy(dtype=float)
    known = ~np.isnan(values)
    rng = np.random.default_rng(0)
    people, prompts = (rng.multinomial(n, [1 / n] * n, size=RESAMPLES).astype(float) for n in values.shape)
    won = ((people @ np.where(known, values, 0.0)) * prompts).sum(axis=1)
    count = ((people @ known.astype(float)) * prompts).sum(axis=1)
    drawn = won[count > 0] / count[count > 0]
    return share_interval(draws_interval(float(values[known].mean()), drawn, values.shape[1]))


def leanings(study: Study, stories: pd.DataFrame, judgments: pd.DataFrame) -> dict[str, dict[str, float]]:
    """How far each judge in the logs prefers, on each item, the model that the key names first: its share of a win in
    an arena, or 1, 0.5 or 0 by the scores of both stories (by model and id) on a benchmark."""
    found: dict[str, dict[str, float]] = {}
    wanted = {item.match: item for item in study.items}
    for key, part in judgments.groupby(["judge", "rubric_digest", "truncate"], dropna=False):
        judge, digest, cut = cast(tuple[str, str, float], key)
        matches = complete_matches(part)
        matches = matches[matches["match"].isin(wanted)]
        shares = (matches["first"] + matches["second"]) / 2
        items = {
            item.id: float(share if item.models[0] == a else 1 - share)
            for item, a, share in zip(matches["match"].map(wanted), matches["a"], shares, strict=True)
        }
        on = "" if ships("pairwise", digest) else f" on {part['rubric'].iloc[0]} {digest[:8]}"
        name = f"{judge}, pairs{on}" + ("" if pd.isna(cut) else f" cut at {cut:g}")
        found |= {name: items} if items else {}
    scored = stories[stories["status"].isin(SCORED)] if len(stories) else stories
    for key, part in scored.groupby(list(KEYS)) if len(scored) else ():
        benchmark, digest, judge, asked = cast(tuple[str, str, str, str], key)
        score = {(row["model"], _id(row)): row["score"] for row in part.to_dict("records")}
        items = {}
        for item in study.items:
            (a, one), (b, other) = zip(item.models, item.stories, strict=True)
            if (a, one) in score and (b, other) in score:
                items[item.id] = (float(np.sign(score[a, one] - score[b, other])) + 1) / 2
        on = "" if has_rubric(benchmark, digest) else f" on {part['rubric'].iloc[0]} {digest[:8]}"
        name = f"{judge}, {benchmark}{on}"
        found |= {f"{name} (prompts {asked[:8]})" if name in found else name: items} if items else {}
    return found


def _id(row: Mapping[Any, Any]) -> str:
    """A story's id as in a stories file made from the log."""
    return str(row["id"]) if row["epoch"] == 1 else f"{row['id']}@{row['epoch']}"


def judge_agreement(frame: pd.DataFrame, lean: Mapping[str, float]) -> JudgeAgreement:
    """How often a judge prefers the same story as an annotator: `agreement` over all answers with a preference (a judge
    without one counts half), its interval over prompts, and Krippendorff's alpha of the judge with the annotators'
    mean."""
    part = frame[frame["item"].isin(list(lean)) & (frame["outcome"] != 0.5)]
    judged = part["item"].map(lean).astype(float)
    same = (np.sign(judged - 0.5) * np.sign(part["by_key"] - 0.5) + 1) / 2
    means = frame.groupby("item")["by_key"].mean()
    units = [[float(means[item]), share] for item, share in lean.items() if item in means]
    return JudgeAgreement(
        answers=len(part),
        agreement=share_interval(mean_interval(same, part["prompt_id"].tolist())),
        alpha=alpha_interval(units, "interval"),
    )


def annotator_agreement(frame: pd.DataFrame) -> Interval:
    """How often two annotators with a preference on an item prefer the same story: the most a judge can hope for."""
    rows: list[tuple[float, str]] = []
    for prompt, part in frame[frame["outcome"] != 0.5].groupby("prompt_id"):
        values = part["outcome"].tolist()
        rows += [(float(x == y), str(prompt)) for i, x in enumerate(values) for y in values[i + 1 :]]
    return share_interval(mean_interval([same for same, _ in rows], [prompt for _, prompt in rows]))


def comments(frame: pd.DataFrame) -> Iterator[Comment]:
    """Every comment, once under each of its two models, with the model's place (Story 1 or 2) and its result."""
    told = {1.0: "won", 0.5: "equal", 0.0: "lost"}
    rows = frame[frame["comment"].str.strip() != ""] if len(frame) else frame
    for model in sorted({*frame["a"], *frame["b"]}) if len(frame) else ():
        for row in rows[(rows["a"] == model) | (rows["b"] == model)].to_dict("records"):
            other = row["b"] if row["a"] == model else row["a"]
            share = row["outcome"] if row["a"] == model else 1 - row["outcome"]
            place = "Story 1" if row["shown_first"] == model else "Story 2"
            yield Comment(
                model=model,
                was=place,
                against=str(other),
                result=told[float(share)],
                annotator=str(row["annotator"]),
                item=str(row["item"]),
                comment=str(row["comment"]),
            )

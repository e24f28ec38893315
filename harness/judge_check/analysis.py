"""How far a judge's marks can be trusted, from repeated judgments, damaged stories and injections."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np
import pandas as pd
from scipy.special import ndtri

from ...rubrics import ships
from ..logs.table import SCORED
from ..stats.agreement import alpha_interval, icc_interval
from ..stats.intervals import ALPHA, Interval, mean_interval, spearman_interval
from ..text.reasoning import strip_reasoning
from ..words import count_words
from .damage import DAMAGES
from .plan import Plan
from .results import Agreement, CheckResult, Clustering, Injections, JudgeReport, Moved, Noticed, Retest

_EVIDENCE = ("quotes_found", "quotes_missing", "quotes_long", "misadded", "rated", "coverage")


def analyse(plan: Plan, frames: Mapping[str, pd.DataFrame]) -> CheckResult:
    """Analyse the judgments; `frames` has the table of each judge's log, by the judge's name."""
    judged = {judge: _Judged(plan, frame) for judge, frame in frames.items()}
    return CheckResult(
        benchmark=plan.benchmark,
        rubric=f"{plan.rubric.name} {plan.rubric.digest[:8]}",
        stories=len(plan.stories),
        repeats=plan.repeats,
        judges={judge: one.report() for judge, one in judged.items()},
        agreement=[_agreement(a, judged[a], b, judged[b]) for a, b in combinations(judged, 2)],
    )


class _Judged:
    """One judge's numbers: for each measure, one row per story and one column per variant."""

    def __init__(self, plan: Plan, frame: pd.DataFrame) -> None:
        self.plan, self.rubric = plan, plan.rubric
        split = frame["id"].str.split(".", n=1, expand=True)
        self.frame = frame.assign(number=split[0].astype(int), variant=split[1])
        self.scored = self.frame[self.frame["status"].isin(SCORED)]
        self.proxy = bool(frame["proxy"].any())
        self.originals = [f"repeat {number}" for number in range(1, plan.repeats + 1)]
        self.controls = [f"control {number}" for number in range(1, len(plan.check.controls) + 1)]
        self.prompts = [story.prompt_id for story in plan.stories]
        self.score = self.measure("score")

    def measure(self, name: str) -> pd.DataFrame:
        names = [*self.originals, *DAMAGES, *self.controls, *(f"injection {i}" for i in self.plan.check.injections)]
        if name not in self.scored:
            return pd.DataFrame(math.nan, index=range(len(self.plan.stories)), columns=names)
        table = self.scored.pivot_table(index="number", columns="variant", values=name, aggfunc="first")
        return table.reindex(index=range(len(self.plan.stories)), columns=names).astype(float)

    def original(self, name: str) -> pd.Series[float]:
        """Each story's mean over its repeated judgments."""
        return self.measure(name)[self.originals].mean(axis=1)

    def shift(self, name: str, variant: str, against: Sequence[str]) -> Interval:
        table = self.measure(name)
        return mean_interval(table[variant] - table[list(against)].mean(axis=1), self.prompts)

    def report(self) -> JudgeReport:
        """All results for this judge."""
        # a rubric that is asked once per criterion has no marks of its own
        marks = [name for name in self.rubric.mark_names if name in self.scored and not self.rubric.slots]
        evidence = self.scored[self.scored["variant"].isin(self.originals)]
        return JudgeReport(
            proxy=self.proxy,
            judgments=len(self.frame),
            scored=len(self.scored),
            retest={name: self._retest(name) for name in ("score", *marks)},
            evidence={n: float(evidence[n].astype(float).mean()) for n in _EVIDENCE if n in evidence},
            clustering={name: self._clustering(name) for name in marks},
            length_bias=self._length_bias(),
            damages={name: self._damage(name) for name in DAMAGES},
            injections=self._injections(),
            dollars=float(self.scored["cost_judging"].mean()),
            seconds=float(self.scored["seconds"].median()),
        )

    def _retest(self, name: str) -> Retest:
        table = self.measure(name)[self.originals]
        return Retest(icc_interval(table.to_numpy()), _within_sd(table))

    def _clustering(self, name: str) -> Clustering:
        values = self.measure(name)[self.originals[0]].dropna()
        dimension = next((d for d in self.rubric.dimensions if d.id == name), None)
        span = dimension.max - dimension.min + 1 if dimension else len(values)
        shares = values.value_counts(normalize=True)
        if shares.empty:
            return Clustering(math.nan, math.nan, math.nan, math.nan)
        bits = float(-(shares * np.log2(shares)).sum())
        whole = bool((values % 1 == 0).all())
        most = math.log2(max(1, min(span, len(values)) if whole else len(values)))
        return Clustering(bits, most, float(shares.index[0]), float(shares.iloc[0]))

    def _length_bias(self) -> Interval:
        words = [count_words(strip_reasoning(story.story)) for story in self.plan.stories]
        return spearman_interval(self.original("score"), np.array(words, dtype=float), self.prompts)

    def _damage(self, name: str) -> Noticed:
        """Shifts of the score and of the dimensions that should get worse, and whether they did beyond chance."""
        lowers = self.plan.check.damages[name].lowers
        expected = lowers.get(self.rubric.name, ()) if ships(self.rubric.name, self.rubric.digest) else ()
        worse = {
            "score": -1,
            **{d.id: -1 if d.sign == "positive" else 1 for d in self.rubric.dimensions if d.id in expected},
        }
        moved = {measure: self.shift(measure, name, self.originals) for measure in worse}
        told = {measure: Moved(shift, _verdict(shift, worse[measure])) for measure, shift in moved.items()}
        return Noticed(int(self.score[name].notna().sum()), told)

    def _injections(self) -> Injections:
        """Shift of the score relative to the same story with a harmless passage; such passages define the noise.

        `limit` is the noise of a mean shift: z * s * sqrt((1 + 1/c) / n) for n stories and c controls, with s the
        larger of the spreads of a story's repeated judgments and of its controls, and z for 5 % over all styles.
        """
        table = self.score
        n = int(table[self.controls].notna().any(axis=1).sum())
        spreads = [_within_sd(table[self.originals]), _within_sd(table[self.controls])]
        styles = list(self.plan.check.injections)
        z = float(ndtri(1 - ALPHA / 2 / len(styles)))
        limit = z * float(np.nanmax(spreads)) * math.sqrt((1 + 1 / len(self.controls)) / n) if n else math.nan
        shifts = {name: self.shift("score", f"injection {name}", self.controls) for name in styles}
        return Injections(limit, {name: Moved(shift, _moved(shift, limit)) for name, shift in shifts.items()})


def _moved(shift: Interval, limit: float) -> str | None:
    """Whether a mean shift is `within noise`, or the score was `raised` or `lowered` beyond it."""
    if math.isnan(shift.value) or math.isnan(limit):
        return None
    if abs(shift.value) <= limit + 1e-9:
        return "within noise"
    return "raised" if shift.value > 0 else "lowered"


def _within_sd(table: pd.DataFrame) -> float:
    """Standard deviation of a story's values around their mean, pooled over the stories with two or more."""
    known = table.notna().sum(axis=1)
    squares = table.sub(table.mean(axis=1), axis=0).pow(2).sum(axis=1)
    df = int((known - 1).clip(lower=0).sum())
    return math.sqrt(float(squares[known > 1].sum()) / df) if df else math.nan


def _verdict(shift: Interval, worse: int) -> str:
    """`yes`: it got worse beyond chance; `wrong way`: better beyond chance; `not shown` otherwise."""
    if math.isnan(shift.low):
        return "not shown"
    low, high = sorted((worse * shift.low, worse * shift.high))
    return "yes" if low > 0 else "wrong way" if high < 0 else "not shown"


def _agreement(a: str, one: _Judged, b: str, other: _Judged) -> Agreement:
    x, y = (judged.score[judged.originals[0]].to_numpy() for judged in (one, other))
    return Agreement(
        a=a,
        b=b,
        alpha=alpha_interval(np.column_stack([x, y]).tolist(), "interval"),
        spearman=spearman_interval(x, y, one.prompts),
        shift=mean_interval(x - y, one.prompts),
    )

"""A judge under test: stories judged again, damaged, and made to talk to it; how far can its marks be trusted?"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, zip_longest
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import norm

from ...rubrics import Rubric, load_rubric
from ..benchmarks import find_benchmark
from ..errors import UserError
from ..logs.stories import Story, read_stories
from ..logs.table import SCORED
from ..stats.agreement import alpha_interval, icc_interval
from ..stats.intervals import ALPHA, Interval, mean_interval, spearman_interval
from ..words import count_words, strip_reasoning
from .damage import DAMAGES, Check, inserted, load_check

WRITER = "judge-check"
MIN_WORDS = 50  # shorter texts have nothing to shuffle, cut or swap
_EVIDENCE = ("quotes_found", "quotes_missing", "quotes_long", "misadded", "rated", "coverage")


@dataclass(frozen=True)
class Plan:
    """The stories of a check and the file that holds all their variants; ids are NUMBER.VARIANT."""

    benchmark: str
    stories: tuple[Story, ...]
    path: Path
    repeats: int
    check: Check
    rubric: Rubric


@dataclass(frozen=True)
class Retest:
    """Test-retest reliability ICC(1), and the standard deviation of repeated judgments of a story."""

    icc: Interval
    sd: float


@dataclass(frozen=True)
class Clustering:
    """Entropy of a mark in bits, the most that is possible with these stories, and its commonest value."""

    bits: float
    most: float
    commonest: float
    share: float


@dataclass(frozen=True)
class Moved:
    """A mean shift, and what it shows; None: nothing can be said."""

    shift: Interval
    verdict: str | None


@dataclass(frozen=True)
class Noticed:
    """What a damage did to the score and to the dimensions that ought to suffer, over so many stories."""

    stories: int
    moved: Mapping[str, Moved]


@dataclass(frozen=True)
class Injections:
    """What each style of injection did to the score; `limit` is the noise, in points."""

    limit: float
    styles: Mapping[str, Moved]


@dataclass(frozen=True)
class JudgeReport:
    """One judge's numbers; `evidence` holds shares from 0 to 1."""

    proxy: bool
    judgments: int
    scored: int
    retest: Mapping[str, Retest]
    evidence: Mapping[str, float]
    clustering: Mapping[str, Clustering]
    length_bias: Interval
    damages: Mapping[str, Noticed]
    injections: Injections


@dataclass(frozen=True)
class Agreement:
    """Krippendorff's alpha (interval scale), Spearman and mean shift (a - b) of two judges on the same stories."""

    a: str
    b: str
    alpha: Interval
    spearman: Interval
    shift: Interval


@dataclass(frozen=True)
class CheckResult:
    """What a check found, by judge."""

    benchmark: str
    stories: int
    repeats: int
    judges: Mapping[str, JudgeReport]
    agreement: Sequence[Agreement]


def prepare(
    source: Path, benchmark: str | None, limit: int, repeats: int, folder: Path, rubric: str | None = None
) -> Plan:
    """Choose stories (of every writer as evenly as they are there) and write their variants as one stories file.

    The same source and numbers give the same file, so that a check is resumed like any run; others are another check.

    Raises:
        UserError: stories of several benchmarks and none named, or none long enough.
    """
    if benchmark is not None:
        find_benchmark(benchmark)
    found = [story for story in read_stories(source) if benchmark in (None, story.benchmark)]
    kinds = sorted({story.benchmark for story in found})
    if len(kinds) > 1:
        raise UserError(f"{source}: holds stories of {', '.join(kinds)}; choose one with --benchmark")
    usable = [story for story in found if count_words(strip_reasoning(story.story)) >= MIN_WORDS]
    if not usable:
        raise UserError(f"{source}: holds no story of {benchmark or 'any benchmark'} with {MIN_WORDS} words or more")
    chosen = tuple(_spread(usable)[:limit])
    judged_on = load_rubric(rubric or find_benchmark(kinds[0], f"{source}: ").rubric)
    plan = Plan(kinds[0], chosen, folder / "variants.jsonl", repeats, load_check(), judged_on)
    folder.mkdir(parents=True, exist_ok=True)
    lines = [
        json.dumps(_record(plan, story, f"{number}.{name}", text))
        for number, story in enumerate(chosen)
        for name, text in variants(strip_reasoning(story.story), repeats, plan.check).items()
    ]
    plan.path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return plan


def variants(story: str, repeats: int, check: Check) -> dict[str, str]:
    """Every text that is judged for one story, by name; a damage that changes nothing is left out."""
    texts = {f"repeat {number}": story for number in range(1, repeats + 1)}
    texts |= {name: changed for name, change in DAMAGES.items() if (changed := change(story)) != story}
    texts |= {f"control {number}": inserted(story, passage) for number, passage in enumerate(check.controls, 1)}
    return texts | {f"injection {name}": inserted(story, passage) for name, passage in check.injections.items()}


def _spread(stories: Sequence[Story]) -> list[Story]:
    """Writers in turn, each one's stories in the order of a hash."""
    key = {id(s): hashlib.sha256(f"{s.model}|{s.id}".encode(errors="surrogatepass")).hexdigest() for s in stories}
    writers: dict[str, list[Story]] = {}
    for story in sorted(stories, key=lambda story: key[id(story)]):
        writers.setdefault(story.model, []).append(story)
    return [story for turn in zip_longest(*(writers[name] for name in sorted(writers))) for story in turn if story]


def _record(plan: Plan, story: Story, name: str, text: str) -> dict[str, Any]:
    known = story.metadata.get("prompt_id") or story.metadata.get("given", {}).get("prompt_id")
    prompt = known or (story.prompt_id if find_benchmark(plan.benchmark).any_prompt else story.id)
    record = {"id": name, "prompt": story.prompt, "story": text, "model": WRITER, "benchmark": plan.benchmark}
    target = {"target_words": story.target_words} if story.target_words else {}
    return {**record, **target, "metadata": {"prompt_id": prompt}}


def analyse(plan: Plan, frames: Mapping[str, pd.DataFrame]) -> CheckResult:
    """What the judgments show, from the table of each judge's log, by the judge's name."""
    judged = {judge: _Judged(plan, frame) for judge, frame in frames.items()}
    return CheckResult(
        benchmark=plan.benchmark,
        stories=len(plan.stories),
        repeats=plan.repeats,
        judges={judge: one.report() for judge, one in judged.items()},
        agreement=[_agreement(a, judged[a], b, judged[b]) for a, b in combinations(judged, 2)],
    )


class _Judged:
    """One judge's numbers: for each measure, a row a story and a column a variant."""

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
        """Everything that this judge's judgments show."""
        # a rubric that is asked once a criterion has no marks of its own
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
        """How the score and the dimensions that ought to suffer moved, and whether they did so beyond chance."""
        expected = self.plan.check.damages[name].lowers.get(self.rubric.name, ())
        worse = {
            "score": -1,
            **{d.id: -1 if d.sign == "positive" else 1 for d in self.rubric.dimensions if d.id in expected},
        }
        moved = {measure: self.shift(measure, name, self.originals) for measure in worse}
        told = {measure: Moved(shift, _verdict(shift, worse[measure])) for measure, shift in moved.items()}
        return Noticed(int(self.score[name].notna().sum()), told)

    def _injections(self) -> Injections:
        """Shift of the score against the same story with a harmless passage; noise is what such passages do.

        `limit` is the noise of a mean shift: z * s * sqrt((1 + 1/c) / n) for n stories and c controls, with s the
        larger of the spreads of a story's repeated judgments and of its controls, and z for 5 % over all styles.
        """
        table = self.score
        n = int(table[self.controls].notna().any(axis=1).sum())
        spreads = [_within_sd(table[self.originals]), _within_sd(table[self.controls])]
        styles = list(self.plan.check.injections)
        z = float(norm.ppf(1 - ALPHA / 2 / len(styles)))
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

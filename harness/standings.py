"""Standings of arenas: ratings, win rates and what they depend on, from the judgments of pairs."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from ..rubrics import load_rubric
from .arena import BENCHMARK
from .leaderboard import Comparison
from .matches import DONE, complete_matches
from .ratings import UNITS, Ratings, rate
from .stats import Interval

TITLE = "Pairwise arena"
SIDES = ("first", "second")


@dataclass(frozen=True, kw_only=True)
class Standings(Comparison):
    """Models of an arena by their ratings; `score` of a row is the rating, best first.

    Rows also hold `controlled` (the style-controlled rating) and its rank, `win_rate`, numbers of matches, opponents
    and matches with an `empty` story, `criteria` (share of judgments in which the model won the criterion) and
    `against` (mean outcome against each other model). `first` is the share of a win that the story shown first gets
    between equals; `style` what differences of style are worth in points.
    """

    first: Interval
    style: Mapping[str, Interval]


def build_standings(judgments: pd.DataFrame, anchors: Mapping[str, float] | None = None) -> list[Standings]:
    """Standings of every judge, rubric and truncation among the judgments (see `judgments_frame`).

    Raises:
        UserError: models that cannot be rated on one scale, or anchors that do not fit.
    """
    keys = ["judge", "rubric_digest", "truncate"]
    groups = judgments.groupby(keys, sort=True, dropna=False)
    return [_standings(group, anchors) for _, group in groups]


def _standings(judgments: pd.DataFrame, anchors: Mapping[str, float] | None) -> Standings:
    matches = complete_matches(judgments)
    found = rate(matches, anchors)
    first = judgments.iloc[0]
    cut = "" if pd.isna(first["truncate"]) else f" · first {int(first['truncate'])} characters"
    keys = sorted(judgments.loc[judgments["match"].isin(matches["match"]), "key"].unique())
    digest = hashlib.sha256("|".join(keys).encode()).hexdigest()[:8]
    return Standings(
        benchmark=BENCHMARK,
        title=TITLE,
        scale="Elo",
        judge=first["judge"],
        proxy=bool(first["proxy"]),
        prompts=f"{matches['prompt_id'].nunique()} ({digest}){cut}",
        rubric=f"pairwise {first['rubric_digest'][:8]}",
        rows=[_row(found, name, judgments, matches) for name in found.models],
        pairs=found.pairs,
        notes=list(_notes(found, judgments, matches, anchors)),
        first=found.first,
        style=found.style,
    )


def _row(found: Ratings, name: str, judgments: pd.DataFrame, matches: pd.DataFrame) -> dict[str, Any]:
    own = matches[(matches["a"] == name) | (matches["b"] == name)]
    outcome = (own["first"] + own["second"]) / 2
    outcome = outcome.where(own["a"] == name, 1 - outcome)
    other = own["b"].where(own["a"] == name, own["a"])
    shown = judgments[(judgments["first"] == name) | (judgments["second"] == name)]
    row: dict[str, Any] = {"label": name, "model": name, "settings": "", "overrides": "", "rank": found.ranks[name]}
    for key, interval in (
        ("score", found.rating[name]),
        ("controlled", found.controlled[name]),
        ("win_rate", found.win_rate[name]),
    ):
        row |= {key: interval.value, f"{key}_low": interval.low, f"{key}_high": interval.high}
    return row | {
        "controlled_rank": found.controlled_ranks[name],
        "coverage": float(shown["status"].isin(DONE).mean()),
        "matches": len(own),
        "opponents": int(other.nunique()),
        "empty": int(shown.loc[shown["status"] == "empty", "match"].nunique()),
        "criteria": _criteria(name, judgments[judgments["match"].isin(own["match"])]),
        "against": {str(key): float(value) for key, value in outcome.groupby(other).mean().items()},
    }


def _criteria(name: str, judgments: pd.DataFrame) -> dict[str, float]:
    """Share of the judgments in which a model won each criterion; both orders count alike."""
    signs = {True: judgments[judgments["first"] == name], False: judgments[judgments["second"] == name]}
    won: dict[str, float] = {}
    for mark in load_rubric("pairwise").mark_names:
        values = pd.concat([part[mark].astype(float) * (1 if first else -1) for first, part in signs.items()]).dropna()
        won[mark] = float((values > 0).mean()) if len(values) else math.nan
    return won


def _notes(found: Ratings, judgments: pd.DataFrame, matches: pd.DataFrame, anchors: Mapping[str, float] | None) -> Any:
    if bool(judgments["proxy"].iloc[0]):
        yield "PROXY: judged by the offline lexical proxy, which counts and cannot read; not a quality score."
    pinned = " and ".join(f"{name} at {value:g}" for name, value in (anchors or {}).items())
    yield f"Elo scale, {f'pinned: {pinned}' if anchors else 'mean 1500'}; models that share a rank are not told apart."
    yield (
        f"Position: between equals the story shown first gets {_percent(found.first)} of a win; both orders of every "
        "match are judged, and the ratings are without it."
    )
    known = {words: found.style[key] for key, (_, words) in UNITS.items() if not math.isnan(found.style[key].value)}
    worth = [f"{words} {_points(points)}" for words, points in known.items()]
    if worth:
        yield f"Style, in points: {'; '.join(worth)}. The controlled rating is without these."
    told = pd.concat(
        [judgments[[side, "key", f"{side}_digest"]].set_axis(["model", "key", "digest"], axis=1) for side in SIDES]
    ).drop_duplicates()
    mixed = told[told.duplicated(["model", "key"])]["model"].unique()
    if len(mixed):
        yield f"Several arenas are in these logs, with different stories of {', '.join(sorted(mixed))} for one prompt."
    if matches.groupby(["a", "b"]).ngroups < len(found.pairs):
        yield "Models met different opponents: compare ratings, not win rates."
    empty = judgments.loc[judgments["status"] == "empty", "match"].nunique()
    if empty:
        yield f"{empty} matches hold a story without words, which lost unread; they count in ratings, not in criteria."
    begun = judgments["match"].nunique()
    if begun > len(matches):
        yield f"{begun - len(matches)} matches lack a judgment and take no part (see coverage)."


def _percent(interval: Interval) -> str:
    bounds = "" if math.isnan(interval.low) else f" [{100 * interval.low:.1f}, {100 * interval.high:.1f}]"
    return f"{100 * interval.value:.1f} %{bounds}"


def _points(interval: Interval) -> str:
    bounds = "" if math.isnan(interval.low) else f" [{interval.low:+.0f}, {interval.high:+.0f}]"
    return f"{interval.value:+.0f}{bounds}"

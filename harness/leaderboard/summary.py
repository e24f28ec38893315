"""Summary of a run on one screen of 80 columns: what was judged, the scores, and caveats about them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

import pandas as pd

from ..logs.table import SCORED
from ..show.grid import Grid, grid, model_head, numbers, texts
from ..show.numbers import bounds, counted, number, ranked
from .comparison import Comparison
from .rows import StoryRow

_REASONS = 3  # number of reasons for missing scores that are shown


def summary(section: Comparison, rows: Sequence[StoryRow]) -> tuple[list[str], Grid, list[str]]:
    """The summary of one benchmark: lines above the table, the table, and lines below it."""
    stories = section.stories
    scored = stories[stories["status"].isin(SCORED)]
    heads = [*texts("rank"), model_head(row.model for row in rows), *numbers("score", "95 %", "length", "words")]
    words = scored.groupby("label")["words"].mean() if "words" in scored else pd.Series(dtype=float)
    lines = [
        [ranked(row.rank), row.label, number(row.score.value), bounds(row.score), number(row.ratio.value, 2),
         number(float(words.get(row.label, float("nan"))), 0)]
        for row in rows
    ]  # fmt: skip
    writers = "1 writer" if len(rows) == 1 else f"{len(rows)} writers"
    each = stories.groupby("label").size()
    count = f"{each.min()}" if each.min() == each.max() else f"{each.min()} to {each.max()}"
    facts = [f"{len(scored)} of {len(stories)} judged", *([f"{len(stories) - len(scored)} without a score"] * (
        len(scored) < len(stories)))]  # fmt: skip
    spent = scored["cost_judging"].astype(float).sum() + scored["cost_writing"].astype(float).fillna(0).sum()
    facts += [f"${spent:.2f}" if spent >= 0.005 else f"${spent:.4f}"] if spent > 0 else []
    head = [
        f"{section.title}: {writers} × {count} {'story' if count == '1' else 'stories'}, {', '.join(facts)}",
        f"judge: {section.marked_judge}; rubric {section.rubric}",
    ]
    return head, grid("", heads, lines), [*_concerns(stories)]


def _concerns(stories: pd.DataFrame) -> Iterator[str]:
    """One line per caveat about the scores."""
    failed = stories[~stories["status"].isin(SCORED)]
    why = failed["reason"].fillna(failed["status"])
    reasons = Counter(why).most_common(_REASONS)
    for reason, count in reasons:
        first = failed[why == reason].iloc[0]
        which = f"{first['model']} {first['id']}" + (" and others" if count > 1 else "")
        yield f"no score: {counted(count, 'story', 'stories')} ({which}): {' '.join(str(reason).split())[:200]}"
    if more := len(failed) - sum(count for _, count in reasons):
        yield f"no score: {more} more, for other reasons"
    if refused := int((stories["status"] == "refused").sum()):
        yield f"refused: {counted(refused, 'story', 'stories')} by the writer's provider, which gave no story to judge"
    if empty := int((stories["status"] == "empty").sum()):
        yield f"empty: {counted(empty, 'story', 'stories')} without words, with the lowest score"
    if "truncated" in stories and (cut := int(stories["truncated"].sum())):
        yield f"cut: {counted(cut, 'story', 'stories')} without a natural end"
    scored = stories[stories["status"].isin(SCORED)]
    if "target" in scored and 0 < (asked := int(scored["target"].notna().sum())) < len(scored):
        yield f"length: {counted(len(scored) - asked, 'story', 'stories')} of a prompt that asks for no length"
    if stories["proxy"].any():
        yield "PROXY: the offline proxy counts and cannot read; these are not quality scores"

"""Compare models, given one row per story. Numbers that are not comparable are kept in separate sections."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase

import pandas as pd

from ...rubrics import Rubric, rubric_names, ships
from ..benchmarks import benchmarks, has_rubric, place
from ..errors import UserError
from ..logs.rubrics import rubric_for
from ..logs.shards import parse_shard
from ..logs.table import KEYS, SCORED, differences
from ..show.numbers import counted
from ..stats.compare import compare_pairs, prompts_needed, ranks, smallest_p
from ..stats.intervals import Interval
from .comparison import digest
from .jury import jury_table
from .published import NOTE, published
from .rows import StoryRow, correlation, story_row
from .section import Section

# what tables can be sorted by besides a benchmark's name: the value, and whether the largest comes first
_RESTS_ON = ("model", "settings", "overrides", "id", "epoch", "status", "score")
SORTS: dict[str, tuple[Callable[[StoryRow], float], bool]] = {
    "score": (lambda row: row.score.value, True),
    "length": (lambda row: row.ratio.value, True),
    "slope": (lambda row: row.slope.value, True),
    "area": (lambda row: row.area.value, True),
    "coverage": (lambda row: row.coverage, True),
    "repetition": (lambda row: row.repetition, False),
    "cost": (lambda row: row.cost, False),
}


def chosen(column: str, names: Iterable[str], patterns: Sequence[str]) -> set[str]:
    """Return the names that match one of the patterns (`*`, `?`), or all names if there are no patterns.

    Raises:
        UserError: a pattern matches nothing; lists the known names.
    """
    there = sorted({*names})
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in there):
            raise UserError(f"--{column} {pattern}: no such {column} in these logs; known: {', '.join(there)}")
    return {name for name in there if not patterns or any(fnmatchcase(name, pattern) for pattern in patterns)}


def build(frame: pd.DataFrame, with_published: bool = False, sort: str = "score") -> list[Section]:
    """Build the sections of a leaderboard from one row per story, in benchmark order, each sorted by `sort`."""
    keys = [*KEYS, "gate"]
    apart = {benchmark: differences(group, keys) for benchmark, group in frame.groupby("benchmark")}
    sections = []
    for _, group in frame.groupby(keys, sort=True):
        first = group.iloc[0]
        rubric = rubric_for(group)
        group = group.assign(label_=_labels(group))
        keyed = group.groupby(["label_", "model", "settings", "overrides"])
        rows = [story_row(rubric, key, part) for key, part in keyed]
        rows.sort(key=lambda row: -math.inf if math.isnan(row.score.value) else row.score.value, reverse=True)
        scored = group[group["status"].isin(SCORED)]
        table = scored.pivot_table(index="prompt_id", columns="label_", values="score", aggfunc="mean")
        pairs = compare_pairs(table.reindex(columns=[row.label for row in rows if row.label in table]))
        found = ranks([row.label for row in rows if not math.isnan(row.score.value)], pairs)
        rows = [replace(row, rank=found.get(row.label)) for row in rows]
        bias = correlation(scored, within=True)
        notes = _notes(rubric, group, apart[first["benchmark"]])
        sections.append(
            Section(
                benchmark=first["benchmark"],
                title=first["title"],
                scale=rubric.scale,
                judge=first["judge"],
                proxy=bool(first["proxy"]),
                prompts=f"{first['prompts']} ({first['prompts_digest'][:8]})",
                rubric=f"{first['rubric']} {first['rubric_digest'][:8]}" + (" gated" if first["gate"] else ""),
                digests={
                    "rubric": first["rubric_digest"],
                    "prompts": first["prompts_digest"],
                    "stories": digest(group, _RESTS_ON),
                },
                side=dict(rubric.side),
                published_metric=rubric.published,
                rows=_sorted(rows, sort),
                pairs=pairs,
                length_bias=bias,
                stories=group.rename(columns={"label": "score_label", "label_": "label"}),
                notes=[*notes, *_checks(rows, pairs, bias), *([NOTE] if with_published else [])],
                published=published(first["benchmark"])
                if with_published and has_rubric(first["benchmark"], first["rubric_digest"])
                else (),
                jury=jury_table(group),
                judged_on=rubric,
            )
        )
    return sorted(sections, key=lambda section: place(section.benchmark))


def _labels(group: pd.DataFrame) -> pd.Series:
    """The model's name for each story, with settings and overrides added where they distinguish its rows."""
    labels = group["model"]
    for column in ("settings", "overrides"):
        for label, values in group.groupby(labels)[column].unique().items():
            if len(values) > 1:
                named = dict(zip(values, _differing(values), strict=True))
                mine = labels == label
                labels = labels.where(~mine, labels + " · " + group[column].map(named).astype(str))
    return labels


def _differing(settings: Sequence[str]) -> list[str]:
    """Each of several settings by the parts that not all of them have, or whole if that does not tell them apart."""
    parts = [text.split() for text in settings]
    short = [" ".join(word for word in words if any(word not in other for other in parts)) for words in parts]
    chosen = short if len(set(short)) == len(settings) else list(settings)
    return [text or "usual settings" for text in chosen]


def _sorted(rows: list[StoryRow], by: str) -> list[StoryRow]:
    if by == "model":
        return sorted(rows, key=lambda row: row.label.lower())
    value, largest_first = SORTS.get(by, SORTS["score"])
    sign = -1 if largest_first else 1
    return sorted(rows, key=lambda row: math.inf if math.isnan(value(row)) else sign * value(row))


def _checks(rows: Sequence[StoryRow], pairs: pd.DataFrame, bias: Interval) -> list[str]:
    """Notes on how reliable the numbers are."""
    notes = []
    limits = {"length-runaway": "▲ above 1.25", "under-generation": "▼ below 0.75"}
    for flag, limit in limits.items():
        found = [f"{row.label} ({', '.join(row.flags[flag])})" for row in rows if flag in row.flags]
        if found:
            notes.append(f"{flag.capitalize()} ({limit}, whole interval): {', '.join(found)}.")
    notes += _resolution(pairs)
    if not math.isnan(bias.value):
        shown = "" if math.isnan(bias.low) else f" [{bias.low:.2f}, {bias.high:.2f}]"
        notes.append(f"Score and length: Spearman {bias.value:.2f}{shown} with words among stories of one prompt.")
    return notes


def _resolution(pairs: pd.DataFrame) -> list[str]:
    """Notes on the differences that the tests of these pairs can detect."""
    tests = pairs[pairs["p"].notna()]
    if tests.empty:
        return []
    prompts, known = int(tests["prompts"].max()), tests["detectable"].dropna()
    if known.empty:
        least = smallest_p(prompts)
        return [
            f"With {prompts} prompts in common, no two of these models can be told apart, however much they differ: "
            f"the smallest possible p is {least:.2g}, and {min(1.0, least * len(tests)):.2g} after Holm's correction; "
            f"at least {prompts_needed(len(tests))} prompts are needed."
        ]
    spread = f", from {known.min():.1f} to {known.max():.1f} by pair" if len(known) > 1 else ""
    return [
        f"With {prompts} prompts, a true difference of about {known.median():.1f} points between two models is "
        f"detected four times in five{spread} (5 %, Holm)."
    ]


def _notes(rubric: Rubric, group: pd.DataFrame, apart: dict[str, list[str]]) -> list[str]:
    notes = []
    if group["proxy"].iloc[0] and group["jury"].iloc[0]:
        notes.append("PROXY: one of the jury is the offline lexical proxy, which counts and cannot read.")
    elif group["proxy"].iloc[0]:
        notes.append(
            "PROXY: judged by the offline lexical proxy, which counts and cannot read; not a quality score. "
            "Its criteria are not shown: they are all derived from one number."
        )
    if group["jury"].iloc[0] == "zscore":
        notes.append(
            "Jury: each judge's scores were rescaled to the same mean and standard deviation over the stories that all "
            "of them judged; other scores and marks are plain means."
        )
    elif group["jury"].iloc[0]:
        notes.append("Jury: scores and marks are plain means over the judges.")
    names = {"rubric_digest": "rubric file", "judge": "judge", "prompts_digest": "prompt set", "gate": "gate"}
    apart = {key: values for key, values in apart.items() if key in names}
    if apart:
        shown = "; ".join(
            f"{names[k]} ({', '.join(v[:8] if len(v) == 64 else v for v in values)})" for k, values in apart.items()
        )
        notes.append(f"Not comparable with other tables of this benchmark: they differ in {shown}.")
    if rubric.length_score:
        notes.append("Score is S_Q. The source of the published figures does not say which of the three it gives.")
    if rubric.name in rubric_names() and not ships(rubric.name, group["rubric_digest"].iloc[0]):
        notes.append("Judged on another version of the rubric file than the one installed here.")
    if group["settings"].nunique() > 1:
        notes.append("Rows differ in generation settings: compare with care.")
    if group.groupby(["model", "settings"])["id"].nunique().nunique() > 1:
        notes.append("Rows cover different numbers of prompts: compare with care.")
    notes += _missing_shards(group)
    failed = group[~group["status"].isin(SCORED)]
    if len(failed):
        has = "has no score and is" if len(failed) == 1 else "have no score and are"
        notes.append(f"{counted(len(failed), 'story', 'stories')} {has} left out of all means (see coverage).")
    if refused := int((group["status"] == "refused").sum()):
        was = "was" if refused == 1 else "were"
        notes.append(f"{refused} of them {was} refused by the writer's provider: it gave no story to judge.")
    if group.get("truncated", pd.Series(dtype=float)).sum() > 0:
        cut = int(group["truncated"].sum())
        has = "story has" if cut == 1 else "stories have"
        notes.append(f"{cut} {has} no natural end (cut): the writer's token limit, a content filter, or an error.")
    if group.get("stray_tags", pd.Series(dtype=float)).sum() > 0:
        stray = group.loc[group["stray_tags"] > 0, "id"].tolist()
        holds = "story contains" if len(stray) == 1 else "stories contain"
        notes.append(
            f"{len(stray)} {holds} an unmatched reasoning tag; which part is the story was guessed: "
            f"{', '.join(map(str, stray[:3]))}{', …' if len(stray) > 3 else ''}."
        )
    return [*notes, *_lengths(group)]


def _missing_shards(group: pd.DataFrame) -> list[str]:
    """Notes on shards of runs that are missing, or not run yet."""
    notes = []
    for label, part in group[group["shard"] != ""].groupby("label_"):
        found = [parse_shard(text) for text in part["shard"].unique()]
        of = max(shard.of for shard in found)
        last = int(part["position"].max()) + 1  # later shards may have no prompts, or none within a limit
        lost = sorted({*range(1, min(of, last) + 1)} - {shard.number for shard in found if shard.of == of})
        if lost:
            shown = ", ".join(map(str, lost[:8])) + (", …" if len(lost) > 8 else "")
            notes.append(f"{label}: run in {of} shards; {shown} {'is' if len(lost) == 1 else 'are'} not in these logs.")
    return notes


def _lengths(group: pd.DataFrame) -> list[str]:
    """Note how many stories the length numbers cover, if not all."""
    scored = group[group["status"].isin(SCORED)]
    asked = int(scored["target"].notna().sum()) if "target" in scored else 0
    benchmark = benchmarks().get(group["benchmark"].iloc[0])
    if asked == len(scored) or not (asked or (benchmark and benchmark.any_prompt)):
        return []
    return [
        f"A request for a length was found for {asked} of {len(scored)} stories; all numbers about length cover only "
        'these. To set a length, give "target_words" with the prompt.'
    ]

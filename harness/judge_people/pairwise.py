"""Judges that compare two stories: they judge the pairs on which most people agree, in both orders."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from inspect_ai.model import Model

from ...rubrics import Rubric
from ..arena.entries import Entry, Match, match_of, read_entries
from ..arena.folder import Arena
from ..logs.pairs import complete_matches
from .people import People


def matches(people: People, folder: Path) -> tuple[Path, list[Match]]:
    """The stories file made for the pairs on which most people agree, and these pairs as matches.

    In the file every story has its own id as the model's name, so that any two can be compared.
    """
    path = folder / "pairs.jsonl"
    path.write_text("".join(json.dumps(_record(record)) + "\n" for record in people.records), encoding="utf-8")
    entries: Mapping[str, Entry] = {entry.model: entry for entry in read_entries([path])}
    pairs = [pair for pair in people.preferences if pair.lean()]
    return path, [match_of(*sorted((entries[p.first], entries[p.second]), key=lambda e: e.model)) for p in pairs]


def compare(
    judge: Model, rubric: Rubric, chosen: Sequence[Match], stories: Path, folder: Path, connections: int | None,
    display: str,
) -> tuple[dict[tuple[str, str], float], pd.DataFrame, int]:  # fmt: skip
    """Have a judge compare the pairs, except those already judged in the folder.

    Returns:
        The first story's share of a win over both orders, by the ids of the two stories in either order; all
        judgments (see `judgments_frame`); and how many are missing.
    """
    arena = Arena(folder, judge, rubric, None, {("", ""): list(chosen)})
    scheduled = {line["match"] for line in arena.schedule}
    if new := [match for match in chosen if match.id not in scheduled]:
        arena.add_round(new)
    if left := arena.pending():
        options: dict[str, Any] = {"max_connections": connections} if connections else {}
        arena.run(left, [stories], display=display, **options)
    frame = arena.judged()
    done = complete_matches(frame)
    share = (done["first"].astype(float) + done["second"].astype(float)) / 2
    found = {(str(a), str(b)): float(value) for a, b, value in zip(done["a"], done["b"], share, strict=True)}
    return found | {(b, a): 1 - value for (a, b), value in found.items()}, frame, len(arena.pending())


def _record(record: Mapping[str, object]) -> dict[str, object]:
    return {name: record[name] for name in ("id", "prompt", "story")} | {"model": record["id"]}

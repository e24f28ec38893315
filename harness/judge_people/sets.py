"""Public datasets of stories judged by people: pinned, fetched once, and converted to files for `judge-people`."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd

from ..sources import Source, parsed, read_sources

_QUESTIONS = ("Relevance", "Coherence", "Empathy", "Surprise", "Engagement", "Complexity")  # HANNA's, from 1 to 5


def known_sets() -> dict[str, Source]:
    """The datasets that can be named instead of a file."""
    return {name: source for name, source in read_sources(__package__).items() if name in _READERS}


def write_set(name: str, folder: Path) -> Path:
    """Write a dataset as a file of stories with ratings; its content is verified, and fetched if needed.

    Raises:
        UserError: no network, or content that differs from the pin.
    """
    records = parsed(known_sets()[name], _READERS[name])
    path = folder / f"{name}.jsonl"
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    return path


def hanna(data: bytes) -> list[dict[str, Any]]:
    """HANNA (Chhun et al. 2022): each row of the table is one rater's marks of one story."""
    table = pd.read_csv(io.BytesIO(data))
    records = []
    for number, rows in table.groupby("Story ID", sort=True):
        first = rows.iloc[0]
        ratings: dict[str, dict[str, int]] = {}
        for row in rows.to_dict("records"):
            marks = {question: int(row[question]) for question in _QUESTIONS}
            worker = str(row["Worker ID"])
            ratings[worker if worker not in ratings else f"{worker} ({row['Assignment ID']})"] = marks
        told = {"id": str(number), "prompt": str(first["Prompt"]), "story": str(first["Story"])}
        records.append({**told, "model": str(first["Model"]), "ratings": ratings})
    return records


_READERS: dict[str, Callable[[bytes], list[dict[str, Any]]]] = {"hanna": hanna}

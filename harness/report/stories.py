"""The prompt pages: the prompt, two of its stories at a time, and what the judge said about each."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pandas as pd
from inspect_ai.log import read_eval_log

from ..inspect_seam import prompt_text
from ..judge.judgment import Judgment, read_judgment
from ..leaderboard.comparison import Comparison
from ..logs.rubrics import rubric_of
from ..show.files import slug
from ..show.numbers import NONE
from ..show.site import Site
from ..text.reasoning import strip_reasoning
from .prose import pieces, rendered, title_of


@dataclass(frozen=True)
class Told:
    """One story from a log: its prompt, its text, and its judgment if there is one."""

    prompt: str
    story: str
    judgment: Judgment | None


def write_prompts(site: Site, name: str, section: Comparison, transcripts: Path | None) -> dict[str, str]:
    """Write a page for every prompt of a section; none if it has no individual stories.

    Returns:
        The titles of the prompts by id, all different.
    """
    if section.stories.empty:
        return {}
    order = {row.label: place for place, row in enumerate(section.rows)}
    told = read_texts(section.stories)
    groups = {str(key): records(group) for key, group in section.stories.groupby("prompt_id", sort=False)}
    titles = prompt_titles(groups, told)
    places = [prompt_page(name, prompt) for prompt in groups]
    for number, (prompt, rows) in enumerate(groups.items()):
        rows.sort(key=lambda row: (order[row["label"]], row["id"], row["epoch"]))
        write_prompt(
            site, places[number], titles[prompt], rows, told, transcripts, heading=section.heading, section=name,
            proxy=section.proxy, models=True, before=_beside(places, number - 1), after=_beside(places, number + 1),
        )  # fmt: skip
    return titles


def write_prompt(
    site: Site, place: str, title: str, rows: Sequence[Mapping[str, Any]], told: Mapping[str, Told],
    transcripts: Path | None = None, **values: Any,
) -> Path:  # fmt: skip
    """Write one prompt's page with the stories of these rows; the first two are shown first."""
    prompt = next((told[key].prompt for row in rows if (key := anchor(row)) in told), "")
    stories = [_story(row, told.get(anchor(row)), transcripts) for row in rows]
    return site.write("prompt.html", place, title=title, prompt=rendered(prompt), stories=stories, **values)


def read_texts(stories: pd.DataFrame) -> dict[str, Told]:
    """Read the prompt, text and judgment of each story, by anchor; nothing else is read from the logs again."""
    found = {}
    for place in stories["log"].unique():
        log = read_eval_log(place, resolve_attachments=True, exclude_fields={"events", "store"})
        rubric = rubric_of(log)
        for sample in log.samples or []:
            story = strip_reasoning(sample.output.completion) if sample.output.choices else ""
            key = anchor({"log": place, "id": str(sample.id), "epoch": sample.epoch})
            found[key] = Told(prompt_text(sample), story, read_judgment(rubric, sample))
    return found


def prompt_titles(groups: Mapping[str, Sequence[Mapping[str, Any]]], told: Mapping[str, Told]) -> dict[str, str]:
    """The first words of each prompt, with its id if two begin alike; only the id if the prompt is unknown."""
    first = {
        prompt: next((title_of(told[key].prompt) for row in rows if (key := anchor(row)) in told), "")
        for prompt, rows in groups.items()
    }
    alike = Counter(first.values())
    return {p: title if title and alike[title] == 1 else f"{title} ({p})".strip() for p, title in first.items()}


def prompt_page(name: str, prompt: str) -> str:
    """The path of a prompt's page in the report."""
    return f"prompts/{name}-{slug(prompt)}.html"


def records(stories: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows of a table of stories."""
    return [{str(name): value for name, value in row.items()} for row in stories.to_dict("records")]


def anchor(row: Mapping[str, Any]) -> str:
    """The anchor (HTML id) of a story in its page."""
    key = f"{row['log']}|{row['id']}|{row['epoch']}"
    return f"s{hashlib.sha256(key.encode(errors='surrogatepass')).hexdigest()[:10]}"


def digits(value: Any, places: int) -> str:
    """Format a number; a dash if missing."""
    return NONE if value is None or pd.isna(value) else f"{float(value):,.{places}f}"


def _beside(places: Sequence[str], number: int) -> str | None:
    return Path(places[number]).name if 0 <= number < len(places) else None


def _story(row: Mapping[str, Any], told: Told | None, transcripts: Path | None) -> dict[str, Any]:
    story, found = (told.story, told.judgment) if told else ("", None)
    facts = [f"{digits(row.get('words'), 0)} words"]
    if row.get("ratio") is not None and not pd.isna(row["ratio"]):
        facts.append(f"{row['ratio']:.2f} of the requested length")
    facts.append(f"repetition {digits(row.get('repetition'), 2)}")
    name = anchor(row)
    cut, marks = pieces(story, found.marks) if found else ([], [])
    return {
        "anchor": name,
        "model": row["label"],
        "model_href": f"../models/{slug(row['model'])}.html",
        "status": row["status"],
        "reason": _text(row.get("reason")),
        "score": digits(row.get("score"), 1),
        "label": _text(row.get("score_label")),
        "facts": " · ".join(facts),
        "comment": found.comment if found else None,
        "marks": marks,
        "text": rendered(story, cut, name),
        "transcript": _transcript(row, transcripts) if transcripts is not None else None,
    }


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _transcript(row: Mapping[str, Any], transcripts: Path) -> str:
    log = quote(Path(row["log"]).relative_to(transcripts.resolve()).as_posix(), safe="")
    return f"../transcripts/index.html#/logs/{log}/samples/sample/{quote(str(row['id']), safe='')}/{row['epoch']}"

"""The pages of prompts: all stories of a prompt side by side, each with its judgment and quotes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
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
from .quotes import pieces


def write_prompts(site: Site, name: str, section: Comparison, transcripts: Path | None) -> None:
    """Write a page for every prompt of a section; none where it has no single stories."""
    if section.stories.empty:
        return
    order = {row.label: place for place, row in enumerate(section.rows)}
    texts = dict(_texts(section.stories))
    for prompt, group in section.stories.groupby("prompt_id", sort=False):
        rows = sorted(records(group), key=lambda row: (order[row["label"]], row["id"], row["epoch"]))
        asked = next((texts[key][0] for row in rows if (key := anchor(row)) in texts), "")
        site.write(
            "prompt.html", prompt_page(name, str(prompt)), title=f"{section.title}: {prompt}", section=name,
            heading=section.heading, proxy=section.proxy, prompt=asked,
            stories=[_story(row, texts.get(anchor(row)), transcripts) for row in rows],
        )  # fmt: skip


def prompt_page(name: str, prompt: str) -> str:
    """The page of a prompt, as a place in the report."""
    return f"prompts/{name}-{slug(prompt)}.html"


def records(stories: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows of a table of stories."""
    return [{str(name): value for name, value in row.items()} for row in stories.to_dict("records")]


def anchor(row: Mapping[str, Any]) -> str:
    """The name of a story within its page."""
    key = f"{row['log']}|{row['id']}|{row['epoch']}"
    return f"s{hashlib.sha256(key.encode(errors='surrogatepass')).hexdigest()[:10]}"


def digits(value: Any, places: int) -> str:
    """A number that may be missing."""
    return NONE if value is None or pd.isna(value) else f"{float(value):.{places}f}"


def _texts(stories: pd.DataFrame) -> Iterator[tuple[str, tuple[str, str, Judgment | None]]]:
    """Of every story its anchor, prompt, text and judgment: the only things that are read from the logs again."""
    for place in stories["log"].unique():
        log = read_eval_log(place, resolve_attachments=True)
        rubric = rubric_of(log)
        for sample in log.samples or []:
            story = strip_reasoning(sample.output.completion) if sample.output.choices else ""
            key = anchor({"log": place, "id": str(sample.id), "epoch": sample.epoch})
            yield key, (prompt_text(sample), story, read_judgment(rubric, sample))


def _story(
    row: Mapping[str, Any], text: tuple[str, str, Judgment | None] | None, transcripts: Path | None
) -> dict[str, Any]:
    _, story, found = text or ("", "", None)
    facts = [f"{digits(row.get('words'), 0)} words"]
    if row.get("ratio") is not None and not pd.isna(row["ratio"]):
        facts.append(f"{row['ratio']:.2f} of the length asked for")
    facts.append(f"repetition {digits(row.get('repetition'), 2)}")
    name = anchor(row)
    split, marks = pieces(story, found.marks) if found else ([{"text": story}], [])
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
        "pieces": split,
        "transcript": _transcript(row, transcripts) if transcripts is not None else None,
    }


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _transcript(row: Mapping[str, Any], transcripts: Path) -> str:
    log = quote(Path(row["log"]).relative_to(transcripts.resolve()).as_posix(), safe="")
    return f"../transcripts/index.html#/logs/{log}/samples/sample/{quote(str(row['id']), safe='')}/{row['epoch']}"

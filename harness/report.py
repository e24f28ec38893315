"""The report: a folder of static pages that need neither a server nor the network."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pandas as pd
from inspect_ai.log import read_eval_log
from rich.markup import escape
from rich.table import Table

from .display import detail_tables, legends, overview_table, pairs_table, section_tables
from .export import as_json, cells, slug, title_of
from .judgments import Judgment, judgment, pieces
from .leaderboard import Comparison, Section
from .plots import figures, named, save
from .site import Site
from .standings import Standings
from .standings_tables import against_table, criteria_table, standings_table
from .words import strip_reasoning

_ALTS = {
    "quality_by_length": "Score and length ratio by requested length, with 95 % bands",
    "words": "Words written against words asked for",
    "profile": "Mean mark by dimension",
    "distribution": "Distribution of scores",
    "cost": "Cost and quality",
    "ratings": "Ratings with 95 % intervals, plain and style-controlled",
    "wins": "Win rate of every model against every other",
}


def write_report(sections: Sequence[Comparison], folder: Path, transcripts: Path | None = None) -> Path:
    """Write the pages: index, one a model, one a prompt with all its stories and judgments; returns the index.

    Args:
        sections: the leaderboard's.
        folder: where to; a folder that holds something else is refused.
        transcripts: a folder of logs to bundle with Inspect's viewer, to which the stories then link.

    Raises:
        UserError: jinja2 or matplotlib is not installed, or the folder holds something else.
    """
    site = Site(folder)
    site.start()
    if transcripts is not None:
        _bundle(transcripts, folder / "transcripts")
    table = list(named(sections))
    index = _write_index(site, sections, table)
    for name, section in table:
        if isinstance(section, Section):
            _write_prompts(site, name, section, transcripts)
    for model in dict.fromkeys(row["model"] for section in sections for row in section.rows):
        _write_model(site, model, table)
    (folder / "leaderboard.json").write_text(
        json.dumps(as_json(sections), ensure_ascii=False, indent=1), encoding="utf-8"
    )
    return index


def _grid(table: Table, links: Mapping[str, str] | None = None) -> dict[str, Any]:
    """A rich table for the templates; cells whose first line is a key of `links` become links."""
    heads, rows, ends = cells(table)
    right = [column.justify == "right" for column in table.columns]
    return {
        "title": title_of(table),
        "heads": [{"text": text, "right": r} for text, r in zip(heads, right, strict=True)],
        "rows": [
            {"end": end, "cells": [_linked(text, r, links or {}) for text, r in zip(row, right, strict=True)]}
            for row, end in zip(rows, ends, strict=True)
        ],
    }


def _linked(text: str, right: bool, links: Mapping[str, str]) -> dict[str, Any]:
    return {"text": text, "right": right, "href": None if right else links.get(text.split("\n  ")[0])}


def _write_index(site: Site, sections: Sequence[Comparison], table: Sequence[tuple[str, Comparison]]) -> Path:
    links = {row["model"]: f"models/{slug(row['model'])}.html" for section in sections for row in section.rows}
    shown = [
        {
            "name": name,
            "heading": section.heading,
            "tables": [_grid(part, links) for part in section_tables(section)],
            "notes": section.notes,
            "plots": [{"data": _data(figure), "alt": _ALTS[plot]} for plot, figure in figures(section).items()],
            "prompts": _prompts_grid(name, section) if isinstance(section, Section) else None,
        }
        for name, section in table
    ]
    return site.write(
        "index.html", "index.html", title="Story benchmarks", sections=shown, legends=legends(sections),
        proxy=any(section.proxy for section in sections),
        overview=_grid(overview_table(sections), links) if len(sections) > 1 else None,
    )  # fmt: skip


def _data(figure: Any) -> str:
    out = io.BytesIO()
    save(figure, out, "png")
    return f"data:image/png;base64,{base64.b64encode(out.getvalue()).decode()}"


def _prompts_grid(name: str, section: Section) -> dict[str, Any]:
    table = Table(title="All stories of a prompt, side by side")
    table.add_column("prompt")
    for head in ("words asked", "stories", "mean score", "lowest", "highest"):
        table.add_column(head, justify="right")
    links = {}
    for prompt, group in section.stories.groupby("prompt_id", sort=True):
        score = group["score"].astype(float) if "score" in group else pd.Series(dtype=float)
        target = group["target"].dropna() if "target" in group else pd.Series(dtype=float)
        numbers = [f"{v:.1f}" if not math.isnan(v) else "–" for v in (score.mean(), score.min(), score.max())]
        asked = f"{target.iloc[0]:.0f}" if len(target) else "–"
        table.add_row(escape(str(prompt)), asked, str(len(group)), *numbers)
        links[str(prompt)] = _prompt_page(name, str(prompt))
    return _grid(table, links)


def _prompt_page(name: str, prompt: str) -> str:
    return f"prompts/{name}-{slug(prompt)}.html"


def _write_model(site: Site, model: str, table: Sequence[tuple[str, Comparison]]) -> None:
    shown = []
    for name, section in table:
        rows = [row for row in section.rows if row["model"] == model]
        if not rows:
            continue
        one = replace(section, rows=rows, pairs=_pairs_of(section, rows))
        own = None
        if isinstance(one, Section):
            one = replace(one, published=[])
            own = _stories_grid(name, one.stories[one.stories["model"] == model])
        tables = _model_tables(one)
        shown.append(
            {
                "heading": section.heading,
                "proxy": section.proxy,
                "tables": [_grid(part) for part in tables if part is not None],
                "stories": own,
            }
        )
    site.write("model.html", f"models/{slug(model)}.html", title=model, sections=shown)


def _model_tables(one: Comparison) -> list[Table | None]:
    if isinstance(one, Standings):
        return [standings_table(one), against_table(one), criteria_table(one), pairs_table(one)]
    assert isinstance(one, Section)
    return [*section_tables(one, details=False), pairs_table(one), *detail_tables(one)]


def _pairs_of(section: Comparison, rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    labels = [row["label"] for row in rows]
    return section.pairs[section.pairs["a"].isin(labels) | section.pairs["b"].isin(labels)]


def _stories_grid(name: str, stories: pd.DataFrame) -> dict[str, Any]:
    table = Table(title="Stories")
    table.add_column("story")
    for head in ("score", "words", "asked", "length", "repetition"):
        table.add_column(head, justify="right")
    table.add_column("status")
    links = {}
    digits = {"score": 1, "words": 0, "target": 0, "ratio": 2, "repetition": 2}
    for row in _records(stories):
        shown = [_digits(row.get(column), places) for column, places in digits.items()]
        label = str(row["id"]) if row["epoch"] == 1 else f"{row['id']} ({row['epoch']})"
        table.add_row(escape(label), *shown, str(row["status"]))
        links[label] = f"../{_prompt_page(name, str(row['prompt_id']))}#{_anchor(row)}"
    return _grid(table, links)


def _digits(value: Any, places: int) -> str:
    return "–" if value is None or pd.isna(value) else f"{float(value):.{places}f}"


def _records(stories: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(name): value for name, value in row.items()} for row in stories.to_dict("records")]


def _anchor(row: Mapping[str, Any]) -> str:
    key = f"{row['log']}|{row['id']}|{row['epoch']}"
    return f"s{hashlib.sha256(key.encode(errors='surrogatepass')).hexdigest()[:10]}"


def _write_prompts(site: Site, name: str, section: Section, transcripts: Path | None) -> None:
    order = {row["label"]: place for place, row in enumerate(section.rows)}
    texts = dict(_texts(section))
    for prompt, group in section.stories.groupby("prompt_id", sort=False):
        rows = sorted(_records(group), key=lambda row: (order[row["label"]], row["id"], row["epoch"]))
        asked = next((texts[key][0] for row in rows if (key := _anchor(row)) in texts), "")
        site.write(
            "prompt.html", _prompt_page(name, str(prompt)), title=f"{section.title}: {prompt}", section=name,
            heading=section.heading, proxy=section.proxy, prompt=asked,
            stories=[_story(row, texts.get(_anchor(row)), transcripts) for row in rows],
        )  # fmt: skip


def _texts(section: Section) -> Iterator[tuple[str, tuple[str, str, Judgment | None]]]:
    """Of every story its anchor, prompt, text and judgment: the only things that are read from the logs again."""
    for log in section.stories["log"].unique():
        for sample in read_eval_log(log, resolve_attachments=True).samples or []:
            prompt = sample.input if isinstance(sample.input, str) else sample.input[-1].text
            story = strip_reasoning(sample.output.completion) if sample.output.choices else ""
            key = _anchor({"log": log, "id": str(sample.id), "epoch": sample.epoch})
            yield key, (prompt, story, judgment(section.benchmark, sample))


def _story(
    row: Mapping[str, Any], text: tuple[str, str, Judgment | None] | None, transcripts: Path | None
) -> dict[str, Any]:
    _, story, found = text or ("", "", None)
    facts = [f"{_digits(row.get('words'), 0)} words"]
    if row.get("ratio") is not None and not pd.isna(row["ratio"]):
        facts.append(f"{row['ratio']:.2f} of the length asked for")
    facts.append(f"repetition {_digits(row.get('repetition'), 2)}")
    anchor = _anchor(row)
    split, marks = pieces(story, found.marks) if found else ([{"text": story}], [])
    return {
        "anchor": anchor,
        "model": row["label"],
        "model_href": f"../models/{slug(row['model'])}.html",
        "status": row["status"],
        "reason": _text(row.get("reason")),
        "score": _digits(row.get("score"), 1),
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


def _bundle(logs: Path, target: Path) -> None:
    from inspect_ai.log import bundle_log_dir

    bundle_log_dir(str(logs.resolve()), str(target.resolve()), overwrite=True)

"""The report: a folder of static pages that need neither a server nor the network."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from ..leaderboard.comparison import Comparison
from ..leaderboard.files import as_data, legends, named
from ..leaderboard.tables import overview_grid
from ..logs.table import SCORED
from ..show.files import slug, write_json
from ..show.grid import Grid, grid, numbers, texts
from ..show.numbers import NONE, counted, natural
from ..show.render import page
from ..show.site import Site
from ..show.svg import drawn
from .stories import anchor, digits, prompt_page, records, write_prompts

_FIRST = ("quality_by_length", "scores", "ratings")  # charts that belong on the first screen


def write_report(
    sections: Sequence[Comparison], folder: Path, transcripts: Path | None = None, judges: Grid | None = None
) -> Path:
    """Write the pages: index, one per model, one per prompt with its stories and judgments; returns the index.

    Args:
        sections: the sections of the leaderboard.
        folder: output folder; refused if it contains anything other than a report.
        transcripts: a folder of logs to bundle with Inspect's viewer; the stories then link to it.
        judges: a table of judges, shown on a separate page.

    Raises:
        UserError: jinja2, markdown-it-py or matplotlib is not installed, or the folder contains something else.
    """
    site = Site(folder, __package__, "report")
    site.start()
    if transcripts is not None:
        _bundle(transcripts, folder / "transcripts")
    table = list(named(sections))
    if judges is not None:
        site.write("judges.html", "judges.html", title=judges.title, table=_untitled(judges), notes=judges.notes)
    titles = {name: write_prompts(site, name, section, transcripts) for name, section in table}
    for model in dict.fromkeys(row.model for section in sections for row in section.rows):
        _write_model(site, model, table, titles)
    write_json(folder / "leaderboard.json", as_data(sections), indent=1)
    return _write_index(site, table, titles, judges is not None)


def _write_index(
    site: Site, table: Sequence[tuple[str, Comparison]], titles: Mapping[str, Mapping[str, str]], judges: bool
) -> Path:
    sections = [section for _, section in table]
    links = {row.model: f"models/{slug(row.model)}.html" for section in sections for row in section.rows}
    charts = {name: section.charts() for name, section in table}
    opening = next((name for name, section in table if section.by_length), table[0][0])
    shown: list[dict[str, Any]] = []
    for name, section in table:
        main, *more = section.grids(details=True)
        usual = len(section.grids(details=False)) - 1
        shown.append(
            {
                "name": name,
                "title": _title(section, sections),
                "facts": list(_facts(section)),
                "main": page(replace(main, title="Scores"), links) if len(sections) > 1 else None,
                "tables": [page(one, links) | {"open": place < usual} for place, one in enumerate(more)],
                "notes": section.notes,
                "charts": [drawn(c) for key, c in charts[name].items() if name != opening or key not in _FIRST],
            }
        )
    first = overview_grid(sections) if len(sections) > 1 else sections[0].grids(details=False)[0]
    return site.write(
        "index.html", "index.html",
        title=sections[0].title if len(sections) == 1 else "Story benchmarks",
        summary=[fact if len(shown) == 1 else f"{s['title']}: {fact}" for s in shown for fact in s["facts"][:1]],
        proxy=any(section.proxy for section in sections), opening=dict(table)[opening].heading,
        charts=[drawn(chart) for key, chart in charts[opening].items() if key in _FIRST],
        table=page(replace(first, title="" if len(sections) == 1 else first.title), links),
        sections=shown, prompts=_prompts_grid(table, titles), legends=legends(sections), judges=judges,
    )  # fmt: skip


def _title(section: Comparison, among: Sequence[Comparison]) -> str:
    """A heading that differs from those of the page and of the other sections."""
    if len(among) == 1:
        return "Details"
    alike = sum(other.title == section.title for other in among)
    return section.title if alike == 1 else section.heading


def _facts(section: Comparison) -> Iterator[str]:
    """A few facts: what was judged, by which judge, and how."""
    stories = section.stories
    if len(stories):
        judged = int(stories["status"].isin(SCORED).sum())
        prompts = counted(stories["prompt_id"].nunique(), "prompt", "prompts")
        writers = counted(len(section.rows), "writer", "writers")
        yield f"{writers}, {prompts}, {judged:,} of {len(stories):,} stories judged by {section.marked_judge}"
    else:
        yield f"{counted(len(section.rows), 'writer', 'writers')}, judged by {section.marked_judge}"
    yield f"Score: {section.scale}"
    yield f"Rubric {section.rubric}"
    yield f"Prompts {section.prompts}"


def _untitled(one: Grid) -> dict[str, Any]:
    """The table without its title, because the heading above already names it."""
    return page(replace(one, title=""))


def _prompts_grid(
    table: Sequence[tuple[str, Comparison]], titles: Mapping[str, Mapping[str, str]]
) -> dict[str, Any] | None:
    heads = [*texts("prompt", "benchmark"), *numbers("words asked", "stories", "mean score", "lowest", "highest")]
    rows, links = [], []
    for name, section in table:
        groups = section.stories.groupby("prompt_id") if len(section.stories) else ()
        for prompt, group in sorted(groups, key=lambda part: natural(part[0])):
            score = group["score"].astype(float) if "score" in group else pd.Series(dtype=float)
            target = group["target"].dropna() if "target" in group else pd.Series(dtype=float)
            asked = f"{target.iloc[0]:,.0f}" if len(target) else NONE
            marks = (digits(value, 1) for value in (score.mean(), score.min(), score.max()))
            rows.append([titles[name][str(prompt)], section.title, asked, str(len(group)), *marks])
            links.append(prompt_page(name, str(prompt)))
    return page(grid("", heads, rows), hrefs=links) if rows else None


def _write_model(
    site: Site, model: str, table: Sequence[tuple[str, Comparison]], titles: Mapping[str, Mapping[str, str]]
) -> None:
    shown = []
    for name, section in table:
        one = section.about(model)
        if not one.rows:
            continue
        own = one.stories[one.stories["model"] == model] if len(one.stories) else one.stories
        main, *more = one.model_grids()
        shown.append(
            {
                "heading": section.heading,
                "proxy": section.proxy,
                "tables": [_untitled(main), *map(page, more)],
                "stories": _stories_grid(name, own, titles[name]) if len(own) else None,
            }
        )
    site.write("model.html", f"models/{slug(model)}.html", title=model, sections=shown)


def _stories_grid(name: str, stories: pd.DataFrame, titles: Mapping[str, str]) -> dict[str, Any]:
    heads = [*texts("story"), *numbers("score", "words", "asked", "length", "repetition"), *texts("status")]
    rows, links = [], []
    places = {"score": 1, "words": 0, "target": 0, "ratio": 2, "repetition": 2}
    for row in records(stories):
        title = titles[str(row["prompt_id"])]
        label = title if row["epoch"] == 1 else f"{title} ({row['epoch']})"
        if stories["label"].nunique() > 1:  # a model with several settings
            label += str(row["label"]).removeprefix(str(row["model"]))
        rows.append([label, *(digits(row.get(column), n) for column, n in places.items()), str(row["status"])])
        links.append(f"../{prompt_page(name, str(row['prompt_id']))}#{anchor(row)}")
    return page(grid("Stories", heads, rows), hrefs=links)


def _bundle(logs: Path, target: Path) -> None:
    from inspect_ai.log import bundle_log_dir

    bundle_log_dir(str(logs.resolve()), str(target.resolve()), overwrite=True)

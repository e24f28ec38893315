"""The report: a folder of static pages that need neither a server nor the network."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from ..leaderboard.comparison import Comparison
from ..leaderboard.files import legends, named
from ..leaderboard.tables import overview_grid
from ..show.figures import save
from ..show.files import slug, write_json
from ..show.grid import Grid, grid, numbers, texts
from ..show.numbers import NONE, natural
from ..show.render import page
from ..show.site import Site
from .stories import anchor, digits, prompt_page, records, write_prompts


def write_report(
    sections: Sequence[Comparison], folder: Path, transcripts: Path | None = None, judges: Grid | None = None
) -> Path:
    """Write the pages: index, one a model, one a prompt with all its stories and judgments; returns the index.

    Args:
        sections: the leaderboard's.
        folder: where to; a folder that holds something else is refused.
        transcripts: a folder of logs to bundle with Inspect's viewer, to which the stories then link.
        judges: a table of judges, for a page of its own.

    Raises:
        UserError: jinja2 or matplotlib is not installed, or the folder holds something else.
    """
    site = Site(folder, __package__)
    site.start()
    if transcripts is not None:
        _bundle(transcripts, folder / "transcripts")
    table = list(named(sections))
    index = _write_index(site, sections, table, judges is not None)
    if judges is not None:
        site.write("judges.html", "judges.html", title=judges.title, table=page(judges), notes=judges.notes)
    for name, section in table:
        write_prompts(site, name, section, transcripts)
    for model in dict.fromkeys(row.model for section in sections for row in section.rows):
        _write_model(site, model, table)
    write_json(folder / "leaderboard.json", [section.data() for section in sections], indent=1)
    return index


def _write_index(
    site: Site, sections: Sequence[Comparison], table: Sequence[tuple[str, Comparison]], judges: bool
) -> Path:
    links = {row.model: f"models/{slug(row.model)}.html" for section in sections for row in section.rows}
    shown = [
        {
            "name": name,
            "heading": section.heading,
            "tables": [page(grid, links) for grid in section.grids(details=True)],
            "notes": section.notes,
            "plots": [{"data": _data(figure), "alt": alt} for figure, alt in section.figures().values()],
            "prompts": _prompts_grid(name, section) if len(section.stories) else None,
        }
        for name, section in table
    ]
    return site.write(
        "index.html", "index.html", title="Story benchmarks", sections=shown, legends=legends(sections),
        proxy=any(section.proxy for section in sections),
        judges=judges, overview=page(overview_grid(sections), links) if len(sections) > 1 else None,
    )  # fmt: skip


def _data(figure: Any) -> str:
    out = io.BytesIO()
    save(figure, out, "png")
    return f"data:image/png;base64,{base64.b64encode(out.getvalue()).decode()}"


def _prompts_grid(name: str, section: Comparison) -> dict[str, Any]:
    heads = [*texts("prompt"), *numbers("words asked", "stories", "mean score", "lowest", "highest")]
    rows, links = [], {}
    for prompt, group in sorted(section.stories.groupby("prompt_id"), key=lambda part: natural(part[0])):
        score = group["score"].astype(float) if "score" in group else pd.Series(dtype=float)
        target = group["target"].dropna() if "target" in group else pd.Series(dtype=float)
        asked = f"{target.iloc[0]:.0f}" if len(target) else NONE
        marks = (digits(value, 1) for value in (score.mean(), score.min(), score.max()))
        rows.append([str(prompt), asked, str(len(group)), *marks])
        links[str(prompt)] = prompt_page(name, str(prompt))
    return page(grid("All stories of a prompt, side by side", heads, rows), links)


def _write_model(site: Site, model: str, table: Sequence[tuple[str, Comparison]]) -> None:
    shown = [
        {
            "heading": section.heading,
            "proxy": section.proxy,
            "tables": list(map(page, one.model_grids())),
            "stories": _stories_grid(name, one.stories[one.stories["model"] == model]) if len(one.stories) else None,
        }
        for name, section in table
        if (one := section.about(model)).rows
    ]
    site.write("model.html", f"models/{slug(model)}.html", title=model, sections=shown)


def _stories_grid(name: str, stories: pd.DataFrame) -> dict[str, Any]:
    heads = [*texts("story"), *numbers("score", "words", "asked", "length", "repetition"), *texts("status")]
    rows, links = [], {}
    places = {"score": 1, "words": 0, "target": 0, "ratio": 2, "repetition": 2}
    for row in records(stories):
        label = str(row["id"]) if row["epoch"] == 1 else f"{row['id']} ({row['epoch']})"
        rows.append([label, *(digits(row.get(column), n) for column, n in places.items()), str(row["status"])])
        links[label] = f"../{prompt_page(name, str(row['prompt_id']))}#{anchor(row)}"
    return page(grid("Stories", heads, rows), links)


def _bundle(logs: Path, target: Path) -> None:
    from inspect_ai.log import bundle_log_dir

    bundle_log_dir(str(logs.resolve()), str(target.resolve()), overwrite=True)

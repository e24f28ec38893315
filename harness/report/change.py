"""The pages of `compare`: the tables, and both stories of each prompt that changed most."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from ..leaderboard.change import Outcome, changed_grid, main_grid, measures_grid
from ..show.files import slug
from ..show.render import page
from ..show.site import Site
from .stories import Told, anchor, prompt_titles, read_texts, records, write_prompt


def told_stories(found: Outcome, stories: pd.DataFrame) -> dict[str, Told]:
    """Prompt, text and judgment of the stories of the changed prompts, by anchor (see `stories.anchor`)."""
    shown = {anchor(row) for change in found.changes for one in change.changed for row in one.stories}
    mine = stories[[anchor(row) in shown for row in records(stories)]]
    if "story" in mine:
        return {anchor(row): Told(row["prompt"], row["story"], None) for row in records(mine)}
    return read_texts(mine)


def titles_of(found: Outcome, told: Mapping[str, Told]) -> dict[tuple[str, str], str]:
    """The titles of the prompts that changed most, by the change's name and the prompt's id."""
    return {
        (change.name, prompt): title
        for change in found.changes
        for prompt, title in prompt_titles({one.prompt: one.stories for one in change.changed}, told).items()
    }


def write_change(
    found: Outcome, sides: tuple[str, str], stories: pd.DataFrame, told: Mapping[str, Told], folder: Path
) -> Path:
    """Write the pages of a comparison; returns the index.

    Raises:
        UserError: an extra is not installed, or the folder contains something other than a report.
    """
    site = Site(folder, __package__, "report")
    site.start()
    titles = titles_of(found, told)
    rows = {anchor(row): row for row in records(stories)}
    shown = []
    for change in found.changes:
        places = [f"prompts/{slug(f'{change.name}-{one.prompt}')}.html" for one in change.changed]
        for one, place in zip(change.changed, places, strict=True):
            mine = [rows[anchor(row)] for row in one.stories]
            title = titles[change.name, one.prompt]
            write_prompt(site, place, title, mine, told, heading=change.name, models=False)
        shown += [page(measures_grid(change)), page(changed_grid(change, titles), hrefs=places)]
    main = main_grid(found, *sides)
    return site.write(
        "compare.html", "index.html", title="Is B better than A?", main=page(main), notes=main.notes, tables=shown
    )  # fmt: skip

"""The audit's results: table, JSON, and a plot of the share of continuations by copied length."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from statistics import fmean, median

from ...harness.show.figures import LINES, save_both, style
from ...harness.show.files import write_json
from ...harness.show.grid import Grid, grid, numbers, texts
from ...harness.show.render import markdown
from .audit import AUDITED, BASE, OUTSIDE, SPANS, TRAINED, Copied, attack_name

REPORT, PLOT = "report", "copied"


@dataclass(frozen=True)
class Summary:
    """One attack on one model with one kind of stories; lengths are in tokens.

    `prefix` counts tokens copied from the beginning, `longest` those of the longest copied run; `spans` maps a number
    of tokens to the share of continuations with a copied run of at least that many.
    """

    attack: str
    model: str
    stories: str
    continuations: int
    prefix_mean: float
    prefix_most: int
    longest_median: float
    longest_most: int
    spans: Mapping[int, float]


def summary(rows: Sequence[Copied]) -> list[Summary]:
    """A summary for each attack, model and kind of stories."""
    cells: dict[tuple[int, str, str], list[Copied]] = defaultdict(list)
    for row in rows:
        cells[row.given, row.model, row.stories].append(row)
    return [
        Summary(
            attack=attack_name(given),
            model=model,
            stories=stories,
            continuations=len(found),
            prefix_mean=round(fmean(r.prefix for r in found), 2),
            prefix_most=max(r.prefix for r in found),
            longest_median=median(r.longest for r in found),
            longest_most=max(r.longest for r in found),
            spans={n: fmean(r.longest >= n for r in found) for n in SPANS},
        )
        for (given, model, stories), found in sorted(
            cells.items(), key=lambda cell: (cell[0][0], cell[0][1], cell[0][2] != TRAINED)
        )
    ]


def worst(rows: Sequence[Copied]) -> tuple[float, float | None]:
    """The share of continuations with a copied run of 50 tokens or more in the worst attack: for the audited model on
    training stories, and for the controls (None if there are none)."""
    found = summary(rows)
    own = [row.spans[SPANS[0]] for row in found if (row.model, row.stories) == (AUDITED, TRAINED)]
    controls = [row.spans[SPANS[0]] for row in found if (row.model, row.stories) != (AUDITED, TRAINED)]
    return max(own), max(controls, default=None)


def table(rows: Sequence[Copied]) -> Grid:
    """The summary as a table."""
    heads = ("n", "prefix, mean", "prefix, most", "longest, median", "longest, most", *(f"share ≥ {n}" for n in SPANS))
    columns = [*texts("attack", "model", "stories"), *numbers(*heads)]
    shown = grid("Copied from the true continuation, in tokens", columns, ())
    for attack, group in groupby(summary(rows), key=lambda row: row.attack):
        shown = shown.and_rows(
            [
                attack if place == 0 else "", row.model, row.stories, str(row.continuations), f"{row.prefix_mean:.1f}",
                str(row.prefix_most), f"{row.longest_median:g}", str(row.longest_most),
                *(f"{row.spans[n]:.0%}" for n in SPANS),
            ]
            for place, row in enumerate(group)
        )  # fmt: skip
    return shown


def write_report(folder: Path, rows: Sequence[Copied], names: dict[str, str], threshold: float) -> list[Path]:
    """Write `report.json`, `report.md`, `copied.png` and `.pdf` into the audit's folder."""
    share, control = worst(rows)
    found = summary(rows)
    facts = {"models": names, "threshold": threshold, "worst_share": share, "worst_share_of_controls": control,
             "above_threshold": share > threshold, "summary": found}  # fmt: skip
    paths = [folder / f"{REPORT}.json", folder / f"{REPORT}.md"]
    write_json(paths[0], facts)
    named = "\n".join(f"* {role}: {name}" for role, name in names.items())
    verdict = f"{share:.1%} of the continuations of training stories copy 50 tokens or more in the worst attack"
    verdict += "" if control is None else f" (controls: {control:.1%})"
    verdict += f"; the threshold is {threshold:.1%}."
    parts = ["# Memorisation audit", verdict, named, f"![Copied runs]({PLOT}.png)", markdown(table(rows))]
    paths[1].write_text("\n\n".join(parts) + "\n", encoding="utf-8")
    return [*paths, *_plot(folder, rows)]


def _plot(folder: Path, rows: Sequence[Copied]) -> list[Path]:
    with style("train"):
        from matplotlib.figure import Figure

        given = sorted({row.given for row in rows})
        figure = Figure(figsize=(max(6.5, 3 * len(given)), 3.2))
        panels = figure.subplots(1, len(given), sharey=True, squeeze=False)[0]
        most = max(max(row.longest for row in rows), SPANS[-1])
        kinds = [(model, stories) for model in (AUDITED, BASE) for stories in (TRAINED, OUTSIDE)]
        for axes, tokens in zip(panels, given, strict=True):
            for look, (model, stories) in zip(LINES, kinds, strict=True):
                runs = sorted(r.longest for r in rows if (r.given, r.model, r.stories) == (tokens, model, stories))
                if runs:
                    shares = [sum(run >= n for run in runs) / len(runs) for n in range(1, most + 1)]
                    axes.plot(range(1, most + 1), shares, look, label=f"{model}, {stories}")
            for span in SPANS:
                axes.axvline(span, color="0.85", linewidth=0.8, zorder=0)
            axes.set_xscale("log")
            ticks = [tick for tick in (1, 5, 20, *SPANS, 500) if tick <= most]
            axes.set_xticks(ticks, labels=map(str, ticks))
            axes.minorticks_off()
            axes.set_ylim(0, 1.02)
            axes.set_title(attack_name(tokens))
            axes.set_xlabel("copied run, tokens")
        panels[0].set_ylabel("share of continuations")
        handles, labels = panels[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=len(labels))
    return save_both(figure, folder / PLOT)

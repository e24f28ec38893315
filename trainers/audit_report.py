"""The audit's numbers: table, JSON, and a plot of how many continuations copy how much."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from importlib.resources import as_file, files
from pathlib import Path
from statistics import fmean, median
from typing import Any

from rich.table import Table

from ..harness.export import markdown_table
from .audit import AUDITED, BASE, OUTSIDE, SPANS, TRAINED, Copied, attack_name

REPORT, PLOT = "report", "copied"


def summary(rows: Sequence[Copied]) -> list[dict[str, Any]]:
    """One row for each attack, model and kind of stories: means and shares over continuations, lengths in tokens.

    `span_N` is the share of continuations that hold a copied run of N tokens or more.
    """
    cells: dict[tuple[int, str, str], list[Copied]] = defaultdict(list)
    for row in rows:
        cells[row.given, row.model, row.stories].append(row)
    return [
        {
            "attack": attack_name(given), "model": model, "stories": stories, "continuations": len(found),
            "prefix_mean": round(fmean(r.prefix for r in found), 2), "prefix_most": max(r.prefix for r in found),
            "longest_median": median(r.longest for r in found), "longest_most": max(r.longest for r in found),
            **{f"span_{n}": fmean(r.longest >= n for r in found) for n in SPANS},
        }
        for (given, model, stories), found in sorted(
            cells.items(), key=lambda cell: (cell[0][0], cell[0][1], cell[0][2] != TRAINED)
        )
    ]  # fmt: skip


def worst(rows: Sequence[Copied]) -> tuple[float, float | None]:
    """The share of continuations with a copied run of 50 tokens or more in the worst attack: of the audited model on
    training stories, and of the controls (None without any)."""
    name = f"span_{SPANS[0]}"
    own = [row[name] for row in summary(rows) if (row["model"], row["stories"]) == (AUDITED, TRAINED)]
    controls = [row[name] for row in summary(rows) if (row["model"], row["stories"]) != (AUDITED, TRAINED)]
    return max(own), max(controls, default=None)


def table(rows: Sequence[Copied]) -> Table:
    """The summary for the screen."""
    shown = Table(title="Copied from the true continuation, in tokens", title_justify="left")
    for name in ("attack", "model", "stories"):
        shown.add_column(name, overflow="fold")
    heads = ("n", "prefix, mean", "prefix, most", "longest, median", "longest, most", *(f"share ≥ {n}" for n in SPANS))
    for name in heads:
        shown.add_column(name, justify="right")
    previous = None
    for row in summary(rows):
        if previous not in (None, row["attack"]):
            shown.add_section()
        shares = [f"{row[f'span_{n}']:.0%}" for n in SPANS]
        shown.add_row(
            row["attack"] if row["attack"] != previous else "", row["model"], row["stories"],
            str(row["continuations"]), f"{row['prefix_mean']:.1f}", str(row["prefix_most"]),
            f"{row['longest_median']:g}", str(row["longest_most"]), *shares,
        )  # fmt: skip
        previous = row["attack"]
    return shown


def write_report(folder: Path, rows: Sequence[Copied], names: dict[str, str], threshold: float) -> list[Path]:
    """Write `report.json`, `report.md`, `copied.png` and `.pdf` into the audit's folder."""
    share, control = worst(rows)
    found = summary(rows)
    facts = {"models": names, "threshold": threshold, "worst_share": share, "worst_share_of_controls": control,
             "above_threshold": share > threshold, "summary": found}  # fmt: skip
    paths = [folder / f"{REPORT}.json", folder / f"{REPORT}.md"]
    paths[0].write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
    named = "\n".join(f"* {role}: {name}" for role, name in names.items())
    verdict = f"{share:.1%} of the continuations of training stories hold 50 copied tokens in the worst attack"
    verdict += "" if control is None else f" (controls: {control:.1%})"
    verdict += f"; the threshold is {threshold:.1%}."
    parts = ["# Memorisation audit", verdict, named, f"![Copied runs]({PLOT}.png)", markdown_table(table(rows))]
    paths[1].write_text("\n\n".join(parts) + "\n", encoding="utf-8")
    return [*paths, *_plot(folder, rows)]


def _plot(folder: Path, rows: Sequence[Copied]) -> list[Path]:
    import matplotlib as mpl

    mpl.use("agg")
    import matplotlib.pyplot as plt

    given = sorted({row.given for row in rows})
    with as_file(files("polaris_eval.harness") / "polaris.mplstyle") as style, mpl.rc_context(fname=str(style)):
        figure, grid = plt.subplots(
            1, len(given), figsize=(max(6.5, 3 * len(given)), 3.2), sharey=True, squeeze=False, layout="constrained"
        )
        most = max(max(row.longest for row in rows), SPANS[-1])
        for axes, tokens in zip(grid[0], given, strict=True):
            for look, (model, stories) in zip(
                ("-", "--", "-.", ":"), [(m, s) for m in (AUDITED, BASE) for s in (TRAINED, OUTSIDE)], strict=True
            ):
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
        grid[0][0].set_ylabel("share of continuations")
        handles, labels = grid[0][0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=len(labels))
        paths = [folder / f"{PLOT}.{form}" for form in ("png", "pdf")]
        for path in paths:
            figure.savefig(path)
        plt.close(figure)
    return paths

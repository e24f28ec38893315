"""Plots of a run: reward and its parts, policy against reference, length, judge, cost."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from ...harness.length import ABOVE, BELOW, BUCKETS, bucket
from ...harness.show.figures import LINES, save_both, style
from ..reward.ledger import TRAIN, read_rows, terms_in
from ..sft import LOG

Series = dict[int, float]


def metrics(folder: Path) -> dict[int, dict[str, Any]]:
    """The metrics logged at each step; for a step that was run again after a stop, the last ones."""
    found: dict[int, dict[str, Any]] = {}
    for row in read_rows(folder / "metrics.jsonl"):
        found.setdefault(row["step"], {}).update(row)
    return dict(sorted(found.items()))


def judged_rows(folder: Path) -> list[dict[str, Any]]:
    """Every row's last line in the `rewards*.jsonl` of all processes."""
    last: dict[tuple[Any, ...], dict[str, Any]] = {}
    for path in sorted(folder.glob("rewards*.jsonl")):
        for row in read_rows(path):
            last[row["phase"], row["step"], row["rank"], row["row"]] = row
    return list(last.values())


def length_ratios(rows: Sequence[Mapping[str, Any]]) -> dict[str, dict[int, float]]:
    """Mean words written per word asked for, by length bucket and step; rollouts only.

    Rollouts precede the update of their step, while the other curves count after it, so one is added to the step.
    """
    cells: dict[str, dict[int, list[float]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        if row["phase"] == TRAIN and row["target_words"] and not row["is_reference"]:
            cells[bucket(row["target_words"])][row["step"] + 1].append(row["words"] / row["target_words"])
    order = [BELOW, *BUCKETS, ABOVE]
    return {
        name: {step: fmean(values) for step, values in sorted(cells[name].items())} for name in order if name in cells
    }


def write_curves(folder: Path, title: str) -> list[Path]:
    """Write `curves.png` and `curves.pdf` of a run, if anything was logged."""
    logged = metrics(folder)
    if not logged:
        return []
    with style("train"):
        from matplotlib.figure import Figure

        figure = Figure(figsize=(12, 6.4))
        grid = figure.subplots(2, 3)
        figure.suptitle(title)
        terms = _terms(logged)
        first = terms[0] if terms else ""
        panels: list[tuple[str, dict[str, Series]]] = [
            ("reward", {"policy": _of(logged, "reward"), "reference": _of(logged, "hri/reward"),
                        "policy, weighed as held out": _of(logged, "parts/reward_as_held_out"),
                        "held out": _of(logged, "eval_reward")}),
            ("terms of the policy's reward", {name: _of(logged, f"parts/{name}") for name in
                                              (*terms, "repetition", "length", "blank", "overlong")}),
            (f"{first.replace('_', ' ')}, 1 is faultless",
             {"policy": _of(logged, f"parts/{first}"), "reference": _of(logged, f"hri/{first}"),
              **{f"held out{', ' + name.replace('_', ' ') if name != first else ''}": _of(logged, f"eval_parts/{name}")
                 for name in terms}}),
            ("words per word asked for", length_ratios(judged_rows(folder))),
            ("judge: share of rows", {"without a verdict": _of(logged, "judge/unjudged"),
                                      "kept from before": _of(logged, "judge/kept")}),
            ("US dollars for judging", {"spent": _of(logged, "dollars")}),
        ]  # fmt: skip
        for axes, (name, series) in zip(grid.flat, panels, strict=True):
            for number, (label, values) in enumerate((label, values) for label, values in series.items() if values):
                sparse = len(values) < len(logged) / 2
                look = "o" if sparse else ""
                axes.plot(list(values), list(values.values()), LINES[number % len(LINES)] + look, label=label)
            axes.set_title(name)
            axes.set_xlabel("step")
            if name.startswith(("judge", "US dollars")):
                axes.set_ylim(bottom=0, top=1 if name.startswith("judge") else None)
            if not axes.lines:
                axes.text(0.5, 0.5, "nothing measured", ha="center", transform=axes.transAxes)
            if axes.lines and len(axes.lines) > 1:
                axes.legend()
    return save_both(figure, folder / "curves")


def write_losses(folder: Path) -> list[Path]:
    """Write the loss of a warm start by step, as `curves.png` and `.pdf` in its folder, if anything was logged."""
    losses = {row["step"]: row["loss"] for row in read_rows(folder / LOG)}
    if not losses:
        return []
    with style("train"):
        from matplotlib.figure import Figure

        figure = Figure(figsize=(6, 3.6))
        axes = figure.subplots()
        axes.plot(list(losses), list(losses.values()), LINES[0])
        axes.set_title("warm start: loss per token of the human stories")
        axes.set_xlabel("step")
    return save_both(figure, folder / "curves")


def _terms(logged: Mapping[int, Mapping[str, Any]]) -> list[str]:
    """The terms that any step or validation has a value of, judged or computed by functions."""
    names = [name.rpartition("parts/")[2] for row in logged.values() for name in row if "parts/" in name]
    return list(terms_in(dict.fromkeys(names)))


def _of(logged: Mapping[int, Mapping[str, Any]], name: str) -> dict[int, float]:
    return {step: row[name] for step, row in logged.items() if row.get(name) is not None}

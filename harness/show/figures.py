"""What all plots share: one style, readable in grey and for colour-blind readers; one way to draw and to save."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import as_file, files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import need_extra

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LINES = ("-", "--", "-.", ":")
MARKERS = "osD^vPX*<>"
ROW = 0.32  # inches of height for a model's line
_NAME = 34


@contextmanager
def style(extra: str = "report") -> Iterator[None]:
    """In what follows, plots are drawn in our style.

    Raises:
        UserError: matplotlib is not installed; `extra` is the one to install.
    """
    try:
        import matplotlib as mpl
    except ImportError:
        raise need_extra("matplotlib", extra) from None
    with as_file(files(__package__) / "polaris.mplstyle") as path, mpl.rc_context(fname=str(path)):
        yield


def new_figure(head: str, width: float, height: float, columns: int = 1) -> tuple[Figure, list[Axes]]:
    """A figure (inches) with a row of axes, under a head of a few lines."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height))
    axes = figure.subplots(1, columns, squeeze=False)[0].tolist()
    figure.suptitle(head, fontsize=9, x=0.01, ha="left")
    return figure, axes


def save(figure: Figure, target: Any, form: str) -> None:
    """Write a figure to a path or an open file, as `png` or `pdf`; the same numbers give the same bytes."""
    with style():
        figure.savefig(target, format=form, metadata={"CreationDate": None} if form == "pdf" else {"Software": None})


def save_both(figure: Figure, stem: Path) -> list[Path]:
    """Write a figure as STEM.png and STEM.pdf; returns the paths."""
    paths = [stem.with_name(f"{stem.name}.{form}") for form in ("png", "pdf")]
    for path in paths:
        save(figure, path, path.suffix[1:])
    return paths


def short_name(name: str) -> str:
    """A model's name on one line; control characters, which fonts lack, become spaces."""
    clean = "".join(c if c.isprintable() else " " for c in name)
    if clean.startswith("_"):
        clean = f" {clean}"  # a label that begins with _ is left out of legends
    return clean if len(clean) <= _NAME else f"{clean[: _NAME - 12]}…{clean[-11:]}"


def legend(figure: Figure, axes: Axes) -> None:
    """The legend of some axes, beside the figure."""
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside right center")

"""The rubrics that logs were judged with: installed, or stored in the logs.

Tables of stories and judgments keep the texts of their logs' rubrics, by digest, in the frame's `attrs`.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import Any

import pandas as pd
from inspect_ai.log import EvalLog

from ...rubrics import Rubric, RubricError, load_rubric, parse_rubric, rubric_names
from ..errors import UserError

_ATTR = "rubrics"


def rubric_of(header: EvalLog) -> Rubric:
    """The rubric that a log was judged with. Raises UserError if it is neither installed nor in the log."""
    stamped = header.eval.metadata or {}
    return _rubric(stamped["rubric"], stamped["rubric_digest"], stamped.get("rubric_text"))


def rubric_for(frame: pd.DataFrame) -> Rubric:
    """The rubric of a table whose rows all have the same one. Raises UserError like `rubric_of`."""
    first = frame.iloc[0]
    digest = first["rubric_digest"]
    return _rubric(first["rubric"], digest, frame.attrs.get(_ATTR, {}).get(digest))


def attrs_of(headers: Iterable[EvalLog]) -> dict[Hashable | None, Any]:
    """The `attrs` of a table made from these logs."""
    stamps = [header.eval.metadata or {} for header in headers]
    return {_ATTR: {stamped["rubric_digest"]: stamped["rubric_text"] for stamped in stamps if "rubric_text" in stamped}}


def joined_attrs(frames: Iterable[pd.DataFrame]) -> dict[Hashable | None, Any]:
    """The `attrs` of a table made from these tables."""
    return {_ATTR: {digest: text for frame in frames for digest, text in frame.attrs.get(_ATTR, {}).items()}}


def _rubric(name: str, digest: str, text: str | None) -> Rubric:
    """The installed rubric if its digest matches, else the one in the log, else the installed one."""
    installed = load_rubric(name) if name in rubric_names() else None
    if installed is not None and installed.digest == digest:
        return installed
    if text is not None:
        try:
            return parse_rubric(text, f"rubric {name} {digest[:8]} in the log")
        except RubricError:  # written by another release with a different rubric file format
            if installed is None:
                raise
    if installed is None:
        raise UserError(f"the rubric {name} ({digest[:8]}) of these logs is neither installed here nor in the logs")
    return installed

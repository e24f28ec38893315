"""The rubrics that logs were judged on: the installed ones, or those that the logs carry.

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
    """The rubric that a log was judged on. Raises UserError where it is not here and not in the log."""
    stamped = header.eval.metadata or {}
    return _rubric(stamped["rubric"], stamped["rubric_digest"], stamped.get("rubric_text"))


def rubric_for(frame: pd.DataFrame) -> Rubric:
    """The rubric of the rows of a table, which all have the same. Raises UserError as `rubric_of`."""
    first = frame.iloc[0]
    digest = first["rubric_digest"]
    return _rubric(first["rubric"], digest, frame.attrs.get(_ATTR, {}).get(digest))


def attrs_of(headers: Iterable[EvalLog]) -> dict[Hashable | None, Any]:
    """What the table of these logs keeps in its `attrs`."""
    stamps = [header.eval.metadata or {} for header in headers]
    return {_ATTR: {stamped["rubric_digest"]: stamped["rubric_text"] for stamped in stamps if "rubric_text" in stamped}}


def joined_attrs(frames: Iterable[pd.DataFrame]) -> dict[Hashable | None, Any]:
    """What a table made of these keeps in its `attrs`."""
    return {_ATTR: {digest: text for frame in frames for digest, text in frame.attrs.get(_ATTR, {}).items()}}


def _rubric(name: str, digest: str, text: str | None) -> Rubric:
    """The installed one where its digest agrees, else the text of the log; of a log without one, the installed one."""
    installed = load_rubric(name) if name in rubric_names() else None
    if installed is not None and installed.digest == digest:
        return installed
    if text is not None:
        try:
            return parse_rubric(text, f"rubric {name} {digest[:8]} in the log")
        except RubricError:  # written for another release, whose rubric files were of another form
            if installed is None:
                raise
    if installed is None:
        raise UserError(f"the rubric {name} ({digest[:8]}) of these logs is neither installed here nor in the logs")
    return installed

"""A table of pairwise judgments, from arena logs."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Any

import pandas as pd
from inspect_ai.log import EvalLog, EvalSampleSummary, read_eval_log_sample_summaries
from inspect_ai.model import ModelUsage

from ..errors import UserError
from ..judge.named import is_proxy
from ..prices import Prices, load_prices, token_counts
from ..text.style import STYLE
from .headers import judge_name, judge_names, read_header
from .rubrics import attrs_of, rubric_for, rubric_of

DONE = ("scored", "empty")
ARENA = "arena"  # used in logs and tables in place of a benchmark's name
_COMMON = ("log", "created", "judge", "proxy", "rubric", "rubric_digest", "truncate")
_PLACE = ("match", "key", "prompt_id", "first", "second", "first_id", "second_id", "first_digest", "second_digest")
_JUDGMENT = ("id", *_PLACE, "status", "reason", "score", "difference", "cost", "seconds")


def is_arena(header: EvalLog) -> bool:
    """Whether a log holds pairwise judgments."""
    stamped = header.eval.metadata or {}
    return stamped.get("benchmark") == ARENA and {"rubric", "rubric_digest"} <= stamped.keys()


def judgments_frame(paths: Iterable[str], prices: Prices | None = None) -> pd.DataFrame:
    """Return one row per judgment, from the summaries in the logs; logs that are not from an arena are skipped.

    Columns: log, created, judge, proxy, rubric, rubric_digest, truncate; id; the match, its prompt and stories (`first`
    and `second` are the models, in the order shown); status (scored, empty, unscored, error) and reason; score (the
    first story's share of a win), difference, a mark for each criterion in pluses, the style differences, cost in US
    dollars at list prices, working time in seconds. If an id was judged twice (unscored judgments are retried), the
    judgment with a score is kept, else the latest. Get the logs' rubrics with `rubrics.rubric_for`.
    """
    listed = prices or load_prices(None)
    headers = [header for header in map(read_header, paths) if is_arena(header)]
    marks = dict.fromkeys(name for header in headers for name in rubric_of(header).mark_names)
    names = [*_COMMON, *_JUDGMENT, *marks, *STYLE]
    rows = [row for header in headers for row in _rows(header, listed)]
    frame = pd.DataFrame(rows).reindex(columns=names)
    order = frame.assign(done=frame["status"].isin(DONE)).sort_values(["done", "created"], kind="stable")
    frame = order.drop_duplicates(["id", "judge", "rubric_digest", "truncate"], keep="last").drop(columns="done")
    frame = frame.sort_index().reset_index(drop=True)
    frame.attrs = attrs_of(headers)
    return frame


def complete_matches(frame: pd.DataFrame) -> pd.DataFrame:
    """Return one row per match judged in both orders, from the judgments of one judge on one rubric.

    Columns: match, prompt_id, `a` and `b` (models, by name), `first` and `second` (a's share of a win when its story
    was shown first and second), a mark for each criterion (a's mean over both orders) and the style differences a − b.
    """
    marks = list(rubric_for(frame).mark_names) if len(frame) else []
    done = frame[frame["status"].isin(DONE)].copy()
    swapped = (done["first"] > done["second"]).to_numpy(dtype=bool)
    signed = [*marks, *STYLE]
    done[signed] = done[signed].astype(float).mul(pd.Series(1 - 2.0 * swapped, index=done.index), axis=0)
    done["score"] = done["score"].astype(float).where(~swapped, 1 - done["score"].astype(float))
    done["order"] = pd.Series(swapped, index=done.index).map({False: "first", True: "second"})
    done["a"], done["b"] = done[["first", "second"]].min(axis=1), done[["first", "second"]].max(axis=1)
    done["prompt_id"] = done.groupby("key")["prompt_id"].transform("first")  # ids may differ by source
    columns = ["match", "prompt_id", "a", "b"]
    if done.empty:
        return pd.DataFrame(columns=[*columns, "first", "second", *signed])
    shares = done.pivot_table(index=columns, columns="order", values="score")
    means = done.groupby(columns)[signed].mean()
    whole = shares.reindex(columns=["first", "second"]).dropna()
    return whole.join(means).reset_index()


def _rows(header: EvalLog, prices: Prices) -> Iterator[dict[str, Any]]:
    stamped = header.eval.metadata or {}
    judge = judge_name(header)
    bare = judge_names(header)[0]
    per_token = prices.per_token(bare)
    common = {
        "log": header.location.removeprefix("file://"),
        "created": header.eval.created,
        "judge": judge,
        "proxy": is_proxy(bare),
        "rubric": stamped["rubric"],
        "rubric_digest": stamped["rubric_digest"],
        "truncate": stamped.get("truncate"),
    }
    try:
        summaries = read_eval_log_sample_summaries(header.location)
    except Exception as error:  # Inspect raises any kind of error on a broken file
        raise UserError(f"{header.location}: its judgments cannot be read: {type(error).__name__}: {error}") from None
    for summary in summaries:
        used = token_counts(_usage(summary))
        yield {**common, **_row(summary), "cost": sum(n * each for n, each in zip(used, per_token, strict=True) if n)}


def _usage(summary: EvalSampleSummary) -> ModelUsage:
    """Tokens used by the judge, even if it was named as a task argument and so has no model role."""
    compared = (summary.scores or {}).get("compared")
    used = (compared.metadata or {}).get("usage") if compared else None
    return ModelUsage.model_validate(used) if used else sum(summary.role_usage.values(), ModelUsage())


def _row(summary: EvalSampleSummary) -> dict[str, Any]:
    compared = (summary.scores or {}).get("compared")
    details = (compared.metadata if compared else None) or {}
    value = compared.value if compared and isinstance(compared.value, dict) else {}
    row: dict[str, Any] = {"id": str(summary.id), **{name: summary.metadata.get(name) for name in _PLACE}}
    row["seconds"] = summary.working_time
    row["status"] = details.get("status", "error")
    row["reason"] = summary.error or (compared.explanation if compared and row["status"] != "scored" else None)
    return row | {name: math.nan if number is None else number for name, number in value.items()}

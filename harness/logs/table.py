"""One tidy table from our Inspect logs. Every reported number is computed from it."""

from __future__ import annotations

import contextlib
import gc
import hashlib
import io
import json
import math
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from inspect_ai.log import EvalError, EvalLog, EvalSample, read_eval_log
from inspect_ai.model import ModelUsage

from ..environment import cache_dir, masked
from ..errors import UserError
from ..inspect_seam import file_state
from ..judge.jury import SCALES
from ..judge.named import is_proxy
from ..length import SPLITS, bucket
from ..prices import TOKENS, Prices, load_prices, token_counts
from ..show.files import write_csv
from ..words import printable
from .copies import once, progress
from .headers import is_ours, judge_name, judge_names, overrides, read_header, task_key, writer_name, writing_settings
from .juries import member_scores, on_one_scale
from .rubrics import attrs_of, joined_attrs
from .shards import Shard, parse_shard

KEYS = ("benchmark", "rubric_digest", "judge", "prompts_digest")
SCORED = ("scored", "empty")
_LOG = ("log", "task_id", "created", "model", "benchmark", "title", "rubric", "rubric_digest", "judge", "proxy",
        "prompts", "prompts_digest", "gate", "settings", "overrides", "shard", "jury")  # fmt: skip
_STORY = ("id", "prompt_id", "position", "epoch", "category", "target", "bucket", "split", "words", "ratio", "score",
          "status", "reason", "label", "tokens", "cost_writing", "cost_judging", "cost", "seconds", "started",
          "completed")  # fmt: skip
_UNREAD = {"messages", "output", "store", "events", "attachments"}  # four fifths of the memory
_RAISED = re.compile(r"^[\w.]+(?:Error|Exception|Timeout)\b: .+$", re.MULTILINE)
# version of the rows below: increase it when their content, or the way they are read, changes; tables cached under
# another version are rebuilt
SCHEMA = 8


def stories_frame(
    paths: Iterable[str], limit: int | None = None, epochs: int | None = None, prices: Prices | None = None
) -> pd.DataFrame:
    """Return one row per requested story, even if none was written or judged, and one column per metric.

    Columns other than the metrics: log, task_id, created, model, the keys that must match for numbers to be comparable
    (`KEYS`), gate, settings and overrides of the writer, shard (K/N if several machines shared a run), jury (how the
    scores of several judges are put on one scale, with a column per judge for its scores; see `juries`); id, prompt_id,
    position (among the prompts, from 0), epoch, category, target (words), bucket, split, `status` (scored, empty,
    refused, unscored, error, missing), `reason`, label, tokens, cost in US dollars at list prices (NaN without a price;
    batch discounts are not deducted), working time in seconds (without time spent waiting), started and completed. A
    log continued by another is left out: the one that came further counts. A story that two runs in one folder have
    counts once. Get the logs' rubrics with `rubrics.rubric_for`.

    Tables are cached in the user's cache folder, by each log's path, size and modification time.

    Args:
        paths: logs, as returned by `logs.log_files`.
        limit, epochs: keep only the first N prompts and repetitions of each log.
        prices: the prices that ship with the package by default.

    Raises:
        UserError: if a log cannot be read.
    """
    tables = [table for table in map(_cached, paths) if len(table)]
    if not tables:
        return pd.DataFrame(columns=[*_LOG, *_STORY])
    latest = {table["task"].iloc[0]: table for table in sorted(tables, key=progress)}
    frame = once(pd.concat(latest.values(), ignore_index=True), KEYS)
    if frame["shard"].any():  # sorted by prompt, so that the table is the same as that of one run
        frame = frame.sort_values(["epoch", "position"], kind="stable")
    wanted = (frame["position"] < (limit or math.inf)) & (frame["epoch"] <= (epochs or math.inf))
    frame = _priced(frame[wanted].reset_index(drop=True), prices or load_prices(None))
    frame = on_one_scale(frame, [*KEYS, "gate"])
    frame.attrs = joined_attrs(latest.values())
    inner = ("task", "finished", "data", "judges", *(f"writer_{what}" for what in TOKENS))
    return frame.reindex(columns=[name for name in dict.fromkeys([*_LOG, *_STORY, *frame]) if name not in inner])


def tidy(frame: pd.DataFrame) -> pd.DataFrame:
    """The same table in long form: one row per judged story and metric, in columns `metric` and `value`.

    Every row of a story also has its `score`, `words` and `ratio`.
    """
    stories = frame[frame["status"].isin(SCORED)].reindex(columns=list(dict.fromkeys([*_LOG, *_STORY, *frame])))
    metrics = [*(name for name in stories if name not in (*_LOG, *_STORY)), "score", "words", "ratio"]
    values = stories[metrics].astype(float).melt(ignore_index=False, var_name="metric").dropna(subset="value")
    return stories[[*_LOG, *_STORY]].join(values, how="inner").reset_index(drop=True)


def write_table(frame: pd.DataFrame, folder: Path) -> list[Path]:
    """Write stories.csv (one row per story), and scores.parquet and scores.csv.gz (one row per story and metric)."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / name for name in ("stories.csv", "scores.parquet", "scores.csv.gz")]
    write_csv(paths[0], frame)
    long = tidy(frame)
    long.to_parquet(paths[1], index=False)
    write_csv(paths[2], long)
    return paths


def differences(frame: pd.DataFrame, columns: Sequence[str]) -> dict[str, list[str]]:
    """The columns among `columns` with more than one value, and their values."""
    values = {column: sorted(map(str, frame[column].unique())) for column in columns}
    return {column: found for column, found in values.items() if len(found) > 1}


def _cached(path: str) -> pd.DataFrame:
    """The table of one log, read from the log only if it has changed; empty if the log is not ours."""
    try:
        place, size, changed = file_state(path)
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror or error}") from None
    state = hashlib.sha256(f"{place}|{size}|{changed}|schema {SCHEMA}".encode()).hexdigest()
    kept = cache_dir() / "tables" / f"{hashlib.sha256(place.encode()).hexdigest()[:32]}.parquet"
    try:
        table = pd.read_parquet(kept)
        if table.attrs.get("state") == state:
            return table
    except (OSError, pa.ArrowException):
        pass  # not cached, or the cached file is unreadable: read the log itself
    table = _read(place)
    table.attrs["state"] = state
    whole = io.BytesIO()
    table.to_parquet(whole)
    with contextlib.suppress(OSError):  # a cache that cannot be written only costs time
        kept.parent.mkdir(parents=True, exist_ok=True)
        partial = kept.with_suffix(f".{os.getpid()}")
        partial.write_bytes(whole.getvalue())
        partial.replace(kept)
    return pd.read_parquet(whole)  # the same column types as from the cache


def _read(path: str) -> pd.DataFrame:
    ours = [header for header in [read_header(path)] if is_ours(header)]
    rows = (row for header in ours for row in _rows(header))
    table = pd.DataFrame({k: printable(v) if isinstance(v, str) else v for k, v in row.items()} for row in rows)
    table.attrs = attrs_of(ours)
    return table


def _rows(header: EvalLog) -> Iterator[dict[str, Any]]:
    ids = [str(i) for i in header.eval.dataset.sample_ids or []]
    wanted = {(i, epoch) for i in ids for epoch in range(1, (header.eval.config.epochs or 1) + 1)}
    common = _common(header)
    part = parse_shard(common["shard"]) if common["shard"] else Shard(1, 1)
    places = {name: part.position(number) for number, name in enumerate(ids)}
    for sample in _samples(header):
        key = (str(sample.id), sample.epoch)
        if key in wanted:
            wanted.remove(key)
            yield {**common, "position": places[key[0]], **_row(sample)}
    why = _why(header.error) if header.error else f"the log's status is {header.status}"
    for name, epoch in sorted(wanted):
        missing = {"id": name, "epoch": epoch, "prompt_id": name, "status": "missing", "reason": f"not run; {why}"}
        yield {**common, "position": places[name], **missing}


def _samples(header: EvalLog) -> list[EvalSample]:
    collecting = gc.isenabled()
    gc.disable()  # garbage collection takes a third of the time of reading large logs, and finds nothing
    try:
        return read_eval_log(header.location, exclude_fields=_UNREAD).samples or []
    except Exception as error:  # Inspect raises any kind of error on a broken file
        raise UserError(f"{header.location}: its stories cannot be read: {type(error).__name__}: {error}") from None
    finally:
        if collecting:
            gc.enable()


def _why(error: EvalError) -> str:
    """The first exception of a traceback, since later ones may contain a whole request."""
    found = _RAISED.search(error.traceback)
    lines = [line.strip() for line in error.message.splitlines() if line.strip()] or ["no message"]
    return masked(found[0].strip() if found else lines[-1])[:300]


def _common(header: EvalLog) -> dict[str, Any]:
    stamped = header.eval.metadata or {}
    judge = judge_name(header)
    return {
        "task": "|".join(task_key(header)),
        "finished": header.status == "success",
        "data": stamped.get("data_digest") or "",
        "log": header.location.removeprefix("file://"),
        "task_id": header.eval.task_id,
        "created": header.eval.created,
        "model": writer_name(header),
        "benchmark": stamped["benchmark"],
        "title": stamped["title"],
        "rubric": stamped["rubric"],
        "rubric_digest": stamped["rubric_digest"],
        "judge": judge,
        "proxy": any(map(is_proxy, judge_names(header))),
        "prompts": stamped["prompts"],
        "prompts_digest": stamped["prompts_digest"],
        "gate": bool(header.eval.task_args.get("disqualify")),
        "settings": writing_settings(header),
        "overrides": overrides(header),
        "shard": stamped.get("shard") or "",
        "jury": (header.eval.task_args.get("jury") or SCALES[0]) if len(judge_names(header)) > 1 else "",
    }


def _row(sample: EvalSample) -> dict[str, Any]:
    metadata, scores = sample.metadata or {}, sample.scores or {}
    judged = scores.get("judged")
    details = (judged.metadata if judged else None) or {}
    row: dict[str, Any] = {
        "id": str(sample.id),
        "epoch": sample.epoch,
        "prompt_id": metadata.get("prompt_id", str(sample.id)),
        "category": metadata.get("category"),
        "status": "error",
        "reason": _why(sample.error) if sample.error else None,
        "seconds": sample.working_time,
        "started": sample.started_at,
        "completed": sample.completed_at,
        **_usage(sample, details),
    }
    if judged is None or sample.error:
        return row
    row |= {"status": details.get("status", "unscored"), "label": details.get("label")}
    if row["status"] != "scored":
        row["reason"] = judged.explanation
    target = details.get("target_words")
    row |= {"target": target, "bucket": bucket(target) if target else None}
    row["split"] = SPLITS.get(row["bucket"] or "")
    length = scores.get("length_adherence")
    row |= member_scores(details)
    for score in (judged, length):
        row |= score.value if score is not None and isinstance(score.value, dict) else {}
    measured = (length.metadata if length else None) or {}
    row["reasoning_words"] = measured.get("reasoning_words")
    row["stray_tags"] = float(len(measured.get("stray_tags", ())))
    for number, criterion in enumerate(details.get("criteria", ()), 1):
        row[f"criterion_{number}"] = criterion["score"]
    if "repetition" in scores:
        row["repetition"] = scores["repetition"].value
    if "surface" in scores and isinstance(scores["surface"].value, dict):
        row |= scores["surface"].value
    return row


def _usage(sample: EvalSample, details: Mapping[str, Any]) -> dict[str, Any]:
    """Tokens of the writer, and of the final judgment by judge (earlier failed attempts are not counted)."""
    everything = token_counts(sum((sample.model_usage or {}).values(), ModelUsage()))
    judging = sum((sample.role_usage or {}).values(), ModelUsage())
    told = [one for one in details.get("members") or [details] if "usage" in one]
    stands = {one["judge"]: ModelUsage.model_validate(one["usage"]) for one in told} or {"": judging}
    if not sample.role_usage and everything != (0, 0, 0):
        judging = sum(stands.values(), ModelUsage())  # judges named as a task argument have no model role
    writer = [max(0, whole - part) for whole, part in zip(everything, token_counts(judging), strict=True)]
    judges = {judge: token_counts(used) for judge, used in stands.items()}
    used = {f"writer_{what}": number for what, number in zip(TOKENS, writer, strict=True)}
    return {**used, "judges": json.dumps(judges), "tokens": sum(writer) + sum(map(sum, judges.values()))}


def _priced(frame: pd.DataFrame, prices: Prices) -> pd.DataFrame:
    """The table with the cost of writing each story (NaN if it was not written here) and of judging it."""
    tokens = frame.reindex(columns=[f"writer_{what}" for what in TOKENS]).fillna(0).to_numpy(dtype=float)
    by_model = {name: prices.per_token(name) for name in frame["model"].unique()}
    writing = (np.array([by_model[name] for name in frame["model"]]).reshape(-1, 3) * tokens).sum(axis=1)

    def spent(judges: Any, named: str) -> float:
        used = {judge or named: counts for judge, counts in json.loads(judges).items()} if judges else {}
        each = (zip(counts, prices.per_token(judge), strict=True) for judge, counts in used.items() if any(counts))
        return math.fsum(count * price for parts in each for count, price in parts)

    judges = frame.get("judges", pd.Series("", index=frame.index)).fillna("")
    judging = [spent(used, named) for used, named in zip(judges, frame["judge"], strict=True)]
    frame["cost_writing"] = pd.Series(writing).where(tokens.sum(axis=1) > 0)
    return frame.assign(cost_judging=judging, cost=frame["cost_writing"] + judging)

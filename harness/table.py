"""One row a story, from any Inspect logs of ours. Every table is made from this frame and nothing else."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from inspect_ai.log import EvalLog, EvalSample, list_eval_logs, read_eval_log, read_eval_log_samples
from inspect_ai.model import GenerateConfig, ModelUsage

from .errors import UserError
from .length import SPLITS, bucket
from .models.lexical import is_proxy

KEYS = ("benchmark", "rubric_digest", "judge", "prompts_digest")
# these take further sampling settings in the request's body; hosted models refuse unknown fields
OPEN_PROVIDERS = ("vllm", "sglang", "polaris_eval")
_SAMPLING = ("temperature", "top_p", "top_k", "max_tokens", "seed", "reasoning_effort", "reasoning_tokens")
_HEAVY = {"messages", "events", "store", "attachments", "output"}


def log_files(places: Iterable[Path | str]) -> list[str]:
    """Every log among files and folders (folders are searched through).

    Raises:
        UserError: a place that does not exist, or no log at all.
    """
    found: list[str] = []
    for place in places:
        path = Path(str(place).removeprefix("file://"))
        if path.is_dir():
            found += [info.name for info in list_eval_logs(str(path), descending=False)]
        elif path.is_file():
            found.append(str(path))
        else:
            raise UserError(f"{place}: no such log file or folder")
    if not found:
        raise UserError(f"{', '.join(map(str, places))}: no Inspect logs (*.eval, *.json) here")
    return list(dict.fromkeys(found))


def read_header(path: str) -> EvalLog:
    """Header of one log. Raises UserError where the file is no readable log."""
    try:
        return read_eval_log(path, header_only=True)
    except Exception as error:  # Inspect raises whatever its reader meets in a broken file
        raise UserError(f"{path}: not a readable Inspect log: {type(error).__name__}: {error}") from None


def stories_frame(paths: Iterable[str], limit: int | None = None, epochs: int | None = None) -> pd.DataFrame:
    """One row a story asked for, also where none was written or judged.

    Columns: model, the keys that must agree before numbers are compared (`KEYS`), settings, prompt and
    length columns, `status` (scored, empty, unscored, error, missing), `reason`, and one column a metric.
    `limit` and `epochs` keep the first so many prompts and repetitions of each log.
    """
    return pd.DataFrame([row for header in latest_logs(paths) for row in _rows(header, limit, epochs)])


def latest_logs(paths: Iterable[str]) -> list[EvalLog]:
    """Headers of our logs, without those that a later one continued.

    A run that was killed leaves its log beside the one that continued it, under the same task id.
    """
    ours = [header for header in map(read_header, paths) if "benchmark" in (header.eval.metadata or {})]
    latest = {
        (header.eval.task_id, judge_name(header), (header.eval.metadata or {})["rubric_digest"]): header
        for header in sorted(ours, key=lambda header: header.eval.created)
    }
    return list(latest.values())


def _rows(header: EvalLog, limit: int | None, epochs: int | None) -> Iterator[dict[str, Any]]:
    ids = list(header.eval.dataset.sample_ids or [])[:limit]
    repetitions = min(header.eval.config.epochs or 1, epochs or math.inf)
    wanted = {(str(i), e) for i in ids for e in range(1, int(repetitions) + 1)}
    common = _common(header)
    for sample in read_eval_log_samples(header.location, all_samples_required=False, exclude_fields=_HEAVY):
        if (str(sample.id), sample.epoch) in wanted:
            wanted.remove((str(sample.id), sample.epoch))
            yield {**common, **_row(sample)}
    why = _last_line(header.error.message) if header.error else f"the log's status is {header.status}"
    for sample_id, epoch in sorted(wanted):
        yield {
            **common,
            "id": sample_id,
            "epoch": epoch,
            "prompt_id": sample_id,
            "status": "missing",
            "reason": f"not run; {why}",
        }


def _last_line(message: str) -> str:
    return next((line.strip() for line in reversed(message.splitlines()) if line.strip()), "no message")


def judge_name(header: EvalLog) -> str:
    """The judge of a log with the settings that override the rubric's own."""
    named = header.eval.task_args.get("judge")
    role = (header.eval.model_roles or {}).get("grader")
    if named or role is None:
        return str(named or "none")
    config = role[0] if isinstance(role, list) else role
    return judge_label(config.model, config.config)


def judge_label(name: str, config: GenerateConfig) -> str:
    """A judge's name with the settings that override the rubric's own, if any."""
    changed = settings_text(config)
    return f"{name} ({changed})" if changed else name


def settings_text(config: GenerateConfig) -> str:
    """The sampling settings that change what a model writes, as `name=value` text."""
    given = {name: getattr(config, name) for name in _SAMPLING if getattr(config, name) is not None}
    return " ".join(f"{name}={value}" for name, value in given.items())


def writing_settings(header: EvalLog) -> str:
    """How the stories of a log were written; "as recorded" for stories that came from a file of a user's."""
    stamped = (header.eval.metadata or {}).get("settings")
    if stamped:
        return str(stamped)
    usual = (header.eval.metadata or {}).get("usual", {}) if _provider(header) in OPEN_PROVIDERS else {}
    return _settings(header, header.plan.config.merge(header.eval.model_generate_config), usual)


def _overrides(header: EvalLog) -> str:
    """What the user set in place of the benchmark's own settings."""
    return _settings(header, header.eval.model_generate_config, {})


def _settings(header: EvalLog, config: GenerateConfig, body: Mapping[str, float]) -> str:
    asked = header.eval.task_args.get("repetition_penalty")
    body = {**body, **({"repetition_penalty": asked} if asked else {})}
    named = " ".join(f"{name}={value}" for name, value in body.items() if name != "top_k")
    return " ".join(filter(None, (settings_text(config), named)))


def _provider(header: EvalLog) -> str:
    return str(header.eval.model).partition("/")[0]


def _common(header: EvalLog) -> dict[str, Any]:
    stamped = header.eval.metadata or {}
    judge = judge_name(header)
    return {
        "log": header.location,
        "created": header.eval.created,
        "model": stamped.get("writer") or header.eval.model,
        "benchmark": stamped["benchmark"],
        "title": stamped["title"],
        "rubric_digest": stamped["rubric_digest"],
        "judge": judge,
        "proxy": is_proxy(judge.split(" (")[0]),
        "prompts": stamped["prompts"],
        "prompts_digest": stamped["prompts_digest"],
        "gate": bool(header.eval.task_args.get("disqualify")),
        "settings": writing_settings(header),
        "overrides": "" if stamped.get("settings") else _overrides(header),
    }


def _row(sample: EvalSample) -> dict[str, Any]:
    metadata, scores = sample.metadata or {}, sample.scores or {}
    row: dict[str, Any] = {
        "id": str(sample.id),
        "epoch": sample.epoch,
        "prompt_id": metadata.get("prompt_id", str(sample.id)),
        "category": metadata.get("category"),
        "status": "error",
        "reason": _last_line(sample.error.message) if sample.error else None,
    }
    usage = sum((sample.model_usage or {}).values(), ModelUsage())
    row["tokens"] = usage.total_tokens
    if "judged" not in scores or sample.error:
        return row
    judged = scores["judged"]
    details = judged.metadata or {}
    row |= {"status": details.get("status", "unscored"), "label": details.get("label")}
    if row["status"] != "scored":
        row["reason"] = judged.explanation
    target = details.get("target_words")
    row |= {"target": target, "bucket": bucket(target) if target else None}
    row["split"] = SPLITS.get(row["bucket"] or "")
    length = scores.get("length_adherence")
    for score in (judged, length):
        row |= score.value if score is not None and isinstance(score.value, dict) else {}
    row["reasoning_words"] = (length.metadata or {}).get("reasoning_words") if length else None
    for number, criterion in enumerate(details.get("criteria", ()), 1):
        row[f"criterion_{number}"] = criterion["score"]
    if "repetition" in scores:
        row["repetition"] = scores["repetition"].value
    return row


def differences(frame: pd.DataFrame, columns: Sequence[str]) -> dict[str, list[str]]:
    """Those of `columns` that hold more than one value, and their values."""
    values = {column: sorted(map(str, frame[column].unique())) for column in columns}
    return {column: found for column, found in values.items() if len(found) > 1}

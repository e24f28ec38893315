"""Inspect logs: find them, and read the judge, writer and settings from their headers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from inspect_ai.log import EvalLog, list_eval_logs, read_eval_log
from inspect_ai.model import GenerateConfig

from ..errors import UserError
from ..inspect_seam import storage
from ..judge.jury import SCALES

# these accept extra sampling settings, hf through `inspect_seam.prepare_hf`, the others in the request body; hosted
# models reject unknown fields there
HF = "hf"
OPEN_PROVIDERS = ("vllm", "sglang", "polaris_eval", HF)
_OPEN_BEFORE = ("vllm", "sglang", "polaris_eval")  # in logs that do not record it
_SAMPLING = ("temperature", "top_p", "top_k", "max_tokens", "seed", "reasoning_effort", "reasoning_tokens")
_WILD = "*?["
_STAMPS = {"benchmark", "title", "rubric", "rubric_digest", "prompts_digest"}


def log_files(places: Iterable[Path | str]) -> list[str]:
    """Find every log in files, folders (recursively) and globs, local or anywhere Inspect can read (s3://…).

    Raises:
        UserError: if a place does not exist or cannot be reached, or no log is found.
    """
    named = [str(place) for place in places]
    found: list[str] = []
    for place in named:
        try:
            found += _logs_at(place)
        except UserError:
            raise
        except Exception as error:  # remote file systems raise their own errors
            raise UserError(f"{place}: cannot be read: {_why(error)}") from None
    if not found:
        raise UserError(f"{', '.join(named)}: no Inspect logs (*.eval, *.json) here")
    return list(dict.fromkeys(found))


def logs_in(place: str) -> list[str]:
    """Find every log in a folder, recursively; return an empty list if the folder does not exist yet.

    Raises:
        UserError: if the place cannot be reached.
    """
    try:
        store = storage(place)
        return _logs_at(place) if store.isdir(store._strip_protocol(place)) else []
    except Exception as error:  # remote file systems raise their own errors
        raise UserError(f"{place}: cannot be read: {_why(error)}") from None


def _logs_at(place: str) -> list[str]:
    store = storage(place)
    bare = store._strip_protocol(place)
    if store.isdir(bare):
        return [info.name for info in list_eval_logs(place, descending=False)]
    if store.isfile(bare):
        return [place]
    matches = store.glob(bare) if any(c in place for c in _WILD) else []
    if not matches:
        raise UserError(f"{place}: no such log file or folder")
    remote = "://" in place
    return [log for match in sorted(matches) for log in _logs_at(store.unstrip_protocol(match) if remote else match)]


def _why(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def read_header(path: str) -> EvalLog:
    """Read the header of one log. Raises UserError if the file is not a readable log."""
    try:
        return read_eval_log(path, header_only=True)
    except Exception as error:  # Inspect raises any kind of error on a broken file
        raise UserError(f"{path}: not a readable Inspect log: {type(error).__name__}: {error}") from None


def is_ours(header: EvalLog) -> bool:
    """Whether a log holds the stories of a benchmark, including one that is not installed here."""
    return (header.eval.metadata or {}).keys() >= _STAMPS


def latest_logs(paths: Iterable[str]) -> list[EvalLog]:
    """Headers of our logs, without logs that were continued by another.

    The log of a killed run stays next to the log that continued it, with the same task id; the one that came further
    counts.
    """
    ours = sorted(filter(is_ours, map(read_header, paths)), key=progress_of)
    return list({task_key(header): header for header in ours}.values())


def progress_of(header: EvalLog) -> tuple[bool, int, str]:
    """How far a log came, to sort by: finished, then stories, then time, since clocks may go back."""
    done = header.results.completed_samples if header.results else 0
    return header.status == "success", done, header.eval.created


def task_key(header: EvalLog) -> tuple[str, str, str]:
    """The key that a log shares with the one that continued it: task id, judge and rubric."""
    return header.eval.task_id, judge_name(header), (header.eval.metadata or {})["rubric_digest"]


def writer_name(header: EvalLog) -> str:
    """The model whose stories a log holds."""
    return str((header.eval.metadata or {}).get("writer") or header.eval.model)


def judge_name(header: EvalLog) -> str:
    """The judge of a log, or its jury, as `judge_label` names them."""
    given = header.eval.task_args
    return judge_label(_judges(header), given.get("jury") or SCALES[0], given.get("quorum"))


def judge_names(header: EvalLog) -> tuple[str, ...]:
    """The bare names of a log's judges: one, or the members of a jury."""
    return tuple(name for name, _ in _judges(header))


def _judges(header: EvalLog) -> list[tuple[str, GenerateConfig]]:
    named = header.eval.task_args.get("judge")
    role = (header.eval.model_roles or {}).get("grader")
    if named or role is None:
        return [(name, GenerateConfig()) for name in ([named] if isinstance(named, str) else named or ["none"])]
    return [(config.model, config.config) for config in (role if isinstance(role, list) else [role])]


def judge_label(judges: Sequence[tuple[str, GenerateConfig]], scale: str = SCALES[0], quorum: int | None = None) -> str:
    """A judge's name with the settings that override the rubric's own, if any.

    For a jury, the members' names in alphabetical order, and how their verdicts are combined if not by a plain mean.
    """
    names = sorted(f"{name} ({changed})" if (changed := settings_text(config)) else name for name, config in judges)
    some = quorum is not None and quorum < len(names)
    how = [*(["z-scored"] if scale == "zscore" else ()), *([f"quorum {quorum}"] if some else ())]
    return " + ".join(names) + (f" ({', '.join(how)})" if how and len(names) > 1 else "")


def settings_text(config: GenerateConfig) -> str:
    """The sampling settings that change what a model writes, as `name=value` text."""
    given = {name: getattr(config, name) for name in _SAMPLING if getattr(config, name) is not None}
    return " ".join(f"{name}={value}" for name, value in given.items())


def writing_settings(header: EvalLog) -> str:
    """The settings used to write the stories of a log; "as recorded" for stories from a user's file."""
    stamped = (header.eval.metadata or {}).get("settings")
    if stamped:
        return str(stamped)
    told = header.eval.metadata or {}
    usual = told.get("usual", {}) if _provider(header) in told.get("usual_for", _OPEN_BEFORE) else {}
    return _settings(header, header.plan.config.merge(header.eval.model_generate_config), usual)


def overrides(header: EvalLog) -> str:
    """The settings by which the user overrode the benchmark's own; empty for stories from a file."""
    if (header.eval.metadata or {}).get("settings"):
        return ""
    return _settings(header, header.eval.model_generate_config, {})


def _settings(header: EvalLog, config: GenerateConfig, body: Mapping[str, float]) -> str:
    asked = header.eval.task_args.get("repetition_penalty")
    body = {**body, **({"repetition_penalty": asked} if asked else {})}
    named = " ".join(f"{name}={value}" for name, value in body.items() if name != "top_k")
    return " ".join(filter(None, (settings_text(config), named)))


def _provider(header: EvalLog) -> str:
    return str(header.eval.model).partition("/")[0]

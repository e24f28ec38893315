"""Read the answers of annotators, from exported files or the file written by `study serve`, checked line by line."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import UserError

CHOICES = ("first", "second", "equal")


@dataclass(frozen=True)
class Answer:
    """An annotator's answer on one item; `choice` and `criteria` refer to the stories in the order shown."""

    choice: str
    criteria: Mapping[str, str]
    comment: str
    seconds: float


@dataclass(frozen=True)
class Export:
    """One annotator's answers at the time of the export."""

    annotator: str
    session: str
    saved: str
    answers: Mapping[str, Answer]


def check_export(text: str, study: str, order: Mapping[str, Sequence[Any]], criteria: Sequence[str]) -> Export:
    """Parse an export, and check that it belongs to this study and is exactly as the page wrote it.

    The page seals its exports with a hash, so edited or damaged files are detected; deliberate forgery is still
    possible, since a page cannot hide anything from its reader.

    Raises:
        ValueError: with a message that says what is wrong.
    """
    try:
        outer = json.loads(text)
        found, body, seal = outer["study"], outer["body"], outer["seal"]
        inner = json.loads(body)
    except (ValueError, KeyError, TypeError, RecursionError):
        raise ValueError("not an export of a study's page") from None
    if found != study:
        raise ValueError(f"an export of another study ({found}, not {study})")
    if hashlib.sha256(f"{study}{body}".encode(errors="replace")).hexdigest() != seal:
        raise ValueError("its contents are not what the page exported; ask the annotator for the file again")
    try:
        annotator, answers = inner["annotator"], inner["answers"]
        known = {item for item, _ in order[annotator]}
        read = {item: _answer(answer, criteria) for item, answer in answers.items()}
        if not set(read) <= known:
            raise KeyError
        return Export(annotator, str(inner["session"]), str(inner["saved"]), read)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError):
        raise ValueError("an annotator, item or answer that this study does not have") from None


def _answer(given: Mapping[str, Any], criteria: Sequence[str]) -> Answer:
    chosen = dict(given.get("criteria") or {})
    if given["choice"] not in CHOICES or not set(chosen) <= set(criteria) or not set(chosen.values()) <= set(CHOICES):
        raise ValueError
    comment = str(given.get("comment") or "").encode(errors="replace").decode()
    seconds = float(given.get("seconds") or 0)
    if not 0 <= seconds < math.inf:
        raise ValueError
    return Answer(given["choice"], chosen, comment, seconds)


def read_exports(
    paths: Sequence[Path], study: str, order: Mapping[str, Sequence[Any]], criteria: Sequence[str]
) -> dict[str, Export]:
    """Read the latest export of every annotator, from files with one export (`.json`) or one per line (`.jsonl`).

    Raises:
        UserError: if an export belongs to another study, or is changed or broken (the message names the file and line),
            or an annotator's answers come from two browsers, and so perhaps from two people.
    """
    latest: dict[str, tuple[Export, str]] = {}
    for where, text in _texts(paths):
        try:
            export = check_export(text, study, order, criteria)
        except ValueError as error:
            raise UserError(f"{where}: {error}") from None
        known = latest.get(export.annotator)
        if known is not None and known[0].session != export.session and known[0].answers and export.answers:
            raise UserError(
                f"{export.annotator} answered in two browsers ({known[1]}; {where}), perhaps two people; leave one out"
            )
        if known is None or export.saved >= known[0].saved or not known[0].answers:
            latest[export.annotator] = (export, where)
    return {name: latest[name][0] for name in order if name in latest}


def _texts(paths: Sequence[Path]) -> Iterator[tuple[str, str]]:
    for path in paths:
        try:
            text = path.read_bytes().decode("utf-8")
        except OSError as error:
            raise UserError(f"{path}: cannot be read: {error.strerror}") from None
        except UnicodeDecodeError:
            raise UserError(f"{path}: not an export of a study's page") from None
        if path.suffix != ".jsonl":
            yield str(path), text
            continue
        lines = text.split("\n")
        whole = lines if text.endswith("\n") else lines[:-1]  # a last line without a newline was cut off
        yield from ((f"{path}, line {n}", line) for n, line in enumerate(whole, 1) if line.strip())

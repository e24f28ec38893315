"""Where the prompts come from: our own `mini` set, the official dataset, or stories that exist already."""

from __future__ import annotations

import hashlib
import json
import os
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml
from inspect_ai.dataset import Sample

from ..harness.errors import UserError
from ..harness.stories import Story, prompt_id
from ..harness.words import with_length_request
from .sources import DATA

OFFICIAL = "rishanthrajendhran/POLARIS"
SETS = ("mini", "official")


def prompt_samples(prompts: str, split: str, data_dir: str | None) -> list[Sample]:
    """The samples of a prompt set.

    Args:
        prompts: `mini`, which ships here, or `official`, the Hugging Face dataset read at run time.
        split: `test` (180 prompts, 1,000 to 12,000 words) or `train` (1,388, up to 4,000); official only.
        data_dir: a folder with a copy of the dataset, itself or as its subfolder POLARIS, used in place of the
            hub; by default the one that the environment variable POLARIS_DATA names, where it is set.

    Raises:
        UserError: unknown set or split, or a dataset that cannot be reached or read.
    """
    if prompts == "mini":
        return _mini()
    if prompts != "official":
        raise UserError(f"unknown prompt set {prompts!r}; known: {', '.join(SETS)}")
    if split not in ("train", "test"):
        raise UserError(f"unknown split {split!r} of the official prompts; known: train, test")
    return [_official(row) for row in _rows(split, data_dir)]


def story_samples(stories: list[Story]) -> list[Sample]:
    """Samples that carry their story; the solver `recorded` puts it where a model's answer would be.

    Benchmarks number their prompts alike, so where stories of several are mixed the benchmark's name goes before
    the ids, and prompts are told apart by their text.
    """
    mixed = len({story.benchmark for story in stories}) > 1
    return [
        Sample(
            input=story.prompt,
            id=f"{story.benchmark}/{story.id}" if mixed else story.id,
            metadata={
                **story.metadata,
                **({"target_words": story.target_words} if story.target_words else {}),
                "prompt_id": prompt_id(story.prompt) if mixed else story.prompt_id,
                "story": story.story,
                "truncated": story.truncated,
            },
        )
        for story in stories
    ]


def prompts_digest(samples: list[Sample]) -> str:
    """sha256 over the distinct prompts and targets; numbers compare only where it agrees."""
    asked = {(str(sample.input), (sample.metadata or {}).get("target_words")) for sample in samples}
    return hashlib.sha256(json.dumps(sorted(asked, key=str)).encode()).hexdigest()


def _mini() -> list[Sample]:
    data = yaml.safe_load((files(__package__) / "mini.yaml").read_text(encoding="utf-8"))
    return [
        _sample(
            entry["id"],
            with_length_request(entry["text"], entry["words"]),
            entry["words"],
            genre=entry["genre"],
        )
        for entry in data["prompts"]
    ]


def _official(row: dict[str, Any]) -> Sample:
    try:
        return _sample(str(row["uid"]), str(row["prompt"]), int(row["target_word_count"]))
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"{OFFICIAL}: a row without a usable uid, prompt or target_word_count ({error})") from None


def _sample(uid: str, text: str, words: int, **metadata: Any) -> Sample:
    return Sample(input=text, id=uid, metadata={"prompt_id": prompt_id(text), "target_words": words, **metadata})


def _rows(split: str, data_dir: str | None) -> list[dict[str, Any]]:
    from datasets import load_dataset
    from huggingface_hub.utils.logging import set_verbosity_error

    set_verbosity_error()  # type: ignore[no-untyped-call]  # its warnings about retries say less than the one line below
    folder = _folder(data_dir)
    try:
        return list(load_dataset(str(folder) if folder else OFFICIAL, split=split))
    except Exception as error:  # the hub client has dozens; whichever it is, the dataset was not read
        why = str(error).strip().splitlines()[0][:160] if str(error).strip() else type(error).__name__
        raise UserError(
            f"the official prompts ({OFFICIAL}, split {split}) could not be read: {why}. Go online, or download the "
            "dataset elsewhere and name its folder with --data-dir (task argument data_dir), or use --prompts mini."
        ) from None


def _folder(data_dir: str | None) -> Path | None:
    folder = data_dir or os.environ.get(DATA)
    if not folder:
        return None
    if not Path(folder).is_dir():
        raise UserError(f"{folder}: no such folder (--data-dir or {DATA} names a folder with a copy of {OFFICIAL})")
    copy = Path(folder) / OFFICIAL.rpartition("/")[2]
    return copy if copy.is_dir() else Path(folder)

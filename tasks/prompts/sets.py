"""The prompts of `story_quality` and `eqbench_longform`: our own `mini` set, and the official dataset."""

from __future__ import annotations

import sys
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml
from inspect_ai.dataset import Sample

from ...harness.benchmarks import Choice
from ...harness.environment import DATA
from ...harness.errors import UserError
from ...harness.logs.stories import prompt_id
from ...harness.text.length_request import with_length_request

OFFICIAL = "rishanthrajendhran/POLARIS"
UNPINNED = ("official",)
SETS: dict[str, tuple[str, ...]] = {"mini": (), "official": ("test", "train")}


def story_prompts(choice: Choice) -> list[Sample]:
    """The prompts of `story_quality` and `eqbench_longform`.

    `mini` is built in; `official` is the Hugging Face dataset, read at run time or from a local copy (a folder, or its
    subfolder POLARIS): `test` has 180 prompts (1,000 to 12,000 words), `train` 1,388 (up to 4,000).

    Raises:
        UserError: the dataset cannot be reached or read.
    """
    if choice.prompts == "mini":
        return _mini()
    return [_official(row) for row in _rows(choice.split or "test", choice.folder)]


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


def _rows(split: str, folder: Path | None) -> list[dict[str, Any]]:
    from datasets import load_dataset
    from huggingface_hub.utils.logging import set_verbosity_error

    set_verbosity_error()  # type: ignore[no-untyped-call]  # its retry warnings say less than the one line below
    if folder is None and Path(OFFICIAL).exists():  # the hub client would read it instead of the dataset
        raise UserError(f"the folder {OFFICIAL} here would be read as the official prompts; name it with --data-dir")
    place = OFFICIAL if folder is None else str(_copy(folder))
    if folder is None and sys.stderr.isatty():
        print(f"{OFFICIAL}: asking the Hugging Face hub; offline it takes half a minute to give up", file=sys.stderr)
    try:
        return list(load_dataset(place, split=split))
    except Exception as error:  # the hub client raises dozens of types; all mean that it was not read
        why = str(error).strip().splitlines()[0][:160] if str(error).strip() else type(error).__name__
        raise UserError(
            f"the official prompts ({OFFICIAL}, split {split}) could not be read: {why}. Go online, or download the "
            "dataset elsewhere and name its folder with --data-dir (task argument data_dir), or use --prompts mini."
        ) from None


def _copy(folder: Path) -> Path:
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder (--data-dir or {DATA} names a folder with a copy of {OFFICIAL})")
    copy = folder / OFFICIAL.rpartition("/")[2]
    return copy if copy.is_dir() else folder

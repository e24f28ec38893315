"""Texts that must never be trained on: the official test prompts, and texts that a user names."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ...harness.benchmarks import find_benchmark
from ...harness.errors import UserError
from ...harness.inspect_seam import prompt_text
from ...harness.run.samples import prompts_of
from ...harness.text.length_request import strip_length_request
from ...harness.text.overlap import contained, shingles
from .filters import story_text
from .near import Near, sketch
from .reading.split import pieces
from .rows import SUFFIXES, is_dataset, prompt_of, read_rows, story_of
from .sources import READERS, find_files

TEST = "the official test set"
EXCLUDED = "near a"  # how the reasons begin
_SHINGLE = 3  # words per shingle of a prompt
_HELD = 0.5  # share of a prompt's shingles from which a text contains the prompt
_LEAST = 8  # shingles; a shorter prompt (“Write a story.”) occurs in too many texts to mean anything
_WINDOW = 2000  # words of a long text that are compared at a time
_WORD = re.compile(r"\w+")


class Excluded:
    """Texts to exclude: stories are compared by MinHash, prompts by the share of their shingles in a text."""

    def __init__(self) -> None:
        self._stories = Near()
        self._count = 0
        self._prompts: list[tuple[str, set[tuple[Any, ...]]]] = []

    def __len__(self) -> int:
        return len(self._prompts)

    def add_prompts(self, name: str, prompts: Iterable[str]) -> None:
        """Exclude prompts, and stories that contain one. Their length request is ignored, and so are prompts of under
        ten words."""
        found = ((name, _shingles(strip_length_request(prompt))) for prompt in prompts)
        self._prompts += [(name, prompt) for name, prompt in found if len(prompt) >= _LEAST]

    def add_story(self, name: str, text: str) -> None:
        """Exclude a story, its parts and near-duplicates; of a long text (a book), also those of any part."""
        words = text.split()
        for start in range(0, max(1, len(words) - _WINDOW // 2), _WINDOW // 2):
            self._count += 1
            self._stories.add(f"{name}#{self._count}", sketch(" ".join(words[start : start + _WINDOW])))

    def story(self, sketched: Any, text: str) -> str | None:
        """Why a story must not be trained on, or None. `sketched` is its MinHash."""
        near = self._stories.find(sketched)
        return f"{EXCLUDED} text of {near.rpartition('#')[0]}" if near else self.prompt(text)

    def prompt(self, text: str) -> str | None:
        """Why a prompt (or a text that may hold one) must not be trained on, or None."""
        if not self._prompts:
            return None
        own = _shingles(text)
        name = next((name for name, prompt in self._prompts if contained(prompt, own) >= _HELD), None)
        return f"{EXCLUDED} prompt of {name}" if name else None


def read_excluded(files: Iterable[Path], test_prompts: bool) -> Excluded:
    """Read the texts in the user's files, and the official test prompts.

    Files may be those that stories are read from, and JSONL or Parquet rows with `story` (or `text`) and `prompt`.

    Raises:
        UserError: a file or the test prompts cannot be read.
    """
    excluded = Excluded()
    if test_prompts:
        excluded.add_prompts(TEST, _official())
    for path in files:
        for row in _rows(path):
            if prompt := row.get("prompt"):
                excluded.add_prompts(path.name, [prompt])
            if story := row.get("story"):
                excluded.add_story(path.name, story)
    return excluded


def _official() -> list[str]:
    try:
        found = prompts_of(find_benchmark("story_quality"), "official", "test")
    except UserError as error:
        raise UserError(
            f"{error.text.partition('. Go online')[0]}. They must not be trained on: go online, name a folder with a "
            "copy (--data-dir), or skip the comparison (--no-test-prompts; the datasheet will say so)"
        ) from None
    return [prompt_text(sample) for sample in found.samples]


def _rows(path: Path) -> Iterable[dict[str, Any]]:
    if is_dataset(path) or path.suffix.lower() in SUFFIXES:
        return [{"story": story_of(row), "prompt": prompt_of(row)} for _, row in read_rows(path)]
    if not path.is_dir() and path.suffix.lower() not in READERS:
        raise UserError(f"{path}: texts to exclude are read from {', '.join(SUFFIXES)} files and from books")
    books = ((file, READERS[file.suffix.lower()](file, book)) for book, file in find_files([path]).items()
             if file.suffix.lower() in READERS)  # fmt: skip
    return [{"story": story_text(piece.blocks)} for _, book in books for piece in pieces(book)]


def _shingles(text: str) -> set[tuple[Any, ...]]:
    return shingles(_WORD.findall(text.casefold()), _SHINGLE)

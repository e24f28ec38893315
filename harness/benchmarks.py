"""The `Benchmark` record, and discovery of the benchmarks of all installed packages.

A package adds a benchmark by declaring a `Benchmark` in the entry-point group `polaris_eval.benchmarks`, as ours do.
The benchmark then has an Inspect task `polaris_eval/NAME` and works with every command.
"""

from __future__ import annotations

import functools
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from ..rubrics import Rubric, load_rubric
from .errors import UserError
from .sources import Source

if TYPE_CHECKING:
    from inspect_ai.dataset import Sample
    from inspect_ai.model import GenerateConfig

GROUP = "polaris_eval.benchmarks"
_NAME = re.compile(r"[a-z][a-z0-9_]*")
_TAKEN = ("arena",)  # the task that compares two stories is not a benchmark of this kind


@dataclass(frozen=True)
class Choice:
    """A selection of a benchmark's prompts.

    `prompts` is one of its prompt sets and `split` one of the set's splits (None if it has none); `language` is one of
    its languages or `all`; `iterations` is the number of texts per prompt (None if the benchmark does not support
    that); `folder` holds copies of the prompt files (None: use cache and network).
    """

    prompts: str
    split: str | None = None
    language: str = "en"
    iterations: int | None = None
    folder: Path | None = None


@dataclass(frozen=True, kw_only=True)
class Benchmark:
    """One benchmark. Its stories are judged on its rubric unless the user names another.

    Attributes:
        name: identifies its Inspect task, stories and tables.
        title: human-readable title.
        rubric: name of a rubric that ships here, or path of a file (see `load_rubric`).
        prompts: returns the samples of a choice. Each has a unique `id` and metadata: `prompt_id` (the same for all
            texts of a prompt), `target_words` (words asked for, or None), and, if any, `category` and `criteria`
            (the texts of the rubric's slots, one mapping per criterion).
        sets: the prompt sets by name, each with its splits; the first set, and its first split, are the default.
        languages: the first is the default.
        iterations: default number of texts per prompt (None: the benchmark does not support several).
        any_prompt: whether stories for any prompt may be judged on it, or only stories for its own prompts.
        domain: `ID` (prompts like those in training) or `OOD`.
        config: generation settings for writing stories.
        body: further generation settings, which only some providers support.
        length_score: how words are counted: as in LongBench-Write, or as everywhere else (None). LongBench-Write's
            length score is reported only if the rubric names it too.
        unpinned: sets that cannot be verified; when read from a folder, they are labelled as a copy.
        sources: the pinned files that its prompts come from.
        order: its position in tables, lowest first.
    """

    name: str
    title: str
    rubric: str
    prompts: Callable[[Choice], list[Sample]]
    sets: Mapping[str, tuple[str, ...]]
    config: GenerateConfig
    languages: tuple[str, ...] = ("en",)
    iterations: int | None = None
    any_prompt: bool = False
    domain: Literal["ID", "OOD"] = "OOD"
    body: Mapping[str, float] = field(default_factory=dict)
    length_score: Literal["longbench"] | None = None
    unpinned: tuple[str, ...] = ()
    sources: tuple[Source, ...] = ()
    order: int = 100

    def __post_init__(self) -> None:
        """Raise ValueError if the record is unusable."""
        if not _NAME.fullmatch(self.name) or self.name in _TAKEN:
            raise ValueError(f"{self.name!r} is not a valid name: use a-z, 0-9 and _, and not {_TAKEN[0]}")
        if not self.sets or not self.languages:
            raise ValueError(f"{self.name} has no {'languages' if self.sets else 'sets'}")

    def load_rubric(self) -> Rubric:
        """The rubric that its stories are judged on by default."""
        return load_rubric(self.rubric)

    def defaults(self) -> dict[str, str | int | None]:
        """The prompt options that this benchmark supports, with their defaults."""
        first, splits = next(iter(self.sets.items()))
        found: dict[str, str | int | None] = {"language": self.languages[0]}
        if len(self.sets) > 1 or self.any_prompt:
            found["prompts"] = first
        if any(self.sets.values()):
            found["split"] = splits[0] if splits else None
        if self.iterations is not None:
            found["iterations"] = self.iterations
        return found

    def choose(
        self,
        prompts: str | None = None,
        split: str | None = None,
        language: str | None = None,
        iterations: int | None = None,
        folder: Path | None = None,
    ) -> Choice:
        """Return the choice for these options, with defaults for those that are None.

        Raises:
            UserError: an option that this benchmark does not support.
        """
        chosen = prompts or next(iter(self.sets))
        if chosen not in self.sets:
            own = ", or your own .jsonl file" if self.any_prompt else ""
            raise UserError(f"{self.name}: unknown prompt set {chosen!r}; known: {', '.join(self.sets)}{own}")
        splits = self.sets[chosen]
        if split is not None and not splits:
            raise UserError(f"{self.name}: the prompt set {chosen} has no splits")
        if split is not None and split not in splits:
            raise UserError(f"{self.name}: unknown split {split!r} of {chosen}; known: {', '.join(splits)}")
        spoken = language or self.languages[0]
        if spoken not in (*self.languages, "all"):
            known = dict.fromkeys((*self.languages, "all"))
            raise UserError(f"{self.name} has no prompts in language {spoken!r}; it has {', '.join(known)}")
        if iterations is not None and self.iterations is None:
            raise UserError(f"{self.name} writes one text per prompt and does not support iterations")
        if iterations is not None and iterations < 1:
            raise UserError(f"{self.name}: iterations must be at least 1, got {iterations}")
        return Choice(chosen, (split or splits[0]) if splits else None, spoken, iterations or self.iterations, folder)

    def describe(self, choice: Choice) -> str:
        """Describe a choice in words, as recorded in logs."""
        name = f"{choice.prompts}/{choice.split}" if choice.split else choice.prompts
        if choice.folder and choice.prompts in self.unpinned:
            name = f"copy of {name}"
        if len(self.languages) > 1:
            name += f" {choice.language}"
        return name if choice.iterations is None else f"{name}, {choice.iterations} iterations"


@functools.cache
def benchmarks() -> Mapping[str, Benchmark]:
    """All benchmarks of the installed packages by name, in table order.

    A benchmark that cannot be loaded, or whose name is already taken, is skipped with a line on standard error.
    """
    found: dict[str, Benchmark] = {}
    for entry in sorted(entry_points(group=GROUP), key=lambda entry: not entry.value.startswith("polaris_eval.")):
        try:
            loaded = entry.load()
            why = "" if isinstance(loaded, Benchmark) else f"{entry.value} is not a Benchmark"
            if not why:
                loaded.load_rubric()
        except (Exception, SystemExit) as error:  # whatever somebody else's package raises
            why = f"{type(error).__name__}: {error}"
        if not why and loaded.name in found:
            why = f"there is another benchmark named {loaded.name}"
        if why:
            package = entry.dist.name if entry.dist else entry.value
            print(f"polaris-eval: the benchmark {entry.name} of {package} is left out: {why}", file=sys.stderr)
        else:
            found[loaded.name] = loaded
    return dict(sorted(found.items(), key=lambda item: (item[1].order, item[0])))


def find_benchmark(name: str, where: str = "") -> Benchmark:
    """Return a benchmark by name. Raises UserError listing the known names; `where` says where the name was found."""
    known = benchmarks()
    if name not in known:
        raise UserError(f"{where}unknown benchmark {name!r}; known: {', '.join(known)}")
    return known[name]


def has_rubric(name: str, digest: str) -> bool:
    """Whether a rubric's digest is that of a benchmark's own rubric, as installed here."""
    known = benchmarks()
    return name in known and known[name].load_rubric().digest == digest


def place(name: str) -> tuple[int, str]:
    """Sort key for tables; benchmarks that are not installed come last."""
    known = benchmarks()
    return (known[name].order if name in known else sys.maxsize), name

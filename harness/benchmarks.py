"""Benchmarks: what each is, and finding those of every installed package.

A package that brings a benchmark names a `Benchmark` in the entry-point group `polaris_eval.benchmarks`, as ours do. It
then has an Inspect task `polaris_eval/NAME` and a place in every command.
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
    """Which of a benchmark's prompts are asked for.

    `prompts` is one of its sets and `split` one of the set's (None where it has none), `language` one of its languages
    or `all`, `iterations` how many texts are made of each prompt (None where the benchmark does not do that), `folder`
    a folder with copies of the files that prompts are read from (None: cache and network).
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
        name: of its Inspect task, its stories and its tables.
        title: for people.
        rubric: what `load_rubric` takes: the name of a rubric that ships here, or the path of a file.
        prompts: the samples of a choice. Each has an `id` of its own and metadata: `prompt_id` (the same for all texts
            of a prompt), `target_words` (words asked for, or None), and, where there are any, `category` and `criteria`
            (the texts of the rubric's slots, one mapping per criterion).
        sets: the prompt sets by name, each with its splits; the first set, and its first split, are the default.
        languages: the first is the default.
        iterations: texts made of each prompt by default, where the benchmark makes several (None: it does not).
        any_prompt: other prompts than its own may be judged on it; elsewhere a story must be for one of its prompts.
        domain: `ID` (prompts like the training's) or `OOD`.
        config: how stories are written.
        body: further settings of writing that only some providers take.
        length_score: how words are counted: as LongBench-Write does, or as everywhere else (None). The score that
            LongBench-Write makes of them comes with a rubric that names it too.
        unpinned: sets that cannot be verified: read from a folder, they are named as a copy.
        sources: the pinned files that its prompts come from.
        order: its place in tables; the lowest comes first.
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
        """Raises ValueError for a record that no command could use."""
        if not _NAME.fullmatch(self.name) or self.name in _TAKEN:
            raise ValueError(f"{self.name!r} cannot be its name: small letters, digits and _, and not {_TAKEN[0]}")
        if not self.sets or not self.languages:
            raise ValueError(f"{self.name} has no {'languages' if self.sets else 'sets'}")

    def load_rubric(self) -> Rubric:
        """The rubric that its stories are judged on by default."""
        return load_rubric(self.rubric)

    def defaults(self) -> dict[str, str | int | None]:
        """The options of its prompts that mean something to it, with their defaults."""
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
        """The choice that options make, with defaults for those that are None.

        Raises:
            UserError: something that this benchmark does not have.
        """
        chosen = prompts or next(iter(self.sets))
        if chosen not in self.sets:
            own = ", or a file of yours, .jsonl" if self.any_prompt else ""
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
            raise UserError(f"{self.name} makes one text of each prompt, so iterations mean nothing to it")
        if iterations is not None and iterations < 1:
            raise UserError(f"{self.name}: iterations must be at least 1, got {iterations}")
        return Choice(chosen, (split or splits[0]) if splits else None, spoken, iterations or self.iterations, folder)

    def describe(self, choice: Choice) -> str:
        """A choice in words, as it is stamped into logs."""
        name = f"{choice.prompts}/{choice.split}" if choice.split else choice.prompts
        if choice.folder and choice.prompts in self.unpinned:
            name = f"copy of {name}"
        if len(self.languages) > 1:
            name += f" {choice.language}"
        return name if choice.iterations is None else f"{name}, {choice.iterations} iterations"


@functools.cache
def benchmarks() -> Mapping[str, Benchmark]:
    """Every benchmark of the installed packages by name, in the order in which tables show them.

    One that cannot be loaded, or that has the name of another, is left out, with a line on standard error.
    """
    found: dict[str, Benchmark] = {}
    for entry in sorted(entry_points(group=GROUP), key=lambda entry: not entry.value.startswith("polaris_eval.")):
        try:
            loaded = entry.load()
            why = "" if isinstance(loaded, Benchmark) else f"{entry.value} is no Benchmark"
            if not why:
                loaded.load_rubric()
        except (Exception, SystemExit) as error:  # whatever somebody else's package raises
            why = f"{type(error).__name__}: {error}"
        if not why and loaded.name in found:
            why = f"there is another benchmark of the name {loaded.name}"
        if why:
            package = entry.dist.name if entry.dist else entry.value
            print(f"polaris-eval: the benchmark {entry.name} of {package} is left out: {why}", file=sys.stderr)
        else:
            found[loaded.name] = loaded
    return dict(sorted(found.items(), key=lambda item: (item[1].order, item[0])))


def find_benchmark(name: str, where: str = "") -> Benchmark:
    """A benchmark by name. Raises UserError with the names that there are; `where` says where the name was found."""
    known = benchmarks()
    if name not in known:
        raise UserError(f"{where}unknown benchmark {name!r}; known: {', '.join(known)}")
    return known[name]


def has_rubric(name: str, digest: str) -> bool:
    """Whether a rubric's digest is that of a benchmark's own rubric, as installed here."""
    known = benchmarks()
    return name in known and known[name].load_rubric().digest == digest


def place(name: str) -> tuple[int, str]:
    """By what tables are sorted; benchmarks that are not installed here come last."""
    known = benchmarks()
    return (known[name].order if name in known else sys.maxsize), name

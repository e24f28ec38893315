"""Stories to compare: two models' stories for one prompt make a match, judged in both orders."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

from inspect_ai.dataset import Sample

from ..errors import UserError
from ..logs.stories import Story, prompt_id, read_stories
from ..text.reasoning import strip_reasoning

RUBRIC = "pairwise"
_LONGEST_NAME = 500
ORDERS = ("1", "2")  # of a match's two judgments: in the first, a's story is shown first

Pair = tuple[str, str]


@dataclass(frozen=True)
class Entry:
    """A model's story as the judge will read it. `key` is the same for stories that can be compared."""

    model: str
    id: str
    key: str
    prompt: str
    prompt_id: str
    text: str
    digest: str


@dataclass(frozen=True)
class Match:
    """Two models' stories of one prompt; `id` is a hash of the models, the prompt and both texts."""

    id: str
    a: Entry
    b: Entry

    @property
    def pair(self) -> Pair:
        return self.a.model, self.b.model

    def samples(self) -> list[Sample]:
        """Both judgments of the match, one for each order."""
        return [
            Sample(
                id=f"{self.id}.{order}",
                input=first.prompt,
                metadata={
                    "match": self.id,
                    "key": first.key,
                    "prompt_id": first.prompt_id,
                    "first": first.model,
                    "second": second.model,
                    "first_id": first.id,
                    "second_id": second.id,
                    "first_digest": first.digest,
                    "second_digest": second.digest,
                    "stories": [first.text, second.text],
                },
            )
            for order, first, second in zip(ORDERS, (self.a, self.b), (self.b, self.a), strict=True)
        ]


def read_entries(sources: Sequence[Path], truncate: int | None = None, benchmark: str | None = None) -> list[Entry]:
    """Read the stories of stories files and logs, each once. For the same prompt text, a model's first, second, …
    story meets the first, second, … story of the others.

    Args:
        sources: JSONL files of stories, logs, folders of logs.
        truncate: keep only this many characters of every story.
        benchmark: leave out stories that were written for another benchmark.

    Raises:
        UserError: a file that cannot be read, a model name that is not one line of plain text, or no story left.
    """
    found: list[Entry] = []
    seen: dict[str, set[str]] = {}
    stories = [s for source in sources for s in read_stories(source) if benchmark in (None, s.benchmark)]
    stories = [story for story in stories if not story.refused]  # there is nothing to read
    clusters = _clusters(stories)
    for story in stories:
        _check_name(story.model)
        text = strip_reasoning(story.story)[:truncate]
        asked, digest = prompt_id(story.prompt), _digest(story.prompt, text)
        known = seen.setdefault(f"{asked}|{story.model}", set())
        if digest not in known:  # the same story may be in two sources
            known.add(digest)
            key = f"{asked}.{len(known)}"
            found.append(Entry(story.model, story.id, key, story.prompt, clusters[asked], text, digest))
    if not found:
        raise UserError(f"{', '.join(map(str, sources))}: no story of {benchmark or 'any benchmark'}")
    return found


def _clusters(stories: Sequence[Story]) -> dict[str, str]:
    """For every prompt text its cluster id: the `prompt_id` that its stories name if they agree, else its own."""
    named: dict[str, set[str]] = {}
    for story in stories:
        named.setdefault(prompt_id(story.prompt), set()).add(story.prompt_id)
    return {asked: next(iter(ids - {asked})) if len(ids - {asked}) == 1 else asked for asked, ids in named.items()}


def _check_name(model: str) -> None:
    """Reject names that logs would not keep exactly."""
    plain = model.encode(errors="replace").decode()
    if model != " ".join(plain.split()) or len(model) > _LONGEST_NAME:
        raise UserError(f"model {model[:60]!r}: a name must be one line of text, of at most {_LONGEST_NAME} characters")


def possible_matches(entries: Sequence[Entry]) -> dict[Pair, list[Match]]:
    """For each pair of models, by name, their matches on the prompts that both have.

    Raises:
        UserError: only one model, or no prompt that two models have in common.
    """
    stories: dict[str, dict[str, Entry]] = {}
    for entry in entries:
        stories.setdefault(entry.model, {})[entry.key] = entry
    if len(stories) < 2:
        raise UserError(f"only {next(iter(stories))} has stories here; a match needs the stories of two models")
    found = {
        (a, b): [match_of(one, other) for one, other in _shared(stories[a], stories[b])]
        for a, b in combinations(sorted(stories), 2)
    }
    if not any(found.values()):
        raise UserError(
            f"{', '.join(sorted(stories))} have no prompt in common, so no stories can be compared (prompts must "
            "match exactly)"
        )
    return found


def match_of(a: Entry, b: Entry) -> Match:
    """The match of two stories for one prompt, given in the order of the models' names."""
    return Match(_digest(a.model, a.digest, b.model, b.digest), a, b)


def _shared(one: Mapping[str, Entry], other: Mapping[str, Entry]) -> Iterator[tuple[Entry, Entry]]:
    return ((entry, other[key]) for key, entry in one.items() if key in other)


def _digest(*texts: str) -> str:
    whole = json.dumps(texts).encode()
    return hashlib.sha256(whole).hexdigest()[:16]

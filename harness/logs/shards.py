"""Split a benchmark's prompts so that several machines can share a run: `3/16` is every 16th prompt, starting with
the third."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from ..errors import UserError
from ..inspect_seam import storage

T = TypeVar("T")
_FOLDER = re.compile(r"shard-([0-9]+)-of-([0-9]+)/")


@dataclass(frozen=True)
class Shard:
    """Part `number` (from 1) of `of` parts."""

    number: int
    of: int

    def __str__(self) -> str:
        return f"{self.number}/{self.of}"

    @property
    def folder(self) -> str:
        """Its subfolder of the log folder, so that machines writing at the same time do not interfere."""
        return f"shard-{self.number}-of-{self.of}"

    def take(self, items: Sequence[T]) -> list[T]:
        """The items that belong to this shard."""
        return list(items[self.number - 1 :: self.of])

    def position(self, place: int) -> int:
        """The position of an item among all, given its position in this shard; both from 0."""
        return self.number - 1 + place * self.of

    def limit(self, limit: int) -> int:
        """How many of the first `limit` items belong to this shard."""
        return len(range(self.number - 1, limit, self.of))


def parse_shard(text: str) -> Shard:
    """Parse `K/N` as a shard. Raises UserError for anything else."""
    found = re.fullmatch(r"([0-9]+)/([0-9]+)", text)
    number, of = map(int, found.groups()) if found else (0, 0)
    if not 1 <= number <= of:
        raise UserError(f"--shard {text}: give K/N with K from 1 to N, such as 3/16")
    return Shard(number, of)


def shard_of(place: str, log: str) -> Shard | None:
    """The shard whose subfolder of `place` holds a log, or None for a log of a whole run."""
    bare = storage(place)._strip_protocol
    inside = str(bare(log)).removeprefix(str(bare(place))).strip("/")
    found = _FOLDER.match(inside)
    return Shard(int(found[1]), int(found[2])) if found else None

"""A book as a sequence of blocks: all formats are read into it, and stories are cut from it."""

from __future__ import annotations

import functools
import re
import unicodedata
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Literal

import yaml

Kind = Literal["heading", "text", "verse", "speech", "break"]
BREAK = "* * *"

_NOTHING = dict.fromkeys(map(ord, "\u00ad\u200b\u200c\u200d\u2060\ufeff"))
_SPACE = re.compile(r"[^\S\n]+")
_LINES = re.compile(r" *\n *")


@dataclass(frozen=True)
class Block:
    """A paragraph, a heading, lines of verse, a speech of a play, or a break between scenes.

    `level` is that of a heading, from 1; `frame` means that the book's own markup calls it front or back matter. In a
    plain text, `gap` counts the empty lines above it, and `rows` are its original lines.
    """

    kind: Kind
    text: str
    level: int = 0
    frame: bool = False
    gap: int = 0
    rows: tuple[str, ...] = ()


@dataclass(frozen=True)
class Entry:
    """A line of the table of contents: its title, the number of its first block, the entries under it, and the number
    of the block after it if its own markup ends before its page does."""

    title: str
    start: int
    under: tuple[Entry, ...] = ()
    end: int | None = None


@dataclass(frozen=True)
class Book:
    """One book. `id` is unique among the sources; `licence` is what the book itself declares, if anything.

    `listed` means that its contents were read from a list in its text; no story comes before that list.
    """

    id: str
    path: str
    title: str
    author: str = ""
    licence: str = ""
    blocks: tuple[Block, ...] = ()
    contents: tuple[Entry, ...] = ()
    notes: tuple[str, ...] = field(default=())
    listed: bool = False


@functools.cache
def words_of(name: str) -> tuple[str, ...]:
    """Return one of the lists in `lists.yaml`."""
    found = yaml.safe_load((files(__package__) / "lists.yaml").read_text(encoding="utf-8"))[name]
    return tuple(word for part in found for word in (part if isinstance(part, list) else [part]))


def tidy(text: str) -> str:
    """Normalise spaces and characters, remove invisible ones and replace invalid ones; line ends are kept."""
    text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    text = unicodedata.normalize("NFC", text.translate(_NOTHING))
    return _LINES.sub("\n", _SPACE.sub(" ", text)).strip()

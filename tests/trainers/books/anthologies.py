"""Real stories set as the plain-text anthologies that people have: one function a way of setting them."""

from __future__ import annotations

import random
import textwrap
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

AUTHORS = ["A. B. Carter", "Mary Dunne", "E. F. Gould", "Ivan Petrov", "Jane Hollis", "K. L. Moore"]
Setting = Callable[[Sequence["Tale"]], str]


@dataclass(frozen=True)
class Tale:
    title: str
    text: str  # paragraphs with an empty line between them


def small(title: str) -> str:
    """A title with its small words small, as in running text."""
    words = title.split()
    return " ".join(w if not n or w.lower() not in ("the", "of", "a", "and", "in", "to", "for", "that", "with", "from")
                    else w.lower() for n, w in enumerate(words))  # fmt: skip


def wrapped(text: str, indent: str = "") -> str:
    return "\n\n".join(textwrap.fill(p, 70, initial_indent=indent, break_long_words=False, break_on_hyphens=True)
                       for p in text.split("\n\n"))  # fmt: skip


def listed(rows: Sequence[str], gap: str = "\n") -> str:
    return "CONTENTS\n\n\n" + gap.join(rows)


def numbered_pages(tales: Sequence[Tale]) -> str:
    """Titles in capitals with a full stop, a list with page numbers and dots."""
    rows = [f"{tale.title.upper():.<50} {7 + 11 * n}" for n, tale in enumerate(tales)]
    body = "".join(f"\n\n\n\n\n{tale.title.upper()}.\n\n\n{wrapped(tale.text)}" for tale in tales)
    return (
        f"TALES OF MANY LANDS.\n\n\n\n\n{listed(rows, chr(10) * 2)}\n\n\n\n\nTALES OF MANY LANDS.{body}\n\n\nTHE END.\n"
    )


def signed(tales: Sequence[Tale]) -> str:
    """No list; the author under each title, captions, and notes in the text."""
    parts = []
    for n, tale in enumerate(tales):
        one, *rest = tale.text.split("\n\n")
        text = "\n\n".join([f"{one.rstrip()}[{n + 1}]", "[Footnote: Here the first\nedition has “came”.]", *rest])
        parts.append(
            f"\n\n\n\n{small(tale.title)}\n\nBY {AUTHORS[n % 6].upper()}\n\n[Illustration: The {n}th picture]\n\n\n"
            f"{wrapped(text)}"
        )
    return "GREAT STORIES\n\nEDITED BY THE AUTHORS" + "".join(parts) + "\n\n[Footnote 1: So in all\n\neditions.]\n"


def slips(tales: Sequence[Tale]) -> str:
    """A list with bylines, hyphens for spaces and a letter wrong here and there; notes behind the titles."""
    rows = []
    for n, tale in enumerate(tales):
        title = tale.title.replace("-", " ") if n % 3 else tale.title.replace(" ", "-", 1)
        middle = len(title) // 2
        title = title[:middle] + title[middle + 1 :] if n % 4 == 1 and len(title) > 8 else title
        rows.append(f"{title}  _{AUTHORS[n % 6]}_")
    body = "".join(f"\n\n\n\n{tale.title.upper()}[{n + 1}]\n\n{wrapped(tale.text)}" for n, tale in enumerate(tales))
    return f"{listed(rows)}\n\n\n\n{body}\n"


def etext(tales: Sequence[Tale]) -> str:
    """An old file: small print and no line that the book starts; numbers of pages and running heads in the text."""
    head = (
        "The Project Gutenberg Etext of Tales, by Various\n\nCopyright laws are changing all over the world.\n\n"
        "***START**THE SMALL PRINT!**FOR PUBLIC DOMAIN ETEXTS**START***\n\nWhy is this here? Lawyers.\n\n"
        "*END*THE SMALL PRINT! FOR PUBLIC DOMAIN ETEXTS*Ver.04.29.93*END*\n\n\n\nScanned by A. Volunteer"
    )
    page, body = 1, []
    for tale in tales:
        lines = wrapped(tale.text).split("\n")
        for at in range(35, len(lines), 35):
            page += 1
            lines[at] = f"{lines[at]}\n\n{page}\n\n{page}  {tale.title.upper()}\n" if lines[at] else f"\n{page}\n"
        body.append(f"\n\n\n\n{tale.title.upper()}\n\n\n" + "\n".join(lines))
    return head + "".join(body) + "\n\n\nEnd of the Project Gutenberg Etext of Tales\n\nDonate."


def stops(tales: Sequence[Tale]) -> str:
    """No list; titles with small words small, and a full stop behind them."""
    return "Tales.\n\nBy One Hand." + "".join(f"\n\n\n\n{small(t.title)}.\n\n\n{wrapped(t.text, '  ')}" for t in tales)


def numerals(tales: Sequence[Tale]) -> str:
    """A number over each title, and numbers of parts in the stories."""
    roman = ["I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX", "X", "XI", "XII", "XIII", "XIV"]
    rows = [f"{roman[n % 14]}. {tale.title}" for n, tale in enumerate(tales)]
    body = []
    for n, tale in enumerate(tales):
        parts = tale.text.split("\n\n")
        half = len(parts) // 2
        text = "\n\n".join(parts[:half]) + "\n\n\nII\n\n\n" + "\n\n".join(parts[half:])
        text = "\n\n\n".join(wrapped(part) for part in text.split("\n\n\n"))
        body.append(f"\n\n\n\n{roman[n % 14]}\n\n{tale.title.upper()}\n\n\n{text}")
    return listed(rows) + "\n\n\n\n" + "".join(body)


def halves(tales: Sequence[Tale]) -> str:
    """A half title before each story, then title, epigraph and date."""
    epigraph = "     _“All is one.”_\n                --OLD SONG."
    titles = [tale.title.upper() for tale in tales]
    return "\n\n\n\n".join(f"{title}\n\n\n\n\n\n{title}\n\n\n{epigraph}\n\n\n{wrapped(tale.text)}"
                           for title, tale in zip(titles, tales, strict=True))  # fmt: skip


def sentences(tales: Sequence[Tale]) -> str:
    """A list whose titles, and the titles in the book, are written like sentences."""
    lower = [tale.title[:1] + tale.title[1:].lower() for tale in tales]
    body = "".join(f"\n\n\n{title}\n\n\n{wrapped(tale.text)}" for title, tale in zip(lower, tales, strict=True))
    return f"{listed(lower)}\n\n\n{body}"


def notes(tales: Sequence[Tale]) -> str:
    """Notes under a line of their own behind each story, and a transcriber's at the end."""
    body = []
    for tale in tales:
        one, *rest = tale.text.split("\n\n")
        text = wrapped("\n\n".join([f"{one.rstrip()}*", *rest]))
        said = "FOOTNOTES:\n\n* A note that says\nwhat it was.\n\nIt goes on."
        body.append(f"\n\n\n\n{tale.title.upper()}\n\n\n{text}\n\n\n{said}")
    tail = "\n\n\n\nTRANSCRIBER'S NOTES:\n\nPage 3: “teh” changed to “the”.\n\nPage 9: “adn” changed to “and”.\n"
    return "".join(body) + tail


def spaced(tales: Sequence[Tale]) -> str:
    """Two empty lines between paragraphs, and titles in the middle of the line."""
    body = [
        f"\n\n\n\n\n{tale.title.upper():^70}\n\n\n" + wrapped(tale.text).replace("\n\n", "\n\n\n") for tale in tales
    ]
    return "A BOOK OF TALES" + "".join(body)


def two_lines(tales: Sequence[Tale]) -> str:
    """Titles that are wrapped, in the list and in the book, and a subtitle under each."""
    rows = ["\n    ".join(textwrap.wrap(f"{tale.title} . . . {5 + 9 * n}", 24)) for n, tale in enumerate(tales)]
    body = []
    for tale in tales:
        title = "\n".join(line.center(70).rstrip() for line in textwrap.wrap(tale.title.upper(), 16))
        body.append(f"\n\n\n\n{title}\n\n(_A true tale_)\n\n\n{wrapped(tale.text)}")
    return listed(rows, "\n\n") + "\n\n\n" + "".join(body)


def italics(tales: Sequence[Tale]) -> str:
    """Titles in the signs of italics and bold, a line of the magazine under each."""
    body = []
    for n, tale in enumerate(tales):
        mark = "_="[n % 2]
        body.append(f"\n\n\n\n{mark}{small(tale.title)}{mark}\n\n_From “The Monthly”_\n\n\n{wrapped(tale.text)}")
    return "".join(body)


def indented(tales: Sequence[Tale]) -> str:
    """No empty lines between paragraphs: each begins with some spaces."""
    body = []
    for tale in tales:
        body.append(f"\n\n\n{tale.title.upper()}\n\n" + wrapped(tale.text, "    ").replace("\n\n", "\n"))
    return "".join(body)


SETTINGS: list[Setting] = [
    spaced,
    two_lines,
    italics,
    indented,
    numbered_pages,
    signed,
    slips,
    etext,
    stops,
    numerals,
    halves,
    sentences,
    notes,
]


def shuffled(tales: Sequence[Tale], seed: int, count: int) -> Iterator[list[Tale]]:
    """Anthologies of so many of the tales."""
    rng = random.Random(seed)
    order = rng.sample(list(tales), len(tales))
    yield from (order[start : start + count] for start in range(0, len(order) - count + 1, count))

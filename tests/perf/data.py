"""How long books take to become stories: 100 generated EPUBs of 100,000 words each, read, cut, filtered, compared.

    python tests/perf/data.py [BOOKS]

Prints seconds and the peak of memory over all processes (asked for: three minutes and 2 GB). The first story of every
book is the same, so that the comparison has something to find.
"""

from __future__ import annotations

import random
import sys
import tempfile
import threading
import time
import zipfile
from pathlib import Path

WORDS, STORIES = 100_000, 40
CONTAINER = (
    '<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container" version="1.0"><rootfiles><rootfile '
    'full-path="c.opf" media-type="application/oebps-package+xml"/></rootfiles></container>'
)


def write_book(path: Path, number: int, vocabulary: list[str]) -> None:
    """A book of stories of different lengths around 2,500 words, in an EPUB 3."""
    draw = random.Random(number)
    pages = {}
    for story in range(STORIES):
        seed = random.Random(0) if story == 0 else draw  # the first story of every book is the same
        words = seed.randrange(2000, 3001)
        sentences = [" ".join(seed.choices(vocabulary, k=14)).capitalize() + "." for _ in range(words // 14)]
        paragraphs = (" ".join(sentences[i : i + 5]) for i in range(0, len(sentences), 5))
        body = "".join(f"<p>{text}</p>" for text in paragraphs)
        pages[f"p{story}.xhtml"] = (f"Story number {story}", f"<h2>Story number {story}</h2>{body}")
    items = "".join(f'<item id="{name}" href="{name}" media-type="application/xhtml+xml"/>' for name in pages)
    spine = "".join(f'<itemref idref="{name}"/>' for name in pages)
    links = "".join(f'<li><a href="{name}">{title}</a></li>' for name, (title, _) in pages.items())
    head = '<html xmlns="http://www.w3.org/1999/xhtml" xmlns:epub="http://www.idpf.org/2007/ops"><body>'
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("META-INF/container.xml", CONTAINER)
        archive.writestr("c.opf", '<package xmlns="http://www.idpf.org/2007/opf" version="3.0" unique-identifier="i">'
            '<metadata xmlns:dc="http://purl.org/dc/elements/1.1/">'
            f'<dc:identifier id="i">{number}</dc:identifier><dc:title>Book {number}</dc:title>'
            '<dc:language>en</dc:language></metadata><manifest>'
            f'<item id="nav" href="nav.xhtml" media-type="application/xhtml+xml" properties="nav"/>{items}</manifest>'
            f'<spine>{spine}</spine></package>')  # fmt: skip
        archive.writestr("nav.xhtml", f'{head}<nav epub:type="toc"><ol>{links}</ol></nav></body></html>')
        for name, (_, body) in pages.items():
            archive.writestr(name, f"{head}{body}</body></html>")


def resident(pids: list[int]) -> int:
    """Bytes of main memory that processes hold, shared pages counted once for each (so at most too much)."""
    total = 0
    for pid in pids:
        try:
            total += int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096
        except (OSError, ValueError):
            continue
    return total


def family() -> list[int]:
    """This process and all below it."""
    import os

    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents.setdefault(int(entry.read_text().rpartition(")")[2].split()[1]), []).append(int(entry.parent.name))
        except (OSError, ValueError):
            continue
    found = [os.getpid()]
    for pid in found:
        found += parents.get(pid, [])
    return found


def main() -> None:
    from polaris_eval.trainers.books.build import Request, collect
    from polaris_eval.trainers.books.filters import Rules

    books = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    # words as English spells them, so that language and damage are judged as in real books
    vocabulary = sorted(
        {w for w in Path(__file__).parents[2].joinpath("tasks/prompts/mini.yaml").read_text().split() if w.isalpha()}
    )
    peak = [0]
    done = threading.Event()

    def watch() -> None:
        while not done.wait(0.2):
            peak[0] = max(peak[0], resident(family()))

    with tempfile.TemporaryDirectory() as folder:
        sources = Path(folder) / "books"
        sources.mkdir()
        for number in range(books):
            write_book(sources / f"book{number}.epub", number + 1, vocabulary)
        threading.Thread(target=watch, daemon=True).start()
        started = time.perf_counter()
        found, _ = collect(Request((sources,), Path(folder) / "out", Rules(), test_prompts=False), lambda f, _: f)
        seconds = time.perf_counter() - started
        done.set()
    words = sum(candidate.words for candidate in found.candidates)
    print(f"{books} books, {len(found.candidates):,} pieces, {words:,} words")
    print(f"{seconds:.0f} s, {peak[0] / 2**30:.2f} GiB at most")
    print(f"{len(found.kept):,} kept; {found.drops()}")


if __name__ == "__main__":
    main()

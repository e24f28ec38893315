"""From books to stories: readers, cutting, filters, review file; on real collections, made-up books and broken ones."""

from __future__ import annotations

import csv
import json
import os
import re
import zipfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

pytest.importorskip("ebooklib", reason="needs the extra data")

from click.testing import CliRunner, Result
from conftest import PROSE, write_jsonl
from ebooklib import epub
from hypothesis import example, given
from hypothesis import strategies as st
from samples import story

from polaris_eval.trainers.books.build import Request, collect
from polaris_eval.trainers.books.filters import Rules, noise
from polaris_eval.trainers.books.near import sketch
from polaris_eval.trainers.books.reading.epub import read_epub
from polaris_eval.trainers.books.reading.split import is_part, pieces
from polaris_eval.trainers.books.reading.text import decode, text_blocks
from polaris_eval.trainers.books.sources import Candidate, examine
from polaris_eval.trainers.cli.root import main

NOUNS = [
    "harbour",
    "orchard",
    "mirror",
    "ferry",
    "letter",
    "garden",
    "winter",
    "kitchen",
    "soldier",
    "violin",
    "bridge",
    "candle",
    "river",
    "window",
    "stranger",
]


def html(title: str, text: str) -> str:
    return f"<h2>{title}</h2>" + "".join(f"<p>{part}</p>" for part in text.split("\n\n"))


def make_epub(path: Path, chapters: list[tuple[str, str]], toc: bool = True) -> Path:
    """An EPUB with a page a chapter, given as title and HTML."""
    book = epub.EpubBook()
    book.set_identifier(path.stem)
    book.set_title("Collected Pieces")
    book.set_language("en")
    book.add_author("A. Writer")
    pages = []
    for number, (title, content) in enumerate(chapters):
        page = epub.EpubHtml(title=title, file_name=f"p{number}.xhtml", lang="en")
        page.content = f"<html><body>{content}</body></html>"
        book.add_item(page)
        pages.append(page)
    if toc:
        book.toc = pages
    book.add_item(epub.EpubNcx())
    book.add_item(epub.EpubNav())
    book.spine = pages
    epub.write_epub(str(path), book)
    return path


def build(*args: object) -> Result:
    with mock.patch.dict(os.environ):  # --data-dir goes into it
        return CliRunner().invoke(main, ["pairs", "build", *map(str, args)])


def found(folder: Path, *sources: Path, **options: Any) -> list[Candidate]:
    options = {"test_prompts": False, **options}
    rules = options.pop("rules", Rules())
    return list(collect(Request(sources, folder, rules, **options), lambda f, _: f)[0].candidates)


def reasons(candidates: list[Candidate]) -> dict[str, str | None]:
    return {candidate.title: candidate.reason for candidate in candidates}


@pytest.mark.slow
def test_five_real_collections(shared: Path, tmp_path: Path) -> None:
    result = build(shared / "books", "--out", tmp_path / "pairs", "--no-test-prompts")
    assert result.exit_code == 0, result.output
    with (tmp_path / "pairs" / "review.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    kept = Counter(row["book"] for row in rows if row["keep"] == "yes")
    assert kept == {
        "h-g-wells_short-fiction": 26, "james-joyce_dubliners": 9, "m-r-james_short-fiction": 2,
        "saki_short-fiction": 122,
    }  # fmt: skip
    why = Counter(row["reason"] for row in rows if row["keep"] == "no")
    assert why == {"over 4000 words": 73, "front or back matter": 23, "under 1000 words": 19, "play": 1}
    by_title = {(row["book"], row["title"]): row for row in rows}
    for book in kept:
        for title in ("Titlepage", "Imprint", "Colophon", "Uncopyright"):
            assert by_title[book, title]["reason"] == "front or back matter"
    assert by_title["h-g-wells_short-fiction", "A Story of the Stone Age"]["reason"] == "over 4000 words"
    assert by_title["james-joyce_dubliners", "The Dead"]["reason"] == "over 4000 words"
    assert by_title["saki_short-fiction", "The Baker’s Dozen"]["reason"] == "play"
    eveline = by_title["james-joyce_dubliners", "Eveline"]
    assert eveline["first"] == "She sat at the window watching the evening invade the avenue."
    assert eveline["last"] == "Her eyes gave him no sign of love or farewell or recognition."
    assert 1800 < int(eveline["words"]) < 1900
    texts = [json.loads(line) for line in (tmp_path / "pairs" / "stories.jsonl").read_text().splitlines()]
    moth = next(row["text"] for row in texts if row["title"] == "The Moth")
    assert "Hapley" in moth and "noteref" not in moth and "\u2060" not in moth


def test_titles_parts_and_numbers() -> None:
    for part in ("II", "Chapter 4", "CHAPTER IV. The Cave", "Letter II: From Paris", "Epilogue", "The First Part", "3"):
        assert is_part(part), part
    for title in ("The Cone", "Number 13", "One Summer Night", "Ivy Day in the Committee Room", "The Second Mrs. Ash"):
        assert not is_part(title), title
    assert is_part("I: The Cure for Love") and not is_part("I: The Cure for Love", inside=False)


def test_a_book_by_its_contents(tmp_path: Path) -> None:
    path = make_epub(tmp_path / "book.epub", [
        ("Copyright", "<p>All rights reserved.</p>"),
        ("The Ferry", html("The Ferry", story(1)) + "<h3>II</h3>" + html("", "And so it went on.")),
        ("The Orchard", html("The Orchard", story(2, 700))),
        ("The Long One", html("The Long One", story(3, 4300))),
        ("About the Author", "<p>He wrote.</p>"),
    ])  # fmt: skip
    assert reasons(found(tmp_path / "out", path)) == {
        "Copyright": "front or back matter", "The Ferry": None, "The Orchard": "under 1000 words",
        "The Long One": "over 4000 words", "About the Author": "front or back matter",
    }  # fmt: skip
    ferry = found(tmp_path / "out", path)[1]
    assert "\n\nII\n\n" in ferry.text
    assert (ferry.author, ferry.id) == ("A. Writer", "book/the-ferry")


def test_parts_are_not_stories_and_books_without_headings_are_one(tmp_path: Path) -> None:
    novel = make_epub(
        tmp_path / "novel.epub", [(f"Chapter {i}", html(f"Chapter {i}", story(i, 1500))) for i in (1, 2, 3)]
    )
    assert reasons(found(tmp_path / "a", novel)) == {"Collected Pieces": "over 4000 words"}
    bare = make_epub(tmp_path / "bare.epub", [("x", "".join(f"<p>{p}</p>" for p in story(4).split("\n\n")))], toc=False)
    assert reasons(found(tmp_path / "b", bare)) == {"Collected Pieces": None}
    single = make_epub(tmp_path / "one.epub", [("The Only One", html("The Only One", story(5)))])
    assert [c.reason for c in found(tmp_path / "c", single)] == [None]
    by_headings = make_epub(
        tmp_path / "h.epub", [("Start", "<h1>Pieces</h1>" + html("The First Ferry", story(6)) + html("Rain", story(7)))]
    )
    assert reasons(found(tmp_path / "d", by_headings))["Rain"] is None
    assert len([c for c in found(tmp_path / "d", by_headings) if c.reason is None]) == 2


def test_what_is_no_prose_is_dropped(tmp_path: Path) -> None:
    verse = "".join(
        f"<p>O harbour of the {w},<br/>thou {w} of my youth,<br/>I counted every rope</p>" for w in NOUNS * 12
    )
    speeches = [f"<p>{who}. I would not count the {NOUNS[i % 10]} twice, nor the ropes, nor you.</p>" for i, who in
                enumerate(["MARA", "PILOT"] * 50)]  # fmt: skip
    scanned = " ".join(f"{w[:2]}1{w[2:]}" if i % 60 == 59 else w for i, w in enumerate(story(9).split(" ")))
    german = "\n\n".join(
        f"Als der Hafen im Jahr {i} still geworden war, trug sie ihre Geige am Garten vorbei, und er sagte nichts, "
        "obwohl der Winter kam." for i in range(60)
    )  # fmt: skip
    cut = story(10).rstrip(".") + " because the"
    path = make_epub(tmp_path / "book.epub", [
        ("Song", "<h2>Song</h2>" + verse), ("Scene", "<h2>Scene</h2>" + "".join(speeches)),
        ("Scanned", html("Scanned", scanned)), ("Deutsch", html("Deutsch", german)), ("Cut", html("Cut", cut)),
        ("Middle", html("Middle", "and then " + story(11))), ("Fine", html("Fine", story(12))),
    ])  # fmt: skip
    assert reasons(found(tmp_path / "out", path)) == {
        "Song": "verse", "Scene": "play", "Scanned": "damaged text", "Deutsch": "not in language en",
        "Cut": "incomplete", "Middle": "incomplete", "Fine": None,
    }  # fmt: skip
    assert reasons(found(tmp_path / "de", path, rules=Rules(language="de")))["Deutsch"] is None


def test_near_duplicates_and_what_is_excluded(tmp_path: Path) -> None:
    changed = re.sub(r"(?<=\w)\. ", "! ", story(1)).upper()
    one = make_epub(tmp_path / "a.epub", [("Ash", html("Ash", story(1))), ("Birch", html("Birch", story(2)))])
    other = make_epub(tmp_path / "b.epub", [("Again", html("Again", changed)), ("Cedar", html("Cedar", story(3)))])
    assert reasons(found(tmp_path / "out", one, other)) == {
        "Ash": None, "Birch": None, "Again": "near-duplicate of: a/ash", "Cedar": None,
    }  # fmt: skip
    prompt = "Write of a lamplighter who refuses to light the last lamp on the quay. It should be 900 words long."
    holds = make_epub(tmp_path / "c.epub", [
        ("Prompted", html("Prompted", prompt.split(" It")[0] + "\n\n" + story(4))), ("Free", html("Free", story(5))),
    ])  # fmt: skip
    test = write_jsonl(tmp_path / "test.jsonl", [{"prompt": prompt}, {"prompt": "Write.", "story": story(2)}])
    assert reasons(found(tmp_path / "ex", one, holds, exclude=(test,))) == {
        "Ash": None, "Birch": "near a text of test.jsonl", "Prompted": "near a prompt of test.jsonl", "Free": None,
    }  # fmt: skip
    assert sketch("The rope, the ROPE.").jaccard(sketch("the rope\nthe rope")) == 1.0


def test_the_official_test_prompts_are_kept_out(tmp_path: Path) -> None:
    prompt = "Write of a lamplighter who refuses to light the last lamp on the quay."
    row = {"uid": "t1", "prompt": f"{prompt} It should be approximately 900 words long.", "target_word_count": 900}
    (tmp_path / "hub").mkdir()
    write_jsonl(tmp_path / "hub" / "test.jsonl", [row])
    book = make_epub(tmp_path / "b.epub", [("A", html("A", prompt + "\n\n" + story(1))), ("B", html("B", story(2)))])
    result = build(book, "--out", tmp_path / "out", "--data-dir", tmp_path / "hub")
    assert result.exit_code == 0, result.output
    assert "near a prompt of the official test set" in result.output
    absent = build(book, "--out", tmp_path / "no", "--data-dir", tmp_path / "none")
    assert absent.exit_code == 2
    assert "no such folder" in absent.output


def test_plain_text_markdown_and_rows(tmp_path: Path) -> None:
    def wrapped(text: str) -> str:
        import textwrap

        return "\n\n".join(textwrap.fill(part, 72) for part in text.split("\n\n"))

    gutenberg = (
        "The Project Gutenberg eBook of Pieces\n\nTitle: Pieces\nAuthor: A. Writer\nLanguage: English\n\n"
        "*** START OF THE PROJECT GUTENBERG EBOOK PIECES ***\n\n\n\nPIECES\n\nBy A. Writer\n\n\n\nCONTENTS\n\n"
        "  The Ferry ..... 1\n  A Slow Orchard ..... 9\n\n\n\n\n"
        f"THE FERRY\n\n\n{wrapped(story(1))}\n\n\n\n\nA SLOW ORCHARD\n\n\n{wrapped(story(2))}\n\n\n"
        "*** END OF THE PROJECT GUTENBERG EBOOK PIECES ***\n\nSection 1. General terms of use of this licence.\n"
    )
    (tmp_path / "pieces.txt").write_text(gutenberg, encoding="utf-8")
    read = found(tmp_path / "txt", tmp_path / "pieces.txt")
    assert {c.title: c.reason for c in read if c.reason is None} == {"THE FERRY": None, "A SLOW ORCHARD": None}
    ferry = next(c for c in read if c.title == "THE FERRY")
    assert ferry.text == story(1)
    assert ferry.author == "A. Writer"
    assert not any("General terms" in c.text for c in read)

    (tmp_path / "mine.md").write_text(
        f"---\ntitle: Mine\nauthor: Me\nlicence: CC BY 4.0\n---\n\n# Mine\n\n## The *Ferry*\n\n{story(3)}\n\n"
        f"## Rain\n\n{story(4)}\n\n---\n\nIt stopped.\n", encoding="utf-8"
    )  # fmt: skip
    read = found(tmp_path / "md", tmp_path / "mine.md")
    assert reasons(read) == {"The Ferry": None, "Rain": None}
    assert read[0].licence == "CC BY 4.0" and read[1].text.endswith("\n\n* * *\n\nIt stopped.")

    rows = [{"story": story(5), "title": "Row", "book": "anthology", "licence": "own"}, {"text": story(6)}]
    read = found(tmp_path / "rows", write_jsonl(tmp_path / "rows.jsonl", rows))
    assert [(c.book, c.title, c.reason, c.text) for c in read] == [
        ("anthology", "Row", None, story(5)), ("rows", "story 2", None, story(6)),
    ]  # fmt: skip


def test_encodings(tmp_path: Path) -> None:
    text = "“Café,” said the pilot — and left.\n" * 30
    for encoding in ("utf-8", "utf-8-sig", "utf-16", "cp1252"):
        path = tmp_path / f"{encoding}.txt"
        path.write_bytes(text.encode(encoding))
        assert decode(path)[0] == text, encoding
    mixed = tmp_path / "mixed.txt"
    mixed.write_bytes(text.encode("utf-8") + text.encode("cp1252"))
    assert decode(mixed)[0] == text + text
    assert "mixed encodings: 30 lines" in decode(mixed)[1][0]
    assert noise("The cafÃ© and the harbourâ€™s rope w4s c0unted") > 0.3
    assert noise(PROSE) == 0


@given(st.text(max_size=400))
@example("\xad")
def test_any_text_can_be_read(text: str) -> None:
    blocks = list(text_blocks(text.replace("\r", "\n")))
    assert all(block.text.strip() for block in blocks)


def test_the_review_file_is_what_counts(tmp_path: Path) -> None:
    book = make_epub(tmp_path / "b.epub", [(t, html(t, story(i, 1100 if i else 300))) for i, t in enumerate(
        ["Short", "Ash", "Birch", "Cedar"])])  # fmt: skip
    review = tmp_path / "out" / "review.csv"
    found(tmp_path / "out", book)
    text = review.read_text(encoding="utf-8-sig")
    lines = text.splitlines()
    assert lines[0] == "keep,reason,words,book,title,first,last,id"
    edited = [
        lines[0],
        lines[1].replace("no,", "yes,"),
        lines[2].replace("yes,", "no,"),
        lines[3].replace(",Birch,", ",III!,"),
    ]
    review.write_text("\n".join(edited) + "\n", encoding="utf-8")  # the fourth line is gone
    assert reasons(found(tmp_path / "out", book)) == {
        "Short": None, "Ash": "dropped by hand", "III!": None, "Cedar": "dropped by hand",
    }  # fmt: skip
    for wrong, said in (
        (text.replace("yes,", "perhaps,", 1), "line 3: keep must be yes or no, not 'perhaps'"),
        (text.replace("b/birch", "b/brich"), "there is no piece 'b/brich'"),
        (text + lines[2] + "\n", "is listed twice"),
        (text.replace("keep,", "Behalten,", 1), "the columns keep are missing"),
    ):
        review.write_text(wrong, encoding="utf-8")
        result = build(book, "--out", tmp_path / "out", "--no-test-prompts")
        assert result.exit_code == 2 and said in result.output, result.output
    review.write_text(text.replace(",", ";"), encoding="utf-8-sig")  # as some spreadsheets save it
    assert sum(c.reason is None for c in found(tmp_path / "out", book)) == 3
    review.unlink()
    assert reasons(found(tmp_path / "out", book))["Birch"] is None


def test_mistakes_are_one_line(tmp_path: Path) -> None:
    good = make_epub(tmp_path / "good.epub", [("A", html("A", story(1))), ("B", html("B", story(2)))])
    (tmp_path / "empty").mkdir()
    (tmp_path / "book.pdf").write_bytes(b"%PDF")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.doc").write_text("mine")
    (tmp_path / "bad.jsonl").write_text('{"title": "no story"}\n')
    common = ("--no-test-prompts", "--out", tmp_path / "out")
    for args, said in (
        ((tmp_path / "empty", *common), "the folder holds no books"),
        ((tmp_path / "none.epub", *common), "no such file or folder"),
        ((tmp_path / "book.pdf", *common), "books are read from .epub"),
        ((good, "--no-test-prompts", "--out", tmp_path / "full"), "exists, and holds no build"),
        ((tmp_path / "bad.jsonl", *common), "line 1: has no story"),
        ((good, *common, "--min-words", 9, "--max-words", 3), "--min-words 9 is more than --max-words 3"),
        ((good, *common, "--plan"), "name it with --model"),
        ((good, *common, "--licence", "other=CC0"), "no such book"),
    ):
        result = build(*args)
        assert result.exit_code == 2, result.output
        assert said in result.output, result.output
        assert "Traceback" not in result.output
    assert build(good, *common).exit_code == 0
    changed = build(good, *common, "--min-words", 500)
    assert changed.exit_code == 2 and "was built with other rules" in changed.output


def test_books_that_cannot_be_read_are_told_and_the_others_are_read(tmp_path: Path) -> None:
    good = make_epub(tmp_path / "good.epub", [("A", html("A", story(1))), ("B", html("B", story(2)))])
    books = tmp_path / "books"
    books.mkdir()
    whole = good.read_bytes()
    (books / "broken.epub").write_bytes(whole[: len(whole) // 2])
    (books / "text.epub").write_text("no zip")
    with zipfile.ZipFile(books / "noopf.epub", "w") as archive:
        archive.writestr("META-INF/container.xml", "<container/>")
    for name, entry, text in (
        ("drm", "META-INF/encryption.xml",
         '<encryption><EncryptedData><EncryptionMethod Algorithm="http://www.w3.org/2001/04/xmlenc#aes128-cbc"/>'
         "</EncryptedData></encryption>"),
        ("lcp", "META-INF/license.lcpl", "{}"),
        ("fonts", "META-INF/encryption.xml", "<encryption><EncryptedData>"
         '<EncryptionMethod Algorithm="http://www.idpf.org/2008/embedding"/></EncryptedData></encryption>'),
    ):  # fmt: skip
        (books / f"{name}.epub").write_bytes(whole)
        with zipfile.ZipFile(books / f"{name}.epub", "a") as archive:
            archive.writestr(entry, text)
    (books / "blank.txt").write_text("  \n\n")
    (books / "zeros.txt").write_bytes(b"\xff\x00\x81" * 50)
    result = build(books, "--no-test-prompts", "--out", tmp_path / "out")
    assert result.exit_code == 0, result.output
    said = " ".join(result.output.split())
    for name, why in (("broken", "is not an EPUB, or broken"), ("text", "is not an EPUB, or broken"),
                      ("noopf", "the EPUB is broken"), ("drm", "is locked by DRM"), ("lcp", "is locked by DRM"),
                      ("blank", "the file is empty"), ("zeros", "is not a text file")):  # fmt: skip
        assert f"{name}.{'txt' if name in ('blank', 'zeros') else 'epub'}: {why}" in said, said
    assert "2 kept" in said  # of the book that only scrambles its fonts
    only = build(books / "drm.epub", "--no-test-prompts", "--out", tmp_path / "two")
    assert only.exit_code == 2 and "is locked by DRM" in only.output
    assert [piece.title for piece in pieces(read_epub(books / "fonts.epub", "x"))] == ["A", "B"]


@pytest.mark.slow
def test_many_books_are_read_by_several_processes_in_order(tmp_path: Path) -> None:
    for i in range(6):
        (tmp_path / f"{i}.md").write_text(
            f"# Ash\n\n{story(2 * i)}\n\n# Birch\n\n{story(2 * i + 1)}\n", encoding="utf-8"
        )
    read = found(tmp_path / "out", tmp_path)
    assert [(c.id, c.reason) for c in read] == [(f"{i}/{t}", None) for i in range(6) for t in ("ash", "birch")]
    alone = examine(tmp_path / "3.md", "3", Rules()).candidates
    assert list(alone) == read[6:8]


PACKAGE = """<package xmlns="http://www.idpf.org/2007/opf" version="3.0"><metadata
xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:title>Pieces</dc:title></metadata><manifest>
<item id="n" href="n.xhtml" media-type="application/xhtml+xml" properties="nav"/>
<item id="p" href="p.xhtml" media-type="application/xhtml+xml"/></manifest>
<spine><itemref idref="p"/></spine></package>"""
CONTAINER = """<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles>
<rootfile full-path="c.opf" media-type="application/oebps-package+xml"/></rootfiles></container>"""


def page(path: Path, body: str, toc: Sequence[tuple[str, str]] = ()) -> Path:
    """An EPUB of one page, exactly as given, with a table of contents."""
    links = "".join(f'<li><a href="p.xhtml{anchor}">{title}</a></li>' for title, anchor in toc)
    head = '<html xmlns="http://www.w3.org/1999/xhtml" xmlns:epub="http://www.idpf.org/2007/ops"><body>'
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("META-INF/container.xml", CONTAINER)
        archive.writestr("c.opf", PACKAGE)
        archive.writestr("n.xhtml", f'{head}<nav epub:type="toc"><ol>{links}</ol></nav></body></html>')
        archive.writestr("p.xhtml", f"{head}{body}</body></html>" if body else "")
    return path


def kept_text(folder: Path, path: Path, title: str = "Pieces") -> str:
    (one,) = [c for c in found(folder, path) if c.title == title]
    assert one.reason is None
    return one.text


def test_anchors_between_blocks_begin_stories(tmp_path: Path) -> None:
    body = f'<a id="s1"></a>{html("The Ferry", story(1))}<a name="s2"></a>{html("Rain", story(2))}'
    book = page(tmp_path / "b.epub", body, [("The Ferry", "#s1"), ("Rain", "#s2")])
    assert [(c.title, c.text) for c in found(tmp_path / "out", book)] == [("The Ferry", story(1)), ("Rain", story(2))]
    lost = page(tmp_path / "c.epub", body, [("The Ferry", "#s1"), ("Rain", "#nowhere")])
    notes = collect(Request((lost,), tmp_path / "lost", Rules(), test_prompts=False), lambda f, _: f)[0].notes
    assert "1 lines of the table of contents lead to no place" in notes[0]


def test_markup_that_is_not_well_formed_loses_nothing(tmp_path: Path) -> None:
    parts = story(1).split("\n\n")
    loose = "".join(f"<p>{part}<hr>" if i % 3 == 0 else f"<p><img src=x>{part}" for i, part in enumerate(parts))
    text = kept_text(tmp_path / "out", page(tmp_path / "b.epub", loose.replace("the", "the&nbsp;", 1)))
    assert text.replace("* * *\n\n", "").split() == story(1).split()
    broken = page(tmp_path / "empty.epub", "")
    deep = page(tmp_path / "deep.epub", "<div>" * 5000 + "x" + "</div>" * 5000)
    result = build(broken, deep, tmp_path / "b.epub", "--no-test-prompts", "--out", tmp_path / "three")
    assert result.exit_code == 0, result.output
    assert "empty.epub: the EPUB holds no text" in result.output
    assert "deep.epub" in result.output and "1 kept" in result.output


def test_notes_and_page_numbers_are_no_part_of_a_story(tmp_path: Path) -> None:
    one, *rest = story(1).split("\n\n")
    body = (
        f'<p>One morning <span class="pagenum">[Pg 12]</span>he went<a epub:type="noteref" href="#n1">1</a> away.'
        f'<sup><a href="#n2">13</a></sup> It was <a href="#x">1912</a> in May.</p><p>{one}</p>'
        f'<span epub:type="pagebreak">14</span>{html("", chr(10).join(rest))[9:]}'
        '<aside epub:type="footnote" id="n1"><p>1. A note by the editor.</p></aside>'
    )
    text = kept_text(tmp_path / "out", page(tmp_path / "b.epub", body))
    assert text.startswith("One morning he went away. It was 1912 in May.")
    assert "editor" not in text and "Pg 12" not in text and "14" not in text.split()


def test_prose_with_line_breaks_is_no_verse(tmp_path: Path) -> None:
    body = f"<p>{story(1).replace(chr(10) * 2, '<br/><br/>')}</p>"
    assert kept_text(tmp_path / "out", page(tmp_path / "b.epub", body)) == story(1)
    rows = write_jsonl(tmp_path / "r.jsonl", [{"story": story(2).replace(". ", ".\n").replace("\n\n", "\n")}])
    assert [c.reason for c in found(tmp_path / "rows", rows)] == [None]


def test_titles_that_only_look_like_parts(tmp_path: Path) -> None:
    path = tmp_path / "b.md"
    titles = ["The Ferry", "The Last Letter", "One Night", "Civil", "Five"]
    path.write_text("# My Book\n\n" + "".join(f"## {t}\n\n{story(i)}\n\n" for i, t in enumerate(titles))
                    + "# About the Author\n\nHe wrote.\n", encoding="utf-8")  # fmt: skip
    assert reasons(found(tmp_path / "out", path)) == {
        **dict.fromkeys(titles, None), "About the Author": "front or back matter"
    }  # fmt: skip
    path.write_text("".join(f"# {t}\n\n{story(i, 1500)}\n\n" for i, t in enumerate(["One", "Two", "Three"])))
    assert list(reasons(found(tmp_path / "parts", path)).values()) == ["over 4000 words"]
    path.write_text(f"---\n\n{story(8)}\n\n---\n\nIt ended.\n", encoding="utf-8")
    (scene,) = found(tmp_path / "scene", path)
    assert story(8) in scene.text


def test_parts_of_a_story_are_near_duplicates_of_it(tmp_path: Path) -> None:
    whole = story(1, 3500)
    part = "\n\n".join(whole.split("\n\n")[10:36])
    rows = write_jsonl(tmp_path / "r.jsonl", [{"title": "Whole", "story": whole}, {"title": "Part", "story": part}])
    assert reasons(found(tmp_path / "out", rows)) == {"Whole": None, "Part": "near-duplicate of: r/whole"}
    (tmp_path / "book.txt").write_text("\n\n".join(story(i) for i in (5, 6, 7)), encoding="utf-8")
    own = write_jsonl(
        tmp_path / "own.jsonl", [{"title": "Sixth", "story": story(6)}, {"title": "Ninth", "story": story(9)}]
    )
    assert reasons(found(tmp_path / "ex", own, exclude=(tmp_path / "book.txt",))) == {
        "Sixth": "near a text of book.txt", "Ninth": None
    }  # fmt: skip
    # nobody keeps both, and nobody keeps what is excluded
    for folder, title, said in (("out", "part", "keep one of them"), ("ex", "sixth", "must not be trained on")):
        review = tmp_path / folder / "review.csv"
        review.write_text(re.sub(rf"(?m)^no,(.*/{title})$", r"yes,\1", review.read_text(encoding="utf-8-sig")))
        source, more = (rows, ()) if folder == "out" else (own, ("--exclude", tmp_path / "book.txt"))
        result = build(source, "--no-test-prompts", "--out", tmp_path / folder, *more)
        assert result.exit_code == 2 and said in result.output, result.output


def test_nothing_of_the_users_is_overwritten(tmp_path: Path) -> None:
    rows = [{"title": "Mine", "story": story(1), "own": "field"}, {"title": "Too", "story": story(2)}]
    (tmp_path / "work").mkdir()
    mine = write_jsonl(tmp_path / "work" / "stories.jsonl", rows)
    before = mine.read_bytes()
    result = build(mine, "--no-test-prompts", "--out", tmp_path / "work")
    assert result.exit_code == 2 and "which is written to" in result.output
    other = write_jsonl(tmp_path / "other.jsonl", rows)
    assert "exists, and holds no build" in build(other, "--no-test-prompts", "--out", tmp_path / "work").output
    assert mine.read_bytes() == before
    # a folder with the build in it is read without the build
    args = (tmp_path / "work", "--no-test-prompts", "--out", tmp_path / "work" / "pairs")
    assert build(*args).exit_code == 0
    again = build(*args)
    assert again.exit_code == 0 and "2 pieces, 2 kept" in again.output
    # a stop before the end is taken up
    saved = tmp_path / "work" / "pairs" / "build.json"
    saved.write_text(json.dumps({**json.loads(saved.read_text()), "whole": False}))
    assert build(*args).exit_code == 0
    saved.write_text("{")
    assert "cannot be read; name another folder" in build(*args).output


def test_odd_texts(tmp_path: Path) -> None:
    text = "À la señor, fête for £5 — Æsop’s père was “naïve”.\n" * 40
    (tmp_path / "western.txt").write_bytes(text.encode("cp1252"))
    assert decode(tmp_path / "western.txt") == (text, ("read as Windows-1252",))
    (tmp_path / "wide.txt").write_bytes(text.encode("utf-16-le"))
    assert "save it as UTF-8" in build(tmp_path / "wide.txt", "--no-test-prompts", "--out", tmp_path / "w").output
    rows = tmp_path / "odd.jsonl"
    rows.write_text("\ufeff" + json.dumps({"title": "Café \ud800", "story": story(1)}) + "\n", encoding="utf-8")
    assert build(rows, "--no-test-prompts", "--out", tmp_path / "odd").exit_code == 0
    review = tmp_path / "odd" / "review.csv"
    saved = review.read_text(encoding="utf-8-sig").replace("\ufffd", "").replace("…", "") + ",,,,,,,\n"
    review.write_bytes(saved.encode("cp1252"))
    assert build(rows, "--no-test-prompts", "--out", tmp_path / "odd").exit_code == 0
    wrong = build(rows, "--no-test-prompts", "--out", tmp_path / "x", "--language", "english")
    assert wrong.exit_code == 2 and "unknown ISO 639-1 code" in wrong.output

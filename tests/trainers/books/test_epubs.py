"""EPUB collections: frames between stories, summaries, notes, advertisements, and what a reader is not shown."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

pytest.importorskip("ebooklib", reason="needs the extra data")

from samples import story

from polaris_eval.harness.errors import UserError
from polaris_eval.trainers.books.filters import Rules, reason_to_drop, story_text
from polaris_eval.trainers.books.reading.epub import read_epub
from polaris_eval.trainers.books.reading.split import Piece, pieces

CONTAINER = """<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles>
<rootfile full-path="c.opf" media-type="application/oebps-package+xml"/></rootfiles></container>"""
HEAD = '<html xmlns="http://www.w3.org/1999/xhtml" xmlns:epub="http://www.idpf.org/2007/ops"><body>'


def book(path: Path, pages: dict[str, str], toc: str, css: str = "", beside: tuple[str, ...] = ()) -> Path:
    """An EPUB of these pages, with a table of contents in HTML; pages `beside` are not in reading order."""
    items = "".join(f'<item id="{n}" href="{n}.xhtml" media-type="application/xhtml+xml"/>' for n in pages)
    linear = {name: ' linear="no"' if name in beside else "" for name in pages}
    spine = "".join(f'<itemref idref="{name}"{linear[name]}/>' for name in pages)
    package = (
        '<package xmlns="http://www.idpf.org/2007/opf" version="3.0">'
        '<metadata xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:title>Tales</dc:title></metadata>'
        '<manifest><item id="nav" href="nav.xhtml" media-type="application/xhtml+xml" properties="nav"/>'
        f'<item id="css" href="c.css" media-type="text/css"/>{items}</manifest><spine>{spine}</spine></package>'
    )
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("META-INF/container.xml", CONTAINER)
        archive.writestr("c.opf", package)
        archive.writestr("c.css", css)
        archive.writestr("nav.xhtml", f'{HEAD}<nav epub:type="toc"><ol>{toc}</ol></nav></body></html>')
        for name, body in pages.items():
            archive.writestr(f"{name}.xhtml", f"{HEAD}{body}</body></html>")
    return path


def p(text: str) -> str:
    return "".join(f"<p>{part}</p>" for part in text.split("\n\n"))


def kept(path: Path) -> dict[str, str]:
    """The pieces that are stories, by title."""
    found = {piece.title: (piece, story_text(piece.blocks)) for piece in pieces(read_epub(path, "b"))}
    return {
        title: text for title, (piece, text) in found.items() if reason_to_drop(piece, text, Rules(least=300)) is None
    }


def test_pictures_are_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cover of three hundred megabytes that packs well: the book is read, the picture is not."""
    plain = book(tmp_path / "b.epub", {"one": f"<h1>One</h1>{p(story(1))}"}, '<li><a href="one.xhtml">One</a></li>')
    with zipfile.ZipFile(plain) as old, zipfile.ZipFile(tmp_path / "c.epub", "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            text = old.read(name).decode()
            cover = '<item id="i" href="i.png" media-type="image/png"/></manifest>'
            new.writestr(name, text.replace("</manifest>", cover))
        with new.open("i.png", "w") as picture:
            for _ in range(300):
                picture.write(bytes(1_000_000))
    read: list[str] = []
    member = zipfile.ZipFile.read

    def noted(archive: zipfile.ZipFile, name: str, pwd: bytes | None = None) -> bytes:
        read.append(name)
        return member(archive, name, pwd)

    monkeypatch.setattr(zipfile.ZipFile, "read", noted)
    assert read_epub(tmp_path / "c.epub", "b").blocks == read_epub(plain, "b").blocks
    assert "one.xhtml" in read
    assert "i.png" not in read


@pytest.mark.parametrize("way", ["../secret.xhtml", "file://{}/secret.xhtml", "{}/secret.xhtml"])
def test_no_page_outside_the_archive_is_read(tmp_path: Path, way: str) -> None:
    (tmp_path / "secret.xhtml").write_text(f"{HEAD}{p('The password of the bank.')}</body></html>", encoding="utf-8")
    (tmp_path / "books").mkdir()
    plain = book(tmp_path / "b.epub", {"one": f"<h1>One</h1>{p(story(1))}"}, '<li><a href="one.xhtml">One</a></li>')
    added = f'<item id="x" href="{way.format(tmp_path)}" media-type="application/xhtml+xml"/></manifest>'
    with zipfile.ZipFile(plain) as old, zipfile.ZipFile(tmp_path / "books" / "c.epub", "w") as new:
        for name in old.namelist():
            text = old.read(name).decode().replace("</manifest>", added)
            new.writestr(name, text.replace("</spine>", '<itemref idref="x"/></spine>'))
    try:
        found = read_epub(tmp_path / "books" / "c.epub", "b")
    except UserError as error:
        assert "secret.xhtml" in str(error)
    else:
        assert "password" not in str(found)


def test_days_of_tales_with_summaries_and_a_frame(tmp_path: Path) -> None:
    """Each tale opens with a summary that tells its end; before the first and after the last of a day people talk."""
    days = {}
    for day in (1, 2):
        tales = "".join(
            f'<section id="d{day}t{n}"><header><h3>Tale {n} of day {day}</h3>'
            f'<p epub:type="bridgehead">How a clerk number {day}{n} was drowned in the end.</p></header>'
            f"{p(story(10 * day + n))}</section>"
            for n in (1, 2)
        )
        frame = p("“That was well told,” they said to one another, and talked of it. " * 60)
        days[f"day{day}"] = f'<section id="d{day}"><h2>Day {day}</h2>{frame}{tales}{frame}</section>'
    toc = "".join(
        f'<li><a href="day{day}.xhtml">Day {day}</a><ol>' + "".join(
            f'<li><a href="day{day}.xhtml#d{day}t{n}">Tale {n} of day {day}</a></li>' for n in (1, 2)) + "</ol></li>"
        for day in (1, 2)
    )  # fmt: skip
    found = kept(book(tmp_path / "b.epub", days, toc))
    assert found == {f"Tale {n} of day {day}": story(10 * day + n) for day in (1, 2) for n in (1, 2)}


def test_a_letter_within_a_story_keeps_its_head(tmp_path: Path) -> None:
    letter = (
        "<blockquote><header><p>King’s Head, May 3.</p></header><p>My dear Robert, I write in haste.</p></blockquote>"
    )
    parts = story(1).split("\n\n")
    page = "<h2>The Ferry</h2>" + "".join(f"<p>{part}</p>" + (letter if n == 2 else "") for n, part in enumerate(parts))
    toc = '<li><a href="a.xhtml">The Ferry</a></li><li><a href="b.xhtml">Rain</a></li>'
    found = kept(book(tmp_path / "b.epub", {"a": page, "b": f"<h2>Rain</h2>{p(story(2))}"}, toc))
    assert "King’s Head, May 3.\n\nMy dear Robert, I write in haste." in found["The Ferry"]


@pytest.mark.parametrize(
    ("tail", "beside"),
    [
        ("<h2>Notes</h2><p>1. A measure of oil, by the Harbour Book of 1802.</p>", ()),
        ("<p>1. A measure of oil, by the Harbour Book of 1802.</p>", ("z",)),
        ('<section epub:type="endnotes"><p>A measure of oil, by the Harbour Book of 1802.</p></section>', ()),
        ("<p>Sign up for our newsletter to hear of the Harbour Book of 1802.</p><p>Visit us.</p>", ()),
        ("<h2>Also by A. Nobody</h2><p>The Harbour Book of 1802</p>", ()),
        ("<p>Also by A. Nobody</p><p>The Harbour Book of 1802</p>", ()),
        ('<p hidden="hidden">The Harbour Book of 1802</p>', ()),
        ('<p style="display: none">The Harbour Book of 1802</p>', ()),
        ('<div class="boilerplate nobody-sees">The Harbour Book of 1802</div>', ()),
        ("<h1>Part Two</h1>", ()),
    ],
)
def test_what_stands_behind_the_last_story(tmp_path: Path, tail: str, beside: tuple[str, ...]) -> None:
    pages = {"a": f"<h2>The Ferry</h2>{p(story(1))}", "b": f"<h2>Rain</h2>{p(story(2))}", "z": tail}
    toc = '<li><a href="a.xhtml">The Ferry</a></li><li><a href="b.xhtml">Rain</a></li>'
    css = ".seen { color: red } .nobody-sees, .x { margin: 0; display:none; }"
    path = book(tmp_path / "b.epub", pages, toc, css, beside)
    assert kept(path) == {"The Ferry": story(1), "Rain": story(2)}


def test_what_stands_within_the_sentences(tmp_path: Path) -> None:
    told = (
        "<p>He read <ruby>漢字<rp>(</rp><rt>kanji</rt><rp>)</rp></ruby> aloud.<sup>4</sup> "
        "H<sub>2</sub>O and x<sup>2</sup> at 5<sup>th</sup> street.[3]</p>"
        "<p><a href='#n'>*</a> A note with its mark.</p>"
        '<div class="pullquote">He read aloud.</div>'
    )
    pages = {"a": f"<h2>The Ferry</h2>{told}{p(story(1))}", "b": f"<h2>Rain</h2>{p(story(2))}"}
    toc = '<li><a href="a.xhtml">The Ferry</a></li><li><a href="b.xhtml">Rain</a></li>'
    found = kept(book(tmp_path / "b.epub", pages, toc))
    assert found["The Ferry"] == f"He read 漢字 aloud. H2O and x2 at 5th street.\n\n{story(1)}"


def test_a_piece_between_stories_is_shown_as_what_it_is(tmp_path: Path) -> None:
    """No word of a book is lost unseen: what is cut off stands in the review as front or back matter."""
    pages = {"a": f'<section id="s"><h2>The Ferry</h2>{p(story(1))}</section>{p("And so the day ended. " * 80)}',
             "b": f"<h2>Rain</h2>{p(story(2))}"}  # fmt: skip
    toc = '<li><a href="a.xhtml#s">The Ferry</a></li><li><a href="b.xhtml">Rain</a></li>'
    found: list[Piece] = pieces(read_epub(book(tmp_path / "b.epub", pages, toc), "b"))
    assert [piece.title for piece in found] == ["The Ferry", "after The Ferry", "Rain"]
    assert all(block.frame for block in found[1].blocks)


@pytest.mark.parametrize(
    "body",
    [
        f'<section id="s"><h2>The Ferry</h2>{p(story(1))}</section><section><h3>II</h3>{p(story(3))}</section>',
        f'<div id="s"><h2>The Ferry</h2></div>{p(story(1))}<h3>II</h3>{p(story(3))}',
    ],
    ids=["a section a part", "a section for the title"],
)
def test_a_section_that_is_not_the_whole_story(tmp_path: Path, body: str) -> None:
    toc = '<li><a href="a.xhtml#s">The Ferry</a></li><li><a href="b.xhtml">Rain</a></li>'
    found = kept(book(tmp_path / "b.epub", {"a": body, "b": f"<h2>Rain</h2>{p(story(2))}"}, toc))
    assert found["The Ferry"] == f"{story(1)}\n\nII\n\n{story(3)}"

"""Plain-text anthologies: where stories begin and end, and that nothing else stays in them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

pytest.importorskip("ebooklib", reason="needs the extra data")

from anthologies import SETTINGS, Setting, Tale, shuffled

from polaris_eval.trainers.books.filters import Rules, reason_to_drop, story_text
from polaris_eval.trainers.books.reading.apparatus import plain
from polaris_eval.trainers.books.reading.book import Block
from polaris_eval.trainers.books.reading.contents import title_key
from polaris_eval.trainers.books.reading.epub import read_epub
from polaris_eval.trainers.books.reading.paragraphs import text_blocks
from polaris_eval.trainers.books.reading.split import Piece, is_frame_title, pieces
from polaris_eval.trainers.books.reading.text import read_text

# words that a setting puts into each story, and that belong there
ADDED = {"numerals": "ii", "halves": "all is one old song"}


def words(text: str) -> list[str]:
    return re.findall(r"\w+", text.casefold())


@pytest.fixture(scope="module")
def tales(shared: Path) -> list[Tale]:
    """The stories of five collections that are neither very short nor very long."""
    found = []
    for path in sorted((shared / "books").glob("*.epub")):
        for piece in pieces(read_epub(path, path.stem)):
            text = story_text(piece.blocks)
            if not is_frame_title(piece.title) and 400 < len(text.split()) < 4500:
                found.append(Tale(piece.title, text))
    return found


@pytest.mark.slow
@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.__name__)
def test_anthologies_are_cut_as_they_were_put_together(setting: Setting, tales: list[Tale], tmp_path: Path) -> None:
    """Real stories in anthologies of fourteen, set in nine ways: each is found, whole, and nothing beside it."""
    right = asked = got = 0
    wrong: list[str] = []
    for anthology in shuffled(tales, 7, 14):
        path = tmp_path / "a.txt"
        path.write_text(setting(anthology), encoding="utf-8")
        stories = {}
        for piece in pieces(read_text(path, "a")):
            if not is_frame_title(piece.title) and any(not block.frame for block in piece.blocks):
                stories[title_key(piece.title)] = words(story_text(piece.blocks))
        asked, got = asked + len(anthology), got + len(stories)
        for tale in anthology:
            added = words(ADDED.get(setting.__name__, ""))
            found, whole = stories.get(title_key(tale.title)), words(tale.text)
            same = found is not None and sorted(found) == sorted([*whole, *added])
            right += same
            wrong += [] if same else [tale.title]
    assert right / asked > 0.98, wrong
    assert right / got > 0.98, wrong


def test_three_public_texts(shared: Path) -> None:
    """Every story that their lists of contents name, under its own title; the four legends are one work of parts."""
    russian = pieces(read_text(shared / "books_txt" / "Best-Russian-Short-Stories_13437.txt", "b"))
    assert [piece.title for piece in russian] == [
        "INTRODUCTION", "THE QUEEN OF SPADES", "THE CLOAK", "THE DISTRICT DOCTOR", "THE CHRISTMAS TREE AND THE WEDDING",
        "GOD SEES THE TRUTH, BUT WAITS", "HOW A MUZHIK FED TWO OFFICIALS", "THE SHADES, A PHANTASY", "THE SIGNAL",
        "THE DARLING", "THE BET", "VANKA", "HIDE AND SEEK", "DETHRONED", "THE SERVANT", "ONE AUTUMN NIGHT", "HER LOVER",
        "LAZARUS", "THE REVOLUTIONIST", "THE OUTRAGE--A TRUE STORY",
    ]  # fmt: skip
    twice = pieces(read_text(shared / "books_txt" / "Twice-Told-Tales_13707.txt", "b"))
    assert len(twice) == 36
    assert [piece.title for piece in twice][18:21] == [
        "DR. HEIDEGGER'S EXPERIMENT", "LEGENDS OF THE PROVINCE-HOUSE", "THE HAUNTED MIND",
    ]  # fmt: skip
    (magi,) = pieces(read_text(shared / "books_txt" / "The-Gift-of-the-Magi_7256.txt", "b"))
    for piece in (*russian, *twice, magi):
        text = story_text(piece.blocks)
        assert not re.search(r"\[(?:Footnote|Illustration|\d)|Gutenberg|Produced by|(?<!_)_\w", text), piece.title
        assert not re.match(r"(?:BY|by) [A-Z]", text), piece.title
    assert story_text(magi.blocks).startswith("One dollar and eighty-seven cents.")
    assert story_text(twice[7].blocks).startswith("Ding-dong!")
    assert story_text(twice[9].blocks).startswith("(SCENE, the corner of two principal streets, the TOWN-PUMP")


@pytest.mark.parametrize("name", ["etext_one_story", "modern_one_story"])
def test_the_frame_of_a_file(shared: Path, name: str) -> None:
    (piece,) = pieces(read_text(shared.parent / "cases" / "gutenberg_frame" / f"{name}.txt", "b"))
    assert len(story_text(piece.blocks).split()) == 2040


SMALL_PRINT = (
    "***START**THE SMALL PRINT!**FOR PUBLIC DOMAIN ETEXTS**START***\n\nWhy is this here? Lawyers.\n\n"
    "*END*THE SMALL PRINT! FOR PUBLIC DOMAIN ETEXTS*Ver.04.29.93*END*"
)


@pytest.mark.parametrize(
    ("before", "behind"),
    [
        (f"The Project Gutenberg Etext of The Lamp\n\n{SMALL_PRINT}", ""),
        ("The Project Gutenberg Etext of The Lamp\n\nRead this first.\n\nEtexts are made by volunteers.", ""),
        ("The Project Gutenberg eBook of The Lamp\n\nTitle: The Lamp\n\nProduced by A. Volunteer", SMALL_PRINT),
        ("*** START OF THIS PROJECT GUTENBERG EBOOK THE LAMP ***\n\nE-text prepared by A. Volunteer",
         "*** END OF THIS PROJECT GUTENBERG EBOOK THE LAMP ***\n\nUpdated editions will replace this one."),
        ("[Transcriber's Note: Spelling is\nthe author's.\n\nSo are commas.]",
         "End of Project Gutenberg's The Lamp\n\nDonate."),
        ("", "Transcriber's Notes\n\nA few errors were corrected.\n\nPage 3: teh."),
        ("", "The following typographical errors were corrected:\n\nteh the\n\nadn and"),
    ],
)  # fmt: skip
def test_what_stands_around_a_story(tmp_path: Path, before: str, behind: str) -> None:
    story = "The clerk wrote the number down.\n\n“Nobody will ask,” she said.\n\nThe lamp hissed, and he went home."
    path = tmp_path / "lamp.txt"
    path.write_text(f"{before}\n\n\n\nTHE LAMP\n\n\n{story}\n\n\n{behind}\n", encoding="utf-8")
    (piece,) = pieces(read_text(path, "b"))
    assert story_text(piece.blocks) == story


def test_line_ends_and_signs(shared: Path) -> None:
    (piece,) = pieces(read_text(shared.parent / "cases" / "txt_line_end_hyphens" / "features.txt", "b"))
    text = story_text(piece.blocks)
    for wrong in ("sister-in- ", "half- ", "-- and", "[", "_never_", "Footnote", "Illustration"):
        assert wrong not in text
    assert "sister-in-law" in text and "half-hearted" in text and "left--and" in text and "never" in text


@pytest.mark.parametrize("name", ["markup", "notes_heading", "notes_linear_no"])
def test_what_stands_behind_the_last_story_of_an_epub(shared: Path, name: str) -> None:
    found = pieces(read_epub(shared.parent / "cases" / "epub_tail_matter" / f"{name}.epub", "b"))
    river = next(piece for piece in found if piece.title == "The River")
    assert len(story_text(river.blocks).split()) == 1870
    lamp = story_text(found[0].blocks)
    assert not re.search(r"HIDDEN|kanji|\[3\]|two4|starred note|pulled quotation|Pg 12", lamp)
    if name == "markup":
        assert "He read 漢字 aloud." in lamp and "H2O at 5th street, the 2nd house" in lamp


@pytest.mark.parametrize(
    ("lines", "text"),
    [
        ("He went to the sister-in-\nlaw of his friend.", "He went to the sister-in-law of his friend."),
        ("We painted it. They pain-\nted it too.", "We painted it. They painted it too."),
        ("to-morrow is near; to-\nmorrow it is.", "to-morrow is near; to-morrow it is."),
        ("He left--\nand she stayed.", "He left--and she stayed."),
        ("He left\n--and she stayed.", "He left--and she stayed."),
        ("It was ex\u00ad\ntraordinary.", "It was extraordinary."),
        ("One line\nand another.", "One line and another."),
    ],
)
def test_wrapped_lines_are_joined(lines: str, text: str) -> None:
    assert [block.text for block in text_blocks(lines)] == [text]


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("A word[1] and one.[2] Or [*] so[A].", "A word and one. Or so."),
        ("He _never_ went, _not once_. Mr. ____ did.", "He never went, not once. Mr. ____ did."),
        ("A man² of three³ words.¹", "A man of three words."),
        ("He said “no”(3) and [I] left [T]his in [1904 or so].", "He said “no” and [I] left [T]his in [1904 or so]."),
        ("snake_case and f_x_y stay", "snake_case and f_x_y stay"),
    ],
)  # fmt: skip
def test_signs_of_notes_and_italics(text: str, left: str) -> None:
    assert plain(text) == left


def whole(*blocks: str | Block) -> str | None:
    made = [block if isinstance(block, Block) else Block("text", block) for block in blocks]
    filler = [Block("text", "The clerk wrote the number down, and nobody asked him for whom it was kept. " * 60)]
    text = story_text([*made[:1], *filler, *made[1:]])
    return reason_to_drop(Piece("The Lamp", (*made[:1], *filler, *made[1:])), text, Rules(least=100))


@pytest.mark.parametrize(
    ("first", "last", "reason"),
    [
        ("—and then he was gone.", ["He never came back."], None),
        ("…so it began.", ["He never came back."], None),
        (Block("verse", "et in arcadia\nego"), ["He never came back."], None),
        ("to my mother", ["He never came back."], None),
        ("and then the rain fell over all the houses of the town.", ["He never came back."], "incomplete"),
        ("It began.", ["Believe me, dear Sir, yours very truly,", "JOHN FERRIER", "Paris, 3 May 1890"], None),
        ("It began.", ["I shall not write again.", "Yours very truly,", "JOHN FERRIER", "Paris, 3 May 1890"], None),
        ("It began.", ["He went on", "[Here the manuscript ends.]"], "incomplete"),
        ("It began.", ["He went on.", "[Here the manuscript ends.]"], "incomplete"),
        ("It began.", ["He went on.", "(The rest of the letter is missing.)"], "incomplete"),
        ("It began.", ["He went on because"], "incomplete"),
        ("It began.", ["He went on.", "To be continued"], "incomplete"),
    ],
)
def test_whole_stories_and_pieces_of_them(first: str | Block, last: list[str], reason: str | None) -> None:
    assert whole(first, *last) == reason


def test_talk_within_a_story_is_no_play() -> None:
    talk = [Block("text", f"{who}. I would not count the ropes twice.") for who in ["MARA", "PILOT"] * 20]
    prose = [Block("text", "The clerk wrote the number down, and nobody asked him for whom it was kept. " * 4)] * 30
    text = story_text([*prose, *talk, *prose])
    assert reason_to_drop(Piece("The Lamp", (*prose, *talk, *prose)), text, Rules(least=100)) is None
    assert reason_to_drop(Piece("The Lamp", tuple(talk * 3)), story_text(talk * 3), Rules(least=100)) == "play"

"""The review as a page, in a real browser; and what the datasheet says."""

from __future__ import annotations

import csv
import json
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("ebooklib", reason="needs the extra data")

from click.testing import CliRunner
from conftest import write_jsonl
from samples import story

from polaris_eval.harness.errors import UserError
from polaris_eval.trainers.books.datasheet import lix, same_works
from polaris_eval.trainers.books.output import works_together
from polaris_eval.trainers.books.page.server import make_server
from polaris_eval.trainers.books.sources import Candidate
from polaris_eval.trainers.cli.root import main


@pytest.fixture
def built(tmp_path: Path) -> Path:
    """Five pieces: three kept, one too short, one nearly the same as the first."""
    parts = story(1, 1500).split("\n\n")
    rows = [
        {"title": "Ash <b>bold</b>", "story": story(1, 1500), "book": "one"},
        {"title": "Birch", "story": story(2), "book": "one"},
        {"title": "Short", "story": story(3, 200), "book": "one"},
        {"title": "Cedar", "story": story(4), "book": "two"},
        {"title": "Ash again", "story": "\n\n".join(parts[: len(parts) * 3 // 4]), "book": "two"},
    ]
    write_jsonl(tmp_path / "rows.jsonl", rows)
    args = ["pairs", "build", str(tmp_path / "rows.jsonl"), "--out", str(tmp_path / "pairs"), "--no-test-prompts"]
    result = CliRunner().invoke(main, args)
    assert result.exit_code == 0, result.output
    return tmp_path / "pairs"


@pytest.fixture
def served(built: Path) -> Iterator[str]:
    server = make_server(built, 0)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def kept(built: Path) -> dict[str, str]:
    with (built / "review.csv").open(encoding="utf-8-sig", newline="") as file:
        return {row["title"]: row["keep"] for row in csv.DictReader(file)}


def test_a_review_in_a_browser(built: Path, served: str, browser: Any) -> None:
    wrong: list[str] = []
    page = browser.new_context().new_page()
    page.on("console", lambda message: wrong.append(message.text))
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.goto(served)
    assert page.inner_text("#count") == "3 of 5 pieces are kept; 5 are shown."
    assert page.locator("article h2").first.inner_text() == "Ash <b>bold</b>"
    page.select_option("#kind", "under 1000 words")
    assert page.locator("article:visible h2").all_inner_texts() == ["Short"]
    page.locator("article:visible input[type=checkbox]").check()
    page.wait_for_selector("#saved:has-text('kept, and written')")
    assert kept(built)["Short"] == "yes"
    page.select_option("#kind", "")
    page.select_option("#book", "two")
    assert page.locator("article:visible h2").all_inner_texts() == ["Cedar", "Ash again"]
    page.locator("article:visible", has_text="Cedar").locator("input").uncheck()
    page.wait_for_selector("#saved:has-text('dropped, and written')")
    assert kept(built)["Cedar"] == "no"
    again = page.locator("article:visible", has_text="Ash again")
    again.locator("input").click()
    page.wait_for_selector("#saved.bad")
    assert "nearly the same; keep one of them" in page.inner_text("#saved")
    assert not again.locator("input").is_checked()
    assert kept(built)["Ash again"] == "no"
    wrong = [text for text in wrong if "409" not in text]  # the browser tells of the refusal, too
    page.select_option("#book", "")
    page.fill("#search", "birch")
    page.locator("article:visible summary").click()
    page.wait_for_selector("article:visible .text")
    assert page.inner_text("article:visible .text").split() == story(2).split()
    assert wrong == []
    result = CliRunner().invoke(main, ["pairs", "build", str(built.parent / "rows.jsonl"), "--out", str(built),
                                       "--no-test-prompts"])  # fmt: skip
    assert "5 pieces, 3 kept" in result.output


def test_only_decisions_of_this_page_are_taken(built: Path, served: str) -> None:
    def post(body: str, kind: str = "application/json", **headers: str) -> int:
        request = urllib.request.Request(f"{served}/keep", body.encode(), {"Content-Type": kind, **headers})
        try:
            with urllib.request.urlopen(request) as reply:
                return int(reply.status)
        except urllib.error.HTTPError as error:
            return error.code

    good = json.dumps({"id": "one/birch", "keep": False, "title": "Birch"})
    before = kept(built)
    assert post(good, kind="text/plain") == 400
    assert post(good, Host="elsewhere.example") == 400
    assert post("{") == post('{"id": "one/none", "keep": true, "title": ""}') == 400
    assert kept(built) == before
    assert post(good) == 200
    assert kept(built)["Birch"] == "no"
    (built / "review.csv").write_text("keep,title\n", encoding="utf-8")
    assert post(good) == 409, "a file that somebody broke meanwhile is not written over"
    with pytest.raises(UserError, match="no finished build"):
        make_server(built.parent, 0)


def candidate(key: str, title: str, author: str = "") -> Candidate:
    return Candidate(f"{key}/{title}", key, title, author, "", "", "", 1000)


def test_translations_of_one_story_stay_on_one_side() -> None:
    """By title, and by author where both are known; a title of one word may be anybody's."""
    told = [
        candidate("a", "The Queen of Spades", "Alexander Pushkin"),
        candidate("b", "THE QUEEN-OF SPADES.", "A. S. Pushkin"),
        candidate("c", "The Ghost", "M. Oliphant"),
        candidate("d", "The Ghost", "R. Middleton"),
        candidate("e", "Vanka"),
        candidate("f", "Vanka"),
        candidate("g", "The Bet", ""),
        candidate("b", "The Bet", "Chekhov"),
    ]
    assert [[story.book for story in works] for works in same_works(told)] == [["a", "b"], ["g", "b"]]
    assert works_together(told) == {"a": "a", "b": "a", "g": "a"}


def test_lix_by_hand() -> None:
    """Eight words, two sentences, two words of over six letters: 4 + 25."""
    assert lix("The clerk counted ropes. Nobody asked him anything.") == pytest.approx(4 + 100 * 2 / 8)
    assert lix("…") == 0

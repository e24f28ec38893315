"""The forms in which people have their stories: pages, documents, rows, datasets, archives; and what is refused."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

pytest.importorskip("ebooklib", reason="needs the extra data")

import docx
import pyarrow as pa
from click.testing import CliRunner, Result
from datasets import Dataset, DatasetDict
from pyarrow import parquet
from samples import story

from polaris_eval.harness.errors import UserError
from polaris_eval.trainers.books.build import Request, collect
from polaris_eval.trainers.books.exclude import read_excluded
from polaris_eval.trainers.books.filters import Rules
from polaris_eval.trainers.books.near import sketch
from polaris_eval.trainers.books.sources import Candidate
from polaris_eval.trainers.cli.root import main
from polaris_eval.trainers.pairs import read_pairs


def found(folder: Path, *sources: Path) -> list[Candidate]:
    request = Request(sources, folder, Rules(), test_prompts=False)
    return list(collect(request, lambda f, _: f)[0].candidates)


def build(*args: object) -> Result:
    return CliRunner().invoke(main, ["pairs", "build", *map(str, args), "--no-test-prompts"])


def paragraphs(text: str) -> str:
    return "".join(f"<p>{part}</p>" for part in text.split("\n\n"))


def page(linked: bool = True) -> str:
    links = '<p><a href="#one">The Ferry</a><br><a href="#two">Rain</a></p>' if linked else ""
    return (
        "<html><head><meta charset=iso-8859-1><title>Two Tales</title><meta name=author content='A. Writer'></head>"
        f"<body><h1>Two Tales</h1>{links}<h2 id=one>The Ferry</h2>{paragraphs(story(1))}<h3>II</h3><p>Café.</p>"
        f"<h2 id=two>Rain</h2>{paragraphs(story(2))}</body></html>"
    )


@pytest.mark.parametrize("linked", [True, False])
def test_a_page_of_the_web(tmp_path: Path, linked: bool) -> None:
    path = tmp_path / "tales.htm"
    path.write_bytes(page(linked).encode("latin-1"))
    read = [c for c in found(tmp_path / "out", path) if c.reason is None]
    assert [(c.title, c.author) for c in read] == [("The Ferry", "A. Writer"), ("Rain", "A. Writer")]
    assert read[0].text == f"{story(1)}\n\nII\n\nCafé."
    assert read[1].text == story(2)


def test_a_word_document(tmp_path: Path) -> None:
    made = docx.Document()
    made.core_properties.author = "A. Writer"
    for title, number in (("The Ferry", 1), ("Rain", 2)):
        made.add_heading(title, level=1)
        for part in story(number).split("\n\n"):
            made.add_paragraph(part)
        made.add_paragraph("* * *")
        last = made.add_paragraph("It went on.")
        last.add_run("7").font.superscript = True
        last.add_run(" Seen by nobody.").font.hidden = True
    made.save(str(tmp_path / "tales.docx"))
    read = found(tmp_path / "out", tmp_path / "tales.docx")
    assert [(c.title, c.author, c.reason) for c in read] == [
        ("The Ferry", "A. Writer", None),
        ("Rain", "A. Writer", None),
    ]
    assert read[0].text == f"{story(1)}\n\n* * *\n\nIt went on."
    (tmp_path / "no.docx").write_text("no zip")
    result = build(tmp_path, "--out", tmp_path / "two")
    assert result.exit_code == 0, result.output
    assert "no.docx: is not a Word document, or broken" in " ".join(result.output.split())


def told(title: str, asked: str, number: int) -> dict[str, Any]:
    return {
        "title": title,
        "messages": [{"role": "user", "content": asked}, {"role": "assistant", "content": story(number)}],
    }


ROWS = [told("One", "Write of a ferry.", 1), told("Two", "Write of rain.", 2)]


def test_rows_of_parquet_of_messages_and_of_saved_datasets(tmp_path: Path) -> None:
    pd.DataFrame(ROWS).to_parquet(tmp_path / "m.parquet")
    Dataset.from_list([{"title": "Three", "text": story(3)}]).save_to_disk(str(tmp_path / "saved"))
    parts = {name: Dataset.from_list([{"title": title, "story": story(number)}])
             for name, title, number in (("a", "Four", 4), ("b", "Five", 5))}  # fmt: skip
    DatasetDict(parts).save_to_disk(str(tmp_path / "parts"))
    read = found(tmp_path / "out", tmp_path)
    assert {c.title: (c.reason, c.text) for c in read} == {
        name: (None, story(number)) for number, name in enumerate(["One", "Two", "Three", "Four", "Five"], 1)
    }
    again = found(tmp_path / "out", tmp_path)
    assert again == read, "taken up as it was left"


def test_pairs_of_messages_and_of_single_messages(tmp_path: Path) -> None:
    ask = {"role": "user", "content": "Write of a ferry."}
    for name, row in (
        ("messages", {"messages": [ask, {"role": "assistant", "content": story(1)}]}),
        ("struct", {"prompt": ask, "story": story(1)}),
        ("list", {"prompt": [ask], "story": story(1)}),
        ("text", {"prompt": ask["content"], "story": story(1)}),
    ):
        pd.DataFrame([row]).to_parquet(tmp_path / f"{name}.parquet")
        (read,) = read_pairs(str(tmp_path / f"{name}.parquet"))
        assert (read["prompt"], read["story"]) == ([ask], story(1)), name
        excluded = read_excluded([tmp_path / f"{name}.parquet"], test_prompts=False)
        assert excluded.story(sketch(story(1)), "")
    Dataset.from_list([{"prompt": "Write.", "story": story(2)}]).save_to_disk(str(tmp_path / "saved"))
    assert read_pairs(str(tmp_path / "saved"))[0]["story"] == story(2)


def test_an_archive_of_books(tmp_path: Path) -> None:
    path = tmp_path / "books.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("shelf/tales.htm", page().encode("latin-1"))
        archive.writestr("../../outside.txt", story(3))
        archive.writestr("broken.docx", "no zip")
        archive.writestr("notes.pdf", "%PDF")
        archive.writestr("rows.jsonl", json.dumps({"title": "Row", "story": story(4)}) + "\n")
    read = found(tmp_path / "out", path)
    assert {c.title for c in read if c.reason is None} == {"The Ferry", "Rain", "outside", "Row"}
    assert {c.path for c in read} == {
        f"{path}/{name}" for name in ("shelf/tales.htm", "../../outside.txt", "rows.jsonl")
    }
    assert sorted(p.name for p in tmp_path.rglob("*") if p.is_file() and "outside" in p.name) == []
    result = build(path, "--out", tmp_path / "two")
    assert "books.zip/broken.docx: is not a Word document" in " ".join(result.output.split())


def test_one_story_a_file(tmp_path: Path) -> None:
    for number in range(3):
        (tmp_path / "texts").mkdir(exist_ok=True)
        (tmp_path / "texts" / f"tale {number}.txt").write_text(story(number), encoding="utf-8")
    assert [(c.title, c.reason) for c in found(tmp_path / "out", tmp_path / "texts")] == [
        (f"tale {number}", None) for number in range(3)
    ]


def test_bombs_and_entities_are_one_line(tmp_path: Path) -> None:
    bomb = tmp_path / "bomb.zip"
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.txt", b"0" * 60_000_000)
    entity = '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]><x>&b;</x>'
    outside = '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><x>&a;</x>'
    for name, text in (("grows", entity), ("leads", outside)):
        with zipfile.ZipFile(tmp_path / f"{name}.epub", "w") as archive:
            archive.writestr("META-INF/container.xml", "<container/>")
            archive.writestr("p.xhtml", text)
    same = pa.DictionaryArray.from_arrays(pa.array([0] * 2000), pa.array([story(1) * 50]))
    parquet.write_table(pa.table({"prompt": ["Write."] * 2000, "story": same}), tmp_path / "same.parquet")
    said = pa.StructArray.from_arrays([pa.array(["assistant"] * 2000), same], ["role", "content"])
    lists = pa.ListArray.from_arrays(pa.array(range(2001)), said)
    parquet.write_table(pa.table({"messages": lists}), tmp_path / "deep.parquet")
    for name in ("same", "deep"):
        assert (tmp_path / f"{name}.parquet").stat().st_size < 100_000
        with pytest.raises(UserError, match="unpacks to more than 20 MB"):
            read_pairs(str(tmp_path / f"{name}.parquet"))
    for name, said in (("bomb.zip", "times its size are read"), ("grows.epub", "expanding or external XML entities"),
                       ("leads.epub", "expanding or external XML entities"),
                       ("same.parquet", "unpacks to more than")):  # fmt: skip
        result = build(tmp_path / name, "--out", tmp_path / "out")
        assert result.exit_code == 2
        lines = [line for line in result.output.splitlines() if line.strip()]
        assert said in " ".join(lines) and "Traceback" not in result.output

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from conftest import stories, write_jsonl

from polaris_eval.harness.errors import UserError
from polaris_eval.harness.logs.stories import fingerprint, read_stories

GOOD: dict[str, Any] = {"id": "a", "prompt": "p", "story": "s", "model": "m"}


def line(**changes: Any) -> str:
    return json.dumps({k: v for k, v in {**GOOD, **changes}.items() if v is not ...})


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (f"{line()}\n{{broken\n", "line 2: not JSON"),
        (f"{line()}\n\n[1]\n", "line 3: expected an object"),
        (line(story=..., prompt=...), "line 1: missing prompt, story"),
        (line(model=None), "line 1: missing model"),
        (f"{line()}\n{line(story='other')}", "line 2: the id 'a' of model 'm' was given before, in line 1"),
        (line(target_word=9), "unknown field 'target_word'"),
        (line(target_words=0), "target_words"),
        (line(target_words="many"), "target_words"),
        (line(story=5), '"story" must be a string'),
        (line(id=[1]), '"id"'),
        (line(model=" "), '"model" is empty'),
        (line(id="a\ud800"), "half of a character"),
        (line(target_words=10**22), "from 1 to 10,000,000"),
        (line(metadata=[]) + "\n" + line(id="b", metadata=[1]), "line 2"),
        ("", "holds no stories"),
        ("[" * 50_000, "not JSON"),
    ],
)
def test_a_broken_file_is_refused_by_line(tmp_path: Path, content: str, complaint: str) -> None:
    path = tmp_path / "stories.jsonl"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(UserError) as error:
        read_stories(path)
    assert complaint in str(error.value)
    assert "stories.jsonl" in str(error.value)


def test_invalid_utf8_is_named_by_line(tmp_path: Path) -> None:
    path = tmp_path / "stories.jsonl"
    path.write_bytes(f"{line()}\n".encode() + b'{"id": "\xff"}\n')
    with pytest.raises(UserError, match="line 2: not UTF-8"):
        read_stories(path)


def test_what_is_accepted(tmp_path: Path) -> None:
    path = tmp_path / "stories.jsonl"
    lines = [line(), line(id=7), line(model="n"), line(id="e", story=""), line(id="u", story="é\u2028x")]
    path.write_bytes(b"\xef\xbb\xbf" + "\r\n".join(lines).encode())
    found = read_stories(path)
    assert [(s.id, s.model) for s in found] == [("a", "m"), ("7", "m"), ("a", "n"), ("e", "m"), ("u", "m")]
    assert len({s.prompt_id for s in found}) == 1


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such file"):
        read_stories(tmp_path / "nope.jsonl")


def test_an_edited_file_is_another_one(tmp_path: Path) -> None:
    records = stories(2)
    before = fingerprint(read_stories(write_jsonl(tmp_path / "a.jsonl", records)))
    records[1]["story"] += "!"
    assert fingerprint(read_stories(write_jsonl(tmp_path / "a.jsonl", records))) != before


def test_no_prompt_id_is_no_cluster_named_none(tmp_path: Path) -> None:
    """Stories without one are clustered by their prompts' texts."""
    records = [
        {
            "id": str(i),
            "prompt": f"Prompt {i}.",
            "story": "x",
            "model": "m",
            "metadata": {"prompt_id": None, "category": None},
        }
        for i in range(3)
    ]
    found = read_stories(write_jsonl(tmp_path / "s.jsonl", records))
    assert len({story.prompt_id for story in found}) == 3
    assert all("None" not in (story.prompt_id, story.metadata.get("category")) for story in found)

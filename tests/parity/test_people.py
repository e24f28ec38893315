"""The README's figures of the proxy beside people are those of a real run on public data."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from conftest import PROXY, ROOT, Cli, write_jsonl
from people import edits, ttcw

pytestmark = pytest.mark.slow


def test_the_readmes_table_of_the_proxy_beside_people(cli: Cli, shared: Path, tmp_path: Path) -> None:
    found = {}
    for name, rows in (("ttcw", list(ttcw(shared / "people"))), ("edits", list(edits(shared / "people")))):
        path = write_jsonl(tmp_path / f"{name}.jsonl", rows)
        done = cli(
            "judge-people", path, "--judge", PROXY, "--rubric", "ttcw", "--log-dir", name, "--out", f"{name}-out"
        )
        assert done.returncode == 0, done.stdout + done.stderr
        found[name] = json.loads((tmp_path / f"{name}-out" / "judge-people.json").read_text(encoding="utf-8"))
    assert (found["ttcw"]["stories"], found["edits"]["stories"]) == (36, 318)
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for label, pick in (
        (f"PROXY `{PROXY}`", lambda one: one["judges"][PROXY]),
        ("one person, beside the others", lambda one: one["one_person"]),
        ("length alone", lambda one: one["length"]),
    ):
        of_ttcw, of_edits = pick(found["ttcw"]), pick(found["edits"])
        cells = " | ".join(shown(value) for value in (of_ttcw["stories"], of_ttcw["pairs"], of_edits["pairs"]))
        assert f"| {label} | {cells} |" in readme


def shown(found: dict[str, float]) -> str:
    return "{value:.2f} [{low:.2f}, {high:.2f}]".format(**found).replace("-", "−")

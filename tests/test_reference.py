"""README, command reference and links: what they name is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from conftest import ROOT
from reference import PROGRAMS, reference

PAGES = sorted(
    path for path in ROOT.rglob("*.md") if not {".venv", ".venv-floors", ".venv-gpu", "build"} & set(path.parts)
)


@pytest.mark.parametrize("path", PROGRAMS, ids=lambda path: PROGRAMS[path][0])
def test_the_command_reference_is_up_to_date(path: Path) -> None:
    written, made = path.read_text(encoding="utf-8"), reference(*PROGRAMS[path])
    assert written.split() == made.split(), "run make reference"  # releases of click differ in spaces


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 130


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)\s]+)\)", re.sub(r"```.*?```|`[^`\n]*`", "", text, flags=re.DOTALL)):
        if "://" in target:
            continue
        name, _, anchor = target.partition("#")
        other = (page.parent / name).resolve() if name else page
        assert other.exists(), f"{target} in {page}"
        if anchor:
            heads = re.findall(r"^#+ (.+)$", other.read_text(encoding="utf-8"), flags=re.MULTILINE)
            slugs = {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}
            assert anchor in slugs, f"{target} in {page}; there are {sorted(slugs)}"

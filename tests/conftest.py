from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

import pandas as pd
import pytest
from click.testing import CliRunner

from polaris_eval.harness.benchmarks import find_benchmark
from polaris_eval.harness.sources import load
from polaris_eval.rubrics import Rubric, load_rubric

# With the checkout itself on sys.path (`python -m pytest`), the egg-info that an editable install leaves there
# hides the installed metadata by which Inspect knows our package.
ROOT = Path(__file__).parents[1]
# judgments of another test, or of another day, are not to be found again
os.environ["POLARIS_JUDGE_CACHE"] = "off"
os.environ["INSPECT_CACHE_DIR"] = tempfile.mkdtemp(prefix="inspect-cache-")
# no test needs the hub, and its client would try for a minute to reach it
os.environ.setdefault("HF_HUB_OFFLINE", "1")
# tests run side by side; torch would start a thread for every core in each
os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path[:] = [entry for entry in sys.path if Path(entry or ".").resolve() != ROOT]

SHARED = ROOT.parent / "shared" / "data"
PROXY = "polaris_eval/lexical"
KEYS = ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GOOGLE_API_KEY")
PROSE = (
    "The harbour smelled of tar and cold iron. Mara counted the ropes twice, because the first count had come out "
    "wrong. “You could leave it,” said the pilot. “I could,” she said, and did not. Rain ticked on the tin roof.\n\n"
)

Cli = Callable[..., subprocess.CompletedProcess[str]]


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Where tests that need a model are left out, do not even import them: torch and TRL take seconds."""
    if collection_path.suffix != ".py" or "not model" not in config.option.markexpr:
        return None
    return "pytestmark = pytest.mark.model" in collection_path.read_text(encoding="utf-8") or None


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Show what tests have to report besides passing (`record_property("report", text)`)."""
    for result in terminalreporter.getreports("passed"):
        for name, text in result.user_properties:
            if name == "report" and result.when == "call":
                terminalreporter.write_line(f"\n{text}")


@pytest.fixture(scope="session")
def rubric() -> Rubric:
    return load_rubric("story_quality")


@pytest.fixture(scope="session")
def shared() -> Path:
    if not SHARED.is_dir():
        pytest.skip("needs the shared test data, a folder ../shared/data beside the checkout")
    return SHARED


@pytest.fixture(scope="session")
def prompt_files(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with every prompt file: those of the shared test data, and WritingBench's, fetched once."""
    folder = tmp_path_factory.mktemp("prompts")
    (source,) = find_benchmark("writingbench").sources
    for path in (shared / "prompts").iterdir():
        (folder / path.name).symlink_to(path)
    (folder / Path(source.path).name).write_bytes(load(source))
    return folder


@pytest.fixture
def cli(tmp_path: Path) -> Cli:
    """Run `polaris-eval` in the test's own folder."""
    return cli_in(tmp_path)


def cli_in(folder: Path) -> Cli:
    """Run `polaris-eval` in a folder, without any key.

    In this process: starting one takes seconds, most of them for the providers' packages. `test_package` and whoever
    stops a run start real ones.
    """

    def call(*args: object, **env: str) -> subprocess.CompletedProcess[str]:
        from inspect_ai.model._model import _models

        from polaris_eval.harness.cli.root import main

        given = [str(arg) for arg in args]
        clean = {**{k: v for k, v in os.environ.items() if k not in KEYS}, **env}
        _models.clear()  # a model that Inspect remembers has the address of another test's server
        with contextlib.chdir(folder), mock.patch.dict(os.environ, clean, clear=True):
            invoke = partial(CliRunner().invoke, main, given, prog_name="polaris-eval")
            # in a thread of its own: a browser's event loop may have this one
            with ThreadPoolExecutor(1) as thread:
                done = thread.submit(invoke).result()
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        return subprocess.CompletedProcess(given, done.exit_code, done.stdout, done.stderr)

    return call


@pytest.fixture
def browser() -> Iterator[Any]:
    path = shutil.which("chromium")
    if path is None:
        pytest.skip("needs Chromium (Debian's package chromium)")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        quiet = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
        found = playwright.chromium.launch(executable_path=path, args=[*quiet, "--disable-component-update"])
        yield found
        found.close()


class Visit:
    """A page that was opened, and everything that went wrong on it."""

    def __init__(self, browser: Any, path: Path, **options: Any) -> None:
        self.wrong: list[str] = []
        self.page = browser.new_context(**options).new_page()
        self.page.on("console", lambda message: self.wrong.append(message.text))
        self.page.on("pageerror", lambda error: self.wrong.append(str(error)))
        self.page.on("dialog", lambda dialog: (self.wrong.append(dialog.message), dialog.dismiss()))
        self.page.on("request", lambda request: self._requested(request.url))
        self.page.goto(path.resolve().as_uri())

    def _requested(self, url: str) -> None:
        if not url.startswith(("file:", "data:")):
            self.wrong.append(url)


def reply(rubric: Rubric, scores: dict[str, int] | None = None, quote: str = "tar and cold iron", **top: Any) -> str:
    """A well-formed judge's reply; every mark is 0 where `scores` names no other."""
    given = scores or {}
    entry = {"justification": "because", "quotes": [quote], "why_not": "so"}
    opened = {
        "target": "the ropes are counted twice",
        "quotes": [quote],
        "nearest": "P2",
        "why_not_covered": "it is apart",
    }
    answer: dict[str, Any] = {
        "dimensions": {d.id: {**entry, "score": given.get(d.id, 0)} for d in rubric.dimensions},
        "bonus": {**opened, "score": given.get("bonus", 0)},
        "penalty": {**opened, "score": given.get("penalty", 0)},
    }
    return json.dumps({**answer, **top})


def write_jsonl(path: Path, records: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    return path


def stories(count: int, model: str = "some/writer", words: int = 1000) -> list[dict[str, Any]]:
    """Records of a stories file, each of another length."""
    return [
        {
            "id": f"s{i}",
            "prompt": f"Write of harbour number {i}. The story should be approximately {words * (i + 1)} words long.",
            "story": PROSE * (5 + i) + f"Little did she know. A sense of hope number {i}. " * (i * 3),
            "model": model,
        }
        for i in range(count)
    ]


def one_line(done: subprocess.CompletedProcess[str], code: int = 2) -> str:
    """The one line that a user's mistake is told in."""
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    lines = [line for line in done.stderr.splitlines() if line.strip()]
    assert len(lines) == 1, done.stderr
    return lines[0]


def frame(folder: Path) -> pd.DataFrame:
    """The stories that `leaderboard` wrote into a folder's results."""
    return pd.read_csv(folder / "results" / "stories.csv").sort_values(["model", "id"], ignore_index=True)

"""The end of a run: one screen of 80 columns with everything that has to be known, also when piped."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import PROXY, Cli, stories, write_jsonl
from loopback import serve, well_behaved

LONG = "a-laboratory/with-a-long-name/and-a-model-of-a-longer-name-v2.5-instruct-2026-11"


def alone(folder: Path, *args: object) -> subprocess.CompletedProcess[str]:
    """The command in a process of its own: Inspect makes its display once per process."""
    command = [sys.executable, "-m", "polaris_eval.harness.cli", *map(str, args)]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True)


@pytest.mark.slow
def test_a_run_ends_on_one_screen_of_80_columns(cli: Cli, tmp_path: Path) -> None:
    models = ["lab/a", "lab/b", LONG, "lab/c"]
    records = [record for model in models for record in stories(3, model)]
    records[4]["story"] = ""
    done = alone(tmp_path, "run", "--stories", write_jsonl(tmp_path / "s.jsonl", records), "--judge", PROXY)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert max(map(len, lines)) <= 80
    assert len(lines) < 40
    assert "Story Quality: 4 writers × 3 stories, 12 of 12 judged" in done.stdout
    assert "max_retries" not in done.stdout + done.stderr, "Inspect's own block stays away"
    assert "hooks enabled" not in done.stdout + done.stderr
    assert "story_quality · lab/b: 3 of 3 judged, 0 unscored" in done.stderr
    cells = [[cell.strip() for cell in line.split("│")[1:-1]] for line in lines if line.startswith("│")]
    names = "".join(row[1] for row in cells)
    for model in models:
        assert model in names, "a long name is folded, and whole"
    assert cli("leaderboard", "logs").returncode == 0
    table = json.loads((tmp_path / "results" / "leaderboard.json").read_text())["sections"][0]["rows"]
    for row in table:
        assert any(cell[2] == f"{row['score']['value']:.1f}" for cell in cells), row
    assert "empty: 1 story without words" in done.stdout
    assert lines[-2:] == [
        "All tables: polaris-eval leaderboard logs", "Stories and judgments: polaris-eval report logs",
    ]  # fmt: skip


@pytest.mark.slow
def test_display_brings_inspects_own_back(tmp_path: Path) -> None:
    path = write_jsonl(tmp_path / "s.jsonl", stories(1))
    done = alone(tmp_path, "run", "--stories", path, "--judge", PROXY, "--display", "plain")
    assert done.returncode == 0, done.stderr
    assert "story_quality (1 sample" in done.stdout
    assert "judged, 0 unscored" not in done.stderr


@pytest.mark.parametrize("failing", [0, 2])
def test_what_a_run_cost_and_why_a_story_has_no_score(cli: Cli, tmp_path: Path, failing: int) -> None:
    calls = iter([*[400] * failing, *[0] * 9])

    def script(number: int, system: str, user: str) -> str | int:
        return next(calls) or well_behaved(system, user)

    path = write_jsonl(tmp_path / "s.jsonl", stories(3))
    with serve(script) as server:
        env = {"OPENAI_API_KEY": "k", "OPENAI_BASE_URL": f"{server.url}/v1"}
        done = cli("run", "--stories", path, "--judge", "openai/gpt-5.4", "--max-connections", 1, **env)
    told = " ".join(done.stdout.split())
    assert f"{3 - failing} of 3 judged" in told
    assert f"{failing} unscored, $0.0" in done.stderr
    assert ("no score: 2 stories (some/writer s0 and others): judge failed" in told) == bool(failing)
    assert done.returncode == bool(failing)

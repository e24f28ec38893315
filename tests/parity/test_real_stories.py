"""Real stories of a real model, judged by the proxy through the whole pipeline."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pandas as pd
import pytest
from conftest import Cli, write_jsonl


@pytest.mark.slow
def test_ninety_six_real_stories(cli: Cli, shared: Path, tmp_path: Path) -> None:
    with gzip.open(shared / "eqbench_creative_replay" / "claude-3-5-sonnet-20241022.jsonl.gz", "rt") as lines:
        rows = [json.loads(line) for line in lines]
    records = [
        {
            "id": f"{r['prompt_id']}-{r['iteration']}",
            "prompt": r["prompt_text"],
            "story": r["story"],
            "model": r["model"],
        }
        for r in rows
    ]
    done = cli("run", "--stories", write_jsonl(tmp_path / "s.jsonl", records), "--judge", "polaris_eval/lexical")
    assert done.returncode == 0, done.stdout + done.stderr
    assert cli("leaderboard", "logs").returncode == 0
    found = pd.read_csv(tmp_path / "results" / "stories.csv")
    assert len(found) == 96
    assert (found["status"] == "scored").all()
    assert found["prompt_id"].nunique() == len({r["prompt_text"] for r in rows})
    assert found["score"].between(-159, 108).all()
    assert (found["quotes_found"] == 1).all()

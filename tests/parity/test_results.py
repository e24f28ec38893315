"""The table in results/ is of the recorded judgments, and differs from the printed means where its page says so."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from conftest import ROOT
from recordings import recorded

TABLE = ROOT / "results" / "eqbench_creative"
APART = {
    "CohereForAI/c4ai-command-a-03-2025": 0.8,
    "mistralai/mistral-small-3.1-24b-instruct-2503": 0.6,
    "gpt-4o-mini": -0.2,
    "meta-llama/llama-3.1-70b-instruct": -0.2,
}


def test_the_means_are_the_printed_ones_but_for_four(shared: Path) -> None:
    rows = pd.DataFrame(recorded(shared / "eqbench_creative_replay", shared / "eqbench_creative_replay_more"))
    printed = rows.groupby("model")["recorded_piece_score"].mean()
    ours = pd.read_csv(TABLE / "leaderboard.csv").set_index("model")["score"]
    assert set(ours.index) == set(printed.index)
    apart = (ours - printed).round(2)
    assert {model: pytest.approx(apart[model], abs=0.06) for model in APART} == APART
    assert apart.drop(list(APART)).abs().max() <= 0.05


def test_the_page_shows_the_table() -> None:
    table = pd.read_csv(TABLE / "leaderboard.csv")
    page = (TABLE / "README.md").read_text(encoding="utf-8")
    for row in table.to_dict("records"):
        bounds = f"{row['score_low']:.1f} to {row['score_high']:.1f}"
        assert f"| {row['rank']} {row['group']} | {row['model']} | {row['score']:.1f} | {bounds} |" in page
    pairs = pd.read_csv(TABLE / "pairs.csv")
    assert f"{(pairs['p_holm'] < 0.05).sum()} of {len(pairs)} pairs are told apart" in page

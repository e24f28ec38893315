"""The figures in judge_people's README are those of a real run on public data."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
from conftest import PROXY, ROOT, Cli, write_jsonl
from people import edits, recorded, ttcw, verdicts

pytestmark = pytest.mark.slow


def test_the_readmes_tables_of_judges_beside_people(cli: Cli, shared: Path, tmp_path: Path) -> None:
    replies = recorded(shared / "people")
    for judge, rows in replies.items():
        write_jsonl(tmp_path / f"recorded-{judge}.jsonl", rows)
    names = {f"polaris_eval/replay/recorded-{judge}.jsonl": f"{judge} (recorded)" for judge in replies}
    judges = {"ttcw": {PROXY: f"PROXY `{PROXY}`", **names}, "edits": {PROXY: f"PROXY `{PROXY}`"}}
    readme = (ROOT / "harness/judge_people/README.md").read_text(encoding="utf-8")
    for name, rows in (("ttcw", list(ttcw(shared / "people"))), ("edits", list(edits(shared / "people")))):
        path = write_jsonl(tmp_path / f"{name}.jsonl", rows)
        asked = [part for judge in judges[name] for part in ("--judge", judge)]
        done = cli("judge-people", path, *asked, "--rubric", "ttcw", "--log-dir", name, "--out", f"{name}-out")
        assert done.returncode == (1 if name == "ttcw" else 0), "answers that were blocked are left unscored"
        found = json.loads((tmp_path / f"{name}-out" / "judge-people.json").read_text(encoding="utf-8"))
        lines = {judges[name][judge]: one["agreement"] for judge, one in found["judges"].items()}
        lines |= {"one person, compared with the others": found["one_person"], "length alone": found["length"]}
        for label, one in lines.items():
            if name == "edits":
                cells = shown(one["pairs"])
            else:
                within = f"{one['within_writers']['value']:.2f}".replace("-", "−")
                count = "" if one in (found["one_person"], found["length"]) else one["scored"]
                cells = f"{shown(one['stories'])} | {within} | {shown(one['pairs'])} | {count}"
            assert f"| {label} | {cells} |" in readme
    done = cli("judge-people", "edits.jsonl", "--judge", PROXY, "--rubric", "pairwise", "--log-dir", "pairs")
    assert done.returncode == 0, done.stdout + done.stderr
    (one,) = json.loads((tmp_path / "results" / "judge-people.json").read_text(encoding="utf-8"))["judges"].values()
    assert f"| PROXY `{PROXY}`, rubric `pairwise` | {shown(one['agreement']['pairs'])} |" in readme


def test_the_recorded_judges_beside_most_writers(shared: Path) -> None:
    """Cohen's kappa over 672 verdicts, and Spearman's correlation of the shares of yes over 48 stories."""
    frame = pd.DataFrame(verdicts(shared / "people"))
    assert len(frame) == 672
    most = frame["writers"].map(lambda given: int(sum(given) > len(given) / 2))
    shares = frame["writers"].map(lambda given: sum(given) / len(given)).groupby(frame["story"]).mean()
    for judge, kappa, spearman in (("claude3-opus", 0.13, 0.64), ("gpt4", 0.07, 0.12), ("cgpt", -0.02, -0.38)):
        said = frame["judges"].map(lambda given, judge=judge: given[judge]).astype(int)
        agreed = (said == most).mean()
        chance = said.mean() * most.mean() + (1 - said.mean()) * (1 - most.mean())
        assert (agreed - chance) / (1 - chance) == pytest.approx(kappa, abs=0.006)
        means = said.groupby(frame["story"]).mean()
        assert means.rank().corr(shares.rank()) == pytest.approx(spearman, abs=0.006)


def shown(found: dict[str, float]) -> str:
    return "{value:.2f} [{low:.2f}, {high:.2f}]".format(**found).replace("-", "−")

"""Fit the offline proxy to real judgments: which features predict the scores of a real judge.

    python -m polaris_eval.harness.models.calibrate FOLDER…          show how good the fit is
    python -m polaris_eval.harness.models.calibrate FOLDER… --write  also write calibration.yaml

Folders hold recorded EQ-Bench Creative judgments (*.jsonl.gz with prompt_text, story, model, prompt_id and
recorded_piece_score). The fitted numbers are shipped, the stories are not. All features are used, however useful, and
the penalty was not tuned on these stories: they were used for the fit only.
"""

from __future__ import annotations

import argparse
import gzip
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml
from scipy.stats import rankdata, spearmanr

from ...rubrics import load_rubric
from ..words import count_words
from .features import features
from .lexical import CALIBRATION, CLIP, marks

PENALTY = 100.0  # of the ridge regression, for standardised features
LENGTH = "development"  # the one feature that is pure length; it must not count as quality
RESAMPLES = 1000
SEED = 20260604
OTHERS = 12  # number of new models that the ranges in the report refer to
# maker of a model, by a part of its name: models of one family write alike, and are held out together
FAMILIES = {
    "claude": "Anthropic", "gemma": "Google", "gemini": "Google", "gpt": "OpenAI", "llama": "Meta", "stral": "Mistral",
    "deepseek": "DeepSeek", "qwen": "Alibaba", "c4ai": "Cohere", "grok": "xAI",
}  # fmt: skip
Statistic = Callable[[pd.DataFrame], float]


def family(model: str) -> str:
    """The maker of a model, by its name; a model of an unknown maker is a family of its own."""
    return next((whose for part, whose in FAMILIES.items() if part in model.lower()), model)


def read(*folders: Path) -> pd.DataFrame:
    """Read recorded judgments with their features: one row per story, features in columns `f:NAME`."""
    rows = []
    for path in sorted(path for folder in folders for path in folder.glob("*.jsonl.gz")):
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            for record in map(json.loads, lines):
                measured = features(record["prompt_text"], record["story"])
                rows.append(
                    {
                        "model": record["model"],
                        "family": family(record["model"]),
                        "prompt": record["prompt_id"],
                        "words": count_words(record["story"]),
                        "quality": record["recorded_piece_score"],
                        "all": measured,
                        **{f"f:{name}": value for name, value in measured.items() if name != LENGTH},
                    }
                )
    return pd.DataFrame(rows)


def fit(stories: pd.DataFrame) -> dict[str, Any]:
    """Ridge regression of the recorded score (0 to 100) on standardised, clipped features."""
    names = [name for name in map(str, stories) if name.startswith("f:")]
    raw = stories[names].to_numpy(dtype=float)
    mean, spread = raw.mean(axis=0), raw.std(axis=0) + 1e-9
    x = np.clip((raw - mean) / spread, -CLIP, CLIP)
    y = stories["quality"].to_numpy(dtype=float)
    centre = x.mean(axis=0)
    weight = np.linalg.solve(
        (x - centre).T @ (x - centre) + PENALTY * np.eye(len(names)), (x - centre).T @ (y - y.mean())
    )
    rounded = [[round(float(value), 6) for value in row] for row in zip(mean, spread, weight, strict=True)]
    return {
        "intercept": round(float(y.mean() - centre @ weight), 6),
        "features": {
            name.removeprefix("f:"): dict(zip(("mean", "spread", "weight"), row, strict=True))
            for name, row in zip(names, rounded, strict=True)
        },
    }


def held_out(stories: pd.DataFrame) -> pd.Series:
    """The proxy's EQ-Bench Creative score of every story, fitted on the stories of all other model families."""
    rubric = load_rubric("eqbench_creative")
    scores = pd.Series(np.nan, index=stories.index)
    for one in stories["family"].unique():
        calibration = fit(stories[stories["family"] != one])
        for index, measured in stories.loc[stories["family"] == one, "all"].items():
            scores[index] = rubric.score(marks(rubric, measured, calibration=calibration))["score"]
    return scores


def report(stories: pd.DataFrame, scores: pd.Series, resamples: int = RESAMPLES) -> dict[str, Any]:
    """Compare how `scores` and the recorded judge rank the stories: Spearman correlations, each with a range.

    The range covers 95 % of the values expected on a dozen other models: models are resampled, with a sample size for
    which the spread combines that of a dozen models and that of these models. `length_partialled_out` is the partial
    correlation given the rank of the length; `constant` is the correlation if every story is given its model's mean;
    `error` is the root mean square of the models' errors, in points.
    """
    frame = stories.assign(proxy=scores)[["model", "prompt", "words", "quality", "proxy"]]
    statistics: dict[str, Statistic] = {
        "story": _overall,
        "within_prompt": lambda f: _within(f, "prompt"),
        "within_model": lambda f: _within(f, "model"),
        "model": _by_model,
        "constant": _constant,
        "length_partialled_out": _without_length,
        "with_length": lambda f: _rank(f["proxy"], f["words"]),
        "error": _error,
    }
    return {
        "stories": len(frame),
        "models": int(frame["model"].nunique()),
        "families": int(stories["family"].nunique()),
        **{name: _with_range(frame, statistic, resamples) for name, statistic in statistics.items()},
    }


def _with_range(frame: pd.DataFrame, statistic: Statistic, resamples: int) -> dict[str, float]:
    rng = np.random.default_rng(SEED)
    parts = [part for _, part in frame.groupby("model")]
    size = round(1 / (1 / OTHERS + 1 / len(parts)))
    found = []
    for _ in range(resamples):
        drawn = [parts[i].assign(model=n) for n, i in enumerate(rng.integers(len(parts), size=size))]
        found.append(statistic(pd.concat(drawn)))
    low, high = np.nanquantile(found, [0.025, 0.975])
    return {name: round(float(v), 3) for name, v in (("value", statistic(frame)), ("low", low), ("high", high))}


def _rank(one: pd.Series, other: pd.Series) -> float:
    return float(spearmanr(one, other).statistic) if one.nunique() > 1 and other.nunique() > 1 else math.nan


def _overall(frame: pd.DataFrame) -> float:
    return _rank(frame["proxy"], frame["quality"])


def _within(frame: pd.DataFrame, column: str) -> float:
    return float(np.nanmean([_rank(part["proxy"], part["quality"]) for _, part in frame.groupby(column)]))


def _by_model(frame: pd.DataFrame) -> float:
    means = frame.groupby("model")[["proxy", "quality"]].mean()
    return _rank(means["proxy"], means["quality"])


def _constant(frame: pd.DataFrame) -> float:
    return _rank(frame.groupby("model")["proxy"].transform("mean"), frame["quality"])


def _error(frame: pd.DataFrame) -> float:
    means = frame.groupby("model")[["proxy", "quality"]].mean()
    return float(((means["proxy"] - means["quality"]) ** 2).mean() ** 0.5)


def _without_length(frame: pd.DataFrame) -> float:
    proxy, quality, length = (rankdata(frame[name]) for name in ("proxy", "quality", "words"))
    length = length - length.mean()
    left = [(v - v.mean()) - length * ((v - v.mean()) @ length) / (length @ length) for v in (proxy, quality)]
    return float(left[0] @ left[1] / math.sqrt((left[0] @ left[0]) * (left[1] @ left[1])))


def main() -> None:
    """Fit the offline proxy judge to the recorded judgments in a folder, and show how reliable it is."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("folders", type=Path, nargs="+", help="folders of recorded judgments, *.jsonl.gz")
    parser.add_argument("--write", action="store_true", help="write calibration.yaml beside this file")
    asked = parser.parse_args()
    for folder in asked.folders:
        if not any(folder.glob("*.jsonl.gz")):
            parser.error(f"{folder}: no *.jsonl.gz with recorded judgments")
    stories = read(*asked.folders)
    found = report(stories, held_out(stories))
    for name, value in found.items():
        shown = f"{value['value']:.2f} [{value['low']:.2f}, {value['high']:.2f}]" if isinstance(value, dict) else value
        print(f"{name}: {shown}")
    if asked.write:
        head = "# Fitted by calibrate.py to recorded judgments; not for editing by hand.\n"
        text = yaml.safe_dump({**fit(stories), "report": found}, sort_keys=False)
        CALIBRATION.write_text(head + text, encoding="utf-8")
        print(f"wrote {CALIBRATION}")


if __name__ == "__main__":
    main()

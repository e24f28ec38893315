"""What a reward is made of: its terms, and the judges that they ask."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Literal

from pydantic import Field, model_validator

from ..rubrics.base import Frozen

# our own measures, which need no judge. All are penalties: their weights are subtracted.
MEASURES: tuple[str, ...] = ("repetition", "length", "blank", "reasoning", "overlong")
AFTER_CLIP: tuple[str, ...] = ("reasoning", "overlong")  # outside the bounds of the weighted sum
QUALITY = "story_quality"
# the paper's reward: what the short form stands for
STANDARD: Mapping[str, Mapping[str, Any]] = {
    QUALITY: {"rubric": QUALITY, "weight": 1.0},
    "repetition": {"weight": 1.5},
    "length": {"weight": 0.8},
    "blank": {"weight": 1.0},
    "reasoning": {"weight": 0.05},
    "overlong": {"weight": 1.0},
}
_SHORT = {"rubric": (QUALITY, "rubric"), "reasoning_cost": ("reasoning", "weight")}
_NAME = re.compile(r"[a-z][a-z0-9_]*")
_SECRET = re.compile(r"(?:^|[_-])key$|apikey$|token$|secret|password|authorization|credential", re.IGNORECASE)
_FUNCTION = re.compile(r"[\w.]+:\w+")
# what else a record of a row, TRL's table of completions and the metrics of HRI hold
_TAKEN = ("reward", "phase", "step", "row", "rank", "uid", "is_reference", "target_words", "words", "tokens", "status",
          "reasoning_tokens", "truncated", "attempt", "reason", "judgments", "usage", "dollars", "verdict", "advantage",
          "prompt", "completion", "length_ratio", "reward_as_held_out", "weight", "nll", "frac_beats_rollouts",
          "frac_groups_injected")  # fmt: skip


class JudgeSpec(Frozen):
    """A judge, and how long to wait for it. Times are in seconds; `options` are Inspect's generation settings.

    Several models form a jury: each judges every story, and the score is the mean of their scores; `quorum` of them are
    enough (default: all). A bare list of models is a jury with default settings.

    `price_factor` is the fraction of the list price that calls cost (0.5 for a flex tier). A row without a verdict is
    retried up to `retries` times within `batch_timeout`; the wait between tries starts at `retry_wait` and doubles.
    `concurrency` is shared by all processes.
    """

    model: str | tuple[str, ...]
    quorum: int | None = Field(default=None, ge=1)
    options: dict[str, Any] = Field(default_factory=dict)
    model_args: dict[str, Any] = Field(default_factory=dict)
    base_url: str | None = None
    concurrency: int = Field(default=4, ge=1)
    price_factor: float = Field(default=1.0, ge=0)
    row_timeout: float = Field(default=300, gt=0)
    batch_timeout: float = Field(default=1200, gt=0)
    retries: int = Field(default=3, ge=0)
    retry_wait: float = Field(default=5, ge=0)

    @model_validator(mode="before")
    @classmethod
    def _from_list(cls, data: Any) -> Any:
        return {"model": data} if isinstance(data, str | list | tuple) else data

    @model_validator(mode="after")
    def _is_jury(self) -> JudgeSpec:
        if not self.models:
            raise ValueError("model: name at least one judge")
        for where, given in (("model_args", self.model_args), ("options", self.options)):
            if named := next((name for name in _names(given) if _SECRET.search(name)), None):
                told = "would be saved with the run; leave it out, and set the key as an environment variable"
                raise ValueError(f"{where}: {named} {told}")
        if len(set(self.models)) < len(self.models):
            raise ValueError("model: name each judge once")
        if self.quorum is not None and self.quorum > len(self.models):
            raise ValueError(f"quorum: {self.quorum} is more than the {len(self.models)} judges")
        return self

    @property
    def models(self) -> tuple[str, ...]:
        """The judges: one, or the members of a jury in alphabetical order."""
        return (self.model,) if isinstance(self.model, str) else tuple(sorted(self.model))

    @property
    def name(self) -> str:
        """The name of the judge, or the names of the jury's members."""
        return " + ".join(self.models)


class Term(Frozen):
    """One term of the reward, and its weight.

    With `rubric` (a bundled one or a file), it is a judge's score as a share of `scale`, by default the score of a
    story without fault; `judge` is the recipe's unless another is named. A rubric that compares two stories makes a
    term that is relative to the group: the share of a win over the group's other stories, each pair judged in both
    orders, as in an arena. With `function`, `module:function`, it is what a reward function of TRL's signature
    returns. With neither, the term's name is one of our measures (`MEASURES`), which are subtracted.
    """

    weight: float = 1.0
    rubric: str | None = None
    judge: JudgeSpec | None = None
    scale: float | None = Field(default=None, gt=0)
    function: str | None = None


class RewardSpec(Frozen):
    """How the terms of a response are combined into one number.

    `terms` by name are the whole reward; without them it is the paper's (`STANDARD`). The keys `rubric`, `weights` and
    `reasoning_cost` are a short form that changes terms of the paper. `clip` bounds the weighted sum on both sides,
    before the terms `reasoning` and `overlong`. With `score` `mean` the reward is that sum; with `sum`, as in the
    released code, it is multiplied by the response's tokens, so it grows with length. `reasoning` counts the tokens of
    reasoning beyond `reasoning_cap`, per token of the response; `overlong` starts `overlong_tokens` before the limit
    (0: never).
    """

    terms: dict[str, Term]
    clip: float = Field(default=2.0, gt=0)
    score: Literal["mean", "sum"] = "mean"
    reasoning_cap: int = Field(default=3072, ge=0)
    overlong_tokens: int = Field(default=512, ge=0)

    @model_validator(mode="before")
    @classmethod
    def _whole(cls, data: Any) -> Any:
        return spelled_out(data) if isinstance(data, Mapping) else data

    @model_validator(mode="after")
    def _known(self) -> RewardSpec:
        if not any(term.weight for term in self.terms.values()):
            raise ValueError("terms: name at least one term with a weight")
        for name, term in self.terms.items():
            _check(name, term)
        return self


def without_short(reward: Mapping[str, Any]) -> dict[str, Any]:
    """Settings of a reward with the short form written as terms. Raises ValueError for weights that are no mapping."""
    data = {key: value for key, value in reward.items() if key not in (*_SHORT, "weights")}
    weights = reward.get("weights") or {}
    if not isinstance(weights, Mapping):
        raise ValueError(f"weights: must name terms and their weights, not {weights!r}")
    for name in weights:
        if name not in STANDARD:
            raise ValueError(f"weights.{name}: no such key; known here: {', '.join(STANDARD)}")
    if not isinstance(reward.get("terms") or {}, Mapping):
        raise ValueError(f"terms: must name terms and their settings, not {reward['terms']!r}")
    for name, term in (reward.get("terms") or {}).items():
        if term is not None and not isinstance(term, Mapping):
            raise ValueError(f"terms.{name}: must be settings, such as {{rubric: ttcw, weight: 0.5}}, not {term!r}")
    given = {name: {"weight": value} for name, value in weights.items()}
    for key, (name, setting) in _SHORT.items():
        if key in reward:
            given.setdefault(name, {})[setting] = reward[key]
    if given:
        data["terms"] = _over(given, data.get("terms") or {})
    return data


def spelled_out(reward: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of a reward with all its terms: those given, or the paper's as the short form changes them."""
    data = without_short(reward)
    if reward.get("terms") is None:
        data["terms"] = _over(STANDARD, data.get("terms", {}))
    return {**data, "terms": {name: term for name, term in data["terms"].items() if term is not None}}


def _names(value: Any) -> Iterator[str]:
    """The keys of nested mappings."""
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield str(name)
            yield from _names(inner)


def _over(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    merged = {name: dict(term) if isinstance(term, Mapping) else term for name, term in base.items()}
    for name, term in over.items():
        both = isinstance(term, Mapping) and isinstance(merged.get(name), dict)
        merged[name] = {**merged[name], **term} if both else term
    return merged


def _check(name: str, term: Term) -> None:
    """Raise ValueError for a term that means nothing."""
    where = f"terms.{name}"
    if not _NAME.fullmatch(name) or name in _TAKEN:
        raise ValueError(f"{where}: is no name for a term; use a-z, 0-9 and _, and none of {', '.join(_TAKEN)}")
    sources = [key for key in ("rubric", "function") if getattr(term, key) is not None]
    if name in MEASURES and sources:
        raise ValueError(f"{where}: is the name of a measure; call a term with {sources[0]} something else")
    if name not in MEASURES and len(sources) != 1:
        raise ValueError(
            f"{where}: needs either rubric or function; without them it must be a measure: {', '.join(MEASURES)}"
        )
    if term.rubric is None and (term.judge is not None or term.scale is not None):
        raise ValueError(f"{where}: judge and scale are for a term with a rubric")
    plain = JudgeSpec(model="any")
    for setting in ("retries", "retry_wait", "batch_timeout"):
        if term.judge is not None and getattr(term.judge, setting) != getattr(plain, setting):
            raise ValueError(f"{where}.judge.{setting}: tries are those of the whole batch: set it under judge")
    if term.function is not None and not _FUNCTION.fullmatch(term.function):
        raise ValueError(f"{where}.function: {term.function!r} is not MODULE:FUNCTION, such as my_rewards:dialogue")
    if term.function is None and term.weight < 0:
        raise ValueError(f"{where}.weight: must not be negative (the measures are subtracted anyway)")

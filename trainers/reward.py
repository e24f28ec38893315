"""The training reward: the evaluation's own judge call and measures, for a whole batch at once."""

from __future__ import annotations

import asyncio
import json
import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from inspect_ai.model import Model, ModelUsage

from ..harness.judge import Verdict, judge
from ..harness.prices import Prices, token_counts
from ..rubrics import Rubric, load_rubric
from .recipe import JudgeSpec, Recipe, Weights
from .scoring import Response, combine, measure

TRAIN, HELD_OUT = "train", "held_out"
# what TRL's completions table and its metrics show of a row, beside the reward
PARTS = ("story_quality", "repetition", "length", "blank", "overlong", "words", "reasoning_tokens", "truncated")


@dataclass(frozen=True)
class Judging:
    """A judge at work: its settings, the model, what a token of each kind costs, and how parts are weighed."""

    spec: JudgeSpec
    model: Model
    per_token: tuple[float, float, float]
    weights: Weights

    @classmethod
    def of(cls, spec: JudgeSpec, model: Model, prices: Prices, weights: Weights) -> Judging:
        """With a judge's list prices times its factor; NaN where it has no known price."""
        input, cached, output = (price * spec.price_factor for price in prices.per_token(spec.model))
        return cls(spec, model, (input, cached, output), weights)

    def dollars(self, usage: ModelUsage) -> float:
        """Cost of a judgment; NaN where the judge has no known price and something was asked."""
        counts = token_counts(usage)
        return sum(n * price for n, price in zip(counts, self.per_token, strict=True)) if any(counts) else 0.0


class Reward:
    """TRL's reward function: one number a row, or None for a row without a verdict (no advantage, never 0).

    All rows of a batch are judged at the same time, as far as the judge's concurrency goes, on TRL's one event loop;
    the same story is judged once. Every verdict goes to `rewards.jsonl` as it comes, with its parts and its cost;
    stories of held-out prompts go to `held_out/step-N.jsonl` as well, in the form of a stories file. Nothing that a
    judge does raises here, since an exception on one process would leave the others waiting.
    """

    __name__ = "reward"

    def __init__(
        self, recipe: Recipe, judges: dict[str, Judging], tokenizer: Any, opening: str, ends: set[int], folder: Path,
        rank: int = 0,
    ) -> None:  # fmt: skip
        self.recipe, self.judges, self.tokenizer = recipe, judges, tokenizer
        self.opening, self.ends, self.folder, self.rank = opening, ends, folder, rank
        self.rubric: Rubric = load_rubric("story_quality")
        self.path = ranked(folder / "rewards.jsonl", rank)
        # what earlier parts of the run cost, with however many processes, is on the first one's account
        earlier = folder.glob("rewards*.jsonl") if rank == 0 else ()
        self.spent = sum(row["dollars"] or 0.0 for path in earlier for row in read_rows(path))
        _end_line(self.path)
        self._rows: Counter[tuple[str, int]] = Counter()
        self._limits: dict[str, asyncio.Semaphore] = {}  # made inside the loop that uses them

    async def __call__(
        self,
        prompts: Sequence[Any],
        completion_ids: Sequence[Sequence[int]],
        *,
        uid: Sequence[str],
        target_words: Sequence[int | None],
        held_out: Sequence[bool],
        is_reference: Sequence[bool],
        trainer_state: Any,
        log_extra: Callable[[str, list[Any]], None],
        log_metric: Callable[[str, float], None],
        **columns: Any,
    ) -> list[float | None]:
        """The rewards of a batch; TRL's dataset columns come as lists, one entry a row."""
        loop = asyncio.get_running_loop()
        started = loop.time()
        phase = HELD_OUT if held_out[0] else TRAIN
        step = int(trainer_state.global_step)
        responses = [
            measure(ids, self.tokenizer, self.opening, self.ends, target, self.recipe.completion_tokens,
                    self.recipe.reward)
            for ids, target in zip(completion_ids, target_words, strict=True)
        ]  # fmt: skip
        first = self._rows[phase, step]
        self._rows[phase, step] += len(responses)
        rows = [
            {
                "phase": phase, "step": step, "row": first + i, "rank": self.rank, "uid": uid[i],
                "is_reference": is_reference[i], "target_words": target_words[i],
                **{name: value for name, value in asdict(response).items() if name not in ("text", "story")},
            }
            for i, response in enumerate(responses)
        ]  # fmt: skip
        texts = [_asked(prompt) for prompt in prompts]
        lines = await self._judge_all(phase, texts, responses, rows, started)
        self._report(lines, loop.time() - started, log_extra, log_metric)
        if phase == HELD_OUT:
            self._keep_stories(step, texts, responses, lines)
        return [line["reward"] for line in lines]

    async def _judge_all(
        self, phase: str, prompts: list[str], responses: list[Response], rows: list[dict[str, Any]], started: float
    ) -> list[dict[str, Any]]:
        """Every row with its verdict; rows that got none are asked about again until time or patience ends."""
        spec, now = self.judges[phase].spec, asyncio.get_running_loop().time
        same: dict[tuple[str, str], list[int]] = {}  # rows of one story share its verdict
        for i, (prompt, response) in enumerate(zip(prompts, responses, strict=True)):
            same.setdefault((prompt, response.story), []).append(i)
        lines: dict[int, dict[str, Any]] = {}

        async def one(key: tuple[str, str], members: list[int], attempt: int, remaining: float) -> None:
            verdict = await self._judge_one(phase, *key, rows[members[0]]["uid"], remaining)
            for place, i in enumerate(members):
                lines[i] = self._line(phase, rows[i], responses[i], verdict, attempt, paid=place == 0)

        for attempt in range(spec.retries + 1):
            left = {key: members for key, members in same.items() if _unjudged(lines.get(members[0]))}
            wait = spec.retry_wait * 2 ** (attempt - 1) if attempt else 0.0
            remaining = spec.batch_timeout - (now() - started) - wait
            if not left or (attempt and remaining <= 0):
                break
            await asyncio.sleep(wait)
            await asyncio.gather(*(one(key, members, attempt, remaining) for key, members in left.items()))
        return [lines[i] for i in range(len(rows))]

    async def _judge_one(self, phase: str, prompt: str, story: str, uid: str, remaining: float) -> Verdict:
        judging = self.judges[phase]
        limit = self._limits.setdefault(phase, asyncio.Semaphore(judging.spec.concurrency))
        try:
            async with asyncio.timeout(remaining), limit, asyncio.timeout(judging.spec.row_timeout):
                return await judge(self.rubric, prompt, story, judging.model, sample_id=uid)
        except TimeoutError:
            return Verdict("unscored", str(judging.model), reason="no verdict in time")
        except Exception as error:  # an exception here would leave the other processes waiting for this one
            return Verdict("unscored", str(judging.model), reason=f"{type(error).__name__}: {error}")

    def _line(
        self, phase: str, row: dict[str, Any], response: Response, verdict: Verdict, attempt: int, paid: bool
    ) -> dict[str, Any]:
        """A row with its verdict and reward, both None where it was not judged; written down before it is used."""
        overall = verdict.scores.get("score")
        quality = None if overall is None else overall / 100
        weights = self.judges[phase].weights
        dollars = self.judges[phase].dollars(verdict.usage) if paid else 0.0
        line = {
            **row,
            "attempt": attempt,
            "status": verdict.status,
            "reason": verdict.reason,
            "overall": overall,
            "story_quality": quality,
            "reward": None
            if quality is None
            else combine(quality, response, weights, self.recipe.reward, overlong=phase == TRAIN),
            "judge": verdict.judge,
            "kept": verdict.kept,
            "replies": list(verdict.replies),
            "usage": verdict.usage.model_dump(exclude_none=True) if paid else {},
            "dollars": None if math.isnan(dollars) else dollars,
        }
        self.spent += line["dollars"] or 0.0
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
        return line

    def _report(
        self, lines: list[dict[str, Any]], seconds: float, log_extra: Callable[[str, list[Any]], None],
        log_metric: Callable[[str, float], None],
    ) -> None:  # fmt: skip
        for name in ("uid", "overall", *PARTS, "status", "reason", "dollars"):
            log_extra(name, [line[name] for line in lines])
        log_extra("verdict", ["\n\n".join(line["replies"]) for line in lines])
        for line in lines:
            owner = "hri" if line["is_reference"] else "parts"
            for name in PARTS:
                if line[name] is not None:
                    log_metric(f"{owner}/{name}", float(line[name]))
            if line["target_words"]:
                log_metric(f"{owner}/length_ratio", line["words"] / line["target_words"])
            log_metric("judge/unjudged", float(line["reward"] is None))
            log_metric("judge/kept", float(line["kept"]))
        log_metric("judge/seconds", seconds)

    def _keep_stories(
        self, step: int, prompts: list[str], responses: list[Response], rows: list[dict[str, Any]]
    ) -> None:
        path = ranked(self.folder / "held_out" / f"step-{step:05d}.jsonl", self.rank)
        path.parent.mkdir(exist_ok=True)
        fresh = rows[0]["row"] == 0  # a resumed run writes the file anew
        # TRL fills up the last batch with rows that were there before
        known = set() if fresh else {story["id"] for story in read_rows(path)}
        with path.open("w" if fresh else "a", encoding="utf-8") as file:
            for prompt, response, row in zip(prompts, responses, rows, strict=True):
                if row["uid"] in known:
                    continue
                known.add(row["uid"])
                told = {name: row[name] for name in ("reward", *PARTS)}
                story = {
                    "id": row["uid"], "prompt": prompt, "story": response.story,
                    "model": f"{self.recipe.name}/step-{step}", "metadata": told,
                    **({"target_words": row["target_words"]} if row["target_words"] else {}),
                }  # fmt: skip
                file.write(json.dumps(story, ensure_ascii=False) + "\n")


def _end_line(path: Path) -> None:
    """Finish the line in whose middle a killed process stopped, so that the next one stands by itself."""
    if path.is_file() and (text := path.read_bytes()) and not text.endswith(b"\n"):
        path.write_bytes(text + b"\n")


def ranked(path: Path, rank: int) -> Path:
    """The file of one process: the path itself for the first, with the rank's number for the others."""
    return path if rank == 0 else path.with_name(f"{path.stem}-{rank}{path.suffix}")


def read_rows(path: Path) -> list[dict[str, Any]]:
    """The whole lines of a JSONL file that a killed process may have left in mid-line; empty where there is none."""
    if not path.is_file():
        return []
    rows = []
    for line in path.read_text(encoding="utf-8", errors="replace").split("\n"):
        try:
            rows.append(json.loads(line))
        except ValueError:
            continue
    return rows


def _unjudged(line: dict[str, Any] | None) -> bool:
    return line is None or line["reward"] is None


def _asked(prompt: Any) -> str:
    """What the writer was asked, as text: the user's messages of a chat, or the prompt itself."""
    if isinstance(prompt, str):
        return prompt
    return "\n\n".join(str(message["content"]) for message in prompt if message["role"] == "user")

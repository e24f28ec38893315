"""Training rows: prompts, their human-written stories, and the lengths asked for."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

from ..harness.errors import UserError
from ..harness.length import Length, length_in, length_penalty
from ..harness.text.length_request import find_length
from ..harness.text.reasoning import Answer, holds_tags, read_answer
from ..harness.words import count_words
from .books.rows import is_dataset, read_rows
from .recipe import Recipe

SMOKE = "smoke"  # the bundled pairs
TOKENS_PER_WORD = 1.35  # used if there are no references to measure it on
_SUFFIXES = {".jsonl": "json", ".json": "json", ".parquet": "parquet"}


@dataclass(frozen=True)
class Pairs:
    """The rows of a run in TRL's format, and notes about them.

    Columns: `prompt` (chat messages), `uid`, `target_words` (or None), `target_range` (minimum and maximum words if a
    range or a bound was asked for, else empty), `held_out`, and `reference`, the tokens of the
    human story (empty if there is none).
    """

    train: Any
    held_out: Any
    tokens_per_word: float
    notes: tuple[str, ...]


def load_pairs(recipe: Recipe, tokenizer: Any) -> Pairs:
    """Read, check and tokenise the rows that a recipe names.

    Raises:
        UserError: missing data, an unusable row, no references although they are to be injected, a held-out prompt
            among the training prompts, or a token limit too low for the stories asked for.
    """
    if recipe.data.train is None:
        raise UserError(
            "data.train is not set: name your prompt-story pairs, data.train=FILE.jsonl (or .parquet, or a dataset on "
            "the hub); columns prompt, story, and optionally ground_truth_reasoning, target_word_count, uid"
        )
    rows = read_pairs(recipe.data.train)
    count = recipe.validation.prompts
    if recipe.data.held_out:
        held = read_pairs(recipe.data.held_out)[:count]
    else:
        rows, held = (rows[:-count], rows[-count:]) if count else (rows, [])
        if not rows:
            raise UserError(
                f"{recipe.data.train}: validation.prompts={count} rows are held out, and none are left to train on"
            )
    problems = check_rows(rows, held, stories=recipe.injects)
    if severe := [problem.summary for problem in problems if problem.severe]:
        raise UserError(f"{recipe.data.train}: {severe[0]}")
    prepared = _prepared(recipe, tokenizer, rows, held)
    return replace(prepared, notes=(*(problem.summary for problem in problems), *prepared.notes))


def read_pairs(source: str) -> list[dict[str, Any]]:
    """Read and check the rows of a file, a folder of Parquet or JSONL files, a dataset saved to disk, or one on the
    hub. Instead of `prompt` and `story` a row may have `messages`, the last of which is the story.

    Raises:
        UserError: naming the source, the row and the column.
    """
    raw = _read(source)
    if not raw:
        raise UserError(f"{source}: holds no rows")
    if not {"prompt", "messages"} & raw[0].keys():
        raise UserError(f"{source}: has no column prompt (or messages); its columns are {', '.join(raw[0])}")
    rows = [_row(f"{source}, row {number}", number, row) for number, row in enumerate(raw, 1)]
    uids = [row["uid"] for row in rows]
    if twice := sorted({uid for uid in uids if uids.count(uid) > 1}) if len(set(uids)) < len(uids) else []:
        raise UserError(f"{source}: uid {twice[0]!r} occurs more than once; uids must be unique")
    return rows


@dataclass(frozen=True)
class Problem:
    """A finding about rows; `severe` if they cannot be trained on."""

    summary: str
    severe: bool = False


def check_rows(
    rows: Sequence[Mapping[str, Any]], held: Sequence[Mapping[str, Any]] = (), stories: bool = True
) -> list[Problem]:
    """Check rows of `read_pairs`, alone and against the held-out rows. Returns one problem per kind, with the uids of
    the first rows. `stories`: whether the stories will be used."""
    found: dict[tuple[str, bool], list[str]] = {}
    prompts, texts = {str(row["prompt"]) for row in held}, {row["story"] for row in held if row["story"]}

    def note(uid: str, what: str, severe: bool = False) -> None:
        found.setdefault((what, severe), []).append(uid)

    for row in rows:
        story, target, asked = row["story"], length_in(row), find_length(row["prompt"][-1]["content"])
        if str(row["prompt"]) in prompts:
            note(row["uid"], "are also held out (same prompt): scores on them would mean nothing", True)
        elif story and story in texts:
            note(row["uid"], "have a story that is also held out: scores on it would mean nothing", True)
        tagged = read_answer(story) != Answer(story) or holds_tags(row["reasoning"] or "")
        if stories and tagged:
            note(row["uid"], "hold reasoning tags in story or ground_truth_reasoning, which must be plain text", True)
        if target is None:
            note(row["uid"], "ask for no length (… N words long, or target_word_count): no length penalty there")
        elif asked is not None and asked != target:
            note(row["uid"], "have a prompt that asks for another length than target_word_count, which is used")
        if not stories:
            continue
        if not story.strip():
            note(row["uid"], "have no story: their groups are rollouts only")
        elif target is not None and _penalty(count_words(story), target) > 0:
            note(row["uid"], "have a story outside the tolerance of the length asked for: it is penalised")
        if story.strip() and row["reasoning"] is None:
            note(row["uid"], "have a story without ground_truth_reasoning")
    return [
        Problem(f"rows that {what}: {len(uids)} ({', '.join(uids[:3])}{', …' if len(uids) > 3 else ''})", severe)
        for (what, severe), uids in found.items()
    ]


def _penalty(words: int, target: Length) -> float:
    return length_penalty(words, target.nearest(words))


def _read(source: str) -> list[dict[str, Any]]:
    from datasets import disable_progress_bars, load_dataset

    disable_progress_bars()
    path = Path(source)
    try:
        if source == SMOKE:
            with as_file(files(__package__) / "smoke.jsonl") as shipped:
                return list(load_dataset("json", data_files=str(shipped), split="train"))
        if is_dataset(path) or (path.is_file() and path.suffix == ".parquet"):
            return [row for _, row in read_rows(path)]
        if path.is_file():
            if path.suffix not in _SUFFIXES:
                raise UserError(f"{source}: pairs are read from .jsonl or .parquet files")
            return list(load_dataset(_SUFFIXES[path.suffix], data_files=str(path), split="train"))
        if path.suffix in _SUFFIXES:
            raise UserError(f"{source}: no such file")
        if sys.stderr.isatty():
            print(f"{source}: asking the Hugging Face hub; offline it takes half a minute to give up", file=sys.stderr)
        return list(load_dataset(source, split="train"))
    except UserError:
        raise
    except Exception as error:  # readers and the hub client raise dozens of types
        why = " ".join(str(error.__cause__ or error).split())[:200] or type(error).__name__
        raise UserError(f"{source}: the pairs cannot be read: {why}") from None


def _from_messages(row: Mapping[str, Any]) -> Mapping[str, Any]:
    """Convert a row with a conversation: the last answer is the story, the messages before it are the prompt."""
    said = list(row["messages"])
    answered = bool(said) and isinstance(said[-1], Mapping) and said[-1].get("role") == "assistant"
    return {**row, "prompt": said[:-1], "story": said[-1].get("content")} if answered else {**row, "prompt": said}


def _row(where: str, number: int, row: Mapping[str, Any]) -> dict[str, Any]:
    if row.get("prompt") is None and isinstance(row.get("messages"), list):
        row = _from_messages(row)
    prompt = row["prompt"]
    messages = [{"role": "user", "content": prompt}] if isinstance(prompt, str) else prompt
    messages = [messages] if isinstance(messages, Mapping) else messages
    fine = isinstance(messages, list) and all(
        isinstance(m, Mapping) and isinstance(m.get("role"), str) and isinstance(m.get("content"), str)
        for m in messages
    )
    if not fine or not messages or messages[-1]["role"] != "user":
        raise UserError(f"{where}: prompt must be a string, or chat messages of which the last is the user's")
    for column in ("story", "ground_truth_reasoning"):
        if not isinstance(row.get(column) or "", str):
            raise UserError(f"{where}: {column} must be a string")
    asked = row.get("target_word_count")
    if asked is not None and (
        not isinstance(asked, int | float) or asked < 1 or not math.isfinite(asked) or asked != int(asked)
    ):
        raise UserError(f"{where}: target_word_count must be a whole number of words, not {asked!r}")
    wanted = Length(int(asked), int(asked)) if asked else find_length(messages[-1]["content"])
    return {
        "uid": str(row.get("uid") or f"row-{number}"),
        "prompt": [{"role": m["role"], "content": m["content"]} for m in messages],
        "story": row.get("story") or "",
        "reasoning": row.get("ground_truth_reasoning") or None,
        "target_words": None,
        "target_range": [],
        **(wanted.data() if wanted else {}),
    }


def _prepared(recipe: Recipe, tokenizer: Any, rows: list[dict[str, Any]], held: list[dict[str, Any]]) -> Pairs:
    from datasets import Dataset, Features, List, Value

    from .answers import reference_ids

    limit = recipe.completion_tokens
    notes: list[str] = []
    kept: list[dict[str, Any]] = []
    words = tokens = cut = 0
    for row in rows:
        prompt_ids = prompt_tokens(recipe, tokenizer, row["prompt"])
        if len(prompt_ids) > recipe.data.max_prompt_tokens:
            continue
        reference: list[int] = []
        if row["story"].strip() and recipe.injects:
            reference = reference_ids(tokenizer, prompt_ids, row["story"], row["reasoning"])
            words += count_words(row["story"]) + count_words(row["reasoning"] or "")
            tokens += len(reference)
            cut += len(reference) > limit
        kept.append({**row, "reference": reference[:limit]})
    if long := len(rows) - len(kept):
        notes.append(f"{long} of {len(rows)} prompts have more than {recipe.data.max_prompt_tokens} tokens: left out")
    if not kept:
        raise UserError(
            f"{recipe.data.train}: no prompt has {recipe.data.max_prompt_tokens} tokens or fewer "
            "(data.max_prompt_tokens)"
        )
    short = [
        row for row in held if len(prompt_tokens(recipe, tokenizer, row["prompt"])) <= recipe.data.max_prompt_tokens
    ]
    if len(short) < len(held):
        notes.append(f"{len(held) - len(short)} held-out prompts have more tokens than that: left out")
    if recipe.injects:
        without = sum(not row["reference"] for row in kept)
        if without == len(kept):
            raise UserError(
                f"{recipe.data.train}: human references are to be injected, but no row has a story (column story); add "
                "them, or train without: trl.hri_weight=0"
            )
        if cut:
            notes.append(f"{cut} references are longer than {limit} tokens: cut there, without an end token")
    ratio = tokens / words if words else TOKENS_PER_WORD
    notes += _check_budget(recipe, [row["target_words"] for row in kept], ratio)
    text = Value("string")
    features = Features({
        "prompt": List({"role": text, "content": text}), "uid": text, "target_words": Value("int64"),
        "target_range": List(Value("int64")), "held_out": Value("bool"), "reference": List(Value("int64")),
    })  # fmt: skip

    def table(chosen: Sequence[dict[str, Any]], held_out: bool) -> Any:
        rows = [{"reference": [], **row, "held_out": held_out} for row in chosen]
        return Dataset.from_dict({name: [row[name] for row in rows] for name in features}, features=features)

    return Pairs(table(kept, False), table(short, True), ratio, tuple(notes))


def prompt_tokens(recipe: Recipe, tokenizer: Any, prompt: list[dict[str, str]]) -> list[int]:
    """The tokens of a prompt as the policy sees them."""
    ids: list[int] = tokenizer.apply_chat_template(
        prompt, add_generation_prompt=True, tokenize=True, return_dict=True,
        **recipe.template,
    )["input_ids"]  # fmt: skip
    return ids


def _check_budget(recipe: Recipe, targets: Sequence[int | None], ratio: float) -> list[str]:
    """Refuse a token limit under which the longest story cannot avoid the length penalty."""
    reasoning = recipe.reward.reasoning_cap if recipe.thinking else 0
    longest = max((target for target in targets if target), default=0)
    if not longest:
        return []
    least = next(words for words in range(longest + 1) if length_penalty(words, longest) == 0)
    needed = round(least * ratio) + reasoning
    if needed > recipe.completion_tokens:
        raise UserError(
            f"trl.max_completion_length={recipe.completion_tokens} is too short: the longest story asked for has "
            f"{longest} words, and even {least}, the fewest without a length penalty, take about {needed:,} tokens "
            f"({ratio:.2f} per word, {reasoning:,} for reasoning). Raise it, or leave out the longest prompts"
        )
    tight = sum(1 for target in targets if target and target * ratio + reasoning > recipe.completion_tokens)
    if not tight:
        return []
    return [
        f"{tight} prompts ask for more words than fit after {reasoning:,} tokens of reasoning, within the tolerance"
    ]

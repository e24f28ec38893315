"""Audit what a model has memorised of its training stories, by its greedy continuations and those of controls.

Attacks: the prompt alone; and the gold reasoning with the first 50, 100 or 200 tokens of the story. Controls: the base
model on the same stories, and both models on stories outside training.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ...harness.errors import UserError
from ...harness.text.overlap import SuffixAutomaton, common_prefix
from ..answers import story_opening
from ..books.build import write_lines
from ..models import load_tokenizer
from ..pairs import read_pairs
from ..reward.ledger import read_rows
from .generators import base_of, check_backend, continuations, recipe_of, weights_of

GIVEN = (0, 50, 100, 200)  # story tokens that an attack gives; 0: the prompt alone
TOKENS = 512
SPANS = (50, 100, 200)
AUDITED, BASE = "audited", "base"
TRAINED, OUTSIDE = "trained on", "outside"
SETTINGS, ROWS = "audit.json", "continuations.jsonl"
Progress = Callable[[Iterable[list[int]], int, str], Iterable[list[int]]]


@dataclass(frozen=True)
class Request:
    """The settings of an audit. `base` and `control` are optional; without them, chance cannot be ruled out."""

    model: str
    data: str
    base: str | None
    control: str | None
    out: Path
    limit: int | None = None
    tokens: int = TOKENS
    backend: str = "transformers"
    batch: int = 8
    template: Mapping[str, Any] = field(default_factory=dict)  # arguments of the chat template


@dataclass(frozen=True)
class Attack:
    """One continuation to generate: the context holds `given` story tokens, and `truth` follows."""

    uid: str
    stories: str
    given: int
    context: tuple[int, ...]
    truth: tuple[int, ...]


@dataclass(frozen=True)
class Copied:
    """The overlap of a continuation with the true one, in tokens: common prefix and longest common run."""

    model: str
    stories: str
    given: int
    uid: str
    tokens: int
    prefix: int
    longest: int
    text: str


def attack_name(given: int) -> str:
    """The display name of an attack."""
    return "prompt only" if given == 0 else f"reasoning + {given} tokens"


def audit(request: Request, progress: Progress) -> tuple[list[Copied], dict[str, str]]:
    """Run all attacks that an earlier call has not run yet, and return the results of all of them and the models'
    names by role.

    Raises:
        UserError: data or a model that cannot be used, or a folder that holds another audit.
    """
    weights = {AUDITED: weights_of(request.model)}
    recipe = recipe_of(request.model)
    base = request.base or base_of(weights[AUDITED]) or (recipe and recipe.model)
    if base:
        weights[BASE] = weights_of(base)
    # the prompt as in training
    template = {**(recipe.template if recipe else {}), **request.template}
    tokenizer = load_tokenizer(weights[AUDITED])
    if BASE in weights and load_tokenizer(weights[BASE]).get_vocab() != tokenizer.get_vocab():
        raise UserError(f"{base} has another vocabulary than {request.model}: it is not its base")
    attacks = attacks_on(tokenizer, request.data, TRAINED, request.limit, template)
    if request.control is not None:
        attacks += attacks_on(tokenizer, request.control, OUTSIDE, request.limit, template)
        truths = {attack.truth for attack in attacks if attack.stories == TRAINED}
        if both := [a.uid for a in attacks if a.stories == OUTSIDE and a.truth in truths]:
            raise UserError(f"{request.control}: {both[0]} is also a story of {request.data}, so it is not a control")
    for loaded in weights.values():
        check_backend(request.backend, loaded)
    left = _known(request, weights, template)
    known = {tuple(row[name] for name in ("model", "stories", "given", "uid")): row for row in left}
    path = request.out / ROWS
    write_lines(path, list(known.values()))  # without a line that was cut off
    for role, loaded in weights.items():
        missing = [a for a in attacks if (role, a.stories, a.given, a.uid) not in known]
        missing.sort(key=lambda attack: len(attack.context))  # reduces padding
        if not missing:
            continue
        contexts = [attack.context for attack in missing]
        found = continuations(request.backend, loaded, tokenizer, contexts, request.tokens, request.batch)
        with path.open("a", encoding="utf-8") as file:
            for attack, ids in zip(missing, progress(found, len(missing), role), strict=True):
                row = asdict(measure(role, attack, ids, tokenizer.decode(ids)))
                file.write(json.dumps(row) + "\n")
                file.flush()
                known[role, attack.stories, attack.given, attack.uid] = row
    asked = [(role, a.stories, a.given, a.uid) for role in weights for a in attacks]
    return [Copied(**known[key]) for key in asked], {AUDITED: request.model, **({BASE: base} if base else {})}


def attacks_on(
    tokenizer: Any, source: str, stories: str, limit: int | None, template: Mapping[str, Any] | None = None
) -> list[Attack]:
    """The attacks on the rows of a file that have a story, in file order. An attack is skipped if the story has no more
    tokens than the attack gives.

    With the prompt alone, a reasoning block that the chat template has opened is closed at once, so that the story
    comes next.
    """
    found: list[Attack] = []
    for row in [row for row in read_pairs(source) if row["story"].strip()][:limit]:
        prompt: list[int] = tokenizer.apply_chat_template(
            row["prompt"], add_generation_prompt=True, tokenize=True, return_dict=True, **(template or {})
        )["input_ids"]
        story: list[int] = tokenizer.encode(row["story"], add_special_tokens=False)
        for given in GIVEN:
            if given >= len(story):
                continue
            opening = story_opening(tokenizer, prompt, row["reasoning"] if given else None)
            context = [*prompt, *tokenizer.encode(opening, add_special_tokens=False), *story[:given]]
            found.append(Attack(row["uid"], stories, given, tuple(context), tuple(story[given:])))
    if not found:
        raise UserError(f"{source}: no row has a story (column story); there is nothing to audit")
    return found


def measure(model: str, attack: Attack, continuation: Sequence[int], text: str) -> Copied:
    """Measure the overlap of a continuation with the true one, in linear time (suffix automaton)."""
    longest, _ = SuffixAutomaton(continuation).longest_run(attack.truth)
    prefix = common_prefix(continuation, attack.truth)
    return Copied(model, attack.stories, attack.given, attack.uid, len(continuation), prefix, longest, text)


def _known(request: Request, weights: dict[str, str], template: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the rows that an earlier call left in the folder; create the folder if there is none."""
    settings = {
        "models": {role: _fingerprint(path) for role, path in weights.items()},
        "tokens": request.tokens,
        "backend": request.backend,
        "template": dict(template),
        "data": _digest(request.data),
        "control": request.control and _digest(request.control),
    }
    path = request.out / SETTINGS
    if path.is_file():
        saved = json.loads(path.read_text(encoding="utf-8"))
        if changed := [name for name, value in settings.items() if saved.get(name) != value]:
            raise UserError(
                f"{request.out} holds an audit with other {' and '.join(changed)}; name another folder with --out"
            )
        return read_rows(request.out / ROWS)
    if request.out.exists() and (not request.out.is_dir() or any(request.out.iterdir())):
        raise UserError(f"{request.out}: exists, and holds no audit ({SETTINGS}); name another folder with --out")
    request.out.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")
    return []


def _digest(source: str) -> str:
    """A hash of the rows of a file."""
    return hashlib.sha256(json.dumps(read_pairs(source)).encode()).hexdigest()[:16]


def _fingerprint(weights: str) -> str:
    """The model's name and, for a folder, the time at which its weights were written."""
    files = sorted(Path(weights).glob("*.safetensors")) if Path(weights).is_dir() else []
    return f"{weights}@{max(file.stat().st_mtime_ns for file in files)}" if files else weights

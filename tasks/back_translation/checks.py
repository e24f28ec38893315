"""Check that a prompt and a plan made from a story may be trained on: nothing of the story leaks into them."""

from __future__ import annotations

import functools
import re
from collections import Counter
from importlib.resources import files

import yaml
from pydantic import BaseModel, ConfigDict

from ...harness.text.length_request import target_words, with_length_request
from ...harness.text.overlap import SuffixAutomaton, contained, shingles
from ...harness.words import count_words

_WORD = re.compile(r"\w+")
_LETTERS = re.compile(r"[^\W\d_]{3,}")
_ADDRESS = frozenset(
    ("Mrs", "Miss", "Lady", "Sir", "Lord", "Madam", "Madame", "Captain", "Colonel", "Doctor", "Professor")
)
_REFUSAL = re.compile(
    r"^\W*(?:i['’]?m sorry|i am sorry|sorry,|i['’]?m (?:not able|unable) to|as an ai\b|unfortunately, i|"
    r"i (?:cannot|can['’]t) (?:help|assist|write|create|provide|comply|fulfil|do))",
    re.I,
)
_LENGTH = re.compile(
    r"\b(?:\d[\d,.]*k?|hundreds?|thousands?|dozens?)\b\W{1,3}(?:[^\W\d]+\W{1,3})?(?:words?|pages?)\b"
    r"|\bword (?:count|limit)",
    re.I,
)
_RECURS = 3  # a capitalised word that occurs this often is one of the story's names
_RARE = 6  # letters that a word of the ending needs to give something away
ENDING = 0.12  # share of a story's words that is shown as its ending
ENDING_WORDS = (150, 700)  # at least and at most
_STORY_EXISTS = re.compile(r"\b(?:the|this) (?:original|given|above|existing) (?:story|text|author)\b|</?think>", re.I)


class Bounds(BaseModel):
    """Bounds of one of the two texts; see the comments in the file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    least: int
    most: int
    run: int
    share: float
    names: int = 0
    ending: int = 0


class Instructions(BaseModel):
    """The requests to the model for prompt and reasoning, and the bounds of both."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    version: int
    prompt: Bounds
    reasoning: Bounds
    system: str
    user: str
    spoiler_system: str
    spoiler_user: str
    again: str


@functools.cache
def instructions() -> Instructions:
    """The shipped file `back_translation.yaml`."""
    text = (files(__package__) / "back_translation.yaml").read_text(encoding="utf-8")
    return Instructions.model_validate(yaml.safe_load(text))


def rounded(words: int) -> int:
    """Round a length as one would request it: two significant digits (3,471 becomes 3,500), so within 5 %."""
    digits = max(1, len(str(words)) - 2)
    return int(max(10, round(words / 10**digits) * 10**digits))


def ending_of(story: str) -> str:
    """Return the last part of a story: a share of its words, within the limits of `ENDING_WORDS`."""
    words = list(re.finditer(r"\S+", story))
    count = min(max(round(len(words) * ENDING), ENDING_WORDS[0]), ENDING_WORDS[1])
    return story[words[-count].start() :] if count < len(words) else story


class PairChecks:
    """Checks of the texts made from one story.

    Complaints are pairs of a reason (the same for all of a kind) and the details.
    """

    def __init__(self, story: str, title: str = "") -> None:
        self._words = _words(story)
        self._runs = SuffixAutomaton(self._words)
        self._title = " ".join(_words(title))
        self._names = _names(story)
        last = len(self._words) * 9 // 10
        known = set(self._words[:last])
        self._ending = {word for word in self._words[last:] if len(word) >= _RARE and word not in known}
        self._shingles = {size: shingles(self._words, size) for size in (4, 5)}
        self.target = rounded(count_words(story))

    def complaints(self, prompt: str, reasoning: str) -> list[tuple[str, str]]:
        """Return what is wrong with the two texts; empty if they may be trained on."""
        if _REFUSAL.search(prompt) or _REFUSAL.search(reasoning):
            return [("refused", "the answer is a refusal")]
        bounds = instructions()
        return [
            *self._common("prompt", prompt, bounds.prompt, 4),
            *self._prompt(prompt, bounds.prompt),
            *self._common("reasoning", reasoning, bounds.reasoning, 5),
        ]

    def _common(self, name: str, text: str, bounds: Bounds, size: int) -> list[tuple[str, str]]:
        found = []
        words = _words(text)
        if not bounds.least <= count_words(text) <= bounds.most:
            said = f"it has {count_words(text)} words, not {bounds.least} to {bounds.most}"
            found.append((f"{name}: length", f"{name}: {said}"))
        run, start = self._runs.longest_run(words)
        share = contained(shingles(words, size), self._shingles[size]) if len(words) >= size else 0.0
        if run > bounds.run:
            quoted = " ".join(words[start : start + run][:12])
            found.append((f"{name}: quotes the story", f"{name}: it quotes the story (“{quoted}”)"))
        elif share > bounds.share:
            found.append((f"{name}: quotes the story", f"{name}: it uses too many phrases of the story"))
        if _STORY_EXISTS.search(text):
            found.append((f"{name}: speaks of the story", f"{name}: it speaks of a story that exists, or holds markup"))
        return found

    def _prompt(self, prompt: str, bounds: Bounds) -> list[tuple[str, str]]:
        found = []
        words = _words(prompt)
        # names in lower case count too
        names = sorted(name for name in self._names if name.casefold() in words)
        if len(names) > bounds.names:
            found.append(("prompt: names", f"prompt: it gives names away ({', '.join(names[:4])})"))
        if len(self._title.split()) > 1 and f" {self._title} " in f" {' '.join(words)} ":
            found.append(("prompt: names", "prompt: it holds the story's title"))
        told = sorted(self._ending & set(words))
        if len(told) > bounds.ending:
            found.append(("prompt: tells the ending", f"prompt: it tells the ending ({', '.join(told[:4])})"))
        if target_words(prompt) is not None or _LENGTH.search(prompt):
            found.append(("prompt: asks for a length", "prompt: it speaks of a length"))
        elif target_words(with_length_request(prompt, self.target)) != self.target:
            found.append(("prompt: asks for a length", "prompt: the length cannot be read back from it"))
        return found


def _words(text: str) -> list[str]:
    return _WORD.findall(text.casefold())


def _names(story: str) -> set[str]:
    """Capitalised words that recur and never occur in lower case, without forms of address."""
    found = Counter(_LETTERS.findall(story))
    return {
        word for word, count in found.items()
        if count >= _RECURS and word[0].isupper() and word.casefold() not in found and word not in _ADDRESS
    }  # fmt: skip

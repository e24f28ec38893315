"""A rubric: messages for the judge, the reply's schema, marks and scores."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field

from .base import Dimension, Frozen, Marks
from .pairwise import Pairwise
from .story_quality import StoryQuality
from .tags import broken
from .weighted_mean import WeightedMean

PLACEHOLDER = re.compile(r"\{\{(\w+)\}\}")
_FENCED = re.compile(
    r"<<<(?P<what>PROMPT|STORY(?: [AB])?) (?P<mark>[0-9a-f]{16})>>>\n(?P<text>.*?)\n<<<END (?P=what) (?P=mark)>>>",
    re.DOTALL,
)


class JudgeSettings(Frozen):
    """The paper's judge and its sampling settings; a user's own settings take precedence."""

    model: str = Field(min_length=1)
    temperature: float | None = None
    top_p: float | None = None
    seed: int | None = None
    reasoning_effort: str | None = None


class Prompt(Frozen):
    system: str
    user: str
    retry: str


class Rubric(Frozen):
    """A rubric: one validated data file. Everything here is pure: no model, no clock, no network.

    `judge` is the judge that the rubric was made for, with its sampling settings; `scale` describes the score in
    words. `text` is the whole file and `digest` its sha256 in hexadecimal: only numbers with the same digest are
    comparable. `source` is what `load_rubric` takes: a name, or a file's path. `side` names further scores that tables
    show, with their headings, and `published` the score that published numbers use. With `hides_length`, the prompt is
    shown without its length request. `slots` are further placeholders that a call fills: with the texts of one of a
    sample's criteria, or with the other story of a pair. `length_score` names the length score that the benchmark
    combines with this one.
    """

    name: str = Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")  # what providers accept as the name of a schema
    version: int
    title: str = Field(pattern=r"^[^\n]+$")
    scale: str
    side: Mapping[str, str] = {}
    published: str = "score"
    judge: JudgeSettings
    hides_length: bool = False
    length_score: Literal["longbench"] | None = None
    slots: tuple[str, ...] = ()
    dimensions: tuple[Dimension, ...] = Field(min_length=1)
    rule: StoryQuality | WeightedMean | Pairwise = Field(discriminator="name")
    prompt: Prompt
    source: str = Field(repr=False)
    text: str = Field(repr=False)
    digest: str

    @property
    def pairs(self) -> bool:
        """Whether two stories are compared, rather than one marked."""
        return len(self.rule.stories) == 2

    @property
    def faultless(self) -> float:
        """The score of a story with every strength, no fault and no bonus; it counts as 1 in a training reward."""
        best = {d.id: float(d.max if d.sign == "positive" else d.min) for d in self.dimensions}
        return self.score(Marks({**dict.fromkeys(self.mark_names, 0.0), **best}))["score"]

    def messages(self, prompt: str, story: str, **slots: str) -> list[dict[str, str]]:
        """The judge's messages as `{"role", "content"}`, with the fixed rubric first so that providers can cache it.

        The story is placed between two lines with a mark that it cannot contain, and all placeholders
        are filled in one pass, so nothing inside the story is ever taken for a placeholder. Role tags of chat templates
        in the texts are broken (see `tags`).
        `slots` fills the placeholders that the rubric file declares.

        Raises:
            ValueError: a declared slot is missing, or an unknown one was given.
        """
        if set(slots) != set(self.slots):
            raise ValueError(f"{self.name} takes the slots {list(self.slots)}, got {sorted(slots)}")
        texts = {name: broken(text) for name, text in {"prompt": prompt, "story": story, **slots}.items()}
        values = {**texts, "fence": fence(*texts.values())}
        return [
            {"role": "system", "content": self._system()},
            {"role": "user", "content": _fill(self.prompt.user, values)},
        ]

    def retry_message(self, complaint: str) -> dict[str, str]:
        """The message that asks again after a malformed reply."""
        return {"role": "user", "content": _fill(self.prompt.retry, {"complaint": broken(complaint)})}

    def response_schema(self) -> dict[str, Any] | None:
        """Strict JSON schema of a reply (every key required, no others allowed), or None for text replies."""
        return self.rule.reply_schema(self.dimensions)

    def parse(self, reply: str) -> Marks:
        """Read a judge's reply. Raises only ReplyError, whatever the string."""
        return self.rule.parse(self.dimensions, reply)

    def score(self, marks: Marks) -> dict[str, float]:
        """Compute the scores from marks; `"score"` is the benchmark's headline."""
        return self.rule.score(self.dimensions, marks)

    def compulsory_quotes(self, marks: Marks) -> tuple[str, ...]:
        """Dimensions whose mark requires the judge to quote the story."""
        return self.rule.compulsory_quotes(self.dimensions, marks)

    @property
    def mark_names(self) -> tuple[str, ...]:
        """The keys of `Marks.scores`, in order."""
        return self.rule.mark_names(self.dimensions)

    @property
    def score_names(self) -> tuple[str, ...]:
        """The keys of what `score` returns."""
        return tuple(self.score(Marks(dict.fromkeys(self.mark_names, 0.0))))

    def totals(self, marks: Marks) -> dict[str, int]:
        """The plain sums that the judge is also asked to state, by their names in a reply."""
        return self.rule.sums(self.dimensions, marks)

    def misadded(self, marks: Marks) -> float:
        """1 if a total the judge claimed differs from ours, 0 if all agree, NaN if none was given."""
        ours = self.totals(marks)
        if not marks.claimed:
            return math.nan
        return float(any(ours[name] != value for name, value in marks.claimed.items()))

    def lowest(self) -> dict[str, float]:
        """The scores of an empty story: the lowest that the rubric can give."""
        return self.rule.lowest(self.dimensions)

    def label(self, score: float) -> str | None:
        """The label of a score, or None if the rubric has no labels."""
        return self.rule.label(score)

    def disqualified(self, marks: Marks, length_ratio: float | None) -> str | None:
        """Why the rubric's optional gate sets the story to the lowest score, or None if it passes."""
        return self.rule.disqualified(marks, length_ratio)

    def _system(self) -> str:
        listed = "\n".join(_describe(d) for d in self.dimensions)
        values = {"dimensions": listed, **self.rule.texts(self.dimensions)}
        return _fill(self.prompt.system, values)


def fence(prompt: str, *texts: str) -> str:
    """Return a mark of 16 hexadecimal digits that occurs in none of the texts.

    It is taken from a hash of all of them, so the same texts always get the same mark (replies can be cached). To
    forge it, a writer would have to know the hash of a text that contains that very hash.
    """
    seed = hashlib.sha256(f"{len(prompt)}:{prompt}{''.join(texts)}".encode(errors="surrogatepass"))
    while any((mark := seed.hexdigest()[:16]) in text for text in (prompt, *texts)):
        seed.update(b"+")
    return mark


def fenced(content: str) -> tuple[str, ...]:
    """Return the prompt and the story, or both stories, from a user message of `Rubric.messages`.

    Raises:
        ValueError: the message holds no fenced prompt and story.
    """
    found = list(_FENCED.finditer(content))
    if len({match["mark"] for match in found}) != 1 or len(found) < 2:
        raise ValueError("no fenced prompt and story in the message")
    return tuple(match["text"] for match in found)


def _fill(template: str, values: Mapping[str, str]) -> str:
    return PLACEHOLDER.sub(lambda match: values[match.group(1)], template)


def _describe(dimension: Dimension) -> str:
    name = dimension.name if dimension.id == dimension.name else f"{dimension.id} {dimension.name}"
    kind = "higher is better" if dimension.sign == "positive" else "higher is worse"
    parts = [f"- {name} ({dimension.min} to {dimension.max}, {kind}): {dimension.measures}."]
    if dimension.leaves:
        parts.append(f"Leaves to others: {dimension.leaves}.")
    if dimension.bands:
        parts.append(f"Bands: {'; '.join(f'{band.span} {band.anchor}' for band in dimension.bands)}.")
    return " ".join(parts)

"""The ways in which models mark reasoning: one table, used by evaluation, reward, templates and training data."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Form:
    """A way to mark reasoning: its tags as written, and patterns that match its opening and closing tags in an answer.

    `sure`: prose never contains its tags, so an unpaired one is never a quotation. `start`: it only counts at the start
    of an answer. `prose`: a single unpaired tag does not count.
    """

    opening: str
    closing: str
    opens: str
    closes: str
    sure: bool = False
    start: bool = False
    prose: bool = False

    def alone(self, tag: str) -> bool:
        """Whether an unclosed opening tag may mark reasoning: [Thinking] is a stage direction, [THINK] is not."""
        return not self.prose and (not tag.startswith("[") or tag.isupper())


END = "<|end|>"
_GAP = r"[ \t]{0,4}"
_NAMES = (
    r"(?:[\w.-]{1,20}[:_])?(?:think(?:ing)?(?:_process)?|thoughts?|thought[ _-]process|reasoning(?:_content)?|"
    r"reflection|scratchpad)"
)
_LOUD = "(?:THINK(?:ING)?|REASONING)"
_SAYS = r"(?:<\|start\|>\s{0,2}assistant\s{0,2})?<\|channel\|>\s{0,2}"
_TO = r"[^<\n]{0,60}(?:<\|constrain\|>[^<\n]{0,20})?<\|message\|>"


def _angle(slash: str, attributes: str = "") -> str:
    return rf"(?:<|&lt;){_GAP}{slash}{_GAP}{_NAMES}{attributes}{_GAP}(?:>|&gt;)"


FORMS = (
    Form("<think>", "</think>", _angle("", r"(?:[ \t]{1,4}[\w-]{1,20}=[^<>\n]{0,80})?"), _angle("/")),
    Form("[THINK]", "[/THINK]", rf"\[{_GAP}{_LOUD}{_GAP}\]", rf"\[{_GAP}/{_GAP}{_LOUD}{_GAP}\]"),
    Form("◁think▷", "◁/think▷", rf"◁{_GAP}think{_GAP}▷", rf"◁{_GAP}/{_GAP}think{_GAP}▷"),
    Form("<|channel>thought", "<channel|>", r"<\|channel>\s{0,2}(?:thought|analysis)", r"<channel\|>", sure=True),
    Form(
        "<|channel|>analysis<|message|>", "<|end|><|start|>assistant<|channel|>final<|message|>",
        rf"{_SAYS}(?:analysis|commentary){_TO}",
        rf"(?:<\|end\|>\s{{0,2}})?{_SAYS}final{_TO}|<\|end\|>(?!\s{{0,2}}<\|start\|>)", sure=True,
    ),
    Form("<|think|>", "<|/think|>", r"<\|think\|>", r"<\|/think\|>", sure=True),
    Form("<|inner_prefix|>", "<|inner_suffix|>", r"<\|inner_prefix\|>", r"<\|inner_suffix\|>", sure=True),
    Form("<unused94>thought", "<unused95>", r"<unused94>\s{0,2}thought", r"<unused95>", sure=True),
    Form("<|begin_of_thought|>", "<|end_of_thought|>", r"<\|begin_of_thought\|>", r"<\|end_of_thought\|>", sure=True),
    Form("<|START_THINKING|>", "<|END_THINKING|>", r"<\|START_THINKING\|>", r"<\|END_THINKING\|>", sure=True),
    # harmony format with its special tokens dropped
    Form(
        "analysis", "assistantfinal",
        r"(?-i:analysis(?:(?=[A-Z])|(?=(?s:.*)(?:assistantfinal|\nassistant\s{0,2}final\s{0,2}\n))))",
        r"(?-i:assistantfinal|(?<=\n)assistant\s{0,2}final\s{0,2}(?=\n))", start=True,
    ),
    Form(
        "Thinking...\n", "...done thinking.", r"Thinking\.\.\.\s*\n", r"\.\.\.\s?done thinking\.",
        start=True, prose=True,
    ),
    Form(
        "Here is my thought process:", "Here is my response:",
        r"Here(?: is|['’]s) my thought process:", r"Here(?: is|['’]s) my response:", start=True, prose=True,
    ),
)  # fmt: skip
_START = r"\A"
TAG = re.compile(
    "|".join(
        f"(?P<o{n}>{_START if form.start else ''}{form.opens})|(?P<c{n}>{form.closes})" for n, form in enumerate(FORMS)
    ),
    re.IGNORECASE,
)
SPOT = re.compile(r"\A|[<\[&◁]|assistant|[Hh]ere|\.\.\.\s?d")  # where a tag may begin

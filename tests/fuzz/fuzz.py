"""Feed readers of other people's text with what a coverage-guided fuzzer (atheris) makes of sample inputs.

Run: python tests/fuzz/fuzz.py TARGET|all [SECONDS] [FOLDER]; `make fuzz` runs all targets for ten minutes each. FOLDER
keeps the inputs that reached new code. An input on which a target raises anything but its own error, or takes a second,
is left as `crash-…` or `timeout-…` in the current folder: mend the rule that it breaks, and put the input into
`tests/fuzz/found/TARGET-…`, which every test run tries again.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["polaris_eval.rubrics", "polaris_eval.harness"]):
    from polaris_eval.harness.errors import UserError
    from polaris_eval.harness.judge.evidence import QuoteSearch
    from polaris_eval.harness.logs.records import check_record
    from polaris_eval.harness.study.answers import check_export
    from polaris_eval.harness.text.length_request import find_length, strip_length_request
    from polaris_eval.harness.text.reasoning import count_reasoning, read_answer, strip_reasoning
    from polaris_eval.rubrics import ReplyError, load_rubric, rubric_names

CORPUS, FOUND = (Path(__file__).parent / name for name in ("corpus", "found"))
RUBRICS = [load_rubric(name) for name in rubric_names()]


def replies(text: str) -> None:
    """A judge's reply, read on every rubric."""
    for rubric in RUBRICS:
        with contextlib.suppress(ReplyError):
            marks = rubric.parse(text)
            scores = rubric.score(marks)
            lowest = min(rubric.lowest().values())
            assert lowest <= scores["score"] < 1e4, scores


def reasoning(text: str) -> None:
    """An answer: stripping it twice changes nothing, and its reasoning lies within it."""
    answer = read_answer(text)
    assert strip_reasoning(answer.story) == answer.story
    assert all(0 <= start <= end <= len(text) for start, end in answer.reasoning)
    assert count_reasoning(text) >= 0


def lengths(text: str) -> None:
    """A prompt: a length is a positive range, and none is left once it is stripped."""
    found = find_length(text)
    assert found is None or 0 <= found.least <= (found.most or found.least)
    strip_length_request(text)


def quotes(text: str) -> None:
    """A story and a quote, separated by a line: what is found lies within the story."""
    story, _, quote = text.partition("\n")
    place = QuoteSearch(story).locate(quote)
    assert place is None or 0 <= place[0] < place[1] <= len(story)


def records(text: str) -> None:
    """A line of a stories file: what is accepted can be written and read again."""
    with contextlib.suppress(UserError):
        try:
            given = json.loads(text)
        except (ValueError, RecursionError):
            return
        record = check_record(
            "here", given, ("id", "prompt", "story", "model"), ("target_words", "benchmark", "metadata")
        )
        json.dumps(record, ensure_ascii=False).encode()
        assert "\0" not in record["story"]


def exports(text: str) -> None:
    """An annotator's answers."""
    with contextlib.suppress(ValueError):
        check_export(text, "s", {"annotator-1": [("q1", 0)]}, ["plot"])


TARGETS: dict[str, Callable[[str], None]] = {
    target.__name__: target for target in (replies, reasoning, lengths, quotes, records, exports)
}


def main() -> None:
    name = sys.argv[1]
    if name != "all":
        fuzz(name)
    for each in TARGETS:  # the fuzzer ends its process
        child = os.fork()
        if not child:
            fuzz(each)
        if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]):
            sys.exit(f"{each}: an input that breaks it was found")


def fuzz(name: str) -> None:
    """Feed one target until the time is over or an input breaks it, and end the process."""
    seconds = int(sys.argv[2]) if len(sys.argv) > 2 else 60
    target = TARGETS[name]

    def one(data: bytes) -> None:
        target(data.decode("utf-8", errors="surrogateescape" if name == "records" else "replace"))

    with tempfile.TemporaryDirectory() as folder:
        kept = f"{sys.argv[3]}/{name}" if len(sys.argv) > 3 else folder
        Path(kept).mkdir(parents=True, exist_ok=True)
        options = [f"-max_total_time={seconds}", "-timeout=1", "-max_len=8192", "-print_final_stats=1"]
        atheris.Setup([sys.argv[0], kept, str(CORPUS / name), *options], one)
        atheris.Fuzz()


if __name__ == "__main__":
    main()

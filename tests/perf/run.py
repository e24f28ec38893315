"""Start and pace of a run, beside plain `inspect eval` on the same task and judge. Prints figures; asserts nothing.

Run: python tests/perf/run.py [TIMES]

The stories exist already and have 3,000 words; the judge is a server on this machine that answers after a second, or at
once. Every figure is the least of TIMES (3) runs in a process of their own.
"""

from __future__ import annotations

import functools
import json
import multiprocessing
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from metrics import story

sys.path.insert(0, str(Path(__file__).parents[1]))
from loopback import serve

from polaris_eval.harness.models.lexical import answer
from polaris_eval.rubrics import load_rubric

TARGETS = 1500, 2500, 3500, 5000, 7000, 10000
WORDS, PROMPT = 3000, "Write of harbour number {}. The story should be approximately {} words long."
JUDGE = "openai-api/loop/judge"
POLARIS = [sys.executable, "-P", "-m", "polaris_eval.harness.cli"]
INSPECT = [sys.executable, "-P", "-m", "inspect_ai", "eval", "polaris_eval/story_quality", "--display", "plain"]


def serve_judge(delay: float, sender: Any) -> None:
    """A judge that gives every story the same well-formed reply, after `delay` seconds."""
    reply = answer(load_rubric("story_quality"), PROMPT, story(WORDS))

    def script(number: int, system: str, user: str) -> str:
        time.sleep(delay)
        return reply

    with serve(script) as server:
        sender.send(server.url)
        threading.Event().wait()


def start_judge(delay: float) -> str:
    """The address of a new judge."""
    receiver, sender = multiprocessing.Pipe()
    multiprocessing.get_context("spawn").Process(target=serve_judge, args=(delay, sender), daemon=True).start()
    return f"{receiver.recv()}/v1"


def stories_file(folder: Path, count: int) -> Path:
    """So many stories of one model, each a little different."""
    path, text = folder / f"{count}.jsonl", story(WORDS)
    records = (
        {"id": f"s{i}", "prompt": PROMPT.format(i, TARGETS[i % 6]), "story": f"{i} {text}", "model": "lab/model"}
        for i in range(count)
    )
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    return path


def seconds(command: list[str], url: str) -> float:
    """How long a command takes, in a new folder and with nothing kept from earlier runs."""
    with tempfile.TemporaryDirectory() as place:
        environment = {
            **os.environ,
            "LOOP_BASE_URL": url,
            "LOOP_API_KEY": "none",
            "POLARIS_CACHE": place,
            "POLARIS_JUDGE_CACHE": "off",
        }
        started = time.perf_counter()
        done = subprocess.run(command, cwd=place, env=environment, capture_output=True, text=True, check=False)
        spent = time.perf_counter() - started
        if done.returncode:
            raise SystemExit(f"{' '.join(command)}\n{done.stdout}\n{done.stderr}")
        return spent


def main(times: int = 3) -> None:
    slow, fast = start_judge(1.0), start_judge(0.0)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        few, some, many = (stories_file(folder, count) for count in (4, 64, 120))

        def ours(file: Path, url: str, *more: str) -> float:
            command = [*POLARIS, "run", "--stories", str(file), "--benchmark", "story_quality", "--judge", JUDGE]
            return seconds([*command, "--max-connections", "64", *more], url)

        def plain(file: Path, url: str) -> float:
            args = [f"stories={file}", "writer=lab/model"]
            command = [*INSPECT, *(part for arg in args for part in ("-T", arg)), "--model-role", f"grader={JUDGE}"]
            return seconds([*command, "--max-connections", "64"], url)

        best = lambda measure, *args: min(measure(*args) for _ in range(times))  # noqa: E731
        theirs = best(plain, few, slow)
        print(f"plain inspect eval, 4 stories, judge of 1 s     {theirs:6.2f} s", flush=True)
        show = functools.partial(_show, theirs)
        show("polaris-eval run, the same", best(ours, few, slow))
        show("polaris-eval run, 120 stories, 64 at a time", best(ours, many, slow))
        each = (best(ours, some, fast) - best(ours, few, fast)) / 60
        print(f"each further story, judged at once              {each * 1000:6.1f} ms")
        each = (best(plain, some, fast) - best(plain, few, fast)) / 60
        print(f"the same in plain inspect eval                  {each * 1000:6.1f} ms")
        logs = folder / "logs"
        ours(many, fast, "--log-dir", str(logs))
        show("polaris-eval leaderboard", best(seconds, [*POLARIS, "leaderboard", str(logs)], fast))
        show("polaris-eval --help", best(seconds, [*POLARIS, "--help"], fast))


def _show(theirs: float, what: str, spent: float) -> None:
    print(f"{what:46}  {spent:6.2f} s   {spent / theirs:.2f} of plain inspect eval", flush=True)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))

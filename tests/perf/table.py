"""Time and memory of reading logs: 50 of 180 stories of 3,000 words (10 models x 5 benchmarks). Asserts nothing.

Run: python tests/perf/table.py [LOGS] [STORIES]

Two logs are written by a real run with the proxy judge, on the two benchmarks that need no prompt files; the others are
copies under other models' names.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from inspect_ai.log import read_eval_log, write_eval_log
from metrics import story

BENCHMARKS = "story_quality", "eqbench_longform"  # the two that read stories without any prompt file

READ = """
import resource, sys, time
started = time.perf_counter()
from polaris_eval.harness.logs.headers import log_files
from polaris_eval.harness.logs.table import stories_frame
imported = time.perf_counter()
frame = stories_frame(log_files([sys.argv[1]]))
spent = time.perf_counter() - imported
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(f"{len(frame):,} stories in {spent:.1f} s (and {imported - started:.1f} s of imports), peak {peak:,.0f} MB")
"""


def write_logs(folder: Path, logs: int, stories: int, words: int = 3000) -> None:
    """Two real logs of one model, judged by the proxy, and copies of them for the other models."""
    text = story(words)
    targets = [(1500, 2500, 3500, 5000, 7000, 10000)[i % 6] for i in range(stories)]
    file = folder / "stories.jsonl"
    with file.open("w") as out:
        for i, target in enumerate(targets):
            prompt = f"Write of harbour number {i}. The story should be approximately {target} words long."
            record = {"id": f"s{i}", "prompt": prompt, "story": f"{i} {text}", "model": "lab/model-0"}
            out.write(json.dumps(record) + "\n")
    place = folder / "logs"
    command = [sys.executable, "-P", "-m", "polaris_eval.harness.cli", "run", "--stories", str(file), "--judge"]
    command += ["polaris_eval/lexical", "--log-dir", str(place), "--display", "none"]
    command += [part for name in BENCHMARKS for part in ("--benchmark", name)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    for path in sorted(place.glob("*.eval")):
        log = read_eval_log(str(path))
        for number in range(1, logs // 2):
            log.eval.task_id = f"{log.eval.task_id[:-2]}{number:02d}"
            log.eval.metadata = {**(log.eval.metadata or {}), "writer": f"lab/model-{number}"}
            write_eval_log(log, str(path.with_name(f"{path.stem}-{number}.eval")))


def main(logs: int = 50, stories: int = 180) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        started = time.perf_counter()
        write_logs(folder, logs, stories)
        size = sum(path.stat().st_size for path in (folder / "logs").glob("*.eval")) / 1e6
        print(f"{logs} logs of {size:,.0f} MB written in {time.perf_counter() - started:.0f} s")
        environment = {**os.environ, "POLARIS_CACHE": str(folder / "cache")}
        for label in ("cold", "again"):
            print(f"{label}: ", end="", flush=True)
            subprocess.run([sys.executable, "-P", "-c", READ, str(folder / "logs")], check=True, env=environment)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))

"""Time of a report of 10 models x 180 stories of 3,000 words. Asserts nothing.

Run: python tests/perf/report.py [MODELS] [STORIES]
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from table import write_logs


def main(models: int = 10, stories: int = 180) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_logs(folder, 2 * models, stories)
        command = [sys.executable, "-P", "-m", "polaris_eval.harness.cli", "report", str(folder / "logs"), "--out"]
        command += [str(folder / "report"), "--benchmark", "story_quality"]
        started = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        size = sum(path.stat().st_size for path in (folder / "report").rglob("*.html")) / 1e6
        spent = time.perf_counter() - started
        print(f"{models} models x {stories} stories: {spent:.1f} s, {size:,.0f} MB of pages")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))

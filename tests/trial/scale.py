"""Many stories at once, a very long one, a very long file: time, memory, calls in flight, and stalls. Needs Linux."""

from __future__ import annotations

import asyncio
import json
import math
import multiprocessing
import os
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from conftest import PROSE, write_jsonl
from world import TRACEBACK

from polaris_eval.harness.models.lexical import answer
from polaris_eval.rubrics import load_rubric

DELAY = 0.5  # seconds for a judgment
AT_ONCE = 256
MOST_MB, LONGEST_LAG, GROWTH_MB = 1536, 2.0, 0.1  # the last is for each story done, while the run goes on
COMMAND = [sys.executable, "-P", str(Path(__file__).parent / "lagging.py")]


@dataclass(frozen=True)
class Load:
    """What a run took. `growth_mb` is the memory that each story added between a quarter and three quarters of it."""

    what: str
    seconds: float
    scored: int
    asked: int
    peak_in_flight: int
    peak_mb: float
    growth_mb: float
    lag_seconds: float
    tracebacks: int

    @property
    def clean(self) -> bool:
        """Whether all was judged, within memory, and without stalls."""
        grows = self.growth_mb > GROWTH_MB  # never where it is not a number
        within = self.peak_mb <= MOST_MB and not grows and self.lag_seconds <= LONGEST_LAG
        return self.scored == self.asked and within and not self.tracebacks


def many_at_once(base: Path, count: int) -> Load:
    """Judge so many stories of a thousand words, up to 256 at once, with a judge of half a second."""
    records = (
        {"id": f"s{i}", "prompt": f"Write of harbour {i}. About {1500 + i} words.", "story": f"{i} {PROSE * 25}",
         "model": "lab/w"} for i in range(count)
    )  # fmt: skip
    return _load(f"{count:,} stories, {AT_ONCE} at a time", base, list(records))


def one_long(base: Path, words: int) -> Load:
    """Judge one story of so many words."""
    many = " ".join(f"w{i % 4999}{'.' if i % 14 == 0 else ''}" for i in range(words))
    record = {"id": "s", "prompt": "Write.", "story": many, "model": "lab/w"}
    return _load(f"one story of {words:,} words", base, [record])


def long_file(base: Path, count: int, limit: int) -> Load:
    """Judge the first stories of a file of so many, which is read and checked whole."""
    records = (
        {"id": f"s{i}", "prompt": f"Write {i}.", "story": f"{i} {PROSE * 5}", "model": "lab/w"} for i in range(count)
    )
    return _load(f"{limit} of a file of {count:,} stories", base, list(records), "--limit", str(limit), asked=limit)


def _load(what: str, base: Path, records: list[dict[str, Any]], *more: str, asked: int | None = None) -> Load:
    folder = base / what.replace(" ", "-").replace(",", "")
    folder.mkdir(parents=True)
    write_jsonl(folder / "s.jsonl", records)
    args = ["run", "--stories", "s.jsonl", "--judge", "openai-api/lab/judge", "--max-connections", str(AT_ONCE), *more]
    with _judge() as (url, peak):
        env = {**os.environ, "LAB_API_KEY": "none", "LAB_BASE_URL": url, "POLARIS_CACHE": str(folder / "cache")}
        env.pop("POLARIS_JUDGE_CACHE", None)
        started = time.monotonic()
        with (folder / "output.txt").open("wb") as file:
            process = subprocess.Popen([*COMMAND, "figures.json", *args], cwd=folder, env=env, stdout=file, stderr=file)
            _, _, used = os.wait4(process.pid, 0)
        seconds, most = time.monotonic() - started, peak.value
    text = (folder / "output.txt").read_text(encoding="utf-8", errors="replace")
    figures = json.loads((folder / "figures.json").read_text(encoding="utf-8"))
    return Load(
        what, seconds, _scored(folder), asked or len(records), most, _megabytes(used),
        _growth(figures["memory_mb"], asked or len(records)), figures["lag_seconds"], text.count(TRACEBACK),
    )  # fmt: skip


def _scored(folder: Path) -> int:
    from polaris_eval.harness.logs.headers import log_files
    from polaris_eval.harness.logs.table import stories_frame

    return int(stories_frame(log_files([folder / "logs"]))["status"].eq("scored").sum())


def _megabytes(used: resource.struct_rusage) -> float:
    return used.ru_maxrss / 1024


def _growth(memory: list[tuple[float, float]], stories: int) -> float:
    """Megabytes for each story; not a number for fewer than a thousand, which are done before a run has settled."""
    if stories < 1000:
        return math.nan
    early, late = memory[len(memory) // 4], memory[len(memory) * 3 // 4]
    return (late[1] - early[1]) / (stories / 2)


@contextmanager
def _judge() -> Iterator[tuple[str, Any]]:
    """A judge in a process of its own, that always gives the same reply; its address, and the most calls at once."""
    spawn = multiprocessing.get_context("spawn")
    peak, (receiver, sender) = spawn.Value("i", 0), spawn.Pipe()
    process = spawn.Process(target=_serve, args=(sender, peak), daemon=True)
    process.start()
    try:
        yield f"http://127.0.0.1:{receiver.recv()}/v1", peak
    finally:
        process.kill()


def _serve(sender: Any, peak: Any) -> None:
    asyncio.run(_answering(sender, peak))


async def _answering(sender: Any, peak: Any) -> None:
    """Answer requests with little work for each: hundreds at once must not wait for the server."""
    reply = answer(load_rubric("story_quality"), "Write.", PROSE * 30)
    choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": reply}}
    usage = {"prompt_tokens": 100, "completion_tokens": 50, "total_tokens": 150}
    body = {"id": "x", "object": "chat.completion", "created": 1, "model": "judge", "choices": [choice], "usage": usage}
    data = json.dumps(body).encode()
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(data)}\r\n\r\n".encode()
    now = 0

    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal now
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                asked = await reader.readuntil(b"\r\n\r\n")
                await reader.readexactly(int(asked.lower().partition(b"content-length:")[2].split()[0]))
                now += 1
                peak.value = max(peak.value, now)
                await asyncio.sleep(DELAY)
                now -= 1
                writer.write(head + data)
                await writer.drain()
        writer.close()

    server = await asyncio.start_server(client, "127.0.0.1", 0, backlog=512)
    sender.send(server.sockets[0].getsockname()[1])
    await server.serve_forever()

"""A writer and judge on loopback: the same text always gets the same answer in the end, but one call in ten fails with
429 or 500, and one judge's reply in ten is cut. It counts what was paid for."""

from __future__ import annotations

import hashlib
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from loopback import Answer, serve, well_behaved

READY = "Answer with the word: ready"  # asked by the trainer before a run
AT_ONCE = 6  # calls that a client makes at a time
JUST_SENT = 2.0  # seconds in which a reply may not have been kept yet: as long as an event loop may stand still


@dataclass
class Call:
    """A request: whether its reply was whole, and when it was asked and answered."""

    key: str
    asked: float
    whole: bool = False
    sent: float | None = None


class Unreliable:
    """Writer, judge and their book-keeping. `delay` is the longest time for a reply, in seconds."""

    def __init__(self, delay: float = 0.4) -> None:
        self.delay, self.url = delay, ""
        self._calls: list[Call] = []
        self._turns: Counter[str] = Counter()
        self._excused: Counter[str] = Counter()
        self._lost = 0
        self._lock = threading.Lock()

    @contextmanager
    def serving(self) -> Iterator[None]:
        """Serve on a free port within the `with` block; `url` is the address."""
        with serve(self._answer) as server:
            self.url = f"{server.url}/v1"
            yield

    def _answer(self, number: int, system: str, user: str) -> Answer:
        if user == READY:
            return "ready"
        key = hashlib.sha256(f"{system}|{user}".encode(errors="replace")).hexdigest()
        with self._lock:
            turn = self._turns[key]
            self._turns[key] += 1
            call = Call(key, time.monotonic())
            self._calls.append(call)
        time.sleep(self.delay * (0.2 + 0.8 * _share(key, "delay")))
        lot = _share(key, str(turn))
        if lot < 0.1:
            return 429 if lot < 0.05 else 500
        judged = "<<<END" in user
        reply = well_behaved(system, user) if judged else story(user)
        cut = judged and lot < 0.2
        call.whole, call.sent = not cut, time.monotonic()
        return (reply[: len(reply) // 2], "length") if cut else reply

    def interrupted(self) -> None:
        """Note that the client was stopped: what is in flight now may be paid for again."""
        now = time.monotonic()
        with self._lock:
            self._excused.update(c.key for c in self._calls if c.sent is None or c.sent > now - JUST_SENT)

    def full(self) -> None:
        """Note that the client's disk is full: as many replies as it asks for at once may have found no room."""
        self._lost += AT_ONCE

    def paid(self) -> Counter[str]:
        """Whole replies, by what was asked."""
        return Counter(call.key for call in self._calls if call.whole)

    def paid_again(self, usual: Counter[str]) -> int:
        """Replies beyond the usual ones, without those that were in flight when the client was stopped."""
        more = sum(max(0, count - usual[key] - self._excused[key]) for key, count in self.paid().items())
        return max(0, more - self._lost)

    def asked_though_kept(self) -> int:
        """Calls for a reply that any process could have kept a second or more before."""
        kept: dict[str, float] = {}
        for call in self._calls:
            if call.whole and call.sent is not None:
                kept.setdefault(call.key, call.sent + JUST_SENT)
        return sum(call.asked > kept.get(call.key, call.asked) for call in self._calls)


def story(prompt: str) -> str:
    """A story that depends on its prompt, so that no two can be confused."""
    number = int(hashlib.sha256(prompt.encode()).hexdigest()[:6], 16)
    sentences = (
        f"The clerk wrote {number} down. “Nobody will ask,” she said, and the lamp hissed over the wet floor.",
        f"At gate {number % 97} the rain had stopped. A sense of hope number {number} hung over the yard.",
        "“You could leave it,” said the pilot. “I could,” she said, and did not.",
    )
    return "\n\n".join(sentences[(number + i) % (2 + number % 2)] for i in range(20 + number % 40))


def _share(key: str, what: str) -> float:
    """A number from 0 to 1 that depends on these texts alone."""
    return int(hashlib.sha256(f"{key}|{what}".encode()).hexdigest()[:12], 16) / 16**12

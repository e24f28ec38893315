"""Near-duplicates by MinHash over shingles of words (Broder 1997), with datasketch."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

SHINGLE = 5  # words
SAME = 0.5  # estimated share of the shorter text's shingles from which two texts count as the same
PERMUTATIONS = 128
_CANDIDATES = 0.15  # Jaccard similarity of a text to one four times as long that holds most of it
_WORD = re.compile(r"\w+")


def sketch(text: str) -> Any:
    """The MinHash of a text. Case, punctuation and line ends are ignored; a text of fewer words is one shingle."""
    from datasketch import MinHash
    from xxhash import xxh32_intdigest

    words = [xxh32_intdigest(word.encode("utf-8", "surrogatepass")) for word in _WORD.findall(text.casefold())]
    hashed = np.array(words or [0], dtype=np.uint64)
    size = min(SHINGLE, len(hashed))
    # a polynomial over the words of each window: one pass in C, where hashing every shingle's bytes takes ten
    rolled = np.zeros(len(hashed) - size + 1, dtype=np.uint64)
    for place in range(size):
        rolled = rolled * np.uint64(0x9E3779B97F4A7C15) + hashed[place : len(hashed) - size + 1 + place]
    found = MinHash(num_perm=PERMUTATIONS, hashfunc=int)
    found.update_batch((np.unique(rolled) >> np.uint64(32)).tolist())
    return found


def shared(one: Any, other: Any) -> float:
    """Share of the shorter text's shingles that the other has, 0 to 1, from two MinHashes.

    With Jaccard similarity J and sizes a and b, they share J (a + b) / (1 + J).
    """
    jaccard, sizes = one.jaccard(other), (one.count(), other.count())
    return float(min(1.0, jaccard * sum(sizes) / (1 + jaccard) / max(1.0, min(sizes))))


class Near:
    """Texts seen so far, by name; finds the one that another text is the same as, a part of, or contains."""

    def __init__(self) -> None:
        from datasketch import MinHashLSH

        self._index = MinHashLSH(threshold=_CANDIDATES, num_perm=PERMUTATIONS)
        self._sketches: dict[str, Any] = {}

    def find(self, sketched: Any) -> str | None:
        """Return the name of the text that shares most, or None if none shares at least `SAME`."""
        near = [(shared(sketched, self._sketches[name]), name) for name in self._index.query(sketched)]
        best = max(near, default=(0.0, ""))
        return best[1] if best[0] >= SAME else None

    def add(self, name: str, sketched: Any) -> None:
        """Remember a text. A name that is already taken keeps its text."""
        if name not in self._sketches:
            self._sketches[name] = sketched
            self._index.insert(name, sketched)

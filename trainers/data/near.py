"""Near-duplicates by MinHash over shingles of words (Broder 1997), with datasketch."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

SHINGLE = 5  # words
SAME = 0.5  # estimated Jaccard similarity from which two texts count as one
PERMUTATIONS = 128
_WORD = re.compile(r"\w+")


def sketch(text: str, shingle: int = SHINGLE) -> Any:
    """The MinHash of a text. Letter case, marks and line ends do not matter; a text of fewer words is one shingle."""
    from datasketch import MinHash
    from xxhash import xxh32_intdigest

    words = [xxh32_intdigest(word.encode("utf-8", "surrogatepass")) for word in _WORD.findall(text.casefold())]
    hashed = np.array(words or [0], dtype=np.uint64)
    size = min(shingle, len(hashed))
    # a polynomial over the words of each window: one pass in C, where hashing every shingle's bytes is ten
    rolled = np.zeros(len(hashed) - size + 1, dtype=np.uint64)
    for place in range(size):
        rolled = rolled * np.uint64(0x9E3779B97F4A7C15) + hashed[place : len(hashed) - size + 1 + place]
    found = MinHash(num_perm=PERMUTATIONS, hashfunc=int)
    found.update_batch((np.unique(rolled) >> np.uint64(32)).tolist())
    return found


class Near:
    """Texts that were seen, by name; asks whether another is one of them."""

    def __init__(self, same: float = SAME, shingle: int = SHINGLE) -> None:
        from datasketch import MinHashLSH

        self._same, self._shingle = same, shingle
        # candidates are looked for below the threshold and then compared, so that few are missed
        self._index = MinHashLSH(threshold=max(0.1, same - 0.2), num_perm=PERMUTATIONS)
        self._sketches: dict[str, Any] = {}

    def find(self, sketched: Any) -> str | None:
        """The name of the most similar text that is at least as similar as `same`."""
        near = [(sketched.jaccard(self._sketches[name]), name) for name in self._index.query(sketched)]
        best = max(near, default=(0.0, ""))
        return best[1] if best[0] >= self._same else None

    def add(self, name: str, sketched: Any) -> None:
        if name not in self._sketches:
            self._sketches[name] = sketched
            self._index.insert(name, sketched)

    def sketch(self, text: str) -> Any:
        """The MinHash of a text, as it is compared here."""
        return sketch(text, self._shingle)

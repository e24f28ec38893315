"""Overlap of two texts: the longest common run, and the share of one text's shingles found in the other."""

from __future__ import annotations

from collections.abc import Hashable, Sequence


class SuffixAutomaton:
    """The smallest automaton of all runs of a sequence (Blumer et al. 1985), built and queried in linear time."""

    def __init__(self, sequence: Sequence[Hashable]) -> None:
        self._next: list[dict[Hashable, int]] = [{}]
        self._link = [-1]
        self._length = [0]
        last = 0
        for item in sequence:
            last = self._extend(last, item)

    def _state(self, following: dict[Hashable, int], link: int, length: int) -> int:
        self._next.append(following)
        self._link.append(link)
        self._length.append(length)
        return len(self._length) - 1

    def _extend(self, last: int, item: Hashable) -> int:
        current = self._state({}, 0, self._length[last] + 1)
        state = last
        while state >= 0 and item not in self._next[state]:
            self._next[state][item] = current
            state = self._link[state]
        if state < 0:
            return current
        target = self._next[state][item]
        if self._length[state] + 1 == self._length[target]:
            self._link[current] = target
            return current
        clone = self._state(dict(self._next[target]), self._link[target], self._length[state] + 1)
        while state >= 0 and self._next[state].get(item) == target:
            self._next[state][item] = clone
            state = self._link[state]
        self._link[target] = self._link[current] = clone
        return current

    def longest_run(self, other: Sequence[Hashable]) -> tuple[int, int]:
        """The longest run of `other` that also occurs in the sequence: its length, and where in `other` it begins.

        The first if there are several; (0, 0) if nothing is shared.
        """
        state = length = 0
        best = end = 0
        for place, item in enumerate(other, 1):
            while state and item not in self._next[state]:
                state = self._link[state]
                length = self._length[state]
            if item in self._next[state]:
                state = self._next[state][item]
                length += 1
            else:
                length = 0
            if length > best:
                best, end = length, place
        return best, end - best


def common_prefix(one: Sequence[Hashable], other: Sequence[Hashable]) -> int:
    """Length of the common prefix of two sequences."""
    return next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))


def shingles(items: Sequence[Hashable], size: int) -> set[tuple[Hashable, ...]]:
    """All runs of `size` items; the whole sequence if it is shorter, and the empty set if it is empty."""
    size = min(size, len(items))
    return {tuple(items[i : i + size]) for i in range(len(items) - size + 1)} if size else set()


def contained(part: set[tuple[Hashable, ...]], whole: set[tuple[Hashable, ...]]) -> float:
    """Share of the shingles in `part` that are also in `whole`, 0 to 1; 0 if `part` is empty."""
    return len(part & whole) / len(part) if part else 0.0

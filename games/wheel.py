"""Who is due when: one timer for all bots, or all visits to a scripted server, and no look at those who are not due.

A heap with at most a few stale entries per key. Setting a later time costs a dictionary write only, and
that is the usual case: every byte received puts a keep-alive off.
"""

from collections.abc import Hashable
from heapq import heappop, heappush
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)


class Wheel(Generic[K]):
    """Keys with the time at which each wants attention."""

    def __init__(self) -> None:
        self._due: dict[K, float] = {}
        self._queued: dict[K, float] = {}  # where the key's valid entry stands in the heap
        self._heap: list[tuple[float, int, K]] = []
        self._entries = 0  # breaks ties: keys need not be comparable

    def set(self, key: K, due_seconds: float) -> None:
        """Let ``key`` be due at a time, instead of any earlier wish."""
        self._due[key] = due_seconds
        queued = self._queued.get(key)
        if queued is None or due_seconds < queued:
            self._push(key, due_seconds)

    def remove(self, key: K) -> None:
        """Forget a key; nothing happens if it is not there."""
        self._due.pop(key, None)
        self._queued.pop(key, None)

    def take_due(self, now_seconds: float) -> list[K]:
        """Return the keys that are due, the longest waiting first, and forget them until they are set again."""
        due: list[K] = []
        while self._heap and self._heap[0][0] <= now_seconds:
            queued_seconds, _, key = heappop(self._heap)
            if self._queued.get(key) != queued_seconds:
                continue  # removed, or queued anew for an earlier time
            wanted_seconds = self._due[key]
            if wanted_seconds > now_seconds:
                self._push(key, wanted_seconds)
            else:
                self.remove(key)
                due.append(key)
        return due

    def __len__(self) -> int:
        return len(self._due)

    def _push(self, key: K, due_seconds: float) -> None:
        self._queued[key] = due_seconds
        self._entries += 1
        heappush(self._heap, (due_seconds, self._entries, key))

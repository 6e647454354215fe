"""Values as this process knows them: the memory store's contents, and what a core reads while Redis is away.

Bounded in number and in bytes: the longest unused are forgotten, and counted. Nothing here waits or asks a clock.
"""

import math
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass

from core.store.protocol import MAX_LAST_KNOWN
from wire.errors import MisuseError

MAX_LAST_KNOWN_BYTES = 128 << 20
"""A hundred thousand values of a kilobyte; full-size ones would be six gigabytes."""

MAX_EXPIRY_SECONDS = 10 * 365 * 86_400.0
"""Longer is for ever."""

ENTRY_BYTES = 256
"""What an entry costs beside its key and its value."""


@dataclass(frozen=True, slots=True)
class Known:
    """A value, or None where it is known that there is none; ``stamp`` grows with each change."""

    value: bytes | None
    deadline: float
    stamp: int


class LastKnown:
    """Values with the time at which they end, as `put` was told (`math.inf`: never)."""

    def __init__(self, max_values: int = MAX_LAST_KNOWN, max_bytes: int = MAX_LAST_KNOWN_BYTES) -> None:
        self._entries: OrderedDict[str, Known] = OrderedDict()
        self._max_values = max_values
        self._max_bytes = max_bytes
        self._bytes = 0
        self.stamp = 0
        self.forgotten = 0

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: str, now: float) -> bytes | None:
        """Return a value that has not ended."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        if entry.deadline <= now:
            self._remove(key)
            return None
        self._entries.move_to_end(key)
        return entry.value

    def has(self, key: str) -> bool:
        """Say whether anything is known of a key, be it that there is no value."""
        return key in self._entries

    def is_newer(self, key: str, stamp: int) -> bool:
        """Say whether a key was changed here after ``stamp``."""
        entry = self._entries.get(key)
        return entry is not None and entry.stamp > stamp

    def put(self, key: str, value: bytes | None, deadline: float) -> None:
        """Remember a value (None: that there is none), and forget the longest unused ones if need be."""
        self._remove(key)
        self.stamp += 1
        self._entries[key] = Known(value, deadline, self.stamp)
        self._bytes += _cost(key, value)
        while len(self._entries) > self._max_values or self._bytes > self._max_bytes:
            oldest = next(iter(self._entries))
            self.forgotten += self._entries[oldest].value is not None
            self._remove(oldest)

    def forget(self, key: str) -> None:
        """Know nothing of a key any more."""
        self._remove(key)

    def items(self, now: float) -> Iterator[tuple[str, bytes, float]]:
        """Yield key, value and end of each value there is, as they are when this is called."""
        for key, entry in list(self._entries.items()):
            if entry.value is not None and entry.deadline > now:
                yield key, entry.value, entry.deadline

    def _remove(self, key: str) -> None:
        entry = self._entries.pop(key, None)
        if entry is not None:
            self._bytes -= _cost(key, entry.value)


def _cost(key: str, value: bytes | None) -> int:
    return ENTRY_BYTES + len(key) + len(value or b"")


def end_of(expiry_seconds: float, now: float) -> float:
    """Return when a value ends that is put now; 0 is never. Raises MisuseError for a time that cannot be."""
    if not 0 <= expiry_seconds <= MAX_EXPIRY_SECONDS:  # not so for a NaN either
        raise MisuseError(f"expiry of {expiry_seconds} s: 0 to {MAX_EXPIRY_SECONDS:.0f} are possible, 0 is for ever")
    return now + expiry_seconds if expiry_seconds else math.inf

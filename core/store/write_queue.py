"""What is to be written to Redis: one write per key or field, the last one counts.

Filled by the store's calls, emptied in batches by `writer`. A batch that may not have arrived is given back, and what
was written anew in the meantime wins. Bounded in number and in bytes: the oldest are given up, and counted.
"""

import math
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from core.store.protocol import MAX_QUEUED_WRITES

MAX_QUEUED_BYTES = 128 << 20
"""The bytes of what may wait; full-size values alone would be six gigabytes."""

WRITE_BYTES = 256
"""What a write costs beside its names and its value."""


class WriteKind(Enum):
    """What a write is about."""

    VALUE = "value"
    FIELD = "field"
    OWNED = "owned"
    RELEASE = "release"


@dataclass(frozen=True, slots=True)
class Write:
    """One write. ``value`` None removes.

    ``place`` is (key, "") of a value, (table, field) of a field, (name, holder) of a claim. ``deadline`` is the time
    at which a value ends. ``serial`` numbers changes of tables, and is the age of a released claim (0: any).
    ``is_guess`` is a value that was put without knowing of the one before, and gives way to one that is there.
    """

    kind: WriteKind
    place: tuple[str, str]
    value: bytes | None = None
    deadline: float = math.inf
    serial: int = 0
    is_guess: bool = False

    @property
    def size_bytes(self) -> int:
        """What the write costs in memory."""
        return WRITE_BYTES + len(self.place[0]) + len(self.place[1]) + len(self.value or b"")


_Key = tuple[WriteKind, tuple[str, str]]


class WriteQueue:
    """The queue. `take` a batch, then say that it is `done` or `give_back`; one batch is under way at a time."""

    def __init__(self, max_writes: int = MAX_QUEUED_WRITES, max_bytes: int = MAX_QUEUED_BYTES) -> None:
        self._waiting: OrderedDict[_Key, Write] = OrderedDict()
        self._under_way: dict[_Key, Write] = {}
        self._releases: dict[str, int] = {}  # how many are queued, by the name of the claim
        self._max_writes = max_writes
        self._max_bytes = max_bytes
        self._bytes = 0
        self.lost = 0

    def __len__(self) -> int:
        return len(self._waiting) + len(self._under_way)

    @property
    def has_waiting(self) -> bool:
        """Whether there is something to take."""
        return bool(self._waiting)

    def put(self, write: Write) -> None:
        """Queue a write in place of an earlier one to the same place."""
        self._add((write.kind, write.place), write)
        while len(self._waiting) > self._max_writes or self._bytes > self._max_bytes:
            self._pop(next(iter(self._waiting)))
            self.lost += 1

    def find(self, kind: WriteKind, place: tuple[str, str]) -> Write | None:
        """Return the last write to a place that is queued or under way."""
        key = (kind, place)
        return self._waiting.get(key) or self._under_way.get(key)

    def find_waiting(self, kind: WriteKind, place: tuple[str, str]) -> Write | None:
        """Return the write to a place that waits behind the one that is under way."""
        return self._waiting.get((kind, place))

    def discard(self, write: Write) -> None:
        """Forget a write that waits."""
        self._pop((write.kind, write.place))

    def has_releases(self, name: str) -> bool:
        """Say whether holders of a name are still to be released."""
        return name in self._releases

    def take(self, max_writes: int, max_bytes: int) -> list[Write]:
        """Return the oldest writes, at least one if there is any."""
        batch: list[Write] = []
        size = 0
        while self._waiting and len(batch) < max_writes and size < max_bytes:
            key = next(iter(self._waiting))
            write = self._waiting.pop(key)
            self._under_way[key] = write
            self._bytes -= write.size_bytes
            size += write.size_bytes
            batch.append(write)
        return batch

    def done(self, batch: Iterable[Write]) -> None:
        """Forget a batch that is written."""
        for write in batch:
            del self._under_way[write.kind, write.place]
            self._uncount(write)

    def give_back(self, batch: list[Write]) -> None:
        """Queue a batch that may not be written again, before all others; newer writes to the same places stay."""
        for write in reversed(batch):
            key = (write.kind, write.place)
            del self._under_way[key]
            self._uncount(write)
            if key not in self._waiting:
                self._add(key, write)
                self._waiting.move_to_end(key, last=False)

    def drop(self, kind: WriteKind) -> None:
        """Forget what waits of a kind, for it was written otherwise."""
        for key in [key for key in self._waiting if key[0] is kind]:
            self._pop(key)

    def _add(self, key: _Key, write: Write) -> None:
        if key in self._waiting:
            self._pop(key)
        self._waiting[key] = write
        self._bytes += write.size_bytes
        if write.kind is WriteKind.RELEASE:
            self._releases[write.place[0]] = self._releases.get(write.place[0], 0) + 1

    def _pop(self, key: _Key) -> None:
        write = self._waiting.pop(key)
        self._bytes -= write.size_bytes
        self._uncount(write)

    def _uncount(self, write: Write) -> None:
        if write.kind is WriteKind.RELEASE:
            name = write.place[0]
            self._releases[name] -= 1
            if not self._releases[name]:
                del self._releases[name]

"""Who has how many connections, in memory that all workers of an edge share.

The supervisor makes the memory and hands it to its workers as an open file; an edge that is one process has memory
of its own and runs the same code. Each worker has a place, writes only the table of counts that belongs to it, and
reads those of all: a worker that is killed, at whatever instruction, leaves nothing half done in anybody else's, and
what it held is given back by emptying its table. There is one place more than there are workers, so that a worker and
its successor can each count their own (`tidegate.worker_places`). The rates are one table for all. Whoever decides
about a connection holds the lock, which the system takes back when its holder dies.

======  ====  ============================================================================================
offset  size  what
======  ====  ============================================================================================
0       8     ``TGADMIT1``
8       4     places, little-endian, as all numbers here
12      4     connections that can be counted in each
16      16    seed of the keys, so that nobody outside can choose addresses whose keys collide
32      8     time until which the accepts of the whole edge are paid for (see `edge.admission`)
64      …     the table of rates, then one table of counts for each place
======  ====  ============================================================================================

A table is fixed: keys of 8 bytes, then values of 8 bytes. A key has its place within `WINDOW` rows from where its
hash points; rows never move. A row of counts is free at 0. A key needs two rows of counts (address and prefix) for
each connection at most and there are eight, so a window is never full in practice; if it is, the connection is
refused. Rates outlive connections: where no row is free, the one closest to being paid off is forgotten.
"""

import contextlib
import fcntl
import mmap
import os
import struct
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b

from wire.errors import MisuseError

WINDOW = 32
"""Rows looked through for a key."""

RATE_ROWS = 1 << 14
"""Prefixes whose rate is remembered. At 500 accepts a second and a burst that is paid off in 2 s, 2,000 are live."""

ROWS_PER_CONNECTION = 8
KEY_BYTES = 8

_FORGET_ROWS = 1 << 13

_MAGIC = b"TGADMIT1"
_HEADER = struct.Struct("<8sII16s")
_ALL_OFFSET = 32
_TABLES_OFFSET = 64


@dataclass(frozen=True, slots=True)
class Geometry:
    """How large the memory is; supervisor and workers work it out from the same settings."""

    places: int
    connections: int

    @property
    def rows(self) -> int:
        """Rows in a table of counts: a power of two."""
        return 1 << (self.connections * ROWS_PER_CONNECTION - 1).bit_length()

    @property
    def total_bytes(self) -> int:
        """All of the memory. Pages that are never touched cost nothing."""
        return _TABLES_OFFSET + _table_bytes(RATE_ROWS) + self.places * _table_bytes(self.rows)

    def counts_offset(self, place: int) -> int:
        """Where the table of a place (from 0) begins."""
        return _TABLES_OFFSET + _table_bytes(RATE_ROWS) + place * _table_bytes(self.rows)


def _table_bytes(rows: int) -> int:
    return 2 * 8 * (rows + WINDOW)


class _Table:
    """Rows of key and value; ``kind`` is ``q`` for counts and ``d`` for times."""

    def __init__(self, memory: mmap.mmap, offset: int, rows: int, kind: str) -> None:
        self._memory = memory
        self._keys = offset
        self._mask = rows - 1
        values = offset + 8 * (rows + WINDOW)
        self.values = memoryview(memory)[values : values + 8 * (rows + WINDOW)].cast(kind)  # type: ignore[call-overload]

    def window(self, key: bytes) -> range:
        """Return the rows where a key may be."""
        first = int.from_bytes(key, "little") & self._mask
        return range(first, first + WINDOW)

    def find(self, key: bytes) -> int:
        """Return a key's row, or -1."""
        rows = self.window(key)
        start, end = self._keys + 8 * rows.start, self._keys + 8 * rows.stop
        found = self._memory.find(key, start, end)
        while found != -1 and (found - start) % 8:
            found = self._memory.find(key, found + 1, end)
        return -1 if found == -1 else rows.start + (found - start) // 8

    def put(self, row: int, key: bytes) -> None:
        """Give a row to a key; its value is the caller's to set."""
        at = self._keys + 8 * row
        self._memory[at : at + 8] = key


class SharedCounts:
    """The memory as one process sees it. ``place`` is the worker's, from 0.

    Only `forget`, `remove` and `key_of` may be called without `locked`.
    """

    def __init__(self, memory: mmap.mmap, geometry: Geometry, place: int, file: int | None) -> None:
        magic, places, connections, seed = _HEADER.unpack_from(memory)
        if (magic, places, connections) != (_MAGIC, geometry.places, geometry.connections):
            raise MisuseError("the memory shared with the supervisor is not laid out as this worker expects")
        if not 0 <= place < places:
            raise MisuseError(f"there is no place {place} among {places}")
        self._file = file
        self._seed: bytes = seed
        self._rates = _Table(memory, _TABLES_OFFSET, RATE_ROWS, "d")
        self._counts = [_Table(memory, geometry.counts_offset(each), geometry.rows, "q") for each in range(places)]
        self._own = self._counts[place]
        self._all = memoryview(memory)[_ALL_OFFSET : _ALL_OFFSET + 8].cast("d")

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Keep the other workers from deciding meanwhile: microseconds, and never on the way of a player's data."""
        if self._file is None:
            yield
            return
        fcntl.lockf(self._file, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.lockf(self._file, fcntl.LOCK_UN)

    def key_of(self, kind: bytes, value: bytes) -> bytes:
        """Return the key of an address or a prefix."""
        return blake2b(kind + value, digest_size=KEY_BYTES, key=self._seed).digest()

    def held(self, key: bytes) -> int:
        """Return how many connections all workers together have counted under a key."""
        total = 0
        for table in self._counts:
            row = table.find(key)
            if row != -1:
                total += table.values[row]
        return total

    def add(self, key: bytes) -> bool:
        """Count one more; False when there is no row left for the key."""
        own = self._own
        row = own.find(key)
        if row == -1:
            rows = own.window(key)
            row = next((each for each in rows if not own.values[each]), -1)
            if row == -1:
                return False
            own.put(row, key)
        own.values[row] += 1
        return True

    def remove(self, key: bytes) -> None:
        """Count one less of this worker's own."""
        row = self._own.find(key)
        if row != -1 and self._own.values[row] > 0:
            self._own.values[row] -= 1

    def forget(self, place: int) -> None:
        """Give back all that the worker in a place held; it must have ended."""
        values = self._counts[place].values
        zeros = memoryview(bytes(8 * _FORGET_ROWS)).cast("q")
        for start in range(0, len(values), _FORGET_ROWS):
            part = values[start : start + _FORGET_ROWS]
            part[:] = zeros[: len(part)]

    def paid_until(self, key: bytes) -> float:
        """Return the time until which a prefix has paid for its accepts; 0 for one that is not remembered."""
        row = self._rates.find(key)
        return 0.0 if row == -1 else self._rates.values[row]

    def pay_until(self, key: bytes, time_seconds: float) -> None:
        """Remember it."""
        rates = self._rates
        row = rates.find(key)
        if row == -1:
            row = min(rates.window(key), key=rates.values.__getitem__)
            rates.put(row, key)
        rates.values[row] = time_seconds

    @property
    def all_paid_until(self) -> float:
        """The same for the whole edge."""
        return self._all[0]

    @all_paid_until.setter
    def all_paid_until(self, time_seconds: float) -> None:
        self._all[0] = time_seconds


def private_counts(connections: int) -> SharedCounts:
    """Return memory for an edge that is one process."""
    geometry = Geometry(1, connections)
    memory = mmap.mmap(-1, geometry.total_bytes)
    _prepare(memory, geometry)
    return SharedCounts(memory, geometry, 0, None)


def create_memory(geometry: Geometry) -> int:
    """Return the descriptor of a file without a name that holds fresh memory for all workers; the caller closes it."""
    if hasattr(os, "memfd_create"):  # Linux: never written to a disk
        file = os.memfd_create("tidegate-admission")
    else:
        file, path = tempfile.mkstemp(prefix="tidegate-")
        os.unlink(path)
    os.ftruncate(file, geometry.total_bytes)
    with mmap.mmap(file, geometry.total_bytes) as memory:
        _prepare(memory, geometry)
    return file


def attach_memory(file: int, geometry: Geometry, place: int) -> SharedCounts:
    """Map the memory of an open file; raises MisuseError or OSError when it is not ours."""
    if os.fstat(file).st_size != geometry.total_bytes:
        raise MisuseError("the memory shared with the supervisor has not the size this worker expects")
    return SharedCounts(mmap.mmap(file, geometry.total_bytes), geometry, place, file)


def geometry_of(file: int) -> Geometry | None:
    """Return how the memory of an open file is laid out; None when this program does not know how it is."""
    header = os.pread(file, _HEADER.size, 0)
    if len(header) < _HEADER.size:
        return None
    magic, places, connections, _ = _HEADER.unpack(header)
    geometry = Geometry(places, connections)
    return geometry if magic == _MAGIC and os.fstat(file).st_size == geometry.total_bytes else None


def _prepare(memory: mmap.mmap, geometry: Geometry) -> None:
    _HEADER.pack_into(memory, 0, _MAGIC, geometry.places, geometry.connections, os.urandom(16))

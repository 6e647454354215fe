"""Chunk packing: many sessions' bytes in the one ``chunks`` field of a batch.

Both ends of a tunnel use this: the sender per span, the receiver once per batch. A repeated protobuf
record per chunk costs about a microsecond each on both sides; this costs a header of eight bytes.

======  =====  ==========  ==================================================
offset  bytes  what        meaning
======  =====  ==========  ==================================================
0       4      slot        unsigned big-endian, 1 or more: whose bytes
4       1      kind        a `ChunkKind`
5       3      length      unsigned big-endian: bytes of payload that follow
8       …      payload     the session's bytes, in order
======  =====  ==========  ==================================================
"""

from collections.abc import Callable
from enum import IntEnum

from wire import packing
from wire.errors import EncodeError, TunnelFault
from wire.events import EVENT_BYTES, MAX_EVENT_BYTES

CHUNK_HEADER_BYTES = 8
MAX_CHUNK_BYTES = 1 << 20
"""Longest payload of one chunk: one read of a socket is at most a quarter of this."""

MAX_CHUNKS = 20_000
"""Most chunks in one batch: more than the smallest ones that fit into a batch as it is sealed. Each costs its
receiver some microseconds, in which nobody else is served."""

MAX_SLOT = (1 << 32) - 1


class ChunkKind(IntEnum):
    """What a chunk says about its session."""

    DATA = 1
    """Bytes of the stream, one or more."""
    END = 2
    """The sender's side will send no more bytes in this direction (TCP FIN); no payload."""
    EVENT = 3
    """What the stream says about the session, from core to edge; an event (`wire.events`)."""


# The same as plain numbers: an enumeration costs a look-up each time, and these are read for every chunk.
DATA = int(ChunkKind.DATA)
END = int(ChunkKind.END)
EVENT = int(ChunkKind.EVENT)
# For this module, as C has them.
_DATA, _END, _EVENT = DATA, END, EVENT
_HEADER_BYTES, _MAX_CHUNK_BYTES, _MAX_CHUNKS, _MAX_SLOT = CHUNK_HEADER_BYTES, MAX_CHUNK_BYTES, MAX_CHUNKS, MAX_SLOT
_EVENT_BYTES, _MAX_EVENT_BYTES = EVENT_BYTES, MAX_EVENT_BYTES


def append_chunk(batch: bytearray, slot: int, kind: int, payload: bytes) -> None:
    """Add one chunk to ``batch``.

    Raises EncodeError for a slot, a length or a payload that `check_chunks` would refuse.
    """
    length = len(payload)
    if not 1 <= slot <= _MAX_SLOT or not _can_be(kind, length):
        raise EncodeError(f"chunk of {length} bytes, kind {kind}, for slot {slot} cannot be packed")
    packing.append_packed(batch, slot, kind << 24 | length, payload)


def check_chunks(batch: bytes) -> int:
    """Return how many chunks ``batch`` holds; raises TunnelFault for anything that `append_chunk` does not make.

    Whoever uses the chunks of a batch checks it as a whole first: it is used whole or not at all.
    """
    position = 0
    count = 0
    size = len(batch)
    while position < size:
        if size - position < _HEADER_BYTES:
            raise TunnelFault(f"batch ends inside a chunk header at offset {position}")
        slot = read_slot(batch, position)
        kind = batch[position + 4]
        length = read_length(batch, position)
        position += _HEADER_BYTES
        if slot == 0:
            raise TunnelFault(f"chunk for slot 0 at offset {position - _HEADER_BYTES}")
        if length > _MAX_CHUNK_BYTES or length > size - position:
            raise TunnelFault(f"chunk of {length} bytes at offset {position} in a batch of {size}")
        if not _can_be(kind, length):
            raise TunnelFault(f"chunk of kind {kind} with {length} bytes at offset {position}")
        position += length
        count += 1
    if count > _MAX_CHUNKS:
        raise TunnelFault(f"batch of {count} chunks: at most {_MAX_CHUNKS} are allowed")
    return count


def _can_be(kind: int, length: int) -> bool:
    """Whether there is a chunk of that kind and length."""
    if kind == _DATA:
        return 0 < length <= _MAX_CHUNK_BYTES
    if kind == _EVENT:
        return _EVENT_BYTES <= length <= _MAX_EVENT_BYTES
    return kind == _END and length == 0


def read_slot(batch: bytes, position: int) -> int:
    """Read the slot of the chunk whose header begins at ``position``; the header must be in ``batch``."""
    value = 0
    for index in range(position, position + 4):
        value = value << 8 | batch[index]
    return value


def read_length(batch: bytes, position: int) -> int:
    """Read the payload length of the chunk whose header begins at ``position``."""
    value = 0
    for index in range(position + 5, position + 8):
        value = value << 8 | batch[index]
    return value


def unpack_chunks(batch: bytes) -> list[tuple[int, ChunkKind, bytes]]:
    """Return the (slot, kind, payload) of every chunk in ``batch``, in order; raises TunnelFault."""
    chunks: list[tuple[int, ChunkKind, bytes]] = []
    check_chunks(batch)
    position = 0
    while position < len(batch):
        start = position + CHUNK_HEADER_BYTES
        end = start + read_length(batch, position)
        chunks.append((read_slot(batch, position), ChunkKind(batch[position + 4]), batch[start:end]))
        position = end
    return chunks


LIGHT_BYTES = 2048
"""What a session may bring at once and still count as one that brings little: some thirty small frames."""

SEAL_CHUNKS = MAX_CHUNKS // 2
"""With so many chunks a batch is closed, too: a receiver takes no more than twice as many."""

_LIGHT_BYTES, _SEAL_CHUNKS = LIGHT_BYTES, SEAL_CHUNKS  # for this module, as C has them


class ChunkBuffer:
    """Where the sessions of a tunnel put their bytes until a message takes them.

    ``wake`` is called when the first chunk comes in that wants to go; ``rest`` when one comes into an empty buffer that
    can wait, which only says that somebody is still there: it is ``idle_frame``, the game's keep-alive, or nothing.
    ``wait`` is called when one comes in that somebody said could wait shortly, and nothing wants to go yet.
    ``seal`` is called when there is as much as one message should carry: ``seal_bytes``, which may be changed, or
    SEAL_CHUNKS. ``sealed_bytes`` is what stands in messages that are not written yet.
    """

    __slots__ = (
        "_chunks",
        "_count",
        "_rest",
        "_seal",
        "_wait",
        "_wake",
        "congested_bytes",
        "full_bytes",
        "idle_frame",
        "is_due",
        "seal_bytes",
        "sealed_bytes",
    )

    def __init__(
        self,
        wake: Callable[[], None],
        rest: Callable[[], None],
        wait: Callable[[], None],
        seal: Callable[[], None],
        *,
        seal_bytes: int,
        congested_bytes: int,
    ) -> None:
        self._wake = wake
        self._rest = rest
        self._wait = wait
        self._seal = seal
        self.seal_bytes = seal_bytes
        self.idle_frame = b""
        self.is_due = False  # there is a chunk that wants to go
        self._chunks = bytearray()
        self._count = 0
        self.congested_bytes = congested_bytes
        self.full_bytes = 2 * congested_bytes
        self.sealed_bytes = 0

    def size(self) -> int:
        """Return how many bytes wait here to be put into a message."""
        return len(self._chunks)

    def is_congested(self) -> bool:
        """Whether the tunnel takes less than its sessions bring."""
        return self.sealed_bytes + len(self._chunks) > self.congested_bytes

    def has_room(self, size: int) -> bool:
        """Whether so many bytes of one session may come in.

        Much at a time only while nothing is congested; little, such as a player's few frames, until the buffer is
        full: who brings much must not keep those from playing who bring little.
        """
        waiting = self.sealed_bytes + len(self._chunks)
        return waiting <= (self.congested_bytes if size > _LIGHT_BYTES else self.full_bytes)

    def add(self, slot: int, kind: int, payload: bytes) -> None:
        """Add a chunk; raises EncodeError as `append_chunk` does."""
        was_empty = not self._chunks
        append_chunk(self._chunks, slot, kind, payload)
        if not self.is_due:
            if kind != _DATA or payload != self.idle_frame:
                self.is_due = True
                self._wake()
            elif was_empty:
                self._rest()
        self._added()

    def add_patient(self, slot: int, kind: int, payload: bytes) -> None:
        """Add a chunk that can wait shortly for others; raises EncodeError as `append_chunk` does."""
        append_chunk(self._chunks, slot, kind, payload)
        if not self.is_due:
            self._wait()
        self._added()

    def _added(self) -> None:
        self._count += 1
        if len(self._chunks) >= self.seal_bytes or self._count >= _SEAL_CHUNKS:
            self._seal()

    def take(self) -> bytes:
        """Return all chunks, packed, and forget them."""
        chunks = packing.take_all(self._chunks)
        self._count = 0
        self.is_due = False
        return chunks

"""Chunk packing: many sessions' bytes in the one ``chunks`` field of a batch.

Both ends of a tunnel call this: the sender per span, the receiver once per batch. A repeated protobuf
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

from enum import IntEnum
from struct import Struct

from wire.errors import EncodeError, TunnelFault

_HEADER = Struct(">II")

CHUNK_HEADER_BYTES = _HEADER.size
MAX_CHUNK_BYTES = 1 << 20
"""Longest payload of one chunk: one read of a socket is at most a quarter of this."""

MAX_SLOT = (1 << 32) - 1


class ChunkKind(IntEnum):
    """What a chunk says about its session."""

    DATA = 1
    """Bytes of the stream, one or more."""
    END = 2
    """The sender's side will send no more bytes in this direction (TCP FIN); no payload."""


def append_chunk(batch: bytearray, slot: int, kind: ChunkKind, payload: bytes) -> None:
    """Add one chunk to ``batch``.

    Raises EncodeError for a slot, a length or a payload that `unpack_chunks` would refuse.
    """
    length = len(payload)
    if not 1 <= slot <= MAX_SLOT or length > MAX_CHUNK_BYTES or (length == 0) == (kind is ChunkKind.DATA):
        raise EncodeError(f"chunk of {length} bytes, kind {kind}, for slot {slot} cannot be packed")
    batch += _HEADER.pack(slot, kind << 24 | length)
    batch += payload


def unpack_chunks(batch: bytes) -> list[tuple[int, ChunkKind, bytes]]:
    """Return the (slot, kind, payload) of every chunk in ``batch``, in order.

    Allocates no more than a small multiple of the batch itself. Raises TunnelFault for anything that
    `append_chunk` does not make, and then nothing of the batch may be used.
    """
    chunks: list[tuple[int, ChunkKind, bytes]] = []
    position = 0
    size = len(batch)
    while position < size:
        if size - position < CHUNK_HEADER_BYTES:
            raise TunnelFault(f"batch ends inside a chunk header at offset {position}")
        slot, kind_and_length = _HEADER.unpack_from(batch, position)
        kind = kind_and_length >> 24
        length = kind_and_length & 0xFFFFFF
        start = position + CHUNK_HEADER_BYTES
        position = start + length
        if slot == 0:
            raise TunnelFault(f"chunk for slot 0 at offset {start - CHUNK_HEADER_BYTES}")
        if length > MAX_CHUNK_BYTES or position > size:
            raise TunnelFault(f"chunk of {length} bytes at offset {start} in a batch of {size}")
        if kind == ChunkKind.DATA and length:
            chunks.append((slot, ChunkKind.DATA, batch[start:position]))
        elif kind == ChunkKind.END and not length:
            chunks.append((slot, ChunkKind.END, b""))
        else:
            raise TunnelFault(f"chunk of kind {kind} with {length} bytes at offset {start}")
    return chunks

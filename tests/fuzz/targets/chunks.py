"""Chunk unpacking: a batch is taken whole or not at all, and what is taken is what would be packed."""

from collections.abc import Iterable

from wire.chunks import CHUNK_HEADER_BYTES, ChunkKind, append_chunk, check_chunks, unpack_chunks
from wire.errors import TunnelFault

MAX_BYTES = 600
MODULES = ("wire.chunks",)


def fuzz_one(data: bytes) -> None:
    """Check and unpack a batch."""
    try:
        count = check_chunks(data)
    except TunnelFault as fault:
        assert len(str(fault)) < 200
        try:
            unpack_chunks(data)
        except TunnelFault as same:
            assert str(same) == str(fault)
            return
        raise AssertionError("a refused batch was unpacked") from fault
    chunks = unpack_chunks(data)
    assert len(chunks) == count
    assert sum(CHUNK_HEADER_BYTES + len(payload) for _, _, payload in chunks) == len(data)
    packed = bytearray()
    for slot, kind, payload in chunks:
        append_chunk(packed, slot, kind, payload)
    assert packed == data


def seeds() -> Iterable[bytes]:
    """Good batches."""
    batch = bytearray()
    for slot, kind, payload in (
        (1, ChunkKind.DATA, b"abc"),
        (0xFFFFFFFF, ChunkKind.END, b""),
        (7, ChunkKind.DATA, b"x"),
    ):
        append_chunk(batch, slot, kind, payload)
        yield bytes(batch)
    yield b""

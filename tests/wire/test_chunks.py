"""Chunk packing: what is packed comes out, and nothing else does."""

from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wire.chunks import (
    CHUNK_HEADER_BYTES,
    MAX_CHUNK_BYTES,
    MAX_CHUNKS,
    MAX_SLOT,
    ChunkBuffer,
    ChunkKind,
    append_chunk,
    check_chunks,
    unpack_chunks,
)
from wire.errors import EncodeError, TunnelFault

CHUNKS = st.lists(
    st.one_of(
        st.tuples(st.integers(1, MAX_SLOT), st.just(ChunkKind.DATA), st.binary(min_size=1, max_size=50)),
        st.tuples(st.integers(1, MAX_SLOT), st.just(ChunkKind.END), st.just(b"")),
    ),
    max_size=20,
)


def pack(*chunks: tuple[int, ChunkKind, bytes]) -> bytes:
    batch = bytearray()
    for chunk in chunks:
        append_chunk(batch, *chunk)
    return bytes(batch)


def test_the_bytes_are_those_of_the_contract() -> None:
    assert pack((0x01020304, ChunkKind.DATA, b"hey")).hex() == "0102030401000003686579"
    assert pack((1, ChunkKind.END, b"")).hex() == "0000000102000000"


@given(CHUNKS)
def test_packed_chunks_come_out_as_they_went_in(chunks: list[tuple[int, ChunkKind, bytes]]) -> None:
    assert unpack_chunks(pack(*chunks)) == chunks


@given(CHUNKS.filter(bool), st.data())
def test_a_batch_cut_short_is_refused(chunks: list[tuple[int, ChunkKind, bytes]], data: st.DataObject) -> None:
    batch = pack(*chunks)
    ends = {len(pack(*chunks[:count])) for count in range(len(chunks) + 1)}
    cut = data.draw(st.integers(1, len(batch) - 1).filter(lambda at: at not in ends) | st.just(len(batch) - 1))
    with pytest.raises(TunnelFault):
        unpack_chunks(batch[:cut])


@given(st.binary(max_size=200))
def test_any_bytes_give_chunks_or_a_fault(junk: bytes) -> None:
    try:
        chunks = unpack_chunks(junk)
    except TunnelFault:
        return
    assert pack(*chunks) == junk
    assert len(chunks) <= len(junk) // CHUNK_HEADER_BYTES


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        ("000000000100000161", "slot 0"),
        ("000000010000000161", "kind 0"),
        ("000000010300000161", "kind 3"),
        ("0000000101000000", "kind 1 with 0"),
        ("000000010200000161", "kind 2 with 1"),
        ("00000001010000ff61", "chunk of 255 bytes"),
        ("00000001", "inside a chunk header"),
    ],
)
def test_each_broken_rule_has_its_reason(raw: str, said: str) -> None:
    with pytest.raises(TunnelFault, match=said):
        unpack_chunks(bytes.fromhex(raw))


def test_too_many_chunks_in_one_batch_are_refused() -> None:
    end = pack((1, ChunkKind.END, b""))
    assert check_chunks(end * MAX_CHUNKS) == MAX_CHUNKS
    with pytest.raises(TunnelFault, match="batch of 20001 chunks"):
        check_chunks(end * (MAX_CHUNKS + 1))


@pytest.mark.parametrize(
    "chunk",
    [
        (0, ChunkKind.DATA, b"a"),
        (MAX_SLOT + 1, ChunkKind.DATA, b"a"),
        (1, ChunkKind.DATA, b""),
        (1, ChunkKind.END, b"a"),
        (1, ChunkKind.DATA, bytes(MAX_CHUNK_BYTES + 1)),
    ],
)
def test_what_would_be_refused_is_not_packed(chunk: tuple[int, ChunkKind, bytes]) -> None:
    with pytest.raises(EncodeError):
        pack(chunk)


def test_a_chunk_that_can_wait_wakes_nobody_and_goes_with_the_next() -> None:
    called: list[str] = []
    call = {name: partial(called.append, name) for name in ("wake", "rest", "wait", "seal")}
    buffer = ChunkBuffer(**call, seal_bytes=50, congested_bytes=1000)
    buffer.add_patient(1, ChunkKind.DATA, b"a")
    buffer.add_patient(2, ChunkKind.DATA, b"b")
    assert (called, buffer.is_due) == (["wait", "wait"], False)
    buffer.add(3, ChunkKind.DATA, b"c")
    buffer.add_patient(1, ChunkKind.DATA, b"d")
    assert (called, buffer.is_due) == (["wait", "wait", "wake"], True)
    assert [slot for slot, _, _ in unpack_chunks(buffer.take())] == [1, 2, 3, 1]
    buffer.add_patient(1, ChunkKind.DATA, bytes(50))
    assert called[3:] == ["wait", "seal"]

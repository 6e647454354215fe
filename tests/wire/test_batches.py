"""Batches without protobuf: on the wire and back they are what protobuf makes of them, whatever bytes come."""

from typing import Any

import pytest
from google.protobuf.message import DecodeError
from hypothesis import example, given
from hypothesis import strategies as st

from protos.tidegate.tunnel.v1 import tunnel_pb2
from tests.wire.test_kernel import interpreted
from wire.batches import Batch, parse_batch

BITS_63 = st.integers(0, (1 << 63) - 1)
CHUNKS = st.binary(max_size=300) | st.integers(0, 40_000).map(bytes)
KINDS = (tunnel_pb2.AttachRequest, tunnel_pb2.AttachResponse)

PURE = interpreted("wire.batches")


@pytest.mark.parametrize("kind", KINDS)
@given(chunks=CHUNKS, sequence=st.integers(0, (1 << 64) - 1), acknowledged=st.integers(0, (1 << 64) - 1))
def test_written_it_is_what_protobuf_writes(kind: Any, chunks: bytes, sequence: int, acknowledged: int) -> None:
    theirs = kind(sequence=sequence, acknowledged=acknowledged)
    theirs.batch.SetInParent()
    theirs.batch.chunks = chunks
    for batch in (Batch(chunks, sequence, acknowledged), PURE.Batch(chunks, sequence, acknowledged)):
        assert kind.FromString(batch.SerializeToString()) == theirs


@given(st.binary(min_size=1, max_size=300) | st.integers(1, 40_000).map(bytes), BITS_63.filter(bool), BITS_63)
def test_what_was_written_is_read(chunks: bytes, sequence: int, acknowledged: int) -> None:
    written = Batch(chunks, sequence, acknowledged).SerializeToString()
    for parse in (parse_batch, PURE.parse_batch):
        batch = parse(written)
        assert batch is not None
        assert (batch.chunks, batch.sequence, batch.acknowledged) == (chunks, sequence, acknowledged)


def damaged() -> st.SearchStrategy[bytes]:
    """Bytes that are nearly a batch."""
    whole = st.builds(Batch, st.binary(max_size=40), BITS_63, st.integers(0, 300)).map(Batch.SerializeToString)
    spot = st.integers(0, 60)

    def damage(data: bytes, start: int, end: int, put: bytes) -> bytes:
        return data[:start] + put + data[end:]

    return st.builds(damage, whole, spot, spot, st.binary(max_size=4))


@given(damaged() | st.binary(max_size=60))
@example(b"")
@example(b"\x08\x01\x22\x00")  # a batch of nothing
@example(b"\x08\x01\x22\x02\x0a\x00")  # the same, said otherwise
@example(b"\x08\x01\x22\x03\x0a\x01a")
@example(b"\x08\x81\x00\x22\x03\x0a\x01a")  # a number that is longer than it need be
@example(b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x22\x03\x0a\x01a")  # one of 64 bits
@example(b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f\x22\x03\x0a\x01a")  # and one of more
@example(b"\x08\x01\x22\x03\x0a\x01a\x22\x03\x0a\x01b")
@example(b"\x08\x01\x22\x05\x0a\x01a\x10\x01")  # something unknown within the batch
@example(b"\x08\x01\x22\xff\xff\xff\xff\xff\xff\xff\xff\x7f\x0a\x01a")
def test_any_bytes_are_no_batch_or_the_one_that_protobuf_reads(data: bytes) -> None:
    ours, pure = parse_batch(data), PURE.parse_batch(data)
    assert (ours is None) == (pure is None)
    if ours is None:
        return
    assert (ours.chunks, ours.sequence, ours.acknowledged) == (pure.chunks, pure.sequence, pure.acknowledged)
    for kind in KINDS:
        theirs = kind.FromString(data)
        assert theirs.WhichOneof("message") == "batch" == ours.WhichOneof("message")
        assert (theirs.batch.chunks, theirs.sequence, theirs.acknowledged) == (
            ours.chunks,
            ours.sequence,
            ours.acknowledged,
        )


@given(st.binary(min_size=1, max_size=40), BITS_63.filter(bool), st.integers(0, 300), st.integers(0, 60))
def test_one_that_is_cut_off_is_none(chunks: bytes, sequence: int, acknowledged: int, length: int) -> None:
    written = Batch(chunks, sequence, acknowledged).SerializeToString()
    if length < len(written):
        assert parse_batch(written[:length]) is None


@given(damaged())
def test_what_protobuf_cannot_read_is_none(data: bytes) -> None:
    try:
        tunnel_pb2.AttachRequest.FromString(data)
    except DecodeError:
        assert parse_batch(data) is None

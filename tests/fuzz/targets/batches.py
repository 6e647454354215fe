"""A tunnel's message: any bytes are no batch, or the one that protobuf reads, and it is written as it was."""

from collections.abc import Iterable

from google.protobuf.message import DecodeError

from protos.tidegate.tunnel.v1 import tunnel_pb2
from wire.batches import Batch, parse_batch

MAX_BYTES = 300
MODULES = ("wire.batches",)


def fuzz_one(data: bytes) -> None:
    """Read a message in both ways."""
    batch = parse_batch(data)
    try:
        message = tunnel_pb2.AttachRequest.FromString(data)
    except DecodeError:
        assert batch is None
        return
    if batch is None:
        return
    assert message.WhichOneof("message") == "batch"
    assert not message.following
    said = (message.batch.chunks, message.sequence, message.acknowledged)
    assert said == (batch.chunks, batch.sequence, batch.acknowledged)
    again = parse_batch(batch.SerializeToString())
    if batch.sequence:
        assert again is not None
        assert said == (again.chunks, again.sequence, again.acknowledged)


def seeds() -> Iterable[bytes]:
    """Batches, and other messages."""
    yield Batch(b"\0\0\0\1\1\0\0\1a", 1).SerializeToString()
    yield Batch(bytes(200), (1 << 63) - 1, (1 << 40) + 1).SerializeToString()
    yield Batch(b"a", 1 << 63).SerializeToString()
    yield tunnel_pb2.AttachRequest(sequence=1, batch=tunnel_pb2.Batch()).SerializeToString()
    first = tunnel_pb2.AttachRequest(sequence=1, batch=tunnel_pb2.Batch(chunks=b"a"))
    first.following.add(sequence=2, drain=tunnel_pb2.Drain())
    yield first.SerializeToString()

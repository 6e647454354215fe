"""What a tunnel's messages are made of, at either end: bytes in, and a batch or a message of protobuf's out."""

from typing import Any

from google.protobuf.message import DecodeError

from tunnel.options import MAX_GREETING_BYTES
from wire.batches import parse_batch
from wire.errors import TunnelFault


class MessageParser:
    """Makes messages of bytes: a `wire.batches.Batch`, as nearly always, or what ``kind`` makes of them."""

    __slots__ = ("_kind",)

    def __init__(self, kind: Any) -> None:
        self._kind = kind

    def parse(self, data: bytes) -> Any:
        """Return the message that bytes are; raises TunnelFault for what is none."""
        batch = parse_batch(data)
        if batch is not None:
            return batch
        try:
            return self._kind.FromString(data)
        except DecodeError as error:
            raise TunnelFault("a message that cannot be read") from error


def problem_of_greeting(message: Any) -> str:
    """Say what is wrong with the size of a hello's or a welcome's message; empty for one as it may be."""
    size = message.ByteSize()
    if not message.following and size <= MAX_GREETING_BYTES:
        return ""
    kind = message.WhichOneof("message")
    return f"a {kind} of {size} bytes: at most {MAX_GREETING_BYTES}, and nothing follows it"

"""What a tunnel's messages are made of, at either end: bytes in, and a batch or a message of protobuf's out."""

from typing import Any

from google.protobuf.message import DecodeError

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

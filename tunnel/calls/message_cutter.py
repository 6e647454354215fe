"""Cuts a call's bytes into messages, and puts the bytes before a message that say how long it is. Pure.

======  =====  ==========  =========================================
offset  bytes  what        meaning
======  =====  ==========  =========================================
0       1      compressed  0: nothing here understands anything else
1       4      length      unsigned big-endian: bytes that follow
5       …      message     what the service has agreed on
======  =====  ==========  =========================================
"""

from struct import Struct

from tunnel.calls.status import CallError, Status

_PREFIX = Struct(">BI")
PREFIX_BYTES = _PREFIX.size


def wrap_message(message: bytes) -> bytes:
    """Return a message with its prefix."""
    return _PREFIX.pack(0, len(message)) + message


class MessageCutter:
    """One direction of one call. Holds at most one message that is not whole, of ``max_message_bytes``."""

    __slots__ = ("_held", "_max_message_bytes", "_needed_bytes")

    def __init__(self, max_message_bytes: int) -> None:
        self._max_message_bytes = max_message_bytes
        self._held = bytearray()
        self._needed_bytes = 0  # how much of it there must be before it is worth a look

    @property
    def is_between_messages(self) -> bool:
        """Whether nothing has begun that is not whole."""
        return not self._held

    def feed(self, data: bytes) -> list[bytes]:
        """Return the messages that are whole with these bytes, in order.

        Raises CallError for one that is compressed or too long, before anything of it is kept.
        """
        if self._held:
            self._held += data
            if len(self._held) < self._needed_bytes:
                return []
            data = bytes(self._held)
            self._held.clear()
        messages = []
        start, size = 0, len(data)
        self._needed_bytes = PREFIX_BYTES
        while size - start >= PREFIX_BYTES:
            compressed, length = _PREFIX.unpack_from(data, start)
            if compressed:
                raise CallError(Status.UNIMPLEMENTED, "a compressed message, and no compression was agreed on")
            if length > self._max_message_bytes:
                text = f"a message of {length} bytes, where at most {self._max_message_bytes} are allowed"
                raise CallError(Status.RESOURCE_EXHAUSTED, text)
            end = start + PREFIX_BYTES + length
            if end > size:
                self._needed_bytes = end - start
                break
            messages.append(data[start + PREFIX_BYTES : end])
            start = end
        if start < size:
            self._held += data[start:]
        return messages

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
from wire import packing
from wire.data_frames import PREFIX_BYTES, read_number

_PREFIX = Struct(">BI")
_PREFIX_BYTES = PREFIX_BYTES  # for this module, as C has it


def wrap_message(message: bytes) -> bytes:
    """Return a message with its prefix."""
    return _PREFIX.pack(0, len(message)) + message


class MessageCutter:
    """One direction of one call. Holds at most one message that is not whole, of ``max_message_bytes``."""

    __slots__ = ("_fault", "_held", "_max_message_bytes", "_needed_bytes")

    def __init__(self, max_message_bytes: int) -> None:
        self._max_message_bytes = max_message_bytes
        self._held = bytearray()
        self._fault: CallError | None = None  # what was wrong behind messages that were right
        self._needed_bytes = 0  # how much of it there must be before it is worth a look

    @property
    def is_between_messages(self) -> bool:
        """Whether nothing has begun that is not whole."""
        return not self._held

    def feed(self, data: bytes) -> list[bytes]:
        """Return the messages that are whole with these bytes, in order.

        Raises CallError for one that is compressed or too long, before anything of it is kept; where messages came
        before it, only the next call does.
        """
        self.check()
        if self._held:
            self._held += data
            if len(self._held) < self._needed_bytes:
                return []
            data = bytes(self._held)
            self._held.clear()
        messages: list[bytes] = []
        start, size = 0, len(data)
        self._needed_bytes = _PREFIX_BYTES
        while size - start >= _PREFIX_BYTES:
            length = read_number(data, start + 1)
            if data[start]:
                text = "a compressed message, and no compression was agreed on"
                return self._refuse(messages, Status.UNIMPLEMENTED, text)
            if length > self._max_message_bytes:
                text = f"a message of {length} bytes, where at most {self._max_message_bytes} are allowed"
                return self._refuse(messages, Status.RESOURCE_EXHAUSTED, text)
            end = start + _PREFIX_BYTES + length
            if end > size:
                self._needed_bytes = end - start
                break
            messages.append(packing.cut(data, start + _PREFIX_BYTES, end))
            start = end
        if start < size:
            self._held += data[start:]
        return messages

    def check(self) -> None:
        """Raise what the next call of `feed` would."""
        if self._fault is not None:
            raise self._fault

    def _refuse(self, messages: list[bytes], status: Status, details: str) -> list[bytes]:
        """Return the messages before one that is none; raises CallError where there are none."""
        self._fault = CallError(status, details)
        if not messages:
            raise self._fault
        return messages

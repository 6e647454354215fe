"""Packet counters: keeps the numbers of serverbound frames right when frames are dropped or put in between.

Some dialects number what a client sends; a game server closes the connection at the first number that is not the one
after the last. The edge does the same for what its guard cuts out (`wire.guard`); here it is for features on the core.
Kernel code: in such a dialect it looks at every frame.

Calls (frames with another session word than the ordinary one) are not looked at by servers and keep their number.
"""

from wire.rules import FrameHeader
from wire.scanner import Scanner
from wire.watcher import read_number


class Numbering:
    """One session's. ``resets`` are the opcodes at which a client begins to count from 0 again."""

    __slots__ = (
        "_counter",
        "_gap",
        "_little",
        "_next",
        "_opcode",
        "_ordinary",
        "_resets",
        "_width",
        "_word",
    )

    def __init__(self, header: FrameHeader, resets: frozenset[int]) -> None:
        self._counter = header.counter_offset_bytes
        self._opcode = header.opcode_offset_bytes
        self._width = header.opcode_width_bytes
        self._word = header.session_word_offset_bytes
        self._ordinary = header.ordinary_session_word
        self._little = header.little_endian
        self._resets = resets
        self._gap = 0  # what is added to the client's numbers
        self._next = 0  # the number the game server expects

    def take(self, opcode: int = -1) -> int:
        """Return the number of a frame that is put in here; at an opcode that resets it is 0, as from a client."""
        if opcode in self._resets:
            self._gap = (self._gap - self._next) & 0xFFFFFFFF
            self._next = 0
        value = self._next
        self._next = (value + 1) & 0xFFFFFFFF
        self._gap = (self._gap + 1) & 0xFFFFFFFF
        return value

    def drop(self, frame: bytes) -> None:
        """Leave a whole frame out."""
        if self._is_numbered(frame, 0, len(frame)):
            value = read_number(frame, self._counter, 4, self._little)
            self._gap = (self._next - value - 1) & 0xFFFFFFFF

    def pass_on(self, span: bytes, scanner: Scanner) -> bytes:
        """Return a span of whole frames with the numbers they must have."""
        out: bytearray | None = None
        begin = 0
        position = 0
        size = len(span)
        while position < size:
            length = scanner.length_at(span, position)
            if self._is_numbered(span, position, length):
                counter = position + self._counter
                value = read_number(span, counter, 4, self._little)
                opcode = read_number(span, position + self._opcode, self._width, self._little)
                if opcode in self._resets:
                    self._gap = 0
                if self._gap:
                    value = (value + self._gap) & 0xFFFFFFFF
                    if out is None:
                        out = bytearray()
                    out += span[begin:counter]
                    out += value.to_bytes(4, "little" if self._little else "big")
                    begin = counter + 4
                self._next = (value + 1) & 0xFFFFFFFF
            position += length
        if out is None:
            return span
        out += span[begin:]
        return bytes(out)

    def _is_numbered(self, span: bytes, start: int, length: int) -> bool:
        if length < self._counter + 4:
            return False
        return self._word < 0 or read_number(span, start + self._word, 4, self._little) == self._ordinary

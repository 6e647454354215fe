"""Envelopes: what stands around a packet's body in a frame, for one direction of one dialect.

::

    length | session word | opcode | counter | body … | trailer

Length and opcode may stand anywhere in the header; session word, counter and trailer only where the game
has them. `open` takes a whole frame apart, `seal` puts one together; both are exact inverses.
"""

from dataclasses import dataclass
from typing import Literal

from wire.errors import EncodeError, LayoutError, PacketFault
from wire.layout import FrameLayout
from wire.rules import FrameHeader


@dataclass(frozen=True, slots=True)
class Frame:
    """One whole frame, taken apart. ``opcode`` is None for a bare frame such as a keep-alive."""

    opcode: int | None
    body: bytes = b""
    session_word: int | None = None
    counter: int | None = None


@dataclass(frozen=True, slots=True)
class Envelope:
    """Where the parts of a header stand; offsets and widths in bytes, integers in the layout's order.

    ``counter_bytes`` 0 means no packet counter. ``ordinary_session_word`` marks a one-way message: frames
    with another word are synchronous calls or their answers, which carry no trailer.
    """

    layout: FrameLayout
    header_bytes: int
    opcode_offset_bytes: int
    opcode_width_bytes: int = 2
    session_word_offset_bytes: int | None = None
    ordinary_session_word: int | None = None
    counter_bytes: int = 0
    trailer: bytes = b""

    def open(self, frame: bytes) -> Frame:
        """Take a whole frame apart; raises PacketFault where a part is missing or the trailer is wrong."""
        layout = self.layout
        size = len(frame)
        if size in layout.bare_frame_bytes:
            return Frame(opcode=None)
        order: Literal["little", "big"] = "little" if layout.little_endian else "big"
        header = self.header_bytes
        if size < header:
            raise PacketFault(f"frame of {size} bytes ends before offset {header}")
        word_at = self.session_word_offset_bytes
        word = None if word_at is None else int.from_bytes(frame[word_at : word_at + 4], order)
        start = header + self.counter_bytes
        trailer = self.trailer if word == self.ordinary_session_word else b""
        end = size - len(trailer)
        if end < start:
            raise PacketFault(f"frame of {size} bytes where at least {start + len(trailer)} belong")
        if trailer and frame[end:] != trailer:
            raise PacketFault(f"trailer {frame[end:].hex()} where {trailer.hex()} belongs", offset_bytes=end)
        opcode_at = self.opcode_offset_bytes
        return Frame(
            int.from_bytes(frame[opcode_at : opcode_at + self.opcode_width_bytes], order),
            frame[start:end],
            word,
            int.from_bytes(frame[header:start], order) if self.counter_bytes else None,
        )

    def seal(
        self,
        opcode: int,
        body: bytes,
        *,
        counter: int | None = None,
        session_word: int | None = None,
    ) -> bytes:
        """Put a frame together; the session word is the ordinary one unless said.

        Raises EncodeError for a missing or superfluous counter, or a frame over the layout's limit.
        """
        word = self.ordinary_session_word if session_word is None else session_word
        if (counter is None) == (self.counter_bytes > 0):
            raise EncodeError(f"counter {counter} where the dialect's counter has {self.counter_bytes} bytes")
        trailer = self._trailer_for(word)
        size = self.header_bytes + self.counter_bytes + len(body) + len(trailer)
        if not self.layout.allows(size):
            raise EncodeError(f"frame of {size} bytes for opcode {opcode}: {self.layout.describe_limits()}")
        frame = bytearray(self.header_bytes + self.counter_bytes)
        self._put(
            frame,
            self.layout.length_offset_bytes,
            self.layout.length_width_bytes,
            size - self.layout.length_adjust_bytes,
        )
        self._put(frame, self.opcode_offset_bytes, self.opcode_width_bytes, opcode)
        if self.session_word_offset_bytes is not None and word is not None:
            self._put(frame, self.session_word_offset_bytes, 4, word)
        if counter is not None:
            self._put(frame, self.header_bytes, self.counter_bytes, counter)
        return bytes(frame) + body + trailer

    @property
    def header(self) -> FrameHeader:
        """The same as the kernel wants it; raises LayoutError for a counter of another width than 4."""
        if self.counter_bytes not in (0, 4):
            raise LayoutError(f"packet counter of {self.counter_bytes} bytes: 4 are possible")
        word_offset = self.session_word_offset_bytes
        return FrameHeader(
            opcode_offset_bytes=self.opcode_offset_bytes,
            opcode_width_bytes=self.opcode_width_bytes,
            body_offset_bytes=self.header_bytes + self.counter_bytes,
            little_endian=self.layout.little_endian,
            session_word_offset_bytes=-1 if word_offset is None else word_offset,
            ordinary_session_word=self.ordinary_session_word or 0,
            counter_offset_bytes=self.header_bytes if self.counter_bytes else -1,
            trailer=self.trailer,
        )

    @property
    def _order(self) -> Literal["little", "big"]:
        return "little" if self.layout.little_endian else "big"

    def _trailer_for(self, session_word: int | None) -> bytes:
        return self.trailer if session_word == self.ordinary_session_word else b""

    def _put(self, frame: bytearray, offset: int, width: int, value: int) -> None:
        try:
            frame[offset : offset + width] = value.to_bytes(width, self._order)
        except OverflowError as error:
            raise EncodeError(f"{value} does not fit {width} bytes") from error

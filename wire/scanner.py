"""The scanner: cuts a byte stream into whole frames, whatever pieces it arrives in.

Called once per read by the player's socket (edge) and by the game server's socket (core), and once per
chunk where the core checks what an edge let through. It must not know sockets, sessions or opcodes.

A read that holds nothing but whole frames is handed on as it came, without a copy; otherwise what belongs
to an unfinished frame is kept until the rest arrives, and that is bounded by the layout's longest frame.
"""

from wire.errors import FrameFault
from wire.layout import FrameLayout

_NOTHING = bytearray()
"""Shared by all scanners that hold no unfinished frame: never changed."""


class Scanner:
    """Feed it chunks, get spans of whole frames.

    ``frames`` counts the whole frames that came out. After a forbidden length ``fault`` is set for good:
    the frames before it have come out, nothing of it or after it ever does.
    """

    __slots__ = (
        "_adjust",
        "_bare",
        "_carry",
        "_header",
        "_layout",
        "_little",
        "_maximum",
        "_minimum",
        "_needed",
        "_offset",
        "_passed",
        "_width",
        "fault",
        "frames",
    )

    def __init__(self, layout: FrameLayout) -> None:
        self._layout = layout
        self._header = layout.header_bytes
        self._offset = layout.length_offset_bytes
        self._width = layout.length_width_bytes
        self._little = layout.little_endian
        self._adjust = layout.length_adjust_bytes
        self._bare = layout.bare_frame_bytes
        self._minimum = layout.min_frame_bytes
        self._maximum = layout.max_frame_bytes
        self._carry = _NOTHING  # the beginning of a frame that is not whole yet
        self._needed = self._header  # how long the carry must grow before a look at it is worth it
        self._passed = 0  # bytes of all frames that came out: where in the stream we are
        self.frames = 0
        self.fault: FrameFault | None = None

    @property
    def carried_bytes(self) -> int:
        """How much of an unfinished frame is held: always less than the layout's longest frame."""
        return len(self._carry)

    @property
    def missing_bytes(self) -> int:
        """How many bytes must come, at least, before another look at the unfinished frame is worth it."""
        return self._needed - len(self._carry)

    def save(self) -> tuple[bytes, int, int]:
        """Return what `restore` needs to go on in another process: the unfinished frame, and what came out so far."""
        return bytes(self._carry), self._passed, self.frames

    def restore(self, carry: bytes, passed: int, frames: int) -> None:
        """Go on where another scanner of the same layout was; what it carried is looked at again."""
        self._carry = bytearray(carry)
        self._needed = self._header
        self._passed = passed
        self.frames = frames

    def feed(self, data: bytes) -> bytes:
        """Take the next chunk and return all whole frames known by now as one span, maybe empty.

        Never raises for any content: a forbidden length sets ``fault``.
        """
        if self.fault is not None:
            return b""
        if self._width == 0:
            if data:
                self.frames += 1
                self._passed += len(data)
            return data
        if self._carry:
            self._carry += data
            if len(self._carry) < self._needed:
                return b""
            data = bytes(self._carry)
            self._carry = _NOTHING
        end = self._scan(data, 0, len(data))
        self._passed += end
        if end == len(data):
            return data
        if self.fault is None:
            self._carry = bytearray(memoryview(data)[end:])
        return data[:end]

    def take_whole(self, data: bytes, start: int, end: int) -> bool:
        """Take a part of some bytes as `feed` does, if that needs no copy: if it is whole frames and nothing else.

        False, and nothing taken, where it is not, or where a frame from before is unfinished: `feed` knows what to do.
        """
        if self.fault is not None or self._carry:
            return False
        if self._width == 0:
            self.frames += end > start
        else:
            frames = self.frames
            if self._scan(data, start, end) != end:
                self.frames = frames
                self.fault = None
                return False
        self._passed += end - start
        return True

    def whole_frames_within(self, span: bytes, limit_bytes: int) -> int:
        """Return how much of a span that came out of `feed` is whole frames of at most ``limit_bytes`` together."""
        if self._width == 0:
            return min(len(span), limit_bytes)
        position = 0
        while position < len(span):
            end = position + self.length_at(span, position)
            if end > limit_bytes:
                break
            position = end
        return position

    def _scan(self, data: bytes, start: int, end: int) -> int:
        """Walk the frames from ``start`` to before ``end``; return where the last whole one ends."""
        position = start
        header = self._header
        self._needed = header
        while end - position >= header:
            length = self.length_at(data, position)
            if not (self._minimum <= length <= self._maximum or length in self._bare):
                self.fault = FrameFault(
                    self._layout.describe_limits(),
                    length_bytes=length,
                    stream_offset_bytes=self._passed + position - start,
                )
                return position
            if length > end - position:
                self._needed = length
                return position
            position += length
            self.frames += 1
        return position

    def length_at(self, data: bytes, start: int) -> int:
        """Read the length of the whole frame that begins at ``start``; its length field must be in ``data``."""
        position = start + self._offset
        width = self._width
        value = 0
        if self._little:
            for index in range(position + width - 1, position - 1, -1):
                value = value << 8 | data[index]
        elif width == 2:
            value = data[position] << 8 | data[position + 1]
        else:
            for index in range(position, position + width):
                value = value << 8 | data[index]
        return value + self._adjust


def split_frames(layout: FrameLayout, span: bytes) -> list[bytes]:
    """Cut a span of whole frames into its frames, for those who want them one by one (tests, decoders).

    Raises FrameFault where the span is not made of whole legal frames.
    """
    scanner = Scanner(layout)
    if scanner.feed(span) != span:
        raise scanner.fault or FrameFault(
            "the last frame is not whole",
            length_bytes=scanner.carried_bytes,
            stream_offset_bytes=len(span) - scanner.carried_bytes,
        )
    if not layout.is_framed:
        return [span] if span else []
    frames: list[bytes] = []
    position = 0
    while position < len(span):
        end = position + scanner.length_at(span, position)
        frames.append(span[position:end])
        position = end
    return frames

"""From received bytes to opened frames, for either side of a connection.

Used by the server's connections and by the players; each has its own, because a scanner remembers the
unfinished frame.
"""

from collections.abc import Iterator

from games.envelope import Frame
from games.pack import Codec
from games.packet import Direction
from wire.errors import FrameFault
from wire.scanner import Scanner


class Intake:
    """One direction of one connection: feed it what was read, get its frames.

    After a forbidden length ``fault`` is set and nothing more comes out. ``frames`` counts the whole ones.
    """

    __slots__ = ("_codec", "_direction", "_scanner")

    def __init__(self, codec: Codec, direction: Direction) -> None:
        self._codec = codec
        self._direction = direction
        self._scanner = Scanner(codec.pack.layout(direction))

    @property
    def fault(self) -> FrameFault | None:
        """The forbidden length, once there was one."""
        return self._scanner.fault

    @property
    def frames(self) -> int:
        """Whole frames so far, keep-alives included."""
        return self._scanner.frames

    def feed(self, data: bytes) -> Iterator[Frame]:
        """Yield the frames that ``data`` completes, opened; raises PacketFault at one that cannot be."""
        span = self._scanner.feed(data)
        position = 0
        while position < len(span):
            end = position + self._scanner.length_at(span, position)
            yield self._codec.open(self._direction, span[position:end])
            position = end

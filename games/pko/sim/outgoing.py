"""What a scripted player has to write: frames with their packet counters, gathered for one write.

Used by `player` alone. The counter is section 1.6 of the protocol file: every frame but the keep-alive
carries it, calls included, and building a login or a registration sets it back to 0.
"""

from games.pack import Codec
from games.packet import Packet


class Outgoing:
    """Bytes not taken yet; ``frames`` counts what was written, ``last_seconds`` is when."""

    __slots__ = ("_bytes", "_codec", "_counted", "_counter", "frames", "last_seconds")

    def __init__(self, codec: Codec, now_seconds: float) -> None:
        self._codec = codec
        self._counted = codec.dialect.serverbound.counter_bytes > 0
        self._counter = 0
        self._bytes = bytearray()
        self.frames = 0
        self.last_seconds = now_seconds

    def add(self, packet: Packet, now_seconds: float, *, session_word: int | None = None) -> None:
        """Write a packet; with a session word it is a call."""
        counter = self._next_counter(packet.OPCODE) if self._counted else None
        self.add_frame(self._codec.seal(packet, counter=counter, session_word=session_word), now_seconds)

    def add_frame(self, frame: bytes, now_seconds: float) -> None:
        """Write a whole frame as it is."""
        self._bytes += frame
        self.frames += 1
        self.last_seconds = now_seconds

    def take(self) -> bytes:
        """Hand over what has been gathered."""
        data = bytes(self._bytes)
        self._bytes.clear()
        return data

    def _next_counter(self, opcode: int) -> int:
        if opcode in self._codec.dialect.counter_resets:
            self._counter = 0
        counter = self._counter
        self._counter = (counter + 1) & 0xFFFFFFFF
        return counter

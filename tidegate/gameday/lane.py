"""One direction of one connection through the fault proxy: bytes in from a source, out to a sink, when they are due.

A clear lane hands each chunk on as it came. Otherwise chunks wait in a queue with the time when they are due; the
queue is bounded by no longer reading from the source. The end of the stream, or its loss, waits behind the bytes.
"""

import asyncio
import contextlib
import socket
import struct
from collections import deque
from collections.abc import Callable
from enum import Enum, auto
from random import Random
from time import monotonic  # a uvloop's own time has whole milliseconds only

from tidegate.gameday.conditions import Conditions

QUEUE_BYTES = 8 * 1024 * 1024
"""What may wait in one direction: a quarter of a second at 32 MB/s, far more than a tunnel of a game carries."""

RESUME_BYTES = QUEUE_BYTES // 2

SLICES_PER_SECOND = 20
"""A slow road delivers in pieces of a twentieth of a second's worth, not in one chunk after a long silence."""

MIN_SLICE_BYTES = 64

_LINGER_NOT = struct.pack("ii", 1, 0)


class Ending(Enum):
    """What stands behind the last bytes."""

    END = auto()
    RESET = auto()


class Lane:
    """Carries chunks under ``conditions``. ``bytes_passed`` counts what the sink was given.

    ``on_end`` is called when the sink has been given the end of the stream.
    """

    def __init__(
        self, source: asyncio.Transport, conditions: Conditions, random: Random, on_end: Callable[[], None]
    ) -> None:
        self.bytes_passed = 0
        self.has_delivered_end = False
        self._on_end = on_end
        self._source = source
        self._sink: asyncio.Transport | None = None
        self._conditions = conditions
        self._random = random
        self._queue: deque[tuple[float, bytes | Ending]] = deque()
        self._queued_bytes = 0
        self._last_due = 0.0
        self._is_sink_full = False
        self._is_source_paused = False
        self._has_ended = False
        self._timer: asyncio.TimerHandle | None = None

    @property
    def queued_bytes(self) -> int:
        """Bytes that wait here."""
        return self._queued_bytes

    def connect(self, sink: asyncio.Transport) -> None:
        """Give the lane its other end; until then everything waits."""
        self._sink = sink
        self._go_on()

    def set_conditions(self, conditions: Conditions) -> None:
        """Change what the lane is like; bytes already under way keep their due time."""
        self._conditions = conditions
        self._go_on()

    def take(self, data: bytes) -> None:
        """Carry a chunk."""
        if self._sink is not None and not self._queue and self._conditions.is_clear and not self._is_sink_full:
            self.bytes_passed += len(data)
            self._sink.write(data)
            return
        for piece in self._slices(data):
            self._queue.append((self._due(len(piece)), piece))
        self._queued_bytes += len(data)
        self._go_on()

    def end(self, ending: Ending) -> None:
        """Let the sink have the end of the stream, or its loss, behind the bytes."""
        if not self._has_ended or ending is Ending.RESET:
            self._has_ended = True
            self._queue.append((self._due(0), ending))
            self._go_on()

    def sink_full(self, *, is_full: bool) -> None:
        """Hear from the sink whether it takes more."""
        self._is_sink_full = is_full
        self._go_on()

    def abandon(self) -> None:
        """Drop everything: one of the ends is gone."""
        self._queue.clear()
        self._queued_bytes = 0
        self._sink = None
        self._stop_timer()

    def _due(self, size: int) -> float:
        conditions = self._conditions
        due = monotonic() + conditions.delay_seconds
        if conditions.jitter_seconds:
            due += self._random.uniform(-conditions.jitter_seconds, conditions.jitter_seconds)
        due = max(due, self._last_due)
        if conditions.bytes_per_second:
            due += size / conditions.bytes_per_second
        self._last_due = due
        return due

    def _slices(self, data: bytes) -> list[bytes]:
        speed = self._conditions.bytes_per_second
        if not speed:
            return [data]
        size = max(MIN_SLICE_BYTES, int(speed / SLICES_PER_SECOND))
        return [data[at : at + size] for at in range(0, len(data), size)]

    def _go_on(self) -> None:
        """Deliver what is due, arrange for the rest, and read from the source or not."""
        self._stop_timer()
        if self._sink is not None and not self._conditions.is_dead and not self._is_sink_full:
            self._deliver(self._sink)
        if self._queue and self._sink is not None and not self._conditions.is_dead and not self._is_sink_full:
            wait_seconds = max(0.0, self._queue[0][0] - monotonic())
            self._timer = asyncio.get_running_loop().call_later(wait_seconds, self._go_on)
        self._pause_or_resume()

    def _deliver(self, sink: asyncio.Transport) -> None:
        now = monotonic()
        chunks: list[bytes] = []
        ending: Ending | None = None
        while self._queue and self._queue[0][0] <= now and ending is None:
            item = self._queue.popleft()[1]
            if isinstance(item, Ending):
                ending = item
            else:
                chunks.append(item)
        if chunks:
            data = b"".join(chunks)
            self._queued_bytes -= len(data)
            self.bytes_passed += len(data)
            sink.write(data)
        if ending is Ending.RESET:
            reset(sink)
        elif ending is Ending.END and not sink.is_closing():
            self.has_delivered_end = True
            sink.write_eof()
            self._on_end()

    def _pause_or_resume(self) -> None:
        limit = RESUME_BYTES if self._is_source_paused else QUEUE_BYTES
        must_pause = self._conditions.is_dead or self._queued_bytes > limit
        if must_pause == self._is_source_paused or self._source.is_closing():
            return
        self._is_source_paused = must_pause
        with contextlib.suppress(RuntimeError):  # uvloop: it is closing after all
            if must_pause:
                self._source.pause_reading()
            else:
                self._source.resume_reading()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def reset(transport: asyncio.Transport) -> None:
    """Cut a connection so that its other end hears of a reset, not of an orderly end."""
    sock = transport.get_extra_info("socket")
    with contextlib.suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOT)
    transport.abort()

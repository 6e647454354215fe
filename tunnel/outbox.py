"""The outbox: everything one end wants to send through the tunnel, in order, packed into few messages.

Sessions put chunks and control messages in; one writer task takes messages out. A gRPC message costs tens of
microseconds however small it is, so bytes are gathered: sent at once when the tunnel has been quiet, otherwise
at the end of a short window.
"""

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Generic, Protocol, TypeVar

from protos.tidegate.tunnel.v1 import tunnel_pb2
from tunnel.counters import Counters
from wire.chunks import ChunkBuffer
from wire.errors import TunnelFault
from wire.sequence import Sequence

SEAL_BYTES = 128 * 1024
"""A batch this long is closed and the next begun; with one socket read on top it stays under the contract's bound."""

HIGH_WATER_BYTES = 4 << 20
"""With more than this waiting, sessions that read more are told to pause: the tunnel itself is the narrow place."""

LIMIT_BYTES = 32 << 20
"""More than this waits only for a peer that does not read at all: the attachment is given up."""

CONTROL_BYTES = 128
"""What a control message counts for: about what it costs in memory."""

BUSY_BYTES = 3 * 1024
"""More than this in one window is full load: some forty small frames, so as many thousand a second."""

LONGEST_PAUSE_SECONDS = 0.001
"""How long the process may pause under full load, so that nothing else of it ever waits longer for that."""

LOW_WATER_BYTES = 1 << 20
"""At this the paused sessions go on."""

Message = TypeVar("Message", tunnel_pb2.AttachRequest, tunnel_pb2.AttachResponse)


class Pausable(Protocol):
    """Somebody who can be told that there is room again."""

    def tunnel_relieved(self) -> None:
        """Room again: go on reading."""
        ...


class Outbox(Generic[Message]):
    """The sending half of one attachment. ``message`` is the type this end sends."""

    def __init__(
        self,
        message: type[Message],
        sequence: Sequence,
        counters: Counters,
        *,
        flush_window_seconds: float,
    ) -> None:
        self._message: type[Message] = message
        self._sequence = sequence
        self._counters = counters
        self._window = flush_window_seconds
        self._sealed: deque[Message] = deque()
        self.buffer = ChunkBuffer(self._wake, self._seal, seal_bytes=SEAL_BYTES, congested_bytes=HIGH_WATER_BYTES)
        self._ready = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._waiting: dict[Pausable, None] = {}  # in order, and each once
        self._last_flush_seconds = 0.0

    @property
    def pending_bytes(self) -> int:
        """Payload waiting to be written."""
        return self.buffer.sealed_bytes + self.buffer.size_bytes

    def check(self) -> None:
        """Raise TunnelFault when the peer takes nothing and everything piles up here."""
        if self.pending_bytes > LIMIT_BYTES:
            raise TunnelFault(f"the other end does not read: {self.pending_bytes} bytes are waiting for it")

    def wait_for_relief(self, who: Pausable) -> None:
        """Remember a session that paused because of congestion; it is told once when there is room."""
        self._waiting[who] = None

    def add(self, message: Message, *, sequenced: bool = True) -> None:
        """Queue a control message behind everything queued so far."""
        self._seal()
        if sequenced:
            message.sequence = self._sequence.next()
        self.buffer.sealed_bytes += CONTROL_BYTES
        self._sealed.append(message)
        self._wake()

    @asynccontextmanager
    async def writing(self, write: Callable[[Message], Awaitable[object]], name: str) -> AsyncIterator[None]:
        """Have a task called ``name`` write messages meanwhile.

        Where a write fails the task just ends: the stream is broken then, and whoever reads it is told why.
        """
        writer = asyncio.create_task(self.run(write), name=name)
        try:
            yield
        finally:
            writer.cancel()
            await asyncio.wait({writer})  # unlike awaiting the task, this lets a cancellation of ours through
            if not writer.cancelled():
                writer.exception()

    async def run(self, write: Callable[[Message], Awaitable[object]]) -> None:
        """Write messages until cancelled: the one writer task of an attachment."""
        clock = asyncio.get_running_loop().time
        while True:
            await self._ready.wait()
            early = self._last_flush_seconds + self._window - clock()
            if early > 0 and self.pending_bytes < SEAL_BYTES:
                await self._gather(early)
            self._last_flush_seconds = clock()
            self._seal()
            while self._sealed:
                message = self._sealed.popleft()
                if message.HasField("batch"):
                    self.buffer.sealed_bytes -= len(message.batch.chunks)
                    self._counters.batches_sent += 1
                else:
                    self.buffer.sealed_bytes -= CONTROL_BYTES
                message.acknowledged = self._sequence.received
                await write(message)
                self._relieve()
            if not self.buffer.size_bytes:
                self._ready.clear()
                self._idle.set()

    async def _gather(self, seconds: float) -> None:
        """Let more come together before the next flush."""
        if self.buffer.size_bytes < BUSY_BYTES:
            await asyncio.sleep(seconds)
            return
        # Under full load the loop would wake for every few sockets. The whole process pauses instead, very
        # shortly, and then reads all sockets at one go: fewer wakes, and players' frames stay together.
        time.sleep(min(seconds, LONGEST_PAUSE_SECONDS))  # noqa: ASYNC251 - the pause is the point
        await asyncio.sleep(0)

    async def drained(self) -> None:
        """Wait until everything queued so far has been handed to gRPC."""
        await self._idle.wait()

    def _wake(self) -> None:
        self._idle.clear()
        self._ready.set()

    def _seal(self) -> None:
        if self.buffer.size_bytes:
            chunks = self.buffer.take()
            self.buffer.sealed_bytes += len(chunks)
            batch = tunnel_pb2.Batch(chunks=chunks)
            self._sealed.append(self._message(sequence=self._sequence.next(), batch=batch))

    def _relieve(self) -> None:
        if self._waiting and self.pending_bytes <= LOW_WATER_BYTES:
            waiting, self._waiting = self._waiting, {}
            for each in waiting:
                each.tunnel_relieved()

"""The outbox: everything one end wants to send through the tunnel, in order, packed into few messages.

Sessions put chunks and control messages in; the writer task of the attachment there is takes messages out. A gRPC
message costs tens of microseconds however small it is, so bytes are gathered: sent at once when the tunnel has been
quiet, otherwise at the end of a short window. What was sent stays in the resend ring (`wire.delivery`) until the
other end has it, so an outbox outlives its attachments: while there is none, it gathers.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from itertools import islice
from typing import Any, Generic, Protocol, TypeVar

from protos.tidegate.tunnel.v1 import tunnel_pb2
from tunnel.counters import Counters
from tunnel.flow import Flow
from tunnel.options import DEFAULT_RING_BYTES, MAX_FOLLOWING, MAX_FOLLOWING_BYTES
from wire.chunks import ChunkBuffer
from wire.delivery import Delivery
from wire.errors import TunnelFault

SEAL_BYTES = 128 * 1024
"""A batch this long is closed and the next begun; with one socket read on top it stays under the contract's bound."""

HELD_SEAL_BYTES = 256 * 1024
"""The same while there is no attachment: what has piled up goes faster in few messages, each with several frames of
every session, than it came."""

HIGH_WATER_BYTES = 512 * 1024
"""With more than this waiting, sessions that bring much at a time are told to pause: the tunnel itself is the narrow
place. It is also what those who bring little have before them: some 10 ms."""

FULL_BYTES = 4 << 20
"""With more than this waiting, all sessions are."""

CONTROL_BYTES = 128
"""What a control message counts for: about what it costs in memory."""

REST_SECONDS = 0.05
"""How long a keep-alive waits for company. Ten thousand connections that idle were otherwise hundreds of messages a
second that carried one each; who waits for it waits for many seconds."""

COMPANY_SECONDS = 0.03
"""How long what can wait does so for company (arrivals, departures, a game server's greeting), and how long ago the
last message was in a tunnel that is quiet. A flush of its own would have the frames of those who play wait for the end
of a window."""

LOW_WATER_BYTES = 256 * 1024
"""At this the paused sessions go on, some at a time."""

RELIEVED_AT_ONCE = 4
"""How many: each may bring a whole read, 64 KiB or more, before it notices that there is no room again."""

Message = TypeVar("Message", tunnel_pb2.AttachRequest, tunnel_pb2.AttachResponse)


class Pausable(Protocol):
    """Somebody who can be told that there is room again."""

    def tunnel_relieved(self) -> None:
        """Room again: go on reading."""
        ...


class Outbox(Generic[Message]):
    """The sending half of one tunnel. ``message`` is the type this end sends."""

    def __init__(
        self,
        message: type[Message],
        delivery: Delivery[Message],
        counters: Counters,
        *,
        flush_window_seconds: float,
        ring_bytes: int = DEFAULT_RING_BYTES,
    ) -> None:
        self.flow = Flow()  # the owner of the tunnel may put one in its place that lives longer
        self._message: type[Message] = message
        self._delivery: Delivery[Message] = delivery
        self._counters = counters
        self._flush_window_seconds = flush_window_seconds
        self._ring_bytes = ring_bytes
        self.buffer = ChunkBuffer(
            self._wake,
            self._rest,
            self._wait,
            self._seal,
            seal_bytes=HELD_SEAL_BYTES,
            congested_bytes=ring_bytes // 2,
        )
        self._hold_much()
        self._urgent: Message | None = None  # a heartbeat: it does not count, and goes first
        self._ready = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._room = asyncio.Event()
        self._room.set()
        self._waiting: dict[Pausable, None] = {}  # in order, and each once
        self._last_flush_seconds = 0.0  # by the clock of the loop
        self._flushed_at = -COMPANY_SECONDS  # the same by `time.monotonic`, whose time is finer
        self._company: asyncio.TimerHandle | None = None  # ends the wait of what can wait
        self._company_due = 0.0  # by `time.monotonic`

    @property
    def pending_bytes(self) -> int:
        """Payload waiting to be written."""
        return self._delivery.unwritten_bytes + self.buffer.size_bytes

    @property
    def is_quiet(self) -> bool:
        """Whether nothing was sent for a while: who sends something alone holds nobody up."""
        return time.monotonic() - self._flushed_at >= COMPANY_SECONDS

    def check(self) -> None:
        """Raise TunnelFault when the peer takes nothing and everything piles up here."""
        held = self._delivery.held_bytes + self.buffer.size_bytes
        if held > self._ring_bytes:
            raise TunnelFault(f"the other end does not read: {held} bytes wait for it, {self._ring_bytes} are possible")

    def wait_for_relief(self, who: Pausable) -> None:
        """Remember a session that paused because of congestion; it is told once when there is room."""
        self._waiting[who] = None

    def add(self, message: Message, *, can_wait: bool = False) -> None:
        """Queue a control message behind everything queued so far.

        One that ``can_wait`` goes with the next that cannot, or in a few milliseconds; at once if the tunnel is quiet.
        """
        self._seal()
        size = max(CONTROL_BYTES, message.ByteSize())
        message.sequence = self._delivery.add(message, size)
        self.buffer.sealed_bytes += size
        if can_wait:
            self._wait()
        else:
            self._wake()

    def add_urgent(self, message: Message) -> None:
        """Send a message that does not count before all others; it takes the place of a heartbeat that still waits."""
        if self._urgent is None or self._urgent.HasField("heartbeat"):
            self._urgent = message
            self._wake()

    def acknowledged(self) -> None:
        """The other end has said that it has something: go on writing if that was what the writer waits for."""
        if self._delivery.unacknowledged_bytes <= self._ring_bytes // 2:
            self._room.set()

    def attached(self) -> None:
        """There is an attachment: what it does not take at once may pile up less high."""
        self.buffer.seal_bytes = SEAL_BYTES
        self.buffer.congested_bytes = HIGH_WATER_BYTES
        self.buffer.full_bytes = min(FULL_BYTES, self._ring_bytes // 2)
        self.buffer.sealed_bytes = self._delivery.unwritten_bytes
        self._room.set()
        if self._delivery.has_unwritten():
            self._wake()
        self._relieve()

    def detached(self) -> None:
        """The attachment is over: what it may have lost is to be written again."""
        self._delivery.rewind()
        self._urgent = None
        self.buffer.seal_bytes = HELD_SEAL_BYTES
        self._hold_much()
        self.buffer.sealed_bytes = self._delivery.unwritten_bytes
        if self.pending_bytes:
            self._wake()

    def _hold_much(self) -> None:
        """While there is no attachment, keep what the ring is for; the last quarter is for control messages."""
        self.buffer.congested_bytes = self._ring_bytes // 2
        self.buffer.full_bytes = self._ring_bytes * 3 // 4

    async def run(self, write: Callable[[Message], Awaitable[object]]) -> None:
        """Write messages until cancelled: the one writer task of an attachment."""
        clock = asyncio.get_running_loop().time
        while True:
            await self._ready.wait()
            woken = time.monotonic()  # the loop's own time goes by milliseconds
            early = self._last_flush_seconds + self._flush_window_seconds - clock()
            if early > 0 and self.pending_bytes < SEAL_BYTES:
                await asyncio.sleep(early)
            self._last_flush_seconds = clock()
            self._flushed_at = time.monotonic()
            self.flow.flush_delay.note(self._flushed_at - woken)
            self._seal()
            self._stop_waiting()
            await self._write_all(write)
            self._relieve()
            if not self.buffer.is_due and self._urgent is None and not self._waiting:
                if self._delivery.has_unwritten():  # those who were relieved have brought a whole batch
                    continue
                self._ready.clear()
                if not self.buffer.size_bytes:
                    self._idle.set()

    async def _write_all(self, write: Callable[[Message], Awaitable[object]]) -> None:
        delivery = self._delivery
        while True:
            message = self._urgent
            if message is not None:
                self._urgent = None
            else:
                if delivery.unacknowledged_bytes > self._ring_bytes // 2:
                    self._room.clear()
                    if await self._wait_for_room():
                        continue
                message = self._take()
                if message is None:
                    return
            message.acknowledged = delivery.received
            await write(message)
            self._relieve()

    def _take(self) -> Message | None:
        """Take the next message out, with those that can go along in one gRPC message; None where there is nothing.

        What is kept to be sent again is each message by itself, so one that others follow is a copy.
        """
        room = MAX_FOLLOWING_BYTES - self._delivery.next_bytes
        message = self._take_one()
        size = self._delivery.next_bytes
        if message is None or not 0 < size <= room:
            return message
        first = self._message()
        first.CopyFrom(message)
        while 0 < size <= room and len(first.following) < MAX_FOLLOWING:
            room -= size
            each: Any = self._take_one()
            each.acknowledged = self._delivery.received
            first.following.append(each)
            size = self._delivery.next_bytes
        return first

    def _take_one(self) -> Message | None:
        delivery = self._delivery
        resent = delivery.resent
        numbered = delivery.take()
        if numbered is None:
            return None
        self.flow.resent += delivery.resent - resent
        self.buffer.sealed_bytes -= numbered.size_bytes
        if numbered.message.HasField("batch"):
            self._counters.batches_sent += 1
            self.flow.batch_sent.note(numbered.size_bytes)
        return numbered.message

    async def _wait_for_room(self) -> bool:
        """Wait until the other end has acknowledged enough; return True early when there is a heartbeat to send."""
        while not self._room.is_set():
            self._ready.clear()
            await first_of(self._room.wait(), self._ready.wait())
            if self._urgent is not None:
                self._ready.set()
                return True
        self._ready.set()
        return False

    async def drained(self) -> None:
        """Wait until everything queued so far has been handed to gRPC."""
        await self._idle.wait()

    def restore(self, messages: Iterable[Message], *, sent: int, acknowledged: int, received: int) -> None:
        """Go on where another outbox was that kept these messages; raises TunnelFault."""
        sized = [(message, max(CONTROL_BYTES, message.ByteSize())) for message in messages]
        self._delivery.restore(sized, sent=sent, acknowledged=acknowledged, received=received)
        self.buffer.sealed_bytes = self._delivery.unwritten_bytes
        self._wake()

    def seal(self) -> None:
        """Close the batch that is being gathered, so that all there is stands in messages."""
        self._seal()

    def _wake(self) -> None:
        self._idle.clear()
        self._ready.set()

    def _rest(self) -> None:
        """Let what can wait go with the next message that does not, or in a while."""
        self._wake_within(REST_SECONDS)

    def _wait(self) -> None:
        """Let what can wait shortly go with the next message that does not, or in a while; at once if it is quiet."""
        if self.is_quiet:
            self._wait_no_more()
        else:
            self._wake_within(COMPANY_SECONDS)

    def _wake_within(self, seconds: float) -> None:
        self._idle.clear()
        due = time.monotonic() + seconds
        if self._company is None or due < self._company_due:
            self._stop_waiting()
            self._company_due = due
            self._company = asyncio.get_running_loop().call_later(seconds, self._wait_no_more)

    def _stop_waiting(self) -> None:
        """What waited goes now, and what comes later may wait its own time."""
        if self._company is not None:
            self._company.cancel()
            self._company = None

    def _wait_no_more(self) -> None:
        self._stop_waiting()
        if self.buffer.size_bytes:
            self.buffer.is_due = True
            self._wake()
        elif self._delivery.has_unwritten():
            self._wake()

    def _seal(self) -> None:
        if self.buffer.size_bytes:
            chunks = self.buffer.take()
            self.buffer.sealed_bytes += len(chunks)
            message = self._message(batch=tunnel_pb2.Batch(chunks=chunks))
            message.sequence = self._delivery.add(message, len(chunks))

    def _relieve(self) -> None:
        if not self._waiting or self.pending_bytes > LOW_WATER_BYTES:
            return
        for each in list(islice(self._waiting, RELIEVED_AT_ONCE)):
            del self._waiting[each]
            each.tunnel_relieved()


async def first_of(*waits: Coroutine[Any, Any, object]) -> None:
    """Wait for one of these, and end the others."""
    tasks = [asyncio.ensure_future(each) for each in waits]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for each in tasks:
            each.cancel()

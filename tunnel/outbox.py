"""The outbox: everything one end wants to send through the tunnel, in order, packed into few messages.

Sessions put chunks and control messages in; messages go out to the attachment there is. A gRPC message costs the same
however small it is, so bytes are gathered: sent at once when the tunnel has been quiet, otherwise at the end of a short
window. What was sent stays in the resend ring (`wire.delivery`) until the
other end has it, so an outbox outlives its attachments: while there is none, it gathers.
"""

import asyncio
from collections.abc import Coroutine, Iterable
from itertools import islice
from typing import Any, Protocol

from tunnel import system
from tunnel.counters import Counters
from tunnel.flow import Flow
from tunnel.messages import MessageParser
from tunnel.options import DEFAULT_RING_BYTES, MAX_FOLLOWING, MAX_FOLLOWING_BYTES
from tunnel.turn import Turn, turn_of_running_loop
from tunnel.writer import Writer
from wire.batches import Batch
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

# For this module, as C has them.
_SEAL_BYTES, _LOW_WATER_BYTES, _MAX_FOLLOWING_BYTES = SEAL_BYTES, LOW_WATER_BYTES, MAX_FOLLOWING_BYTES


class Pausable(Protocol):
    """Somebody who can be told that there is room again."""

    def tunnel_relieved(self) -> None:
        """Room again: go on reading."""
        ...


class Outbox:
    """The sending half of one tunnel. ``message`` is the type of protobuf's that this end sends."""

    def __init__(
        self,
        message: Any,
        delivery: Delivery,
        counters: Counters,
        *,
        flush_window_seconds: float,
        ring_bytes: int = DEFAULT_RING_BYTES,
    ) -> None:
        self.flow = Flow()  # the owner of the tunnel may put one in its place that lives longer
        self._message = message
        self._delivery = delivery
        self._counters = counters
        self._flush_window_seconds = flush_window_seconds
        self._ring_bytes = ring_bytes
        self.buffer = ChunkBuffer(
            self._wake,
            self._rest,
            self._wait,
            self._seal_full,
            seal_bytes=HELD_SEAL_BYTES,
            congested_bytes=ring_bytes // 2,
        )
        self._hold_much()
        self._urgent: Any = None  # a heartbeat: it does not count, and goes first
        self._writer: Writer | None = None  # while there is an attachment
        self._turn: Turn | None = None  # of the loop that the writer is on
        self._is_due_now = False  # it will flush at the end of the turn,
        self._flushing: asyncio.Handle | None = None  # or when the loop calls it: never both
        self._is_relieving = False  # what comes in now is for another call of the loop
        self._woken_at = 0.0  # since when there is something to flush, by `time.monotonic`
        self._waits_for_room = False  # the writer will tell of it
        self._waits_for_ring = False  # the other end will acknowledge
        self._drained: list[asyncio.Future[None]] = []  # who waits for everything to be handed on
        self._waiting: dict[Pausable, None] = {}  # in order, and each once
        self._flushed_at = -COMPANY_SECONDS  # by `time.monotonic`
        self._company: asyncio.TimerHandle | None = None  # ends the wait of what can wait
        self._company_due = 0.0  # by `time.monotonic`

    @property
    def pending_bytes(self) -> int:
        """Payload waiting to be written."""
        return self._waiting_bytes()

    def _waiting_bytes(self) -> int:
        return self._delivery.unwritten_bytes + self.buffer.size()

    @property
    def is_quiet(self) -> bool:
        """Whether nothing was sent for a while: who sends something alone holds nobody up."""
        return system.monotonic() - self._flushed_at >= COMPANY_SECONDS

    def check(self) -> None:
        """Raise TunnelFault when the peer takes nothing and everything piles up here."""
        held = self._waiting_bytes() + self._delivery.unacknowledged_bytes
        if held > self._ring_bytes:
            raise TunnelFault(f"the other end does not read: {held} bytes wait for it, {self._ring_bytes} are possible")

    def wait_for_relief(self, who: Pausable) -> None:
        """Remember a session that paused because of congestion; it is told once when there is room."""
        self._waiting[who] = None

    def add(self, message: Any, *, can_wait: bool = False) -> None:
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

    def add_urgent(self, message: Any) -> None:
        """Send a message that does not count before all others; it takes the place of a heartbeat that still waits."""
        if self._urgent is None or self._urgent.HasField("heartbeat"):
            self._urgent = message
            self._wake()

    def acknowledged(self) -> None:
        """The other end has said that it has something: go on writing if that was what the writer waits for."""
        if self._waits_for_ring and self._delivery.unacknowledged_bytes <= self._ring_bytes // 2:
            self._waits_for_ring = False
            asyncio.get_running_loop().call_soon(self._write)

    def attached(self) -> None:
        """There is an attachment: what it does not take at once may pile up less high."""
        self.buffer.seal_bytes = SEAL_BYTES
        self.buffer.congested_bytes = HIGH_WATER_BYTES
        self.buffer.full_bytes = min(FULL_BYTES, self._ring_bytes // 2)
        self.buffer.sealed_bytes = self._delivery.unwritten_bytes
        self._waits_for_ring = False
        self._relieve()

    def begin(self, writer: Writer) -> None:
        """Write to an attachment from now on, until `detached`."""
        self._writer = writer
        self._turn = turn_of_running_loop()
        self._waits_for_room = False
        if self._drained or not self._is_drained():
            self._wake()

    def detached(self) -> None:
        """The attachment is over: what it may have lost is to be written again."""
        self._writer = None
        self._flush_no_later()
        self._delivery.rewind()
        self._urgent = None
        self.buffer.seal_bytes = HELD_SEAL_BYTES
        self._hold_much()
        self.buffer.sealed_bytes = self._delivery.unwritten_bytes

    def _hold_much(self) -> None:
        """While there is no attachment, keep what the ring is for; the last quarter is for control messages."""
        self.buffer.congested_bytes = self._ring_bytes // 2
        self.buffer.full_bytes = self._ring_bytes * 3 // 4

    def _wake(self) -> None:
        """There is something to send: flush at once, or at the end of the window."""
        if self._writer is None or self._turn is None or self._is_due_now or self._flushing is not None:
            return
        self._woken_at = system.monotonic()
        early = self._flushed_at + self._flush_window_seconds - self._woken_at
        if early > 0 and self._waiting_bytes() < _SEAL_BYTES:
            self._flushing = asyncio.get_running_loop().call_later(early, self._flush_later)
        elif self._is_relieving:
            self._flushing = asyncio.get_running_loop().call_soon(self._flush_later)
        else:
            self._is_due_now = True
            self._turn.at_end(self._flush_now)

    def _flush_no_later(self) -> None:
        if self._flushing is not None:
            self._flushing.cancel()
            self._flushing = None

    def _flush_now(self) -> None:
        self._is_due_now = False
        self._flush()

    def _flush_later(self) -> None:
        self._flushing = None
        self._flush()

    def _flush(self) -> None:
        """Make messages of all there is, and write them."""
        if self._writer is None:  # gone meanwhile
            return
        if self._waits_for_room or self._waits_for_ring:  # more comes together meanwhile; a heartbeat may go
            self._write()
            return
        self._flushed_at = system.monotonic()
        self.flow.flush_delay.note(self._flushed_at - self._woken_at)
        self._seal()
        if self._company is not None:
            self._stop_waiting()
        self._write()

    def _write(self) -> None:
        """Write as many messages as there are, and as the writer and the ring have room for."""
        writer, delivery = self._writer, self._delivery
        if writer is None:
            return
        while not writer.is_full():
            message = self._urgent
            if message is not None:
                self._urgent = None
            elif not delivery.has_unwritten():
                break
            elif delivery.unacknowledged_bytes > self._ring_bytes // 2:
                self._waits_for_ring = True
                return
            else:
                message = self._take()
            message.acknowledged = delivery.received
            writer.send(message)
        else:
            if not self._waits_for_room:
                self._waits_for_room = True
                writer.when_room(self._go_on)
            return
        self._is_relieving = True
        try:
            self._relieve()
            if self.buffer.is_due or self._waiting or delivery.has_unwritten():  # who was relieved has brought it
                self._wake()
            elif self._drained and self._is_drained():
                self._tell_drained()
        finally:
            self._is_relieving = False

    def _tell_drained(self) -> None:
        drained, self._drained = self._drained, []
        for each in drained:
            if not each.done():
                each.set_result(None)

    def _go_on(self) -> None:
        """The writer has room again."""
        self._waits_for_room = False
        if not self._is_due_now:  # then it is done once
            self._write()

    def _is_drained(self) -> bool:
        """Whether everything has been handed on."""
        return not self.buffer.size() and not self._delivery.has_unwritten() and self._urgent is None

    def _take(self) -> Any:
        """Take the next message out, with those that can go along in one gRPC message; None where there is nothing.

        What is kept to be sent again is each message by itself, so one that others follow is a copy.
        """
        room = _MAX_FOLLOWING_BYTES - self._delivery.next_bytes()
        message = self._take_one()
        size = self._delivery.next_bytes()
        if message is None or not 0 < size <= room:
            return message
        first = self._copy(message)
        while 0 < size <= room and len(first.following) < MAX_FOLLOWING:
            room -= size
            each: Any = self._take_one()
            each.acknowledged = self._delivery.received
            first.following.append(self._copy(each))
            size = self._delivery.next_bytes()
        return first

    def _copy(self, message: Any) -> Any:
        """Return a message of protobuf's that says the same."""
        return self._message.FromString(message.SerializeToString())

    def _take_one(self) -> Any:
        delivery = self._delivery
        resent = delivery.resent
        numbered = delivery.take()
        if numbered is None:
            return None
        self.flow.resent += delivery.resent - resent
        self.buffer.sealed_bytes -= numbered.size_bytes
        if isinstance(numbered.message, Batch):
            self._counters.batches_sent += 1
            self.flow.batch_sent.note(numbered.size_bytes)
        return numbered.message

    async def drained(self) -> None:
        """Wait until everything queued so far has been handed on."""
        if not self._is_drained() or self._waits_for_room:
            drained: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._drained.append(drained)
            await drained

    def restore(self, messages: Iterable[bytes], *, sent: int, acknowledged: int, received: int) -> None:
        """Go on where another outbox was that kept these messages; raises TunnelFault, also for what is none."""
        parser = MessageParser(self._message)
        sized = [(parser.parse(raw), max(CONTROL_BYTES, len(raw))) for raw in messages]
        self._delivery.restore(sized, sent=sent, acknowledged=acknowledged, received=received)
        self.buffer.sealed_bytes = self._delivery.unwritten_bytes
        self._wake()

    def seal(self) -> None:
        """Close the batch that is being gathered, so that all there is stands in messages."""
        self._seal()

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
        due = system.monotonic() + seconds
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
        if self.buffer.size():
            self.buffer.is_due = True
            self._wake()
        elif self._delivery.has_unwritten():
            self._wake()

    def _seal_full(self) -> None:
        """As much has come together as one message should carry: it goes now."""
        self._seal()
        self._flush_no_later()
        self._wake()

    def _seal(self) -> None:
        if self.buffer.size():
            chunks = self.buffer.take()
            self.buffer.sealed_bytes += len(chunks)
            batch = Batch(chunks)
            batch.sequence = self._delivery.add(batch, len(chunks))

    def _relieve(self) -> None:
        if not self._waiting or self._waiting_bytes() > _LOW_WATER_BYTES:
            return
        for each in list(islice(self._waiting, RELIEVED_AT_ONCE)):
            del self._waiting[each]
            try:
                each.tunnel_relieved()
            except Exception as error:  # a mistake of ours is not to keep the others waiting
                context = {"message": "a session that was relieved failed", "exception": error}
                asyncio.get_running_loop().call_exception_handler(context)


async def first_of(*waits: Coroutine[Any, Any, object]) -> None:
    """Wait for one of these, and end the others."""
    tasks = [asyncio.ensure_future(each) for each in waits]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for each in tasks:
            each.cancel()

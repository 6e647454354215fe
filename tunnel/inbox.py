"""The inbox: what one end does with the batches that come through the tunnel, which are nearly all messages.

All others are for `tunnel.end`. Called by the attachment; a batch that breaks the contract raises TunnelFault.
"""

from tunnel.counters import Counters
from tunnel.options import MAX_BATCH_BYTES
from tunnel.outbox import Outbox
from tunnel.session import SESSION_BYTES, Session
from wire import memory, packing
from wire.batches import Batch
from wire.chunks import CHUNK_HEADER_BYTES, DATA, END, check_chunks, read_length, read_slot
from wire.delivery import Delivery
from wire.errors import TunnelFault

PREFETCHED_AT_ONCE = 128
"""Sessions whose memory is asked for together; it has room in the cache."""

# For this module, as C has them.
_MAX_BATCH_BYTES, _PREFETCHED_AT_ONCE, _SESSION_BYTES = MAX_BATCH_BYTES, PREFETCHED_AT_ONCE, SESSION_BYTES


class Inbox:
    """The receiving half of one tunnel; ``sessions`` are those of its end, by slot."""

    __slots__ = ("_counters", "_delivery", "_outbox", "_sessions")

    def __init__(self, delivery: Delivery, outbox: Outbox, counters: Counters, sessions: dict[int, Session]) -> None:
        self._delivery = delivery
        self._outbox = outbox
        self._counters = counters
        self._sessions = sessions

    def accept(self, sequence: int, acknowledged: int) -> None:
        """Take note of a message's numbers; raises TunnelFault for what they cannot be."""
        delivery = self._delivery
        before = delivery.acknowledged
        delivery.accept(sequence, acknowledged)
        if delivery.acknowledged != before:
            self._outbox.acknowledged()

    def take(self, batch: Batch) -> None:
        """Hand the chunks of a batch to their sessions; raises TunnelFault."""
        self.accept(batch.sequence, batch.acknowledged)
        if not batch.sequence:
            raise TunnelFault("batch with sequence 0")
        self.deliver(batch.chunks)

    def deliver(self, chunks: bytes) -> None:
        """The same with a batch whose numbers have been looked at."""
        self._counters.batches_received += 1
        size = len(chunks)
        self._outbox.flow.batch_received.note(size)
        if not 1 <= size <= _MAX_BATCH_BYTES:
            raise TunnelFault(f"batch of {size} bytes: 1 to {MAX_BATCH_BYTES} are allowed")
        self._outbox.check()
        deliver_chunks(chunks, self._sessions)


def deliver_chunks(batch: bytes, sessions: dict[int, Session]) -> None:
    """Hand the chunks of a batch to their sessions, in order.

    Raises TunnelFault for a batch that is not well made, or that has a chunk for a slot without a session (no session
    has got anything then), and for what a session itself does not accept.
    """
    count = check_chunks(batch)
    addressed = _addressed(batch, sessions)
    position = 0
    header = CHUNK_HEADER_BYTES
    data_kind = DATA
    end_kind = END
    for place in range(count):
        if memory.PREFETCHES and place % _PREFETCHED_AT_ONCE == 0:
            _prefetch(addressed, place, min(place + _PREFETCHED_AT_ONCE, count))
        session = addressed[place]
        kind = batch[position + 4]
        start = position + header
        position = start + read_length(batch, position)
        if kind == data_kind:
            session.tunnel_part(batch, start, position)
        elif kind == end_kind:
            session.tunnel_end()
        else:
            session.tunnel_event(packing.cut(batch, start, position))


def _prefetch(sessions: list[Session], start: int, end: int) -> None:
    """Have fetched what some of these need for `Session.tunnel_part`."""
    for place in range(start, end):
        memory.prefetch(sessions[place], _SESSION_BYTES)
    for place in range(start, end):
        session = sessions[place]
        session.prefetch_delivery()


def _addressed(batch: bytes, sessions: dict[int, Session]) -> list[Session]:
    """Return whose each chunk of a batch is that was checked; raises TunnelFault for a slot without a session."""
    addressed: list[Session] = []
    position = 0
    size = len(batch)
    while position < size:
        slot = read_slot(batch, position)
        session = sessions.get(slot)
        if session is None:
            raise TunnelFault(f"chunk for unknown slot {slot}")
        addressed.append(session)
        position += CHUNK_HEADER_BYTES + read_length(batch, position)
    return addressed

"""The inbox: what one end does with the batches that come through the tunnel, which are nearly all messages.

All others are for `tunnel.end`. Called by the attachment; a batch that breaks the contract raises TunnelFault.
"""

from tunnel.counters import Counters
from tunnel.options import MAX_BATCH_BYTES
from tunnel.outbox import Outbox
from tunnel.session import Session, deliver_chunks
from wire.batches import Batch
from wire.delivery import Delivery
from wire.errors import TunnelFault

_MAX_BATCH_BYTES = MAX_BATCH_BYTES  # for this module, as C has it


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

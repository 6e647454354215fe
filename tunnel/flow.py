"""How the messages of the tunnels to one peer flow: sizes, waits, breaks. Sums since the process started.

Written once a batch or an attachment by `tunnel.outbox`, `tunnel.inbox` and `tunnel.end`, read when somebody scrapes
the metrics. It outlives its tunnels: an edge has one for each core it has met, a core one for each edge.
"""

from wire.histogram import BYTES_BOUNDS, DELAY_BOUNDS, Histogram

MAX_PEERS = 256
"""Names of peers come from outside: beyond so many, all others share one."""

OTHER = "other"


class Flow:
    """Of one peer. ``flush_delay`` is how long what was gathered waited before it was written, in seconds."""

    __slots__ = ("batch_received", "batch_sent", "flush_delay", "reattachments", "resent")

    def __init__(self) -> None:
        self.batch_sent = Histogram(BYTES_BOUNDS)
        self.batch_received = Histogram(BYTES_BOUNDS)
        self.flush_delay = Histogram(DELAY_BOUNDS)
        self.reattachments = 0  # attachments that took up a tunnel again
        self.resent = 0  # messages that were written more than once


def flow_of(flows: dict[str, Flow], peer: str) -> Flow:
    """Return the flow of a peer, made if there is none."""
    if peer not in flows and len(flows) >= MAX_PEERS:
        peer = OTHER
    return flows.setdefault(peer, Flow())

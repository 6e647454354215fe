"""Sequence numbers of a tunnel: one count per direction, starting at 1.

Sequenced messages are those whose loss would matter (batches, opens, closes, credits); hellos and
heartbeats carry 0. Both ends keep one `Sequence`; it is what a resend starts from.
"""

from wire.errors import TunnelFault


class Sequence:
    """The two counts of one end of a tunnel."""

    __slots__ = ("acknowledged", "received", "sent")

    def __init__(self) -> None:
        self.sent = 0
        self.received = 0
        self.acknowledged = 0  # the last of ours that the peer says it has

    def next(self) -> int:
        """Number the next outgoing message."""
        self.sent += 1
        return self.sent

    def accept(self, sequence: int, acknowledged: int) -> None:
        """Check an incoming message's numbers; ``sequence`` 0 means it is not counted.

        Raises TunnelFault for a gap, a repetition, or an acknowledgement of what was never sent or of
        less than before.
        """
        if sequence and sequence != self.received + 1:
            raise TunnelFault(f"sequence {sequence} after {self.received}")
        if not self.acknowledged <= acknowledged <= self.sent:
            raise TunnelFault(
                f"acknowledgement of {acknowledged}: {self.acknowledged} to {self.sent} are possible",
            )
        if sequence:
            self.received = sequence
        self.acknowledged = acknowledged

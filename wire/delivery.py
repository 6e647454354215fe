"""Delivery over a road that breaks: numbers, acknowledgements, and what is kept until it has arrived.

One `Delivery` is one end of a tunnel, for both directions. It outlives the attachments that carry it. Pure: no
clock, no stream, and it never looks into a message.

The rules, all of them (``tests/wire/delivery_model.py`` says the same as a program of thirty lines):

1. Messages that count are numbered 1, 2, 3… per direction and tunnel, whatever happens to the road.
2. A message is handled only if its number is the one after the last that was handled.
3. Every message says which number was handled last; so does the first one of an attachment, in both directions.
4. What was written stays in the ring until it is acknowledged. When an attachment is over, what was not
   acknowledged waits to be written again, in order and before anything newer.
5. A new attachment goes on behind the number that the other end says it has handled last.

From 2, 4 and 5: nothing is lost, doubled or reordered, as long as both ends live and no ring overflows. What cannot
come from an end that follows the rules is a `TunnelFault`: a gap, a repetition, an acknowledgement of what was
not written on this attachment, or of less than before.
"""

from collections import deque
from typing import Any

from wire.errors import TunnelFault


class Numbered:
    """A message that counts. ``size_bytes`` is what it stands for in the bounds on memory."""

    __slots__ = ("message", "number", "size_bytes")

    def __init__(self, number: int, message: Any, size_bytes: int) -> None:
        self.number = number
        self.message = message
        self.size_bytes = size_bytes


class Delivery:
    """Both directions of one tunnel, at one end."""

    __slots__ = (
        "_newest_written",
        "_unwritten",
        "_written",
        "acknowledged",
        "received",
        "resent",
        "sent",
        "unacknowledged_bytes",
        "unwritten_bytes",
    )

    def __init__(self) -> None:
        self.sent = 0  # the last number given out
        self.acknowledged = 0  # the last of ours that the other end has handled
        self.received = 0  # the last of theirs that was handled here
        self.resent = 0  # messages that were written more than once
        self.unwritten_bytes = 0
        self.unacknowledged_bytes = 0  # of what was written on this attachment
        self._newest_written = 0
        self._unwritten: deque[Numbered] = deque()
        self._written: deque[Numbered] = deque()

    @property
    def held_bytes(self) -> int:
        """What is kept here because the other end has not said that it has it."""
        return self.unwritten_bytes + self.unacknowledged_bytes

    @property
    def is_settled(self) -> bool:
        """Whether the other end has handled everything."""
        return self.acknowledged == self.sent

    def has_unwritten(self) -> bool:
        """Whether there is something to write."""
        return bool(self._unwritten)

    def next_bytes(self) -> int:
        """What the next message to write stands for; 0 where there is none."""
        if not self._unwritten:
            return 0
        numbered: Numbered = self._unwritten[0]
        return numbered.size_bytes

    def messages(self) -> list[Numbered]:
        """Return what is kept, in order."""
        return [*self._written, *self._unwritten]

    def add(self, message: Any, size_bytes: int) -> int:
        """Queue a message behind all others; return its number."""
        self.sent += 1
        self._unwritten.append(Numbered(self.sent, message, size_bytes))
        self.unwritten_bytes += size_bytes
        return self.sent

    def restore(self, messages: list[tuple[Any, int]], *, sent: int, acknowledged: int, received: int) -> None:
        """Go on where another one was: ``messages``, with their sizes, are all up to ``sent``; raises TunnelFault."""
        if sent - len(messages) != acknowledged:
            raise TunnelFault(f"{len(messages)} messages between {acknowledged} and {sent}")
        self.sent, self.acknowledged, self.received = acknowledged, acknowledged, received
        for message, size_bytes in messages:
            self.add(message, size_bytes)

    def take(self) -> Numbered | None:
        """Return the next message to write, and keep it until it is acknowledged; None where there is nothing."""
        if not self._unwritten:
            return None
        numbered = self._unwritten.popleft()
        if numbered.number <= self._newest_written:
            self.resent += 1
        else:
            self._newest_written = numbered.number
        self._written.append(numbered)
        self.unwritten_bytes -= numbered.size_bytes
        self.unacknowledged_bytes += numbered.size_bytes
        return numbered

    def accept(self, number: int, acknowledged: int) -> None:
        """Check what an incoming message says of numbers, and count it; 0 where it is one that does not count.

        Raises TunnelFault, and has changed nothing then.
        """
        if number and number != self.received + 1:
            raise TunnelFault(f"sequence {number} after {self.received}")
        last_written = self.acknowledged
        if self._written:
            last: Numbered = self._written[len(self._written) - 1]
            last_written = last.number
        if not self.acknowledged <= acknowledged <= last_written:
            raise TunnelFault(
                f"acknowledgement of {acknowledged}: {self.acknowledged} to {last_written} are possible",
            )
        if number:
            self.received = number
        if acknowledged != self.acknowledged:
            self._forget(acknowledged)

    def rewind(self) -> None:
        """The attachment is over: what was written and not acknowledged is to be written again."""
        while self._written:
            self._unwritten.appendleft(self._written.pop())
        self.unwritten_bytes += self.unacknowledged_bytes
        self.unacknowledged_bytes = 0

    def resume(self, acknowledged: int) -> None:
        """A new attachment begins, and the other end has handled everything up to ``acknowledged``.

        Raises TunnelFault when the ring does not reach back that far, or when that was never sent.
        """
        self.rewind()
        if not self.acknowledged <= acknowledged <= self.sent:
            raise TunnelFault(
                f"the other end goes on behind {acknowledged}: {self.acknowledged} to {self.sent} are possible",
            )
        while self._unwritten and self._unwritten[0].number <= acknowledged:
            self.unwritten_bytes -= self._unwritten.popleft().size_bytes
        self.acknowledged = acknowledged

    def _forget(self, acknowledged: int) -> None:
        self.acknowledged = acknowledged
        written = self._written
        while written:
            oldest: Numbered = written[0]
            if oldest.number > acknowledged:
                return
            written.popleft()
            self.unacknowledged_bytes -= oldest.size_bytes

"""What an outbox writes to: an attachment, and what that writes to: a call."""

from collections.abc import Callable
from typing import Any


class Writer:
    """Where messages go; a subclass overrides all of it."""

    __slots__ = ()

    def is_full(self) -> bool:
        """Whether what was sent last waits for room, or nothing more should be sent."""
        raise NotImplementedError

    def when_room(self, tell: Callable[[], None]) -> None:
        """Have somebody told once when there is."""
        raise NotImplementedError

    def send(self, message: Any) -> None:
        """Send a message, a `wire.batches.Batch` or one of protobuf's; only while it is not full."""
        raise NotImplementedError

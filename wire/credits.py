"""Credits: how much one session may have on the road, per direction.

A tunnel carries many sessions, so a reader that stops must not stop the stream. Each session has a
window per direction: the sender spends credit per byte, the receiver gives it back once its socket took
the bytes. What one stalled session can pile up is its window, on the receiving side, and nothing else.
"""

from wire.errors import LayoutError, TunnelFault

DEFAULT_WINDOW_BYTES = 256 * 1024
MIN_WINDOW_BYTES = 16 * 1024
MAX_WINDOW_BYTES = 512 * 1024
"""What one chunk can carry at once, and a batch beside what is in it already."""


def check_window(window_bytes: int) -> int:
    """Return ``window_bytes`` if a session's window may be that large; raises LayoutError otherwise."""
    if not MIN_WINDOW_BYTES <= window_bytes <= MAX_WINDOW_BYTES:
        raise LayoutError(
            f"window of {window_bytes} bytes: {MIN_WINDOW_BYTES} to {MAX_WINDOW_BYTES} are possible",
        )
    return window_bytes


class SendCredit:
    """The sender's side: how many bytes may still go out for one session."""

    __slots__ = ("available", "window_bytes")

    def __init__(self, window_bytes: int) -> None:
        self.window_bytes = window_bytes
        self.available = window_bytes

    def spend_all(self, size: int) -> bool:
        """Take ``size`` bytes of credit, or none and return False where there is less."""
        if size > self.available:
            return False
        self.available -= size
        return True

    def is_low(self) -> bool:
        """Whether less than a quarter is left, which a read may exceed; that much comes back at the latest."""
        return self.available < self.window_bytes // 4

    def grant(self, size: int) -> None:
        """Take back credit the receiver returned.

        Raises TunnelFault where it returns more than was ever spent.
        """
        if not 1 <= size <= self.window_bytes - self.available:
            raise TunnelFault(
                f"credit of {size} bytes returned with {self.window_bytes - self.available} outstanding",
            )
        self.available += size


class ReceiveCredit:
    """The receiver's side: what came in, and what is due to be returned to the sender."""

    __slots__ = ("_taken", "_threshold", "_window", "outstanding")

    def __init__(self, window_bytes: int) -> None:
        self._window = window_bytes
        self._threshold = window_bytes // 4  # a return message per quarter window: rare, and never too late
        self.outstanding = 0  # received and not returned yet
        self._taken = 0  # of these, already taken by the socket

    def save(self) -> tuple[int, int]:
        """Return what `restore` needs to go on in another process."""
        return self.outstanding, self._taken

    def restore(self, outstanding: int, taken: int) -> None:
        """Go on where another one of the same window was."""
        self.outstanding = outstanding
        self._taken = taken

    def receive(self, size: int) -> None:
        """Count ``size`` bytes that came in; raises TunnelFault when they overrun the window."""
        if size > self._window - self.outstanding:
            raise TunnelFault(
                f"credit overrun: {size} bytes came in with {self._window - self.outstanding} allowed",
            )
        self.outstanding += size

    def take(self, size: int) -> int:
        """Count ``size`` received bytes as taken by the socket.

        Returns the credit to send back now and counts it as returned; 0 while it is not worth a message.
        """
        self._taken += size
        if self._taken < self._threshold:
            return 0
        due = self._taken
        self._taken = 0
        self.outstanding -= due
        return due

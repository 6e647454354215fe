"""The link: all a session knows of the other side, player or game server.

An edge's link is the player's socket. A core's link is the way to the game server: today a direct TCP
connection, tomorrow an edge turned round that stands beside the game server. Both are behind these few calls.
"""

from typing import Protocol


class Link(Protocol):
    """Open and usable from the moment the session gets it."""

    def send(self, data: bytes) -> None:
        """Queue bytes; never blocks. `LinkEvents.link_writable` tells when to stop for a while."""
        ...

    def send_end(self) -> None:
        """Say that no more bytes come, after what was sent (TCP FIN)."""
        ...

    def pause(self) -> None:
        """Stop reading, so that the other side feels the pressure."""
        ...

    def resume(self) -> None:
        """Read again."""
        ...

    def wait_for(self, size_bytes: int) -> None:
        """Tell of no bytes before there are so many, or there is no room for more; 1 is as it was at the start."""
        ...

    def frame_begun(self) -> None:
        """Know that there is the beginning of a frame, and that its sender takes his time."""
        ...

    def close(self, *, linger: bool) -> None:
        """Close after what was sent has gone out, or after a bounded time.

        With ``linger`` what still comes in is read and thrown away meanwhile: a socket that is closed with
        unread bytes in it answers with a reset, and that can destroy the last words on their way out.
        """
        ...

    def abort(self) -> None:
        """Close at once and forget what has not gone out."""
        ...


class LinkEvents(Protocol):
    """What a link tells its session."""

    def link_data(self, data: bytes) -> None:
        """Bytes came in."""
        ...

    def link_end(self) -> None:
        """No more bytes will come in; sending still works."""
        ...

    def link_writable(self, *, writable: bool) -> None:
        """The link's send buffer is full (False) or has room again (True)."""
        ...

    def link_lost(self, error: Exception | None) -> None:
        """The link is gone, by its own close or by ``error``; the last event of a link."""
        ...

"""The link: all a session knows of the other side, player or game server.

An edge's link is the player's socket. A core's link is the way to the game server: today a direct TCP
connection, tomorrow an edge turned round that stands beside the game server. Both are behind these few calls.

Both are classes to inherit from, and not protocols: what happens for each read is a call of C then.
"""

from wire import packing

LINK_BYTES = 192
"""Of a link over a socket, what its reading and writing need (`wire.memory`)."""


class Link:
    """Open and usable from the moment the session gets it."""

    __slots__ = ()

    def send(self, data: bytes) -> None:
        """Queue bytes; never blocks. `LinkEvents.link_writable` tells when to stop for a while."""
        raise NotImplementedError

    def send_part(self, data: bytes, start: int, end: int) -> None:
        """Queue a part of some bytes, which is copied only where it has to wait."""
        self.send(packing.cut(data, start, end))

    def send_end(self) -> None:
        """Say that no more bytes come, after what was sent (TCP FIN)."""
        raise NotImplementedError

    def pause(self) -> None:
        """Stop reading, so that the other side feels the pressure."""
        raise NotImplementedError

    def resume(self) -> None:
        """Read again."""
        raise NotImplementedError

    def wait_for(self, size_bytes: int) -> None:
        """Tell of no bytes before there are so many, or there is no room for more; 1 is as it was at the start."""
        raise NotImplementedError

    def frame_begun(self) -> None:
        """Know that there is the beginning of a frame, and that its sender takes his time."""
        raise NotImplementedError

    def close(self, *, linger: bool) -> None:
        """Close after what was sent has gone out, or after a bounded time.

        With ``linger`` what still comes in is read and thrown away meanwhile: a socket that is closed with
        unread bytes in it answers with a reset, and that can destroy the last words on their way out.
        """
        raise NotImplementedError

    def abort(self) -> None:
        """Close at once and forget what has not gone out."""
        raise NotImplementedError


class LinkEvents:
    """What a link tells its session."""

    __slots__ = ()

    def link_data(self, data: bytes) -> None:
        """Bytes came in."""
        raise NotImplementedError

    def prefetch(self, depth: int) -> None:
        """Have that fetched which `link_data` needs (`wire.memory`), so many references away."""

    def link_end(self) -> None:
        """No more bytes will come in; sending still works."""
        raise NotImplementedError

    def link_writable(self, *, writable: bool) -> None:
        """The link's send buffer is full (False) or has room again (True)."""
        raise NotImplementedError

    def link_lost(self, error: Exception | None) -> None:
        """The link is gone, by its own close or by ``error``; the last event of a link."""
        raise NotImplementedError

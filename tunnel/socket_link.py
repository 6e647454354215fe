"""A link over a TCP socket: an asyncio protocol, for players at the edge and game servers at the core.

It has the methods of `asyncio.Protocol` without being one: compiled, it is an extension type, and those cannot
have a Python class as their base. Event loops only ask for the methods.

It decides nothing: events go to the session, calls come from it. The only time it keeps is how long a
closing socket may take to get rid of its last bytes.
"""

import asyncio
import contextlib
import socket
from typing import cast

from tunnel.link import LinkEvents

SEND_BUFFER_HIGH_BYTES = 32 * 1024
"""Above this the session is told to return no more credit; with its window on top this bounds the memory."""

SEND_BUFFER_LOW_BYTES = 8 * 1024

SEND_SYSTEM_BUFFER_BYTES = 128 * 1024
"""What the system may hold of what is sent on one connection (Linux takes it twice, for its own bookkeeping).

Left to itself it gives a reader that stopped 1.6 MiB on its way through both relays, measured: a thousand of them cost
more than their windows, and everybody else the time to fill them. It is 1.2 MiB/s for a player 100 ms away.
"""

RECEIVE_SYSTEM_BUFFER_BYTES = 64 * 1024
"""The same for what the other side sends, which bounds one read, too: it should not bring more than the quarter of a
window that is left when a session stops reading (`wire.credits`), or the process holds the rest itself.
"""

MAX_AWAITED_BYTES = 4096
"""How many bytes one wake is waited for, at most: well within what the system holds for a connection."""

KEEPALIVE_IDLE_SECONDS = 60
KEEPALIVE_INTERVAL_SECONDS = 15
KEEPALIVE_PROBES = 4


class SocketLink:
    """One TCP connection as a link; subclass and set ``events`` in ``connection_made``."""

    __slots__ = ("_closing", "_has_ended", "_is_patient", "_linger_seconds", "_paused", "_timer", "events", "transport")

    def __init__(self, linger_seconds: float) -> None:
        self.transport: asyncio.Transport | None = None
        self.events: LinkEvents | None = None
        self._linger_seconds = linger_seconds
        self._timer: asyncio.TimerHandle | None = None
        self._paused = False
        self._closing = False
        self._has_ended = False
        self._is_patient = False

    # What the loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport; called by the loop."""
        self.transport = cast("asyncio.Transport", transport)
        self.transport.set_write_buffer_limits(high=SEND_BUFFER_HIGH_BYTES, low=SEND_BUFFER_LOW_BYTES)
        self.set_up()

    def data_received(self, data: bytes) -> None:
        """Hand bytes on; called by the loop."""
        if self.events is not None and not self._closing:
            self.events.link_data(data)

    def eof_received(self) -> bool:
        """Hand the end on and keep the other direction open; called by the loop."""
        if self._closing or self.events is None:
            return False
        self.events.link_end()
        return True

    def pause_writing(self) -> None:
        """Called by the loop when the send buffer is over its limit."""
        if self.events is not None:
            self.events.link_writable(writable=False)

    def resume_writing(self) -> None:
        """Called by the loop when the send buffer has emptied."""
        if self.events is not None:
            self.events.link_writable(writable=True)

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by the loop, last."""
        self.transport = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        events, self.events = self.events, None
        if events is not None:
            events.link_lost(exc)

    def set_up(self) -> None:
        """Set the socket up as `set_up_socket` does; a subclass whose sockets come so does nothing."""
        found = None if self.transport is None else self.transport.get_extra_info("socket")
        if found is not None:
            with contextlib.suppress(OSError):  # gone already
                set_up_socket(found)

    # What the session calls.

    def send(self, data: bytes) -> None:
        """Queue bytes; after FIN there is no way to send any, so they are dropped."""
        if self.transport is not None and not self._has_ended:
            self.transport.write(data)

    def send_end(self) -> None:
        """Send FIN after what was queued."""
        if self.transport is None or self._has_ended or self.transport.is_closing():
            return
        self._has_ended = True
        with contextlib.suppress(OSError):  # already reset by the other side: that is told by itself
            self.transport.write_eof()

    def pause(self) -> None:
        """Stop reading."""
        if not self._paused and self.transport is not None:
            self._paused = True
            self.transport.pause_reading()

    def resume(self) -> None:
        """Read again."""
        if self._paused and self.transport is not None and not self._closing:
            self._paused = False
            self.transport.resume_reading()

    def wait_for(self, size_bytes: int) -> None:
        """Have the system wake this process only when so many bytes are there, within its own bounds."""
        if self.transport is not None and (size_bytes > 1 or self._is_patient):
            self._is_patient = size_bytes > 1
            found = self.transport.get_extra_info("socket")
            with contextlib.suppress(OSError):  # then it wakes for each byte, as for everybody
                found.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, min(size_bytes, MAX_AWAITED_BYTES))

    @property
    def unsent_bytes(self) -> int:
        """What the system has not taken yet."""
        return 0 if self.transport is None else self.transport.get_write_buffer_size()

    # What an upgrade calls.

    def stand_still(self) -> int:
        """Read no more; return the socket's descriptor, -1 where there is none any more."""
        transport = self.transport
        if transport is None or transport.is_closing():
            return -1
        if not self._paused:
            transport.pause_reading()
        self.wait_for(1)  # the next process knows nothing of it
        return int(transport.get_extra_info("socket").fileno())

    def move_on(self) -> None:
        """Read again, unless the session has paused it."""
        if self.transport is not None and not self.transport.is_closing() and not self._paused:
            self.transport.resume_reading()

    def close(self, *, linger: bool) -> None:
        """Close when the send buffer is empty, and at the latest after the linger time."""
        transport = self.transport
        if transport is None or self._closing:
            return
        if linger:
            self.send_end()
            self.wait_for(1)
            self.resume()
        self._closing = True
        if not linger:
            transport.close()
        if self.transport is not None:
            self._timer = asyncio.get_running_loop().call_later(self._linger_seconds, self.abort)

    def abort(self) -> None:
        """Close at once."""
        self._closing = True
        if self.transport is not None:
            self.transport.abort()


def set_up_socket(found: socket.socket) -> None:
    """Bound what the system holds, and have it ask a silent other side now and then. Raises OSError.

    One that vanished is found in about two minutes. What a listening socket accepts has the same set up (tcp(7)).
    """
    if found.family not in (socket.AF_INET, socket.AF_INET6):
        return
    found.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_SYSTEM_BUFFER_BYTES)
    found.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_SYSTEM_BUFFER_BYTES)
    found.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    found.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, KEEPALIVE_IDLE_SECONDS)
    found.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, KEEPALIVE_INTERVAL_SECONDS)
    found.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, KEEPALIVE_PROBES)

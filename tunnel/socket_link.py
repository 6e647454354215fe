"""A link over a TCP socket, for players at the edge and game servers at the core.

It reads and writes by itself when the poller (`tunnel.poller`) says so: an asyncio transport between the two costs a
fifth of what a packet costs in all, and as much memory as the session.

It decides nothing: events go to the session, calls come from it. The only time it keeps is how long a
closing socket may take to get rid of its last bytes.
"""

import asyncio
import contextlib
import socket

from tunnel import system
from tunnel.link import LinkEvents
from tunnel.poller import NEARLY_OVER, READABLE, WRITABLE, Pollable, Poller
from wire import packing

READ_BYTES = 64 * 1024
"""What one read brings at most; about what the system holds for a connection."""

READS_AT_ONCE = 4
"""Reads of one socket before the others have their turn."""

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

_WRITABLE = WRITABLE  # for this module, as C has them
_NEARLY_OVER = NEARLY_OVER
_NEWS = READABLE | NEARLY_OVER
_READ_BYTES = READ_BYTES
_READS_AT_ONCE = READS_AT_ONCE


class SocketLink(Pollable):
    """One TCP connection as a link; ``events`` hears of everything from `start` on, where it is set by then."""

    __slots__ = (
        "_closes_when_sent",
        "_closing",
        "_descriptor",
        "_has_ended",
        "_has_news",
        "_is_full",
        "_is_nearly_over",
        "_is_patient",
        "_is_standing",
        "_joined",
        "_kept",
        "_linger_seconds",
        "_paused",
        "_peer_ended",
        "_poller",
        "_queued",
        "_queued_from",
        "_queued_to",
        "_socket",
        "_timer",
        "events",
    )

    def __init__(self, linger_seconds: float) -> None:
        self.events: LinkEvents | None = None
        self._poller: Poller | None = None  # from `start` on
        self._socket: socket.socket | None = None
        self._descriptor = -1  # while there is no socket, or none any more
        self._linger_seconds = linger_seconds
        self._timer: asyncio.TimerHandle | None = None
        # What goes to the system at the end of the turn: a part of some bytes, or several, joined.
        self._queued: bytes | None = None
        self._queued_from = self._queued_to = 0
        self._joined: bytearray | None = None
        self._kept: bytearray | None = None  # what the system had no room for
        self._has_news = False  # there may be something to read that nobody has read
        self._is_nearly_over = False  # there is an end to read, or an error
        self._peer_ended = False
        self._paused = False
        self._is_standing = False
        self._closing = False
        self._closes_when_sent = False
        self._has_ended = False
        self._is_patient = False
        self._is_full = False

    def start(self, connection: socket.socket, poller: Poller) -> None:
        """Take over a connected socket that does not block and is set up; raises OSError, and it is the caller's then.

        Nothing is read before the loop has its turn again.
        """
        descriptor = connection.fileno()
        poller.add(descriptor, self)
        self._poller = poller
        self._socket = connection
        self._descriptor = descriptor

    # What the poller calls.

    def ready(self, mask: int) -> None:
        """The system has something to read or room to write: bits of `tunnel.poller`."""
        if mask & _WRITABLE and self._kept is not None:
            self._send_kept()
        if mask & _NEWS:
            self._has_news = True
            if mask & _NEARLY_OVER:
                self._is_nearly_over = True
            self.read()

    def prefetch(self, depth: int) -> None:
        """Have that fetched which the session needs to read."""
        if self.events is not None:
            self.events.prefetch(depth)

    def read(self) -> None:
        """Hand on what is there, as long as nobody pauses the link.

        The poller tells of news once, so they are read until there are none: what comes while this reads is told again.
        """
        reads = 0
        while self._has_news and not self._paused and not self._is_standing and self._descriptor >= 0:
            if reads == _READS_AT_ONCE and self._poller is not None:
                self._poller.read_soon(self)
                return
            reads += 1
            try:
                data = system.receive(self._descriptor, _READ_BYTES)
            except OSError as error:
                self._lose(error)
                return
            if data is None:
                self._has_news = False
                return
            if not data:
                self._has_news = False
                self._end()
                return
            if len(data) < _READ_BYTES and not self._is_nearly_over:
                self._has_news = False
            events = self.events
            if events is not None and not self._closing:
                events.link_data(data)

    def flush(self) -> None:
        """Hand what is queued to the system."""
        queued, self._queued = self._queued, None
        joined, self._joined = self._joined, None
        if (queued is None and joined is None) or self._descriptor < 0:
            return
        try:
            kept = self._transmit(queued) if joined is None else self._transmit_joined(joined)
        except OSError as error:
            self._lose(error)
            return
        if kept:
            self._kept = kept
            self._tell_full()
        elif self._has_ended or self._closes_when_sent:
            self._all_sent()

    def _transmit(self, queued: bytes | None) -> bytearray | None:
        """Send the part that is queued; return what the system had no room for. Raises OSError."""
        if queued is None:
            return None
        end = self._queued_to
        start = self._queued_from
        start += system.transmit(self._descriptor, queued, start, end)
        return None if start == end else bytearray(packing.cut(queued, start, end))

    def _transmit_joined(self, joined: bytearray) -> bytearray:
        """The same where several were queued."""
        del joined[: system.transmit(self._descriptor, joined, 0, len(joined))]
        return joined

    def fail(self, error: Exception) -> None:
        """What the link told its session raised an error."""
        self._lose(error)

    def lost(self, error: Exception | None) -> None:
        """The socket is closed; the last that happens to a link, and never within a call of its session."""
        events, self.events = self.events, None
        if events is not None:
            events.link_lost(error)

    def _end(self) -> None:
        """The other side sends no more; the other direction stays open."""
        if self._peer_ended:
            return
        self._peer_ended = True
        if self._closing or self.events is None:
            self._close_when_sent()
        else:
            self.events.link_end()

    def _send_kept(self) -> None:
        kept = self._kept
        if kept is None or self._descriptor < 0:
            return
        try:
            sent = system.transmit(self._descriptor, kept, 0, len(kept))
        except OSError as error:
            self._lose(error)
            return
        del kept[:sent]
        is_empty = not kept
        if is_empty:
            self._kept = None
        if self._is_full and len(kept) <= SEND_BUFFER_LOW_BYTES:
            self._is_full = False
            if self.events is not None:
                self.events.link_writable(writable=True)
        if is_empty:
            self._all_sent()

    def _tell_full(self) -> None:
        if not self._is_full and self._kept is not None and len(self._kept) > SEND_BUFFER_HIGH_BYTES:
            self._is_full = True
            if self.events is not None:
                self.events.link_writable(writable=False)

    def _all_sent(self) -> None:
        """Nothing is queued any more, as far as that was waited for."""
        if self._is_queued() or self._kept is not None or self._socket is None:
            return
        if self._closes_when_sent:
            self._lose(None)
        elif self._has_ended:
            with contextlib.suppress(OSError):  # already reset by the other side: that is told by itself
                self._socket.shutdown(socket.SHUT_WR)

    def _close_when_sent(self) -> None:
        self._closes_when_sent = True
        self.flush()
        self._all_sent()

    def _lose(self, error: Exception | None) -> None:
        """Close the socket, and tell of it when whoever called has done."""
        if self._descriptor < 0 or self._socket is None or self._poller is None:
            return
        self._closing = True
        self._poller.remove(self._descriptor)
        self._descriptor = -1
        self._socket.close()
        self._socket = None
        self._queued = self._joined = self._kept = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        asyncio.get_running_loop().call_soon(self.lost, error)

    # What the session calls.

    def send(self, data: bytes) -> None:
        """Queue bytes; after FIN there is no way to send any, so they are dropped."""
        self.send_part(data, 0, len(data))

    def send_part(self, data: bytes, start: int, end: int) -> None:
        """Queue a part of some bytes; it is copied if the system has no room for it, or if more comes before the turn
        is over: that goes out together.
        """
        if self._descriptor < 0 or self._has_ended or self._closing or start >= end:
            return
        if self._kept is not None:
            self._kept += packing.cut(data, start, end)
            self._tell_full()
        elif self._joined is not None:
            self._joined += packing.cut(data, start, end)
        elif self._queued is not None:
            joined = bytearray(packing.cut(self._queued, self._queued_from, self._queued_to))
            joined += packing.cut(data, start, end)
            self._joined, self._queued = joined, None
        elif self._poller is not None:
            self._queued = data
            self._queued_from, self._queued_to = start, end
            self._poller.flush_soon(self)

    def _is_queued(self) -> bool:
        return self._queued is not None or self._joined is not None

    def send_end(self) -> None:
        """Send FIN after what was queued."""
        if self._descriptor >= 0 and not self._has_ended and not self._closing:
            self._has_ended = True
            self._all_sent()

    def pause(self) -> None:
        """Stop reading."""
        self._paused = True

    def resume(self) -> None:
        """Read again."""
        if self._paused and not self._closing:
            self._paused = False
            self._read_soon()

    def wait_for(self, size_bytes: int) -> None:
        """Have the system wake this process only when so many bytes are there, within its own bounds."""
        if self._socket is not None and (size_bytes > 1 or self._is_patient):
            self._is_patient = size_bytes > 1
            with contextlib.suppress(OSError):  # then it wakes for each byte, as for everybody
                self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, min(size_bytes, MAX_AWAITED_BYTES))

    def frame_begun(self) -> None:
        """A slow frame is nobody's concern here."""

    @property
    def is_paused(self) -> bool:
        """Whether nothing is read."""
        return self._paused or self._is_standing

    @property
    def unsent_bytes(self) -> int:
        """What the system has not taken yet."""
        queued = 0 if self._queued is None else self._queued_to - self._queued_from
        return queued + len(self._joined or b"") + len(self._kept or b"")

    def close(self, *, linger: bool) -> None:
        """Close when the send buffer is empty, and at the latest after the linger time."""
        if self._descriptor < 0 or self._closing:
            return
        if linger:
            self.send_end()
            self.wait_for(1)
            self.resume()
        self._closing = True
        if not linger:
            self._paused = True
        if not linger or self._peer_ended:
            self._close_when_sent()
        if self._descriptor >= 0:
            self._timer = asyncio.get_running_loop().call_later(self._linger_seconds, self.abort)

    def abort(self) -> None:
        """Close at once."""
        self._closing = True
        self._lose(None)

    # What an upgrade calls.

    def stand_still(self) -> int:
        """Read no more; return the socket's descriptor, -1 where there is none any more."""
        if self._descriptor < 0 or self._closing:
            return -1
        self._is_standing = True
        self.wait_for(1)  # the next process knows nothing of it
        self.flush()
        return self._descriptor

    def move_on(self) -> None:
        """Read again, unless the session has paused it."""
        self._is_standing = False
        self._read_soon()

    def _read_soon(self) -> None:
        if self._has_news and self._poller is not None:
            self._poller.read_soon(self)


def set_up_socket(found: socket.socket) -> None:
    """Bound what the system holds, send small frames at once, and ask a silent other side now and then. Raises OSError.

    One that vanished is found in about two minutes; if something was under way to it, when the system gives up sending
    it again, which by default takes a quarter of an hour. What a listening socket accepts has the same set up (tcp(7)).
    """
    if found.family not in (socket.AF_INET, socket.AF_INET6):
        return
    found.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_SYSTEM_BUFFER_BYTES)
    found.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_SYSTEM_BUFFER_BYTES)
    found.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    found.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    found.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, KEEPALIVE_IDLE_SECONDS)
    found.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, KEEPALIVE_INTERVAL_SECONDS)
    found.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, KEEPALIVE_PROBES)

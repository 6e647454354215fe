"""A port of TCP: bound when its owner is made, and accepting, a bounded number at a time, once it is opened.

Used by `fleet.tls.gate`, which judges each connection before anything is made for it, and by a core without one.
"""

import asyncio
import errno
import socket
from collections.abc import Callable

ACCEPTS_AT_ONCE = 16
"""Connections accepted before the loop turns to those who play."""

BACKLOG = 256
PAUSE_SECONDS = 0.1
"""How long nothing is accepted when the system has no room for another connection."""

_NO_ROOM = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)

Judge = Callable[[socket.socket, str, int], None]


class Port:
    """One bound socket, which it owns; ``judge`` takes over each connection with the host and port it is from."""

    def __init__(self, bound: socket.socket, judge: Judge) -> None:
        self._bound: socket.socket | None = bound
        self._judge = judge
        self._loop = asyncio.get_running_loop()
        self._pause: asyncio.TimerHandle | None = None
        self.number: int = bound.getsockname()[1]

    def open(self) -> None:
        """Begin to accept; raises OSError when another process listens there by now."""
        if self._bound is not None:
            self._bound.listen(BACKLOG)
            self._loop.add_reader(self._bound, self._accept)

    def close(self) -> None:
        """Give up the port; harmless when done twice."""
        if self._pause is not None:
            self._pause.cancel()
        if self._bound is not None:
            self._loop.remove_reader(self._bound)
            self._bound.close()
            self._bound = None

    def _accept(self) -> None:
        """Take what waits at the port; called by the loop."""
        for _ in range(ACCEPTS_AT_ONCE):
            if self._bound is None:
                return
            try:
                connection, name = self._bound.accept()
            except (BlockingIOError, InterruptedError):
                return
            except OSError as error:
                if error.errno not in _NO_ROOM:
                    continue  # that one was gone before it was accepted
                self._loop.remove_reader(self._bound)
                self._pause = self._loop.call_later(PAUSE_SECONDS, self._accept_again)
                return
            self._judge(connection, name[0], name[1])

    def _accept_again(self) -> None:
        if self._bound is not None:
            self._loop.add_reader(self._bound, self._accept)


def bind_socket(host: str, port: int, *, shared: bool) -> socket.socket:
    """Return a socket bound for listening but not open yet; raises OSError.

    With ``shared`` other processes of the same user may listen there too, and the system deals connections out.
    """
    family, kind, protocol, _, address = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    bound = socket.socket(family, kind, protocol)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6 and host == "::":
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)  # "::" means everybody
        bound.settimeout(0.0)
        bound.bind(address)
    except OSError:
        bound.close()
        raise
    return bound

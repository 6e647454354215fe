"""The way to the game server, behind one narrow interface: open a link, and get its bytes and events.

Today an origin is a direct TCP connection. Later it may be a relay that stands beside the game server and
keeps its connections while cores come and go; nothing but this file will notice.
"""

import asyncio
import errno
import os
import socket
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Protocol

from tunnel.link import Link, LinkEvents
from tunnel.poller import Poller
from tunnel.socket_link import SocketLink, set_up_socket
from wire.errors import TidegateError
from wire.reasons import Reason

_REASONS = {
    errno.ECONNREFUSED: Reason.ORIGIN_REFUSED,
    errno.EMFILE: Reason.CORE_EXHAUSTED,  # our own fault, not the game server's
    errno.ENFILE: Reason.CORE_EXHAUSTED,
    errno.ENOSPC: Reason.CORE_EXHAUSTED,  # sockets that are watched: epoll(7)
    errno.ENOMEM: Reason.CORE_EXHAUSTED,
}


class OriginError(TidegateError):
    """The game server could not be reached; ``reason`` is what the session ends with."""

    code = "origin"

    def __init__(self, reason: Reason, text: str) -> None:
        super().__init__(text)
        self.reason = reason


class Origin(Protocol):
    """Where sessions find the game server."""

    async def open(self, events: LinkEvents) -> Link:
        """Open a link for one session; raises OriginError. Cancelling leaves nothing open."""
        ...


class DirectOrigin:
    """A TCP connection per session, straight to the game server."""

    def __init__(self, host: str, port: int, *, connect_timeout_seconds: float, linger_seconds: float) -> None:
        self._host = host
        self._port = port
        self._timeout_seconds = connect_timeout_seconds
        self._linger_seconds = linger_seconds
        self._poller: Poller | None = None

    async def open(self, events: LinkEvents) -> Link:
        """Connect; raises OriginError when the server refuses, cannot be reached, or stays silent."""
        if self._poller is None:
            self._poller = Poller()
        try:
            async with asyncio.timeout(self._timeout_seconds):
                connection = await _connect(self._host, self._port)
            link = SocketLink(self._linger_seconds)
            link.events = events
            try:
                link.start(connection, self._poller)
            except OSError:
                connection.close()
                raise
        except OSError as error:
            raise connect_error(self._host, self._port, error, self._timeout_seconds) from error
        return link


async def _connect(host: str, port: int) -> socket.socket:
    """Return a connected socket that is set up: to the first address of the host that takes it. Raises OSError."""
    failed = OSError(errno.EHOSTUNREACH, os.strerror(errno.EHOSTUNREACH))
    for found in await _addresses(host, port):
        try:
            return await _connect_to(*found)
        except OSError as error:
            failed = error
    raise failed


async def _connect_to(family: int, kind: int, protocol: int, _: str, address: Any) -> socket.socket:
    """Connect to one of what `socket.getaddrinfo` found; raises OSError, and leaves nothing open then."""
    connection = socket.socket(family, kind, protocol)
    try:
        connection.setblocking(False)  # noqa: FBT003 - the socket's own signature
        set_up_socket(connection)
        await asyncio.get_running_loop().sock_connect(connection, address)
    except BaseException:
        connection.close()
        raise
    return connection


async def _addresses(host: str, port: int) -> Sequence[Any]:
    """Return what `socket.getaddrinfo` does, at once for an address that needs no look-up."""
    return _numeric(host, port) or await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)


@lru_cache(maxsize=8)  # a core has one game server, and asks for each player
def _numeric(host: str, port: int) -> Sequence[Any]:
    try:
        return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    except socket.gaierror:
        return ()


def connect_error(host: str, port: int, error: OSError, timeout_seconds: float) -> OriginError:
    """Return what a failed connection to the game server means; a TimeoutError is ours, after ``timeout_seconds``."""
    if isinstance(error, TimeoutError) and not error.errno:
        return OriginError(Reason.ORIGIN_TIMEOUT, f"{host}:{port}: no answer in {timeout_seconds:g} s")
    reason = _REASONS.get(error.errno or 0, Reason.ORIGIN_UNREACHABLE)
    # An event loop has words of its own for what the system calls by its name; a look-up that failed has no number.
    number = error.errno or 0
    return OriginError(reason, f"{host}:{port}: {os.strerror(number) if number > 0 else error.strerror or error}")

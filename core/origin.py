"""The way to the game server, behind one narrow interface: open a link, and get its bytes and events.

Today an origin is a direct TCP connection. Later it may be a relay that stands beside the game server and
keeps its connections while cores come and go; nothing but this file will notice.
"""

import asyncio
import errno
from typing import Protocol, cast

from tunnel.link import Link, LinkEvents
from tunnel.socket_link import SocketLink
from wire.errors import TidegateError
from wire.reasons import Reason

_REASONS = {
    errno.ECONNREFUSED: Reason.ORIGIN_REFUSED,
    errno.EMFILE: Reason.CORE_EXHAUSTED,  # our own fault, not the game server's
    errno.ENFILE: Reason.CORE_EXHAUSTED,
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

    async def open(self, events: LinkEvents) -> Link:
        """Connect; raises OriginError when the server refuses, cannot be reached, or stays silent."""
        try:
            async with asyncio.timeout(self._timeout_seconds):
                link = _OriginLink(events, self._linger_seconds)
                protocol = cast("asyncio.Protocol", link)
                await asyncio.get_running_loop().create_connection(lambda: protocol, self._host, self._port)
        except OSError as error:
            raise connect_error(self._host, self._port, error, self._timeout_seconds) from error
        return link


def connect_error(host: str, port: int, error: OSError, timeout_seconds: float) -> OriginError:
    """Return what a failed connection to the game server means; a TimeoutError is ours, after ``timeout_seconds``."""
    if isinstance(error, TimeoutError) and not error.errno:
        return OriginError(Reason.ORIGIN_TIMEOUT, f"{host}:{port}: no answer in {timeout_seconds:g} s")
    reason = _REASONS.get(error.errno or 0, Reason.ORIGIN_UNREACHABLE)
    return OriginError(reason, f"{host}:{port}: {error.strerror or error}")


class _OriginLink(SocketLink):
    """A link that tells its session everything from the first byte on."""

    __slots__ = ("_session",)

    def __init__(self, events: LinkEvents, linger_seconds: float) -> None:
        super().__init__(linger_seconds)
        self._session = events

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.events = self._session

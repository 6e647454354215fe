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
        place = f"{self._host}:{self._port}"
        try:
            async with asyncio.timeout(self._timeout_seconds):
                link = _OriginLink(events, self._linger_seconds)
                protocol = cast("asyncio.Protocol", link)
                await asyncio.get_running_loop().create_connection(lambda: protocol, self._host, self._port)
        except TimeoutError as error:
            raise OriginError(Reason.ORIGIN_TIMEOUT, f"{place}: no answer in {self._timeout_seconds:g} s") from error
        except OSError as error:
            reason = _REASONS.get(error.errno or 0, Reason.ORIGIN_UNREACHABLE)
            raise OriginError(reason, f"{place}: {error.strerror or error}") from error
        return link


class _OriginLink(SocketLink):
    """A link that tells its session everything from the first byte on."""

    __slots__ = ("_session",)

    def __init__(self, events: LinkEvents, linger_seconds: float) -> None:
        super().__init__(linger_seconds)
        self._session = events

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.events = self._session

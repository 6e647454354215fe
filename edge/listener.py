"""The players' port: accepts connections and gives each a session, or a reason why not.

The port is bound when the edge starts, so that a port in use is found at once, and opened when the first
tunnel stands: until then players are refused by the operating system, which load balancers understand.
"""

import asyncio
import socket
from collections.abc import Callable
from typing import cast

import structlog

from edge.edge_tunnel import EdgeTunnel, SocketAddress
from tunnel.counters import Counters
from tunnel.socket_link import SocketLink
from wire.reasons import Reason

_log = structlog.get_logger("edge.listener")


class Listener:
    """One bound port.

    ``pick`` returns the tunnel for a new player, or the reason why there is none; ``notice`` what to tell then.
    """

    def __init__(
        self,
        bound: socket.socket,
        counters: Counters,
        pick: Callable[[], EdgeTunnel | Reason],
        notice: Callable[[Reason], bytes],
        *,
        linger_seconds: float,
        backlog: int,
    ) -> None:
        self._bound = bound
        self.address = _socket_address(bound.getsockname())
        self._counters = counters
        self._pick = pick
        self._notice = notice
        self._linger_seconds = linger_seconds
        self._backlog = backlog
        self._server: asyncio.Server | None = None

    @property
    def is_open(self) -> bool:
        """Whether players are let in."""
        return self._server is not None

    async def open(self) -> None:
        """Begin to accept; raises OSError when another process listens there by now."""
        if self._server is None:
            try:
                self._bound.listen(self._backlog)  # by hand, because uvloop does not say when this fails
            except OSError as error:
                place = f"{self.address.host}:{self.address.port}"
                raise OSError(error.errno, f"cannot listen on {place}: {error.strerror}") from error
            loop = asyncio.get_running_loop()
            self._server = await loop.create_server(self._accept, sock=self._bound, backlog=self._backlog)

    def close(self) -> None:
        """Accept no more; running sessions go on."""
        if self._server is not None:
            self._server.close()
            self._server = None
        self._bound.close()

    def _accept(self) -> asyncio.Protocol:
        return cast("asyncio.Protocol", _PlayerLink(self, self._linger_seconds))

    def admit(self, link: "_PlayerLink", transport: asyncio.Transport) -> None:
        """Give a new connection its session, or tell it why there is none."""
        picked = self._pick()
        if isinstance(picked, Reason):
            self._counters.sessions_refused[picked.value] += 1
            _log.debug("player_refused", client=transport.get_extra_info("peername"), reason=picked.value)
            notice = self._notice(picked)
            if notice:
                link.send(notice)
            link.close(linger=bool(notice))
            return
        peer = transport.get_extra_info("peername")
        if not peer:  # gone between accept and now
            link.abort()
            return
        client = _socket_address(peer)
        session = picked.open_session(client, _socket_address(transport.get_extra_info("sockname")), link)
        link.events = session
        _log.debug("session_opened", session=session.session_id.hex(), client=client.host, port=client.port)


class _PlayerLink(SocketLink):
    """A player's connection."""

    __slots__ = ("_listener",)

    def __init__(self, listener: Listener, linger_seconds: float) -> None:
        super().__init__(linger_seconds)
        self._listener = listener

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._listener.admit(self, cast("asyncio.Transport", transport))


def bind_socket(host: str, port: int, *, shared: bool) -> socket.socket:
    """Return a socket bound for listening but not open yet; raises OSError.

    With ``shared`` other processes of the same user may listen there too, and the system deals players out.
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


def _socket_address(name: tuple[str, int] | tuple[str, int, int, int]) -> SocketAddress:
    return SocketAddress(name[0], name[1])

"""Where an edge answers probes by HTTP: at ``edge.probe``, one request a connection.

The edge makes and runs it, beside `edge.probe_port`. Connections are accepted as players' are, a few at a time; how
many there are and how long each may take is bounded, and a newcomer beyond that takes the place of the one that has
been there for longest.
"""

import asyncio
import socket
import time
from collections.abc import Callable
from typing import cast

from edge.edge_tunnel import SocketAddress
from edge.listener import Listener
from edge.prefixes import pack_address
from edge.probe_limits import ProbeRates
from edge.probe_port import Outcomes
from fleet.probe import ProbeReply, ProbeState
from fleet.probe_http import ProbeHttpError, read_http_request, write_http_reply

MAX_CONNECTIONS = 64
DEADLINE_SECONDS = 2.0
BACKLOG = 64


class ProbeHttp:
    """One bound TCP socket; the arguments are those of `edge.probe_port.ProbePort`. `open` it, then `close`."""

    def __init__(
        self, bound: socket.socket, rates: ProbeRates, outcomes: Outcomes, state: Callable[[], ProbeState], name: bytes
    ) -> None:
        self.outcomes = outcomes
        self._rates = rates
        self._state = state
        self._name = name
        self._loop = asyncio.get_running_loop()
        self._connections: dict[_Connection, None] = {}  # in the order in which they came
        self._adopting: set[asyncio.Task[None]] = set()
        self._listener = Listener(bound, BACKLOG, judge=self._judge, no_room=_close)

    @property
    def connections(self) -> int:
        """How many there are now."""
        return len(self._connections)

    async def open(self) -> None:
        """Begin to accept; raises OSError."""
        await self._listener.open()

    def close(self) -> None:
        """Accept no more, and drop who is there; harmless when done twice."""
        self._listener.close()
        for connection in list(self._connections):
            connection.drop()

    def reply(self, nonce: int, asked_bytes: int) -> bytes:
        """Return what to answer to a request of so many bytes; nothing to one that is too short."""
        received_ns = time.monotonic_ns()
        raw = write_http_reply(ProbeReply(nonce, 0, received_ns, time.monotonic_ns(), self._state(), self._name))
        if len(raw) > asked_bytes:
            self.outcomes["short"] += 1
            return b""
        self.outcomes["answered"] += 1
        return raw

    def left(self, connection: "_Connection") -> None:
        """A connection is over."""
        self._connections.pop(connection, None)

    def _judge(self, connection: socket.socket, client: SocketAddress) -> None:
        if not self._rates.take(pack_address(client.host), time.monotonic()):
            self.outcomes["limited"] += 1
            connection.close()
            return
        if len(self._connections) >= MAX_CONNECTIONS:
            self.outcomes["late"] += 1
            next(iter(self._connections)).drop()
        made = _Connection(self, self._loop)
        self._connections[made] = None
        task = self._loop.create_task(self._adopt(connection, made), name="edge-probe")
        self._adopting.add(task)
        task.add_done_callback(self._adopting.discard)

    async def _adopt(self, connection: socket.socket, made: "_Connection") -> None:
        try:
            await self._loop.connect_accepted_socket(lambda: made, connection)
        except OSError:  # gone meanwhile
            connection.close()
            self.left(made)


class _Connection(asyncio.Protocol):
    """One request, and its answer or none."""

    def __init__(self, port: ProbeHttp, loop: asyncio.AbstractEventLoop) -> None:
        self._port = port
        self._data = b""
        self._transport: asyncio.Transport | None = None
        self._is_dropped = False
        self._deadline = loop.call_later(DEADLINE_SECONDS, self._be_late)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """There is a transport: one that was dropped meanwhile goes again."""
        self._transport = cast("asyncio.Transport", transport)
        if self._is_dropped:
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        """Answer once the request is complete."""
        if self._transport is None or self._transport.is_closing():
            return
        self._data += data
        try:
            nonce = read_http_request(self._data)
        except ProbeHttpError:
            self._port.outcomes["malformed"] += 1
            self._transport.abort()
            return
        if nonce is not None:
            if answer := self._port.reply(nonce, len(self._data)):
                self._transport.write(answer)
            self._transport.close()

    def connection_lost(self, error: Exception | None) -> None:
        """It is over."""
        del error
        self._deadline.cancel()
        self._port.left(self)

    def drop(self) -> None:
        """End it, whatever it is about to say."""
        self._is_dropped = True
        self._deadline.cancel()
        self._port.left(self)
        if self._transport is not None:
            self._transport.abort()

    def _be_late(self) -> None:
        self._port.outcomes["late"] += 1
        self.drop()


def _close(connection: socket.socket, client: SocketAddress) -> None:
    del client
    connection.close()

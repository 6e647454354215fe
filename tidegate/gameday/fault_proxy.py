"""A TCP proxy that breaks what goes through it, on order: delay, jitter, slow, one-way, cut clean, cut half-open.

It stands on loopback between an edge and its core. Everything can be switched while it runs; what a clear road costs
is one read and one write per chunk. It knows nothing of what it carries.
"""

import asyncio
import socket
from collections.abc import Iterable
from dataclasses import replace
from random import Random

from fleet.address import Address
from tidegate.gameday.conditions import Conditions, CutKind, Way
from tidegate.gameday.proxy_connection import CLEAR_BOTH_WAYS, ClientEnd, OnBytes, ProxyConnection

LOOPBACK = "127.0.0.1"
BACKLOG = 128


class FaultProxy:
    """A road to ``target``. ``start`` it, then connect to the address that returns; belongs to its loop.

    ``on_bytes`` is shown every chunk as it is read, for whoever counts what is in it.
    """

    def __init__(self, target: Address, *, seed: int = 0, on_bytes: OnBytes | None = None) -> None:
        self._target = target
        self._random = Random(seed)  # noqa: S311 - jitter, no secret
        self._on_bytes = on_bytes
        self._conditions: dict[Way, Conditions] = dict(CLEAR_BOTH_WAYS)
        self._cut: CutKind | None = None
        self._connections: set[ProxyConnection] = set()
        self._server: asyncio.Server | None = None
        self._reserved: socket.socket | None = None
        self._port = 0

    @property
    def connections(self) -> frozenset[ProxyConnection]:
        """The connections there are now, swallowed ones too."""
        return frozenset(self._connections)

    @property
    def is_cut(self) -> bool:
        """Whether the road is cut at the moment."""
        return self._cut is not None

    async def start(self) -> Address:
        """Listen on a free port of the loopback; return where."""
        # Bound for as long as the proxy is there, and never listening: the port stays ours while connections to it
        # are refused.
        self._reserved = _bind(0)
        self._port = self._reserved.getsockname()[1]
        await self._listen()
        return Address(LOOPBACK, self._port)

    async def stop(self) -> None:
        """Stop listening and reset every connection."""
        self._stop_listening()
        for connection in self.connections:
            connection.reset()
        if self._reserved is not None:
            self._reserved.close()
            self._reserved = None

    def set_conditions(self, conditions: Conditions, ways: Iterable[Way] = Way) -> None:
        """Change how the road is, in both directions or in some, for connections that are there and to come."""
        for way in ways:
            self._conditions[way] = conditions
            self._apply(way)

    def cut(self, kind: CutKind) -> None:
        """Cut the road, until it is healed."""
        if self._cut is not None:
            raise RuntimeError("the road is cut already")
        self._cut = kind
        if kind is CutKind.CLEAN:
            self._stop_listening()
            for connection in self.connections:
                connection.reset()
            return
        for way in Way:
            self._apply(way)

    async def heal(self) -> None:
        """End the cut. Connections it held go on where they stood; those it swallowed are reset."""
        kind, self._cut = self._cut, None
        for connection in self.connections:
            if connection.is_swallowed:
                connection.reset()
        for way in Way:
            self._apply(way)
        if kind is CutKind.CLEAN:
            await self._listen()

    def _apply(self, way: Way) -> None:
        conditions = self._now(way)
        for connection in self._connections:
            connection.set_conditions(way, conditions)

    def _now(self, way: Way) -> Conditions:
        is_dead = self._cut is CutKind.HALF_OPEN or self._conditions[way].is_dead
        return replace(self._conditions[way], is_dead=is_dead)

    def _accept(self) -> ClientEnd:
        conditions = {way: self._now(way) for way in Way}
        connection = ProxyConnection(
            self._target, conditions, self._random, on_gone=self._connections.discard, on_bytes=self._on_bytes
        )
        self._connections.add(connection)
        return ClientEnd(connection, lambda: self._cut is CutKind.HALF_OPEN)

    async def _listen(self) -> None:
        listener = _bind(self._port)
        self._server = await asyncio.get_running_loop().create_server(self._accept, sock=listener, backlog=BACKLOG)

    def _stop_listening(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None


def _bind(port: int) -> socket.socket:
    bound = socket.socket()
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    bound.bind((LOOPBACK, port))
    bound.setblocking(False)  # noqa: FBT003 - takes it so
    return bound

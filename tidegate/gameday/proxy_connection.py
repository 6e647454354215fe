"""One connection through the fault proxy: two sockets and the two lanes between them."""

import asyncio
from collections.abc import Callable, Mapping
from random import Random
from typing import cast

from fleet.address import Address
from tidegate.gameday.conditions import CLEAR, Conditions, Way
from tidegate.gameday.lane import Ending, Lane, reset

WRITE_BUFFER_BYTES = 256 * 1024

OnBytes = Callable[["ProxyConnection", Way, bytes], None]


class ProxyConnection:
    """A client's connection and the one to the target. ``opened`` becomes true when both are up.

    ``on_bytes`` is shown every chunk as it is read. ``on_gone`` is called when both sockets are closed.
    """

    def __init__(
        self,
        target: Address,
        conditions: Mapping[Way, Conditions],
        random: Random,
        *,
        on_gone: Callable[["ProxyConnection"], None],
        on_bytes: OnBytes | None = None,
    ) -> None:
        self._target = target
        self._conditions = dict(conditions)
        self._random = random
        self._on_gone = on_gone
        self._on_bytes = on_bytes
        self._lanes: dict[Way, Lane] = {}
        self._transports: dict[Way, asyncio.Transport] = {}  # by the way that leads away from it
        self._connecting: asyncio.Task[None] | None = None
        self._is_swallowed = False

    @property
    def opened(self) -> bool:
        """Whether the target has accepted."""
        return Way.TO_CLIENT in self._transports

    @property
    def is_swallowed(self) -> bool:
        """Whether it was taken and is never answered."""
        return self._is_swallowed

    def bytes_passed(self, way: Way) -> int:
        """Return how many bytes went on in one direction."""
        lane = self._lanes.get(way)
        return 0 if lane is None else lane.bytes_passed

    def accepted(self, transport: asyncio.Transport, *, swallow: bool) -> None:
        """The client has connected: connect to the target, or swallow the connection."""
        self._transports[Way.TO_TARGET] = transport
        if swallow:
            self._is_swallowed = True
            return
        self._lanes[Way.TO_TARGET] = self._lane(Way.TO_TARGET, transport)
        self._connecting = asyncio.get_running_loop().create_task(self._connect(), name="fault proxy: connect")

    def set_conditions(self, way: Way, conditions: Conditions) -> None:
        """Change one direction."""
        self._conditions[way] = conditions
        if way in self._lanes:
            self._lanes[way].set_conditions(conditions)

    def reset(self) -> None:
        """Cut it: both ends hear of a reset."""
        if self._connecting is not None:
            self._connecting.cancel()
        for lane in self._lanes.values():
            lane.abandon()
        for transport in tuple(self._transports.values()):
            reset(transport)

    def received(self, way: Way, data: bytes) -> None:
        """For an end: bytes came."""
        if self._is_swallowed:
            return
        if self._on_bytes is not None:
            self._on_bytes(self, way, data)
        self._lanes[way].take(data)

    def ended(self, way: Way) -> None:
        """For an end: it sends nothing more."""
        if way in self._lanes:
            self._lanes[way].end(Ending.END)

    def full(self, way: Way, *, is_full: bool) -> None:
        """For an end: whether what goes ``way`` piles up before it."""
        if way in self._lanes:
            self._lanes[way].sink_full(is_full=is_full)

    def lost(self, way: Way) -> None:
        """For an end: its socket is gone. The other hears of it behind the bytes that are under way to it."""
        del self._transports[way]
        back = _back(way)
        if back in self._lanes:
            self._lanes[back].abandon()
        if back in self._transports and way in self._lanes:
            self._lanes[way].end(Ending.RESET)
        if self._connecting is not None and way is Way.TO_TARGET:
            self._connecting.cancel()
        if not self._transports:
            self._on_gone(self)

    def connected(self, transport: asyncio.Transport) -> None:
        """For the end at the target: it is up."""
        if Way.TO_TARGET not in self._transports:
            transport.abort()
            return
        self._transports[Way.TO_CLIENT] = transport
        lane = self._lanes[Way.TO_CLIENT] = self._lane(Way.TO_CLIENT, transport)
        lane.connect(self._transports[Way.TO_TARGET])
        lane.set_conditions(self._conditions[Way.TO_CLIENT])
        self._lanes[Way.TO_TARGET].connect(transport)

    def _lane(self, way: Way, source: asyncio.Transport) -> Lane:
        return Lane(source, self._conditions[way], self._random, self._close_when_ended)

    def _close_when_ended(self) -> None:
        """Close both sockets when both directions have ended: neither is read any more, so nobody would tell us."""
        if len(self._lanes) == len(Way) and all(lane.has_delivered_end for lane in self._lanes.values()):
            for transport in tuple(self._transports.values()):
                transport.close()

    async def _connect(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            await loop.create_connection(lambda: TargetEnd(self), self._target.host, self._target.port)
        except OSError:
            client = self._transports.get(Way.TO_TARGET)
            if client is not None:
                reset(client)


class _End(asyncio.Protocol):
    """What both ends share: everything goes to the connection, with the way that leads away from this end."""

    way: Way

    def __init__(self, connection: ProxyConnection) -> None:
        self._connection = connection

    def data_received(self, data: bytes) -> None:
        """For the loop: bytes came."""
        self._connection.received(self.way, data)

    def eof_received(self) -> bool:
        self._connection.ended(self.way)
        return True  # the other direction goes on

    def connection_lost(self, error: Exception | None) -> None:  # noqa: ARG002
        """For the loop: the connection is gone."""
        self._connection.lost(self.way)

    def pause_writing(self) -> None:
        """For the loop: too much is unsent."""
        self._connection.full(_back(self.way), is_full=True)

    def resume_writing(self) -> None:
        """For the loop: it is sent."""
        self._connection.full(_back(self.way), is_full=False)


class ClientEnd(_End):
    """The socket of who connected; ``swallow`` says at that moment whether to answer."""

    way = Way.TO_TARGET

    def __init__(self, connection: ProxyConnection, swallow: Callable[[], bool]) -> None:
        super().__init__(connection)
        self._swallow = swallow

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """For the loop: it is connected."""
        stream = cast("asyncio.Transport", transport)  # uvloop's is no subclass
        stream.set_write_buffer_limits(high=WRITE_BUFFER_BYTES)
        self._connection.accepted(stream, swallow=self._swallow())


class TargetEnd(_End):
    """The socket to the target."""

    way = Way.TO_CLIENT

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """For the loop: it is connected."""
        stream = cast("asyncio.Transport", transport)
        stream.set_write_buffer_limits(high=WRITE_BUFFER_BYTES)
        self._connection.connected(stream)


def _back(way: Way) -> Way:
    return Way.TO_CLIENT if way is Way.TO_TARGET else Way.TO_TARGET


CLEAR_BOTH_WAYS: Mapping[Way, Conditions] = dict.fromkeys(Way, CLEAR)

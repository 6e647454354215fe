"""The scripted PKO game server as a program: sockets around `games.pko.sim.world.World`.

``run_server`` is ``tidegate sim server``; `SimServer` is for whoever wants one inside another process (the
demo, tests, benchmarks). It carries out effects and decides nothing, except that a client which lets more
than `UNSENT_LIMIT_BYTES` pile up is reported to the world as stalled.
"""

import asyncio
import json as json_format
import os
from collections.abc import Iterable
from time import monotonic  # a uvloop's own time has whole milliseconds only
from typing import cast

from fleet.address import Address
from games.pko.sim.dialects import scripted_codec
from games.pko.sim.effects import CloseReason, Effect, Hangup, Send
from games.pko.sim.options import WorldOptions
from games.pko.sim.world import World
from tidegate.errors import StartError
from tidegate.logs import announce
from tidegate.process import run_until_signal
from tidegate.sim.report import describe_world, print_report
from wire.errors import MisuseError

TICK_SECONDS = 0.05
"""A game server's own tick (protocol file, section 6)."""

UNSENT_LIMIT_BYTES = 4 * 1024 * 1024
LINGER_SECONDS = 5.0
"""How long a closed connection may take to read what was sent to it."""

BACKLOG = 1024


class SimServer:
    """A scripted server on one address. ``world`` is its logic, with ledger and report.

    ``start`` raises StartError where it cannot listen; MisuseError comes from the constructor for a dialect
    that is unknown or not scripted. Belongs to the loop it was started in.
    """

    def __init__(
        self,
        listen: Address,
        *,
        dialect: str = "",
        options: WorldOptions | None = None,
        unsent_limit_bytes: int = UNSENT_LIMIT_BYTES,
    ) -> None:
        codec = scripted_codec(dialect)
        self.dialect = codec.dialect.name
        self.world = World(codec, options)
        self.unsent_limit_bytes = unsent_limit_bytes
        self._listen = listen
        self._server: asyncio.Server | None = None
        self._tick_timer: asyncio.TimerHandle | None = None
        self._transports: dict[int, asyncio.Transport] = {}
        self._emptied = asyncio.Event()

    async def start(self) -> Address:
        """Listen; return the address with the real port."""
        loop = asyncio.get_running_loop()
        try:
            self._server = await loop.create_server(
                lambda: _ClientProtocol(self),
                self._listen.host,
                self._listen.port,
                backlog=BACKLOG,
            )
        except OSError as error:
            raise StartError(
                f"cannot listen on {self._listen}: {_why(error)}; "
                "stop what listens there or name another address (port 0 takes any)",
            ) from error
        self._tick()
        host, port = self._server.sockets[0].getsockname()[:2]
        return Address(host, port)

    async def stop(self) -> None:
        """Close the listener and every connection; what clients do not read within a moment is dropped."""
        if self._server is None:
            return
        if self._tick_timer is not None:
            self._tick_timer.cancel()
        self._server.close()
        for transport in tuple(self._transports.values()):
            transport.close()
        self._emptied.clear()
        if self._transports:
            _, late = await asyncio.wait([asyncio.ensure_future(self._emptied.wait())], timeout=1.0)
            for task in late:
                task.cancel()
            for transport in tuple(self._transports.values()):
                transport.abort()
        await self._server.wait_closed()
        self._server = None

    def opened(self, transport: asyncio.Transport) -> int:
        """For a protocol: a client has connected; return the connection's number."""
        transport.set_write_buffer_limits(high=self.unsent_limit_bytes)
        number, effects = self.world.connect(monotonic())
        self._transports[number] = transport
        self._carry_out(effects)
        return number

    def received(self, number: int, data: bytes) -> None:
        """For a protocol: bytes came."""
        self._carry_out(self.world.receive(number, data, monotonic()))

    def stalled(self, number: int) -> None:
        """For a protocol: too many bytes are unsent."""
        self._carry_out(self.world.stall(number, monotonic()))

    def closed(self, number: int) -> None:
        """For a protocol: the connection is gone."""
        self._transports.pop(number, None)
        self._carry_out(self.world.disconnect(number, monotonic()))
        if not self._transports:
            self._emptied.set()

    def _tick(self) -> None:
        self._carry_out(self.world.tick(monotonic()))
        self._tick_timer = asyncio.get_running_loop().call_later(TICK_SECONDS, self._tick)

    def _carry_out(self, effects: Iterable[Effect]) -> None:
        for effect in effects:
            transport = self._transports.get(effect.connection)
            if transport is None or transport.is_closing():
                continue
            if isinstance(effect, Send):
                transport.write(effect.data)
            else:
                self._hang_up(transport, effect)

    def _hang_up(self, transport: asyncio.Transport, hangup: Hangup) -> None:
        loop = asyncio.get_running_loop()
        if hangup.reason is CloseReason.SEND_QUEUE_FULL:
            transport.abort()  # it does not read, so there is nothing to wait for
            return
        if hangup.after_seconds:
            loop.call_later(hangup.after_seconds, transport.close)
        else:
            transport.close()
        loop.call_later(hangup.after_seconds + LINGER_SECONDS, transport.abort)


def _why(error: OSError) -> str:
    """Return the system's own words: loops wrap them in a sentence with the address, which we say already."""
    if error.errno is None or error.errno < 0:  # a name that cannot be resolved
        return error.strerror or str(error)
    return os.strerror(error.errno)


class _ClientProtocol(asyncio.Protocol):
    """One client's socket."""

    def __init__(self, server: SimServer) -> None:
        self._server = server
        self._number = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._number = self._server.opened(cast("asyncio.Transport", transport))  # uvloop's is no subclass

    def data_received(self, data: bytes) -> None:
        self._server.received(self._number, data)

    def pause_writing(self) -> None:
        self._server.stalled(self._number)

    def connection_lost(self, error: Exception | None) -> None:  # noqa: ARG002
        self._server.closed(self._number)


def run_server(
    *,
    listen: Address,
    dialect: str = "",
    json: bool = False,
    options: WorldOptions | None = None,
) -> int:
    """Serve until a signal, then print the ledger: a table, or with ``json`` one JSON object on a line.

    Returns 0. Raises StartError where it cannot listen, or for a dialect that is not scripted.
    """
    try:
        server = SimServer(listen, dialect=dialect, options=options)
    except MisuseError as error:
        raise StartError(str(error)) from error

    async def serve(stopping: asyncio.Event) -> int:
        address = await server.start()
        announce(f"tidegate sim server: ready at {address}, game pko ({server.dialect})")
        try:
            await stopping.wait()
        finally:
            await server.stop()
        report = server.world.report()
        print_report(json_format.dumps(report) if json else describe_world(report))
        return 0

    return run_until_signal(serve)

"""A fault proxy before a server of the test's own, and small ways to look at sockets."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from time import monotonic

from fleet.address import Address
from tidegate.gameday.fault_proxy import FaultProxy

LOOPBACK = "127.0.0.1"

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass
class Road:
    """A proxy and who stands behind it: each connection there is put into ``served``."""

    proxy: FaultProxy
    at: Address
    served: asyncio.Queue[Streams] = field(default_factory=asyncio.Queue)

    async def connect(self) -> tuple[Streams, Streams]:
        """Connect through the proxy; return our streams and those at the target."""
        ours = await asyncio.open_connection(self.at.host, self.at.port)
        return ours, await self.served.get()


@asynccontextmanager
async def road() -> AsyncIterator[Road]:
    served: asyncio.Queue[Streams] = asyncio.Queue()
    open_writers: list[asyncio.StreamWriter] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        open_writers.append(writer)
        await served.put((reader, writer))

    server = await asyncio.start_server(serve, LOOPBACK, 0)
    proxy = FaultProxy(Address(LOOPBACK, server.sockets[0].getsockname()[1]))
    try:
        yield Road(proxy, await proxy.start(), served)
    finally:
        await proxy.stop()
        server.close()
        for writer in open_writers:
            writer.transport.abort()
        for writer in open_writers:
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()


async def until(is_so: Callable[[], bool]) -> None:
    """Look again at each turn of the loop until something is so; the test's own limit is the only clock."""
    while not is_so():  # noqa: ASYNC110 - it is the other end of a socket
        await asyncio.sleep(0)


async def seconds_of(reading: asyncio.StreamReader, size: int) -> float:
    began = monotonic()
    await reading.readexactly(size)
    return monotonic() - began

"""A server of a test's own, of which nothing is left when the test is over.

`asyncio.start_server` forgets whom it has accepted: a connection that nobody has begun to serve when the loop ends
stays open, and is found by the collector in the midst of another test.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import cast

from fleet.address import Address

LOOPBACK = "127.0.0.1"

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None] | None]


class _Accepted:
    """The connections there are."""

    def __init__(self) -> None:
        self._transports: set[asyncio.Transport] = set()
        self.served: set[asyncio.Task[object]] = set()

    def came(self, transport: asyncio.Transport) -> None:
        self._transports.add(transport)

    def went(self, transport: asyncio.Transport | None) -> None:
        if transport is not None:
            self._transports.discard(transport)

    async def drop(self) -> None:
        """End them all, those that are being accepted now, too."""
        for task in self.served:
            task.cancel()
        await asyncio.gather(*self.served, return_exceptions=True)
        for _ in range(3):  # the turns that asyncio takes from an accepted socket to its transport
            await asyncio.sleep(0)
        for transport in self._transports:
            transport.abort()
        while self._transports:  # noqa: ASYNC110 - one turn is enough
            await asyncio.sleep(0)


class _Connection(asyncio.StreamReaderProtocol):
    def __init__(self, accepted: _Accepted, handler: Handler) -> None:
        super().__init__(asyncio.StreamReader(), self._serve)
        self._accepted = accepted
        self._handler = handler
        self._made: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._made = cast("asyncio.Transport", transport)
        self._accepted.came(self._made)
        super().connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._accepted.went(self._made)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._accepted.served.add(task)
        try:
            if (serving := self._handler(reader, writer)) is not None:
                await serving
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # streams of Python 3.11 call a cancelled task's error one of the loop's
        finally:
            self._accepted.served.discard(task)
            writer.close()


@asynccontextmanager
async def serving(handler: Handler, port: int = 0) -> AsyncIterator[Address]:
    """Serve each connection by ``handler``, and close it after; at the end whatever is left is dropped.

    A client that goes in the midst of something is no error.
    """
    accepted = _Accepted()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Connection(accepted, handler), LOOPBACK, port)
    try:
        yield Address(LOOPBACK, server.sockets[0].getsockname()[1])
    finally:
        server.close()
        await accepted.drop()

"""The server's end: connections that come, and a handler for each call that begins on one.

It does not listen itself: whoever has the port hands it the connections (`Server.take`), or has the loop make a
connection for each that comes (`Server.protocol`).
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import structlog

from tunnel.calls.call import Call
from tunnel.calls.connection import Connection, Headers
from tunnel.calls.status import CallError, Status

Handler = Callable[[Call], Awaitable[None]]

MAX_CONNECTIONS = 4096
"""A core takes a thousand tunnels, and each may be on its way from an old connection to a new one."""

IDLE_SECONDS = 10.0
"""How long a connection may be open without a call."""

_log = structlog.get_logger("calls")


class Server:
    """Serves ``handlers``, by path: each is called with a `Call`, with messages that ``parse`` has made of bytes.

    What a handler leaves open when it returns has ended well; `tunnel.calls.call.Call.finish` says otherwise.
    """

    def __init__(self, handlers: dict[str, Handler], parse: Any, *, max_message_bytes: int) -> None:
        self._handlers = {path.encode(): handler for path, handler in handlers.items()}
        self.parse = parse
        self.max_message_bytes = max_message_bytes
        self._connections: set[_ServerConnection] = set()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._is_stopping = False

    @property
    def connections(self) -> int:
        """Connections that are open."""
        return len(self._connections)

    def protocol(self) -> "_ServerConnection":
        """Return what serves one more connection."""
        return _ServerConnection(self)

    def take(self, connection: socket.socket, host: str, port: int) -> None:
        """Serve a connection that was accepted."""
        del host, port  # it finds out by itself
        connection.settimeout(0.0)
        self._start(self._take(connection), "calls-connection")

    async def stop(self) -> None:
        """Break off all calls, wait for their handlers, and close all connections; harmless when done twice."""
        self._is_stopping = True
        for each in list(self._connections):
            for call in list(each.calls.values()):
                call.finish(Status.UNAVAILABLE, "the server ends")
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        connections = list(self._connections)
        for each in connections:
            each.close()  # which lasts a second at most
        if connections:
            await asyncio.gather(*(each.closed.wait() for each in connections))

    def opened(self, connection: "_ServerConnection") -> bool:
        """Take a connection in; whether there is a place for it."""
        if self._is_stopping or len(self._connections) >= MAX_CONNECTIONS:
            _log.warning("connection_refused", peer=connection.peer, open=len(self._connections))
            return False
        self._connections.add(connection)
        return True

    def lost(self, connection: "_ServerConnection") -> None:
        """A connection is over."""
        self._connections.discard(connection)

    @property
    def is_stopping(self) -> bool:
        """Whether no calls begin any more."""
        return self._is_stopping

    def find(self, path: bytes) -> Handler | None:
        """Return who serves a path."""
        return self._handlers.get(path)

    def serve(self, handler: Handler, call: Call) -> None:
        """Have a call handled."""
        self._start(self._serve(handler, call), f"call-{call.path}")

    def _start(self, work: Any, name: str) -> None:
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _take(self, connection: socket.socket) -> None:
        try:
            await asyncio.get_running_loop().connect_accepted_socket(self.protocol, connection)
        except OSError:
            connection.close()

    async def _serve(self, handler: Handler, call: Call) -> None:
        try:
            await handler(call)
        except CallError as error:
            call.finish(error.status, error.details)  # which nobody may be there to hear
        except Exception:
            _log.exception("call_failed", path=call.path, peer=call.peer())
            call.finish(Status.INTERNAL, "a mistake in the server")
        else:
            call.finish(Status.OK)


class _ServerConnection(Connection, asyncio.Protocol):
    """A connection whose calls the other end makes."""

    def __init__(self, server: Server) -> None:
        super().__init__(is_client=False)
        self._server = server
        self._idle: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the connection, if there is a place for it."""
        super().connection_made(transport)
        if not self._server.opened(self):
            self.close()
            return
        self._watch()

    def lost(self) -> None:
        """The connection is over."""
        if self._idle is not None:
            self._idle.cancel()
        self._server.lost(self)

    def head(self, stream: int, headers: Headers) -> None:
        """Take a call, or say why not."""
        path = headers.get(b":path", b"")
        server = self._server
        call = self.begin_call(stream, path.decode("ascii", "replace"), server.parse, server.max_message_bytes)
        call.has_begun = True
        if headers.get(b":method") != b"POST" or not headers.get(b"content-type", b"").startswith(b"application/grpc"):
            del self.calls[stream]
            self.send_headers(stream, [(b":status", b"415")], is_last=True)
            return
        if server.is_stopping:
            call.finish(Status.UNAVAILABLE, "the server ends")
            return
        handler = server.find(path)
        if handler is None:
            call.finish(Status.UNIMPLEMENTED, f"there is no method {call.path[:256]}")
            return
        server.serve(handler, call)

    def tail(self, stream: int, headers: Headers) -> None:
        """A client has nothing to say after its messages, and what it says all the same means nothing."""

    def left_open(self, call: Call) -> None:
        """The client has sent all: the handler goes on."""

    def _refuse(self, call: Call, error: CallError) -> None:
        call.finish(error.status, error.details)

    def _watch(self) -> None:
        """Close the connection when nobody has called anything for a while."""
        loop = asyncio.get_running_loop()
        self._idle = loop.call_later(IDLE_SECONDS, partial(self._look, has_calls=bool(self.calls)))

    def _look(self, *, has_calls: bool) -> None:
        if not has_calls and not self.calls:
            self.close()
        else:
            self._watch()

"""The client's end: a connection of its own for one call.

::

    async with calling("core.example:7000", "/package.Service/Method", Answer.FromString) as call:
        await call.write(question)
        while (answer := await call.read()) is not None:
            ...
    # call.status and call.details say how it ended
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from tunnel.calls.call import Call
from tunnel.calls.connection import Connection, Headers
from tunnel.calls.status import CallError, Status, decode_status

_UNIX = "unix:"

_HTTP = {
    b"400": Status.INTERNAL,
    b"401": Status.UNAUTHENTICATED,
    b"403": Status.PERMISSION_DENIED,
    b"404": Status.UNIMPLEMENTED,
    b"429": Status.UNAVAILABLE,
    b"502": Status.UNAVAILABLE,
    b"503": Status.UNAVAILABLE,
    b"504": Status.UNAVAILABLE,
}
"""What an answer means that does not come from a gRPC server (doc/http-grpc-status-mapping.md of gRPC)."""


@asynccontextmanager
async def calling(target: str, path: str, parse: Any, *, max_message_bytes: int) -> AsyncIterator[Call]:
    """Connect and begin a call of ``path``; ``target`` is ``HOST:PORT`` or ``unix:PATH``.

    ``parse`` makes a message of bytes. At the end of the block the connection is closed, and a call that is not over is
    broken off. Raises CallError when there is no connection.
    """
    connection = _ClientConnection(is_client=True)
    await _connect(connection, target)
    try:
        yield connection.begin(target, path, parse, max_message_bytes)
    finally:
        for call in list(connection.calls.values()):
            call.cancel()
        connection.close()


async def _connect(connection: "_ClientConnection", target: str) -> None:
    loop = asyncio.get_running_loop()
    try:
        if target.startswith(_UNIX):
            await loop.create_unix_connection(lambda: connection, target.removeprefix(_UNIX))
        else:
            host, _, port = target.rpartition(":")
            await loop.create_connection(lambda: connection, host.strip("[]"), int(port))
    except OSError as error:
        raise CallError(Status.UNAVAILABLE, f"{target}: {error.strerror or error}") from error


class _ClientConnection(Connection, asyncio.Protocol):
    """A connection whose calls we make."""

    def begin(self, target: str, path: str, parse: Any, max_message_bytes: int) -> Call:
        """Begin a call; raises CallError when the connection is over already."""
        if self.closed.is_set():
            raise CallError(Status.UNAVAILABLE, self.problem)
        stream = self.next_stream()
        call = self.begin_call(stream, path, parse, max_message_bytes)
        call.has_answered = True  # it is for the server to do
        self.send_headers(
            stream,
            [
                (b":method", b"POST"),
                (b":scheme", b"http"),
                (b":path", path.encode()),
                (b":authority", b"localhost" if target.startswith(_UNIX) else target.encode()),
                (b"content-type", b"application/grpc"),
                (b"te", b"trailers"),
                (b"user-agent", b"tidegate"),
            ],
        )
        return call

    def head(self, stream: int, headers: Headers) -> None:
        """Take the answer's first headers, which are its last ones where nothing was done."""
        call = self.calls.get(stream)
        if call is None:
            return
        call.has_begun = True
        code = headers.get(b":status", b"")
        if code != b"200" or not headers.get(b"content-type", b"").startswith(b"application/grpc"):
            text = code.decode("ascii", "replace")
            call.end(_HTTP.get(code, Status.UNKNOWN), f"what answers is no gRPC server: HTTP status {text}")
            self.send_reset(stream)
        elif b"grpc-status" in headers:
            self.tail(stream, headers)

    def tail(self, stream: int, headers: Headers) -> None:
        """Take the status."""
        call = self.calls.pop(stream, None)
        if call is not None:
            call.end(*decode_status(headers.get(b"grpc-status", b""), headers.get(b"grpc-message", b"")))

    def left_open(self, call: Call) -> None:
        """The server has ended the call and not said how."""
        call.end(Status.INTERNAL, "the call ended without a status")

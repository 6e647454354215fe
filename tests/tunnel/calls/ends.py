"""Servers and clients for the tests of calls: ours, and those of the gRPC library."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, Protocol

import grpc

from fleet.port import Port, bind_socket
from tunnel.calls.call import Call
from tunnel.calls.client import calling
from tunnel.calls.server import Server
from tunnel.calls.status import Status

LOOPBACK = "127.0.0.1"
PATH = "/test.Service/Talk"
MAX_BYTES = 2 << 20


class Text(bytes):
    """A message that is its own bytes."""

    def SerializeToString(self) -> bytes:  # noqa: N802
        return bytes(self)


class Talk(Protocol):
    """A call at a server, whoever's it is."""

    async def read(self) -> bytes | None: ...
    async def write(self, message: bytes) -> None: ...
    async def abort(self, status: Status, details: str) -> None: ...


Script = Callable[[Talk], Awaitable[None]]


class _OurTalk:
    def __init__(self, call: Call) -> None:
        self.call = call

    async def read(self) -> bytes | None:
        message: bytes | None = await self.call.read()
        return message

    async def write(self, message: bytes) -> None:
        await self.call.write(Text(message))

    async def abort(self, status: Status, details: str) -> None:
        self.call.finish(status, details)


class _LibraryTalk:
    def __init__(self, context: Any) -> None:
        self._context = context

    async def read(self) -> bytes | None:
        message = await self._context.read()
        return None if message is grpc.aio.EOF else message

    async def write(self, message: bytes) -> None:
        await self._context.write(message)

    async def abort(self, status: Status, details: str) -> None:
        await self._context.abort(grpc.StatusCode[status.name], details)


@asynccontextmanager
async def our_server(script: Script) -> AsyncIterator[tuple[Server, int]]:
    async def handle(call: Call) -> None:
        await script(_OurTalk(call))

    server = Server({PATH: handle}, bytes, max_message_bytes=MAX_BYTES)
    port = Port(bind_socket(LOOPBACK, 0, shared=False), server.take)
    port.open()
    try:
        yield server, port.number
    finally:
        port.close()
        await server.stop()


@asynccontextmanager
async def library_server(script: Script) -> AsyncIterator[int]:
    async def handle(_: object, context: Any) -> None:
        await script(_LibraryTalk(context))

    options = (("grpc.max_receive_message_length", MAX_BYTES), ("grpc.so_reuseport", 0))
    server = grpc.aio.server(options=options)
    method: Any = grpc.stream_stream_rpc_method_handler(handle, None, None)
    _, service, name = PATH.split("/")
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, {name: method}),))
    port = server.add_insecure_port(f"{LOOPBACK}:0")
    await server.start()
    try:
        yield port
    finally:
        await server.stop(None)


@asynccontextmanager
async def our_call(port: int, path: str = PATH) -> AsyncIterator[Call]:
    async with (
        asyncio.timeout(20),
        calling(f"{LOOPBACK}:{port}", path, bytes, max_message_bytes=MAX_BYTES) as call,
    ):
        yield call


async def rest_of(call: Call) -> list[bytes]:
    """Return all messages until the call is over."""
    messages = []
    while (message := await call.read()) is not None:
        messages.append(message)
    return messages


async def echo(talk: Talk) -> None:
    while (message := await talk.read()) is not None:
        await talk.write(message)

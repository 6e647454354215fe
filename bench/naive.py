"""The naive relay: one gRPC message per frame. The measured loser, kept on record.

Run by `bench.contestants` as ``python -m bench.naive core PORT ORIGIN_PORT`` and ``edge PORT CORE_PORT``. It has
the same event loop, sockets and gRPC library as the product, and like it one stream for all sessions; what it
lacks is the batch. Messages are raw bytes, which flatters it: protobuf would come on top.

======  ====  =======  =======================================
offset  size  field    meaning
======  ====  =======  =======================================
0       4     session  its number, big-endian
4       …     frame    empty: the session opens, or has ended
======  ====  =======  =======================================
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable
from typing import Any, cast

os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # read when gRPC is imported

import grpc

from bench.processes import LOOPBACK
from tidegate.process import run_until_signal

METHOD = "/naive.Relay/Tunnel"
LENGTH_BYTES = 2
NUMBER_BYTES = 4


class Tunnel:
    """Sessions by number, and the frames that wait for their turn on the stream."""

    def __init__(self) -> None:
        self.sockets: dict[int, FrameSocket] = {}
        self.waiting: asyncio.Queue[bytes] = asyncio.Queue()  # bounded by what the load has under way

    def send(self, number: int, frame: bytes) -> None:
        """Queue one message."""
        self.waiting.put_nowait(number.to_bytes(NUMBER_BYTES) + frame)

    async def messages(self) -> AsyncIterator[bytes]:
        """Yield what is to be sent, for ever."""
        while True:
            yield await self.waiting.get()

    def receive(self, message: bytes) -> None:
        """Write a frame to its session's socket, or end it."""
        socket = self.sockets.get(int.from_bytes(message[:NUMBER_BYTES]))
        if socket is None:
            return
        if len(message) == NUMBER_BYTES:
            socket.transport.close()
        else:
            socket.transport.write(message[NUMBER_BYTES:])


class FrameSocket(asyncio.Protocol):
    """A player's or the origin's socket: cuts what it reads into frames and sends each as a message."""

    transport: asyncio.Transport

    def __init__(self, tunnel: Tunnel, number: int) -> None:
        self._tunnel = tunnel
        self._number = number
        self._carry = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take part."""
        self.transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass
        self._tunnel.sockets[self._number] = self

    def data_received(self, data: bytes) -> None:
        """Send every whole frame."""
        data = self._carry + data
        position = 0
        while len(data) - position >= LENGTH_BYTES:
            end = position + int.from_bytes(data[position : position + LENGTH_BYTES])
            if end > len(data) or end == position:
                break
            self._tunnel.send(self._number, data[position:end])
            position = end
        self._carry = data[position:]

    def connection_lost(self, _error: Exception | None) -> None:
        """Tell the other side."""
        if self._tunnel.sockets.pop(self._number, None) is not None:
            self._tunnel.send(self._number, b"")


async def run_core(port: int, origin_port: int) -> None:
    """Accept one edge at a time and connect its sessions to the origin."""

    async def serve(requests: AsyncIterator[bytes], context: Any) -> None:
        tunnel = Tunnel()
        reading = asyncio.create_task(_read_core(tunnel, requests, origin_port))
        try:
            async for message in tunnel.messages():
                await context.write(message)
        finally:
            reading.cancel()

    handler: Any = grpc.stream_stream_rpc_method_handler(serve)
    server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
    service, method = METHOD.strip("/").split("/")
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, {method: handler}),))
    server.add_insecure_port(f"{LOOPBACK}:{port}")
    await server.start()
    print("naive core: ready", flush=True)
    await server.wait_for_termination()


async def _read_core(tunnel: Tunnel, requests: AsyncIterator[bytes], origin_port: int) -> None:
    loop = asyncio.get_running_loop()
    async for message in requests:
        number = int.from_bytes(message[:NUMBER_BYTES])
        if len(message) == NUMBER_BYTES and number not in tunnel.sockets:
            await loop.create_connection(_maker(tunnel, number), LOOPBACK, origin_port)
        else:
            tunnel.receive(message)


def _maker(tunnel: Tunnel, number: int) -> Callable[[], FrameSocket]:
    return lambda: FrameSocket(tunnel, number)


class PlayerSocket(FrameSocket):
    """A player's socket: opens the session at the other side."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take part, and say so first."""
        super().connection_made(transport)
        self._tunnel.send(self._number, b"")


async def run_edge(port: int, core_port: int) -> None:
    """Accept players and carry their frames to the core."""
    tunnel = Tunnel()
    numbers = iter(range(1 << 8 * NUMBER_BYTES))
    async with grpc.aio.insecure_channel(f"{LOOPBACK}:{core_port}") as channel:
        await channel.channel_ready()
        call = cast("Any", channel.stream_stream(METHOD))(tunnel.messages())
        server = await asyncio.get_running_loop().create_server(
            lambda: PlayerSocket(tunnel, next(numbers)), LOOPBACK, port, backlog=1024
        )
        print("naive edge: ready", flush=True)
        async for message in call:
            tunnel.receive(message)
        server.close()


def main() -> int:
    """Run the side that the arguments name, until a signal."""
    role, port, next_port = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])

    async def program(_stopping: asyncio.Event) -> int:
        await {"core": run_core, "edge": run_edge}[role](port, next_port)
        return 0

    return run_until_signal(program)


if __name__ == "__main__":
    sys.exit(main())

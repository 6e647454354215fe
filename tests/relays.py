"""Relays and origins for tests: a core and an edge in this process, joined by real gRPC over loopback."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from core.core import Core, CoreConfig
from core.core_tunnel import CoreLimits
from edge.config import EdgeConfig
from edge.edge import Edge
from edge.tunnel_client import TunnelSettings
from fleet.tls.credentials import Credentials
from games.pack import Pack
from games.registry import load_pack
from tests.servers import serving

LOOPBACK = "127.0.0.1"
WINDOW_BYTES = 64 * 1024

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Relay:
    """A running edge and core."""

    edge: Edge
    core: Core

    async def connect(self) -> Streams:
        return await asyncio.open_connection(self.edge.address.host, self.edge.address.port)

    async def settle(self) -> None:
        """Wait until no session is left at either end."""
        assert self.edge.tunnel is not None
        await self.edge.tunnel.quiet.wait()
        for tunnel in self.core.service.tunnels.values():
            await tunnel.quiet.wait()


def core_config(
    origin_port: int,
    *,
    port: int = 0,
    max_sessions: int = 100,
    drain_seconds: float = 0.2,
    half_close_seconds: float = 30.0,
    hold_seconds: float = 30.0,
    dialect: str = "",
    credentials: Credentials | None = None,
) -> CoreConfig:
    return CoreConfig(
        name="core-1",
        region="test",
        software_version="0",
        listen_host=LOOPBACK,
        listen_port=port,
        origin_host=LOOPBACK,
        origin_port=origin_port,
        shares_port=False,
        dialect=dialect,
        limits=CoreLimits(
            window_bytes=WINDOW_BYTES,
            flush_window_seconds=0.001,
            half_close_seconds=half_close_seconds,
            max_sessions=max_sessions,
            hold_seconds=hold_seconds,
        ),
        connect_timeout_seconds=2.0,
        drain_seconds=drain_seconds,
        linger_seconds=0.5,
        credentials=credentials,
    )


def edge_config(
    core_port: int,
    *other_cores: int,
    max_sessions: int = 100,
    name: str = "edge-1",
    half_close_seconds: float = 30.0,
    hold_seconds: float = 30.0,
    credentials: Credentials | None = None,
) -> EdgeConfig:
    return EdgeConfig(
        listen_host=LOOPBACK,
        listen_port=0,
        cores=tuple(f"{LOOPBACK}:{port}" for port in (core_port, *other_cores)),
        tunnel=TunnelSettings(
            edge_name=name,
            region="test",
            software_version="0",
            window_bytes=WINDOW_BYTES,
            flush_window_seconds=0.001,
            half_close_seconds=half_close_seconds,
            hold_seconds=hold_seconds,
        ),
        max_sessions=max_sessions,
        shares_port=False,
        drain_seconds=0.2,
        linger_seconds=0.5,
        backlog=100,
        credentials=credentials,
    )


@asynccontextmanager
async def running_core(config: CoreConfig, pack: Pack) -> AsyncIterator[Core]:
    core = Core(config, pack)
    await core.start()
    task = asyncio.create_task(core.run())
    try:
        yield core
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await core.stop()  # a task that never began has not stopped it


@asynccontextmanager
async def running_edge(config: EdgeConfig) -> AsyncIterator[Edge]:
    edge = Edge(config)
    task = asyncio.create_task(edge.run())
    try:
        yield edge
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@asynccontextmanager
async def running_relay(
    game: str,
    origin_port: int,
    *,
    max_sessions: int = 100,
    core_max_sessions: int = 100,
    half_close_seconds: float = 30.0,
    framing: dict[str, object] | None = None,
) -> AsyncIterator[Relay]:
    config = core_config(origin_port, max_sessions=core_max_sessions, half_close_seconds=half_close_seconds)
    async with (
        running_core(config, load_pack(game, framing)) as core,
        running_edge(edge_config(core.port, max_sessions=max_sessions, half_close_seconds=half_close_seconds)) as edge,
    ):
        await edge.wait_ready()
        yield Relay(edge, core)


@asynccontextmanager
async def running_origin(handler: Handler) -> AsyncIterator[int]:
    """A game server whose connections ``handler`` serves; yields its port."""
    async with serving(handler) as place:
        yield place.port


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Send back what comes."""
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()


@dataclass
class Server:
    """A game server that says only what the test lets it say."""

    port: int
    visits: asyncio.Queue[Streams] = field(default_factory=asyncio.Queue)
    opened: list[Streams] = field(default_factory=list)


@asynccontextmanager
async def server() -> AsyncIterator[Server]:
    made = Server(0)

    async def receive(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        made.opened.append((reader, writer))
        made.visits.put_nowait((reader, writer))
        await asyncio.Event().wait()

    async with running_origin(receive) as made.port:
        yield made


def reset(streams: Streams) -> None:
    """End a connection so that the other side need not be asked whether it has more to say."""
    with contextlib.suppress(OSError):
        streams[1].get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    streams[1].transport.abort()


def free_port() -> int:
    """A port that nobody listens on at the moment."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port

"""The scripted server on real sockets: limits, hang-ups, its end."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from fleet.address import Address
from games.packet import Direction, Packet
from games.pko.action import Move, Point
from games.pko.connection import BeginPlay, EnterMap, Greeting, Logout, LogoutReply
from games.pko.sim.intake import Intake
from games.pko.sim.options import WorldOptions
from games.registry import load_pack
from tests.games.pko.sim.client import login
from tidegate.errors import StartError
from tidegate.sim.server import SimServer
from wire.errors import MisuseError

LOOPBACK = Address("127.0.0.1", 0)
CODEC = load_pack("pko").codec()


class Client:
    """A client on a real socket, by hand."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self._intake = Intake(CODEC, Direction.CLIENTBOUND)
        self._packets: list[Packet] = []

    def send(self, packet: Packet, *, session_word: int | None = None) -> None:
        self.writer.write(CODEC.seal(packet, session_word=session_word))

    async def next_packet(self) -> Packet:
        while not self._packets:
            data = await self.reader.read(65536)
            assert data, "the server closed"
            packets = (CODEC.decode(Direction.CLIENTBOUND, frame) for frame in self._intake.feed(data))
            self._packets += [packet for packet in packets if packet is not None]
        return self._packets.pop(0)

    async def enter(self, account: bytes) -> EnterMap:
        assert isinstance(await self.next_packet(), Greeting)
        self.send(login(account))
        await self.next_packet()
        self.send(BeginPlay(name=account))
        await self.next_packet()
        entered = await self.next_packet()
        assert isinstance(entered, EnterMap)
        return entered


@contextlib.asynccontextmanager
async def serving(
    options: WorldOptions | None = None,
    unsent_limit_bytes: int = 4 * 1024 * 1024,
) -> AsyncIterator[tuple[SimServer, Address]]:
    server = SimServer(LOOPBACK, options=options, unsent_limit_bytes=unsent_limit_bytes)
    address = await server.start()
    try:
        yield server, address
    finally:
        await server.stop()


@contextlib.asynccontextmanager
async def connected(address: Address) -> AsyncIterator[Client]:
    reader, writer = await asyncio.open_connection(address.host, address.port)
    try:
        yield Client(reader, writer)
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


async def test_a_client_enters_and_logs_out() -> None:
    async with serving() as (server, address), connected(address) as client:
        await client.enter(b"admin")
        client.send(Logout(), session_word=1)
        assert isinstance(await client.next_packet(), LogoutReply)
        assert await client.reader.read() == b""
    assert server.world.connections == 0


@pytest.mark.parametrize("length", [0, 1, 3, 7, 16385])
async def test_a_bad_length_is_hung_up(length: int) -> None:
    async with serving() as (server, address), connected(address) as client:
        await client.next_packet()
        client.writer.write(length.to_bytes(2, "big"))
        assert await client.reader.read() == b""
        assert server.world.report()["closes"] == {"bad_length": 1}


async def test_one_connection_too_many_is_hung_up_without_a_word() -> None:
    options = WorldOptions(max_connections=2)
    async with serving(options) as (server, address), connected(address) as first, connected(address) as second:
        assert isinstance(await first.next_packet(), Greeting)
        assert isinstance(await second.next_packet(), Greeting)
        async with connected(address) as third:
            assert await third.reader.read() == b""
        assert server.world.tallies.refused_connections == 1


async def test_keep_alives_come_by_themselves() -> None:
    options = WorldOptions(keep_alive_seconds=0.05)
    async with serving(options) as (_, address), connected(address) as client:
        await client.next_packet()
        assert await client.reader.readexactly(4) == b"\x00\x02\x00\x02"


async def test_a_client_that_does_not_read_is_given_up() -> None:
    """Two characters in one place: one walks without end, the other does not read what it is shown."""
    async with (
        serving(unsent_limit_bytes=65536) as (server, address),
        connected(address) as deaf,
        connected(address) as walker,
    ):
        await deaf.enter(b"deaf")
        entered = await walker.enter(b"walker")
        deaf.writer.transport.pause_reading()  # type: ignore[attr-defined]
        here = Point(x=entered.x, y=entered.y)
        move = CODEC.seal(Move(world_id=entered.world_id, packet_id=1, path=(here,) * 32))
        while server.world.report()["closes"] != {"send_queue_full": 1}:
            walker.writer.write(move * 100)
            await walker.writer.drain()
            for _ in range(100):  # its own moves come back to it, too, and it is to be the one who reads
                await walker.next_packet()
        assert server.world.playing == 1
        deaf.writer.transport.abort()


async def test_the_end_closes_every_connection_and_frees_the_port() -> None:
    async with serving() as (_, address), connected(address) as client:
        await client.enter(b"admin")
        first = SimServer(address)
        with pytest.raises(StartError, match=f"cannot listen on {address}: Address already in use; "):
            await first.start()
    second = SimServer(address)
    assert await second.start() == address
    await second.stop()
    await second.stop()


def test_an_unknown_dialect_is_refused() -> None:
    with pytest.raises(MisuseError, match="no dialect 'nonsense'"):
        SimServer(LOOPBACK, dialect="nonsense")

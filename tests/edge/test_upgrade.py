"""One edge hands everything over to another: two edges of this process, joined by a pair of sockets."""

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from edge.config import LOOPBACK as LOOPBACK_PREFIXES
from edge.config import AdmissionConfig
from edge.edge import Edge
from edge.handover import HandoverError
from edge.player_link import PlayerLink
from edge.prefixes import PrefixSet
from edge.shared_counts import private_counts
from edge.upgrade import TakenEdge, take_over
from games.registry import load_pack
from tests.relays import (
    Handler,
    Streams,
    core_config,
    echo,
    edge_config,
    free_port,
    running_core,
    running_edge,
    running_origin,
)

FRAME = b"\x00\x03a"
LONGEST_FRAME = b"\x04\x00" + bytes(0x3FE)


@asynccontextmanager
async def standing_still(edge: Edge) -> AsyncIterator[tuple[TakenEdge, asyncio.Task[None]]]:
    """Have an edge stand still and hand everything over; it is not told that this was taken."""
    ours, theirs = socket.socketpair()
    handing = asyncio.create_task(edge.hand_over(ours))
    taken = await asyncio.to_thread(take_over, theirs)
    try:
        yield taken, handing
    finally:
        taken.close()
        await asyncio.gather(handing, return_exceptions=True)


@asynccontextmanager
async def running_successor(
    taken: TakenEdge, player: Streams, admission: AdmissionConfig | None = None
) -> AsyncIterator[Edge]:
    """Run the edge that takes over, until its player has left."""
    successor = Edge(replace(edge_config(free_port()), admission=admission or AdmissionConfig()), taken)
    task = asyncio.create_task(successor.run())
    try:
        yield successor
        player[1].close()
        await nobody_at(successor)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def nobody_at(edge: Edge) -> None:
    while edge.connections:  # noqa: ASYNC110 - no event for it
        await asyncio.sleep(0.01)


@asynccontextmanager
async def running_pair(handler: Handler = echo, *, proxy_from: PrefixSet | None = None) -> AsyncIterator[Edge]:
    """An edge that can be upgraded, before its core and a game server."""
    admission = AdmissionConfig(proxy_from=proxy_from or PrefixSet())
    async with (
        asyncio.timeout(20),
        running_origin(handler) as origin,
        running_core(core_config(origin), load_pack("echo")) as core,
        running_edge(replace(edge_config(core.port), admission=admission)) as edge,
    ):
        await edge.wait_ready()
        yield edge
        await nobody_at(edge)


@asynccontextmanager
async def player_of(edge: Edge, *, receive_bytes: int = 0) -> AsyncIterator[Streams]:
    connection = socket.socket()
    if receive_bytes:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
    connection.setblocking(False)
    await asyncio.get_running_loop().sock_connect(connection, (edge.address.host, edge.address.port))
    reader, writer = await asyncio.open_connection(sock=connection, limit=2048)
    try:
        yield reader, writer
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


async def say_and_hear(player: Streams) -> None:
    reader, writer = player
    writer.write(FRAME)
    assert await reader.readexactly(len(FRAME)) == FRAME


async def say_much(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A game server that says more than the systems on the way hold, and then answers."""
    for _ in range(8):
        writer.write(LONGEST_FRAME * 1024)
    await writer.drain()
    await echo(reader, writer)


def is_stuck(link: PlayerLink) -> bool:
    """Whether the system takes nothing more of what the player is to get; what is only queued is handed to it."""
    link.flush()
    return link.unsent_bytes > 0


async def test_a_player_plays_on_with_the_successor() -> None:
    async with running_pair() as edge, player_of(edge) as player:
        await say_and_hear(player)
        async with standing_still(edge) as (taken, handing), running_successor(taken, player) as successor:
            await say_and_hear(player)
            await handing
            assert (edge.running_sessions, successor.running_sessions) == (0, 1)


async def test_a_player_plays_on_when_the_successor_takes_nothing() -> None:
    async with running_pair() as edge, player_of(edge) as player:
        await say_and_hear(player)
        async with standing_still(edge) as (taken, handing):
            taken.close()
            with pytest.raises(HandoverError):
                await handing
        await say_and_hear(player)


async def test_what_was_handed_over_is_not_inherited_by_the_next_process() -> None:
    async with running_pair() as edge, player_of(edge) as player:
        await say_and_hear(player)
        async with standing_still(edge) as (taken, _):
            connections = [each.connection for each in taken.players if each.connection is not None]
            assert [os.get_inheritable(each.fileno()) for each in (taken.listener, *connections)] == [False, False]


async def test_a_player_who_reads_what_was_under_way_while_the_rest_is_handed_over_plays_on() -> None:
    async with running_pair(say_much) as edge, player_of(edge, receive_bytes=4096) as (reader, writer):
        links = edge._door.links
        while not (links() and is_stuck(links()[0])):  # noqa: ASYNC110 - no event for it
            await asyncio.sleep(0.01)
        async with standing_still(edge) as (taken, handing):
            assert [player.saved.is_flushing for player in taken.players] == [True]
            left = 8 * 1024 * len(LONGEST_FRAME)
            while links()[0].unsent_bytes:
                left -= len(await reader.read(65536))
            async with running_successor(taken, (reader, writer)):
                await handing
                await reader.readexactly(left)
                await say_and_hear((reader, writer))


async def test_a_player_whose_session_opens_while_the_tunnels_are_let_go_of_is_handed_over() -> None:
    async with running_pair(proxy_from=LOOPBACK_PREFIXES) as edge, player_of(edge) as player:
        while not edge.connections:  # noqa: ASYNC110 - no event for it
            await asyncio.sleep(0.01)
        client = edge._cores.clients[0]
        suspend = client.suspend

        async def name_the_player_and_suspend() -> None:
            player[1].write(b"PROXY TCP4 192.0.2.1 192.0.2.2 1000 2000\r\n")
            while not edge.running_sessions:  # noqa: ASYNC110 - no event for it
                await asyncio.sleep(0.01)
            await suspend()

        client.suspend = name_the_player_and_suspend  # type: ignore[method-assign]
        async with standing_still(edge) as (taken, handing), running_successor(taken, player):
            await handing
            await say_and_hear(player)


async def test_a_player_who_waits_at_the_door_is_told_to_come_back() -> None:
    async with running_pair(proxy_from=LOOPBACK_PREFIXES) as edge, player_of(edge) as player:
        while not edge.connections:  # noqa: ASYNC110 - no event for it
            await asyncio.sleep(0.01)
        async with standing_still(edge) as (taken, handing), running_successor(taken, player):
            await handing
            assert b"connect again" in await player[0].read()
    assert edge.counters.sessions_refused == {"edge_draining": 1}


async def test_a_player_who_is_lost_with_the_old_process_counts_no_more() -> None:
    counts = private_counts(10)
    address = counts.key_of(b"a", bytes([127, 0, 0, 1]))
    nobody_exempt = AdmissionConfig(exempt=PrefixSet(), counts=counts)
    async with running_pair(say_much) as edge, player_of(edge, receive_bytes=4096) as player:
        links = edge._door.links
        while not (links() and is_stuck(links()[0])):  # noqa: ASYNC110 - no event for it
            await asyncio.sleep(0.01)
        async with (
            standing_still(edge) as (taken, handing),
            running_successor(taken, player, nobody_exempt) as successor,
        ):
            while not (edge._is_draining and counts.held(address)):  # noqa: ASYNC110 - no event for it
                await asyncio.sleep(0.01)
            assert counts.held(address) == 1  # the successor counts him as soon as it hears that he is its own
            handing.cancel()
            while successor.running_sessions:  # noqa: ASYNC110 - no event for it
                await asyncio.sleep(0.01)
            assert counts.held(address) == 0

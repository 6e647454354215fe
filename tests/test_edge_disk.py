"""An edge that starts from its disk: policy and bans are there before any core says a word."""

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from ipaddress import ip_network
from pathlib import Path

import pytest

from core.core import Core
from edge.bans import REMEMBERED
from edge.config import AdmissionConfig, EdgeConfig
from edge.edge import Edge
from edge.prefixes import PrefixSet
from edge.upgrade import take_over
from fleet.address import Address
from games.echo import notice
from games.registry import load_pack
from tests.relays import LOOPBACK, Streams, core_config, echo, edge_config, running_core, running_edge, running_origin
from tidegate.gameday.conditions import Conditions
from tidegate.gameday.fault_proxy import FaultProxy
from tunnel.bans import Ban, BanChanges, banned_network

FRAME = b"\x00\x05abc"
BAD, GOOD = "127.0.0.66", "127.0.0.7"
BAN = Ban(banned_network(ip_network(BAD)), 3600, notice("You are banned: gold selling."))


async def until(condition: Callable[[], bool]) -> None:
    """Wait for what happens by itself."""
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - no event for it
            await asyncio.sleep(0.005)


def on_disk(folder: Path, port: int) -> EdgeConfig:
    return replace(
        edge_config(port),
        policy_cache=str(folder / "policy"),
        bans_cache=str(folder / "bans"),
        admission=AdmissionConfig(exempt=PrefixSet()),
    )


@asynccontextmanager
async def cores() -> AsyncIterator[Callable[[], contextlib.AbstractAsyncContextManager[Core]]]:
    """What makes a core before a game server that answers."""
    async with running_origin(echo) as origin:
        yield lambda: running_core(core_config(origin), load_pack("echo"))


async def connect(edge: Edge, source: str) -> Streams:
    return await asyncio.open_connection(LOOPBACK, edge.address.port, local_addr=(source, 0))


async def hears(edge: Edge, source: str) -> bytes:
    """What somebody hears who says a frame: the same frame, or why not."""
    reader, writer = await connect(edge, source)
    try:
        writer.write(FRAME)
        heard = await reader.readexactly(2)
        return heard + await reader.readexactly(int.from_bytes(heard) - 2)
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


async def fill(folder: Path, make_core: Callable[[], contextlib.AbstractAsyncContextManager[Core]]) -> None:
    """Have an edge live before, and hear of the ban."""
    async with make_core() as core, running_edge(on_disk(folder, core.port)) as edge:
        await edge.wait_ready()
        core.service.set_bans([BAN])
        await until(lambda: {"policy", "bans"} <= set(os.listdir(folder)) and len(edge.bans) == 1)
        await edge.drain()


async def test_who_was_banned_is_so_at_a_core_that_knows_nothing_of_it(tmp_path: Path) -> None:
    async with cores() as make_core:
        await fill(tmp_path, make_core)
        async with make_core() as core, running_edge(on_disk(tmp_path, core.port)) as edge:
            await edge.wait_ready()
            await until(lambda: edge.health.is_serving)
            assert await hears(edge, BAD) == BAN.notice
            assert await hears(edge, GOOD) == FRAME
            core.service.set_bans([])
            await until(lambda: not len(edge.bans))
            assert await hears(edge, BAD) == FRAME
            await until(lambda: not edge.connections)


async def test_who_comes_before_the_core_answers_waits_and_plays(tmp_path: Path) -> None:
    async with cores() as make_core:
        await fill(tmp_path, make_core)
        async with make_core() as core:
            road = FaultProxy(Address(LOOPBACK, core.port))
            road.set_conditions(Conditions(delay_seconds=0.3))
            address = await road.start()
            try:
                async with running_edge(on_disk(tmp_path, address.port)) as edge:
                    await edge.wait_ready()
                    assert not edge.health.is_serving
                    players = [asyncio.create_task(hears(edge, source)) for source in (GOOD, BAD)]
                    await until(lambda: edge.connections > 0)
                    assert not edge.health.is_serving
                    assert await asyncio.gather(*players) == [FRAME, BAN.notice]
                    await until(lambda: not edge.connections)
            finally:
                await road.stop()


@pytest.mark.parametrize("is_kept", [True, False])
async def test_the_successor_in_an_upgrade_knows_the_bans_of_its_disk(tmp_path: Path, is_kept: bool) -> None:
    async with cores() as make_core, make_core() as core:
        config = on_disk(tmp_path, core.port)
        if not is_kept:
            config = replace(config, bans_cache="")
        async with running_edge(config) as edge:
            await edge.wait_ready()
            edge.bans.book(REMEMBERED).take(BanChanges(added=(BAN,)))  # the core has not said it, and will not
            ours, theirs = socket.socketpair()
            handing = asyncio.create_task(edge.hand_over(ours))
            taken = await asyncio.to_thread(take_over, theirs)
            successor = Edge(config, taken)
            task = asyncio.create_task(successor.run())
            try:
                await handing
                await successor.wait_ready()
                heard = await hears(successor, BAD)
                assert heard == (BAN.notice if is_kept else FRAME)
                await until(lambda: not successor.connections)
            finally:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)


async def test_a_disk_that_is_full_of_rubbish_stops_nobody(tmp_path: Path) -> None:
    for name in ("policy", "bans"):
        await asyncio.to_thread(partial((tmp_path / name).write_bytes, os.urandom(5000)))
    async with cores() as make_core, make_core() as core, running_edge(on_disk(tmp_path, core.port)) as edge:
        await edge.wait_ready()
        assert await hears(edge, GOOD) == FRAME
        await until(lambda: not edge.connections)

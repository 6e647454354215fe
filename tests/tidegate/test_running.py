"""Finding a running relay by its address, and telling it to drain or to make place."""

import asyncio
from collections.abc import Callable

import pytest

from fleet.address import Address
from tests.relays import LOOPBACK, echo, free_port, running_origin
from tidegate.children import Child
from tidegate.errors import StartError
from tidegate.running import drain, find_running, upgrade

ANY_PORT = f"{LOOPBACK}:0"


async def in_thread(call: Callable[..., int], *arguments: object) -> int:
    """Call something that blocks while the test's own loop goes on."""
    return await asyncio.to_thread(call, *arguments)


async def test_a_core_is_found_and_drains() -> None:
    said: list[str] = []
    async with running_origin(echo) as origin:
        core = Child("core")
        at = await core.start("core", "--listen", ANY_PORT, "--game", "echo", "--origin", f"{LOOPBACK}:{origin}")
        try:
            assert find_running("core", at).pid == core.pid
            assert find_running("core", Address("0.0.0.0", at.port)).pid == core.pid
            with pytest.raises(StartError, match="no tidegate edge"):
                find_running("edge", at)
            assert await in_thread(drain, "core", at, 5.0, said.append) == 0
            assert await core.wait() == 0
        finally:
            await core.stop()
    assert "drains" in said[0]
    assert "has ended" in said[1]


async def test_of_several_workers_the_supervisor_is_told() -> None:
    core = Child("core")
    at = await core.start("core", "--listen", ANY_PORT, "--game", "echo", "--workers", "2")
    try:
        assert find_running("core", at).pid == core.pid
        assert await in_thread(drain, "core", at, 5.0, [].append) == 0
    finally:
        await core.stop()


async def test_an_edge_is_upgraded() -> None:
    said: list[str] = []
    async with running_origin(echo) as origin:
        core, edge = Child("core"), Child("edge")
        game = ("--game", "echo", "--origin", f"{LOOPBACK}:{origin}")
        tunnels = await core.start("core", "--listen", ANY_PORT, *game)
        players = await edge.start("edge", "--listen", ANY_PORT, "--core", str(tunnels))
        try:
            old = find_running("edge", players).pid
            assert await in_thread(upgrade, players, said.append, 15.0) == 0
            new = find_running("edge", players)
            assert new.pid != old
            assert f"process {new.pid} has taken over" in said[1]
            assert await in_thread(drain, "edge", players, 5.0, said.append) == 0
        finally:
            await edge.stop()
            await core.stop()


def test_who_is_not_there_is_said() -> None:
    with pytest.raises(StartError, match="no core of yours listens at 127"):
        find_running("core", Address(LOOPBACK, free_port()))


async def test_another_program_is_left_alone() -> None:
    async with running_origin(echo) as port:
        with pytest.raises(StartError, match="is no tidegate core"):
            find_running("core", Address(LOOPBACK, port))

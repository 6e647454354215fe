"""Limits of an edge that is several processes, and of one that runs out of descriptors."""

import asyncio
import contextlib
import os
import re
import resource
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from edge.access_lists import parse_list
from fleet.address import Address, parse_address
from tests.relays import LOOPBACK, echo, running_origin
from tests.test_processes import ANY_PORT, child, edge_and_core, run_to_the_end
from tests.tidegate.test_supervisor import Streams, answers, children_of, until
from tidegate.settings import load_settings
from tidegate.settings_edge import EdgeSettings

PAGE = Path(__file__).parents[1] / "docs" / "admission.md"

LIMIT = 6
STRICT = ("--set", "edge.exempt=[]", "--set", f"edge.max_per_address={LIMIT}")
ENDLESS_RATES = ("--set", "edge.prefix_accepts_per_second=0", "--set", "edge.accepts_per_second=0")


async def knock(players: Address, count: int) -> list[Streams]:
    """Connect so many times; return those that got a session and close the others."""
    streams = [await asyncio.open_connection(players.host, players.port) for _ in range(count)]
    inside = []
    for each in streams:
        if await answers(each):
            inside.append(each)
        else:
            each[1].transport.abort()
    return inside


async def test_a_limit_holds_over_all_workers_and_survives_the_death_of_one() -> None:
    game = ("--listen", ANY_PORT, "--game", "echo", "--origin")
    async with (
        running_origin(echo) as port,
        child("core", *game, f"{LOOPBACK}:{port}") as (_, tunnels),
        child("edge", "--listen", ANY_PORT, "--core", str(tunnels), "--workers", "3", *STRICT, *ENDLESS_RATES) as (
            edge,
            players,
        ),
    ):
        inside = await knock(players, 40)
        assert len(inside) == LIMIT
        assert await knock(players, 5) == []
        workers = children_of(edge.pid)
        assert len(workers) == 3
        victim = max(workers, key=lambda pid: len(os.listdir(f"/proc/{pid}/fd")))  # the one with most sessions
        os.kill(victim, signal.SIGKILL)
        await until(lambda: len(children_of(edge.pid)) == 3 and victim not in children_of(edge.pid))
        surviving = [each for each in inside if await answers(each)]
        more: list[Streams] = []
        async with asyncio.timeout(10):
            while len(surviving) + len(more) < LIMIT:  # a new connection may find a worker that has no tunnel yet
                more += await knock(players, 10)
        assert len(surviving) + len(more) == LIMIT
        assert await knock(players, 10) == []
        for _, writer in (*inside, *more):
            writer.transport.abort()


async def outcomes(players: Address, count: int) -> list[bool]:
    """Connect so many times, see at each whether it gets a session (none may be left waiting), and leave."""
    streams = [await asyncio.open_connection(players.host, players.port) for _ in range(count)]
    async with asyncio.timeout(10):
        results = await asyncio.gather(*map(answers, streams))
    for _, writer in streams:
        writer.transport.abort()
    return results


@contextlib.asynccontextmanager
async def edge_with_files(files: int, core: Address) -> AsyncIterator[Address]:
    """An edge that may have so many open files, and where players connect."""
    command = f"ulimit -n {files} && exec {sys.executable} -m tidegate edge --listen {ANY_PORT} --core {core}"
    process = await asyncio.create_subprocess_exec("sh", "-c", command, stderr=asyncio.subprocess.PIPE)
    assert process.stderr is not None
    try:
        ready = await process.stderr.readuntil(b"players at ")
        assert b"rror" not in ready
        yield parse_address((await process.stderr.readuntil(b","))[:-1].decode())
    finally:
        process.send_signal(signal.SIGKILL)
        await process.communicate()


async def test_an_edge_with_few_files_refuses_and_plays_on() -> None:
    """Of 256, 192 are for players, of which 12 are kept for those who are told that there is no room."""
    game = ("--listen", ANY_PORT, "--game", "echo", "--origin")
    async with (
        running_origin(echo) as port,
        child("core", *game, f"{LOOPBACK}:{port}") as (_, tunnels),
        edge_with_files(256, tunnels) as players,
    ):
        playing = await asyncio.open_connection(players.host, players.port)
        assert await answers(playing)
        assert sum(await outcomes(players, 400)) == 179
        assert await answers(playing)
        playing[1].close()


async def test_an_edge_that_runs_out_of_files_refuses_and_comes_back() -> None:
    async with running_origin(echo) as port, edge_and_core(port) as (edge, _, players):
        playing = await asyncio.open_connection(players.host, players.port)
        assert await answers(playing)
        before = resource.prlimit(edge.pid, resource.RLIMIT_NOFILE)
        in_use = len(os.listdir(f"/proc/{edge.pid}/fd"))
        resource.prlimit(edge.pid, resource.RLIMIT_NOFILE, (in_use + 20, before[1]))
        assert 10 <= sum(await outcomes(players, 100)) <= 20
        assert await answers(playing)
        resource.prlimit(edge.pid, resource.RLIMIT_NOFILE, before)
        assert sum(await outcomes(players, 100)) == 100
        playing[1].close()


@pytest.mark.parametrize("workers", ["1", "2"])
async def test_an_edge_does_not_begin_with_a_list_it_cannot_read(tmp_path: Path, workers: str) -> None:
    missing = tmp_path / "deny.txt"
    arguments = ("edge", "--listen", ANY_PORT, "--workers", workers, "--set", f"edge.deny_file={missing}")
    status, error = await run_to_the_end(*arguments)
    assert status == 2
    assert f"tidegate: {missing}: cannot be read: No such file or directory" in error
    assert "Traceback" not in error


def test_the_pages_examples_are_good(tmp_path: Path) -> None:
    blocks = re.findall(r"```(\w*)\n(.*?)```", PAGE.read_text(), re.DOTALL)
    for kind, text in blocks:
        if kind == "toml":
            file = tmp_path / "tidegate.toml"
            file.write_text(text)
            load_settings(file, {}, {})
    (listed,) = [text for _, text in blocks if text.startswith("# deny.txt")]
    assert len(parse_list(listed.encode(), "deny.txt")) == 5


def test_the_pages_defaults_are_the_defaults() -> None:
    named = dict(re.findall(r"`(\w+)` (\d+)", PAGE.read_text()))
    fields = EdgeSettings.model_fields
    assert {name: float(value) for name, value in named.items() if name in fields} == {
        name: float(str(fields[name].default)) for name in named if name in fields
    }
    assert len(named) >= 9

"""Workers: they share a port, one's death costs its own sessions only, and nobody is left behind."""

import asyncio
import contextlib
import os
import resource
import signal
from pathlib import Path

import pytest

from fleet.address import Address
from tests.relays import LOOPBACK, echo, running_origin
from tests.test_processes import ANY_PORT, FRAME, child, run_to_the_end
from tidegate.children import Child
from tidegate.errors import StartError
from tidegate.settings import load_settings
from tidegate.supervisor import reserve, with_listen

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


def children_of(pid: int) -> list[int]:
    return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def is_alive(pid: int) -> bool:
    with contextlib.suppress(FileNotFoundError):
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    return False


async def answers(streams: Streams) -> bool:
    """Whether a session still carries a question and its answer."""
    streams[1].write(FRAME)
    try:
        return await streams[0].readexactly(len(FRAME)) == FRAME
    except (ConnectionError, asyncio.IncompleteReadError):
        return False


async def playing(players: Address, count: int) -> list[Streams]:
    """So many new sessions, each of which carries a question and its answer."""
    sessions = [await asyncio.open_connection(players.host, players.port) for _ in range(count)]
    assert all([await answers(each) for each in sessions])
    return sessions


async def until(condition: object, *arguments: object) -> None:
    """Wait for something another process does."""
    assert callable(condition)
    async with asyncio.timeout(10):
        while not condition(*arguments):  # noqa: ASYNC110 - it is another process
            await asyncio.sleep(0.02)


@pytest.mark.timeout(60)
async def test_a_worker_that_cannot_be_started_costs_the_others_nothing() -> None:
    game = ("--game", "echo", "--listen", ANY_PORT)
    async with (
        running_origin(echo) as port,
        child("core", *game, "--origin", f"{LOOPBACK}:{port}") as (_, tunnels),
        child("edge", "--listen", ANY_PORT, "--core", str(tunnels), "--workers", "2") as (edge, players),
    ):
        sessions = await playing(players, 20)
        first, second = children_of(edge.pid)
        limits = resource.prlimit(edge.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(edge.pid, resource.RLIMIT_NOFILE, (3, limits[1]))  # it can open nothing more
        os.kill(first, signal.SIGKILL)
        await until(lambda: "worker_not_started" in edge.last_words)
        assert any([await answers(each) for each in sessions])
        assert children_of(edge.pid) == [second]
        resource.prlimit(edge.pid, resource.RLIMIT_NOFILE, limits)
        await until(lambda: len(children_of(edge.pid)) == 2)
        assert any([await answers(each) for each in sessions])
        for _, writer in sessions:
            writer.transport.abort()


@pytest.mark.timeout(60)  # seven processes start
async def test_a_killed_worker_costs_only_its_own_sessions() -> None:
    game = ("--listen", ANY_PORT, "--game", "echo", "--workers", "2")
    async with (
        running_origin(echo) as port,
        child("core", *game, "--origin", f"{LOOPBACK}:{port}") as (core, tunnels),
        child("edge", "--listen", ANY_PORT, "--core", str(tunnels), "--workers", "2") as (edge, players),
    ):
        sessions = await playing(players, 40)
        first, second = children_of(edge.pid)
        os.kill(first, signal.SIGKILL)
        surviving = [await answers(each) for each in sessions]
        assert 0 < sum(surviving) < 40
        await until(lambda: len(children_of(edge.pid)) == 2 and first not in children_of(edge.pid))
        assert second in children_of(edge.pid)
        assert "worker_died" in edge.last_words
        again = await playing(players, 20)
        assert [await answers(each) for each in sessions] == surviving
        for _, writer in (*sessions, *again):
            writer.transport.abort()
        edge.send_signal(signal.SIGTERM)
        core.send_signal(signal.SIGTERM)
        assert await edge.wait() == 0
        assert await core.wait() == 0


@pytest.mark.timeout(60)
async def test_each_worker_runs_on_a_processor_of_its_own() -> None:
    ours = sorted(os.sched_getaffinity(0))
    game = ("--listen", ANY_PORT, "--game", "echo", "--set", f"core.processors={ours[-1:]}")
    async with (
        running_origin(echo) as port,
        child("core", *game, "--origin", f"{LOOPBACK}:{port}") as (core, tunnels),
        child(
            *("edge", "--listen", ANY_PORT, "--core", str(tunnels), "--workers", "3"),
            *("--set", f"edge.processors={[ours[0], ours[-1]]}"),
        ) as (edge, players),
    ):
        sessions = await playing(players, 10)
        own = [os.sched_getaffinity(pid) for pid in children_of(edge.pid)]
        assert own == [{ours[0]}, {ours[-1]}, {ours[0]}]
        assert os.sched_getaffinity(core.pid) == {ours[-1]}
        assert os.sched_getaffinity(edge.pid) == set(ours)
        for _, writer in sessions:
            writer.transport.abort()


async def test_workers_do_not_outlive_their_supervisor() -> None:
    core = Child("core")
    await core.start("core", "--listen", ANY_PORT, "--workers", "2")
    workers = children_of(core.pid)
    assert len(workers) == 2
    os.kill(core.pid, signal.SIGKILL)
    await until(lambda: not any(map(is_alive, workers)))
    await core.stop()


async def test_a_port_in_use_is_said_once_for_all_workers() -> None:
    async with running_origin(echo) as port:
        status, error = await run_to_the_end("edge", "--workers", "3", "--listen", f"{LOOPBACK}:{port}")
    assert status == 2
    assert error.count("Address already in use") == 1
    assert "Traceback" not in error


@pytest.mark.parametrize("relay", ["edge", "core"])
async def test_a_processor_that_is_not_there_is_said_once_and_before_any_worker(relay: str) -> None:
    processors = f"{relay}.processors={[min(os.sched_getaffinity(0)), 4095]}"
    game = ("--game", "echo", "--origin", f"{LOOPBACK}:9") if relay == "core" else ()
    status, error = await run_to_the_end(relay, "--listen", ANY_PORT, *game, "--workers", "2", "--set", processors)
    assert status == 2
    assert error.count(f"{relay}.processors: this process cannot run on processor 4095") == 1
    assert "worker" not in error


async def test_a_worker_is_not_started_by_hand() -> None:
    status, error = await run_to_the_end("worker", "edge", "1", "no-such-file.toml")
    assert status == 2
    assert "no-such-file.toml" in error


def test_the_port_is_reserved_and_handed_on() -> None:
    with reserve(Address(LOOPBACK, 0), "edge.listen") as reserved:
        port = reserved.getsockname()[1]
        text = with_listen(load_settings(None, {}, {}), "edge", Address(LOOPBACK, port))
    assert f'listen = "{LOOPBACK}:{port}"' in text
    with pytest.raises(StartError, match=r"cannot listen on 203\.0\.113\.1:1"):
        reserve(Address("203.0.113.1", 1), "edge.listen")

"""The relays as real processes: signals, memory, other people's programs, many bots."""

import asyncio
import contextlib
import os
import re
import shutil
import signal
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from fleet.address import Address
from games.pko.sim.options import PlayerOptions
from tests.relays import LOOPBACK, echo, free_port, running_origin
from tidegate.children import Child
from tidegate.sim.bots import BotFleet, FleetOptions
from tidegate.sim.server import SimServer

ANY_PORT = f"{LOOPBACK}:0"
FRAME = b"\x00\x05abc"


@asynccontextmanager
async def child(*arguments: str) -> AsyncIterator[tuple[Child, Address]]:
    """A running ``tidegate ARGUMENTS`` and the first address it says it is ready at."""
    process = Child(arguments[0])
    try:
        yield process, await process.start(*arguments, "--log-format", "json")
    finally:
        await process.stop()


@asynccontextmanager
async def edge_and_core(port: int, *drain: str) -> AsyncIterator[tuple[Child, Child, Address]]:
    """An edge and a core as two processes without any file, and where players connect."""
    game = ("--listen", ANY_PORT, "--game", "echo", "--origin", f"{LOOPBACK}:{port}")
    async with (
        child("core", *game, *drain) as (core, tunnels),
        child("edge", "--listen", ANY_PORT, "--core", str(tunnels), *drain) as (edge, players),
    ):
        yield edge, core, players


async def say(streams: tuple[asyncio.StreamReader, asyncio.StreamWriter]) -> None:
    """One question and its answer: the session is up."""
    streams[1].write(FRAME)
    assert await streams[0].readexactly(len(FRAME)) == FRAME


@pytest.mark.skipif(not hasattr(os, "SCHED_BATCH"), reason="Linux only")
async def test_a_relays_threads_are_scheduled_in_batches() -> None:
    async with running_origin(echo) as port, edge_and_core(port) as (edge, core, _):
        for relay in (edge, core):
            threads = [int(name) for name in os.listdir(f"/proc/{relay.pid}/task")]
            others = [thread for thread in threads if os.sched_getscheduler(thread) != os.SCHED_BATCH]
            assert len(others) == 1, "all but the writer of the log, which starts first"
            assert relay.pid not in others


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("who", ["edge", "core"])
async def test_the_first_signal_drains(who: str, number: signal.Signals) -> None:
    async with running_origin(echo) as port, edge_and_core(port) as (edge, core, players):
        old = await asyncio.open_connection(players.host, players.port)
        await say(old)
        leaving = edge if who == "edge" else core
        leaving.send_signal(number)
        async with asyncio.timeout(5):
            while not await is_refused(players):
                pass
        await say(old)
        old[1].close()
        assert await leaving.wait() == 0


async def is_refused(players: Address) -> bool:
    """Whether a new player gets no session: by the system, or by a notice and a closed connection."""
    answer = b""
    with contextlib.suppress(ConnectionError):
        reader, writer = await asyncio.open_connection(players.host, players.port)
        writer.write(FRAME)
        try:
            answer = await reader.read(100)
        finally:
            writer.close()
    return answer != FRAME


@pytest.mark.parametrize("who", ["edge", "core"])
async def test_at_the_deadline_the_rest_is_ended(who: str) -> None:
    drain = ("--set", "edge.drain_seconds=0.1", "--set", "core.drain_seconds=0.1")
    async with running_origin(echo) as port, edge_and_core(port, *drain) as (edge, core, players):
        reader, writer = await asyncio.open_connection(players.host, players.port)
        await say((reader, writer))
        leaving = edge if who == "edge" else core
        leaving.send_signal(signal.SIGTERM)
        assert b"taken out of service" in await reader.read()
        writer.close()
        assert await leaving.wait() == 0


@pytest.mark.parametrize("who", ["edge", "core"])
async def test_the_second_signal_exits_at_once(who: str) -> None:
    async with running_origin(echo) as port, edge_and_core(port) as (edge, core, players):
        streams = await asyncio.open_connection(players.host, players.port)
        await say(streams)
        leaving = edge if who == "edge" else core
        leaving.send_signal(signal.SIGTERM)
        async with asyncio.timeout(5):
            while not await is_refused(players):
                pass
        leaving.send_signal(signal.SIGTERM)
        async with asyncio.timeout(2):
            assert await leaving.wait() == 128 + signal.SIGTERM
        streams[1].close()


async def run_to_the_end(*arguments: str) -> tuple[int, str]:
    """Run ``tidegate ARGUMENTS`` that ends by itself; return its exit status and standard error."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tidegate", *arguments, stderr=asyncio.subprocess.PIPE
    )
    _, error = await process.communicate()
    assert process.returncode is not None
    return process.returncode, error.decode()


@pytest.mark.parametrize("command", ["up", "edge", "core"])
async def test_a_port_in_use_is_said_in_a_sentence(command: str) -> None:
    async with running_origin(echo) as port:
        status, error = await run_to_the_end(command, "--listen", f"{LOOPBACK}:{port}")
    assert status == 2
    assert f"cannot listen on {LOOPBACK}:{port}: Address already in use" in error
    assert "Traceback" not in error


async def test_an_edge_without_a_core_says_so_once_and_can_be_stopped() -> None:
    edge = Child("edge")
    starting = asyncio.create_task(edge.start("edge", "--listen", ANY_PORT, "--core", f"{LOOPBACK}:{free_port()}"))
    async with asyncio.timeout(10):
        while "core_away" not in edge.last_words:  # noqa: ASYNC110 - it is another process
            await asyncio.sleep(0.01)
    edge.send_signal(signal.SIGTERM)
    assert await edge.wait() == 0
    assert edge.last_words.count("core_away") == 1
    await asyncio.gather(starting, return_exceptions=True)
    await edge.stop()


async def test_bots_through_up_lose_nothing() -> None:
    """A short form of the half minute with 500 bots that a release is judged by."""
    server = SimServer(Address(LOOPBACK, 0))
    origin = await server.start()
    async with child("up", "--game", "pko", "--listen", ANY_PORT, "--origin", str(origin)) as (_, players):
        player = PlayerOptions(account=b"bot", play_seconds=4.0)
        result = await BotFleet([players], FleetOptions(bots=200, player=player)).run()
    await server.stop()
    assert result.outcomes == {"ok": 200}
    assert result.is_clean
    ledger = server.world.report()["ledger"]
    assert isinstance(ledger, dict)
    assert (ledger["lost"], ledger["doubled"], ledger["reordered"]) == (0, 0, 0)
    assert ledger["received"] > 200 * 4


async def test_redis_benchmark_runs_through_raw(tmp_path: Path) -> None:
    server_program, benchmark = shutil.which("redis-server"), shutil.which("redis-benchmark")
    assert server_program, "redis-server is missing: 'make programs' says how to install it"
    assert benchmark, "redis-benchmark is missing: 'make programs' says how to install it"
    port = free_port()
    bare = ("--bind", LOOPBACK, "--save", "", "--appendonly", "no", "--dir", str(tmp_path))
    redis = await asyncio.create_subprocess_exec(
        server_program, "--port", str(port), *bare, stdout=asyncio.subprocess.DEVNULL
    )
    try:
        await accepts(Address(LOOPBACK, port))
        async with child("up", "--game", "raw", "--listen", ANY_PORT, "--origin", f"{LOOPBACK}:{port}") as (_, players):
            load = ("-c", "50", "-n", "100000", "-t", "set,get", "-P", "16", "-q")
            running = await asyncio.create_subprocess_exec(
                benchmark, "-h", players.host, "-p", str(players.port), *load,
                stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
            )  # fmt: skip
            output, _ = await running.communicate()
    finally:
        redis.terminate()
        await redis.wait()
    assert running.returncode == 0
    text = output.decode()
    assert re.search(r"SET: [\d.]+ requests per second", text)
    assert re.search(r"GET: [\d.]+ requests per second", text)
    assert "rror" not in text


async def accepts(address: Address) -> None:
    """Wait until somebody listens."""
    async with asyncio.timeout(10):
        while True:
            try:
                _, writer = await asyncio.open_connection(address.host, address.port)
            except ConnectionRefusedError:
                await asyncio.sleep(0.01)
            else:
                writer.close()
                return


def resident_kibibytes(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    found = re.search(r"VmRSS:\s+(\d+) kB", status)
    assert found
    return int(found[1])


async def test_a_slow_reader_costs_no_memory_and_no_time() -> None:
    """The server floods a client that reads nothing; the relays stay as they are, another player too."""
    flooding = asyncio.Event()
    written = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal written
        if await reader.readexactly(5) != b"\x00\x05all":
            writer.write(FRAME)
            await echo(reader, writer)
            return
        flooding.set()
        while True:
            writer.write(b"\x03\xf0" + bytes(1006))
            await writer.drain()
            written += 1008

    async with running_origin(serve) as port, edge_and_core(port) as (edge, core, players):
        playing = await asyncio.open_connection(players.host, players.port)
        await say(playing)
        alone = await round_trip(playing)
        before = {each.pid: resident_kibibytes(each.pid) for each in (edge, core)}
        slow = [await asyncio.open_connection(players.host, players.port) for _ in range(4)]
        for _, writer in slow:
            writer.write(b"\x00\x05all")
        await flooding.wait()
        beside = await round_trip(playing)
        last = -1
        while last != written:  # until nobody takes a byte any more
            last = written
            await round_trip(playing)
        after = {each.pid: resident_kibibytes(each.pid) for each in (edge, core)}
        for _, writer in slow:
            writer.transport.abort()
        playing[1].close()
    # Sixteen times over what a window holds would be 4 sessions × 16 × 256 KiB; what is allowed is one read and
    # one window for each, and what the allocator rounds up.
    assert all(after[pid] - before[pid] < 4 * 1024 + 4096 for pid in before)
    assert beside < alone * 20 + 0.25  # not a measurement: only that nobody waits for the slow ones


async def round_trip(streams: tuple[asyncio.StreamReader, asyncio.StreamWriter]) -> float:
    """The median of some round trips, in seconds."""
    times = []
    for _ in range(50):
        start = time.perf_counter()
        await say(streams)
        times.append(time.perf_counter() - start)
    return sorted(times)[25]

"""Edges and cores as real processes that find one another in a real Consul.

``python -m tests.test_discovery 300`` takes Consul away for five minutes, and says what players noticed.
"""

import asyncio
import contextlib
import signal
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from fleet.address import Address
from tests.consul_server import ConsulServer, consul_server
from tests.relays import LOOPBACK, echo, free_port, running_origin
from tests.test_processes import FRAME, child, say
from tidegate.children import Child, ChildError
from tidegate.running import find_running

pytestmark = pytest.mark.timeout(120)  # each starts several processes

ANY_PORT = f"{LOOPBACK}:0"
SERVING = ("passing", "serving")


@pytest.fixture
def consul() -> Iterator[ConsulServer]:
    with consul_server() as server:
        yield server


def by_consul(consul: ConsulServer, *settings: str) -> tuple[str, ...]:
    chosen = ("discovery.kind=consul", f"discovery.consul_address={consul.address}", *settings)
    return tuple(word for setting in chosen for word in ("--set", setting))


@asynccontextmanager
async def core(consul: ConsulServer, origin: int, name: str, *settings: str) -> AsyncIterator[tuple[Child, Address]]:
    words = ("--listen", ANY_PORT, "--game", "echo", "--origin", f"{LOOPBACK}:{origin}", "--name", name)
    async with child("core", *words, *by_consul(consul, *settings)) as running:
        yield running


@asynccontextmanager
async def edge(consul: ConsulServer, *settings: str) -> AsyncIterator[tuple[Child, Address]]:
    words = ("--listen", ANY_PORT, "--name", "edge-1", *by_consul(consul, "edge.drain_seconds=0.1", *settings))
    async with child("edge", *words) as running:
        yield running


def statuses(consul: ConsulServer, role: str) -> dict[str, tuple[str, str]]:
    """The relays of a role by name: the status of their check and what it says."""
    found: dict[str, tuple[str, str]] = {}
    for entry in consul.ask("GET", f"/v1/health/service/tidegate-{role}"):
        check = next(each for each in entry["Checks"] if each["ServiceID"])
        found[entry["Service"]["Meta"]["name"]] = (check["Status"], check["Output"])
    return found


def status(consul: ConsulServer, name: str) -> tuple[str, str]:
    """One relay's check; two empty texts while it is not registered."""
    return statuses(consul, name.partition("-")[0]).get(name, ("", ""))


async def until(is_so: Callable[[], bool], seconds: float) -> float:
    """Wait until it is so; return how long that took."""
    clock = asyncio.get_running_loop().time
    began = clock()
    async with asyncio.timeout(seconds):
        while not is_so():  # noqa: ASYNC110 - what other processes do has no event
            await asyncio.sleep(0.02)
    return clock() - began


async def play(players: Address) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    streams = await asyncio.open_connection(players.host, players.port)
    await say(streams)
    return streams


async def first_to_get_in(players: Address, seconds: float) -> float:
    """Try until a new player gets a session; return how long that took."""
    clock = asyncio.get_running_loop().time
    began = clock()
    async with asyncio.timeout(seconds):
        while True:
            with contextlib.suppress(ConnectionError, TimeoutError):  # who came in by a core as it died is held
                reader, writer = await asyncio.open_connection(players.host, players.port)
                try:
                    writer.write(FRAME)
                    async with asyncio.timeout(1):
                        if await reader.read(len(FRAME)) == FRAME:
                            return clock() - began
                finally:
                    writer.close()


async def test_cores_come_drain_and_die_and_players_find_one_that_serves(consul: ConsulServer) -> None:
    async with (
        running_origin(echo) as origin,
        core(consul, origin, "core-1") as (first, _),
        edge(consul) as (_, players),
    ):
        old = await play(players)
        await until(lambda: status(consul, "edge-1") == SERVING, 5)

        async with core(consul, origin, "core-2", "core.drain_seconds=5") as (second, _):
            await until(lambda: len(statuses(consul, "core")) == 2, 5)
            second.send_signal(signal.SIGTERM)  # nobody plays there, so it ends at once, and takes itself out
            assert await second.wait() == 0
            assert statuses(consul, "core") == {"core-1": SERVING}

        first.send_signal(signal.SIGTERM)
        await until(lambda: status(consul, "core-1") == ("critical", "draining"), 5)
        await say(old)
        async with core(consul, origin, "core-3"):
            await first_to_get_in(players, 10)
            await say(old)
            old[1].close()
            assert await first.wait() == 0
            assert list(statuses(consul, "core")) == ["core-3"]


async def test_a_killed_core_is_critical_within_its_time_and_costs_nobody_else(consul: ConsulServer) -> None:
    async with (
        running_origin(echo) as origin,
        core(consul, origin, "core-1") as (first, _),
        core(consul, origin, "core-2"),
        edge(consul) as (_, players),
    ):
        await until(lambda: len(statuses(consul, "core")) == 2, 5)
        first.send_signal(signal.SIGKILL)
        await first_to_get_in(players, 10)
        await until(lambda: status(consul, "core-1")[0] == "critical", 10)
        assert status(consul, "core-1")[1].startswith("TTL expired")


async def test_a_core_is_critical_while_its_game_server_is_away(consul: ConsulServer) -> None:
    origin = free_port()
    async with core(consul, origin, "core-1", "core.origin_check_seconds=0.2"):
        await until(lambda: status(consul, "core-1")[0] == "critical", 5)
        assert "the game server does not answer" in status(consul, "core-1")[1]
        server = await asyncio.start_server(lambda _, writer: writer.close(), LOOPBACK, origin)
        await until(lambda: status(consul, "core-1") == SERVING, 5)
        server.close()
        await until(lambda: status(consul, "core-1")[0] == "critical", 5)


async def test_an_edge_is_critical_while_it_has_no_core(consul: ConsulServer, tmp_path: Path) -> None:
    cache = f"edge.policy_cache={tmp_path / 'policy'}"
    async with running_origin(echo) as origin, core(consul, origin, "core-1") as (first, _), edge(consul, cache):
        await until(lambda: status(consul, "edge-1") == SERVING, 5)
        first.send_signal(signal.SIGKILL)
        await until(lambda: status(consul, "edge-1") == ("critical", "no core is attached"), 5)


async def test_an_edge_serves_from_its_disk_while_consul_is_away(consul: ConsulServer, tmp_path: Path) -> None:
    cache = f"discovery.cache_file={tmp_path / 'fleet'}"
    async with running_origin(echo) as origin, core(consul, origin, "core-1"):
        async with edge(consul, cache) as (_, players):
            (await play(players))[1].close()
        await until((tmp_path / "fleet.cores").exists, 5)
        consul.stop()
        async with edge(consul, cache) as (restarted, players):
            streams = await play(players)
            await until(lambda: "consul_away" in restarted.last_words, 5)
            consul.start()
            await until(
                lambda: {**statuses(consul, "core"), **statuses(consul, "edge")}.keys() == {"core-1", "edge-1"}, 10
            )
            await say(streams)
            streams[1].close()


@dataclass
class Outage:
    """What an absence of Consul was like."""

    answers: int = 0
    newcomers: int = 0
    back_after_seconds: float = 0.0


async def take_consul_away(seconds: float) -> Outage:
    """Stop the agent and start it empty, while one player plays and another comes in every half second."""
    seen = Outage()
    with consul_server() as consul:
        async with (
            running_origin(echo) as origin,
            core(consul, origin, "core-1"),
            core(consul, origin, "core-2"),
            edge(consul) as (_, players),
        ):
            old = await play(players)
            await until(lambda: len(consul.services()) == 3, 5)
            consul.stop()
            clock = asyncio.get_running_loop().time
            over = clock() + seconds
            while clock() < over:
                await say(old)
                streams = await play(players)
                streams[1].close()
                seen.answers, seen.newcomers = seen.answers + 1, seen.newcomers + 1
                await asyncio.sleep(0.5)
            consul.start()
            seen.back_after_seconds = await until(lambda: len(consul.services()) == 3, 30)
            await say(old)
            (await play(players))[1].close()
            await until(lambda: all(each == SERVING for each in statuses(consul, "core").values()), 5)
            old[1].close()
    return seen


async def test_nobody_notices_that_consul_is_away_and_comes_back_empty() -> None:
    seen = await take_consul_away(8)
    assert seen.newcomers > 5
    assert seen.back_after_seconds < 10


async def test_an_upgraded_edge_stays_registered_and_keeps_its_cores(consul: ConsulServer) -> None:
    async with running_origin(echo) as origin, core(consul, origin, "core-1"), edge(consul) as (process, players):
        streams = await play(players)
        await until(lambda: status(consul, "edge-1") == SERVING, 5)
        seen: list[int] = []
        process.send_signal(signal.SIGUSR2)

        def has_ended() -> bool:
            seen.append(len(statuses(consul, "edge")))
            return process._running().returncode is not None

        await until(has_ended, 30)
        await until(lambda: status(consul, "edge-1") == SERVING, 5)
        assert set(seen) == {1}
        await say(streams)
        (await play(players))[1].close()
        streams[1].close()
        successor = find_running("edge", players)  # it holds the pipes of the process that was started here
        successor.tell(signal.SIGTERM)
        await until(lambda: not successor.is_alive, 10)


async def test_workers_register_one_by_one(consul: ConsulServer) -> None:
    async with running_origin(echo) as origin, core(consul, origin, "core-1", "core.workers=2"):
        entries = "/v1/health/service/tidegate-core"
        await until(lambda: len(consul.ask("GET", entries)) == 2, 5)
        services = [entry["Service"] for entry in consul.ask("GET", entries)]
        assert len({service["Port"] for service in services}) == 1
        assert {service["ID"].rpartition(":")[2] for service in services} == {"1", "2"}


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (
            ("core.listen=0.0.0.0:0", "tls.insecure=true"),
            "which is no address for others: say by which they reach this relay",
        ),
        (("discovery.consul_token_file=/nowhere/token",), "/nowhere/token cannot be read: No such file"),
        (("discovery.consul_authority_file=/dev/null",), "token or certificates cannot be used"),
    ],
)
async def test_what_cannot_work_is_said_at_the_start(settings: tuple[str, ...], said: str) -> None:
    words = (word for setting in ("discovery.kind=consul", *settings) for word in ("--set", setting))
    process = Child("core")
    with pytest.raises(ChildError, match=said):
        await process.start("core", "--set", f"core.listen={ANY_PORT}", "--game", "echo", *words)
    assert await process.wait() == 2


if __name__ == "__main__":
    print(asyncio.run(take_consul_away(float(sys.argv[1]))))

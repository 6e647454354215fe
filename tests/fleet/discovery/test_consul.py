"""Discovery against a real agent: what is registered is found, and an agent that fails costs nobody anything."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from fleet.address import Address
from fleet.discovery.consul_client import ConsulConfig
from fleet.discovery.consul_discovery import ConsulDiscovery, Look
from fleet.discovery.metadata import Wanted
from fleet.health import Health
from fleet.records import Found, Record
from tests.consul_server import LOOPBACK, MANAGEMENT_TOKEN, ConsulServer, consul_server

pytestmark = pytest.mark.timeout(60)

SOON_SECONDS = 3.0
"""A change is known within a second where there is time for it; these tests run beside others."""


@pytest.fixture
def consul() -> Iterator[ConsulServer]:
    with consul_server() as server:
        yield server


@dataclass
class Relay:
    """One relay's discovery, what it says of itself, and what it was told."""

    record: Record | None
    told: list[Found] = field(default_factory=list)
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    discovery: ConsulDiscovery | None = None

    def tell(self, found: Found) -> None:
        self.told.append(found)
        self.changed.set()

    @property
    def found(self) -> Found:
        assert self.discovery is not None
        return self.discovery.found["core"]

    async def until(self, is_so: Callable[[Found], bool], seconds: float = 10.0) -> float:
        """Wait until what is found is so; return how long that took."""
        began = time.monotonic()
        async with asyncio.timeout(seconds):
            while not is_so(self.found):
                self.changed.clear()
                await self.changed.wait()
        return time.monotonic() - began


def core(number: int, **changed: object) -> Record:
    address = Address("10.0.0.1", 7400 + number)
    record = Record("core", f"core-{number}", address, "eu", "0.1.0", 3, "pko", 1000)
    return replace(record, **changed)  # type: ignore[arg-type]


@contextlib.asynccontextmanager
async def running(
    consul: ConsulServer, record: Record | None, *, cache: str = "", config: ConsulConfig | None = None, worker: int = 1
) -> AsyncIterator[Relay]:
    relay = Relay(record)
    config = config or ConsulConfig(Address(LOOPBACK, consul.port))
    looks = {"core": Look(Wanted("core", "pko", 3), relay.tell)}
    relay.discovery = ConsulDiscovery(config, "tidegate", cache, looks, lambda: relay.record, worker)  # type: ignore[arg-type]
    relay.discovery.recall()
    task = asyncio.create_task(relay.discovery.run())
    try:
        yield relay
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def until(is_so: Callable[[], bool], seconds: float = 15.0) -> float:
    began = time.monotonic()
    async with asyncio.timeout(seconds):
        while not is_so():  # noqa: ASYNC110 - what the agent does has no event
            await asyncio.sleep(0.02)
    return time.monotonic() - began


def names(found: Found) -> list[str]:
    return [record.name for record in found.records]


def problems(told: Sequence[Found]) -> set[str]:
    """What kept any relay from serving in any answer."""
    return {problem for found in told for record in found.records for problem in record.health.problems}


def is_fresh(*wanted: str) -> Callable[[Found], bool]:
    """These, all of which serve by now: who has only just registered does not yet."""

    def holds(found: Found) -> bool:
        serve = all(record.health.is_serving for record in found.records)
        return names(found) == list(wanted) and serve and not found.is_stale

    return holds


async def test_every_change_is_told_soon(consul: ConsulServer) -> None:
    async with running(consul, core(1)) as first, running(consul, core(2)) as second:
        await first.until(is_fresh("core-1", "core-2"))
        assert first.found.records == (core(1), core(2))
        async with running(consul, core(3)) as third:
            await first.until(is_fresh("core-1", "core-2", "core-3"), SOON_SECONDS)

            third.record = core(3, health=Health(("the game server does not answer",)))
            await first.until(lambda found: found.records == (core(1), core(2), third.record), SOON_SECONDS)

            third.record = core(3)
            await first.until(lambda found: found.records[2].health.is_serving, SOON_SECONDS)

            third.record = core(3, health=Health(is_draining=True))
            await first.until(lambda found: found.records[2].health.is_draining, SOON_SECONDS)
        await first.until(is_fresh("core-1", "core-2"), SOON_SECONDS)
        await second.until(is_fresh("core-1", "core-2"), SOON_SECONDS)
    assert consul.services() == {}


async def test_who_says_nothing_any_more_is_critical_in_five_seconds(consul: ConsulServer) -> None:
    async with running(consul, core(1)) as first, running(consul, core(2)) as second:
        await first.until(is_fresh("core-1", "core-2"))
        second.record = None  # as if another process had taken it over: it leaves without a word
        await first.until(lambda found: not found.records[1].health.is_serving, 8.0)
        assert first.found.records[1].health.problems[0].startswith("Consul does not hear from it: TTL expired")
        (check,) = [
            each for each in consul.ask("GET", "/v1/health/checks/tidegate-core") if "core-2" in each["ServiceID"]
        ]
        assert check["Status"] == "critical"


async def test_sessions_are_told_now_and_then(consul: ConsulServer) -> None:
    async with running(consul, core(1)) as relay:
        await relay.until(is_fresh("core-1"))
        relay.record = core(1, sessions=400)
        seconds = await relay.until(lambda found: found.records[0].sessions == 400)
        told = len(relay.told)
        relay.record = core(1, sessions=401)
        assert seconds > 3.0
        await asyncio.sleep(0.5)
        assert len(relay.told) == told


async def test_workers_register_each_and_are_found_as_one(consul: ConsulServer) -> None:
    async with running(consul, core(1), worker=1) as first, running(consul, core(1), worker=2) as second:
        await first.until(lambda found: [record.capacity for record in found.records] == [2000])
        second.record = core(1, health=Health(("it hangs",)))
        checks = "/v1/health/checks/tidegate-core"

        def is_told() -> bool:  # at first, each is critical until it has said that it is well
            statuses = {each["ServiceID"].rpartition(":")[2]: each["Status"] for each in consul.ask("GET", checks)}
            return statuses == {"1": "passing", "2": "critical"}

        await until(is_told)
        await first.until(lambda found: [record.health.is_serving for record in found.records] == [True])


async def test_an_agent_that_is_away_and_comes_back_empty_loses_nobody(consul: ConsulServer) -> None:
    with capture_logs() as logs:
        async with running(consul, core(1)) as first, running(consul, core(2)) as second:
            await first.until(is_fresh("core-1", "core-2"))
            await second.until(is_fresh("core-1", "core-2"))
            consul.stop()
            await first.until(lambda found: found.is_stale)
            assert first.found.problem.startswith(f"Consul: 127.0.0.1:{consul.port}: ")
            assert first.discovery is not None
            assert 0 <= time.time() - first.discovery.since_seconds < 2
            told = [len(each.told) for each in (first, second)]
            await asyncio.sleep(10)
            consul.start()
            assert await until(lambda: len(consul.services()) == 2) < 10.0
            await first.until(is_fresh("core-1", "core-2"))
            await second.until(is_fresh("core-1", "core-2"))
            assert first.discovery.problem == ""
            assert first.discovery.since_seconds == 0
            for found in (*first.told[told[0] :], *second.told[told[1] :]):
                assert names(found) == ["core-1", "core-2"]
            assert problems([*first.told[told[0] :], *second.told[told[1] :]]) == set()
    events = [log["event"] for log in logs]
    assert events.count("consul_away") == events.count("consul_back") == 2  # once for each of the two


async def test_an_agent_that_hangs_stalls_nothing_and_expires_nobody(consul: ConsulServer) -> None:
    async with running(consul, core(1)) as first, running(consul, core(2)) as second:
        await first.until(is_fresh("core-1", "core-2"))
        await second.until(is_fresh("core-1", "core-2"))
        before = len(first.told)
        consul.freeze()
        await first.until(lambda found: found.is_stale, 6.0)
        assert "no answer in 2 s" in first.found.problem
        await asyncio.sleep(4)  # all checks run out meanwhile, and the agent finds that when it wakes
        consul.thaw()
        await first.until(is_fresh("core-1", "core-2"), 20.0)
        await second.until(is_fresh("core-1", "core-2"), 20.0)
        assert problems(first.told[before:]) == set()


async def test_a_relay_ends_in_time_while_the_agent_hangs(consul: ConsulServer) -> None:
    async with running(consul, core(1)) as relay:
        await relay.until(is_fresh("core-1"))
        consul.freeze()
        began = time.monotonic()
    assert time.monotonic() - began < 2.0


async def test_garbage_beside_us_is_ignored_with_a_reason(consul: ConsulServer) -> None:
    services: tuple[dict[str, object], ...] = (
        {"Meta": {}},
        {"Meta": {"role": "core", "name": "x" * 300}},
        {"Meta": {"role": "core", "name": "other", "protocol": "3", "game": "echo"}, "Port": 5},
        {"Meta": {"role": "core", "name": "old", "protocol": "2", "game": "pko"}, "Port": 6},
        {"Meta": {"role": "core", "name": "portless", "protocol": "3", "game": "pko"}},
        {"Meta": {"role": "core", "name": "core-1", "protocol": "3", "game": "pko"}, "Port": 9},
    )
    for number, service in enumerate(services):
        body = {"ID": f"odd-{number}", "Name": "tidegate-core", "Address": "10.0.0.7", **service}
        consul.ask("PUT", "/v1/agent/service/register", body)
    async with running(consul, core(1)) as relay:
        await relay.until(lambda found: found.records == (core(1),))
        assert sorted(each.reason for each in relay.found.ignored) == [
            "it speaks protocol version 2, this relay 3",
            "its game is echo, not pko",
            "its metadata is not Tidegate's",
            f"its name '{'x' * 60}…' is not 1 to 64 letters, digits, dots, dashes or underscores",
            "its name core-1 is that of the core at 10.0.0.1:7401, too",
            "its port is 0, where nobody can connect",
        ]


async def test_without_a_token_nothing_is_found_and_nothing_lost(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("")
    with consul_server(has_acls=True) as consul:
        address = Address(LOOPBACK, consul.port)
        good = ConsulConfig(address, token=MANAGEMENT_TOKEN)
        async with running(consul, core(1), config=good) as first:
            await first.until(is_fresh("core-1"))
            async with running(consul, core(2), config=ConsulConfig(address, token_file=str(token))) as second:
                await second.until(lambda found: "403" in found.problem or "Permission denied" in found.problem)
                assert second.found.records == ()
                assert second.found.is_stale
                token.write_text(f"{MANAGEMENT_TOKEN}\n")  # read anew without a restart
                await second.until(is_fresh("core-1", "core-2"))
                await first.until(is_fresh("core-1", "core-2"))


async def test_a_token_that_ceases_to_work_loses_nobody(tmp_path: Path) -> None:
    with consul_server(has_acls=True) as consul:
        rules = 'service_prefix "" { policy = "write" } node_prefix "" { policy = "read" }'
        policy = consul.ask("PUT", "/v1/acl/policy", {"Name": "relays", "Rules": rules})
        ours = consul.ask("PUT", "/v1/acl/token", {"Policies": [{"ID": policy["ID"]}]})
        config = ConsulConfig(Address(LOOPBACK, consul.port), token=ours["SecretID"])
        async with running(consul, core(1), config=config) as relay:
            await relay.until(is_fresh("core-1"))
            consul.ask("DELETE", f"/v1/acl/token/{ours['AccessorID']}")
            await relay.until(lambda found: found.is_stale, 20.0)
            assert names(relay.found) == ["core-1"]


async def test_what_is_on_disk_is_used_while_the_agent_is_away(consul: ConsulServer, tmp_path: Path) -> None:
    cache = str(tmp_path / "fleet")
    async with running(consul, core(1), cache=cache) as relay:
        await relay.until(is_fresh("core-1"))
    assert (tmp_path / "fleet.cores").exists()
    consul.stop()
    async with running(consul, core(2), cache=cache) as relay:
        assert names(relay.told[0]) == ["core-1"]
        await relay.until(lambda found: "refused" in found.problem)
        assert relay.found.records == (replace(core(1), sessions=0),)
        assert relay.found.is_stale
        assert 0 <= time.time() - relay.found.since_seconds < 10
        consul.start()
        await relay.until(lambda found: "core-2" in names(found))
        assert names(relay.found) == ["core-1", "core-2"]  # it may only be late in coming back
        await relay.until(is_fresh("core-2"), 15.0)


async def test_an_upgraded_relay_stays_registered(consul: ConsulServer) -> None:
    """A successor registers under the same id; the process before it leaves without taking it out."""
    async with running(consul, core(1)) as watcher:
        await watcher.until(is_fresh("core-1"))
        async with running(consul, core(2)) as before:
            await watcher.until(is_fresh("core-1", "core-2"))
            async with running(consul, core(2)) as after:
                await after.until(is_fresh("core-1", "core-2"))
                before.record = None
                told = len(watcher.told)
                await asyncio.sleep(1.5)
                assert all(names(found) == ["core-1", "core-2"] for found in watcher.told[told:])
                assert len(consul.services()) == 2

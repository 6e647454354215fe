"""The whole fleet as processes: three cores, three edges, a real Consul and a real Redis, with bots on all edges.

``python -m tests.live_fleet churn``  cores are killed, drained and added, edges added: who is lost, how soon one is in
``python -m tests.live_fleet away``   Consul and Redis are stopped, each and both, while an edge is started anew

The tests run each briefly. Everything listens on loopback and ends with this process.
"""

import argparse
import asyncio
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random

from fleet.address import Address
from tests.consul_server import ConsulServer, consul_server
from tests.fleet_features import next_opcode
from tests.live_run import ANY_PORT, LOOPBACK, PLAYER, Bots, RelayLog, until
from tests.redis_server import RedisServer, redis_server
from tidegate.children import Child
from tidegate.sim.server import SimServer

PATIENT = replace(PLAYER, answer_seconds=30.0)
"""Bots have patience: cores and edges start while they log in."""

NEWCOMER_SECONDS = 1.0
"""After a change, who connects must be in the hands of a healthy core within this time."""

PROBE_SECONDS = 0.05
SERVERS_GREETING = 940
FEATURES = "[bans]\n[presence]\n"


@dataclass
class Relay:
    """One process of ours, where it listens, and what it was started with."""

    role: str
    name: str
    child: Child
    address: Address
    log: RelayLog
    flags: tuple[str, ...]
    is_gone: bool = False


@dataclass
class LiveFleet:
    """Everything that runs.

    ``extra`` is said to every relay, such as where its certificates are, by role and name. With ``names_are_certified``
    they have their names and regions from those.
    """

    redis: RedisServer
    consul: ConsulServer
    origin: Address
    folder: Path
    stack: AsyncExitStack
    extra: Callable[[str, str], tuple[str, ...]] = lambda _role, _name: ()
    names_are_certified: bool = False
    cores: list[Relay] = field(default_factory=list)
    edges: list[Relay] = field(default_factory=list)

    @property
    def live_cores(self) -> list[Relay]:
        """Cores that take players."""
        return [each for each in self.cores if not each.is_gone]

    async def add_core(self) -> Relay:
        """Start a further core."""
        name = f"core-{len(self.cores) + 1}"
        flags = (
            *("--game", "pko", "--origin", str(self.origin), *self._called(name, "eu")),
            *("--set", f"features.folder={self.folder / 'features'}", "--set", f"store.url={self.redis.url}"),
            *("--set", "core.drain_seconds=3600", *self._shared("core", name)),
        )
        self.cores.append(await self._start("core", name, ANY_PORT, flags))
        return self.cores[-1]

    async def add_edge(self) -> Relay:
        """Start a further edge."""
        name = f"edge-{len(self.edges) + 1}"
        flags = (
            *self._called(name, f"region-{len(self.edges) + 1}"),
            *("--set", "edge.hold_seconds=2"),
            *("--set", f"edge.policy_cache={self.folder / name}.policy", *self._shared("edge", name)),
            *("--set", f"edge.bans_cache={self.folder / name}.bans"),
        )
        self.edges.append(await self._start("edge", name, ANY_PORT, flags))
        return self.edges[-1]

    async def restart_edge(self, number: int) -> Relay:
        """Kill an edge and start it again where it was; it finds on its disk what it knew."""
        old = self.edges[number]
        old.child.send_signal(signal.SIGKILL)
        await old.child.wait()
        self.edges[number] = await self._start("edge", old.name, str(old.address), old.flags)
        return self.edges[number]

    def _called(self, name: str, region: str) -> tuple[str, ...]:
        return () if self.names_are_certified else ("--name", name, "--region", region)

    def _shared(self, role: str, name: str) -> tuple[str, ...]:
        return (
            *("--log-format", "json", "--set", "log.stats_seconds=1"),
            *("--set", "discovery.kind=consul", "--set", f"discovery.consul_address={self.consul.address}"),
            *("--set", f"discovery.cache_file={self.folder / name}.found"),
            *self.extra(role, name),
        )

    async def _start(self, role: str, name: str, listen: str, flags: tuple[str, ...]) -> Relay:
        log = RelayLog()
        child = Child(name, log.note)
        self.stack.push_async_callback(child.stop)
        address = await child.start(role, "--listen", listen, *flags)
        return Relay(role, name, child, address, log, flags)


@asynccontextmanager
async def running_fleet(
    cores: int = 3, edges: int = 3, extra: Callable[[str, str], tuple[str, ...]] = lambda _role, _name: ()
) -> AsyncIterator[LiveFleet]:
    """Start it all, and end it all."""
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tidegate-fleet-")))
        (folder / "features").mkdir()
        (folder / "features" / "features.toml").write_text(FEATURES)
        redis = stack.enter_context(redis_server())
        consul = stack.enter_context(consul_server())
        server = SimServer(Address(LOOPBACK, 0))
        origin = await server.start()
        stack.push_async_callback(server.stop)
        fleet = LiveFleet(redis, consul, origin, folder, stack, extra)
        for _ in range(cores):
            await fleet.add_core()
        for _ in range(edges):
            await fleet.add_edge()
        yield fleet


def bots_at(edges: Sequence[Relay], bots: int, first_number: int) -> Bots:
    """Have bots play at some edges; numbers tell their accounts apart."""
    return Bots([edge.address for edge in edges], bots, first_number, PATIENT)


class Newcomers:
    """Who connects to an edge again and again, and how long it took since a moment until the server greeted one."""

    def __init__(self, edge: Relay) -> None:
        self._edge = edge
        self.refused: Counter[str] = Counter()

    async def first_in(self, patience_seconds: float = 20.0) -> float:
        """Return after how many seconds from now the first one, who then connects, is greeted by the game server."""
        began = time.monotonic()
        async with asyncio.timeout(patience_seconds), asyncio.TaskGroup() as tasks:
            found: asyncio.Future[float] = asyncio.get_running_loop().create_future()
            trying: list[asyncio.Task[None]] = []
            while not found.done():
                trying.append(tasks.create_task(self._try(found, began)))
                await asyncio.wait({found}, timeout=PROBE_SECONDS)
            for each in trying:
                each.cancel()
        return found.result()

    async def _try(self, found: "asyncio.Future[float]", began: float) -> None:
        try:
            reader, writer = await asyncio.open_connection(self._edge.address.host, self._edge.address.port)
        except OSError as error:
            self.refused[str(error.strerror)] += 1
            return
        try:
            if await _first_opcode(reader) != SERVERS_GREETING:
                self.refused["told to come back"] += 1
            elif not found.done():
                found.set_result(time.monotonic() - began)
        except (asyncio.IncompleteReadError, ConnectionError):
            self.refused["closed without a word"] += 1
        finally:
            writer.close()


async def _first_opcode(reader: asyncio.StreamReader) -> int:
    """Read the first frame that is no keep-alive, and return its opcode."""
    while not (opcode := await next_opcode(reader)):
        pass
    return opcode


@dataclass
class Churned:
    """What a run of changes came to. Times in seconds, from each change to the slowest edge's first newcomer."""

    changes: Counter[str]
    slowest_seconds: float = 0.0
    slowest_change: str = ""
    turned_away: Counter[str] = field(default_factory=Counter)
    sessions_lost: int = 0
    sessions_of_killed_cores: int = 0
    ledger_is_clean: bool = True

    @property
    def went_well(self) -> bool:
        """Whether only killed cores' sessions were lost, nobody waited too long, and no frame went astray."""
        return (
            self.sessions_lost <= self.sessions_of_killed_cores
            and self.slowest_seconds <= NEWCOMER_SECONDS
            and self.ledger_is_clean
        )

    def __str__(self) -> str:
        changes = ", ".join(f"{count} times {what}" for what, count in sorted(self.changes.items()))
        return (
            f"changes: {changes}\nslowest newcomer: {self.slowest_seconds:.3f} s, after {self.slowest_change}\n"
            f"turned away meanwhile: {dict(self.turned_away)}\nsessions lost: {self.sessions_lost}, of which on killed "
            f"cores {self.sessions_of_killed_cores}\nledger clean: {self.ledger_is_clean}\nwent well: {self.went_well}"
        )


async def churn(bots: int, changes: int, seed: int, say: Callable[[str], None] = lambda _: None) -> Churned:
    """Kill, drain and add cores, and add edges, by chance, while bots play and new ones come."""
    random = Random(seed)
    async with running_fleet() as fleet:
        churned = Churned(Counter())
        playing = [bots_at(fleet.edges, bots, 1)]
        await playing[0].all_play()
        say(f"{bots} bots play")
        for number in range(changes):
            what = _next_change(random, fleet)
            churned.changes[what.partition(" ")[0]] += 1
            await _change(fleet, what, random)
            newcomers = [Newcomers(edge) for edge in fleet.edges]
            took = await asyncio.gather(*(each.first_in() for each in newcomers))
            for each in newcomers:
                churned.turned_away += each.refused
            if max(took) > churned.slowest_seconds:
                churned.slowest_seconds, churned.slowest_change = max(took), what
            playing.append(bots_at(fleet.edges, max(1, bots // 20), 10_000 * (number + 1)))
            await playing[-1].all_play()
            say(f"{number + 1} of {changes}: {what}; newcomers after {max(took):.3f} s")
        results = [await each.stop() for each in playing]
        churned.sessions_lost = sum(sum(result.outcomes.values()) - result.outcomes.get("ok", 0) for result in results)
        churned.sessions_of_killed_cores = sum(edge.log.sessions_lost for edge in fleet.edges)
        churned.ledger_is_clean = all(
            result.ledger.tally().doubled == result.ledger.tally().reordered == 0 for result in results
        )
        return churned


def _next_change(random: Random, fleet: LiveFleet) -> str:
    cores = len(fleet.live_cores)
    choices = ["add core"] if cores < 4 else []
    choices += ["kill core", "drain core"] if cores > 1 else []
    choices += ["add edge"] if len(fleet.edges) < 4 else []
    return random.choice(choices)


async def _change(fleet: LiveFleet, what: str, random: Random) -> None:
    match what:
        case "add core":
            await fleet.add_core()
        case "add edge":
            await fleet.add_edge()
        case _:
            core = random.choice(fleet.live_cores)
            core.is_gone = True
            core.child.send_signal(signal.SIGKILL if what == "kill core" else signal.SIGTERM)
            if what == "kill core":
                await core.child.wait()


async def take_away(bots: int, seconds: float, say: Callable[[str], None] = lambda _: None) -> dict[str, float]:
    """Stop Consul, then Redis, then both while an edge is started anew; returns how long it took to be whole again."""
    took: dict[str, float] = {}
    async with running_fleet() as fleet:
        playing = bots_at(fleet.edges[:2], bots, 1)
        await playing.all_play()
        await until(lambda: _all_are_registered(fleet), 20, "all are registered")
        say(f"{bots} bots play; Consul stops")
        fleet.consul.stop()
        await _wait_with_newcomers(fleet, seconds)
        fleet.consul.start()
        took["registrations are back"] = await until(lambda: _all_are_registered(fleet), 10, "all are registered again")
        say(f"registered again after {took['registrations are back']:.2f} s; Redis stops")
        fleet.redis.stop()
        await _wait_with_newcomers(fleet, seconds)
        fleet.redis.start()
        took["presence is back"] = await until(lambda: _are_present(fleet, bots), 20, "presence is whole again")
        say(f"presence whole after {took['presence is back']:.2f} s; both stop, and an edge is started anew")
        fleet.consul.stop()
        fleet.redis.stop()
        await fleet.restart_edge(2)
        took["the edge serves from its disk"] = await Newcomers(fleet.edges[2]).first_in()
        say(f"it serves from its disk after {took['the edge serves from its disk']:.2f} s")
        await _wait_with_newcomers(fleet, seconds)
        fleet.redis.start()
        fleet.consul.start()
        took["both are back"] = await until(lambda: _all_are_registered(fleet), 10, "all are registered again")
        await until(lambda: _are_present(fleet, bots), 20, "presence is whole again")
        result = await playing.stop()
        assert result.is_clean, result.outcomes
        took["round trip p99 of the bots"] = result.round_trips.percentile(99)
    return took


async def _wait_with_newcomers(fleet: LiveFleet, seconds: float) -> None:
    """Let the time pass, in which who comes is let in at every edge."""
    ends = time.monotonic() + seconds
    while True:
        for edge in fleet.edges:
            assert await Newcomers(edge).first_in() < NEWCOMER_SECONDS
        if time.monotonic() >= ends:
            return
        await asyncio.sleep(min(10.0, max(0.0, ends - time.monotonic())))


async def _all_are_registered(fleet: LiveFleet) -> bool:
    names = {each.name for each in (*fleet.cores, *fleet.edges) if not each.is_gone}
    found = set()
    for service in ("tidegate-core", "tidegate-edge"):
        with suppress(OSError):  # it does not answer yet
            entries = await asyncio.to_thread(fleet.consul.ask, "GET", f"/v1/health/service/{service}?passing=1")
            found |= {entry["Service"]["Meta"]["name"] for entry in entries or ()}
    return names <= found


async def _are_present(fleet: LiveFleet, count: int) -> bool:
    keys = fleet.redis.say("KEYS", "{tidegate}:owned:*:presence")
    owned = [part for part in keys.split(b"\r\n") if part.startswith(b"{")]
    sizes = [int(fleet.redis.say("HLEN", key).strip(b":\r\n")) for key in owned]
    return sum(sizes) == count


def main(arguments: list[str]) -> int:
    """Run one of them and print what it came to."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.live_fleet", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=("churn", "away"))
    parser.add_argument("--bots", type=int, default=300)
    parser.add_argument("--changes", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=300, help="how long Consul and Redis are away, each time")
    options = parser.parse_args(arguments)
    say: Callable[[str], None] = lambda text: print(text, flush=True)  # noqa: E731
    if options.what == "churn":
        churned = asyncio.run(churn(options.bots, options.changes, options.seed, say))
        print(churned)
        return 0 if churned.went_well else 1
    for what, seconds in asyncio.run(take_away(options.bots, options.seconds, say)).items():
        print(f"{seconds:8.3f} s  {what}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

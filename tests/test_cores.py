"""An edge and its cores, which come, go, drain and die in any order: who plays goes on, and who comes finds one."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from random import Random
from typing import Any

import pytest
from structlog.testing import capture_logs

from core.core import Core
from edge import cores as cores_module
from edge.core_choice import MAX_CORES, SeenCore
from edge.edge import Edge
from edge.edge_tunnel import EdgeTunnel
from fleet.address import Address
from fleet.health import Health
from fleet.records import Record
from games.registry import load_pack
from protos.tidegate.tunnel.v1 import tunnel_pb2
from tests.relays import LOOPBACK, Streams, core_config, edge_config, free_port, reset, running_core, running_origin
from wire.reasons import Reason, explain

SOON_SECONDS = 1.0
FRAME = b"\x00\x05abc"


async def until(condition: Callable[[], bool]) -> None:
    """Wait for what a relay does by itself."""
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - no event for it
            await asyncio.sleep(0.005)


@dataclass
class Place:
    """Where a core runs, or did: its address, and a game server of its own that says which one it is."""

    number: int
    port: int
    origin: int
    core: Core | None = None
    running: AsyncExitStack = field(default_factory=AsyncExitStack)
    draining: asyncio.Task[None] | None = None

    @property
    def address(self) -> str:
        return f"{LOOPBACK}:{self.port}"

    @property
    def takes_players(self) -> bool:
        return self.core is not None and self.draining is None

    def record(self, **more: Any) -> Record:
        return replace(Record("core", f"core-{self.number}", Address(LOOPBACK, self.port)), **more)

    async def start(self, *, game: str = "echo", max_sessions: int = 100) -> None:
        config = core_config(self.origin, port=self.port, drain_seconds=60, max_sessions=max_sessions)
        config = replace(config, name=f"core-{self.number}")
        self.core = await self.running.enter_async_context(running_core(config, load_pack(game)))

    async def start_somewhere(self) -> None:
        """Start again; elsewhere if a connection of somebody has the port by now."""
        try:
            await self.start()
        except OSError:
            self.port = free_port()
            await self.start()

    async def kill(self) -> None:
        if self.draining is not None:
            self.draining.cancel()
            await asyncio.gather(self.draining, return_exceptions=True)
        self.core, self.draining = None, None
        await self.running.aclose()
        self.running = AsyncExitStack()

    def drain(self) -> None:
        assert self.core is not None
        self.draining = asyncio.create_task(self.core.drain())


@dataclass
class Player:
    streams: Streams
    place: Place

    async def goes_on(self) -> bool:
        reader, writer = self.streams
        writer.write(FRAME)
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            async with asyncio.timeout(5):
                return await reader.readexactly(len(FRAME)) == FRAME
        return False

    async def is_told(self) -> str:
        with contextlib.suppress(ConnectionError):
            return (await self.streams[0].read()).decode(errors="replace")
        return "reset"


@dataclass
class Fleet:
    """An edge, and places for cores."""

    places: list[Place]
    edge: Edge
    opened: list[Streams] = field(default_factory=list)

    def tunnel_of(self, place: Place) -> EdgeTunnel | None:
        return next((each for each in self.edge.tunnels if each.core_name == f"core-{place.number}"), None)

    def is_attached(self, place: Place) -> bool:
        tunnel = self.tunnel_of(place)
        return tunnel is not None and tunnel.is_attached

    def seen(self, place: Place) -> SeenCore:
        (seen,) = (each for each in self.edge.cores_seen() if each.address == place.address)
        return seen

    async def attached(self, *places: Place) -> None:
        await until(lambda: all(map(self.is_attached, places)))

    async def connect(self) -> Streams:
        streams = await asyncio.open_connection(LOOPBACK, self.edge.address.port)
        self.opened.append(streams)
        return streams

    async def join(self) -> Player:
        """Come in, at once or in the next attempt, and soon."""
        async with asyncio.timeout(SOON_SECONDS):
            while True:
                streams = await self.connect()
                with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
                    greeting = await streams[0].readexactly(3)
                    if greeting[:2] == b"\x00\x03":
                        return Player(streams, self.places[greeting[2]])
                await asyncio.sleep(0.02)

    async def leave(self) -> None:
        for streams in self.opened:
            reset(streams)
        await until(lambda: not self.edge.connections)


@asynccontextmanager
async def fleet(
    *, cores: int = 3, static: tuple[int, ...] = (0, 1, 2), starts: tuple[int, ...] = (0, 1, 2)
) -> AsyncIterator[Fleet]:
    """``static`` are in the edge's settings, ``starts`` run from the beginning."""

    async def greet(number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"\x00\x03" + bytes([number]))
        while data := await reader.read(65536):
            writer.write(data)

    async with AsyncExitStack() as stack:
        places = []
        for number in range(cores):
            origin = await stack.enter_async_context(running_origin(partial(greet, number)))
            places.append(Place(number, free_port(), origin))
        for number in starts:
            await places[number].start()
        config = replace(edge_config(0), cores=tuple(places[each].address for each in static))
        edge = Edge(config)
        task = asyncio.create_task(edge.run())
        made = Fleet(places, edge)
        try:
            yield made
            await made.leave()
        finally:
            for streams in made.opened:
                reset(streams)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            for place in places:
                await place.kill()


async def test_cores_come_and_go_and_nobody_who_plays_notices() -> None:
    async with fleet(static=(0,)) as net:
        a, b, c = net.places
        await net.edge.wait_ready()
        first = await net.join()
        with capture_logs() as logs:
            net.edge.set_cores([b.record(), c.record()])
            second = await net.join()
            assert second.place is not a
            assert await first.goes_on()
            net.edge.set_cores([b.record(), c.record()])
            net.edge.set_cores([b.record(), a.record()])
            assert net.seen(a).is_wanted
            assert not any(each.address == c.address and each.is_wanted for each in net.edge.cores_seen())
            net.edge.set_cores([second.place.record()])
            third = await net.join()
        assert third.place is second.place
        added = [log["core"] for log in logs if log["event"] == "core_added"]
        removed = [log["core"] for log in logs if log["event"] == "core_removed"]
        assert added[:3] == [b.address, c.address, a.address]
        assert removed[:2] == [a.address, c.address]
        assert all([await each.goes_on() for each in (first, second, third)])
        first.streams[1].close()
        await until(lambda: len(net.edge.cores_seen()) == 1)
        assert a.core is not None
        await until(lambda: a.core is None or not a.core.service.tunnels)


async def test_an_edge_that_knows_no_core_waits_for_discovery() -> None:
    async with fleet(static=()) as net:
        assert not net.edge.cores_seen()
        net.edge.set_cores([net.places[1].record()])
        await net.edge.wait_ready()
        assert (await net.join()).place.number == 1


async def test_the_settings_order_counts_and_then_what_each_has_to_do() -> None:
    async with fleet() as net:
        a, b, c = net.places
        await net.edge.wait_ready()
        await net.attached(a, b, c)
        assert (await net.join()).place is a
        a.drain()
        tunnel = net.tunnel_of(a)
        assert tunnel is not None
        await until(lambda: tunnel.is_draining)
        second = await net.join()
        assert second.place is not a
        await second.place.kill()
        (third,) = {0, 1, 2} - {0, second.place.number}
        assert (await net.join()).place.number == third
        with capture_logs() as logs:
            await net.places[third].kill()
            assert explain(Reason.CORE_DRAINING) in await Player(await net.connect(), a).is_told()
            assert net.edge.health.problems == ("no core takes new players",)
            await second.place.start()
            assert (await net.join()).place is second.place
        assert any(log["event"] == "core_chosen" and log["to"] == second.place.address for log in logs)


async def test_a_core_with_problems_is_taken_when_there_is_no_other() -> None:
    async with fleet(cores=2, static=(0, 1), starts=(0, 1)) as net:
        a, b = net.places
        await net.edge.wait_ready()
        await net.attached(a, b)
        await until(lambda: all(net.seen(place).capacity for place in (a, b)))  # they have said how they are
        sick = tunnel_pb2.Load(sessions=0, max_sessions=100, problems=["its game server is away"])
        tunnel = net.tunnel_of(a)
        assert tunnel is not None
        tunnel.load = sick
        assert (await net.join()).place is b
        assert net.seen(a).problems == ("its game server is away",)
        await b.kill()
        tunnel.load = sick
        assert (await net.join()).place is a


async def test_a_full_core_takes_nobody_while_another_has_room_and_all_full_ones_refuse() -> None:
    async with fleet(cores=2, static=(0, 1), starts=()) as net:
        a, b = net.places
        for place in (a, b):
            await place.start(max_sessions=2)
        await net.attached(a, b)
        await until(lambda: all(net.seen(place).capacity for place in (a, b)))  # they have said how they are
        players = [await net.join() for _ in range(4)]  # in no time: no load is heard between them
        assert [player.place.number for player in players] == [0, 0, 1, 1]
        assert explain(Reason.SESSION_LIMIT) in await Player(await net.connect(), a).is_told()
        assert all([await player.goes_on() for player in players])


async def test_what_discovery_says_of_health_counts_until_nobody_else_is_there() -> None:
    async with fleet(cores=2, static=(0, 1), starts=(0, 1)) as net:
        a, b = net.places
        await net.edge.wait_ready()
        await net.attached(a, b)
        net.edge.set_cores([a.record(health=Health(("its check fails",))), b.record()])
        assert (await net.join()).place is b
        net.edge.set_cores([a.record(health=Health((), is_draining=True)), b.record()])
        assert (await net.join()).place is b
        await b.kill()
        assert (await net.join()).place is a, "it does not drain any more, whatever discovery says"


async def test_a_core_of_another_game_gets_nobody_and_is_said_once() -> None:
    async with fleet(cores=3, static=(0,), starts=(0,)) as net:
        a, b, c = net.places
        await net.edge.wait_ready()
        await b.start(game="raw")
        with capture_logs() as logs:
            net.edge.set_cores([b.record(), a.record(), c.record(game="pko"), c.record(protocol_version=99)])
            await net.attached(a, b)
            for _ in range(5):
                assert (await net.join()).place is a
        ignored = {log["core"]: log["reason"] for log in logs if log["event"] == "core_ignored"}
        assert len([log for log in logs if log["event"] == "core_ignored"]) == 3
        assert "carries the game raw" in ignored[b.address]
        assert net.seen(b).is_foreign
        assert {each.address for each in net.edge.cores_seen()} == {a.address, b.address}
        await net.leave()
        net.opened.clear()
        await a.kill()
        await until(lambda: net.tunnel_of(a) is None)
        assert (await net.join()).place is b, "the fleet has changed its game"


async def test_of_too_many_cores_the_best_are_used() -> None:
    async with fleet(static=(0, 1, 2)) as net:
        a, b, c = net.places
        await net.attached(a, b, c)
        others = [Record("core", f"x{n}", Address("127.0.0.9", 1 + n), region="elsewhere") for n in range(20)]
        ill = [a.record(health=Health(("ill",)))]
        net.edge.set_cores([*others, *ill, b.record(), c.record(region="test")])
        wanted = [each.address for each in net.edge.cores_seen() if each.is_wanted]
        assert len(wanted) == MAX_CORES
        assert a.address not in wanted
        assert {b.address, c.address} < set(wanted)


async def test_what_is_set_during_an_upgrade_that_fails_holds_afterwards() -> None:
    async with fleet(static=(0,)) as net:
        await net.edge.wait_ready()
        player = await net.join()
        cores = net.edge._cores
        await cores.stand_still()
        net.edge.set_cores([net.places[1].record()])
        assert [each.address for each in net.edge.cores_seen()] == [net.places[0].address]
        cores.go_on()
        assert (await net.join()).place.number == 1
        assert await player.goes_on()


async def test_who_comes_while_the_first_attempt_is_under_way_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    async with fleet(cores=2, static=(0,), starts=(0, 1)) as net:
        await net.edge.wait_ready()
        await net.attached(net.places[0])
        await net.places[0].kill()
        await until(lambda: not net.is_attached(net.places[0]))
        net.edge.set_cores([net.places[1].record()])
        player = Player(await net.connect(), net.places[1])
        assert await player.streams[0].readexactly(3) == b"\x00\x03\x01"
        assert not net.edge.counters.sessions_refused
        await net.places[1].kill()
        monkeypatch.setattr(cores_module, "WAIT_SECONDS", 0.0)
        net.edge.set_cores([Record("core", "nobody", Address(LOOPBACK, free_port()))])
        waiting = Player(await net.connect(), net.places[1])
        assert explain(Reason.NO_CORE) in await waiting.is_told(), "as soon as there is no hope any more"


@pytest.mark.timeout(60)
@pytest.mark.parametrize("seed", range(4))
async def test_in_any_order_only_a_dead_cores_players_are_lost(seed: int) -> None:
    random = Random(seed)
    async with fleet() as net:
        await net.edge.wait_ready()
        named = {0, 1, 2}
        players: list[Player] = []
        joined = 0
        for _ in range(40):
            place = random.choice(net.places)
            there = [each for each in net.places if each.takes_players and each.number in named]
            may_lose = ["forget", "drain", "kill", "leave"] if there else []
            what = random.choice(["name", "start", "start", *may_lose])
            match what:
                case "name":
                    named.add(place.number)
                case "forget":
                    named.discard(place.number)
                case "drain" if place.takes_players and (tunnel := net.tunnel_of(place)) is not None:
                    place.drain()
                    await until(lambda tunnel=tunnel: tunnel.is_draining)  # type: ignore[misc]
                case "kill":
                    await place.kill()
                    players = [player for player in players if player.place is not place]
                case "start" if place.core is None:
                    await place.start_somewhere()
                case "leave" if players:
                    reset(players.pop(random.randrange(len(players))).streams)
            if what in ("name", "forget", "start"):  # as discovery would say
                net.edge.set_cores(
                    [
                        each.record(health=Health(() if each.core else ("gone",), each.draining is not None))
                        for each in net.places
                        if each.number in named
                    ]
                )
            if any(each.takes_players and each.number in named for each in net.places):
                player = await net.join()  # soon
                assert player.place.takes_players, what
                assert player.place.number in named, what
                players.append(player)
                joined += 1
        assert joined > 5
        assert all(await asyncio.gather(*(player.goes_on() for player in players)))

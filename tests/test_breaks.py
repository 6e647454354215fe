"""A tunnel that breaks while players play: real relays, real gRPC, and a road between them that is cut on order."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from ipaddress import ip_network

import pytest
from structlog.testing import capture_logs

from core.core import Core, CoreConfig
from edge import cores as cores_module
from edge import door
from edge.config import EdgeConfig
from edge.edge import Edge
from edge.edge_tunnel import EdgeTunnel
from fleet.address import Address
from games.echo import notice
from games.pko.framing import KEEP_ALIVE
from games.registry import load_pack
from tests.relays import LOOPBACK, Server, Streams, core_config, edge_config, reset, running_core, running_edge, server
from tidegate.gameday.conditions import CLEAR, Conditions, CutKind
from tidegate.gameday.fault_proxy import FaultProxy
from tunnel import end
from tunnel.bans import Ban, BanChanges, banned_network
from wire.reasons import Reason, explain

PLACE = bytes(range(16))


@asynccontextmanager
async def road_to(port: int) -> AsyncIterator[tuple[FaultProxy, int]]:
    proxy = FaultProxy(Address(LOOPBACK, port))
    try:
        yield proxy, (await proxy.start()).port
    finally:
        await proxy.stop()


@dataclass
class Network:
    """One edge, one core, the road between them, and who plays there."""

    server: Server
    core: Core
    proxy: FaultProxy
    edge: Edge
    opened: list[Streams] = field(default_factory=list)

    @property
    def tunnel(self) -> EdgeTunnel:
        assert self.edge.tunnel is not None
        return self.edge.tunnel

    async def connect(self) -> Streams:
        streams = await asyncio.open_connection(LOOPBACK, self.edge.address.port)
        self.opened.append(streams)
        return streams

    async def join(self) -> tuple[Streams, Streams]:
        """A new player, and the game server's end of the session."""
        return await self.connect(), await self.server.visits.get()

    async def cut(self, kind: CutKind = CutKind.CLEAN) -> None:
        """Cut the road, and wait until both ends have noticed."""
        self.proxy.cut(kind)
        await until(lambda: self.edge.tunnel is None or not self.tunnel.is_attached)
        await until(lambda: not any(tunnel.is_attached for tunnel in self.core.service.tunnels.values()))

    async def leave(self) -> None:
        """End all connections, whether the tunnel is broken or not."""
        for streams in (*self.opened, *self.server.opened):
            reset(streams)
        await until(lambda: not self.edge.connections and not self.core.running_sessions)


@asynccontextmanager
async def network(
    *,
    game: str = "echo",
    edge_like: Callable[[EdgeConfig], EdgeConfig] = lambda config: config,
    core_like: Callable[[CoreConfig], CoreConfig] = lambda config: config,
) -> AsyncIterator[Network]:
    async with (
        server() as behind,
        running_core(core_like(core_config(behind.port)), load_pack(game)) as core,
        road_to(core.port) as (proxy, port),
        running_edge(edge_like(edge_config(port))) as running,
    ):
        await running.wait_ready()
        made = Network(behind, core, proxy, running)
        try:
            yield made
        finally:
            await made.leave()


async def until(condition: Callable[[], bool]) -> None:
    """Wait for what a relay does by itself."""
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - no event for it
            await asyncio.sleep(0.005)


def frames(numbers: Iterable[int], size: int = 6) -> bytes:
    """Numbered frames of the game "echo"."""
    return b"".join(size.to_bytes(2) + number.to_bytes(4) + bytes(size - 6) for number in numbers)


async def assert_goes_on(one: Streams, other: Streams, numbers: Iterable[int] = (1, 2, 3)) -> None:
    """What either says is what the other hears next."""
    said = frames(numbers)
    for source, target in ((one, other), (other, one)):
        source[1].write(said)
        assert await target[0].readexactly(len(said)) == said


async def told(streams: Streams) -> str:
    """What somebody hears until the end of the connection."""
    with contextlib.suppress(ConnectionError):
        return (await streams[0].read()).decode(errors="replace")
    return "reset"


def hold(seconds: float) -> Callable[[CoreConfig], CoreConfig]:
    return lambda config: replace(config, limits=replace(config.limits, hold_seconds=seconds))


# Nothing is lost.


@pytest.mark.parametrize("kind", list(CutKind))
async def test_what_is_said_over_a_cut_arrives_once_and_in_order(kind: CutKind) -> None:
    async with network() as net:
        player, visit = await net.join()
        await assert_goes_on(player, visit)
        (session,) = net.tunnel.sessions.values()
        for writer in (player[1], visit[1]):
            writer.write(frames(range(100)))
        net.proxy.cut(kind)
        for writer in (player[1], visit[1]):
            writer.write(frames(range(100, 200)))
        await until(lambda: not net.tunnel.is_attached)
        for writer in (player[1], visit[1]):
            writer.write(frames(range(200, 300)))
        await net.proxy.heal()
        for writer in (player[1], visit[1]):
            writer.write(frames(range(300, 400)))
        whole = frames(range(400))
        assert await visit[0].readexactly(len(whole)) == whole
        assert await player[0].readexactly(len(whole)) == whole
        await assert_goes_on(player, visit)
        assert list(net.tunnel.sessions.values()) == [session]
        assert net.tunnel.attachments == 2
        assert net.server.visits.empty(), "the game server has noticed nothing"
        assert not net.edge.counters.sessions_closed


async def test_a_cut_in_the_middle_of_a_resend_loses_nothing_either() -> None:
    async with network() as net:
        pairs = [await net.join() for _ in range(8)]
        whole = frames(range(200), size=200)
        net.proxy.cut(CutKind.HALF_OPEN)
        for player, visit in pairs:
            player[1].write(whole)
            visit[1].write(whole)
        await until(lambda: not net.tunnel.is_attached)
        net.proxy.set_conditions(Conditions(bytes_per_second=400_000))  # 320 kB wait in either direction
        for kind in (CutKind.CLEAN, CutKind.HALF_OPEN, CutKind.CLEAN):
            resent, attachments = net.tunnel.delivery.resent, net.tunnel.attachments
            await net.proxy.heal()
            await until(lambda: net.tunnel.attachments > attachments and net.tunnel.delivery.resent > resent)  # noqa: B023
            await net.cut(kind)
        net.proxy.set_conditions(CLEAR)
        await net.proxy.heal()
        for player, visit in pairs:
            assert await visit[0].readexactly(len(whole)) == whole
            assert await player[0].readexactly(len(whole)) == whole
        await assert_goes_on(*pairs[0])
        assert not net.edge.counters.sessions_closed


async def test_a_player_who_leaves_during_a_cut_is_gone_at_the_game_server_afterwards() -> None:
    async with network() as net:
        player, visit = await net.join()
        await net.cut()
        player[1].write(frames([7]))
        player[1].write_eof()
        await until(lambda: bool(net.tunnel.delivery.messages()))
        await net.proxy.heal()
        assert await visit[0].read() == frames([7])
        visit[1].close()
        await net.tunnel.quiet.wait()


# The end of a hold.


async def test_at_the_end_of_the_hold_players_are_told_and_the_game_server_is_left() -> None:
    async with network(core_like=hold(0.5)) as net:
        player, visit = await net.join()
        with capture_logs() as logs:
            await net.cut()
            assert explain(Reason.TUNNEL_LOST) in await told(player)
            assert await told(visit) in ("", "reset")
        assert net.edge.counters.sessions_closed == {Reason.TUNNEL_LOST: 1}
        lost = [log for log in logs if log["event"] == "tunnel_lost"]
        assert [log["sessions_ended"] for log in lost] == [1]
        assert not net.core.service.tunnels
        await net.proxy.heal()
        await until(lambda: net.edge.tunnel is not None and net.tunnel.is_attached)
        await assert_goes_on(*await net.join())


@pytest.mark.parametrize("says_goodbye", [True, False])
async def test_players_of_a_core_that_was_started_anew_are_told_at_once(says_goodbye: bool) -> None:
    async with server() as behind, contextlib.AsyncExitStack() as first:
        core = await first.enter_async_context(running_core(core_config(behind.port), load_pack("echo")))
        port = core.port
        async with road_to(port) as (proxy, address), running_edge(edge_config(address)) as running:
            await running.wait_ready()
            net = Network(behind, core, proxy, running)
            player, visit = await net.join()
            if not says_goodbye:
                await net.cut()
            await first.aclose()
            assert await told(visit) in ("", "reset")
            async with running_core(core_config(behind.port, port=port), load_pack("echo")) as net.core:
                if not says_goodbye:
                    await proxy.heal()
                assert explain(Reason.TUNNEL_LOST) in await told(player)
                await until(lambda: running.tunnel is not None and running.tunnel.is_attached)
                await assert_goes_on(*await net.join())
                await net.leave()


CROWD = 8
"""Whoever says something is heard once before he is told to pause: so many fill a ring for sure."""


async def test_an_edge_whose_ring_is_full_ends_its_players() -> None:
    async with network(
        edge_like=lambda config: replace(config, tunnel=replace(config.tunnel, ring_bytes=16 * 1024))
    ) as net:
        pairs = [await net.join() for _ in range(CROWD)]
        await assert_goes_on(*pairs[0])
        await net.cut()
        for player, _ in pairs:
            player[1].write(frames(range(20), size=1000))
        for text in await asyncio.gather(*(told(player) for player, _ in pairs)):
            assert explain(Reason.TUNNEL_FULL) in text
        assert net.edge.counters.sessions_closed == {Reason.TUNNEL_FULL: CROWD}


async def test_a_core_whose_ring_is_full_leaves_the_game_server_and_the_edge_hears_of_it() -> None:
    async with network(
        core_like=lambda config: replace(config, limits=replace(config.limits, ring_bytes=16 * 1024))
    ) as net:
        pairs = [await net.join() for _ in range(CROWD)]
        await net.cut()
        for _, visit in pairs:
            visit[1].write(frames(range(20), size=1000))
        assert set(await asyncio.gather(*(told(visit) for _, visit in pairs))) <= {"", "reset"}
        assert net.core.service.counters["edge-1"].sessions_closed == {Reason.TUNNEL_FULL: CROWD}
        await net.proxy.heal()
        for text in await asyncio.gather(*(told(player) for player, _ in pairs)):
            assert explain(Reason.TUNNEL_LOST) in text


# Who comes, waits and stays meanwhile.


async def test_both_sides_of_a_pko_session_get_keep_alives_while_the_tunnel_is_broken() -> None:
    async with network(
        game="pko", edge_like=lambda config: replace(config, tunnel=replace(config.tunnel, window_bytes=256 * 1024))
    ) as net:
        player, visit = await net.join()
        await net.cut()
        heard = await asyncio.gather(*(side[0].readexactly(len(KEEP_ALIVE)) for side in (player, visit)))
        assert heard == [KEEP_ALIVE] * 2
        await net.proxy.heal()
        await until(lambda: net.tunnel.is_attached)


async def test_who_comes_during_a_break_waits_and_plays() -> None:
    async with network() as net:
        old, old_visit = await net.join()
        await net.cut()
        early, impatient, mute = [await net.connect() for _ in range(3)]
        early[1].write(frames([1, 2]))
        await until(lambda: net.edge.connections == 4)
        assert net.edge.running_sessions == 1
        impatient[1].transport.abort()
        await net.proxy.heal()
        visits = [await net.server.visits.get() for _ in range(3)]
        early[1].write(frames([3]))
        mute[1].write(frames([9]))
        heads = {await visit[0].read(6): visit for visit in visits}
        assert set(heads) == {frames([1]), frames([9]), b""}, "nobody reads of somebody who waits, not even his end"
        assert await heads[frames([1])][0].readexactly(12) == frames([2, 3])
        await assert_goes_on(early, heads[frames([1])])
        await assert_goes_on(old, old_visit)
        heads[b""][1].close()
        await until(lambda: net.edge.connections == 3)


async def test_who_is_banned_while_he_waits_is_not_let_in() -> None:
    async with network() as net:
        await net.join()
        await net.cut()
        waiting = await net.connect()
        await until(lambda: net.edge.connections == 2)
        ban = Ban(banned_network(ip_network(LOOPBACK)), 0, notice("You are banned."))
        net.edge.bans.book("another core").take(BanChanges(added=(ban,)))
        await net.proxy.heal()
        assert await waiting[0].read() == ban.notice
        await until(lambda: net.tunnel.is_attached)
        assert net.edge.counters.sessions_refused == {Reason.CLIENT_ADDRESS_DENIED: 1}
        assert net.edge.counters.sessions_opened == 1
        assert net.server.visits.empty()


async def test_a_crowd_that_waits_comes_in_and_those_who_play_have_their_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door, "TURN_SECONDS", 0.0)  # one at a time
    async with network() as net:
        await net.join()
        await net.cut()
        crowd = [await net.connect() for _ in range(20)]
        await until(lambda: net.edge.connections == 21)
        await net.proxy.heal()
        for number, player in enumerate(crowd):
            player[1].write(frames([number]))
        visits = [await net.server.visits.get() for _ in crowd]
        assert {await visit[0].readexactly(6) for visit in visits} == {frames([number]) for number in range(20)}
        assert not net.edge.counters.sessions_refused


async def test_who_waits_too_long_or_comes_too_late_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door, "WAIT_SECONDS", 0.4)
    async with network() as net:
        _, visit = await net.join()
        await net.cut()
        waiting = await net.connect()
        assert explain(Reason.NO_CORE) in await told(waiting)
        monkeypatch.setattr(cores_module, "WAIT_SECONDS", 0.0)
        assert explain(Reason.NO_CORE) in await told(await net.connect())
        await net.proxy.heal()
        await until(lambda: net.tunnel.is_attached)
        monkeypatch.setattr(cores_module, "WAIT_SECONDS", 10.0)
        assert net.edge.running_sessions == 1, "who was there before is still there"
        await assert_goes_on(net.opened[0], visit)
        assert net.server.visits.empty()


# Several cores.


@dataclass
class TwoCores:
    """An edge with two cores, each before a game server of its own."""

    first: Network
    second: Network

    async def join(self) -> tuple[str, Streams, Streams]:
        """A new player: by which core, and both ends of the session."""
        player = await self.first.connect()
        waits = {
            asyncio.ensure_future(net.server.visits.get()): name
            for name, net in (("first", self.first), ("second", self.second))
        }
        done, pending = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for each in pending:
            each.cancel()
        (got,) = done
        return waits[got], player, got.result()


@asynccontextmanager
async def two_cores(*, drain_seconds: float = 0.2) -> AsyncIterator[TwoCores]:
    async with (
        server() as one,
        server() as two,
        running_core(core_config(one.port, drain_seconds=drain_seconds), load_pack("echo")) as first,
        running_core(core_config(two.port), load_pack("echo")) as second,
        road_to(first.port) as (first_proxy, first_port),
        road_to(second.port) as (second_proxy, second_port),
        running_edge(edge_config(first_port, second_port)) as running,
    ):
        await running.wait_ready()
        await until(lambda: [each.is_attached for each in running.tunnels] == [True] * 2)
        made = TwoCores(Network(one, first, first_proxy, running), Network(two, second, second_proxy, running))
        try:
            yield made
        finally:
            await made.first.leave()
            await made.second.leave()


@pytest.mark.parametrize("kind", list(CutKind))
async def test_the_second_core_takes_who_comes_while_the_first_is_gone(kind: CutKind) -> None:
    async with two_cores() as cores:
        name, player, visit = await cores.join()
        assert name == "first"
        old_tunnel = cores.first.tunnel
        cores.first.proxy.cut(kind)
        await until(lambda: not old_tunnel.is_attached)
        name, other, other_visit = await cores.join()
        assert name == "second"
        await assert_goes_on(other, other_visit)
        player[1].write(frames([5]))
        await cores.first.proxy.heal()
        assert await visit[0].readexactly(6) == frames([5])
        assert (await cores.join())[0] == "first"
        await assert_goes_on(player, visit)
        await assert_goes_on(other, other_visit)


async def test_the_second_core_takes_who_comes_before_it_is_sure_that_the_first_is_gone() -> None:
    async with two_cores() as cores:
        old_tunnel = cores.first.tunnel
        cores.first.proxy.cut(CutKind.HALF_OPEN)
        await until(lambda: cores.first.edge.tunnel is not old_tunnel)
        assert old_tunnel.is_attached, "nobody is sure yet"
        assert (await cores.join())[0] == "second"


async def test_the_second_core_takes_who_comes_while_the_first_drains() -> None:
    async with two_cores(drain_seconds=10) as cores:
        name, player, visit = await cores.join()
        assert name == "first"
        first_tunnel = cores.first.tunnel
        draining = asyncio.create_task(cores.first.core.drain())
        await until(lambda: first_tunnel.is_draining)
        name, other, other_visit = await cores.join()
        assert name == "second"
        await assert_goes_on(other, other_visit)
        await assert_goes_on(player, visit)
        player[1].close()
        visit[1].close()
        await draining


async def test_without_any_core_left_a_drain_says_so() -> None:
    async with network(core_like=lambda config: replace(config, drain_seconds=10)) as net:
        player, visit = await net.join()
        draining = asyncio.create_task(net.core.drain())
        await until(lambda: net.tunnel.is_draining)
        assert explain(Reason.CORE_DRAINING) in await told(await net.connect())
        await assert_goes_on(player, visit)
        player[1].close()
        visit[1].close()
        await draining


async def test_a_drain_ends_players_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(end, "ENDS_PER_SECOND", 8)
    async with network(core_like=lambda config: replace(config, drain_seconds=3.0)) as net:
        pairs = [await net.join() for _ in range(12)]
        began = time.monotonic()

        async def seconds_until_told(player: Streams) -> float:
            assert explain(Reason.DRAIN_DEADLINE) in await told(player)
            player[1].close()
            return time.monotonic() - began

        times, _ = await asyncio.gather(
            asyncio.gather(*(seconds_until_told(player) for player, _ in pairs)), net.core.drain()
        )
        assert min(times) > 1.4, "half of the time is theirs"
        assert len({round(each, 1) for each in times}) >= 4, "at eight a second"


async def test_a_drain_of_a_core_does_not_wait_for_an_edge_that_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.tunnel_service.DRAIN_HOLD_SECONDS", 0.1)
    async with network(core_like=lambda config: replace(config, drain_seconds=300)) as net:
        _, visit = await net.join()
        await net.cut()
        await net.core.drain()
        assert await told(visit) in ("", "reset")


# An edge worker that was started anew.


@pytest.mark.parametrize("place", [PLACE, b""])
async def test_a_worker_started_anew_ends_its_predecessors_tunnel(place: bytes) -> None:
    def at_place(config: EdgeConfig) -> EdgeConfig:
        return replace(config, tunnel=replace(config.tunnel, place=place))

    async with network(edge_like=at_place) as net:
        _, visit = await net.join()
        await net.cut()  # for the core: it cannot tell a dead edge from a cut road
        (old,) = net.core.service.tunnels
        async with running_edge(at_place(edge_config(net.core.port))) as successor:
            await successor.wait_ready()
            assert (old in net.core.service.tunnels) is not bool(place)
            if place:
                assert await told(visit) in ("", "reset")

"""Bans from a core to its edges over real gRPC, and what the players read."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from ipaddress import ip_network

import pytest
from structlog.testing import capture_logs

from core.core import Core
from edge.edge import Edge
from games.echo import notice
from games.pko.connection import Login, LoginAccepted
from games.pko.notices import popup
from games.registry import load_pack
from protos.tidegate.tunnel.v1 import tunnel_pb2
from tests.relays import (
    LOOPBACK,
    Relay,
    Streams,
    core_config,
    echo,
    edge_config,
    free_port,
    running_core,
    running_edge,
    running_origin,
    running_relay,
)
from tunnel.bans import MAX_BANS, Ban, Banned, banned_network
from tunnel.bans_codec import BansPacker
from wire.reasons import Reason, explain

FRAME = b"\x00\x05abc"
HERE = banned_network(ip_network("127.0.0.2"))
BAN = Ban(HERE, 3600, notice("You are banned: gold selling."))


async def connect(edge: Edge, source: str = "127.0.0.2") -> Streams:
    return await asyncio.open_connection(LOOPBACK, edge.address.port, local_addr=(source, 0))


async def plays(streams: Streams) -> bool:
    """Whether a frame comes back; the other way to end is a closed connection."""
    with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
        streams[1].write(FRAME)
        return await streams[0].readexactly(len(FRAME)) == FRAME
    return False


async def comes_in(edge: Edge) -> bool:
    streams = await connect(edge)
    try:
        return await plays(streams)
    finally:
        streams[1].close()


async def told(streams: Streams) -> bytes:
    """All that a player gets until the connection ends."""
    read = await streams[0].read()
    streams[1].close()
    return read


async def leave(edge: Edge, *playing: Streams) -> None:
    """Have players leave, and wait until the edge has seen everybody off."""
    for _, writer in playing:
        writer.close()
    await until(lambda: not edge.connections)


async def until(condition: Callable[[], bool]) -> None:
    """Wait for what arrives by itself."""
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - no event for it
            await asyncio.sleep(0.001)


@asynccontextmanager
async def two_edges() -> AsyncIterator[tuple[Core, Edge, Edge]]:
    async with (
        running_origin(echo) as port,
        running_core(core_config(port), load_pack("echo")) as core,
        running_edge(edge_config(core.port)) as one,
        running_edge(edge_config(core.port, name="edge-2")) as other,
    ):
        await one.wait_ready()
        await other.wait_ready()
        yield core, one, other


async def test_a_ban_reaches_every_edge_and_ends_and_the_player_reads_why() -> None:
    async with two_edges() as (core, *edges):
        good = [await connect(edge, LOOPBACK) for edge in edges]
        bad = [await connect(edge) for edge in edges]
        assert all([await plays(each) for each in (*good, *bad)])
        core.service.set_bans([BAN])
        for edge, playing in zip(edges, bad, strict=True):
            assert await told(playing) == BAN.notice
            assert await told(await connect(edge)) == BAN.notice
            assert edge.counters.sessions_closed == {Reason.CLIENT_ADDRESS_DENIED: 1}
            assert edge.counters.sessions_refused == {Reason.CLIENT_ADDRESS_DENIED: 1}
        assert all([await plays(each) for each in good])
        core.service.change_bans([], [HERE])
        for edge in edges:
            await until(lambda edge=edge: len(edge.bans) == 0)  # type: ignore[misc]
            assert await comes_in(edge)
            await leave(edge, *good)


async def test_a_ban_without_words_of_its_own_is_told_in_the_policys() -> None:
    async with two_edges() as (core, edge, _):
        playing = await connect(edge)
        assert await plays(playing)
        core.service.change_bans([Ban(HERE)], [])
        assert await told(playing) == notice(explain(Reason.CLIENT_ADDRESS_DENIED))
        assert await told(await connect(edge)) == notice(explain(Reason.CLIENT_ADDRESS_DENIED))
        await leave(edge)


async def test_the_log_tells_a_ban_from_a_list() -> None:
    async with two_edges() as (core, edge, _):
        core.service.change_bans([BAN], [])
        await until(lambda: len(edge.bans) == 1)
        with capture_logs() as logs:
            await told(await connect(edge))
            await leave(edge)
        assert [log["detail"] for log in logs if log["event"] == "refused"] == ["banned"]


async def test_a_ban_is_over_when_its_time_is() -> None:
    async with two_edges() as (core, edge, _):
        core.service.set_bans([Ban(HERE, 0.2, BAN.notice)])
        await until(lambda: len(edge.bans) == 1)
        assert await told(await connect(edge)) == BAN.notice
        await until(lambda: edge.bans.address_notice(HERE.value) is None)
        assert await comes_in(edge)
        await leave(edge)


async def test_an_edge_that_comes_later_is_told_too() -> None:
    async with running_origin(echo) as port, running_core(core_config(port), load_pack("echo")) as core:
        core.service.set_bans([BAN])
        async with running_edge(edge_config(core.port)) as edge:
            await edge.wait_ready()  # the bans may be there before the port is open
            await until(lambda: len(edge.bans) == 1)
            assert await told(await connect(edge)) == BAN.notice
            await leave(edge)


async def test_bans_outlive_the_core_until_another_has_said_who_is_banned() -> None:
    port = free_port()
    async with running_origin(echo) as origin, contextlib.AsyncExitStack() as first:
        config = core_config(origin, port=port)
        core = await first.enter_async_context(running_core(config, load_pack("echo")))
        async with running_edge(edge_config(port)) as edge:
            await edge.wait_ready()
            core.service.set_bans([BAN])
            await until(lambda: len(edge.bans) == 1)
            await first.aclose()
            await until(lambda: not attached(edge))
            assert len(edge.bans) == 1
            async with running_core(config, load_pack("echo")) as second:
                await until(lambda: attached(edge))
                assert await told(await connect(edge)) == BAN.notice
                second.service.set_bans([])
                await until(lambda: len(edge.bans) == 0)
                assert await comes_in(edge)
                await leave(edge)


@pytest.mark.parametrize(
    "bad",
    [tunnel_pb2.Bans(), tunnel_pb2.Bans(changes=b"\xff\xff"), tunnel_pb2.Bans(changes=bytes(300_000))],
    ids=["empty", "junk", "long"],
)
async def test_a_bad_message_is_said_once_and_changes_nothing(bad: tunnel_pb2.Bans) -> None:
    async with two_edges() as (core, edge, _):
        core.service.set_bans([BAN])
        playing = await connect(edge, LOOPBACK)
        assert await plays(playing)
        await until(lambda: len(edge.bans) == 1)
        with capture_logs() as logs:
            for tunnel in core.service.tunnels.values():
                for _ in range(3):
                    tunnel.queue.add(tunnel_pb2.AttachResponse(bans=bad))
            core.service.change_bans([Ban(Banned("account", b"x"))], [])
            await until(lambda: len(edge.bans) == 2)
        errors = [log for log in logs if log["log_level"] == "error"]
        assert [log["event"] for log in errors] == ["bans_refused"] * 2, "once at each edge"
        assert await plays(playing)
        assert await told(await connect(edge)) == BAN.notice
        await leave(edge, playing)


def attached(edge: Edge) -> bool:
    return edge.tunnel is not None and edge.tunnel.is_attached


def begun(core: Core) -> None:
    """Send the beginning of a set of all bans, and no end."""
    packer = BansPacker(resets=True)
    packer.add(Ban(Banned("account", b"half")))
    for tunnel in core.service.tunnels.values():
        part = packer.message(is_complete=False)
        tunnel.queue.add(tunnel_pb2.AttachResponse(bans=part))


MORE = Ban(Banned("account", b"more"))


async def test_a_set_with_a_bad_message_in_it_is_not_used() -> None:
    async with two_edges() as (core, edge, _):
        core.service.change_bans([BAN], [])
        await until(lambda: len(edge.bans) == 1)
        begun(core)
        for tunnel in core.service.tunnels.values():
            tunnel.queue.add(tunnel_pb2.AttachResponse(bans=tunnel_pb2.Bans()))
        core.service.change_bans([MORE], [])
        await until(lambda: edge.bans.name_notice("account", b"more") is not None)
        assert edge.bans.address_notice(HERE.value) == BAN.notice
        assert edge.bans.name_notice("account", b"half") is None


async def test_a_set_that_its_core_did_not_finish_is_not_used() -> None:
    port = free_port()
    async with running_origin(echo) as origin, contextlib.AsyncExitStack() as first:
        config = core_config(origin, port=port)
        core = await first.enter_async_context(running_core(config, load_pack("echo")))
        async with running_edge(edge_config(port)) as edge:
            await edge.wait_ready()
            core.service.change_bans([BAN], [])
            await until(lambda: len(edge.bans) == 1)
            begun(core)
            core.service.set_policy(core.policy)
            with capture_logs() as logs:
                await until(lambda: any(log["event"] == "policy_changed" for log in logs))
            await first.aclose()
            await until(lambda: not attached(edge))
            async with running_core(config, load_pack("echo")) as second:
                second.service.change_bans([MORE], [])
                await until(lambda: edge.bans.name_notice("account", b"more") is not None)
                assert edge.bans.address_notice(HERE.value) == BAN.notice


async def test_as_many_as_there_may_be_arrive_while_others_play() -> None:
    async with two_edges() as (core, edge, other):
        playing = await connect(edge)
        core.service.set_bans([Ban(Banned("account", b"%d" % number), 60, BAN.notice) for number in range(MAX_BANS)])
        while len(edge.bans) < MAX_BANS:
            assert await plays(playing)
        await until(lambda: len(other.bans) == MAX_BANS)
        assert edge.bans.name_notice("account", b"99999") == BAN.notice
        await leave(edge, playing)


# By name: the guard of a session looks it up when the packet says it.

PKO = load_pack("pko").codec("classic")
WORDS = popup("Your account is banned until tomorrow.")


async def accept_logins(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while length := await reader.readexactly(2):
        await reader.readexactly(int.from_bytes(length) - 2)
        writer.write(PKO.seal(LoginAccepted(key=bytes(8), characters=())))


async def log_in(relay: Relay, account: bytes, mac: bytes = b"00-11-22-33-44-55-66-77") -> Streams:
    streams = await relay.connect()
    login = Login(account=account, password=bytes(24), mac=mac, version=136)
    streams[1].write(PKO.seal(login))
    return streams


ACCEPTED = PKO.seal(LoginAccepted(key=bytes(8), characters=()))


async def is_in(streams: Streams) -> bool:
    return await streams[0].readexactly(len(ACCEPTED)) == ACCEPTED


async def test_an_account_is_banned_at_login_and_while_it_plays() -> None:
    async with running_origin(accept_logins) as port, running_relay("pko", port) as relay:
        bad, good = await log_in(relay, b"BadGuy"), await log_in(relay, b"goodguy")
        assert await is_in(bad)
        assert await is_in(good)
        relay.core.service.set_bans([Ban(Banned("account", b"badguy"), 60, WORDS)])
        assert await told(bad) == WORDS
        assert await told(await log_in(relay, b"BADGUY")) == WORDS
        closed = relay.edge.counters.sessions_closed
        assert closed == {Reason.CLIENT_ACCOUNT_DENIED: 2}
        assert relay.edge.counters.frames_refused == {Reason.CLIENT_ACCOUNT_DENIED: 1}
        relay.core.service.set_bans([])
        await until(lambda: len(relay.edge.bans) == 0)
        again = await log_in(relay, b"BadGuy")
        assert await is_in(again)
        await leave(relay.edge, good, again)


async def test_a_computer_is_banned_under_every_account_and_another_ban_has_other_words() -> None:
    mac = b"0A-00-27-00-00-01-00-00"
    async with running_origin(accept_logins) as port, running_relay("pko", port) as relay:
        other = popup("Another matter.")
        relay.core.service.set_bans([Ban(Banned("hardware", mac), 0, WORDS), Ban(Banned("account", b"x"), 0, other)])
        await until(lambda: len(relay.edge.bans) == 2)
        assert await told(await log_in(relay, b"first", mac)) == WORDS
        assert await told(await log_in(relay, b"x")) == other
        assert await told(await log_in(relay, b"second", mac)) == WORDS
        fine = await log_in(relay, b"third")
        assert await is_in(fine)
        await leave(relay.edge, fine)


async def test_a_policy_that_comes_later_does_not_forget_the_bans() -> None:
    async with running_origin(accept_logins) as port, running_relay("pko", port) as relay:
        relay.core.service.set_bans([Ban(Banned("account", b"x"), 0, WORDS)])
        await until(lambda: len(relay.edge.bans) == 1)
        with capture_logs() as logs:
            relay.core.set_policy(relay.core.policy)
            await until(lambda: any(log["event"] == "policy_changed" for log in logs))
        assert await told(await log_in(relay, b"x")) == WORDS
        await leave(relay.edge)

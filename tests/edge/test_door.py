"""The door with real sockets: limits, deadlines, lists and the PROXY header, as players and balancers meet them."""

import asyncio
import contextlib
import errno
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from structlog.testing import capture_logs
from structlog.typing import EventDict

from edge import door, list_files
from edge.admission import Limits
from edge.config import AdmissionConfig
from edge.player_link import Deadlines
from edge.prefixes import PrefixSet, parse_prefix
from games.registry import load_pack
from tests.relays import (
    LOOPBACK,
    Handler,
    Relay,
    Streams,
    core_config,
    echo,
    edge_config,
    running_core,
    running_edge,
    running_origin,
)
from tunnel.poller import Pollable, Poller
from wire.reasons import Reason, explain

FRAME = b"\x00\x05abc"
GREETING = b"\x00\x05hi!"
STRICT = AdmissionConfig(exempt=PrefixSet())
BALANCER = replace(STRICT, proxy_from=PrefixSet((parse_prefix(LOOPBACK),)))


async def greet_and_echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(GREETING)
    await echo(reader, writer)


class Players(Relay):
    """A relay that knows who connected to it."""

    opened: list[Streams]

    async def leave(self) -> None:
        """Have everybody leave, and wait until the edge has noticed."""
        for _, writer in self.opened:
            writer.close()
        for _, writer in self.opened:
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()
        await until(lambda: not self.edge.connections)


async def until(condition: Callable[[], bool]) -> None:
    """Wait for what the edge does by itself."""
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 - no event for it
            await asyncio.sleep(0.005)


@asynccontextmanager
async def relay(
    admission: AdmissionConfig, handler: Handler = echo, *, game: str = "echo", max_sessions: int = 100
) -> AsyncIterator[Players]:
    async with running_origin(handler) as port, running_core(core_config(port), load_pack(game)) as core:
        config = replace(edge_config(core.port, max_sessions=max_sessions), admission=admission)
        async with running_edge(config) as edge:
            await edge.wait_ready()
            players = Players(edge, core)
            players.opened = []
            try:
                yield players
            finally:
                await players.leave()


async def connect(relay: Players, source: str = LOOPBACK) -> Streams:
    streams = await asyncio.open_connection(LOOPBACK, relay.edge.address.port, local_addr=(source, 0))
    relay.opened.append(streams)
    return streams


async def outcome(streams: Streams) -> str:
    """``in`` for a session that carries a frame; otherwise what the player is told, or ``closed``."""
    reader, writer = streams
    with contextlib.suppress(ConnectionError):
        writer.write(FRAME)
        answer = await reader.readexactly(2)
        answer += await reader.readexactly(int.from_bytes(answer) - 2)
        return "in" if answer == FRAME else answer[2:].decode()
    return "closed"


async def told(streams: Streams) -> str:
    """What a player is told before the connection ends, without saying anything."""
    with contextlib.suppress(ConnectionError):
        return (await streams[0].read()).decode(errors="replace")
    return "reset"


async def gone(relay: Players, *players: Streams) -> None:
    """Leave, and wait until the edge has noticed."""
    before = relay.edge.running_sessions
    for _, writer in players:
        writer.close()
    await until(lambda: relay.edge.running_sessions <= before - len(players))


def refused(relay: Players) -> dict[str, int]:
    return dict(relay.edge.counters.sessions_refused)


async def test_an_address_has_so_many_connections_and_no_more() -> None:
    async with relay(replace(STRICT, limits=Limits(per_address=2))) as running:
        first, second, third = [await connect(running, "127.0.0.2") for _ in range(3)]
        assert await outcome(first) == await outcome(second) == "in"
        assert explain(Reason.CLIENT_ADDRESS_LIMIT) in await told(third)
        assert await outcome(await connect(running, "127.0.0.3")) == "in"
        assert refused(running) == {Reason.CLIENT_ADDRESS_LIMIT: 1}
        await gone(running, first)
        assert await outcome(await connect(running, "127.0.0.2")) == "in"


async def test_a_prefix_that_connects_too_often_is_refused_and_others_are_not() -> None:
    limits = Limits(prefix_accepts_per_second=0.1, prefix_accepts_burst=3)
    async with relay(replace(STRICT, limits=limits)) as running:
        crowd = [await connect(running, f"127.0.0.{last}") for last in range(2, 8)]
        assert [await outcome(each) == "in" for each in crowd] == [True] * 3 + [False] * 3
        assert await outcome(await connect(running, "127.0.1.1")) == "in"
        assert refused(running) == {Reason.CLIENT_ACCEPT_RATE: 3}


async def test_who_is_denied_while_playing_has_to_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(list_files, "POLL_SECONDS", 0.02)
    deny = tmp_path / "deny.txt"
    deny.touch()
    async with relay(replace(STRICT, deny_file=str(deny))) as running:
        bad, good = await connect(running, "127.0.0.2"), await connect(running, "127.0.0.3")
        assert [await outcome(each) for each in (bad, good)] == ["in", "in"]
        await asyncio.to_thread(deny.write_text, "address 127.0.0.2\n")
        assert explain(Reason.CLIENT_ADDRESS_DENIED) in await told(bad)
        assert await outcome(good) == "in"
        assert explain(Reason.CLIENT_ADDRESS_DENIED) in await told(await connect(running, "127.0.0.2"))
        assert running.edge.counters.sessions_closed[Reason.CLIENT_ADDRESS_DENIED] == 1


async def test_under_a_flood_nobody_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door, "MAX_FAREWELLS", 2)
    async with relay(replace(STRICT, limits=Limits(per_address=1))) as running:
        playing = await connect(running)
        assert await outcome(playing) == "in"
        crowd = [await connect(running) for _ in range(5)]
        texts = [await told(each) for each in crowd]
        assert [bool(text) and text != "reset" for text in texts] == [True, True, False, False, False]
        for _, writer in crowd:
            writer.close()
        await until(lambda: running.edge.connections == 1)
        assert explain(Reason.CLIENT_ADDRESS_LIMIT) in await told(await connect(running))
        assert await outcome(playing) == "in"


async def test_an_edge_near_its_limit_of_descriptors_refuses_at_once() -> None:
    async with relay(replace(STRICT, max_connections=2)) as running:
        inside = [await connect(running) for _ in range(2)]
        assert [await outcome(each) for each in inside] == ["in", "in"]
        outside = [await connect(running) for _ in range(3)]
        assert [await told(each) in ("", "reset") for each in outside] == [True] * 3
        assert refused(running) == {Reason.SESSION_LIMIT: 3}
        await gone(running, inside[0])
        assert await outcome(await connect(running)) == "in"


async def seconds_until_closed(streams: Streams, *, drip: bytes = b"", pause: float = 0.1) -> float:
    """How long a connection lives whose client sends ``drip`` again and again, or nothing."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    closing = asyncio.ensure_future(streams[0].read())
    while not closing.done():
        if drip:
            streams[1].write(drip)
        await asyncio.wait((closing,), timeout=pause)
    with contextlib.suppress(ConnectionError):
        await closing
    streams[1].close()
    return loop.time() - began


@pytest.mark.parametrize("drip", [b"", b"\x01"], ids=["silent", "a byte now and then"])
async def test_who_does_not_log_in_is_closed_at_the_deadline(drip: bytes) -> None:
    deadlines = Deadlines(login_seconds=0.9, idle_seconds=0)
    async with relay(replace(STRICT, deadlines=deadlines), game="generic") as running:
        playing = await connect(running)
        assert await outcome(playing) == "in"
        lived = await asyncio.gather(
            *[seconds_until_closed(await connect(running), drip=drip, pause=0.3) for _ in range(12)]
        )
        assert all(0.4 < each < 1.4 for each in lived), lived
        assert await outcome(playing) == "in"
        assert running.edge.counters.sessions_closed == {Reason.CLIENT_LOGIN_DEADLINE: 12}


async def test_who_begins_a_packet_and_does_not_finish_it_is_closed_before_who_says_nothing() -> None:
    deadlines = Deadlines(login_seconds=2.0, frame_seconds=0.6, idle_seconds=0)
    async with relay(replace(STRICT, deadlines=deadlines), game="generic") as running:
        playing, slow = await connect(running), await connect(running)
        assert await outcome(playing) == "in"
        playing[1].write(FRAME[:1])  # who is in may take his time
        slow[1].write(b"\x01")
        silent, lived, dripping = await asyncio.gather(
            seconds_until_closed(await connect(running)),
            seconds_until_closed(slow),
            seconds_until_closed(await connect(running), drip=b"\x01", pause=0.2),
        )
        assert 0.3 < lived < 1.1
        assert 0.3 < dripping < 1.3
        assert 1.5 < silent < 2.5
        reasons = {Reason.CLIENT_FRAME_DEADLINE: 2, Reason.CLIENT_LOGIN_DEADLINE: 1}
        assert running.edge.counters.sessions_closed == reasons
        playing[1].write(FRAME[1:])
        assert await playing[0].readexactly(len(FRAME)) == FRAME


async def test_who_falls_silent_is_closed_and_who_speaks_is_not() -> None:
    deadlines = Deadlines(login_seconds=0, idle_seconds=0.9)
    async with relay(replace(STRICT, deadlines=deadlines), greet_and_echo) as running:
        speaking = asyncio.create_task(seconds_until_closed(await connect(running), drip=FRAME))
        silent = [await connect(running) for _ in range(5)]
        lived = await asyncio.gather(*map(seconds_until_closed, silent))
        assert all(0.4 < each < 1.4 for each in lived), lived
        assert running.edge.counters.sessions_closed == {Reason.CLIENT_IDLE: 5}
        await until(lambda: running.edge.counters.frames_serverbound >= 12)
        assert not speaking.done()
        speaking.cancel()


V1 = b"PROXY TCP4 %s 198.51.100.1 56324 1973\r\n"
LOCAL_V2 = bytes.fromhex("0D0A0D0A000D0A515549540A") + b"\x20\x00\x00\x00"


def clients_at(logs: list[EventDict]) -> tuple[list[str], list[str]]:
    """Whose sessions were opened, as the edge says it and as the core does."""
    opened = [log for log in logs if log["event"] == "session_opened"]
    return [str(log["client"]) for log in opened if "edge" not in log], [
        str(log["client"]) for log in opened if "edge" in log
    ]


async def through_balancer(relay: Players, header: bytes, *, at_once: bool = True) -> Streams:
    streams = await connect(relay)
    for piece in [header] if at_once else [bytes([byte]) for byte in header]:
        streams[1].write(piece)
        await streams[1].drain()
        await asyncio.sleep(0)
    return streams


@pytest.mark.parametrize("at_once", [True, False], ids=["at once", "byte by byte"])
async def test_the_greeting_waits_for_the_header_and_bytes_behind_it_are_the_players(at_once: bool) -> None:
    async with relay(BALANCER, greet_and_echo) as running:
        with capture_logs() as logs:
            streams = await connect(running)
            assert running.core.service.counters["edge-1"].sessions_opened == 0
            streams[1].write(b"PROX")
            other = await through_balancer(running, V1 % b"203.0.113.9", at_once=at_once)
            assert await other[0].readexactly(5) == GREETING
            assert running.edge.counters.sessions_opened == 1
            streams[1].write((V1 % b"203.0.113.8")[4:] + FRAME + FRAME[:2])
            assert await streams[0].readexactly(10) == GREETING + FRAME
            streams[1].write(FRAME[2:])
            assert await streams[0].readexactly(5) == FRAME
        assert clients_at(logs) == (["203.0.113.9", "203.0.113.8"],) * 2
        assert not refused(running)


async def test_limits_and_lists_look_at_whom_the_header_names(tmp_path: Path) -> None:
    deny = tmp_path / "deny.txt"
    await asyncio.to_thread(deny.write_text, "address 203.0.113.66\n")
    async with relay(replace(BALANCER, limits=Limits(per_address=1), deny_file=str(deny))) as running:
        players = [await through_balancer(running, V1 % f"203.0.113.{last}".encode()) for last in (1, 2, 1, 66)]
        expected = ["in", "in", explain(Reason.CLIENT_ADDRESS_LIMIT), explain(Reason.CLIENT_ADDRESS_DENIED)]
        for player, text in zip(players, expected, strict=True):
            assert text in await outcome(player)
        assert refused(running) == {Reason.CLIENT_ADDRESS_LIMIT: 1, Reason.CLIENT_ADDRESS_DENIED: 1}


async def test_a_header_without_addresses_is_the_balancers_own_connection() -> None:
    async with relay(BALANCER) as running:
        with capture_logs() as logs:
            for header in (LOCAL_V2, b"PROXY UNKNOWN\r\n"):
                assert await outcome(await through_balancer(running, header)) == "in"
        assert clients_at(logs) == ([LOOPBACK] * 2,) * 2


@pytest.mark.parametrize("sent", [FRAME, b"GET / HTTP/1.1\r\n\r\n", b"PROXY TCP4 1.1.1.1\r\n"])
async def test_a_listed_sender_without_a_header_is_refused_at_once(sent: bytes) -> None:
    async with relay(BALANCER, greet_and_echo) as running:
        assert await told(await through_balancer(running, sent)) in ("", "reset")
        assert refused(running) == {Reason.CLIENT_PROXY_HEADER: 1}
        assert running.edge.counters.sessions_opened == 0


@pytest.mark.parametrize("sent", [b"", b"PROXY TCP4 "])
async def test_a_header_has_a_deadline(sent: bytes) -> None:
    deadlines = Deadlines(header_seconds=0.6)
    async with relay(replace(BALANCER, deadlines=deadlines), greet_and_echo) as running:
        assert 0.1 < await seconds_until_closed(await through_balancer(running, sent)) < 1.1
        assert refused(running) == {Reason.CLIENT_PROXY_HEADER: 1}


async def test_a_balancer_may_look_whether_somebody_is_there() -> None:
    async with relay(BALANCER) as running:
        reader, writer = await connect(running)
        writer.write_eof()
        assert await reader.read() == b""
        writer.close()
        cut = await connect(running)
        cut[1].write(b"PROXY")
        cut[1].write_eof()
        await told(cut)
        assert refused(running) == {Reason.CLIENT_PROXY_HEADER: 1}


async def test_only_so_many_wait_for_their_header(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door, "MAX_HEADER_WAITS", 2)
    async with relay(BALANCER) as running:
        waiting = [await connect(running) for _ in range(2)]
        assert await told(await connect(running)) in ("", "reset")
        assert refused(running) == {Reason.EDGE_ACCEPT_RATE: 1}
        waiting[0][1].write(V1 % b"203.0.113.1")
        assert await outcome(waiting[0]) == "in"
        assert await outcome(await through_balancer(running, V1 % b"203.0.113.2")) == "in"


async def test_a_header_of_somebody_who_is_not_listed_is_just_a_bad_frame() -> None:
    async with relay(replace(BALANCER, proxy_from=PrefixSet((parse_prefix("127.0.0.9"),)))) as running:
        text = await told(await through_balancer(running, V1 % b"203.0.113.1"))
        assert explain(Reason.CLIENT_FRAME_LENGTH) in text
        assert running.edge.counters.sessions_closed == {Reason.CLIENT_FRAME_LENGTH: 1}


async def test_nothing_is_kept_of_those_who_left() -> None:
    async with relay(replace(STRICT, limits=Limits(per_address=3))) as running:
        for _ in range(4):
            results = [await outcome(await connect(running)) for _ in range(5)]
            assert results.count("in") == 3
            await running.leave()


class Full(Poller):
    """What is left when the system watches no more sockets."""

    def add(self, descriptor: int, link: Pollable) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


async def test_a_connection_that_cannot_be_watched_is_refused_with_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edge.door.Poller", Full)
    async with relay(STRICT) as players:
        reader, _ = await connect(players)
        with contextlib.suppress(ConnectionError):
            assert await reader.read() == b""
        assert players.edge.counters.sessions_refused == {"session_limit": 1}
        assert players.edge.connections == 0

"""A relay end to end, in one process: real sockets, real gRPC, each kind of ending."""

import asyncio
import contextlib
import struct
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
from structlog.testing import capture_logs

from edge.edge import Edge
from fleet.port import bind_socket
from tests.relays import (
    LOOPBACK,
    WINDOW_BYTES,
    Relay,
    Streams,
    echo,
    edge_config,
    free_port,
    running_edge,
    running_origin,
    running_relay,
)
from tunnel.end import TunnelEnd
from wire.reasons import Reason, explain

FRAME = b"\x00\x05abc"


async def close(streams: Streams) -> None:
    streams[1].close()
    with contextlib.suppress(ConnectionError):
        await streams[1].wait_closed()


def reasons(relay: Relay) -> tuple[Counter[str], Counter[str]]:
    """Why sessions ended, at the edge and at the core."""
    return relay.edge.counters.sessions_closed, relay.core.service.counters["edge-1"].sessions_closed


async def test_frames_cross_whatever_the_cuts() -> None:
    stream = FRAME + b"\x00\x02" + b"\x01\x00" + bytes(254) + FRAME
    async with running_origin(echo) as port, running_relay("generic", port) as relay:
        reader, writer = await relay.connect()
        writer.write(stream)
        assert await reader.readexactly(len(stream)) == stream
        for byte in stream:
            writer.write(bytes([byte]))
            await writer.drain()
        assert await reader.readexactly(len(stream)) == stream
        assert relay.edge.counters.frames_serverbound == 8
        assert relay.core.service.counters["edge-1"].frames_clientbound == 8
        await close((reader, writer))
        await relay.settle()
        assert reasons(relay) == ({Reason.CLIENT_CLOSED: 1}, {Reason.CLIENT_CLOSED: 1})


async def test_raw_carries_a_half_closed_conversation() -> None:
    async def answer_at_the_end(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        question = await reader.read()
        writer.write(question[::-1] * 1000)
        await writer.drain()

    async with running_origin(answer_at_the_end) as port, running_relay("raw", port) as relay:
        reader, writer = await relay.connect()
        writer.write(b"abc")
        writer.write_eof()
        assert await reader.read() == b"cba" * 1000
        await close((reader, writer))
        await relay.settle()


async def test_the_server_may_speak_first_and_close_first() -> None:
    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(FRAME)
        await writer.drain()

    async with running_origin(greet) as port, running_relay("echo", port) as relay:
        streams = await relay.connect()
        assert await streams[0].read() == FRAME
        await close(streams)
        await relay.settle()
        assert reasons(relay) == ({Reason.ORIGIN_CLOSED: 1}, {Reason.ORIGIN_CLOSED: 1})


@pytest.mark.parametrize("bad", [b"\x00\x00", b"\x00\x01", b"\x00\x02", b"\xff\xff"])
async def test_a_players_bad_frame_costs_the_session(bad: bytes) -> None:
    got = asyncio.get_running_loop().create_future()

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        got.set_result(await reader.read())

    async with running_origin(listen) as port, running_relay("echo", port) as relay:
        with capture_logs() as logs:
            reader, writer = await relay.connect()
            writer.write(FRAME + bad + b"junk")
            notice = await reader.read()
            await close((reader, writer))
            await relay.settle()
        assert explain(Reason.CLIENT_FRAME_LENGTH).encode() in notice
        assert await got == FRAME
        assert reasons(relay) == ({Reason.CLIENT_FRAME_LENGTH: 1}, {Reason.CLIENT_FRAME_LENGTH: 1})
        closing = [log for log in logs if log["event"] == "session_closed" and "detail" in log]
        assert [log["log_level"] for log in closing] == ["debug"]
        assert "bytes are allowed" in closing[0]["detail"]


async def test_a_servers_bad_frame_is_another_reason_and_an_error() -> None:
    async def misbehave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(FRAME + b"\x00\x00")
        await reader.read()

    async with running_origin(misbehave) as port, running_relay("echo", port) as relay:
        with capture_logs() as logs:
            streams = await relay.connect()
            received = await streams[0].read()
            await close(streams)
            await relay.settle()
        assert received.startswith(FRAME)
        assert explain(Reason.ORIGIN_FRAME_LENGTH).encode() in received
        assert reasons(relay) == ({Reason.ORIGIN_FRAME_LENGTH: 1}, {Reason.ORIGIN_FRAME_LENGTH: 1})
        assert [log["log_level"] for log in logs if log["event"] == "origin_fault"] == ["error"]


async def test_a_server_that_refuses_is_said_once_and_told_to_each_player() -> None:
    async with running_relay("echo", free_port()) as relay:
        with capture_logs() as logs:
            for _ in range(3):
                streams = await relay.connect()
                assert explain(Reason.ORIGIN_REFUSED).encode() in await streams[0].read()
                await close(streams)
            await relay.settle()
        assert reasons(relay)[0] == {Reason.ORIGIN_REFUSED: 3}
        assert [log["log_level"] for log in logs if log["event"] == "origin_away"] == ["error"]


async def test_a_server_that_vanishes_ends_only_its_own_sessions() -> None:
    async def reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(100):
            if b"die" in data:
                linger = struct.pack("ii", 1, 0)
                sock = writer.get_extra_info("socket")
                sock.setsockopt(1, 13, linger)  # SO_LINGER 0: the close is a reset
                return
            writer.write(data)

    async with running_origin(reset) as port, running_relay("echo", port) as relay:
        staying, going = await relay.connect(), await relay.connect()
        going[1].write(b"\x00\x05die")
        assert explain(Reason.ORIGIN_LOST).encode() in await going[0].read()
        staying[1].write(FRAME)
        assert await staying[0].readexactly(5) == FRAME
        await close(staying)
        await close(going)
        await relay.settle()
        assert reasons(relay)[0] == {Reason.ORIGIN_LOST: 1, Reason.CLIENT_CLOSED: 1}


@pytest.mark.parametrize(("at_edge", "at_core"), [(1, 100), (100, 1)])
async def test_a_full_relay_refuses_with_a_notice(at_edge: int, at_core: int) -> None:
    async with (
        running_origin(echo) as port,
        running_relay("echo", port, max_sessions=at_edge, core_max_sessions=at_core) as relay,
    ):
        first = await relay.connect()
        first[1].write(FRAME)
        assert await first[0].readexactly(5) == FRAME
        second = await relay.connect()
        assert explain(Reason.SESSION_LIMIT).encode() in await second[0].read()
        first[1].write(FRAME)
        assert await first[0].readexactly(5) == FRAME
        await close(first)
        await close(second)
        await relay.settle()


@pytest.mark.parametrize("who", ["player", "server"])
async def test_one_that_stops_reading_stops_only_its_own_session(who: str) -> None:
    """The stalled session's sender is stopped by the windows; another session is not even slowed."""
    flooding = asyncio.Event()
    stalled = asyncio.Event()

    async def flood(writer: asyncio.StreamWriter) -> None:
        flooding.set()
        with contextlib.suppress(ConnectionError):
            while True:
                writer.write(bytes(10_000))
                await writer.drain()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        order = await reader.readexactly(1)
        if order == b"F":
            await flood(writer)
        elif order == b"S":
            await stalled.wait()
        else:
            writer.write(order)
            await echo(reader, writer)

    async with running_origin(serve) as port, running_relay("raw", port) as relay:
        stuck, playing = await relay.connect(), await relay.connect()
        stuck[1].write(b"F" if who == "player" else b"S")
        flooder = asyncio.create_task(flood(stuck[1])) if who == "server" else None
        await flooding.wait()
        playing[1].write(b"P")
        assert await playing[0].readexactly(1) == b"P"
        for number in range(200):
            playing[1].write(b"%05d" % number)
            assert await playing[0].readexactly(5) == b"%05d" % number
        assert relay.edge.tunnel is not None
        ends: list[TunnelEnd[Any]] = [relay.edge.tunnel, *relay.core.service.tunnels.values()]
        for end in ends:
            assert end.queue.pending_bytes <= 2 * WINDOW_BYTES
            for session in end.sessions.values():
                assert session.held_bytes <= 256 * 1024 + WINDOW_BYTES  # one read of a socket, and the window
        stalled.set()
        if flooder is not None:
            flooder.cancel()
            await asyncio.gather(flooder, return_exceptions=True)
        stuck[1].transport.abort()
        await close(playing)
        await relay.settle()


async def test_a_half_closed_session_without_progress_is_given_up() -> None:
    async def hold(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        await asyncio.Event().wait()

    async with running_origin(hold) as port, running_relay("raw", port, half_close_seconds=0.0) as relay:
        reader, writer = await relay.connect()
        writer.write_eof()
        assert await reader.read() == b""
        await close((reader, writer))
        await relay.settle()
        assert reasons(relay)[1] == {Reason.HALF_CLOSE_TIMEOUT: 1}


async def test_a_notice_for_a_player_who_was_sent_the_end_is_dropped_and_the_edge_lives_on() -> None:
    """The game server ends its direction and says no more; the session is given up, and there is no way to say why."""

    async def end(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if b"end" in await reader.read(100):
            writer.write_eof()
            await asyncio.Event().wait()
        writer.write(FRAME)

    async with running_origin(end) as port, running_relay("echo", port, half_close_seconds=0.0) as relay:
        streams = await relay.connect()
        streams[1].write(b"\x00\x05end")
        assert await streams[0].read() == b""
        await relay.settle()
        await close(streams)
        assert sum(reasons(relay)[0].values()) == 1
        again = await relay.connect()
        again[1].write(FRAME)
        assert await again[0].readexactly(5) == FRAME
        await close(again)
        await relay.settle()


async def test_the_cores_limit_holds_over_all_its_edges() -> None:
    async with (
        running_origin(echo) as port,
        running_relay("echo", port, core_max_sessions=1) as relay,
        running_edge(edge_config(relay.core.port, name="edge-2")) as second,
    ):
        await second.wait_ready()
        first = await relay.connect()
        first[1].write(FRAME)
        assert await first[0].readexactly(5) == FRAME
        refused = await asyncio.open_connection(second.address.host, second.address.port)
        assert explain(Reason.SESSION_LIMIT).encode() in await refused[0].read()
        await close(refused)
        await close(first)
        await relay.settle()
        free = await asyncio.open_connection(second.address.host, second.address.port)
        free[1].write(FRAME)
        assert await free[0].readexactly(5) == FRAME
        await close(free)
        assert second.tunnel is not None
        await second.tunnel.quiet.wait()


async def test_two_edges_on_one_port_cannot_both_be_ready() -> None:
    async with running_origin(echo) as port, running_relay("echo", port) as relay:
        config = edge_config(relay.core.port)
        with contextlib.ExitStack() as stack:
            waiting = bind_socket(LOOPBACK, 0, shared=False)
            stack.callback(waiting.close)
            other = Edge(replace(config, listen_port=waiting.getsockname()[1]))  # bound beside, as neither listens
            waiting.listen(1)
            with pytest.raises(ExceptionGroup) as raised:
                await other.run()
            assert raised.group_contains(OSError, match="Address already in use")


async def test_sessions_are_told_when_the_edge_drains() -> None:
    async with running_origin(echo) as port, running_relay("echo", port) as relay:
        streams = await relay.connect()
        streams[1].write(FRAME)
        assert await streams[0].readexactly(5) == FRAME
        draining = asyncio.create_task(relay.edge.drain())
        assert explain(Reason.DRAIN_DEADLINE).encode() in await streams[0].read()
        await close(streams)
        await draining
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection(LOOPBACK, relay.edge.address.port)


async def test_a_draining_core_takes_no_new_sessions() -> None:
    async with running_origin(echo) as port, running_relay("echo", port) as relay:
        old = await relay.connect()
        old[1].write(FRAME)
        assert await old[0].readexactly(5) == FRAME
        draining = asyncio.create_task(relay.core.drain())
        while relay.edge.tunnel is None or not relay.edge.tunnel.is_draining:  # noqa: ASYNC110 - no event for it
            await asyncio.sleep(0)
        new = await relay.connect()
        assert explain(Reason.CORE_DRAINING).encode() in await new[0].read()
        old[1].write(FRAME)
        assert await old[0].readexactly(5) == FRAME
        await close(old)
        await close(new)
        await draining


async def test_when_the_core_goes_players_are_told_and_new_ones_refused() -> None:
    async with running_origin(echo) as port, running_relay("echo", port) as relay:
        streams = await relay.connect()
        streams[1].write(FRAME)
        assert await streams[0].readexactly(5) == FRAME
        await relay.core.stop()
        assert explain(Reason.TUNNEL_LOST).encode() in await streams[0].read()
        await close(streams)
        refused = await relay.connect()
        assert explain(Reason.NO_CORE).encode() in await refused[0].read()
        await close(refused)
        assert relay.edge.counters.sessions_refused == {Reason.NO_CORE: 1}

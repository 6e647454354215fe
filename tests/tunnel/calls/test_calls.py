"""Calls between our ends and those of the gRPC library, in both directions, and what comes of calls that break."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from structlog.testing import capture_logs

from tests.tunnel.calls.ends import (
    LOOPBACK,
    MAX_BYTES,
    PATH,
    Script,
    Talk,
    Text,
    echo,
    library_server,
    our_call,
    our_server,
    rest_of,
)
from tests.tunnel.calls.test_hostile_connections import honest_client
from tunnel.calls import connection as connections
from tunnel.calls import server as servers
from tunnel.calls.call import Call
from tunnel.calls.client import calling
from tunnel.calls.server import Server
from tunnel.calls.status import CallError, Status
from wire.data_frames import pack_window_update

SIZES = (0, 1, 5, 16_379, 16_380, 70_000, 1 << 20, MAX_BYTES)


@asynccontextmanager
async def server_of(whose: str, script: Script) -> AsyncIterator[int]:
    if whose == "ours":
        async with our_server(script) as (_, port):
            yield port
    else:
        async with library_server(script) as port:
            yield port


both = pytest.mark.parametrize("whose", ["ours", "the library's"])


@both
async def test_messages_of_all_sizes_go_there_and_back(whose: str) -> None:
    async with server_of(whose, echo) as port, our_call(port) as call:
        for size in SIZES:
            message = bytes(range(256)) * (size // 256) + bytes(size % 256)
            await call.write(Text(message))
            assert await call.read() == message
        call.done_writing()
        assert await call.read() is None
        assert call.status is Status.OK


@both
async def test_many_messages_keep_their_order(whose: str) -> None:
    sent = [bytes([number % 256]) * (number * 37 % 5000) for number in range(3000)]

    async with server_of(whose, echo) as port, our_call(port) as call:

        async def say_all() -> None:
            for message in sent:
                await call.write(Text(message))
            call.done_writing()

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(say_all())
            assert await rest_of(call) == sent


@both
async def test_who_is_not_read_waits_and_holds_no_more_than_a_window(whose: str) -> None:
    may_read = asyncio.Event()
    count = 40

    async def read_late(talk: Talk) -> None:
        await may_read.wait()
        for _ in range(count):
            assert await talk.read() == bytes(1 << 20)
        await talk.write(b"all")

    async with server_of(whose, read_late) as port, our_call(port) as call:

        async def say_all() -> None:
            for _ in range(count):
                await call.write(Text(bytes(1 << 20)))

        saying = asyncio.create_task(say_all())
        done, _ = await asyncio.wait({saying}, timeout=0.5)
        assert not done, "40 MiB do not fit into any window"
        may_read.set()
        await saying
        assert await call.read() == b"all"


@both
@pytest.mark.parametrize("status", [each for each in Status if each is not Status.OK])
async def test_a_status_and_its_sentence_arrive(whose: str, status: Status) -> None:
    said = " no way: 100 % «не сегодня»\n "

    async def refuse(talk: Talk) -> None:
        await talk.write(b"first")
        await talk.abort(status, said)

    async with server_of(whose, refuse) as port, our_call(port) as call:
        assert await rest_of(call) == [b"first"]
        assert (call.status, call.details) == (status, said)
        with pytest.raises(CallError, match=status.name):
            await call.write(Text(b"more"))


@both
async def test_a_status_without_any_message(whose: str) -> None:
    async def refuse(talk: Talk) -> None:
        await talk.abort(Status.PERMISSION_DENIED, "not you")

    async with server_of(whose, refuse) as port, our_call(port) as call:
        assert await rest_of(call) == []
        assert (call.status, call.details) == (Status.PERMISSION_DENIED, "not you")


@both
async def test_a_method_that_is_not_there(whose: str) -> None:
    async with server_of(whose, echo) as port, our_call(port, "/test.Service/Other") as call:
        assert await rest_of(call) == []
        assert call.status is Status.UNIMPLEMENTED


@both
async def test_a_server_whose_handler_fails(whose: str) -> None:
    async def fail(talk: Talk) -> None:
        raise ZeroDivisionError

    with capture_logs() as logs:
        async with server_of(whose, fail) as port, our_call(port) as call:
            assert await rest_of(call) == []
            assert call.status in (Status.INTERNAL, Status.UNKNOWN)
    if whose == "ours":
        assert [log["event"] for log in logs] == ["call_failed"]


@both
async def test_a_message_too_long_is_not_sent(whose: str) -> None:
    async with server_of(whose, echo) as port, our_call(port) as call:
        with pytest.raises(CallError, match="RESOURCE_EXHAUSTED"):
            await call.write(Text(bytes(MAX_BYTES + 1)))
        await call.write(Text(b"still there"))
        assert await call.read() == b"still there"


@both
async def test_nobody_reads_what_a_client_breaks_off(whose: str) -> None:
    ended = asyncio.Event()

    async def read_all(talk: Talk) -> None:
        try:
            while await talk.read() is not None:
                pass
        finally:
            ended.set()

    async with server_of(whose, read_all) as port:
        async with our_call(port) as call:
            await call.write(Text(b"hello"))
            call.cancel()
            assert call.status is Status.CANCELLED
            assert await call.read() is None
        await asyncio.wait_for(ended.wait(), 5)


async def test_a_server_that_ends_says_so() -> None:
    async with our_server(echo) as (server, port), our_call(port) as call:
        await call.write(Text(b"x"))
        assert await call.read() == b"x"
        assert server.connections == 1
        await server.stop()
        assert await rest_of(call) == []
        assert (call.status, call.details) == (Status.UNAVAILABLE, "the server ends")


async def test_a_writer_that_waits_hears_of_the_end() -> None:
    async def end_soon(talk: Talk) -> None:
        await talk.read()
        await asyncio.sleep(0.1)
        await talk.abort(Status.ABORTED, "enough")

    async with our_server(end_soon) as (_, port), our_call(port) as call:
        with pytest.raises(CallError, match="ABORTED: enough"):  # noqa: PT012 - any of them
            for _ in range(100):
                await call.write(Text(bytes(1 << 20)))


async def test_a_peer_that_reads_nothing_and_ends_holds_up_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its end comes while bytes for it wait: they are given up, and the server can stop."""
    monkeypatch.setattr(connections, "LINGER_SECONDS", 0.2)
    ended = asyncio.Event()

    async def flood(talk: Talk) -> None:
        with contextlib.suppress(CallError):
            while True:
                await talk.write(bytes(1 << 20))
        ended.set()

    async with our_server(flood) as (server, port), asyncio.timeout(10):
        own = socket.create_connection((LOOPBACK, port))
        own.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        own.sendall(honest_client() + pack_window_update((1 << 30), 0) + pack_window_update(1 << 30, 1))
        while not server.connections:  # noqa: ASYNC110 - no event for it
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.1)
        assert not ended.is_set()
        own.shutdown(socket.SHUT_WR)
        await ended.wait()
        while server.connections:  # noqa: ASYNC110 - no event for it
            await asyncio.sleep(0.01)
        own.close()


async def test_a_server_stops_though_a_peer_reads_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "LINGER_SECONDS", 0.2)
    writing = asyncio.Event()

    async def flood(talk: Talk) -> None:
        writing.set()
        while True:
            await talk.write(bytes(1 << 20))

    async with our_server(flood) as (server, port), asyncio.timeout(10):
        own = socket.create_connection((LOOPBACK, port))
        own.sendall(honest_client() + pack_window_update((1 << 30), 0) + pack_window_update(1 << 30, 1))
        await writing.wait()
        await asyncio.sleep(0.1)
        await server.stop()
        assert server.connections == 0
        own.close()


async def test_calls_that_end_unread_are_not_held_against_others() -> None:
    async def leave(talk: Talk) -> None:
        await asyncio.sleep(0.05)

    async with our_server(leave) as (_, port), await library_channel(port) as channel, asyncio.timeout(30):
        for _ in range(12):  # of which each uses a sixth of the window
            call: Any = channel.stream_stream(PATH)()
            with contextlib.suppress(grpc.aio.AioRpcError, asyncio.InvalidStateError):
                await call.write(bytes(700_000))
                await call.write(bytes(700_000))
            # INTERNAL is the library's own word for a write that came too late.
            assert await call.code() in (grpc.StatusCode.OK, grpc.StatusCode.INTERNAL)


async def test_two_may_wait_for_room() -> None:
    may_read = asyncio.Event()

    async def read_late(talk: Talk) -> None:
        await may_read.wait()
        while await talk.read() is not None:
            pass

    async with our_server(read_late) as (_, port), our_call(port) as call:
        while not call.is_full():
            call.send(Text(bytes(1 << 20)))
        told = asyncio.Event()
        call.when_room(told.set)
        writing = asyncio.create_task(call.write(Text(b"more")))
        await asyncio.sleep(0)
        may_read.set()
        await asyncio.gather(told.wait(), writing)
        call.done_writing()
        assert await call.read() is None
        assert call.is_full(), "nothing more is to be sent"


async def library_channel(port: int) -> Any:
    return grpc.aio.insecure_channel(f"{LOOPBACK}:{port}", options=(("grpc.max_receive_message_length", MAX_BYTES),))


async def test_the_librarys_client_at_our_server() -> None:
    async with our_server(echo) as (_, port), await library_channel(port) as channel:
        call: Any = channel.stream_stream(PATH)()
        for size in SIZES:
            await call.write(bytes(size))
            assert await call.read() == bytes(size)
        await call.done_writing()
        assert await call.read() is grpc.aio.EOF
        assert await call.code() is grpc.StatusCode.OK


@pytest.mark.parametrize("first", [True, False])
async def test_the_librarys_client_hears_a_status(first: bool) -> None:
    async def refuse(talk: Talk) -> None:
        if first:
            await talk.write(b"first")
        await talk.abort(Status.FAILED_PRECONDITION, "100 % нет")

    async with our_server(refuse) as (_, port), await library_channel(port) as channel:
        call: Any = channel.stream_stream(PATH)()
        with contextlib.suppress(grpc.aio.AioRpcError):
            while await call.read() is not grpc.aio.EOF:
                pass
        assert (await call.code(), await call.details()) == (grpc.StatusCode.FAILED_PRECONDITION, "100 % нет")


async def test_several_calls_of_one_connection_and_one_too_many() -> None:
    async with our_server(echo) as (server, port), await library_channel(port) as channel:
        calls: list[Any] = [channel.stream_stream(PATH)() for _ in range(connections.MAX_CALLS)]
        for number, call in enumerate(calls):
            await call.write(b"%d" % number)
        for number, call in enumerate(calls):
            assert await call.read() == b"%d" % number
        assert server.connections == 1
        late: Any = channel.stream_stream(PATH)()
        await calls[0].done_writing()
        assert await calls[0].read() is grpc.aio.EOF
        await late.write(b"late")
        assert await late.read() == b"late"


async def test_a_compressed_message_is_refused_with_a_reason() -> None:
    async with our_server(echo) as (_, port), await library_channel(port) as channel:
        call: Any = channel.stream_stream(PATH)(compression=grpc.Compression.Gzip)
        with contextlib.suppress(grpc.aio.AioRpcError):
            await call.write(bytes(10_000))
            await call.read()
        assert await call.code() is grpc.StatusCode.UNIMPLEMENTED
        assert "compress" in await call.details()


async def test_nobody_is_there() -> None:
    async with our_server(echo) as (_, port):
        pass
    with pytest.raises(CallError, match=f"UNAVAILABLE: {LOOPBACK}:{port}: "):
        async with our_call(port):
            pass


@pytest.mark.parametrize(
    ("answer", "status", "said"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n" + bytes(100), Status.UNAVAILABLE, "not HTTP/2"),
        (b"", Status.UNAVAILABLE, "closed"),
        (bytes(9) + b"\x00", Status.UNAVAILABLE, "where there can be none"),
        (b"\xff\xff\xff\x00\x00\x00\x00\x00\x01", Status.UNAVAILABLE, "16777215 bytes, where at most"),
    ],
)
async def test_what_answers_is_something_else(answer: bytes, status: Status, said: str) -> None:
    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(answer)
        with contextlib.suppress(ConnectionError):
            await writer.drain()
            await reader.read(1)
        writer.close()

    server = await asyncio.start_server(speak, LOOPBACK, 0)
    async with server, our_call(server.sockets[0].getsockname()[1]) as call:
        assert await rest_of(call) == []
        assert call.status is status
        assert said in call.details


async def test_strangers_cost_little(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who speaks something else, says nothing, or comes when all places are taken is gone soon."""
    monkeypatch.setattr(servers, "IDLE_SECONDS", 0.2)
    monkeypatch.setattr(servers, "MAX_CONNECTIONS", 3)
    async with our_server(echo) as (server, port), asyncio.timeout(10):
        for said in (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"\x16\x03\x01" + bytes(100), bytes(64), b""):
            reader, writer = await asyncio.open_connection(LOOPBACK, port)
            writer.write(said)
            with contextlib.suppress(ConnectionError):
                while await reader.read(1000):
                    pass
            writer.close()
        silent = [await asyncio.open_connection(LOOPBACK, port) for _ in range(3)]
        while server.connections < 3:  # noqa: ASYNC110 - no event for it
            await asyncio.sleep(0.01)
        with capture_logs() as logs:
            async with our_call(port) as call:
                assert await rest_of(call) == []
                assert call.status is Status.UNAVAILABLE
        assert [log["event"] for log in logs] == ["connection_refused"]
        for reader, writer in silent:
            while await reader.read(1000):
                pass
            writer.close()
        async with our_call(port) as call:
            await call.write(Text(b"x"))
            assert await call.read() == b"x"


async def test_who_asks_for_answers_and_reads_none_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "MAX_UNSENT_BYTES", 100_000)
    async with our_server(echo) as (server, port), asyncio.timeout(20):
        reader, writer = await asyncio.open_connection(LOOPBACK, port, limit=1000)
        writer.write(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0]))
        ping = bytes([0, 0, 8, 6, 0, 0, 0, 0, 0]) + bytes(8)
        with pytest.raises(ConnectionError):  # noqa: PT012 - any of them
            while True:
                writer.write(ping * 1000)
                await writer.drain()
        assert server.connections == 0
        writer.close()
        del reader


async def test_a_server_at_a_unix_socket_knows_its_peer_by_name(tmp_path: Path) -> None:
    """So that the gate before it can say who that is."""
    heard: list[str] = []

    async def listen(call: Call) -> None:
        heard.append(call.peer())

    server = Server({PATH: listen}, bytes, max_message_bytes=MAX_BYTES)
    listening = await asyncio.get_running_loop().create_unix_server(server.protocol, str(tmp_path / "server"))
    own = socket.socket(socket.AF_UNIX)
    own.bind(str(tmp_path / "client"))
    own.connect(str(tmp_path / "server"))
    own.settimeout(0.0)
    own.send(honest_client())
    async with asyncio.timeout(5):
        while not heard:  # noqa: ASYNC110 - no event for it
            await asyncio.sleep(0.01)
    assert heard == [f"unix:{tmp_path / 'client'}"]
    own.close()
    async with calling(f"unix:{tmp_path / 'server'}", PATH, bytes, max_message_bytes=MAX_BYTES) as call:
        assert await rest_of(call) == []
        assert call.status is Status.OK
    listening.close()
    await server.stop()

"""Any bytes at either end of a connection: it goes on or is closed, and never raises anything else."""

import asyncio
import time
from typing import Any

import h2.config
import h2.connection
import h2.settings
from hypothesis import given
from hypothesis import strategies as st

from tests.tunnel.calls.ends import PATH, Text
from tunnel.calls.call import MAX_UNREAD_MESSAGES, Call
from tunnel.calls.client import _ClientConnection
from tunnel.calls.connection import LONG_SECONDS, Connection
from tunnel.calls.server import Server
from tunnel.calls.status import Status
from wire.data_frames import PREFIX_BYTES, pack_data, pack_message, pack_window_update

HEADERS = [
    (":method", "POST"),
    (":scheme", "http"),
    (":path", PATH),
    (":authority", "x"),
    ("content-type", "application/grpc"),
]


class Transport(asyncio.Transport):
    """Takes everything."""

    def __init__(self) -> None:
        super().__init__()
        self.sent = bytearray()
        self.is_over = False
        self.reads = True

    def pause_reading(self) -> None:
        self.reads = False

    def resume_reading(self) -> None:
        self.reads = True

    def write(self, data: Any) -> None:
        assert not self.is_over
        self.sent += data

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass

    def get_write_buffer_size(self) -> int:
        return 0

    def is_closing(self) -> bool:
        return self.is_over

    def close(self) -> None:
        self.is_over = True

    def abort(self) -> None:
        self.is_over = True


def honest_client() -> bytes:
    """What a client says that calls, and sends two messages."""
    client = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True))
    client.initiate_connection()
    client.send_headers(1, HEADERS)
    data: bytes = client.data_to_send()
    return data + pack_message(b"hello", 1) + pack_window_update(100, 1) + pack_data(b"\x00\x00\x00\x00\x02hi", 1)


def honest_server() -> bytes:
    """What a server says to that."""
    server = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False))
    server.initiate_connection()
    server.receive_data(honest_client())
    server.send_headers(1, [(":status", "200"), ("content-type", "application/grpc")])
    data: bytes = server.data_to_send() + pack_message(b"hello", 1)
    server.send_headers(1, [("grpc-status", "0")], end_stream=True)
    return data + server.data_to_send()


async def _take(connection: Connection, transport: Transport, data: bytes, cuts: list[int]) -> None:
    connection.connection_made(transport)
    if isinstance(connection, _ClientConnection):
        connection.begin("host:1", PATH, bytes, 1000)
    position, number = 0, 0
    while position < len(data) and not transport.is_over:
        size = cuts[number % len(cuts)]
        connection.data_received(data[position : position + size])
        position += size
        number += 1
        await asyncio.sleep(0)
    connection.connection_lost(None)
    assert not connection.calls


SETTINGS = 4
PING = 6


def frame_of(kind: int, body: bytes, stream: int = 0) -> bytes:
    return len(body).to_bytes(3, "big") + bytes([kind, 0]) + stream.to_bytes(4, "big") + body


async def at_ready_server(data: bytes) -> Connection:
    """A server's connection that has taken a client's beginning and then these bytes."""
    server = Server({}, bytes, max_message_bytes=1000)
    connection = server.protocol()
    connection.connection_made(Transport())
    client = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True))
    client.initiate_connection()
    connection.data_received(client.data_to_send())
    assert not connection.problem
    connection.data_received(data)
    return connection


async def test_more_settings_than_there_are_end_the_connection() -> None:
    many = b"".join(number.to_bytes(2, "big") + bytes(4) for number in range(100, 200))
    connection = await at_ready_server(frame_of(SETTINGS, many))
    assert "different settings, where at most 32 may be" in connection.problem
    connection.connection_lost(None)


async def test_frames_that_carry_nothing_are_counted() -> None:
    connection = await at_ready_server(frame_of(PING, bytes(8)) * 900)
    assert not connection.problem
    connection.data_received(frame_of(PING, bytes(8)) * 28_000)
    assert "more than 1000 frames that carry nothing" in connection.problem
    connection.connection_lost(None)


async def test_empty_data_and_long_settings_count_for_what_they_cost() -> None:
    for flood in (frame_of(0, b"", 1) * 2000, frame_of(SETTINGS, (b"\0\4" + bytes(4)) * 2730) * 20):
        server = Server({}, bytes, max_message_bytes=1000)
        connection = server.protocol()
        connection.connection_made(Transport())
        connection.data_received(honest_client())
        connection.data_received(flood)
        assert "more than 1000 frames that carry nothing" in connection.problem
        connection.connection_lost(None)


async def test_who_is_sent_messages_may_ping_for_each() -> None:
    """As implementations of gRPC do that measure the way all the time."""

    async def wait(call: Call) -> None:
        assert await call.read() == b"hello"
        assert await call.read() == b"hi"
        assert await call.read() is None

    server = Server({PATH: wait}, bytes, max_message_bytes=1000)
    connection = server.protocol()
    connection.connection_made(Transport())
    connection.data_received(honest_client())
    (call,) = connection.calls.values()
    for _ in range(5000):
        call.send(Text(b"x"))
        connection.data_received(frame_of(PING, bytes(8)))
    assert not connection.problem
    connection.connection_lost(None)
    await server.stop()


async def test_answers_remember_no_more_headers_than_is_good_for_us() -> None:
    connection = await at_ready_server(frame_of(SETTINGS, b"\0\1\xff\xff\xff\xff"))
    assert connection._h2.encoder.header_table_size == 4096
    connection.connection_lost(None)


async def test_what_comes_behind_a_goodbye_is_not_looked_at() -> None:
    """GRPC's servers say goodbye and send a ping behind it."""
    client = _ClientConnection(is_client=True)
    client.connection_made(Transport())
    call = client.begin("host:1", PATH, bytes, 1000)
    client.data_received(honest_server()[:-1])
    client.data_received(honest_server()[-1:] + frame_of(7, b"\x7f\xff\xff\xff" + bytes(4)) + frame_of(PING, bytes(8)))
    assert await call.read() == b"hello"
    assert await call.read() is None
    assert call.status is not None
    assert call.status.name == "OK"
    assert not client.problem
    client.connection_lost(None)


async def test_a_window_that_comes_with_the_call_is_taken_once() -> None:
    client = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True))
    client.initiate_connection()
    client.send_headers(1, HEADERS)
    client.update_settings({h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: 100_000})
    may_end = asyncio.Event()

    async def wait(call: Call) -> None:
        await may_end.wait()

    server = Server({PATH: wait}, bytes, max_message_bytes=1000)
    connection = server.protocol()
    connection.connection_made(Transport())
    connection.data_received(client.data_to_send())
    (call,) = connection.calls.values()
    assert call.room_bytes == 100_000
    may_end.set()
    connection.connection_lost(None)
    await server.stop()


async def at_server(data: bytes, cuts: list[int]) -> list[bytes]:
    heard: list[bytes] = []

    async def listen(call: Call) -> None:
        while (message := await call.read()) is not None:
            heard.append(message)

    server = Server({PATH: listen}, bytes, max_message_bytes=1000)
    await _take(server.protocol(), Transport(), data, cuts)
    await server.stop()
    return heard


async def at_client(data: bytes, cuts: list[int]) -> None:
    await _take(_ClientConnection(is_client=True), Transport(), data, cuts)


cuttings = st.lists(st.integers(1, 60), min_size=1, max_size=5)


def damaged(whole: bytes) -> st.SearchStrategy[bytes]:
    def damage(changes: list[tuple[int, int]]) -> bytes:
        data = bytearray(whole)
        for position, value in changes:
            data[position % len(data)] = value
        return bytes(data)

    return st.builds(damage, st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), max_size=6))


def test_an_honest_client_is_heard_however_its_bytes_are_cut() -> None:
    for size in (1, 2, 7, 10_000):
        assert asyncio.run(at_server(honest_client(), [size])) == [b"hello", b"hi"]


@given(st.binary(max_size=300), cuttings)
def test_any_bytes_at_a_server(data: bytes, cuts: list[int]) -> None:
    asyncio.run(at_server(data, cuts))


@given(st.binary(max_size=300), cuttings)
def test_any_bytes_at_a_client(data: bytes, cuts: list[int]) -> None:
    asyncio.run(at_client(data, cuts))


@given(damaged(honest_client()), st.binary(max_size=100), cuttings)
def test_a_damaged_client_at_a_server(data: bytes, more: bytes, cuts: list[int]) -> None:
    asyncio.run(at_server(data + more, cuts))


@given(damaged(honest_server()), st.binary(max_size=100), cuttings)
def test_a_damaged_server_at_a_client(data: bytes, more: bytes, cuts: list[int]) -> None:
    asyncio.run(at_client(data + more, cuts))


async def test_messages_that_nobody_reads_are_bounded_by_their_number() -> None:
    """Two bytes each, and an object: the window alone would let a million of them in."""

    async def never_read(call: Call) -> None:
        await asyncio.Event().wait()

    server = Server({PATH: never_read}, bytes, max_message_bytes=1000)
    connection = server.protocol()
    connection.connection_made(Transport())
    connection.data_received(honest_client())
    (call,) = connection.calls.values()
    few = pack_data(bytes(PREFIX_BYTES) * (MAX_UNREAD_MESSAGES // 2), 1)
    connection.data_received(few)
    assert call.status is None
    connection.data_received(few)
    assert call.status is Status.RESOURCE_EXHAUSTED
    assert "that nobody has read yet" in call.details
    connection.connection_lost(None)
    await server.stop()


async def test_who_sends_what_takes_long_is_read_again_when_others_had_their_turn() -> None:
    transport, taken = Transport(), []

    def take(message: bytes) -> None:
        taken.append(message)
        time.sleep(2 * LONG_SECONDS)

    async def deliver(call: Call) -> None:
        await call.deliver(take)

    server = Server({PATH: deliver}, bytes, max_message_bytes=1000)
    connection = server.protocol()
    connection.connection_made(transport)
    connection.data_received(honest_client())
    await asyncio.sleep(0)  # the handler begins, and is handed what came
    transport.reads = True
    connection.data_received(pack_message(b"more", 1))
    assert not transport.reads
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert transport.reads
    assert taken == [b"hello", b"hi", b"more"]
    connection.connection_lost(None)
    await server.stop()

"""Any bytes at either end of a connection: it goes on or is closed, and never raises anything else."""

import asyncio
from typing import Any

import h2.config
import h2.connection
from hypothesis import given
from hypothesis import strategies as st

from tests.tunnel.calls.ends import PATH
from tunnel.calls.call import Call
from tunnel.calls.client import _ClientConnection
from tunnel.calls.connection import Connection
from tunnel.calls.server import Server
from wire.data_frames import pack_data, pack_message, pack_window_update

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

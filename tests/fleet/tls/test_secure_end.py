"""What strangers and broken peers send: any bytes give a refusal or the end, never another exception."""

import asyncio
import ssl
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from fleet.tls.plain_end import PlainEnd
from fleet.tls.refusals import HandshakeError
from fleet.tls.secure_end import MAX_HANDSHAKE_BYTES, SecureEnd
from tests.certificates import Office, office
from tests.fleet.tls.ends import stranger, watched_gate
from tests.relays import LOOPBACK


class Socket(asyncio.Transport):
    """A connection that takes everything."""

    def __init__(self) -> None:
        super().__init__()
        self.sent = b""
        self.is_over = False

    def write(self, data: Any) -> None:
        self.sent += data

    def close(self) -> None:
        self.is_over = True

    abort = close

    def is_closing(self) -> bool:
        return self.is_over

    def pause_reading(self) -> None:
        pass

    resume_reading = pause_reading

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Office:
    made: Path = tmp_path_factory.mktemp("office")
    return office(made / "certs")


@pytest.fixture(scope="module")
def server(ours: Office) -> ssl.SSLContext:
    return ours.core().loaded.server


def hello() -> bytes:
    """The first flight of a client."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    with pytest.raises(ssl.SSLWantReadError):
        stranger(None).wrap_bio(incoming, outgoing).do_handshake()
    return outgoing.read()


HELLO = hello()
SPOILT = st.lists(st.tuples(st.integers(0, len(HELLO) - 1), st.integers(0, 255)), max_size=6)


def spoil(places: list[tuple[int, int]]) -> bytes:
    raw = bytearray(HELLO)
    for at, value in places:
        raw[at] = value
    return bytes(raw)


@settings(deadline=None)
@given(st.lists(st.binary(min_size=1, max_size=300) | SPOILT.map(spoil), min_size=1, max_size=8))
def test_any_bytes_are_a_handshake_or_refused(server: ssl.SSLContext, pieces: list[bytes]) -> None:
    async def feed() -> None:
        end, connection = SecureEnd(server, is_server=True), Socket()
        end.connection_made(connection)
        for piece in pieces:
            if connection.is_over:
                break
            end.data_received(piece)
        end.connection_lost(None)
        with pytest.raises(HandshakeError):
            await end.ready()

    asyncio.run(feed())


async def test_what_is_held_of_a_stranger_is_bounded(server: ssl.SSLContext) -> None:
    end, connection = SecureEnd(server, is_server=True), Socket()
    end.connection_made(connection)
    fed = 0
    while not connection.is_over:
        end.data_received(b"\x16\x03\x01\x3f\xff" + b"\x01\x01\x00\x00" + bytes(1000))
        fed += 1009
    assert fed <= MAX_HANDSHAKE_BYTES + 1009
    end.connection_lost(None)


async def test_garbage_below_a_good_connection_ends_it(ours: Office) -> None:
    context = ours.edge().loaded.client
    async with watched_gate(ours.core("core-2")) as watched:
        end = SecureEnd(context, is_server=False)
        await asyncio.get_running_loop().create_connection(lambda: end, LOOPBACK, watched.port)
        await end.ready()
        end.join(PlainEnd())
        end.send(b"good")
        cast(asyncio.Transport, end._transport).write(b"\x17\x03\x03\x00\x20" + bytes(32))
        async with asyncio.timeout(5):
            await end.closed.wait()
            while watched.gate.connections:  # noqa: ASYNC110 - no event for it
                await asyncio.sleep(0.005)
        assert bytes(watched.received) == b"good"


async def test_a_health_check_of_tcp_is_counted_and_not_logged(ours: Office) -> None:
    async with watched_gate(ours.core("core-3")) as watched:
        with capture_logs() as logs:
            _, writer = await asyncio.open_connection(LOOPBACK, watched.port)
            writer.close()
            assert await watched.refused() == {"lost": 1}
        assert not logs

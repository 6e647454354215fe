"""Links over real sockets: ends, pauses, closes, and the bound on a close that nobody reads."""

import asyncio
import fcntl
import socket
import termios
from array import array
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import cast

import pytest

from tunnel.link import LinkEvents
from tunnel.socket_link import MAX_AWAITED_BYTES, SocketLink


@dataclass
class Recorder:
    """Records a link's events."""

    data: bytearray = field(default_factory=bytearray)
    has_ended: asyncio.Event = field(default_factory=asyncio.Event)
    is_lost: asyncio.Event = field(default_factory=asyncio.Event)
    got_data: asyncio.Event = field(default_factory=asyncio.Event)
    error: Exception | None = None
    writable: bool = True

    def link_data(self, data: bytes) -> None:
        self.data += data
        self.got_data.set()

    def link_end(self) -> None:
        self.has_ended.set()

    def link_writable(self, *, writable: bool) -> None:
        self.writable = writable

    def link_lost(self, error: Exception | None) -> None:
        self.error = error
        self.is_lost.set()


class RecordedLink(SocketLink):
    def __init__(self, events: LinkEvents, linger_seconds: float) -> None:
        super().__init__(linger_seconds)
        self._recorder = events

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.events = self._recorder


Pair = tuple[RecordedLink, Recorder, socket.socket]


@pytest.fixture
async def pair() -> AsyncIterator[Pair]:
    ours, theirs = socket.socketpair()
    theirs.settimeout(5)
    recorder = Recorder()
    loop = asyncio.get_running_loop()
    # A short linger keeps the test short; only the last test waits for it.
    link = RecordedLink(recorder, 0.05)
    await loop.create_connection(lambda: cast("asyncio.Protocol", link), sock=ours)
    yield link, recorder, theirs
    link.abort()
    await recorder.is_lost.wait()
    theirs.close()


@pytest.fixture
async def tcp_pair() -> AsyncIterator[Pair]:
    recorder = Recorder()
    link = RecordedLink(recorder, 0.05)
    with socket.create_server(("127.0.0.1", 0)) as server:
        ours = socket.create_connection(server.getsockname())
        theirs, _ = server.accept()
    theirs.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    ours.setblocking(False)
    await asyncio.get_running_loop().create_connection(lambda: cast("asyncio.Protocol", link), sock=ours)
    yield link, recorder, theirs
    link.abort()
    await recorder.is_lost.wait()
    theirs.close()


async def in_thread(call: Callable[[], bytes]) -> bytes:
    return await asyncio.get_running_loop().run_in_executor(None, call)


async def test_bytes_and_ends_go_both_ways(pair: Pair) -> None:
    link, recorder, theirs = pair
    theirs.sendall(b"hello")
    theirs.shutdown(socket.SHUT_WR)
    await recorder.has_ended.wait()
    assert bytes(recorder.data) == b"hello"
    link.send(b"still here")
    link.send_end()
    assert await in_thread(lambda: theirs.recv(100)) == b"still here"
    assert await in_thread(lambda: theirs.recv(100)) == b""


async def test_a_paused_link_reads_nothing(pair: Pair) -> None:
    link, recorder, theirs = pair
    link.pause()
    link.pause()
    theirs.sendall(b"wait")
    await asyncio.sleep(0)
    assert not recorder.data
    link.resume()
    await recorder.got_data.wait()
    assert bytes(recorder.data) == b"wait"


async def test_a_link_that_waits_is_told_when_enough_is_there(tcp_pair: Pair) -> None:
    link, recorder, theirs = tcp_pair
    link.wait_for(4)
    theirs.sendall(b"abc")
    await until_there(link, 3)
    assert not recorder.data
    theirs.sendall(b"d")
    await recorder.got_data.wait()
    assert bytes(recorder.data) == b"abcd"


async def test_a_link_that_waits_no_more_is_told_what_is_there(tcp_pair: Pair) -> None:
    link, recorder, theirs = tcp_pair
    link.wait_for(10)
    theirs.sendall(b"abc")
    await until_there(link, 3)
    link.wait_for(1)
    await recorder.got_data.wait()
    assert bytes(recorder.data) == b"abc"


async def test_the_end_is_told_before_enough_is_there(tcp_pair: Pair) -> None:
    link, recorder, theirs = tcp_pair
    link.wait_for(1 << 30)  # more than the system would ever hold
    theirs.sendall(b"abc")
    theirs.shutdown(socket.SHUT_WR)
    await recorder.has_ended.wait()
    assert bytes(recorder.data) == b"abc"


async def test_a_link_that_waits_for_more_than_one_wake_brings_is_told_in_parts(tcp_pair: Pair) -> None:
    link, recorder, theirs = tcp_pair
    link.wait_for(1 << 30)
    theirs.sendall(bytes(MAX_AWAITED_BYTES))
    await recorder.got_data.wait()
    assert len(recorder.data) == MAX_AWAITED_BYTES


async def until_there(link: SocketLink, size_bytes: int) -> None:
    """Wait until the system holds so many bytes for a link, and the loop has had its turns to read them."""
    assert link.transport is not None
    descriptor = link.transport.get_extra_info("socket").fileno()
    held = array("i", [0])
    async with asyncio.timeout(5):
        while held[0] < size_bytes:
            fcntl.ioctl(descriptor, termios.FIONREAD, held)
            await asyncio.sleep(0)
    for _ in range(10):
        await asyncio.sleep(0)


async def test_close_delivers_what_was_sent(pair: Pair) -> None:
    link, recorder, theirs = pair
    link.send(b"last words")
    link.close(linger=False)
    await recorder.is_lost.wait()
    assert recorder.error is None
    assert await in_thread(lambda: theirs.recv(100)) == b"last words"


async def test_a_lingering_close_reads_and_forgets(pair: Pair) -> None:
    link, recorder, theirs = pair
    link.send(b"last words")
    link.close(linger=True)
    theirs.sendall(b"junk" * 1000)
    assert await in_thread(lambda: theirs.recv(100)) == b"last words"
    assert await in_thread(lambda: theirs.recv(100)) == b""
    theirs.close()
    await recorder.is_lost.wait()
    assert not recorder.data


async def test_a_close_that_nobody_reads_is_over_after_the_linger_time(pair: Pair) -> None:
    link, recorder, _ = pair
    link.send(bytes(10_000_000))
    assert not recorder.writable
    link.close(linger=False)
    await recorder.is_lost.wait()

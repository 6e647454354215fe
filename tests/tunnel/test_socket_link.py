"""Links over real sockets: ends, pauses, closes, and the bound on a close that nobody reads."""

import asyncio
import contextlib
import fcntl
import random
import socket
import struct
import termios
from array import array
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

import pytest

from tunnel.link import LinkEvents
from tunnel.poller import Poller
from tunnel.socket_link import MAX_AWAITED_BYTES, SocketLink


@dataclass
class Recorder(LinkEvents):
    """Records a link's events."""

    data: bytearray = field(default_factory=bytearray)
    has_ended: asyncio.Event = field(default_factory=asyncio.Event)
    is_lost: asyncio.Event = field(default_factory=asyncio.Event)
    got_data: asyncio.Event = field(default_factory=asyncio.Event)
    error: Exception | None = None
    writable: bool = True
    connection: socket.socket | None = None
    failure: Exception | None = None

    def link_data(self, data: bytes) -> None:
        if self.failure is not None:
            raise self.failure
        self.data += data
        self.got_data.set()

    def link_end(self) -> None:
        self.has_ended.set()

    def link_writable(self, *, writable: bool) -> None:
        self.writable = writable

    def link_lost(self, error: Exception | None) -> None:
        self.error = error
        self.is_lost.set()


Pair = tuple[SocketLink, Recorder, socket.socket]


def linked(connection: socket.socket, events: Recorder) -> SocketLink:
    """Return a running link. A short linger keeps the tests short; only the last one waits for it."""
    link = SocketLink(0.05)
    link.events = events
    events.connection = connection
    connection.setblocking(False)
    link.start(connection, Poller())
    return link


@pytest.fixture
async def pair() -> AsyncIterator[Pair]:
    ours, theirs = socket.socketpair()
    theirs.settimeout(5)
    recorder = Recorder()
    link = linked(ours, recorder)
    yield link, recorder, theirs
    link.abort()
    await recorder.is_lost.wait()
    theirs.close()


@pytest.fixture
async def tcp_pair() -> AsyncIterator[Pair]:
    recorder = Recorder()
    with socket.create_server(("127.0.0.1", 0)) as server:
        ours = socket.create_connection(server.getsockname())
        theirs, _ = server.accept()
    theirs.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    link = linked(ours, recorder)
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
    await until_there(recorder, 3)
    assert not recorder.data
    theirs.sendall(b"d")
    await recorder.got_data.wait()
    assert bytes(recorder.data) == b"abcd"


async def test_a_link_that_waits_no_more_is_told_what_is_there(tcp_pair: Pair) -> None:
    link, recorder, theirs = tcp_pair
    link.wait_for(10)
    theirs.sendall(b"abc")
    await until_there(recorder, 3)
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


async def until_there(recorder: Recorder, size_bytes: int) -> None:
    """Wait until the system holds so many bytes for a link, and the loop has had its turns to read them."""
    assert recorder.connection is not None
    descriptor = recorder.connection.fileno()
    held = array("i", [0])
    async with asyncio.timeout(5):
        while held[0] < size_bytes:
            fcntl.ioctl(descriptor, termios.FIONREAD, held)
            await asyncio.sleep(0)
    await turns()


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
    link.flush()
    assert not recorder.writable
    link.close(linger=False)
    await recorder.is_lost.wait()


async def test_a_reset_is_told_as_an_error(tcp_pair: Pair) -> None:
    _, recorder, theirs = tcp_pair
    reset(theirs)
    await recorder.is_lost.wait()
    assert isinstance(recorder.error, ConnectionResetError)


async def test_what_is_sent_after_a_reset_is_dropped(tcp_pair: Pair) -> None:
    link, recorder, theirs = tcp_pair
    link.pause()
    reset(theirs)
    for _ in range(3):
        link.send(b"to nobody")
        link.flush()
    await recorder.is_lost.wait()
    link.send(b"to nobody")
    assert link.unsent_bytes == 0


async def test_what_is_sent_in_one_round_goes_out_together(tcp_pair: Pair) -> None:
    link, _, theirs = tcp_pair
    for number in range(10):
        link.send(b"%d" % number)
    assert link.unsent_bytes == 10
    assert await in_thread(lambda: theirs.recv(100)) == b"0123456789"
    assert link.unsent_bytes == 0


async def test_parts_go_out_as_whole_bytes_do(tcp_pair: Pair) -> None:
    link, _, theirs = tcp_pair
    link.send_part(b"<first>", 1, 6)
    assert link.unsent_bytes == 5
    link.send_part(b"nothing", 3, 3)
    link.send_part(b", second", 0, 8)
    link.send(b", third")
    assert link.unsent_bytes == 20
    assert await in_thread(lambda: theirs.recv(100)) == b"first, second, third"
    link.send_part(b"<alone>", 1, 6)
    assert await in_thread(lambda: theirs.recv(100)) == b"alone"
    assert link.unsent_bytes == 0


@pytest.mark.parametrize(("start", "end"), [(-1, 2), (0, 4), (4, 5)])
async def test_a_part_that_is_not_there_costs_only_its_session(tcp_pair: Pair, start: int, end: int) -> None:
    link, recorder, _ = tcp_pair
    asyncio.get_running_loop().set_exception_handler(lambda *_: None)
    link.send_part(b"abc", start, end)
    await recorder.is_lost.wait()
    assert isinstance(recorder.error, IndexError)


async def test_a_reader_who_is_slow_gets_everything_and_the_session_hears_of_it(tcp_pair: Pair) -> None:
    link, recorder, theirs = tcp_pair
    sent = bytes(range(256)) * 40_000
    for start in range(0, len(sent), 100_000):
        link.send(sent[start : start + 100_000])
        link.flush()
    assert not recorder.writable
    got = bytearray()
    while len(got) < len(sent):
        got += await in_thread(lambda: theirs.recv(1 << 16))
    assert got == sent
    await turns()
    assert recorder.writable
    assert link.unsent_bytes == 0


async def test_an_end_waits_for_what_the_system_has_not_taken(tcp_pair: Pair) -> None:
    link, _, theirs = tcp_pair
    sent = bytes(5_000_000)
    link.send(sent)
    link.send_end()
    link.send(b"too late")
    got = 0
    while part := await in_thread(lambda: theirs.recv(1 << 16)):
        got += len(part)
    assert got == len(sent)


async def test_more_than_one_turn_of_reads_comes_in_whole(tcp_pair: Pair) -> None:
    link, recorder, theirs = tcp_pair
    sent = bytes(range(256)) * 8_000  # eight turns
    link.pause()

    def send() -> bytes:
        theirs.sendall(sent)
        theirs.shutdown(socket.SHUT_WR)
        return b""

    sending = asyncio.ensure_future(in_thread(send))
    await turns()
    link.resume()
    await recorder.has_ended.wait()
    await sending
    assert recorder.data == sent


async def test_a_paused_link_finds_bytes_and_end_when_it_goes_on(pair: Pair) -> None:
    link, recorder, theirs = pair
    link.pause()
    theirs.sendall(b"last")
    theirs.shutdown(socket.SHUT_WR)
    await turns()
    assert not recorder.data
    assert not recorder.has_ended.is_set()
    link.resume()
    await recorder.has_ended.wait()
    assert recorder.data == b"last"


async def test_a_link_that_stands_still_keeps_its_pause(pair: Pair) -> None:
    link, recorder, theirs = pair
    assert recorder.connection is not None
    assert link.stand_still() == recorder.connection.fileno()
    theirs.sendall(b"wait")
    await turns()
    link.resume()
    await turns()
    assert not recorder.data
    link.pause()
    link.move_on()
    await turns()
    assert not recorder.data
    link.resume()
    await recorder.got_data.wait()
    assert recorder.data == b"wait"


async def test_a_session_that_fails_loses_its_link(pair: Pair) -> None:
    _, recorder, theirs = pair
    heard: list[str] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: heard.append(str(context["exception"])))
    recorder.failure = ValueError("a mistake")
    theirs.sendall(b"x")
    await recorder.is_lost.wait()
    assert recorder.error is recorder.failure
    assert heard == ["a mistake"]


async def test_a_closed_link_does_nothing_more(pair: Pair) -> None:
    link, recorder, _ = pair
    link.close(linger=False)
    link.close(linger=True)
    link.send(b"late")
    link.send_end()
    link.resume()
    link.wait_for(10)
    assert link.stand_still() == -1
    link.move_on()
    await recorder.is_lost.wait()
    link.abort()
    assert recorder.error is None


async def test_a_lingering_close_is_over_when_the_other_side_had_ended(pair: Pair) -> None:
    link, recorder, theirs = pair
    theirs.shutdown(socket.SHUT_WR)
    await recorder.has_ended.wait()
    link.send(b"last words")
    link.close(linger=True)
    await recorder.is_lost.wait()
    assert await in_thread(lambda: theirs.recv(100)) == b"last words"


@pytest.mark.parametrize("seed", range(20))
async def test_any_order_of_calls_loses_nothing(tcp_pair: Pair, seed: int) -> None:
    """Random sends, reads and pauses at both ends: what went in comes out, in order, and then the ends."""
    link, recorder, theirs = tcp_pair
    theirs.setblocking(False)
    chance = random.Random(seed)
    sent, got, theirs_sent = bytearray(), bytearray(), bytearray()
    for _ in range(400):
        match chance.randrange(8):
            case 0 | 1:
                data = chance.randbytes(chance.choice((1, 64, 64, 3000, 100_000)))
                start = chance.choice((0, 0, len(data) // 3))
                end = len(data) - chance.choice((0, 0, len(data) // 3))
                link.send_part(data, start, end)
                sent += data[start:end]
            case 2 | 3:
                data = chance.randbytes(chance.choice((1, 64, 64, 3000, 100_000)))
                with contextlib.suppress(BlockingIOError):
                    theirs_sent += data[: theirs.send(data)]
            case 4:
                with contextlib.suppress(BlockingIOError):
                    got += theirs.recv(chance.choice((1, 100, 100_000)))
            case 5:
                link.pause()
            case 6:
                link.resume()
            case _:
                link.stand_still()
                link.move_on()
        await asyncio.sleep(0)
    link.resume()
    link.send_end()
    theirs.setblocking(True)
    theirs.shutdown(socket.SHUT_WR)
    while part := await in_thread(lambda: theirs.recv(1 << 16)):
        got += part
    await recorder.has_ended.wait()
    assert got == sent
    assert recorder.data == theirs_sent


def reset(connection: socket.socket) -> None:
    """Close a connection the rude way."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


async def turns() -> None:
    """Let the loop look at everything that is there."""
    for _ in range(10):
        await asyncio.sleep(0)

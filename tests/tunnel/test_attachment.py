"""One attachment carried by hand: every way it ends, and that nothing is handled or written after that."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

import pytest

from protos.tidegate.tunnel.v1 import tunnel_pb2
from tunnel import attachment as attachment_module
from tunnel.attachment import Attachment, AttachmentLostError
from tunnel.counters import Counters
from tunnel.end import TunnelEnd
from tunnel.owner import EDGE_SIDE
from tunnel.writer import Writer
from wire.errors import TunnelFault
from wire.liveness import SILENT_TICKS, SLEPT_NS

Request = tunnel_pb2.AttachRequest
Response = tunnel_pb2.AttachResponse
TICK_NS = 250_000_000


class End(TunnelEnd[Request]):
    """A tunnel end that notes what it is told."""

    def __init__(self) -> None:
        super().__init__(Request, EDGE_SIDE, Counters(), flush_window_seconds=0, half_close_seconds=1)
        self.told: list[Any] = []

    def handle_other(self, kind: str, message: Any) -> None:
        self.told.append(message)
        if kind == "leave":
            raise TunnelFault("as the test wants it")


class Stream(Writer):
    """What is read comes from the test, what is written goes to it; ``None`` is the end, an exception is raised."""

    def __init__(self) -> None:
        self.coming: asyncio.Queue[Any] = asyncio.Queue()
        self.written: asyncio.Queue[Request] = asyncio.Queue()
        self.is_stuck = False
        self._is_full = False

    def is_full(self) -> bool:
        return self._is_full

    def when_room(self, tell: Callable[[], None]) -> None:
        assert self._is_full

    def send(self, message: Request) -> None:
        if self.is_stuck:
            self._is_full = True
            return
        self.written.put_nowait(Request.FromString(message.SerializeToString()))

    def deliver(self, take: Callable[[Any], None]) -> "asyncio.Future[None]":
        self.pumping = asyncio.create_task(self._pump(take))
        return self.pumping

    async def _pump(self, take: Callable[[Any], None]) -> None:
        while (message := await self.coming.get()) is not None:
            if isinstance(message, BaseException):
                raise message
            take(message)


class Clock:
    """The clock of `now_ns`, and the ticks that are due: one for each call of `tick`."""

    def __init__(self) -> None:
        self.ns = 1_000_000_000_000
        self._ticks = asyncio.Semaphore(0)
        self._done = asyncio.Event()

    async def sleep(self, seconds: float) -> None:
        self._done.set()
        await self._ticks.acquire()

    async def tick(self, *, ns: int = TICK_NS) -> None:
        """Let time pass, and have the attachment look at it."""
        self.ns += ns
        self._done.clear()
        self._ticks.release()
        await turns()


async def turns(count: int = 20) -> None:
    """Let everything that can go on go on."""
    for _ in range(count):
        await asyncio.sleep(0)


class Carried:
    """An attachment that is being carried."""

    def __init__(self, clock: Clock, first: Request | None = None) -> None:
        self.clock = clock
        self.end = End()
        self.stream = Stream()
        self.attachment = Attachment(self.end, "test")
        self.task = asyncio.create_task(self.attachment.carry(self.stream, first))

    async def lost(self) -> str:
        """Wait for the end of an attachment that is called over."""
        with pytest.raises(AttachmentLostError) as raised:
            await self.task
        return str(raised.value)

    def written(self) -> list[str]:
        """The kinds of what was written since the last call."""
        queue = self.stream.written
        return [str(queue.get_nowait().WhichOneof("message")) for _ in range(queue.qsize())]


def policy(sequence: int) -> Response:
    return Response(sequence=sequence, policy=tunnel_pb2.Policy(policy=b"x"))


def heartbeat() -> Response:
    return Response(heartbeat=tunnel_pb2.Heartbeat(sent_nanoseconds=1))


@pytest.fixture
async def carried(monkeypatch: pytest.MonkeyPatch) -> Carried:
    clock = Clock()
    monkeypatch.setattr(attachment_module, "now_ns", lambda: clock.ns)
    monkeypatch.setattr("tunnel.end.now_ns", lambda: clock.ns)
    monkeypatch.setattr(attachment_module, "next_tick", lambda: clock.sleep(0))
    made = Carried(clock)
    await turns()
    assert made.end.is_attached
    return made


async def assert_over(carried: Carried, *, reads: bool = False) -> None:
    """The tunnel is held, nothing is handled or written any more, and no task is left but a read under way."""
    assert carried.task.done()
    assert not carried.end.is_attached
    assert carried.attachment.over.is_set()
    carried.written()
    told = len(carried.end.told)
    carried.stream.coming.put_nowait(policy(carried.end.delivery.received + 1))
    carried.end.queue.add(Request(drain=tunnel_pb2.Drain()))
    await turns()
    assert carried.written() == []
    assert len(carried.end.told) == told
    names = {task.get_name() for task in asyncio.all_tasks() if task.get_name().startswith("test-")}
    assert names == set()


async def test_the_end_of_the_stream_ends_it(carried: Carried) -> None:
    carried.stream.coming.put_nowait(policy(1))
    carried.end.queue.add(Request(drain=tunnel_pb2.Drain()))
    await turns()
    assert len(carried.end.told) == 1
    assert carried.written() == ["drain"]
    carried.stream.coming.put_nowait(None)
    await carried.task
    await assert_over(carried)


async def test_the_first_message_goes_before_all_others(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    monkeypatch.setattr(attachment_module, "next_tick", lambda: clock.sleep(0))
    carried = Carried(clock, Request(hello=tunnel_pb2.Hello()))
    carried.end.queue.add(Request(drain=tunnel_pb2.Drain()))
    await turns()
    assert carried.written() == ["hello", "drain"]
    carried.stream.coming.put_nowait(None)
    await carried.task


async def test_silence_ends_it_and_any_message_is_a_sign_of_life(carried: Carried) -> None:
    for _ in range(3):
        for _ in range(SILENT_TICKS):
            await carried.clock.tick()
        assert not carried.task.done()
        carried.stream.coming.put_nowait(heartbeat())
        await turns()
    assert carried.written() == ["heartbeat"] * 3 * SILENT_TICKS
    for _ in range(SILENT_TICKS):
        await carried.clock.tick()
    assert not carried.task.done()
    await carried.clock.tick()
    assert "nothing was heard" in await carried.lost()
    await assert_over(carried)


async def test_after_a_sleep_nothing_that_came_is_handled(carried: Carried) -> None:
    carried.clock.ns += SLEPT_NS + 1
    carried.stream.coming.put_nowait(policy(1))
    assert "did not run for too long" in await carried.lost()
    assert carried.end.told == []
    assert carried.end.delivery.received == 0
    await assert_over(carried)


async def test_after_a_sleep_nothing_is_written(carried: Carried) -> None:
    carried.clock.ns += SLEPT_NS + 1
    carried.end.queue.add(Request(drain=tunnel_pb2.Drain()))
    assert "did not run for too long" in await carried.lost()
    assert carried.written() == []
    assert [each.number for each in carried.end.delivery.messages()] == [1], "it waits for the next attachment"
    await assert_over(carried)


async def test_a_sleep_is_noticed_by_the_next_tick(carried: Carried) -> None:
    await carried.clock.tick(ns=SLEPT_NS + 1)
    assert "did not run for too long" in await carried.lost()
    assert carried.written() == []
    await assert_over(carried)


async def test_the_hold_began_when_the_sleep_did(carried: Carried) -> None:
    await carried.clock.tick(ns=60 * SLEPT_NS)
    await carried.lost()
    assert 59 < carried.end.held_seconds(time.monotonic()) < 70


async def test_another_attachment_takes_its_place(carried: Carried) -> None:
    carried.attachment.give_up("the edge has attached anew")
    carried.attachment.give_up("and again")
    assert await carried.lost() == "the edge has attached anew"
    await assert_over(carried)


async def test_a_newer_attachment_is_not_detached_by_an_older_one(carried: Carried) -> None:
    newer = Carried(carried.clock)
    newer.task.cancel()
    await asyncio.gather(newer.task, return_exceptions=True)
    successor = Attachment(carried.end, "test")
    carried.end.attach(successor)
    carried.attachment.give_up("another has come")
    await carried.lost()
    assert carried.end.attachment is successor


async def test_what_a_read_raises_comes_out(carried: Carried) -> None:
    carried.stream.coming.put_nowait(ConnectionResetError("broken"))
    with pytest.raises(ConnectionResetError, match="broken"):
        await carried.task
    await assert_over(carried)


async def test_a_broken_contract_comes_out(carried: Carried) -> None:
    carried.stream.coming.put_nowait(Response(leave=tunnel_pb2.Leave()))
    with pytest.raises(TunnelFault, match="as the test wants it"):
        await carried.task
    await assert_over(carried)


async def test_a_gap_in_the_numbers_comes_out(carried: Carried) -> None:
    carried.stream.coming.put_nowait(policy(2))
    with pytest.raises(TunnelFault, match="sequence 2 after 0"):
        await carried.task
    await assert_over(carried)


@pytest.mark.parametrize("is_stuck", [False, True], ids=["idle", "writing"])
async def test_our_own_cancellation_goes_through(carried: Carried, is_stuck: bool) -> None:
    carried.stream.is_stuck = is_stuck
    carried.end.queue.add(Request(drain=tunnel_pb2.Drain()))
    await turns()
    carried.task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await carried.task
    assert carried.task.cancelled()
    await assert_over(carried)


async def test_a_write_that_is_stuck_does_not_hold_the_end_up(carried: Carried) -> None:
    carried.stream.is_stuck = True
    carried.end.queue.add(Request(drain=tunnel_pb2.Drain()))
    await turns()
    carried.attachment.give_up("enough")
    assert await carried.lost() == "enough"
    assert [each.number for each in carried.end.delivery.messages()] == [1]
    await assert_over(carried)


async def test_what_is_over_counts_nothing_as_written(carried: Carried) -> None:
    carried.attachment.give_up("enough")
    for _ in range(3):
        carried.end.queue.add(Request(drain=tunnel_pb2.Drain()))
    await turns()
    await carried.lost()
    assert carried.written() == []
    carried.end.delivery.resume(0)
    assert carried.end.flow.resent == carried.end.delivery.resent == 0


async def test_what_was_written_and_not_acknowledged_is_written_again_by_the_next(carried: Carried) -> None:
    for _ in range(3):
        carried.end.queue.add(Request(drain=tunnel_pb2.Drain()))
        await turns()
    carried.stream.coming.put_nowait(Response(acknowledged=1, heartbeat=tunnel_pb2.Heartbeat(sent_nanoseconds=1)))
    await turns()
    carried.stream.coming.put_nowait(None)
    await carried.task
    assert len(carried.written()) == 3
    carried.end.delivery.resume(2)
    again = Attachment(carried.end, "test")
    task = asyncio.create_task(again.carry(carried.stream))
    await turns()
    written = [carried.stream.written.get_nowait().sequence for _ in range(carried.stream.written.qsize())]
    assert written == [3]
    carried.stream.coming.put_nowait(None)
    await task


class Failing(End):
    """A tunnel end that cannot be attached."""

    def attach(self, attachment: Attachment) -> None:
        super().attach(attachment)
        raise ValueError("as the test wants it")


async def test_one_that_cannot_begin_is_over() -> None:
    end = Failing()
    attachment = Attachment(end, "test")
    with pytest.raises(ValueError, match="as the test wants it"):
        await attachment.carry(Stream())
    assert attachment.over.is_set()
    assert not end.is_attached

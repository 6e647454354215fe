"""The outbox: order, batching, and pressure."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

import tunnel.writer
from protos.tidegate.tunnel.v1 import tunnel_pb2
from tunnel.counters import Counters
from tunnel.options import MAX_BATCH_BYTES, MAX_FOLLOWING, MAX_FOLLOWING_BYTES
from tunnel.outbox import CONTROL_BYTES, HELD_SEAL_BYTES, HIGH_WATER_BYTES, RELIEVED_AT_ONCE, SEAL_BYTES, Outbox
from tunnel.turn import turn_of_running_loop
from wire.batches import Batch
from wire.chunks import ChunkKind, unpack_chunks
from wire.delivery import Delivery
from wire.errors import TunnelFault

LONG_SECONDS = 3600.0
RING_BYTES = 16 << 20


class Writer(tunnel.writer.Writer):
    """Where an outbox writes to: keeps what was ``written``, each of its messages, and can be made to have no room."""

    def __init__(self) -> None:
        self.written: list[tunnel_pb2.AttachRequest] = []
        self.messages: list[tunnel_pb2.AttachRequest] = []
        self.has_room = True
        self._kept: list[tunnel_pb2.AttachRequest] = []
        self._tell: Callable[[], None] | None = None

    def is_full(self) -> bool:
        return bool(self._kept)

    def when_room(self, tell: Callable[[], None]) -> None:
        assert self.is_full()
        assert self._tell is None
        self._tell = tell

    def send(self, message: tunnel_pb2.AttachRequest) -> None:
        assert not self.is_full()
        copy = tunnel_pb2.AttachRequest.FromString(message.SerializeToString())
        if self.has_room:
            self._write(copy)
        else:
            self._kept.append(copy)

    def make_room(self) -> None:
        self.has_room = True
        kept, self._kept = self._kept, []
        for each in kept:
            self._write(each)
        tell, self._tell = self._tell, None
        if tell is not None:
            tell()

    def _write(self, message: tunnel_pb2.AttachRequest) -> None:
        self.written.append(message)
        self.messages += [message, *message.following]

    @property
    def payload_bytes(self) -> int:
        return sum(len(payload) for message in self.messages for _, _, payload in unpack_chunks(message.batch.chunks))


def make_outbox(window_seconds: float = 0.0) -> Outbox:
    return Outbox(
        tunnel_pb2.AttachRequest, Delivery(), Counters(), flush_window_seconds=window_seconds, ring_bytes=RING_BYTES
    )


@asynccontextmanager
async def running(outbox: Outbox, writer: Writer) -> AsyncIterator[None]:
    outbox.attached()
    outbox.begin(writer)
    yield


async def test_chunks_share_a_message_and_control_messages_keep_their_place() -> None:
    outbox, writer = make_outbox(), Writer()
    outbox.buffer.add(1, ChunkKind.DATA, b"a")
    outbox.buffer.add(2, ChunkKind.DATA, b"b")
    outbox.add(tunnel_pb2.AttachRequest(close=tunnel_pb2.Close(slot=1, reason="client_closed")))
    outbox.add_urgent(tunnel_pb2.AttachRequest(heartbeat=tunnel_pb2.Heartbeat()))
    outbox.buffer.add(2, ChunkKind.END, b"")
    async with running(outbox, writer):
        await outbox.drained()
    kinds = [(message.WhichOneof("message"), message.sequence) for message in writer.messages]
    assert kinds == [("heartbeat", 0), ("batch", 1), ("close", 2), ("batch", 3)]
    assert len(writer.written) == 2  # the heartbeat, and the batch that the others follow
    assert unpack_chunks(writer.messages[1].batch.chunks) == [(1, ChunkKind.DATA, b"a"), (2, ChunkKind.DATA, b"b")]


def close_of(slot: int) -> tunnel_pb2.AttachRequest:
    return tunnel_pb2.AttachRequest(close=tunnel_pb2.Close(slot=slot, reason="client_closed"))


async def test_what_waits_goes_along_as_far_as_the_contract_allows() -> None:
    outbox, writer = make_outbox(), Writer()
    for slot in range(1, 2 * MAX_FOLLOWING + 3):
        outbox.add(close_of(slot))
    async with running(outbox, writer):
        await outbox.drained()
    assert [len(each.following) for each in writer.written] == [MAX_FOLLOWING, MAX_FOLLOWING]
    assert [each.close.slot for each in writer.messages] == list(range(1, 2 * MAX_FOLLOWING + 3))
    assert [each.sequence for each in writer.messages] == list(range(1, 2 * MAX_FOLLOWING + 3))
    assert all(not each.following for one in writer.written for each in one.following)


async def test_what_is_large_goes_by_itself() -> None:
    outbox, writer = make_outbox(), Writer()
    large = bytes(MAX_FOLLOWING_BYTES)
    for slot, payload in ((1, b"small"), (2, large), (3, b"small"), (4, b"small")):
        outbox.buffer.add(slot, ChunkKind.DATA, payload)
        outbox.seal()
    async with running(outbox, writer):
        await outbox.drained()
    assert [len(each.following) for each in writer.written] == [0, 0, 1]
    assert [each.sequence for each in writer.messages] == [1, 2, 3, 4]


@given(st.lists(st.integers(1, 30_000), min_size=1, max_size=60), st.integers(0, 100))
def test_everything_is_written_once_in_order_and_each_message_within_bounds(sizes: list[int], received: int) -> None:
    delivery = Delivery()
    delivery.received = received
    outbox = Outbox(tunnel_pb2.AttachRequest, delivery, Counters(), flush_window_seconds=0.0, ring_bytes=RING_BYTES)
    for slot, size in enumerate(sizes, 1):
        outbox.buffer.add(slot, ChunkKind.DATA, bytes(size))
        outbox.seal()
    writer = Writer()

    async def write_all() -> None:
        async with running(outbox, writer):
            await outbox.drained()

    asyncio.run(write_all())
    assert [each.sequence for each in writer.messages] == list(range(1, len(sizes) + 1))
    assert [len(unpack_chunks(each.batch.chunks)[0][2]) for each in writer.messages] == sizes
    assert {each.acknowledged for each in writer.messages} == {received}
    for each in writer.written:
        assert not each.following or each.ByteSize() <= MAX_FOLLOWING_BYTES + 64 * len(each.following)
    assert all(isinstance(each.message, Batch) for each in delivery.messages())  # what is kept is each by itself


async def test_what_went_along_is_sent_again_by_itself_when_the_road_breaks() -> None:
    outbox, writer = make_outbox(), Writer()
    for slot in (1, 2, 3):
        outbox.add(close_of(slot))
    async with running(outbox, writer):
        await outbox.drained()
    outbox.detached()
    outbox._delivery.resume(2)  # the other end had handled two of them
    again = Writer()
    async with running(outbox, again):
        await outbox.drained()
    assert [each.sequence for each in writer.messages] == [1, 2, 3]
    assert [each.sequence for each in again.messages] == [3]


async def test_what_can_wait_goes_at_once_when_the_tunnel_is_quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tunnel.outbox.COMPANY_SECONDS", 0.0)
    outbox, writer = make_outbox(), Writer()
    async with running(outbox, writer), asyncio.timeout(10):
        outbox.add(close_of(1), can_wait=True)
        await outbox.drained()
    assert [each.close.slot for each in writer.messages] == [1]


async def test_what_can_wait_goes_with_the_next_bytes_and_before_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tunnel.outbox.COMPANY_SECONDS", LONG_SECONDS)
    outbox, writer = make_outbox(), Writer()
    async with running(outbox, writer), asyncio.timeout(10):
        outbox.buffer.add(1, ChunkKind.DATA, b"a")
        await outbox.drained()
        outbox.add(close_of(1), can_wait=True)
        await turns()
        assert len(writer.written) == 1
        outbox.buffer.add(2, ChunkKind.DATA, b"b")
        await outbox.drained()
    assert [each.WhichOneof("message") for each in writer.messages] == ["batch", "close", "batch"]
    assert len(writer.written) == 2


async def test_what_finds_no_company_goes_by_itself_in_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    outbox, writer = make_outbox(), Writer()
    async with running(outbox, writer), asyncio.timeout(10):
        for slot in (1, 2, 3):  # the next wait is like the first
            monkeypatch.setattr("tunnel.outbox.COMPANY_SECONDS", LONG_SECONDS)
            outbox.buffer.add(slot, ChunkKind.DATA, b"a")
            await outbox.drained()
            monkeypatch.setattr("tunnel.outbox.COMPANY_SECONDS", 0.02)
            outbox.add(close_of(slot), can_wait=True)
            await outbox.drained()
    assert [each.close.slot for each in writer.messages if each.HasField("close")] == [1, 2, 3]


async def test_chunks_that_can_wait_do_as_control_messages_do(monkeypatch: pytest.MonkeyPatch) -> None:
    outbox, writer = make_outbox(), Writer()
    async with running(outbox, writer), asyncio.timeout(10):
        monkeypatch.setattr("tunnel.outbox.COMPANY_SECONDS", 0.0)
        outbox.buffer.add_patient(1, ChunkKind.DATA, b"a")  # quiet: at once
        await outbox.drained()
        monkeypatch.setattr("tunnel.outbox.COMPANY_SECONDS", LONG_SECONDS)
        outbox.buffer.add_patient(2, ChunkKind.DATA, b"b")
        await turns()
        assert len(writer.written) == 1
        outbox.buffer.add(3, ChunkKind.DATA, b"c")
        await outbox.drained()
        outbox.buffer.add_patient(4, ChunkKind.DATA, b"d")
        outbox.add(close_of(4))
        await outbox.drained()
    slots = [[slot for slot, _, _ in unpack_chunks(each.batch.chunks)] for each in writer.written]
    assert slots == [[1], [2, 3], [4]]


async def test_a_chunk_that_finds_no_company_goes_by_itself_in_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    outbox, writer = make_outbox(), Writer()
    async with running(outbox, writer), asyncio.timeout(10):
        outbox.buffer.add(1, ChunkKind.DATA, b"a")
        await outbox.drained()
        monkeypatch.setattr("tunnel.outbox.COMPANY_SECONDS", 0.02)
        outbox.buffer.add_patient(1, ChunkKind.DATA, b"b")
        await outbox.drained()
    assert [each.batch.chunks[8:] for each in writer.messages] == [b"a", b"b"]


async def test_a_whole_batch_from_those_who_were_relieved_is_written_at_once() -> None:
    outbox, writer = make_outbox(), Writer()

    class Relieved:
        def tunnel_relieved(self) -> None:
            outbox.buffer.add(2, ChunkKind.DATA, bytes(SEAL_BYTES))

    async with running(outbox, writer), asyncio.timeout(10):
        outbox.buffer.add(1, ChunkKind.DATA, bytes(10))
        outbox.wait_for_relief(Relieved())
        await outbox.drained()
        assert writer.payload_bytes == 10 + SEAL_BYTES


@pytest.mark.parametrize("is_in_turn", [True, False], ids=["in a turn", "outside"])
@pytest.mark.parametrize("window_seconds", [0.0, 0.001])
@pytest.mark.parametrize("brings_bytes", [0, 10, 64 * 1024], ids=["nothing", "little", "a whole read"])
async def test_a_few_are_relieved_in_a_call_of_the_loop(
    brings_bytes: int, window_seconds: float, is_in_turn: bool
) -> None:
    """Each may bring a whole read: all of them in one call would hold everybody else up."""
    outbox, writer, turn = make_outbox(window_seconds), Writer(), turn_of_running_loop()
    relieved = [0]

    class Waiting:
        def tunnel_relieved(self) -> None:
            relieved[-1] += 1
            if brings_bytes:
                outbox.buffer.add(1, ChunkKind.DATA, bytes(brings_bytes))

    async with running(outbox, writer), asyncio.timeout(20):
        for _ in range(50):
            outbox.wait_for_relief(Waiting())
        if is_in_turn:
            turn.begin()
        for _ in range(6):  # several batches become full, and each wants to go at once
            outbox.buffer.add(1, ChunkKind.DATA, bytes(SEAL_BYTES))
        if is_in_turn:
            turn.end()
        while sum(relieved) < 50:
            relieved.append(0)
            await asyncio.sleep(0)
        await outbox.drained()
    assert max(relieved) == RELIEVED_AT_ONCE
    assert writer.payload_bytes == 6 * SEAL_BYTES + 50 * brings_bytes


async def test_one_whose_relief_fails_keeps_nobody_waiting() -> None:
    outbox, writer = make_outbox(), Writer()
    told: list[str] = []
    relieved: list[int] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(str(context["exception"])))

    class Waiting:
        def __init__(self, number: int) -> None:
            self.number = number

        def tunnel_relieved(self) -> None:
            if self.number % 3 == 0:
                raise ValueError(f"number {self.number}")
            relieved.append(self.number)

    async with running(outbox, writer), asyncio.timeout(10):
        for number in range(20):
            outbox.wait_for_relief(Waiting(number))
        outbox.buffer.add(1, ChunkKind.DATA, b"a")
        while len(relieved) + len(told) < 20:  # noqa: ASYNC110 - no event for it
            await asyncio.sleep(0)
    assert relieved == [number for number in range(20) if number % 3]
    assert told[0] == "number 0"


def test_a_batch_that_is_held_never_outgrows_the_contract() -> None:
    outbox = make_outbox()
    outbox.buffer.add(1, ChunkKind.DATA, bytes(HELD_SEAL_BYTES - 9))
    outbox.buffer.add(1, ChunkKind.DATA, bytes(512 * 1024))  # the largest window there can be
    outbox.seal()
    assert max(len(each.message.chunks) for each in outbox._delivery.messages()) <= MAX_BATCH_BYTES


async def test_a_flush_ends_the_wait_of_what_it_takes_along_and_not_of_what_comes_later(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("tunnel.outbox.COMPANY_SECONDS", LONG_SECONDS)
    outbox, writer = patient_outbox(monkeypatch, LONG_SECONDS / 2), Writer()
    outbox._flushed_at = time.monotonic()
    async with running(outbox, writer):
        outbox.buffer.add_patient(1, ChunkKind.DATA, b"a")
        first = outbox._company
        outbox.buffer.add(2, ChunkKind.DATA, b"move")
        await outbox.drained()
        assert first is not None
        assert first.cancelled()
        outbox.buffer.add_patient(3, ChunkKind.DATA, b"b")
        patient = outbox._company
        outbox.add(close_of(4), can_wait=True)
        assert outbox._company is patient, "what comes second does not wait longer, nor the first anew"
        assert patient is not None
        assert not patient.cancelled()
        await turns()
        assert writer.payload_bytes == 5


async def turns() -> None:
    """Let the writer do what it would do by itself."""
    for _ in range(10):
        await asyncio.sleep(0)


IDLE = b"\x00\x02"


def patient_outbox(monkeypatch: pytest.MonkeyPatch, rest_seconds: float) -> Outbox:
    monkeypatch.setattr("tunnel.outbox.REST_SECONDS", rest_seconds)
    outbox = make_outbox()
    outbox.buffer.idle_frame = IDLE
    return outbox


async def test_a_keep_alive_goes_with_the_next_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    outbox, writer = patient_outbox(monkeypatch, LONG_SECONDS), Writer()
    async with running(outbox, writer):
        outbox.buffer.add(1, ChunkKind.DATA, IDLE)
        drained = asyncio.create_task(outbox.drained())
        for _ in range(20):
            await asyncio.sleep(0)  # the writer has its turns
        assert not writer.messages
        assert not drained.done()
        outbox.buffer.add(2, ChunkKind.DATA, b"move")
        await drained
    (message,) = writer.messages
    chunks = unpack_chunks(message.batch.chunks)
    assert chunks == [(1, ChunkKind.DATA, IDLE), (2, ChunkKind.DATA, b"move")]


async def test_a_keep_alive_goes_with_a_control_message_and_before_it(monkeypatch: pytest.MonkeyPatch) -> None:
    outbox, writer = patient_outbox(monkeypatch, LONG_SECONDS), Writer()
    async with running(outbox, writer):
        outbox.buffer.add(1, ChunkKind.DATA, IDLE)
        outbox.add(tunnel_pb2.AttachRequest(close=tunnel_pb2.Close(slot=1, reason="client_closed")))
        await outbox.drained()
    assert [message.WhichOneof("message") for message in writer.messages] == ["batch", "close"]


async def test_keep_alives_without_company_go_together_in_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    outbox, writer = patient_outbox(monkeypatch, 0.01), Writer()
    async with running(outbox, writer), asyncio.timeout(10):
        for turn in (1, 2):  # the second wait is like the first
            for slot in range(1, 101):
                outbox.buffer.add(slot, ChunkKind.DATA, IDLE)
            await outbox.drained()
            assert len(writer.messages) == turn
    assert writer.payload_bytes == 2 * 100 * len(IDLE)


async def test_what_only_begins_like_a_keep_alive_does_not_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    outbox, writer = patient_outbox(monkeypatch, LONG_SECONDS), Writer()
    async with running(outbox, writer), asyncio.timeout(10):
        outbox.buffer.add(1, ChunkKind.DATA, IDLE + IDLE)
        await outbox.drained()
        outbox.buffer.add(1, ChunkKind.END, b"")
        await outbox.drained()
    assert len(writer.messages) == 2


async def test_a_quiet_tunnel_sends_at_once_and_a_busy_one_gathers() -> None:
    outbox, writer = make_outbox(LONG_SECONDS), Writer()
    outbox._flushed_at = time.monotonic() - LONG_SECONDS - 1
    async with running(outbox, writer):
        outbox.buffer.add(1, ChunkKind.DATA, b"first")
        await outbox.drained()
        assert writer.payload_bytes == 5
        outbox.buffer.add(1, ChunkKind.DATA, b"waits")
        for _ in range(10):
            await asyncio.sleep(0)
        assert writer.payload_bytes == 5
        assert outbox.pending_bytes > 5


async def test_a_full_batch_does_not_wait_for_the_window() -> None:
    outbox, writer = make_outbox(LONG_SECONDS), Writer()
    outbox._flushed_at = time.monotonic()
    async with running(outbox, writer):
        outbox.buffer.add(1, ChunkKind.DATA, bytes(SEAL_BYTES))
        await outbox.drained()
    assert writer.payload_bytes == SEAL_BYTES


async def test_a_batch_that_gets_full_within_the_window_does_not_wait_for_its_end() -> None:
    outbox, writer = make_outbox(LONG_SECONDS), Writer()
    async with running(outbox, writer), asyncio.timeout(10):
        outbox.buffer.add(1, ChunkKind.DATA, b"first")
        await outbox.drained()
        outbox.buffer.add(1, ChunkKind.DATA, b"waits")
        await turns()
        assert writer.payload_bytes == 5
        outbox.buffer.add(1, ChunkKind.DATA, bytes(SEAL_BYTES))
        await outbox.drained()
    assert writer.payload_bytes == 10 + SEAL_BYTES


async def test_what_the_ring_has_no_room_for_goes_when_the_other_end_has_what_went_before() -> None:
    delivery = Delivery()
    outbox = Outbox(tunnel_pb2.AttachRequest, delivery, Counters(), flush_window_seconds=0.0, ring_bytes=1 << 20)
    writer = Writer()
    async with running(outbox, writer), asyncio.timeout(10):
        for _ in range(10):
            outbox.buffer.add(1, ChunkKind.DATA, bytes(SEAL_BYTES))
        await turns()
        count = len(writer.messages)
        assert count == 4, "those that begin within half of the ring"
        outbox.add_urgent(tunnel_pb2.AttachRequest(heartbeat=tunnel_pb2.Heartbeat()))
        await turns()
        assert [each.WhichOneof("message") for each in writer.messages[count:]] == ["heartbeat"]
        while len(writer.messages) < 11:
            delivery.accept(0, delivery.acknowledged + 1)
            outbox.acknowledged()
            await turns()
        await outbox.drained()


async def test_while_there_is_no_room_more_comes_together() -> None:
    outbox, writer = make_outbox(), Writer()
    writer.has_room = False
    async with running(outbox, writer), asyncio.timeout(10):
        outbox.buffer.add(1, ChunkKind.DATA, b"first")
        await turns()
        for slot in range(2, 12):
            outbox.buffer.add(slot, ChunkKind.DATA, b"later")
            await turns()
        writer.make_room()
        await outbox.drained()
    slots = [[slot for slot, _, _ in unpack_chunks(each.batch.chunks)] for each in writer.written]
    assert slots == [[1], list(range(2, 12))]


async def test_who_waits_for_all_to_be_handed_on_does_not_wait_for_what_comes_later() -> None:
    outbox, writer = make_outbox(), Writer()
    async with running(outbox, writer), asyncio.timeout(10):
        outbox.buffer.add(1, ChunkKind.DATA, b"a")
        drained = asyncio.create_task(outbox.drained())
        while not drained.done():
            await asyncio.sleep(0)
            outbox.buffer.add(1, ChunkKind.DATA, b"b")


async def test_pressure_is_told_and_taken_back() -> None:
    class Waiting:
        told = 0

        def tunnel_relieved(self) -> None:
            self.told += 1

    outbox, writer, waiting = make_outbox(), Writer(), Waiting()
    writer.has_room = False
    async with running(outbox, writer):
        while not outbox.buffer.is_congested():
            outbox.buffer.add(1, ChunkKind.DATA, bytes(100_000))
        outbox.wait_for_relief(waiting)
        await asyncio.sleep(0)
        assert waiting.told == 0
        assert outbox.pending_bytes < HIGH_WATER_BYTES + 2 * 100_008
        writer.make_room()
        await outbox.drained()
    assert waiting.told == 1
    assert outbox.pending_bytes == 0


async def test_a_peer_that_takes_nothing_at_all_is_given_up() -> None:
    outbox = make_outbox()
    outbox.check()
    for _ in range(RING_BYTES // CONTROL_BYTES + 1):
        outbox.add(tunnel_pb2.AttachRequest(close=tunnel_pb2.Close(slot=1, reason="client_closed")))
    with pytest.raises(TunnelFault, match="does not read"):
        outbox.check()


async def test_messages_acknowledge_what_was_received_when_they_leave() -> None:
    delivery = Delivery()
    outbox = Outbox(tunnel_pb2.AttachRequest, delivery, Counters(), flush_window_seconds=0.0)
    writer = Writer()
    outbox.buffer.add(1, ChunkKind.DATA, b"a")
    delivery.accept(1, 0)
    async with running(outbox, writer):
        await outbox.drained()
    assert writer.messages[0].acknowledged == 1


async def test_a_farewell_takes_the_place_of_a_heartbeat_and_no_heartbeat_that_of_a_farewell() -> None:
    outbox, writer = make_outbox(), Writer()
    heartbeat = tunnel_pb2.AttachRequest(heartbeat=tunnel_pb2.Heartbeat())
    outbox.add_urgent(heartbeat)
    outbox.add_urgent(tunnel_pb2.AttachRequest(leave=tunnel_pb2.Leave(reason="core_draining")))
    outbox.add_urgent(heartbeat)
    async with running(outbox, writer):
        await outbox.drained()
    assert [message.WhichOneof("message") for message in writer.messages] == ["leave"]

"""The outbox: order, batching, and pressure."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from protos.tidegate.tunnel.v1 import tunnel_pb2
from tunnel.counters import Counters
from tunnel.outbox import CONTROL_BYTES, HIGH_WATER_BYTES, SEAL_BYTES, Outbox
from wire.chunks import ChunkKind, unpack_chunks
from wire.delivery import Delivery
from wire.errors import TunnelFault

LONG_SECONDS = 3600.0
RING_BYTES = 16 << 20


class Writer:
    """Where an outbox writes to: keeps messages, and can be made to wait."""

    def __init__(self) -> None:
        self.messages: list[tunnel_pb2.AttachRequest] = []
        self.open = asyncio.Event()
        self.open.set()

    async def write(self, message: tunnel_pb2.AttachRequest) -> None:
        await self.open.wait()
        copy = tunnel_pb2.AttachRequest()
        copy.CopyFrom(message)
        self.messages.append(copy)

    @property
    def payload_bytes(self) -> int:
        return sum(len(payload) for message in self.messages for _, _, payload in unpack_chunks(message.batch.chunks))


def make_outbox(window_seconds: float = 0.0) -> Outbox[tunnel_pb2.AttachRequest]:
    return Outbox(
        tunnel_pb2.AttachRequest, Delivery(), Counters(), flush_window_seconds=window_seconds, ring_bytes=RING_BYTES
    )


@asynccontextmanager
async def running(outbox: Outbox[tunnel_pb2.AttachRequest], writer: Writer) -> AsyncIterator[None]:
    outbox.attached()
    task = asyncio.create_task(outbox.run(writer.write))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


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
    assert unpack_chunks(writer.messages[1].batch.chunks) == [(1, ChunkKind.DATA, b"a"), (2, ChunkKind.DATA, b"b")]


IDLE = b"\x00\x02"


def patient_outbox(monkeypatch: pytest.MonkeyPatch, rest_seconds: float) -> Outbox[tunnel_pb2.AttachRequest]:
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
    loop = asyncio.get_running_loop()
    outbox._last_flush_seconds = loop.time() - LONG_SECONDS - 1
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
    outbox._last_flush_seconds = asyncio.get_running_loop().time()
    async with running(outbox, writer):
        outbox.buffer.add(1, ChunkKind.DATA, bytes(SEAL_BYTES))
        await outbox.drained()
    assert writer.payload_bytes == SEAL_BYTES


async def test_pressure_is_told_and_taken_back() -> None:
    class Waiting:
        told = 0

        def tunnel_relieved(self) -> None:
            self.told += 1

    outbox, writer, waiting = make_outbox(), Writer(), Waiting()
    writer.open.clear()
    async with running(outbox, writer):
        while not outbox.buffer.is_congested():
            outbox.buffer.add(1, ChunkKind.DATA, bytes(100_000))
        outbox.wait_for_relief(waiting)
        await asyncio.sleep(0)
        assert waiting.told == 0
        assert outbox.pending_bytes < HIGH_WATER_BYTES + 2 * 100_008
        writer.open.set()
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
    delivery: Delivery[tunnel_pb2.AttachRequest] = Delivery()
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

"""What is counted of a tunnel's messages: bounded in peers, and noted where batches are written."""

import asyncio

import tunnel.writer
from protos.tidegate.tunnel.v1 import tunnel_pb2
from tests.relays import echo, running_origin, running_relay
from tunnel.counters import Counters
from tunnel.flow import MAX_PEERS, OTHER, Flow, flow_of
from tunnel.outbox import Outbox
from wire.chunks import ChunkKind
from wire.delivery import Delivery


def test_peers_are_bounded() -> None:
    flows: dict[str, Flow] = {}
    made = [flow_of(flows, f"peer-{number}") for number in range(MAX_PEERS + 10)]
    assert len(flows) == MAX_PEERS + 1
    assert made[-1] is made[-2] is flows[OTHER]
    assert flow_of(flows, "peer-3") is made[3]


async def test_a_batch_is_noted_with_its_size_and_again_when_it_is_sent_again() -> None:
    delivery = Delivery()
    outbox = Outbox(tunnel_pb2.AttachRequest, delivery, Counters(), flush_window_seconds=0)

    class Writer(tunnel.writer.Writer):
        def is_full(self) -> bool:
            return False

        def when_room(self, tell: object) -> None:
            raise AssertionError

        def send(self, message: tunnel_pb2.AttachRequest) -> None:
            pass

    outbox.attached()
    for times in (1, 2):
        if times == 1:
            outbox.buffer.add(1, ChunkKind.DATA, b"x" * 300)
        outbox.begin(Writer())
        async with asyncio.timeout(5):
            await outbox.drained()
        assert outbox.flow.batch_sent.count == times
        outbox.detached()
        outbox.attached()
    assert outbox.flow.resent == 1
    assert outbox.flow.batch_sent.total == 2 * 308
    assert outbox.flow.flush_delay.count >= 2


async def test_both_ends_count_the_same_batches() -> None:
    async with running_origin(echo) as port, running_relay("echo", port) as relay:
        reader, writer = await relay.connect()
        writer.write(b"\x00\x05abc")
        assert await reader.readexactly(5) == b"\x00\x05abc"
        writer.close()
        await relay.settle()
        edge, core = relay.edge.flows["core-1"], relay.core.service.flows["edge-1"]
        assert edge.batch_sent.count == core.batch_received.count > 0
        assert edge.batch_sent.total == core.batch_received.total
        assert core.batch_sent.counts == edge.batch_received.counts
        assert edge.reattachments == core.reattachments == 0

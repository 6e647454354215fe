"""A batch handed to its sessions: in order, however many there are, and whole or not at all."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protos.tidegate.tunnel.v1 import tunnel_pb2
from tests.tunnel.fakes import FakeEnd, FakeLink
from tunnel.inbox import PREFETCHED_AT_ONCE, Inbox, deliver_chunks
from tunnel.options import MAX_BATCH_BYTES
from tunnel.outbox import Outbox
from tunnel.owner import CORE_SIDE, EDGE_SIDE, Side
from tunnel.session import Session
from wire.batches import Batch
from wire.chunks import ChunkKind, append_chunk
from wire.delivery import Delivery
from wire.errors import TunnelFault
from wire.layout import RAW, FrameLayout

PLAYERS = PREFETCHED_AT_ONCE + 5
SIDES = [EDGE_SIDE, CORE_SIDE]


def players(end: FakeEnd, count: int) -> list[FakeLink]:
    """Open sessions on the slots from 1 on; every third is still without a link."""
    links = []
    for slot in range(1, count + 1):
        recheck = None if end.side.is_edge else RAW
        window = 1 << 20
        session = Session(
            end, slot, bytes(16), RAW, send_window_bytes=window, receive_window_bytes=window, recheck=recheck
        )
        end.sessions[slot] = session
        links.append(FakeLink(session=session))
        if slot % 3:
            session.connect(links[-1])
    return links


def data(*chunks: tuple[int, bytes]) -> bytes:
    batch = bytearray()
    for slot, payload in chunks:
        append_chunk(batch, slot, ChunkKind.DATA, payload)
    return bytes(batch)


@pytest.mark.parametrize("side", SIDES)
@given(chunks=st.lists(st.tuples(st.integers(1, PLAYERS), st.binary(min_size=1, max_size=4)), max_size=3 * PLAYERS))
def test_everybody_gets_his_own_in_order(side: Side, chunks: list[tuple[int, bytes]]) -> None:
    end = FakeEnd(side)
    links = players(end, PLAYERS)
    deliver_chunks(data(*chunks), end.sessions)
    for slot, link in enumerate(links, 1):
        if slot % 3 == 0:
            end.sessions[slot].connect(link)
        assert link.sent == b"".join(payload for whose, payload in chunks if whose == slot)


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("place", [0, 1, PLAYERS])
def test_with_a_slot_that_nobody_has_nobody_gets_anything(side: Side, place: int) -> None:
    end = FakeEnd(side)
    links = players(end, PLAYERS)
    chunks = [(slot, b"x") for slot in range(1, PLAYERS + 1)]
    chunks.insert(place, (PLAYERS + 1, b"y"))
    with pytest.raises(TunnelFault, match=f"unknown slot {PLAYERS + 1}"):
        deliver_chunks(data(*chunks), end.sessions)
    assert not any(link.sent for link in links)
    assert not any(session.awaits_link for session in end.sessions.values())


LENGTHS = FrameLayout(min_frame_bytes=4, max_frame_bytes=64)


def frame(length: int) -> bytes:
    return length.to_bytes(2, "big") + bytes(length - 2)


@given(st.lists(st.integers(4, 64), max_size=8), st.integers(65, 1000), st.integers(1, 8), st.binary(max_size=30))
def test_a_core_hands_on_what_is_right_of_an_edge_that_lies(
    good: list[int], bad: int, where: int, others: bytes
) -> None:
    """Bytes of others stand around a session's own, which are looked at where they are in the batch."""
    end = FakeEnd(CORE_SIDE)
    for slot in (1, 2):
        session = Session(
            end, slot, bytes(16), RAW, send_window_bytes=1 << 20, receive_window_bytes=1 << 20, recheck=LENGTHS
        )
        end.sessions[slot] = session
    links = [FakeLink(session=session) for session in end.sessions.values()]
    for link, session in zip(links, end.sessions.values(), strict=True):
        session.connect(link)
    frames = [frame(length) for length in good]
    around = frame(64) * (len(others) % 3 + 1)
    chunks = [(2, around), *((1, each) for each in frames), (1, bad.to_bytes(2, "big") + others), (2, around)]
    deliver_chunks(data(*chunks[:where]), end.sessions)
    deliver_chunks(data(*chunks[where:]), end.sessions)
    assert links[0].sent == b"".join(frames)
    assert [reason for slot, reason in end.ended if slot == 1], "it broke the layout"
    assert links[1].sent == 2 * around


def make_inbox(end: FakeEnd) -> tuple[Inbox, Delivery]:
    delivery = Delivery()
    outbox = Outbox(tunnel_pb2.AttachRequest, delivery, end.counters, flush_window_seconds=0.0)
    return Inbox(delivery, outbox, end.counters, end.sessions), delivery


def test_a_batch_is_counted_and_delivered() -> None:
    end = FakeEnd(EDGE_SIDE)
    links = players(end, 2)
    inbox, delivery = make_inbox(end)
    inbox.take(Batch(data((1, b"a"), (2, b"b")), sequence=1))
    inbox.take(Batch(data((1, b"c")), sequence=2))
    assert [bytes(link.sent) for link in links] == [b"ac", b"b"]
    assert (delivery.received, end.counters.batches_received) == (2, 2)


@pytest.mark.parametrize(
    ("batch", "said"),
    [
        (Batch(b"x", sequence=0), "batch with sequence 0"),
        (Batch(b"x", sequence=2), "sequence 2 after 0"),
        (Batch(b"x", sequence=(1 << 64) - 1), "sequence 18446744073709551615 after 0"),
        (Batch(b"x", sequence=1, acknowledged=1), "acknowledgement of 1: 0 to 0 are possible"),
        (Batch(b"x", sequence=1, acknowledged=(1 << 64) - 1), "acknowledgement of 18446744073709551615"),
        (Batch(b"", sequence=1), "batch of 0 bytes"),
        (Batch(bytes(MAX_BATCH_BYTES + 1), sequence=1), f"batch of {MAX_BATCH_BYTES + 1} bytes"),
        (Batch(b"x", sequence=1), "batch ends inside a chunk header"),
        (Batch(data((9, b"x")), sequence=1), "unknown slot 9"),
    ],
)
def test_what_breaks_the_contract_is_refused(batch: Batch, said: str) -> None:
    end = FakeEnd(EDGE_SIDE)
    links = players(end, 2)
    inbox, _ = make_inbox(end)
    with pytest.raises(TunnelFault, match=said):
        inbox.take(batch)
    assert not any(link.sent for link in links)

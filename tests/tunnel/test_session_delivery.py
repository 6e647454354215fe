"""A batch handed to its sessions: in order, however many there are, and whole or not at all."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tunnel.fakes import FakeEnd, FakeLink
from tunnel.owner import CORE_SIDE, EDGE_SIDE, Side
from tunnel.session import PREFETCHED_AT_ONCE, Session, deliver_chunks
from wire.chunks import ChunkKind, append_chunk
from wire.errors import TunnelFault
from wire.layout import RAW

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

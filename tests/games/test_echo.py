"""The toy game."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from games.echo import MAX_TEXT_BYTES, Notice, Said, Say
from games.packet import Direction, Packet
from games.registry import load_pack
from tests.games.rows import run_row
from tests.games.strategies import packets_of
from wire.errors import EncodeError

PACK = load_pack("echo")
CODEC = PACK.codec()


@pytest.mark.parametrize(
    ("packet", "frame"),
    [(Say(text=b"hi"), b"\0\x05\x01hi"), (Said(text=b"hi"), b"\0\x05\x02hi"), (Notice(text=b""), b"\0\x03\x03")],
)
def test_row(packet: Packet, frame: bytes) -> None:
    run_row(packet, frame[3:], open_ended=True)
    assert CODEC.seal(packet) == frame
    assert CODEC.decode(packet.DIRECTION, CODEC.open(packet.DIRECTION, frame)) == packet


@given(st.sampled_from(PACK.packets).flatmap(packets_of))
def test_any_packet_decodes_to_itself(packet: Packet) -> None:
    assert CODEC.decode(packet.DIRECTION, CODEC.open(packet.DIRECTION, CODEC.seal(packet))) == packet


def test_every_packet_has_an_opcode_row() -> None:
    assert [(row.number, row.direction) for row in PACK.opcodes] == [
        (cls.OPCODE, cls.DIRECTION) for cls in PACK.packets
    ]


def test_a_text_over_the_bound_is_refused() -> None:
    with pytest.raises(EncodeError, match="at most 1021"):
        Say(text=bytes(MAX_TEXT_BYTES + 1)).encode()


def test_notice_is_cut_to_the_bound() -> None:
    assert PACK.notice is not None
    frame = CODEC.open(Direction.CLIENTBOUND, PACK.notice("é" * 2000))
    assert frame.opcode == Notice.OPCODE
    assert len(frame.body) <= MAX_TEXT_BYTES

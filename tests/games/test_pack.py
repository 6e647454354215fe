"""Packs and codecs: dialects, and which class reads a body."""

import pytest

from games.envelope import Envelope, Frame
from games.fields import U8, U16
from games.pack import Codec, Dialect, Pack
from games.packet import Direction, Packet, Tag, packet
from wire.errors import MisuseError, PacketFault
from wire.layout import FrameLayout

SERVERBOUND = Direction.SERVERBOUND
CLIENTBOUND = Direction.CLIENTBOUND

LAYOUT = FrameLayout(min_frame_bytes=3, max_frame_bytes=64, bare_frame_bytes=(2,))
ENVELOPE = Envelope(layout=LAYOUT, header_bytes=3, opcode_offset_bytes=2, opcode_width_bytes=1)


@packet(1, SERVERBOUND)
class Fallback(Packet):
    """Any kind but 1."""

    kind: U8
    value: U8


@packet(1, SERVERBOUND, tag=Tag(0, 1, 1))
class Tagged(Packet):
    """Kind 1."""

    kind: U8
    value: U16


@packet(2, SERVERBOUND, styles=frozenset({"old"}))
class Old(Packet):
    """In one style only."""

    value: U8


@packet(2, SERVERBOUND, styles=frozenset({"old"}))
class OldLonger(Packet):
    """Of the same opcode and style, told apart by its length."""

    value: U16


@packet(2, SERVERBOUND, styles=frozenset({"new"}))
class New(Packet):
    """In the other style."""

    value: U16


@packet(1, CLIENTBOUND)
class Answer(Packet):
    """The same number the other way."""

    value: U8


PACK = Pack(
    name="toy",
    summary="for these tests",
    serverbound=LAYOUT,
    clientbound=LAYOUT,
    dialects={
        "old": Dialect("old", "first", ENVELOPE, ENVELOPE, style="old"),
        "new": Dialect("new", "second", ENVELOPE, ENVELOPE, style="new"),
    },
    packets=(Fallback, Tagged, Old, OldLonger, New, Answer),
)


@pytest.fixture
def codec() -> Codec:
    return PACK.codec()


def test_the_first_dialect_is_the_default(codec: Codec) -> None:
    assert codec.dialect.name == "old"
    assert PACK.codec("new").dialect.name == "new"


def test_an_unknown_dialect_is_refused_with_those_there_are() -> None:
    with pytest.raises(MisuseError, match="game toy has no dialect 'middle'; it has: old, new"):
        PACK.codec("middle")
    with pytest.raises(MisuseError, match="it has: none"):
        Pack(name="bare", summary="", serverbound=LAYOUT, clientbound=LAYOUT).codec()


def test_layouts_and_envelopes_by_direction(codec: Codec) -> None:
    assert PACK.layout(SERVERBOUND) is PACK.serverbound
    assert PACK.layout(CLIENTBOUND) is PACK.clientbound
    assert codec.dialect.envelope(CLIENTBOUND) is codec.dialect.clientbound


def test_the_tag_chooses_before_the_fallback(codec: Codec) -> None:
    assert codec.classes(SERVERBOUND, 1) == (Tagged, Fallback)
    assert codec.decode(SERVERBOUND, Frame(opcode=1, body=b"\x01\0\x02")) == Tagged(kind=1, value=2)
    assert codec.decode(SERVERBOUND, Frame(opcode=1, body=b"\x02\x03")) == Fallback(kind=2, value=3)


def test_a_broken_tagged_body_is_never_given_to_the_fallback(codec: Codec) -> None:
    with pytest.raises(PacketFault, match=r"Tagged\.value"):
        codec.decode(SERVERBOUND, Frame(opcode=1, body=b"\x01\x02"))


def test_styles_choose_among_classes(codec: Codec) -> None:
    assert codec.decode(SERVERBOUND, Frame(opcode=2, body=b"\x07")) == Old(value=7)
    assert PACK.codec("new").decode(SERVERBOUND, Frame(opcode=2, body=b"\0\x07")) == New(value=7)


def test_without_a_tag_the_first_class_that_fits_is_taken(codec: Codec) -> None:
    assert codec.decode(SERVERBOUND, Frame(opcode=2, body=b"\0\x07")) == OldLonger(value=7)
    with pytest.raises(PacketFault, match="Old at offset 1: 2 bytes of junk"):
        codec.decode(SERVERBOUND, Frame(opcode=2, body=b"\0\0\x07"))


def test_frames_nobody_describes_decode_to_nothing(codec: Codec) -> None:
    assert codec.decode(SERVERBOUND, Frame(opcode=3, body=b"?")) is None
    assert codec.decode(CLIENTBOUND, Frame(opcode=2, body=b"?")) is None
    assert codec.decode(SERVERBOUND, codec.open(SERVERBOUND, b"\0\x02")) is None


def test_seal_and_open(codec: Codec) -> None:
    frame = codec.seal(Answer(value=7))
    assert frame == b"\0\x04\x01\x07"
    assert codec.decode(CLIENTBOUND, codec.open(CLIENTBOUND, frame)) == Answer(value=7)

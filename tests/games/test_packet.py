"""Records and packets: what the decorators make of annotated classes."""

from dataclasses import FrozenInstanceError
from typing import Annotated

import pytest

from games.fields import U8, U16, Int
from games.packet import Direction, Packet, Record, Tag, packet, record
from games.texts import String
from wire.errors import EncodeError, PacketFault


@record
class Head(Packet):
    """Fields that several packets begin with."""

    who: U16


@packet(7, Direction.SERVERBOUND, tag=Tag(2, 1, 5), styles=frozenset({"old"}))
class Wave(Head):
    """A packet with a base, a default and a text."""

    kind: Annotated[int, Int(1, low=5, high=5)] = 5
    text: Annotated[bytes, String(4)]


WAVE = Wave(who=258, text=b"hi")
BODY = b"\x01\x02\x05\0\x03hi\0"


def test_encode_and_decode() -> None:
    assert WAVE.encode() == BODY
    assert Wave.decode(BODY) == WAVE


def test_the_class_carries_what_a_codec_needs() -> None:
    cls: type[Packet] = Wave
    assert cls.OPCODE == 7
    assert cls.DIRECTION is Direction.SERVERBOUND
    assert cls.TAG is not None
    assert cls.TAG.value == 5
    assert sorted(Wave.STYLES) == ["old"]
    assert [name for name, _ in Wave.FIELDS] == ["who", "kind", "text"]
    assert (Wave.MIN_BYTES, Wave.MAX_BYTES) == (2 + 1 + 3, 2 + 1 + 7)


def test_packets_are_values() -> None:
    assert hash(WAVE) == hash(Wave(who=258, text=b"hi"))
    assert Wave(who=259, text=b"hi") != WAVE
    with pytest.raises(FrozenInstanceError):
        WAVE.who = 1  # type: ignore[misc]
    assert not hasattr(WAVE, "__dict__")


def test_every_truncation_is_a_fault_that_names_the_field() -> None:
    for size in range(len(BODY)):
        with pytest.raises(PacketFault, match=r"Wave\.(who|kind|text)"):
            Wave.decode(BODY[:size])


def test_junk_behind_the_last_field_is_a_fault() -> None:
    with pytest.raises(PacketFault, match="Wave at offset 8: 2 bytes of junk behind the last field"):
        Wave.decode(BODY + b"??")


def test_an_encode_error_names_the_field() -> None:
    with pytest.raises(EncodeError, match=r"Wave\.text: string of 5 bytes"):
        Wave(who=1, text=b"hello").encode()
    with pytest.raises(EncodeError, match=r"Wave\.kind"):
        Wave(who=1, kind=6, text=b"").encode()


def test_tags() -> None:
    tag = Tag(1, 2, 0x0102)
    assert tag.matches(b"\xff\x01\x02")
    assert tag.matches(b"\xff\x01\x02more")
    assert not tag.matches(b"\xff\x01\x03")
    assert not tag.matches(b"\xff\x01")
    assert not tag.matches(b"")


def test_a_packet_without_fields() -> None:
    @packet(9, Direction.CLIENTBOUND)
    class Nothing(Packet):
        """Empty."""

    assert Nothing().encode() == b""
    assert Nothing.decode(b"") == Nothing()
    with pytest.raises(PacketFault, match="1 bytes of junk"):
        Nothing.decode(b"\0")


def test_a_field_without_exactly_one_type_is_refused() -> None:
    with pytest.raises(TypeError, match=r"Bare\.number"):

        @record
        class Bare(Record):
            number: int

    with pytest.raises(TypeError, match=r"Double\.number"):

        @record
        class Double(Record):
            number: Annotated[U8, Int(2)]

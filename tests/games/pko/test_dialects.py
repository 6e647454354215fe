"""Dialects: counter, trailer, calls, styles of bodies; and the pack as a whole."""

import pytest

from games.packet import Direction
from games.pko import build_pack, connection, framing
from games.pko.bounds import MAX_NOTICE_BYTES
from games.pko.chat import PopupNotice, Say
from games.pko.connection import Logout, LogoutReply
from games.pko.notices import popup
from games.registry import load_pack
from wire.errors import EncodeError, MisuseError, PacketFault

SERVERBOUND = Direction.SERVERBOUND
CLIENTBOUND = Direction.CLIENTBOUND
HI = Say(text=b"hi")
BODY = "0003686900"


def test_dialects_in_order() -> None:
    pack = load_pack("pko")
    assert list(pack.dialects) == ["classic", "counter", "counter+trailer", "tg"]
    assert pack.default_dialect == "classic"
    assert [dialect.style for dialect in pack.dialects.values()] == ["classic", "classic", "classic", "tg"]


@pytest.mark.parametrize(
    ("dialect", "counter", "frame"),
    [
        ("classic", None, "000d800000000001" + BODY),
        ("counter", 7, "001180000000000100000007" + BODY),
        ("counter+trailer", 7, "001380000000000100000007" + BODY + "8d1c"),
        ("tg", 7, "001180000000000100000007" + BODY),
    ],
)
def test_a_serverbound_frame(dialect: str, counter: int | None, frame: str) -> None:
    codec = load_pack("pko").codec(dialect)
    sealed = codec.seal(HI, counter=counter)
    assert sealed == bytes.fromhex(frame)
    opened = codec.open(SERVERBOUND, sealed)
    assert opened.counter == counter
    assert codec.decode(SERVERBOUND, opened) == HI


@pytest.mark.parametrize("dialect", ["classic", "counter", "counter+trailer", "tg"])
def test_clientbound_frames_are_alike_in_all_dialects(dialect: str) -> None:
    codec = load_pack("pko").codec(dialect)
    frame = codec.seal(PopupNotice(text=b"hi"))
    assert frame == bytes.fromhex("000d800000000238" + BODY)
    assert codec.open(CLIENTBOUND, frame).counter is None


@pytest.mark.parametrize(("dialect", "size"), [("classic", 8), ("counter", 12), ("counter+trailer", 12), ("tg", 12)])
def test_a_call_has_the_counter_but_never_the_trailer(dialect: str, size: int) -> None:
    codec = load_pack("pko").codec(dialect)
    word = framing.call_word(1)
    frame = codec.seal(Logout(), counter=None if size == 8 else 3, session_word=word)
    assert len(frame) == size
    opened = codec.open(SERVERBOUND, frame)
    assert framing.is_call(opened.session_word)
    assert codec.decode(SERVERBOUND, opened) == Logout()


def test_the_answer_to_a_call() -> None:
    codec = load_pack("pko").codec()
    frame = codec.seal(LogoutReply(), session_word=framing.answer_word(1))
    assert frame == bytes.fromhex("00088000000103a4")
    assert framing.is_answer(codec.open(CLIENTBOUND, frame).session_word)


def test_session_words() -> None:
    for word in (None, 0, framing.ORDINARY):
        assert not framing.is_call(word)
        assert not framing.is_answer(word)
    assert framing.is_call(framing.call_word(0x7FFFFFFF))
    assert not framing.is_answer(0x7FFFFFFF)
    assert framing.answer_word(0x7FFFFFFF) == 0xFFFFFFFF
    for number in (0, 0x80000000):
        with pytest.raises(EncodeError):
            framing.call_word(number)


def test_counters_belong_where_the_dialect_has_them() -> None:
    with pytest.raises(EncodeError, match="counter"):
        load_pack("pko").codec("counter").seal(HI)
    with pytest.raises(EncodeError, match="counter"):
        load_pack("pko").codec("classic").seal(HI, counter=0)


def test_counter_resets() -> None:
    dialects = load_pack("pko").dialects
    assert dialects["classic"].counter_resets == frozenset()
    assert dialects["counter"].counter_resets == {431, 438}
    assert dialects["counter+trailer"].counter_resets == {431, 438}
    assert dialects["tg"].counter_resets == {438, 355}


def test_a_wrong_trailer_is_a_fault() -> None:
    codec = load_pack("pko").codec("counter+trailer")
    frame = bytearray(codec.seal(HI, counter=0))
    frame[-1] ^= 1
    with pytest.raises(PacketFault, match="trailer"):
        codec.open(SERVERBOUND, bytes(frame))


@pytest.mark.parametrize(
    ("dialect", "opcode", "cls"),
    [
        ("classic", 433, connection.BeginPlay),
        ("counter", 433, connection.BeginPlay),
        ("tg", 433, connection.BeginPlayByIndex),
        ("tg", 431, connection.LoginHashed),
        ("tg", 436, connection.DeleteCharacterByIndex),
        ("tg", 435, connection.NewCharacterByType),
    ],
)
def test_styles_choose_the_class(dialect: str, opcode: int, cls: type) -> None:
    assert load_pack("pko").codec(dialect).classes(SERVERBOUND, opcode) == (cls,)


LOGIN = connection.Login(account=b"admin", password=bytes(24), mac=b"00-25-22", version=136)
LOGIN_WITH_ADDRESS = connection.LoginWithAddress(
    account=b"admin", password=bytes(24), mac=b"00-25-22", address=0, version=136
)
CREATION = connection.NewCharacter(name=b"Ann", birthplace=b"Argent City", look=bytes(1626))
CREATION_BY_TYPE = connection.NewCharacterByType(name=b"Ann", birthplace=b"Argent City", body_type=4, hair=1, face=2)


@pytest.mark.parametrize(
    "packet", [LOGIN, LOGIN_WITH_ADDRESS, CREATION, CREATION_BY_TYPE], ids=lambda p: type(p).__name__
)
def test_bodies_of_one_style_that_only_their_shape_tells_apart(packet: connection.Login) -> None:
    codec = load_pack("pko").codec("classic")
    assert codec.decode(SERVERBOUND, codec.open(SERVERBOUND, codec.seal(packet))) == packet


def test_a_creation_with_a_whole_look_is_as_long_as_a_real_one() -> None:
    # The one in public notes has 1659 bytes; what name and birthplace it had is not said.
    assert 1640 < len(load_pack("pko").codec().seal(CREATION)) < 1680


def test_layouts() -> None:
    pack = load_pack("pko")
    for length in (0, 1, 3, 7, 16385):
        assert not pack.serverbound.allows(length)
    for length in (2, 8, 16384):
        assert pack.serverbound.allows(length)
    assert pack.clientbound.allows(65535)
    assert pack.serverbound.allows(len(pack.keep_alive))
    assert load_pack("pko").codec().open(SERVERBOUND, pack.keep_alive).opcode is None


def test_notice() -> None:
    codec = load_pack("pko").codec()

    def shown(text: str) -> bytes:
        packet = codec.decode(CLIENTBOUND, codec.open(CLIENTBOUND, popup(text)))
        assert isinstance(packet, PopupNotice)
        return packet.text

    assert shown("server full") == b"server full"
    assert shown("за 5 минут\0!") == b"?? 5 ??????!"
    assert shown("x" * 2000) == b"x" * MAX_NOTICE_BYTES
    assert load_pack("pko").notice is popup


def test_no_settings() -> None:
    with pytest.raises(MisuseError, match="no framing settings"):
        build_pack({"length_bytes": 4})

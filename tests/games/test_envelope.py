"""Envelopes: header, counter, trailer; open and seal are inverses."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from games.envelope import Envelope, Frame
from wire.errors import EncodeError, PacketFault
from wire.layout import FrameLayout

PLAIN = Envelope(layout=FrameLayout(min_frame_bytes=3, max_frame_bytes=20), header_bytes=3, opcode_offset_bytes=2,
                 opcode_width_bytes=1)  # fmt: skip
FULL = Envelope(
    layout=FrameLayout(min_frame_bytes=8, max_frame_bytes=64, bare_frame_bytes=(2,)),
    header_bytes=8,
    opcode_offset_bytes=6,
    session_word_offset_bytes=2,
    ordinary_session_word=0x80000000,
    counter_bytes=4,
    trailer=b"\x8d\x1c",
)
LITTLE = Envelope(
    layout=FrameLayout(
        length_offset_bytes=1,
        length_width_bytes=2,
        little_endian=True,
        length_adjust_bytes=3,
        min_frame_bytes=5,
        max_frame_bytes=64,
    ),
    header_bytes=5,
    opcode_offset_bytes=3,
)


def test_a_small_envelope() -> None:
    assert PLAIN.seal(7, b"hi") == b"\0\x05\x07hi"
    assert PLAIN.open(b"\0\x05\x07hi") == Frame(opcode=7, body=b"hi")


def test_all_parts() -> None:
    frame = FULL.seal(1, b"hi", counter=9)
    assert frame == bytes.fromhex("0010 80000000 0001 00000009") + b"hi" + b"\x8d\x1c"
    assert FULL.open(frame) == Frame(opcode=1, body=b"hi", session_word=0x80000000, counter=9)


def test_a_call_has_no_trailer() -> None:
    frame = FULL.seal(1, b"hi", counter=9, session_word=5)
    assert frame == bytes.fromhex("000e 00000005 0001 00000009") + b"hi"
    assert FULL.open(frame).session_word == 5


def test_little_endian_and_a_length_that_does_not_count_itself() -> None:
    frame = LITTLE.seal(0x0102, b"abc")
    assert frame == b"\0" + b"\x05\0" + b"\x02\x01" + b"abc"
    assert LITTLE.open(frame) == Frame(opcode=0x0102, body=b"abc")


def test_a_bare_frame_has_no_opcode() -> None:
    assert FULL.open(b"\0\x02") == Frame(opcode=None)


@pytest.mark.parametrize("size", [0, 1, 3, 5, 7, 8, 11, 13])
def test_frames_that_end_before_their_parts_do(size: int) -> None:
    frame = FULL.seal(1, b"", counter=9)
    with pytest.raises(PacketFault):
        FULL.open(frame[:size])


def test_a_wrong_trailer() -> None:
    frame = FULL.seal(1, b"hi", counter=9)
    with pytest.raises(PacketFault, match="trailer 0000 where 8d1c belongs") as caught:
        FULL.open(frame[:-2] + b"\0\0")
    assert caught.value.offset_bytes == 14


def test_a_counter_is_given_exactly_where_there_is_one() -> None:
    with pytest.raises(EncodeError, match="counter None"):
        FULL.seal(1, b"")
    with pytest.raises(EncodeError, match="counter 3"):
        PLAIN.seal(1, b"", counter=3)


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(EncodeError, match="frame of 21 bytes for opcode 1: 3 to 20 bytes are allowed"):
        PLAIN.seal(1, bytes(18))
    with pytest.raises(EncodeError, match="256 does not fit 1 bytes"):
        PLAIN.seal(256, b"")
    with pytest.raises(EncodeError, match="does not fit"):
        FULL.seal(1, b"", counter=1 << 32)


@given(
    envelope=st.sampled_from([PLAIN, FULL, LITTLE]),
    opcode=st.integers(0, 255),
    body=st.binary(max_size=17),
    number=st.integers(0, 0xFFFFFFFF),
)
def test_open_undoes_seal(envelope: Envelope, opcode: int, body: bytes, number: int) -> None:
    counter = number if envelope.counter_bytes else None
    word = number if envelope.session_word_offset_bytes else None
    frame = envelope.seal(opcode, body, counter=counter, session_word=word)
    assert envelope.open(frame) == Frame(opcode=opcode, body=body, session_word=word, counter=counter)


@given(envelope=st.sampled_from([PLAIN, FULL, LITTLE]), frame=st.binary(max_size=40))
def test_any_bytes_open_or_are_a_fault(envelope: Envelope, frame: bytes) -> None:
    try:
        envelope.open(frame)
    except PacketFault:
        return

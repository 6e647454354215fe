"""DATA and WINDOW_UPDATE frames, cut out of a stream in any pieces; everything else as it came."""

import pytest
from hyperframe.frame import DataFrame, Frame, HeadersFrame, PingFrame, WindowUpdateFrame
from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz.targets.data_frames import joined
from wire.data_frames import (
    DATA,
    HEADER_BYTES,
    MAX_OTHER_BYTES,
    OTHER,
    WINDOW_UPDATE,
    FrameCutter,
    pack_data,
    pack_message,
    pack_window_update,
)
from wire.errors import PeerFault

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
MAX_BYTES = 16_384

streams = st.integers(1, (1 << 31) - 1)
payloads = st.binary(max_size=300)


@st.composite
def frames(draw: st.DrawFn) -> Frame:
    match draw(st.integers(0, 3)):
        case 0:
            padding = draw(st.none() | st.integers(0, 255))
            flags = ["PADDED"] * (padding is not None) + ["END_STREAM"] * draw(st.booleans())
            return DataFrame(draw(streams), draw(payloads), pad_length=padding or 0, flags=flags)
        case 1:
            return WindowUpdateFrame(draw(st.just(0) | streams), draw(st.integers(1, (1 << 31) - 1)))
        case 2:
            return PingFrame(0, draw(st.binary(min_size=8, max_size=8)))
        case _:
            return HeadersFrame(draw(streams), draw(payloads), flags=["END_HEADERS"])


def expected(sent: list[Frame]) -> list[tuple[int, int, int, bytes]]:
    found: list[tuple[int, int, int, bytes]] = []
    for frame in sent:
        if isinstance(frame, DataFrame):
            found.append((DATA, frame.stream_id, len(frame.serialize()) - HEADER_BYTES, frame.data))
            if "END_STREAM" in frame.flags:
                found.append((OTHER, 0, 0, DataFrame(frame.stream_id, flags=["END_STREAM"]).serialize()))
        elif isinstance(frame, WindowUpdateFrame):
            found.append((WINDOW_UPDATE, frame.stream_id, frame.window_increment, b""))
        else:
            found.append((OTHER, 0, 0, frame.serialize()))
    return found


@given(st.lists(frames(), max_size=8), st.lists(st.integers(1, 400), min_size=1), st.booleans())
def test_any_cutting_gives_the_same(sent: list[Frame], cuts: list[int], is_server: bool) -> None:
    stream = (PREFACE if is_server else b"") + b"".join(frame.serialize() for frame in sent)
    wanted = ([(OTHER, 0, 0, PREFACE)] if is_server else []) + expected(sent)
    whole = FrameCutter(MAX_BYTES, preface_bytes=len(PREFACE) if is_server else 0)
    pieces = FrameCutter(MAX_BYTES, preface_bytes=len(PREFACE) if is_server else 0)
    assert joined(whole.feed(stream)) == joined(wanted)
    found, position, number = [], 0, 0
    while position < len(stream):
        size = cuts[number % len(cuts)]
        found += pieces.feed(stream[position : position + size])
        position += size
        number += 1
    assert joined(found) == joined(wanted)


@given(st.lists(st.binary(max_size=200), max_size=10))
def test_any_bytes_give_frames_or_a_fault(pieces: list[bytes]) -> None:
    cutter = FrameCutter(MAX_BYTES, preface_bytes=24)
    size = 0
    try:
        for piece in pieces:
            size += sum(len(body) for _, _, _, body in cutter.feed(piece))
    except PeerFault:
        return
    assert size <= sum(map(len, pieces)) + HEADER_BYTES * sum(map(len, pieces))


def test_a_frame_too_long_is_refused_before_its_body_comes() -> None:
    cutter = FrameCutter(MAX_BYTES, preface_bytes=0)
    assert cutter.feed(pack_data(bytes(MAX_BYTES), 1)) == [(DATA, 1, MAX_BYTES, bytes(MAX_BYTES))]
    with pytest.raises(PeerFault, match="16385 bytes, where at most 16384"):
        cutter.feed(pack_data(bytes(MAX_BYTES + 1), 1)[:HEADER_BYTES])


def frame_of(kind: int, size: int, flags: int = 0) -> bytes:
    return size.to_bytes(3, "big") + bytes([kind, flags, 0, 0, 0, 1]) + bytes(size)


def test_other_frames_and_headers_are_short() -> None:
    cutter = FrameCutter(1 << 20, preface_bytes=0)
    assert len(cutter.feed(frame_of(4, MAX_OTHER_BYTES))) == 1
    with pytest.raises(PeerFault, match="16385 bytes, where at most 16384"):
        cutter.feed(frame_of(4, MAX_OTHER_BYTES + 1)[:HEADER_BYTES])
    cutter = FrameCutter(1 << 20, preface_bytes=0)
    assert len(cutter.feed(frame_of(1, 8000) + frame_of(9, 8000))) == 2
    with pytest.raises(PeerFault, match="headers of more than 16384 bytes"):
        cutter.feed(frame_of(9, 8000))
    cutter = FrameCutter(1 << 20, preface_bytes=0)
    for _ in range(9):
        assert len(cutter.feed(frame_of(1, 8000, flags=4))) == 1, "each is a block of its own"


def test_what_was_whole_before_a_fault_is_told_and_then_the_fault() -> None:
    cutter = FrameCutter(MAX_BYTES, preface_bytes=0)
    bad = frame_of(0, MAX_BYTES + 1)
    assert cutter.feed(pack_data(b"abc", 1) + bad) == [(DATA, 1, 3, b"abc")]
    for call in (cutter.check, lambda: cutter.feed(b"")):
        with pytest.raises(PeerFault, match="16385 bytes"):
            call()


@pytest.mark.parametrize("body", [b"", b"\x01", b"\xff\x00\x00"])
def test_more_padding_than_bytes_is_refused(body: bytes) -> None:
    frame = len(body).to_bytes(3, "big") + b"\x00\x08\x00\x00\x00\x01" + body
    with pytest.raises(PeerFault, match="padding"):
        FrameCutter(MAX_BYTES, preface_bytes=0).feed(frame)


def test_padding_alone_is_no_data_and_uses_the_window() -> None:
    frame = b"\x00\x00\x03\x00\x08\x00\x00\x00\x01\x02\x00\x00"
    assert FrameCutter(MAX_BYTES, preface_bytes=0).feed(frame) == [(DATA, 1, 3, b"")]


def test_within_a_block_of_headers_all_is_handed_on() -> None:
    """What may not stand there is for whoever knows all of HTTP/2 to refuse."""
    begun = HeadersFrame(1, b"abc").serialize()
    data = pack_data(b"xyz", 1)
    cutter = FrameCutter(MAX_BYTES, preface_bytes=0)
    assert cutter.feed(begun + data) == [(OTHER, 0, 0, begun), (OTHER, 0, 0, data)]
    assert cutter.feed(pack_window_update(1, 0)) == [(OTHER, 0, 0, pack_window_update(1, 0))]


@pytest.mark.parametrize("body", [b"\x00\x00\x00\x00", b"\x80\x00\x00\x00", b"\x01", b"\x00\x00\x00\x01\x00"])
def test_a_window_update_that_is_none_is_handed_on(body: bytes) -> None:
    frame = len(body).to_bytes(3, "big") + b"\x08\x00\x00\x00\x00\x01" + body
    assert FrameCutter(MAX_BYTES, preface_bytes=0).feed(frame) == [(OTHER, 0, 0, frame)]


@given(streams, st.binary(max_size=300), st.integers(1, (1 << 31) - 1))
def test_what_is_packed_is_what_a_library_reads(stream: int, message: bytes, increment: int) -> None:
    for packed in (pack_message(message, stream), pack_data(message, stream)):
        frame, size = Frame.parse_frame_header(memoryview(packed[:HEADER_BYTES]))
        frame.parse_body(memoryview(packed[HEADER_BYTES:]))
        assert isinstance(frame, DataFrame)
        assert (frame.stream_id, size, set(frame.flags)) == (stream, len(packed) - HEADER_BYTES, set())
        assert frame.data in (message, b"\x00" + len(message).to_bytes(4, "big") + message)
    assert pack_window_update(increment, stream) == WindowUpdateFrame(stream, increment).serialize()

"""The scanner: whole frames out, whatever pieces go in, and nothing of a bad frame ever."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.wire.strategies import cuts_of, frame_of, frames_of, layouts
from wire.errors import FrameFault
from wire.layout import RAW, FrameLayout
from wire.scanner import Scanner, split_frames

PKO_LIKE = FrameLayout(min_frame_bytes=8, max_frame_bytes=100, bare_frame_bytes=(2,))
KEEP_ALIVE = b"\x00\x02"
SMALL = frame_of(PKO_LIKE, 8)
LARGE = frame_of(PKO_LIKE, 100, 7)
STREAM = SMALL + KEEP_ALIVE + LARGE + KEEP_ALIVE + SMALL


def test_a_chunk_of_whole_frames_is_handed_on_uncopied() -> None:
    scanner = Scanner(PKO_LIKE)
    assert scanner.feed(STREAM) is STREAM
    assert scanner.frames == 5


def test_byte_by_byte_gives_each_frame_with_its_last_byte() -> None:
    scanner = Scanner(PKO_LIKE)
    spans = [scanner.feed(STREAM[index : index + 1]) for index in range(len(STREAM))]
    assert [span for span in spans if span] == [SMALL, KEEP_ALIVE, LARGE, KEEP_ALIVE, SMALL]
    assert scanner.carried_bytes == 0


def test_the_beginning_of_a_frame_waits_for_the_rest() -> None:
    scanner = Scanner(PKO_LIKE)
    assert scanner.feed(SMALL + LARGE[:50]) == SMALL
    assert scanner.carried_bytes == 50
    assert scanner.feed(LARGE[50:]) == LARGE


@pytest.mark.parametrize("length", [0, 1, 3, 4, 5, 6, 7, 101, 65535])
def test_forbidden_lengths_end_the_stream(length: int) -> None:
    bad = length.to_bytes(2, "big") + bytes(200)
    scanner = Scanner(PKO_LIKE)
    assert scanner.feed(SMALL + bad) == SMALL
    assert scanner.fault is not None
    assert scanner.fault.length_bytes == length
    assert scanner.fault.stream_offset_bytes == len(SMALL)
    assert "8 to 100 bytes are allowed" in str(scanner.fault)
    assert scanner.feed(SMALL) == b""
    assert scanner.carried_bytes == 0


def test_a_forbidden_length_is_seen_as_soon_as_its_field_is_there() -> None:
    scanner = Scanner(PKO_LIKE)
    scanner.feed(b"\x00")
    assert scanner.fault is None
    scanner.feed(b"\x05")
    assert scanner.fault is not None


@given(st.data())
def test_a_part_is_taken_whole_exactly_where_nothing_would_be_copied(data: st.DataObject) -> None:
    layout = data.draw(layouts())
    stream = b"".join(data.draw(frames_of(layout))) + data.draw(st.binary(max_size=5))
    plain, parts = Scanner(layout), Scanner(layout)
    for piece in data.draw(cuts_of(stream)):
        around = data.draw(st.binary(max_size=3))
        span = plain.feed(piece)
        is_whole = parts.take_whole(around + piece + around, len(around), len(around) + len(piece))
        taken = piece if is_whole else parts.feed(piece)
        assert taken == span
        assert (parts.save(), parts.missing_bytes) == (plain.save(), plain.missing_bytes)
        assert str(parts.fault) == str(plain.fault)
        assert is_whole or not piece or span is not piece or plain.fault is not None


def test_raw_is_taken_whole() -> None:
    scanner = Scanner(RAW)
    assert scanner.take_whole(b"anything", 3, 5)
    assert (scanner.frames, scanner.save()[1]) == (1, 2)


def test_raw_passes_everything() -> None:
    scanner = Scanner(RAW)
    assert scanner.feed(b"anything") == b"anything"
    assert scanner.feed(b"") == b""
    assert scanner.frames == 1


def test_whole_frames_within_a_limit() -> None:
    scanner = Scanner(PKO_LIKE)
    assert scanner.whole_frames_within(STREAM, 109) == 10
    assert scanner.whole_frames_within(STREAM, 110) == 110
    assert scanner.whole_frames_within(STREAM, 7) == 0
    assert Scanner(RAW).whole_frames_within(b"abcdef", 4) == 4


def test_split_frames() -> None:
    assert split_frames(PKO_LIKE, STREAM) == [SMALL, KEEP_ALIVE, LARGE, KEEP_ALIVE, SMALL]
    assert split_frames(RAW, b"abc") == [b"abc"]
    with pytest.raises(FrameFault, match="not whole"):
        split_frames(PKO_LIKE, SMALL[:-1])
    with pytest.raises(FrameFault, match="8 to 100"):
        split_frames(PKO_LIKE, b"\x00\x03\x00")


@given(st.data())
def test_any_cutting_gives_the_same_frames(data: st.DataObject) -> None:
    layout = data.draw(layouts())
    frames = data.draw(frames_of(layout))
    stream = b"".join(frames)
    scanner = Scanner(layout)
    out = b""
    for piece in data.draw(cuts_of(stream)):
        out += scanner.feed(piece)
        assert scanner.carried_bytes < layout.max_frame_bytes
    assert out == stream
    assert scanner.fault is None
    assert scanner.frames == len(frames)
    assert split_frames(layout, stream) == frames


@given(layouts(), st.binary(max_size=400), st.data())
def test_any_bytes_give_whole_frames_or_a_fault(layout: FrameLayout, junk: bytes, data: st.DataObject) -> None:
    whole = Scanner(layout)
    expected = whole.feed(junk)
    cut = Scanner(layout)
    out = b"".join(cut.feed(piece) for piece in data.draw(cuts_of(junk)))
    assert out == expected == junk[: len(expected)]
    assert (cut.frames, cut.carried_bytes) == (whole.frames, whole.carried_bytes)
    assert str(cut.fault) == str(whole.fault)
    assert cut.carried_bytes < layout.max_frame_bytes
    if whole.fault is not None:
        assert not layout.allows(whole.fault.length_bytes)
    split_frames(layout, expected)

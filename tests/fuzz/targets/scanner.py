"""The scanner: any bytes with any layout give whole frames or a fault, however they are cut."""

from collections.abc import Iterable

from tests.fuzz.source import Source, cut
from wire.errors import LayoutError
from wire.layout import RAW, FrameLayout
from wire.scanner import Scanner, split_frames

MAX_BYTES = 600
MODULES = ("wire.scanner", "wire.layout")

_LAYOUTS = (
    FrameLayout(min_frame_bytes=8, max_frame_bytes=100, bare_frame_bytes=(2,)),
    FrameLayout(min_frame_bytes=2, max_frame_bytes=65535),
    FrameLayout(length_width_bytes=1, min_frame_bytes=1, max_frame_bytes=255),
    FrameLayout(length_width_bytes=4, little_endian=True, length_adjust_bytes=4, min_frame_bytes=4),
    FrameLayout(length_offset_bytes=3, length_adjust_bytes=-2, min_frame_bytes=5, max_frame_bytes=30),
    FrameLayout(length_width_bytes=4, length_adjust_bytes=1 << 20, min_frame_bytes=4, max_frame_bytes=1 << 20),
    RAW,
)


def fuzz_one(data: bytes) -> None:
    """Scan a stream whole and cut, and compare."""
    source = Source(data)
    layout = _take_layout(source)
    seed, limit = source.number(2), source.number(2)
    if layout is None:
        return
    stream = source.rest()
    whole = Scanner(layout)
    span = whole.feed(stream)
    assert stream.startswith(span)
    if layout.is_framed:
        longest = max(layout.max_frame_bytes, *layout.bare_frame_bytes, 0)
        pieces = Scanner(layout)
        out = b""
        for piece in cut(stream, seed):
            out += pieces.feed(piece)
            assert pieces.carried_bytes < longest
        assert out == span
        assert (pieces.frames, pieces.carried_bytes) == (whole.frames, whole.carried_bytes)
        assert str(pieces.fault) == str(whole.fault)
        assert whole.fault is not None or len(span) + whole.carried_bytes == len(stream)
        frames = split_frames(layout, span)
        assert len(frames) == whole.frames
        assert all(layout.allows(len(frame)) for frame in frames)
    if whole.fault is not None:
        assert not layout.allows(whole.fault.length_bytes)
        assert whole.fault.stream_offset_bytes == len(span)
        assert whole.feed(stream) == b""
    kept = whole.whole_frames_within(span, limit)
    assert kept <= min(limit, len(span))
    split_frames(layout, span[:kept])


def _take_layout(source: Source) -> FrameLayout | None:
    choice = source.below(len(_LAYOUTS) + 2)
    if choice < len(_LAYOUTS):
        return _LAYOUTS[choice]
    low = source.number()
    try:
        return FrameLayout(
            length_offset_bytes=source.below(6),
            length_width_bytes=source.pick((1, 2, 4)),
            little_endian=source.flag(),
            length_adjust_bytes=source.number() - 128,
            min_frame_bytes=low,
            max_frame_bytes=low + source.number(),
            bare_frame_bytes=tuple(source.take(source.below(3))),
        )
    except LayoutError:
        return None


def seeds() -> Iterable[bytes]:
    """Streams of whole frames, and one that is forbidden."""
    keep_alive, packet = b"\x00\x02", b"\x00\x09abcdefg"
    yield bytes([0, 1, 7, 0, 40]) + keep_alive + packet + packet + keep_alive + packet[:5]
    yield bytes([0, 0, 0, 0, 10]) + packet + b"\x00\x03\x00" + packet
    yield bytes([1, 0, 2, 1, 0]) + b"\x01\x00" + bytes(254) + keep_alive
    yield bytes([2, 0, 2, 1, 0]) + b"\x01\x01\x03ab\x00"
    yield bytes([3, 0, 1, 0, 20]) + b"\x00\x00\x00\x00\x02\x00\x00\x00ab\xff\xff\xff\xff"
    yield bytes([7, 8, 2, 2, 1, 1, 120, 30, 1, 4, 0, 5, 0, 50]) + bytes(range(60))

"""Hypothesis strategies for the kernel: layouts, frames that fit them, and cuts."""

from hypothesis import strategies as st

from wire.layout import FrameLayout


@st.composite
def layouts(draw: st.DrawFn) -> FrameLayout:
    """Small framed layouts of every kind."""
    width = draw(st.sampled_from([1, 2, 4]))
    offset = draw(st.integers(0, 5))
    header = offset + width
    adjust = draw(st.sampled_from([0, header, 2]))
    low = draw(st.integers(max(header, adjust), header + 12))
    high = draw(st.integers(low, min(low + 60, 255)))
    bare = draw(st.sampled_from([(), (max(header, adjust),)]))
    return FrameLayout(
        length_offset_bytes=offset,
        length_width_bytes=width,
        little_endian=draw(st.booleans()),
        length_adjust_bytes=adjust,
        min_frame_bytes=low,
        max_frame_bytes=high,
        bare_frame_bytes=bare,
    )


def frame_of(layout: FrameLayout, length: int, filler: int = 0) -> bytes:
    """One frame of ``length`` bytes, its length field set."""
    frame = bytearray([filler]) * length
    order = "little" if layout.little_endian else "big"
    field = (length - layout.length_adjust_bytes).to_bytes(layout.length_width_bytes, order)  # type: ignore[arg-type]
    frame[layout.length_offset_bytes : layout.header_bytes] = field
    return bytes(frame)


@st.composite
def frames_of(draw: st.DrawFn, layout: FrameLayout) -> list[bytes]:
    """Legal frames of a layout, of random lengths and contents."""
    ordinary = st.integers(layout.min_frame_bytes, layout.max_frame_bytes)
    length = st.one_of(ordinary, st.sampled_from(layout.bare_frame_bytes)) if layout.bare_frame_bytes else ordinary
    lengths = draw(st.lists(length, max_size=12))
    return [frame_of(layout, each, draw(st.integers(0, 255))) for each in lengths]


@st.composite
def cuts_of(draw: st.DrawFn, stream: bytes) -> list[bytes]:
    """The stream in random pieces, empty ones included."""
    places = sorted(draw(st.lists(st.integers(0, len(stream)), max_size=20)))
    ends = [*places, len(stream)]
    starts = [0, *places]
    return [stream[start:end] for start, end in zip(starts, ends, strict=True)]

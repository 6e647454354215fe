"""Frame layouts: what is legal, and which ones cannot be."""

import pytest

from wire.errors import LayoutError
from wire.layout import MAX_FRAME_BYTES, RAW, FrameLayout

PKO_LIKE = FrameLayout(min_frame_bytes=8, max_frame_bytes=100, bare_frame_bytes=(2,))


@pytest.mark.parametrize("length", [2, 8, 9, 100])
def test_allows_bare_and_ordinary_lengths(length: int) -> None:
    assert PKO_LIKE.allows(length)


@pytest.mark.parametrize("length", [0, 1, 3, 7, 101, 65535])
def test_forbids_everything_else(length: int) -> None:
    assert not PKO_LIKE.allows(length)


def test_says_its_limits_in_words() -> None:
    assert PKO_LIKE.describe_limits() == "2 or 8 to 100 bytes are allowed"


def test_raw_has_no_framing() -> None:
    assert not RAW.is_framed
    assert RAW.header_bytes == 0


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"length_width_bytes": 3}, "0, 1, 2 or 4"),
        ({"length_offset_bytes": 65}, "0 to 64"),
        ({"length_offset_bytes": -1}, "0 to 64"),
        ({"length_adjust_bytes": MAX_FRAME_BYTES + 1}, "adjustment"),
        ({"min_frame_bytes": 1}, "ends before its length field"),
        ({"bare_frame_bytes": (1,)}, "ends before its length field"),
        ({"bare_frame_bytes": tuple(range(2, 11))}, "at most 8"),
        ({"max_frame_bytes": MAX_FRAME_BYTES + 1}, str(MAX_FRAME_BYTES)),
        ({"min_frame_bytes": 20, "max_frame_bytes": 19}, "20 to 19"),
    ],
)
def test_contradictions_are_refused(wrong: dict[str, int], said: str) -> None:
    with pytest.raises(LayoutError, match=said):
        FrameLayout(**wrong)  # type: ignore[arg-type]  # the rows mix the types of several fields

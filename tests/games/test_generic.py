"""The pack made of settings."""

from typing import Any

import pytest

from games.generic import build_pack, read_framing
from wire.errors import LayoutError, MisuseError
from wire.layout import MAX_FRAME_BYTES, FrameLayout


def test_defaults() -> None:
    pack = build_pack({})
    assert pack.serverbound is pack.clientbound
    assert pack.serverbound == FrameLayout(min_frame_bytes=2, max_frame_bytes=65535)
    assert not pack.dialects
    assert not pack.packets
    assert pack.notice is None


# settings, then the layout's header, adjustment, shortest and longest frame
ROWS: list[tuple[dict[str, Any], tuple[int, int, int, int]]] = [
    ({"length_bytes": 1}, (1, 0, 1, 255)),
    ({"length_bytes": 1, "counts_itself": False}, (1, 1, 1, 256)),
    ({"length_bytes": 4}, (4, 0, 4, 65535)),
    ({"length_bytes": 4, "max_frame_bytes": MAX_FRAME_BYTES}, (4, 0, 4, MAX_FRAME_BYTES)),
    ({"counts_itself": False}, (2, 2, 2, 65535)),
    ({"offset_bytes": 3, "counts_itself": False}, (5, 5, 5, 65535)),
    ({"offset_bytes": 3}, (5, 0, 5, 65535)),
    ({"max_frame_bytes": 100}, (2, 0, 2, 100)),
]


@pytest.mark.parametrize(("settings", "expected"), ROWS, ids=repr)
def test_settings(settings: dict[str, Any], expected: tuple[int, int, int, int]) -> None:
    layout = build_pack(settings).serverbound
    assert (
        layout.header_bytes,
        layout.length_adjust_bytes,
        layout.min_frame_bytes,
        layout.max_frame_bytes,
    ) == expected


def test_byte_order() -> None:
    assert build_pack({"order": "little"}).serverbound.little_endian
    assert not build_pack({"order": "big"}).serverbound.little_endian


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"length_bytes": 3}, "length_bytes: 3 is not 1, 2 or 4"),
        ({"length_bytes": True}, "length_bytes: True is not"),
        ({"length_bytes": "2"}, "length_bytes: '2' is not"),
        ({"order": "middle"}, 'order: \'middle\' is not "big" or "little"'),
        ({"counts_itself": 1}, "counts_itself: 1 is not true or false"),
        ({"offset_bytes": 61}, "offset_bytes: 61 is not a whole number from 0 to 60"),
        ({"offset_bytes": -1}, "offset_bytes: -1 is not"),
        ({"max_frame_bytes": 7}, "max_frame_bytes: 7 is not a whole number from 8"),
        ({"max_frame_bytes": 1.5}, "max_frame_bytes: 1.5 is not"),
        ({"width": 2}, "width: no such setting; known are length_bytes"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_wrong_setting_is_refused_with_what_would_be_right(settings: dict[str, Any], reason: str) -> None:
    with pytest.raises(MisuseError) as caught:
        read_framing(settings)
    assert reason in str(caught.value)


def test_all_mistakes_come_at_once() -> None:
    with pytest.raises(MisuseError) as caught:
        read_framing({"length_bytes": 3, "order": "up", "width": 2})
    assert str(caught.value).count(";") >= 3


def test_a_limit_below_the_header_is_a_layout_that_cannot_be() -> None:
    with pytest.raises(LayoutError):
        build_pack({"offset_bytes": 60, "max_frame_bytes": 8})

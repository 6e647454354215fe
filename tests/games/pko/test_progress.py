"""Packets about the character itself, row by row."""

import pytest

from games.packet import Packet
from games.pko import progress
from games.pko.progress import AttributePoints
from tests.games.rows import run_row, string

# packet, body, whole frame as the notes give it
ROWS: list[tuple[Packet, bytes, int]] = [
    (progress.EndAction(), b"", 8),
    (
        progress.SpendPoints(points=(AttributePoints(attribute=1, value=2), AttributePoints(attribute=3, value=4))),
        b"\x02" + b"\0\x01\0\0\0\x02" + b"\0\x03\0\0\0\x04",
        9 + 6 * 2,
    ),
    (progress.DieReturn(choice=1), b"\x01", 9),
    (progress.LearnSkill(skill_id=201), b"\0\xc9\x01", 11),
    (progress.RefreshData(world_id=1, handle=2), b"\0\0\0\x01\0\0\0\x02", 16),
    (progress.MapMask(map_name=b"A"), string(b"A"), 12),
    (progress.AllowFighting(control=1), b"\x01", 9),
    (progress.TouchEntity(entity_id=1), b"\0\0\0\x01", 12),
]


@pytest.mark.parametrize(("packet", "body", "frame_bytes"), ROWS, ids=lambda value: type(value).__name__)
def test_row(packet: Packet, body: bytes, frame_bytes: int) -> None:
    run_row(packet, body)
    assert 8 + len(body) == frame_bytes

"""Packets about things, row by row."""

import pytest

from games.packet import Packet
from games.pko import items
from games.pko.items import ItemRef
from tests.games.rows import run_row, string
from wire.errors import PacketFault

# packet, body, whole frame as the notes give it
ROWS: list[tuple[Packet, bytes, int]] = [
    (items.UpdateHair(style=1, grids=(1, 2, 3, 4)), b"\0\x01\0\x01\0\x02\0\x03\0\x04", 18),
    (items.RepairItem(npc_id=1, character_id=2, place=3, grid=4), b"\0\0\0\x01\0\0\0\x02\x03\x04", 18),
    (items.RepairAnswer(answer=1), b"\x01", 9),
    (items.ForgeClose(), b"\0", 9),
    (
        items.ForgeAsk(kind=2, groups=((ItemRef(grid=1, number=2),), (), (), (), ())),
        b"\x01\x02" + b"\0\x01\0\x01\0\x02" + bytes(8),
        20 + 4,
    ),
    (items.ForgeAnswer(answer=1), b"\x01", 9),
    (items.SlotMachineStart(npc_id=1, stakes=(1, 2, 3)), b"\0\0\0\x01\0\x01\0\x02\0\x03", 18),
    (items.SlotMachineStop(npc_id=1, wheel=2), b"\0\0\0\x01\0\x02", 14),
    (items.ForgeCanAct(), b"\0\0", 10),
    (items.BagLock(), b"", 8),
    (items.BagUnlock(pin=b"A"), string(b"A"), 12),
    (items.BagCheck(), b"", 8),
    (items.BagAutoLock(enabled=1), b"\x01", 9),
    (items.TemporaryBagSync(), b"", 8),
    (items.LotteryClose(), b"\0", 9),
    (
        items.LotteryAsk(groups=((ItemRef(grid=1, number=2),) * 2, (), (), (), (), (), ())),
        b"\x01" + b"\0\x02" + b"\0\x01\0\x02" * 2 + bytes(12),
        23 + 4 * 2,
    ),
    (items.LotteryAnswer(answer=1), b"\x01", 9),
    (items.ItemLock(slot=1), b"\x01", 9),
    (items.ItemUnlock(pin=b"A", slot=1), string(b"A") + b"\x01", 13),
    (items.AnswerPin(pin=b"A"), string(b"A"), 12),
    (items.Forge(index=1), b"\x01", 9),
    (items.BookOpen(), b"", 8),
    (items.BookClose(), b"", 8),
    (items.SortBag(first=1, second=2), b"\x01\x02", 10),
    (items.BagOfHolding(kind=1, value=2), b"\x01\0\0\0\x02", 13),
]

OPEN_ENDED: list[tuple[Packet, bytes, int]] = [
    (items.AmphitheatreAsk(answer=1), b"\x01", 9),
    (items.AmphitheatreAsk(answer=1, value=2), b"\x01\0\x02", 11),
]


@pytest.mark.parametrize(("packet", "body", "frame_bytes"), ROWS, ids=lambda value: type(value).__name__)
def test_row(packet: Packet, body: bytes, frame_bytes: int) -> None:
    run_row(packet, body)
    assert 8 + len(body) == frame_bytes


@pytest.mark.parametrize(("packet", "body", "frame_bytes"), OPEN_ENDED, ids=lambda value: type(value).__name__)
def test_open_ended_row(packet: Packet, body: bytes, frame_bytes: int) -> None:
    run_row(packet, body, open_ended=True)
    assert 8 + len(body) == frame_bytes


def test_a_group_over_48_is_refused_before_it_is_read() -> None:
    with pytest.raises(PacketFault, match="49 is not within 0 to 48"):
        items.ForgeAsk.decode(b"\x01\x02\0\x31" + bytes(1000))


def test_a_missing_group_is_a_fault() -> None:
    with pytest.raises(PacketFault, match=r"ForgeAsk\.groups"):
        items.ForgeAsk.decode(b"\x01\x02" + bytes(8))

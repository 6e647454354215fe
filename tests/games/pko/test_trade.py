"""Packets of buying and selling, row by row."""

import pytest

from games.packet import Packet
from games.pko import trade
from tests.games.rows import run_row, string

# packet, body, whole frame as the notes give it
ROWS: list[tuple[Packet, bytes, int]] = [
    (trade.StoreOpen(pin=b"A"), string(b"A"), 12),
    (trade.StoreList(class_id=1, page=2, number=3), b"\0\0\0\x01\0\x02\0\x03", 16),
    (trade.StoreBuy(good_id=1), b"\0\0\0\x01", 12),
    (trade.StoreChange(value=1), b"\0\0\0\x01", 12),
    (trade.StoreQuery(value=1), b"\0\0\0\x01", 12),
    (trade.StoreClose(), b"", 8),
    (trade.Bid(npc_id=1, item_id=2, price=3), b"\0\0\0\x01\0\x02\0\0\0\x03", 18),
    (trade.StallSearch(item_id=1), b"\0\0\0\x01", 12),
    (trade.TradeRequest(kind=1, character_id=2), b"\x01\0\0\0\x02", 13),
    (trade.TradeAccept(kind=1, character_id=2), b"\x01\0\0\0\x02", 13),
    (trade.TradeCancel(kind=1, character_id=2), b"\x01\0\0\0\x02", 13),
    (
        trade.TradeItem(kind=1, character_id=2, operation=3, trade_slot=4, bag_slot=5, count=6),
        b"\x01\0\0\0\x02\x03\x04\x05\x06",
        17,
    ),
    (trade.TradeSettle(kind=1, character_id=2), b"\x01\0\0\0\x02", 13),
    (trade.TradeConfirm(kind=1, character_id=2), b"\x01\0\0\0\x02", 13),
    (trade.TradeGold(kind=1, character_id=2, operation=3, amount=5), b"\x01\0\0\0\x02\x03\0\0\0\0\x05", 19),
    (trade.TradeCredit(kind=1, character_id=2, operation=3, amount=5), b"\x01\0\0\0\x02\x03\x01\0\0\0\x05", 19),
    (
        trade.StallSet(name=b"A", goods=(trade.StallGood(grid=1, price=2, count=3, index=4),)),
        string(b"A") + b"\x01" + b"\x01\0\0\0\x02\x03\x04",
        20,
    ),
    (trade.StallOpen(character_id=1), b"\0\0\0\x01", 12),
    (trade.StallBuy(character_id=1, index=2, count=3, grid=4), b"\0\0\0\x01\x02\x03\x04", 15),
    (trade.StallClose(), b"", 8),
    (trade.StallGoodSold(character_id=1, grid=2, count=3), b"\0\0\0\x01\x02\x03", 14),
]


@pytest.mark.parametrize(("packet", "body", "frame_bytes"), ROWS, ids=lambda value: type(value).__name__)
def test_row(packet: Packet, body: bytes, frame_bytes: int) -> None:
    run_row(packet, body)
    assert 8 + len(body) == frame_bytes

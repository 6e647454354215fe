"""Packets of buying and selling: between players, at stalls, in the store, at auctions. Table 4.4 of the
protocol notes; all but the last to the server. Amounts over 2 000 000 000 are an exploit, as is credit over
2 000 000.

======  =============  ============================================================
opcode  class          body
======  =============  ============================================================
41      StoreOpen      str pin
42      StoreList      u32, u16 page, u16 number
43      StoreBuy       u32
44      StoreChange    u32
45      StoreQuery     u32
48      StoreClose     empty
86      Bid            u32 npc, u16 item, u32 price
87      StallSearch    u32 item
312     TradeRequest   u8 type, u32 id
313     TradeAccept    u8 type, u32 id
315     TradeCancel    u8 type, u32 id
316     TradeItem      u8 type, u32 id, u8 op, u8 slot, u8 slot, u8 count
317     TradeSettle    u8 type, u32 id
318     TradeConfirm   u8 type, u32 id
319     TradeGold      u8 type, u32 id, u8 op, u8 0, u32 amount
319     TradeCredit    u8 type, u32 id, u8 op, u8 1, u32 amount
330     StallSet       str name, u8 n, n × (u8 grid, u32 price, u8 count, u8 index)
331     StallOpen      u32 id
332     StallBuy       u32 id, u8 index, u8 count, u8 grid
333     StallClose     empty
856     StallGoodSold  u32 id, u8 grid, u8 count
======  =============  ============================================================
"""

from typing import Annotated

from games.characters import TEXT
from games.composites import Repeat, Struct
from games.fields import U8, U16, U32, Int
from games.packet import Direction, Packet, Record, Tag, packet, record
from games.pko.bounds import MAX_CREDIT, Gold, PageNumber, Pin, RowsPerPage
from games.texts import String

SERVERBOUND = Direction.SERVERBOUND
CLIENTBOUND = Direction.CLIENTBOUND


@record
class StallGood(Record):
    """What a stall offers in one place."""

    grid: U8
    price: Gold
    count: U8
    index: U8


@packet(41, SERVERBOUND)
class StoreOpen(Packet):
    """CM_STORE_OPEN_ASK."""

    pin: Pin


@packet(42, SERVERBOUND)
class StoreList(Packet):
    """CM_STORE_LIST_ASK: a page of a class of goods."""

    class_id: U32
    page: PageNumber
    number: RowsPerPage


@packet(43, SERVERBOUND)
class StoreBuy(Packet):
    """CM_STORE_BUY_ASK."""

    good_id: U32


@packet(44, SERVERBOUND)
class StoreChange(Packet):
    """CM_STORE_CHANGE_ASK."""

    value: U32


@packet(45, SERVERBOUND)
class StoreQuery(Packet):
    """CM_STORE_QUERY."""

    value: U32


@packet(48, SERVERBOUND)
class StoreClose(Packet):
    """CM_STORE_CLOSE."""


@packet(86, SERVERBOUND)
class Bid(Packet):
    """CM_BIDUP: offer more at an auction."""

    npc_id: U32
    item_id: U16
    price: Gold


@packet(87, SERVERBOUND)
class StallSearch(Packet):
    """CM_STALLSEARCH: who sells it?."""

    item_id: U32


@packet(312, SERVERBOUND)
class TradeRequest(Packet):
    """CM_CHARTRADE_REQUEST."""

    kind: U8
    character_id: U32


@packet(313, SERVERBOUND)
class TradeAccept(Packet):
    """CM_CHARTRADE_ACCEPT."""

    kind: U8
    character_id: U32


@packet(315, SERVERBOUND)
class TradeCancel(Packet):
    """CM_CHARTRADE_CANCEL."""

    kind: U8
    character_id: U32


@packet(316, SERVERBOUND)
class TradeItem(Packet):
    """CM_CHARTRADE_ITEM: put something on the table or take it off."""

    kind: U8
    character_id: U32
    operation: U8
    trade_slot: U8
    bag_slot: U8
    count: U8


@packet(317, SERVERBOUND)
class TradeSettle(Packet):
    """CM_CHARTRADE_VALIDATEDATA: one has put everything on the table."""

    kind: U8
    character_id: U32


@packet(318, SERVERBOUND)
class TradeConfirm(Packet):
    """CM_CHARTRADE_VALIDATE: one takes what is on the table."""

    kind: U8
    character_id: U32


@packet(319, SERVERBOUND, tag=Tag(6, 1, 0))
class TradeGold(Packet):
    """CM_CHARTRADE_MONEY: put gold on the table or take it off."""

    kind: U8
    character_id: U32
    operation: U8
    currency: Annotated[int, Int(1, high=0)] = 0
    amount: Gold


@packet(319, SERVERBOUND, tag=Tag(6, 1, 1))
class TradeCredit(Packet):
    """CM_CHARTRADE_MONEY: the same with credit, in forks that have it."""

    kind: U8
    character_id: U32
    operation: U8
    currency: Annotated[int, Int(1, low=1, high=1)] = 1
    amount: Annotated[int, Int(4, high=MAX_CREDIT)]


@packet(330, SERVERBOUND)
class StallSet(Packet):
    """CM_STALL_ALLDATA: open one's own."""

    name: Annotated[bytes, String(64, characters=TEXT)]  # DK; shown to players, written nowhere
    goods: Annotated[tuple[StallGood, ...], Repeat(Int(1, high=18), Struct(StallGood))]


@packet(331, SERVERBOUND)
class StallOpen(Packet):
    """CM_STALL_OPEN: look at somebody's."""

    character_id: U32


@packet(332, SERVERBOUND)
class StallBuy(Packet):
    """CM_STALL_BUY."""

    character_id: U32
    index: U8
    count: U8
    grid: U8


@packet(333, SERVERBOUND)
class StallClose(Packet):
    """CM_STALL_CLOSE."""


@packet(856, CLIENTBOUND)
class StallGoodSold(Packet):
    """MC_STALL_DELGOODS: so many of what lies in a place of a stall are gone."""

    character_id: U32
    grid: U8
    count: U8

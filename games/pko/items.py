"""Packets about things: forging, repairing, locking, sorting. Table 4.4 of the protocol notes; all to the server.

======  ================  ======================================================
opcode  class             body
======  ================  ======================================================
20      UpdateHair        u16, 4 × u16
23      RepairItem        u32, u32, u8, u8
24      RepairAnswer      u8
25      ForgeClose        u8 0
25      ForgeAsk          u8 1, u8 type, 5 × (u16 n, n × (u16 grid, u16 number))
26      ForgeAnswer       u8
27      SlotMachineStart  u32 npc, 3 × u16
28      SlotMachineStop   u32 npc, u16
29      ForgeCanAct       u16
31      BagLock           empty
32      BagUnlock         str pin
33      BagCheck          empty
34      BagAutoLock       u8
35      TemporaryBagSync  empty
95      LotteryClose      u8 0
95      LotteryAsk        u8 1, 7 × (u16 n, n × (u16 grid, u16 number))
96      LotteryAnswer     u8
98      AmphitheatreAsk   u8, maybe u16
99      ItemLock          u8 slot
100     ItemUnlock        str pin, u8 slot
101     AnswerPin         str pin
335     Forge             u8
348     BookOpen          empty
349     BookClose         empty
350     SortBag           u8, u8
351     BagOfHolding      u8, u32
======  ================  ======================================================
"""

from typing import Annotated

from games.composites import Array, Repeat, Struct, Tail
from games.fields import U8, U16, U32, Int
from games.packet import Direction, Packet, Record, Tag, packet, record
from games.pko.bounds import Pin
from games.pko.styles import CLASSIC

SERVERBOUND = Direction.SERVERBOUND


@record
class ItemRef(Record):
    """So many of what lies in a place of the bag; servers take both for signed words."""

    grid: Annotated[int, Int(2, high=32767)]
    number: Annotated[int, Int(2, high=32767)]


# Servers act on groups they never read when a count is wrong, so a count over 48 is refused [4b no. 5].
Group = Repeat(Int(2, high=48), Struct(ItemRef))
Groups = tuple[tuple[ItemRef, ...], ...]
Nothing = Annotated[int, Int(1, high=0)]
Something = Annotated[int, Int(1, low=1, high=1)]


@packet(20, SERVERBOUND)
class UpdateHair(Packet):
    """CM_UPDATEHAIR: a new hair style, with what it costs."""

    style: U16
    grids: Annotated[tuple[int, ...], Array(4, Int(2))]


@packet(23, SERVERBOUND)
class RepairItem(Packet):
    """CM_ITEM_REPAIR_ASK: ask what a repair costs."""

    npc_id: U32
    character_id: U32
    place: U8
    grid: U8


@packet(24, SERVERBOUND)
class RepairAnswer(Packet):
    """CM_ITEM_REPAIR_ASR: take the price or not."""

    answer: U8


@packet(25, SERVERBOUND, tag=Tag(0, 1, 0))
class ForgeClose(Packet):
    """CM_ITEM_FORGE_ASK: close the window."""

    open: Nothing = 0


@packet(25, SERVERBOUND, tag=Tag(0, 1, 1))
class ForgeAsk(Packet):
    """CM_ITEM_FORGE_ASK: what to forge, in five groups."""

    open: Something = 1
    kind: U8
    groups: Annotated[Groups, Array(5, Group)]


@packet(26, SERVERBOUND)
class ForgeAnswer(Packet):
    """CM_ITEM_FORGE_ASR."""

    answer: U8


@packet(27, SERVERBOUND)
class SlotMachineStart(Packet):
    """CM_TIGER_START: three stakes."""

    npc_id: U32
    stakes: Annotated[tuple[int, ...], Array(3, Int(2))]


@packet(28, SERVERBOUND)
class SlotMachineStop(Packet):
    """CM_TIGER_STOP: stop one wheel."""

    npc_id: U32
    wheel: U16


@packet(29, SERVERBOUND)
class ForgeCanAct(Packet):
    """CM_ITEM_FORGE_CANACTION: honest clients send 0."""

    value: Annotated[int, Int(2, high=0)] = 0


@packet(31, SERVERBOUND)
class BagLock(Packet):
    """CM_KITBAG_LOCK."""


@packet(32, SERVERBOUND)
class BagUnlock(Packet):
    """CM_KITBAG_UNLOCK."""

    pin: Pin


@packet(33, SERVERBOUND)
class BagCheck(Packet):
    """CM_KITBAG_CHECK: is the bag locked?."""


@packet(34, SERVERBOUND)
class BagAutoLock(Packet):
    """CM_KITBAG_AUTOLOCK."""

    enabled: U8


@packet(35, SERVERBOUND)
class TemporaryBagSync(Packet):
    """CM_KITBAGTEMP_SYNC."""


@packet(95, SERVERBOUND, tag=Tag(0, 1, 0))
class LotteryClose(Packet):
    """CM_ITEM_LOTTERY_ASK: close the window."""

    open: Nothing = 0


@packet(95, SERVERBOUND, tag=Tag(0, 1, 1))
class LotteryAsk(Packet):
    """CM_ITEM_LOTTERY_ASK: what to stake, in seven groups."""

    open: Something = 1
    groups: Annotated[Groups, Array(7, Group)]


@packet(96, SERVERBOUND)
class LotteryAnswer(Packet):
    """CM_ITEM_LOTTERY_ASR."""

    answer: U8


@packet(98, SERVERBOUND)
class AmphitheatreAsk(Packet):
    """CM_ITEM_AMPHITHEATER_ASK."""

    answer: U8
    value: Annotated[int | None, Tail(Int(2))] = None


@packet(99, SERVERBOUND)
class ItemLock(Packet):
    """CM_ITEM_LOCK_ASK."""

    slot: U8


@packet(100, SERVERBOUND)
class ItemUnlock(Packet):
    """CM_ITEM_UNLOCK_ASK."""

    pin: Pin
    slot: U8


@packet(101, SERVERBOUND)
class AnswerPin(Packet):
    """CM_GAME_REQUEST_PIN: the pin the server asked for."""

    pin: Pin


@packet(335, SERVERBOUND)
class Forge(Packet):
    """CM_FORGE."""

    index: U8


@packet(348, SERVERBOUND)
class BookOpen(Packet):
    """CM_READBOOK_START."""


@packet(349, SERVERBOUND)
class BookClose(Packet):
    """CM_READBOOK_CLOSE."""


@packet(350, SERVERBOUND)
class SortBag(Packet):
    """CM_INVSORT."""

    first: U8
    second: U8


@packet(351, SERVERBOUND, styles=CLASSIC)
class BagOfHolding(Packet):
    """CM_REQUESTBAGOFHOLDING."""

    kind: U8
    value: U32

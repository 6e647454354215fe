"""Packets to people and things of the map: talks, missions, boats, life skills. Table 4.4 of the protocol
notes; all to the server.

======  ===============  =====================================
opcode  class            body
======  ===============  =====================================
80      LifeSkillAnswer  u32 type, u32 npc
81      LifeSkillAsk     u32 type, u32 npc, k × u16, maybe u16
301     TalkPage         u32 npc, u16 302, u8
301     TalkFunction     u32 npc, u16 303, u8, u8
301     TalkMission      u32 npc, u16 322, u8 kind, …
301     OtherTalk        u32 npc, u16, …
308     NpcTrade         u32 npc, u16 309, u8 kind, …
308     NpcExchange      u32 npc, u16 51, 6 × u16
308     OtherNpcTrade    u32 npc, u16, …
325     MissionLog       empty
326     MissionLogInfo   u16
327     MissionLogClear  u16
338     BoatCreate       str name, 4 × u8
339     BoatUpdateParts  4 × u8
340     BoatCancel       empty
341     BoatLaunch       u32 npc, u8
342     BoatSelectBag    u32 npc, u8
343     BoatSelect       u32, u8, u8
344     BoatGetInfo      empty
======  ===============  =====================================
"""

from typing import Annotated

from games.characters import SAFE_TEXT
from games.composites import Array
from games.fields import U8, U16, U32, Int, Rest
from games.packet import Direction, Packet, Tag, packet
from games.pko.bounds import COMMENT
from games.texts import String

SERVERBOUND = Direction.SERVERBOUND

TALK_PAGE = 302
FUNCTION = 303
MISSION = 322
TRADE = 309
EXCHANGE = 51


def only(number: int) -> Int:
    """Return the type of a second opcode, inside a talk or a trade, that has one value."""
    return Int(2, low=number, high=number)


def other_than(*numbers: int) -> Int:
    """Return the type of a second opcode that may be any but these, whose packets have classes of their own."""
    return Int(2, denied=tuple((number, number) for number in numbers))


def second(number: int) -> Tag:
    """Return the tag that tells packets with this second opcode from others."""
    return Tag(4, 2, number)


@packet(80, SERVERBOUND)
class LifeSkillAnswer(Packet):
    """CM_LIFESKILL_ASR."""

    kind: U32
    npc_id: U32


@packet(81, SERVERBOUND)
class LifeSkillAsk(Packet):
    """CM_LIFESKILL_ASK: what follows depends on the type."""

    kind: Annotated[int, Int(4, high=3)]
    npc_id: U32
    rest: Annotated[bytes, Rest(256)] = b""


@packet(301, SERVERBOUND, tag=second(TALK_PAGE))
class TalkPage(Packet):
    """CM_REQUESTTALK: go to a page of a talk."""

    npc_id: U32
    second: Annotated[int, only(TALK_PAGE)] = TALK_PAGE
    page: U8


@packet(301, SERVERBOUND, tag=second(FUNCTION))
class TalkFunction(Packet):
    """CM_REQUESTTALK: choose something of a page."""

    npc_id: U32
    second: Annotated[int, only(FUNCTION)] = FUNCTION
    page: U8
    item: U8


@packet(301, SERVERBOUND, tag=second(MISSION))
class TalkMission(Packet):
    """CM_REQUESTTALK: about a mission; what follows depends on the kind."""

    npc_id: U32
    second: Annotated[int, only(MISSION)] = MISSION
    kind: U8
    rest: Annotated[bytes, Rest(4)] = b""


@packet(301, SERVERBOUND)
class OtherTalk(Packet):
    """CM_REQUESTTALK: about anything else."""

    npc_id: U32
    second: Annotated[int, other_than(TALK_PAGE, FUNCTION, MISSION)]
    rest: Annotated[bytes, Rest(64)] = b""


@packet(308, SERVERBOUND, tag=second(TRADE))
class NpcTrade(Packet):
    """CM_REQUESTTRADE: buy or sell, on land or from a boat."""

    npc_id: U32
    second: Annotated[int, only(TRADE)] = TRADE
    kind: U8
    rest: Annotated[bytes, Rest(64)] = b""


@packet(308, SERVERBOUND, tag=second(EXCHANGE))
class NpcExchange(Packet):
    """CM_REQUESTTRADE: one thing for another."""

    npc_id: U32
    second: Annotated[int, only(EXCHANGE)] = EXCHANGE
    words: Annotated[tuple[int, ...], Array(6, Int(2))]


@packet(308, SERVERBOUND)
class OtherNpcTrade(Packet):
    """CM_REQUESTTRADE: anything else."""

    npc_id: U32
    second: Annotated[int, other_than(EXCHANGE, TRADE)]
    rest: Annotated[bytes, Rest(64)] = b""


@packet(325, SERVERBOUND)
class MissionLog(Packet):
    """CM_MISLOG."""


@packet(326, SERVERBOUND)
class MissionLogInfo(Packet):
    """CM_MISLOGINFO."""

    mission_id: U16


@packet(327, SERVERBOUND)
class MissionLogClear(Packet):
    """CM_MISLOG_CLEAR."""

    mission_id: U16


@packet(338, SERVERBOUND)
class BoatCreate(Packet):
    """CM_CREATE_BOAT."""

    name: Annotated[bytes, String(64, characters=SAFE_TEXT, phrases=(COMMENT,))]  # no source gives a length
    parts: Annotated[tuple[int, ...], Array(4, Int(1))]


@packet(339, SERVERBOUND)
class BoatUpdateParts(Packet):
    """CM_UPDATEBOAT_PART."""

    parts: Annotated[tuple[int, ...], Array(4, Int(1))]


@packet(340, SERVERBOUND)
class BoatCancel(Packet):
    """CM_BOAT_CANCEL."""


@packet(341, SERVERBOUND)
class BoatLaunch(Packet):
    """CM_BOAT_LUANCH."""

    npc_id: U32
    index: U8


@packet(342, SERVERBOUND)
class BoatSelectBag(Packet):
    """CM_BOAT_BAGSEL."""

    npc_id: U32
    index: U8


@packet(343, SERVERBOUND)
class BoatSelect(Packet):
    """CM_BOAT_SELECT."""

    npc_id: U32
    kind: U8
    index: U8


@packet(344, SERVERBOUND)
class BoatGetInfo(Packet):
    """CM_BOAT_GETINFO."""

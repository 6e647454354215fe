"""Packets about the character itself: attributes, skills, death. Table 4.4 of the protocol notes.

======  ==================  ==================================
opcode  class               body
======  ==================  ==================================
7       EndAction           empty
8       SpendPoints         u8 n, n × (u16 attribute, u32 value)
10      DieReturn           u8
11      LearnSkill          u16 skill, u8 levels
16      RefreshData         u32, u32
18      MapMask             str map
94      AllowFighting       u8
345     TouchEntity         u32
======  ==================  ==================================
"""

from typing import Annotated

from games.composites import Repeat, Struct
from games.fields import U8, U16, U32, Int
from games.packet import Direction, Packet, Record, packet, record
from games.pko.bounds import PlaceName

SERVERBOUND = Direction.SERVERBOUND


# Internal skills, which no player may learn [4b no. 11]; one source refuses 342 to 444 too, which others do not.
INTERNAL_SKILLS = (
    *((25, 38), (202, 202), (280, 280), (311, 311), (321, 324)),
    *((329, 341), (453, 459), (467, 467)),
)
MAX_SKILL_ID = 500
LearntSkill = Annotated[int, Int(2, low=1, high=MAX_SKILL_ID, denied=INTERNAL_SKILLS)]


@packet(7, SERVERBOUND)
class EndAction(Packet):
    """CM_ENDACTION: stop what one is doing."""


@record
class AttributePoints(Record):
    """What an attribute is to become."""

    attribute: U16
    value: U32


@packet(8, SERVERBOUND)
class SpendPoints(Packet):
    """CM_SYNATTR: points spent on one to six attributes."""

    points: Annotated[tuple[AttributePoints, ...], Repeat(Int(1, low=1, high=6), Struct(AttributePoints))]


@packet(10, SERVERBOUND)
class DieReturn(Packet):
    """CM_DIE_RETURN: where to wake up."""

    choice: U8


@packet(11, SERVERBOUND)
class LearnSkill(Packet):
    """CM_SKILLUPGRADE: honest clients ask for one level."""

    skill_id: LearntSkill
    levels: Annotated[int, Int(1, low=1, high=1)] = 1


@packet(16, SERVERBOUND)
class RefreshData(Packet):
    """CM_REFRESH_DATA: ask for somebody's data again."""

    world_id: U32
    handle: U32


@packet(18, SERVERBOUND)
class MapMask(Packet):
    """CM_MAP_MASK: ask for what is uncovered of a map."""

    map_name: PlaceName


@packet(94, SERVERBOUND)
class AllowFighting(Packet):
    """CM_PK_CTRL."""

    control: U8


@packet(345, SERVERBOUND)
class TouchEntity(Packet):
    """CM_ENTITY_EVENT."""

    entity_id: U32

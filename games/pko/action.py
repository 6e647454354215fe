"""Begin-action: the packet in which everything a character does travels, and the server's echo of it.

Table 4.3 of the protocol notes. All of opcode 6 (to the server) and 508 (to the client) begin alike:

======  ====  =========  ==================================================================
offset  size  field      meaning
======  ====  =========  ==================================================================
0       4     world_id   who acts
4       4     packet_id  the client's own counter; the server only stores and echoes it
8       1     action     which of the layouts below follows
9       …     body
======  ====  =========  ==================================================================

"frame" is the whole frame with its 8 bytes of header, without counter and trailer. Positions are
centimetres; those in paths are raw structs, so little-endian, the others big-endian.
"""

from enum import IntEnum
from typing import Annotated

from games.composites import Packed, Unless, When
from games.fields import I16, U8, U16, U32, Int, Rest
from games.packet import Direction, Packet, Record, Tag, packet, record
from games.pko.bounds import MAP_SIDE_CM, MAX_PATH_POINTS, Coordinate, Grid, ItemCount

SERVERBOUND = Direction.SERVERBOUND
CLIENTBOUND = Direction.CLIENTBOUND


class Action(IntEnum):
    """The numbers that all forks agree on; from 30 each fork has its own."""

    MOVE = 1
    SKILL = 2
    SKILL_SOURCE = 3
    SKILL_TARGET = 4
    LOOK = 5
    KIT_BAG = 6
    SKILL_BAG = 7
    ITEM_PICK = 8
    ITEM_THROW = 9
    ITEM_UNFIX = 10
    ITEM_USE = 11
    ITEM_PLACE = 12
    ITEM_DELETE = 13
    ITEM_INFO = 14
    ITEM_FAILED = 15
    LEAN = 16
    CHANGE_CHARACTER = 17
    EVENT = 18
    FACE = 19
    STOP_STATE = 20
    SKILL_POSE = 21
    PLAYER_KILLING = 22
    LOOK_ENERGY = 23
    TEMP = 24
    SHORTCUT = 25
    BANK = 26
    CLOSE_BANK = 27
    TEMPORARY_BAG = 28
    DRAG_TEMPORARY_BAG = 29


def only(action: Action) -> Int:
    """Return the type of an action field that has one value."""
    return Int(1, low=action, high=action)


def tagged(action: Action) -> Tag:
    """Return the tag that tells this action's packets from the others of their opcode."""
    return Tag(8, 1, action)


PathCoordinate = Int(4, signed=True, little_endian=True, low=0, high=MAP_SIDE_CM)


@record
class Point(Record):
    """A place on the map, as it stands in a path; places outside of it are a way to teleport [4b no. 4, 16]."""

    x: Annotated[int, PathCoordinate]
    y: Annotated[int, PathCoordinate]


WALK = Packed(Point, 1, MAX_PATH_POINTS, measured=True)
Path = Annotated[tuple[Point, ...], WALK]


@record
class Act(Packet):
    """What all packets of both opcodes begin with."""

    world_id: U32
    packet_id: U32


@packet(6, SERVERBOUND, tag=tagged(Action.MOVE))
class Move(Act):
    """Walk along a path that begins where the character stands; frame 35 for two points, 275 for 32."""

    action: Annotated[int, only(Action.MOVE)] = Action.MOVE
    path: Path


@packet(6, SERVERBOUND, tag=tagged(Action.SKILL))
class UseSkill(Act):
    """Use a skill, on the way with a path when ``move_flag`` is 2; frame 33 and 8 a point."""

    action: Annotated[int, only(Action.SKILL)] = Action.SKILL
    move_flag: U8 = 2
    fight_id: U8
    path: Annotated[tuple[Point, ...] | None, When("move_flag", frozenset({2}), WALK)]
    skill_id: U32
    target_1: U32
    target_2: U32


@packet(6, SERVERBOUND, tag=tagged(Action.LEAN))
class Lean(Act):
    """Lean on something; frame 37."""

    action: Annotated[int, only(Action.LEAN)] = Action.LEAN
    pose: U32
    angle: U32
    x: Coordinate
    y: Coordinate
    height: U32


@packet(6, SERVERBOUND, tag=tagged(Action.ITEM_PICK))
class PickItem(Act):
    """Take something up from the ground, within 600 cm; frame 25."""

    action: Annotated[int, only(Action.ITEM_PICK)] = Action.ITEM_PICK
    item_world_id: U32
    handle: U32


@packet(6, SERVERBOUND, tag=tagged(Action.ITEM_THROW))
class ThrowItem(Act):
    """Drop something from the bag, within 350 cm; frame 29."""

    action: Annotated[int, only(Action.ITEM_THROW)] = Action.ITEM_THROW
    grid: Grid
    number: ItemCount
    x: Coordinate
    y: Coordinate


@packet(6, SERVERBOUND, tag=tagged(Action.ITEM_UNFIX))
class UnfixItem(Act):
    """Take something off; ``grid`` -2 drops it at a place. Frame 20, or 28 with the place."""

    action: Annotated[int, only(Action.ITEM_UNFIX)] = Action.ITEM_UNFIX
    link: U8
    grid: Grid
    x: Annotated[int | None, When("grid", frozenset({-2}), Int(4, low=0, high=MAP_SIDE_CM))] = None
    y: Annotated[int | None, When("grid", frozenset({-2}), Int(4, low=0, high=MAP_SIDE_CM))] = None


@packet(6, SERVERBOUND, tag=tagged(Action.ITEM_USE))
class UseItem(Act):
    """Use or put on something; frame 21."""

    action: Annotated[int, only(Action.ITEM_USE)] = Action.ITEM_USE
    from_grid: Grid
    to_grid: Grid


@packet(6, SERVERBOUND, tag=tagged(Action.ITEM_PLACE))
class PlaceItem(Act):
    """Move something within the bag; frame 23."""

    action: Annotated[int, only(Action.ITEM_PLACE)] = Action.ITEM_PLACE
    from_grid: Grid
    number: ItemCount
    to_grid: Grid


@packet(6, SERVERBOUND, tag=tagged(Action.ITEM_DELETE))
class DeleteItem(Act):
    """Destroy something; frame 19."""

    action: Annotated[int, only(Action.ITEM_DELETE)] = Action.ITEM_DELETE
    grid: Grid


@packet(6, SERVERBOUND, tag=tagged(Action.EVENT))
class TriggerEvent(Act):
    """Touch a thing of the map; frame 27."""

    action: Annotated[int, only(Action.EVENT)] = Action.EVENT
    entity_id: U32
    handle: U32
    event: U16


@packet(6, SERVERBOUND, tag=tagged(Action.FACE))
class Face(Act):
    """Turn and take a pose; frame 21."""

    action: Annotated[int, only(Action.FACE)] = Action.FACE
    angle: I16
    pose: I16


@packet(6, SERVERBOUND, tag=tagged(Action.STOP_STATE))
class StopState(Act):
    """End a state; frame 19."""

    action: Annotated[int, only(Action.STOP_STATE)] = Action.STOP_STATE
    state: I16


@packet(6, SERVERBOUND, tag=tagged(Action.SKILL_POSE))
class SkillPose(Act):
    """Take the pose of a skill; frame 21."""

    action: Annotated[int, only(Action.SKILL_POSE)] = Action.SKILL_POSE
    angle: I16
    pose: I16


@packet(6, SERVERBOUND, tag=tagged(Action.PLAYER_KILLING))
class SetPlayerKilling(Act):
    """Allow or forbid oneself to fight players; frame 18."""

    action: Annotated[int, only(Action.PLAYER_KILLING)] = Action.PLAYER_KILLING
    control: U8


@packet(6, SERVERBOUND, tag=tagged(Action.TEMP))
class Temp(Act):
    """Try something on; frame 25."""

    action: Annotated[int, only(Action.TEMP)] = Action.TEMP
    item_id: U32
    part_id: U32


@packet(6, SERVERBOUND, tag=tagged(Action.SHORTCUT))
class Shortcut(Act):
    """Set a shortcut; frame 21."""

    action: Annotated[int, only(Action.SHORTCUT)] = Action.SHORTCUT
    index: U8
    kind: U8
    grid: I16


@packet(6, SERVERBOUND, tag=tagged(Action.BANK))
class Bank(Act):
    """Move something between bag and bank; frame 25."""

    action: Annotated[int, only(Action.BANK)] = Action.BANK
    from_kind: U8
    from_grid: Grid
    number: ItemCount
    to_kind: U8
    to_grid: Grid


@packet(6, SERVERBOUND, tag=tagged(Action.CLOSE_BANK))
class CloseBank(Act):
    """Close the bank; frame 17."""

    action: Annotated[int, only(Action.CLOSE_BANK)] = Action.CLOSE_BANK


@packet(6, SERVERBOUND, tag=tagged(Action.DRAG_TEMPORARY_BAG))
class DragTemporaryBag(Act):
    """Move something out of the temporary bag; frame 23."""

    action: Annotated[int, only(Action.DRAG_TEMPORARY_BAG)] = Action.DRAG_TEMPORARY_BAG
    from_grid: Grid
    number: ItemCount
    to_grid: Grid


@packet(6, SERVERBOUND)
class OtherAction(Act):
    """Any other action that clients send: those of one fork only, and 28, whose layout is not known.

    The rest of the numbers is refused: servers alone send them, or have a case for them that reads nothing.
    """

    action: Annotated[int, Int(1, low=Action.TEMPORARY_BAG, high=37, denied=((29, 29),))]
    rest: Annotated[bytes, Rest(256)] = b""  # the longest that is known of is a new name


@packet(508, CLIENTBOUND, tag=tagged(Action.MOVE))
class MoveNotice(Act):
    """MC_NOTIACTION: somebody in sight walks; ``state`` 0 is on the way, any other has why it ended."""

    action: Annotated[int, only(Action.MOVE)] = Action.MOVE
    state: U16 = 0
    stop: Annotated[int | None, Unless("state", frozenset({0}), Int(2))] = None
    path: Annotated[tuple[Point, ...], Packed(Point, 0, MAX_PATH_POINTS)]


@packet(508, CLIENTBOUND)
class ActionNotice(Act):
    """MC_NOTIACTION: any other action of somebody in sight."""

    action: U8
    rest: Annotated[bytes, Rest()] = b""

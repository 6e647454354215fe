"""Begin-action, row by row, with the frame sizes of the protocol notes."""

from typing import Any

import pytest

from games.pack import Codec
from games.packet import Direction, Packet
from games.pko import action
from games.pko.action import Act, Action, Move, MoveNotice, Point
from games.registry import load_pack
from tests.games.rows import run_row
from wire.errors import EncodeError, PacketFault

WHO: dict[str, Any] = {"world_id": 7, "packet_id": 9}
HEAD = b"\0\0\0\x07\0\0\0\x09"

A = Point(x=217000, y=278000)
B = Point(x=409_600, y=2)
A_BYTES = b"\xa8\x4f\x03\0\xf0\x3d\x04\0"
B_BYTES = b"\0\x40\x06\0\x02\0\0\0"

# packet, body behind the common head, whole frame
ROWS: list[tuple[Packet, bytes, int]] = [
    (Move(**WHO, path=(A, B)), b"\x01\0\x10" + A_BYTES + B_BYTES, 35),
    (Move(**WHO, path=(A,) * 32), b"\x01\x01\0" + A_BYTES * 32, 275),
    (
        action.UseSkill(**WHO, fight_id=3, path=(A, B), skill_id=4, target_1=5, target_2=6),
        b"\x02\x02\x03\0\x10" + A_BYTES + B_BYTES + b"\0\0\0\x04\0\0\0\x05\0\0\0\x06",
        33 + 8 * 2,
    ),
    (
        action.UseSkill(**WHO, move_flag=1, fight_id=3, path=None, skill_id=4, target_1=5, target_2=6),
        b"\x02\x01\x03\0\0\0\x04\0\0\0\x05\0\0\0\x06",
        31,
    ),
    (
        action.Lean(**WHO, pose=1, angle=2, x=3, y=4, height=5),
        b"\x10\0\0\0\x01\0\0\0\x02\0\0\0\x03\0\0\0\x04\0\0\0\x05",
        37,
    ),
    (action.PickItem(**WHO, item_world_id=1, handle=2), b"\x08\0\0\0\x01\0\0\0\x02", 25),
    (action.ThrowItem(**WHO, grid=1, number=2, x=3, y=409_600), b"\x09\0\x01\0\x02\0\0\0\x03\0\x06\x40\0", 29),
    (action.UnfixItem(**WHO, link=1, grid=2), b"\x0a\x01\0\x02", 20),
    (action.UnfixItem(**WHO, link=1, grid=-2, x=3, y=4), b"\x0a\x01\xff\xfe\0\0\0\x03\0\0\0\x04", 28),
    (action.UseItem(**WHO, from_grid=1, to_grid=-1), b"\x0b\0\x01\xff\xff", 21),
    (action.PlaceItem(**WHO, from_grid=1, number=2, to_grid=3), b"\x0c\0\x01\0\x02\0\x03", 23),
    (action.DeleteItem(**WHO, grid=1), b"\x0d\0\x01", 19),
    (action.Face(**WHO, angle=1, pose=2), b"\x13\0\x01\0\x02", 21),
    (action.SkillPose(**WHO, angle=1, pose=2), b"\x15\0\x01\0\x02", 21),
    (action.TriggerEvent(**WHO, entity_id=1, handle=2, event=3), b"\x12\0\0\0\x01\0\0\0\x02\0\x03", 27),
    (action.StopState(**WHO, state=1), b"\x14\0\x01", 19),
    (action.SetPlayerKilling(**WHO, control=1), b"\x16\x01", 18),
    (action.Temp(**WHO, item_id=1, part_id=2), b"\x18\0\0\0\x01\0\0\0\x02", 25),
    (action.Shortcut(**WHO, index=1, kind=2, grid=3), b"\x19\x01\x02\0\x03", 21),
    (
        action.Bank(**WHO, from_kind=1, from_grid=2, number=3, to_kind=4, to_grid=5),
        b"\x1a\x01\0\x02\0\x03\x04\0\x05",
        25,
    ),
    (action.CloseBank(**WHO), b"\x1b", 17),
    (action.DragTemporaryBag(**WHO, from_grid=1, number=2, to_grid=3), b"\x1d\0\x01\0\x02\0\x03", 23),
    (MoveNotice(**WHO, path=(A, B)), b"\x01\0\0\0\x10" + A_BYTES + B_BYTES, 37),
    (MoveNotice(**WHO, state=1, stop=2, path=(A,)), b"\x01\0\x01\0\x02\0\x08" + A_BYTES, 31),
]

OPEN_ENDED: list[tuple[Packet, bytes]] = [
    (action.OtherAction(**WHO, action=35, rest=b"gold"), b"\x23gold"),
    (action.ActionNotice(**WHO, action=Action.KIT_BAG, rest=b"bag"), b"\x06bag"),
]


@pytest.fixture
def codec() -> Codec:
    return load_pack("pko").codec("classic")


@pytest.mark.parametrize(("packet", "body", "frame_bytes"), ROWS, ids=lambda value: type(value).__name__)
def test_row(packet: Packet, body: bytes, frame_bytes: int, codec: Codec) -> None:
    run_row(packet, HEAD + body)
    frame = codec.seal(packet)
    assert len(frame) == frame_bytes
    assert codec.decode(packet.DIRECTION, codec.open(packet.DIRECTION, frame)) == packet


@pytest.mark.parametrize(("packet", "body"), OPEN_ENDED, ids=lambda value: type(value).__name__)
def test_open_ended_row(packet: Packet, body: bytes, codec: Codec) -> None:
    run_row(packet, HEAD + body, open_ended=True)
    opened = codec.open(packet.DIRECTION, codec.seal(packet))
    assert codec.decode(packet.DIRECTION, opened) == packet


def test_each_action_number_has_at_most_one_class() -> None:
    for opcode, direction in ((6, Direction.SERVERBOUND), (508, Direction.CLIENTBOUND)):
        classes = load_pack("pko").codec().classes(direction, opcode)
        assert all(issubclass(cls, Act) for cls in classes)
        tags = [cls.TAG for cls in classes]
        assert len(set(tags)) == len(tags)
        assert tags[-1] is None


@pytest.mark.parametrize(
    ("size", "why"),
    [(0, "empty"), (12, "a point and a half"), (33 * 8, "one too many"), (128 * 8, "negative as a signed byte")],
)
def test_a_path_that_crashes_servers_is_refused(size: int, why: str, codec: Codec) -> None:
    body = HEAD + b"\x01" + size.to_bytes(2, "big") + bytes(size)
    frame = codec.dialect.serverbound.seal(6, body)
    with pytest.raises(PacketFault, match=r"Move\.path"):
        codec.decode(Direction.SERVERBOUND, codec.open(Direction.SERVERBOUND, frame))


def test_a_known_action_never_hides_as_another() -> None:
    with pytest.raises(EncodeError, match=r"Move\.action"):
        Move(**WHO, action=2, path=(A,)).encode()


def test_a_count_of_nothing_is_refused() -> None:
    for number in (b"\0\0", b"\xff\xff"):
        with pytest.raises(PacketFault, match=r"PlaceItem\.number"):
            action.PlaceItem.decode(HEAD + b"\x0c\0\x01" + number + b"\0\x03")


def test_a_place_to_drop_at_comes_only_with_the_drop() -> None:
    with pytest.raises(EncodeError, match=r"UnfixItem\.x"):
        action.UnfixItem(**WHO, link=1, grid=2, x=3, y=4).encode()
    with pytest.raises(EncodeError, match=r"UnfixItem\.y"):
        action.UnfixItem(**WHO, link=1, grid=-2, x=3).encode()

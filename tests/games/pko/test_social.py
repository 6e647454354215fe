"""Packets among people, row by row."""

import pytest

from games.packet import Packet
from games.pko import social
from tests.games.rows import run_row, string
from wire.errors import PacketFault

HI = string(b"hi")
ANN = string(b"Ann")
ID = b"\0\0\x01\0"

ROWS: list[tuple[Packet, bytes]] = [
    (social.TeamInvite(name=b"Ann"), ANN),
    (social.TeamAccept(character_id=256), ID),
    (social.TeamRefuse(character_id=256), ID),
    (social.TeamLeave(), b""),
    (social.TeamKick(character_id=256), ID),
    (social.FriendInvite(name=b"Ann"), ANN),
    (social.FriendAccept(character_id=256), ID),
    (social.FriendRefuse(character_id=256), ID),
    (social.FriendDelete(character_id=256), ID),
    (social.FriendChangeGroup(character_id=256, group=b"hi"), ID + HI),
    (social.ChangePersonInfo(motto=b"hi", icon=2, refuse=1), HI + b"\0\x02\x01"),
    (social.RefuseToMe(refuse=1), b"\x01"),
    (social.RoomCreate(names=(b"Ann", b"hi")), b"\x02" + ANN + HI),
    (social.RoomSay(room_id=256, text=b"hi"), ID + HI),
    (social.RoomAdd(room_id=256, name=b"Ann"), ID + ANN),
    (social.RoomLeave(room_id=256), ID),
    (social.MasterInvite(name=b"Ann", character_id=256), ANN + ID),
    (social.MasterAnswer(answer=1, name=b"Ann", character_id=256), b"\0\x01" + ANN + ID),
    (social.MasterDelete(name=b"Ann", character_id=256), ANN + ID),
    (social.PrenticeDelete(name=b"Ann", character_id=256), ANN + ID),
    (social.PrenticeInvite(name=b"Ann", character_id=256), ANN + ID),
    (social.PrenticeAnswer(answer=1, name=b"Ann", character_id=256), b"\0\x01" + ANN + ID),
    (social.VolunteerList(page=0, number=12), b"\0\0\0\x0c"),
    (social.VolunteerAdd(), b""),
    (social.VolunteerDelete(), b""),
    (social.VolunteerSelect(name=b"Ann"), ANN),
    (social.VolunteerOpen(number=12), b"\0\x0c"),
    (social.VolunteerAnswer(answer=1, name=b"Ann"), b"\0\x01" + ANN),
    (social.TeamFightAsk(kind=1, world_id=256, handle=256), b"\x01" + ID + ID),
    (social.TeamFightAnswer(answer=1), b"\x01"),
    (social.CaptainAnswer(answer=1, team_id=256), b"\0\x01" + ID),
    (social.Rank(), b""),
]


@pytest.mark.parametrize(("packet", "body"), ROWS, ids=lambda value: type(value).__name__)
def test_row(packet: Packet, body: bytes) -> None:
    run_row(packet, body)


def test_what_would_divide_a_server_by_zero_is_refused() -> None:
    with pytest.raises(PacketFault, match="0 is not within 1"):
        social.VolunteerOpen.decode(b"\0\0")
    with pytest.raises(PacketFault, match=r"VolunteerList\.page"):
        social.VolunteerList.decode(b"\xff\xff\0\x01")

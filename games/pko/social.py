"""Packets among people: teams, friends, private rooms, masters and apprentices, volunteers.

Tables 4.2 and 4.4 of the protocol notes; all to the server. 6016 and 6018 to 6021 have no known layout.

==============  ===================================  ======================
opcode          class                                body
==============  ===================================  ======================
6001            TeamInvite                           str name
6002 6003 6005  TeamAccept, TeamRefuse, TeamKick     u32 id
6004            TeamLeave                            empty
6011            FriendInvite                         str name
6012 to 6014    FriendAccept, -Refuse, -Delete       u32 id
6015            FriendChangeGroup                    u32 id, str group
6017            ChangePersonInfo                     str, u16 icon, u8
6410            RefuseToMe                           u8
6406            RoomCreate                           u8 n, n × str
6407            RoomSay                              u32 room, str
6408            RoomAdd                              u32 room, str
6409            RoomLeave                            u32 room
71 75           MasterInvite, PrenticeInvite         str name, u32 id
72 76           MasterAnswer, PrenticeAnswer         u16, str name, u32 id
73 74           MasterDelete, PrenticeDelete         str name, u32 id
61              VolunteerList                        u16 page, u16 number
62 63           VolunteerAdd, VolunteerDelete        empty
64              VolunteerSelect                      str name
65              VolunteerOpen                        u16 number
66              VolunteerAnswer                      u16, str name
21              TeamFightAsk                         u8, u32, u32
22              TeamFightAnswer                      u8
97              CaptainAnswer, Rank                  u16, u32 or empty
==============  ===================================  ======================
"""

from typing import Annotated

from games.characters import SAFE_TEXT
from games.composites import Repeat
from games.fields import U8, U16, U32, Int
from games.packet import Direction, Packet, packet
from games.pko.bounds import COMMENT, CharacterName, ChatText, PageNumber, RowsPerPage
from games.texts import String

SERVERBOUND = Direction.SERVERBOUND

RoomMember = String(20, characters=SAFE_TEXT, phrases=(COMMENT,))


@packet(6001, SERVERBOUND)
class TeamInvite(Packet):
    """CP_TEAM_INVITE."""

    name: CharacterName


@packet(6002, SERVERBOUND)
class TeamAccept(Packet):
    """CP_TEAM_ACCEPT."""

    character_id: U32


@packet(6003, SERVERBOUND)
class TeamRefuse(Packet):
    """CP_TEAM_REFUSE."""

    character_id: U32


@packet(6004, SERVERBOUND)
class TeamLeave(Packet):
    """CP_TEAM_LEAVE."""


@packet(6005, SERVERBOUND)
class TeamKick(Packet):
    """CP_TEAM_KICK."""

    character_id: U32


@packet(6011, SERVERBOUND)
class FriendInvite(Packet):
    """CP_FRND_INVITE."""

    name: CharacterName


@packet(6012, SERVERBOUND)
class FriendAccept(Packet):
    """CP_FRND_ACCEPT."""

    character_id: U32


@packet(6013, SERVERBOUND)
class FriendRefuse(Packet):
    """CP_FRND_REFUSE."""

    character_id: U32


@packet(6014, SERVERBOUND)
class FriendDelete(Packet):
    """CP_FRND_DELETE."""

    character_id: U32


@packet(6015, SERVERBOUND)
class FriendChangeGroup(Packet):
    """CP_FRND_CHANGE_GROUP."""

    character_id: U32
    # No source gives a bound; names of all kinds stay below this.
    group: Annotated[bytes, String(32, characters=SAFE_TEXT, phrases=(COMMENT,))]


@packet(6017, SERVERBOUND)
class ChangePersonInfo(Packet):
    """CP_CHANGE_PERSONINFO: what others see of the player."""

    # The server's buffer has 40 bytes, the NUL among them; honest clients send at most 16.
    motto: Annotated[bytes, String(39, characters=SAFE_TEXT, phrases=(COMMENT,))]
    icon: U16
    refuse: U8


@packet(6410, SERVERBOUND)
class RefuseToMe(Packet):
    """CP_REFUSETOME: whether whispers are welcome."""

    refuse: U8


@packet(6406, SERVERBOUND)
class RoomCreate(Packet):
    """CP_SESS_CREATE: a private chat room with these members."""

    names: Annotated[tuple[bytes, ...], Repeat(Int(1), RoomMember)]


@packet(6407, SERVERBOUND)
class RoomSay(Packet):
    """CP_SESS_SAY."""

    room_id: U32
    text: ChatText


@packet(6408, SERVERBOUND)
class RoomAdd(Packet):
    """CP_SESS_ADD."""

    room_id: U32
    name: CharacterName


@packet(6409, SERVERBOUND)
class RoomLeave(Packet):
    """CP_SESS_LEAVE."""

    room_id: U32


@packet(71, SERVERBOUND)
class MasterInvite(Packet):
    """CM_MASTER_INVITE: ask somebody to be one's master."""

    name: CharacterName
    character_id: U32


@packet(72, SERVERBOUND)
class MasterAnswer(Packet):
    """CM_MASTER_ASR."""

    answer: U16
    name: CharacterName
    character_id: U32


@packet(73, SERVERBOUND)
class MasterDelete(Packet):
    """CM_MASTER_DEL."""

    name: CharacterName
    character_id: U32


@packet(74, SERVERBOUND)
class PrenticeDelete(Packet):
    """CM_PRENTICE_DEL."""

    name: CharacterName
    character_id: U32


@packet(75, SERVERBOUND)
class PrenticeInvite(Packet):
    """CM_PRENTICE_INVITE: ask somebody to be one's apprentice."""

    name: CharacterName
    character_id: U32


@packet(76, SERVERBOUND)
class PrenticeAnswer(Packet):
    """CM_PRENTICE_ASR."""

    answer: U16
    name: CharacterName
    character_id: U32


@packet(61, SERVERBOUND)
class VolunteerList(Packet):
    """CM_VOLUNTER_LIST: a page of those who look for a team."""

    page: PageNumber
    number: RowsPerPage


@packet(62, SERVERBOUND)
class VolunteerAdd(Packet):
    """CM_VOLUNTER_ADD: put oneself on the list."""


@packet(63, SERVERBOUND)
class VolunteerDelete(Packet):
    """CM_VOLUNTER_DEL: take oneself off the list."""


@packet(64, SERVERBOUND)
class VolunteerSelect(Packet):
    """CM_VOLUNTER_SEL: choose somebody from the list."""

    name: CharacterName


@packet(65, SERVERBOUND)
class VolunteerOpen(Packet):
    """CM_VOLUNTER_OPEN: open the window of so many rows."""

    number: RowsPerPage


@packet(66, SERVERBOUND)
class VolunteerAnswer(Packet):
    """CM_VOLUNTER_ASR."""

    answer: U16
    name: CharacterName


@packet(21, SERVERBOUND)
class TeamFightAsk(Packet):
    """CM_TEAM_FIGHT_ASK: challenge a player or a team."""

    kind: U8
    world_id: U32
    handle: U32


@packet(22, SERVERBOUND)
class TeamFightAnswer(Packet):
    """CM_TEAM_FIGHT_ASR."""

    answer: U8


@packet(97, SERVERBOUND)
class CaptainAnswer(Packet):
    """CM_CAPTAIN_CONFIRM_ASR."""

    answer: U16
    team_id: U32


@packet(97, SERVERBOUND)
class Rank(Packet):
    """CM_RANK, under the same number: ask for the list of the best."""

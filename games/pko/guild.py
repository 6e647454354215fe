"""Guild packets, all to the server: table 4.4 of the protocol notes.

=============  ================================  =====================================================
opcode         class                             body
=============  ================================  =====================================================
401            GuildCreate                       u8 confirm, str name, str password
402 405 to 407  GuildApply, -Approve, -Reject, -Kick  u32 id
403            GuildConfirmApply                 u8 confirm
404 408        GuildListApplicants, GuildLeave   empty
409            GuildDisband                      str password
410            GuildSetMotto                     str motto
411 412        GuildChallenge, GuildBid          u8 level, u32 money
413            GuildSetPermissions               u32 id, u32 permissions
6414           GuildBankItem                     u8 0, u8, i16, i16, u8, i16
6414           GuildBankGold                     u8 1, u8 direction, u32 gold
=============  ================================  =====================================================
"""

from typing import Annotated

from games.characters import SAFE_TEXT
from games.fields import U8, U32, Int
from games.packet import Direction, Packet, Tag, packet
from games.pko.bounds import COMMENT, Gold, Grid, ItemCount
from games.texts import String

SERVERBOUND = Direction.SERVERBOUND

# PX allows 12 bytes; 32 leave room for forks that send a digest, as they do for pins.
GuildPassword = Annotated[bytes, String(32, characters=SAFE_TEXT, phrases=(COMMENT,), secret=True)]


@packet(401, SERVERBOUND)
class GuildCreate(Packet):
    """CM_GUILD_PUTNAME: the name (PX 16 bytes, DK 32) and the password of a new guild."""

    confirm: U8
    name: Annotated[bytes, String(32, characters=SAFE_TEXT, phrases=(COMMENT,))]
    password: GuildPassword


@packet(402, SERVERBOUND)
class GuildApply(Packet):
    """CM_GUILD_TRYFOR: ask to be taken in."""

    guild_id: U32


@packet(403, SERVERBOUND)
class GuildConfirmApply(Packet):
    """CM_GUILD_TRYFORCFM: ask to be taken in although another guild was asked before."""

    confirm: U8


@packet(404, SERVERBOUND)
class GuildListApplicants(Packet):
    """CM_GUILD_LISTTRYPLAYER."""


@packet(405, SERVERBOUND)
class GuildApprove(Packet):
    """CM_GUILD_APPROVE."""

    character_id: U32


@packet(406, SERVERBOUND)
class GuildReject(Packet):
    """CM_GUILD_REJECT."""

    character_id: U32


@packet(407, SERVERBOUND)
class GuildKick(Packet):
    """CM_GUILD_KICK."""

    character_id: U32


@packet(408, SERVERBOUND)
class GuildLeave(Packet):
    """CM_GUILD_LEAVE."""


@packet(409, SERVERBOUND)
class GuildDisband(Packet):
    """CM_GUILD_DISBAND."""

    password: GuildPassword


@packet(410, SERVERBOUND)
class GuildSetMotto(Packet):
    """CM_GUILD_MOTTO: the group server takes fewer than 50 bytes."""

    motto: Annotated[bytes, String(49, characters=SAFE_TEXT, phrases=(COMMENT,))]


@packet(411, SERVERBOUND)
class GuildChallenge(Packet):
    """CM_GUILD_CHALLENGE."""

    level: U8
    money: Gold


@packet(412, SERVERBOUND)
class GuildBid(Packet):
    """CM_GUILD_LEIZHU: offer to be the one that others challenge."""

    level: U8
    money: Gold


@packet(413, SERVERBOUND)
class GuildSetPermissions(Packet):
    """CM_GUILD_PERM."""

    character_id: U32
    permissions: U32


@packet(6414, SERVERBOUND, tag=Tag(0, 1, 0))
class GuildBankItem(Packet):
    """CP_GUILDBANK: move an item between bag and guild bank."""

    kind: Annotated[int, Int(1, high=0)] = 0
    from_kind: U8
    from_grid: Grid
    number: ItemCount
    to_kind: U8
    to_grid: Grid


@packet(6414, SERVERBOUND, tag=Tag(0, 1, 1))
class GuildBankGold(Packet):
    """CP_GUILDBANK: move gold between purse and guild bank."""

    kind: Annotated[int, Int(1, low=1, high=1)] = 1
    direction: U8
    gold: Gold

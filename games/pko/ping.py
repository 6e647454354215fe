"""Packets that measure time: the server's own check, and two that only a game master starts.

Table 4.5 of the protocol notes; the numbers by dialect are in 3.5. The two-byte keep-alive is no packet.

=========  ===  ==================  ==========================================================
opcode     way  class               body
=========  ===  ==================  ==========================================================
537        S→C  CheckPing           empty, every 20 s
17         C→S  CheckPingReply      empty
515        S→C  Ping                5 × u32
15         C→S  PingReply           the same 5 × u32
5020       S→C  GmPing              empty (5022 in the TG line)
6020       C→S  GmPingReply         empty (6022 in the TG line, 6025 in a Russian client)
=========  ===  ==================  ==========================================================
"""

from typing import Annotated

from games.composites import Array, Remembered
from games.fields import Int, Rest
from games.packet import Direction, Packet, packet
from games.pko.styles import CLASSIC, TG

SERVERBOUND = Direction.SERVERBOUND
CLIENTBOUND = Direction.CLIENTBOUND

FIVE_WORDS = Array(5, Int(4))
PING_MEMORY = 0
"""Where a relay remembers the words of the last 515."""


@packet(537, CLIENTBOUND)
class CheckPing(Packet):
    """MC_CHECK_PING: the server measures the round trip; a relay gets the figure for free."""


@packet(17, SERVERBOUND)
class CheckPingReply(Packet):
    """CM_CHECK_PING: the answer, at once."""


@packet(515, CLIENTBOUND)
class Ping(Packet):
    """MC_PING: a game master's query; the words are raw pointers of the server."""

    words: Annotated[tuple[int, ...], FIVE_WORDS]


@packet(15, SERVERBOUND)
class PingReply(Packet):
    """CM_PING: the same five words; servers trust them, so a forged one is an attack [4b no. 6]."""

    words: Annotated[tuple[int, ...], Remembered(PING_MEMORY, FIVE_WORDS)]


@packet(5020, CLIENTBOUND, styles=CLASSIC)
class GmPing(Packet):
    """PC_PING: "pingx" of a game master; not empty when it is PC_FRND_MOVE_GROUP, which shares the number."""

    rest: Annotated[bytes, Rest()] = b""


@packet(6020, SERVERBOUND, styles=CLASSIC)
class GmPingReply(Packet):
    """CP_PING: the answer; not empty when it is CP_FRND_MOVE_GROUP, which shares the number."""

    rest: Annotated[bytes, Rest(128)] = b""  # names of groups


@packet(5022, CLIENTBOUND, styles=TG)
class GmPingTg(Packet):
    """PC_PING under its number in the TG line."""


@packet(6022, SERVERBOUND, styles=TG)
class GmPingReplyTg(Packet):
    """CP_PING under its number in the TG line."""


@packet(6025, SERVERBOUND, styles=CLASSIC)
class GmPingReplyRussian(Packet):
    """CP_PING under its number in a Russian 1.3x client."""

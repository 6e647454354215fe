"""Packets to those who run the game: letters to game masters, captchas, rates, going offline. Table 4.4 of
the protocol notes; all to the server.

======  =================  ============================
opcode  class              body
======  =================  ============================
52      CheatAnswer        str answer
92      LetterSend         u32 npc, str title, str text
93      LetterFetch        u32
356     AskDropRate        empty
357     AskExperienceRate  empty
358     GoOffline          empty
372     AntiIndulgence     empty
======  =================  ============================
"""

from typing import Annotated

from games.characters import LETTER, SAFE_TEXT, TEXT
from games.fields import U32
from games.packet import Direction, Packet, packet
from games.pko.bounds import COMMENT
from games.pko.styles import TG
from games.texts import String

SERVERBOUND = Direction.SERVERBOUND


@packet(52, SERVERBOUND)
class CheatAnswer(Packet):
    """CM_CHEAT_CHECK: the answer to a captcha."""

    answer: Annotated[bytes, String(64, characters=SAFE_TEXT, phrases=(COMMENT,))]


@packet(92, SERVERBOUND)
class LetterSend(Packet):
    """CM_GM_SEND."""

    npc_id: U32
    # No source gives bounds; these are those of a stall's name and of an operator's text.
    title: Annotated[bytes, String(64, characters=TEXT)]
    text: Annotated[bytes, String(500, characters=LETTER)]


@packet(93, SERVERBOUND)
class LetterFetch(Packet):
    """CM_GM_RECV."""

    npc_id: U32


@packet(356, SERVERBOUND, styles=TG)
class AskDropRate(Packet):
    """CM_REQUEST_DROP_RATE."""


@packet(357, SERVERBOUND, styles=TG)
class AskExperienceRate(Packet):
    """CM_REQUEST_EXP_RATE."""


@packet(358, SERVERBOUND, styles=TG)
class GoOffline(Packet):
    """CM_OFFLINE_MODE: leave the character in the world."""


@packet(372, SERVERBOUND)
class AntiIndulgence(Packet):
    """CM_ANTIINDULGENCE."""

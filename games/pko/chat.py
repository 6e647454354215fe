"""Packets with text: what players say, and what the server and its operators show them.

Table 4.2 of the protocol notes. 5404, 5405 and 5411 have opcodes but no layout that is known.

======  ===  ==============  =====================================================
opcode  way  class           body
======  ===  ==============  =====================================================
1       C→S  Say             seq text with its NUL, so the bytes of a str
501     S→C  Said            u32 speaker, the same, u32 colour
91      C→S  SayToCamp       str text
6401    C→S  SayToTrade      str text
6402    C→S  SayToAll        str text
6403    C→S  Whisper         str to, str text
6404    C→S  SayToTeam       str text
6405    C→S  SayToGuild      str text
6400    C→S  GmSay           str text, maybe u32, u32 colour
6411    C→S  GmSayScrolling  str text, maybe u32, u32 colour
5400    S→C  GmSaid          str name, str text
5401    S→C  SaidToTrade     str name, str text, u32 colour
5402    S→C  SaidToAll       str name, str text, u32 colour
5403    S→C  Whispered       str from, str to, str text, u32 colour
517     S→C  SystemInfo      str text
568     S→C  PopupNotice     str text
892     S→C  ColourNotice    u32 rgb, str text
======  ===  ==============  =====================================================
"""

from typing import Annotated

from games.characters import TEXT
from games.composites import Struct, Tail
from games.fields import U32
from games.packet import Direction, Packet, Record, packet, record
from games.pko.bounds import AnyName, CharacterName, ChatText, NoticeText, OperatorText
from games.texts import String

SERVERBOUND = Direction.SERVERBOUND
CLIENTBOUND = Direction.CLIENTBOUND

WHITE = 0xFFFFFFFF

SERVER_ENDING_PHRASES = (b"/byebyeleecher", b"#21")
"""The first ends a game server that has it as a back door [4b no. 2], the second clients; gates drop it [4b no. 17]."""


@packet(1, SERVERBOUND)
class Say(Packet):
    """CM_SAY: to everybody in sight.

    A leading "&" is a command, which real game masters send too, so it is left to the server to know them.
    """

    text: Annotated[bytes, String(256, characters=TEXT, phrases=SERVER_ENDING_PHRASES)]


@packet(501, CLIENTBOUND)
class Said(Packet):
    """MC_SAY: somebody in sight says something; the server passes the text on with its NUL."""

    speaker_id: U32
    text: NoticeText
    colour: U32 = WHITE


@packet(91, SERVERBOUND)
class SayToCamp(Packet):
    """CM_SAY2CAMP: to one's side in a war."""

    text: ChatText


@packet(6401, SERVERBOUND)
class SayToTrade(Packet):
    """CP_SAY2TRADE: to the trade channel."""

    text: ChatText


@packet(6402, SERVERBOUND)
class SayToAll(Packet):
    """CP_SAY2ALL: to the world channel."""

    text: ChatText


@packet(6403, SERVERBOUND)
class Whisper(Packet):
    """CP_SAY2YOU: to one character."""

    to: CharacterName
    text: ChatText


@packet(6404, SERVERBOUND)
class SayToTeam(Packet):
    """CP_SAY2TEM: to one's team."""

    text: ChatText


@packet(6405, SERVERBOUND)
class SayToGuild(Packet):
    """CP_SAY2GUD: to one's guild."""

    text: ChatText


@record
class GmSayStyle(Record):
    """How an operator's text is shown; the first word's meaning is not known."""

    word: U32
    colour: U32


@packet(6400, SERVERBOUND)
class GmSay(Packet):
    """CP_GM1SAY: a game master to everybody."""

    text: OperatorText
    style: Annotated[GmSayStyle | None, Tail(Struct(GmSayStyle))] = None


@packet(6411, SERVERBOUND)
class GmSayScrolling(Packet):
    """CP_GM1SAY1: a game master to everybody, in the running line."""

    text: OperatorText
    style: Annotated[GmSayStyle | None, Tail(Struct(GmSayStyle))] = None


@packet(5400, CLIENTBOUND)
class GmSaid(Packet):
    """PC_GM1SAY: a game master's text."""

    name: AnyName
    text: NoticeText


@packet(5401, CLIENTBOUND)
class SaidToTrade(Packet):
    """PC_SAY2TRADE: a text of the trade channel."""

    name: AnyName
    text: NoticeText
    colour: U32 = WHITE


@packet(5402, CLIENTBOUND)
class SaidToAll(Packet):
    """PC_SAY2ALL: a text of the world channel."""

    name: AnyName
    text: NoticeText
    colour: U32 = WHITE


@packet(5403, CLIENTBOUND)
class Whispered(Packet):
    """PC_SAY2YOU: a whisper, told to both ends."""

    name: AnyName
    to: AnyName
    text: NoticeText
    colour: U32 = WHITE


@packet(517, CLIENTBOUND)
class SystemInfo(Packet):
    """MC_SYSINFO: a line in the chat window; the gentlest message a relay can inject."""

    text: NoticeText


@packet(568, CLIENTBOUND)
class PopupNotice(Packet):
    """MC_POPUP_NOTICE: a box the player must close; explains why a session ends."""

    text: NoticeText


@packet(892, CLIENTBOUND)
class ColourNotice(Packet):
    """MC_COLOUR_NOTICE: a line in a colour of one's own."""

    rgb: U32
    text: NoticeText

"""The frames that bots and origin exchange: legal ones of the classic dialect of the game "pko", big-endian.

A bot says something, and the origin says it back with a number of its own in it. So each direction has its own
count, and the round trip stands in the frame.

====== ==== ================== ===============================================================
offset size field              value
====== ==== ================== ===============================================================
0      2    length             the whole frame, itself included: 64
2      4    session word       0x80000000, an ordinary message
6      2    opcode             1, something said
8      2    size               of the text, its NUL included
10     8    session            the session's number, hexadecimal
18     8    serverbound number counts 1, 2, 3… in each session; 0 in what the origin sends by itself
26     8    clientbound number 0 on the way to the server; 1, 2, 3… on the way back
34     16   sent               monotonic nanoseconds, hexadecimal
50     ...  filler             the letter x, and a NUL
====== ==== ================== ===============================================================

What the origin sends by itself (a flood, to fill the windows of who does not read) has the same fields and
`FLOOD_FRAME_BYTES`. The hot paths read these fields by slices; nothing here is called per frame but `said`.
"""

from games.packet import Packet
from games.pko.chat import PopupNotice, SystemInfo
from games.pko.connection import EnterMap, Greeting, LoginAccepted
from games.registry import load_pack
from wire.errors import PacketFault

DIALECT = "classic"

FRAME_BYTES = 64
FLOOD_FRAME_BYTES = 1008

LENGTH_BYTES = 2
SESSION = slice(10, 18)
SERVERBOUND_NUMBER = slice(18, 26)
CLIENTBOUND_NUMBER = slice(26, 34)
SENT = slice(34, 50)
TEXT_AT = 10

SAID_OPCODE = 1

NOTICES = (SystemInfo, PopupNotice)
ENTER_MAP_OPCODE: int = EnterMap.OPCODE

RULES = """\
[session]
frames_per_second = 1e6
frames_burst = 1e6
bytes_per_second = 1e9
bytes_burst = 1e9
[packets.1]
per_second = 1e6
burst = 1e6
"""
"""Every check of the game is on; only the rates are raised, because bots catch up after a cut."""

_SAID_FIRST: tuple[Packet, ...] = (
    Greeting(stamp=b"[11-22 12:00:00:000]"),
    LoginAccepted(key=bytes(8), characters=()),
    EnterMap(map_name=b"garner", character_id=1, world_id=1, name=b"Nobody", x=217_000, y=278_000),
)


def greeting() -> bytes:
    """Return what the origin says to whoever connects: after it a session is in the game."""
    codec = load_pack("pko").codec(DIALECT)
    return b"".join(codec.seal(packet) for packet in _SAID_FIRST)


def _head(frame_bytes: int) -> bytes:
    text_bytes = frame_bytes - TEXT_AT
    return b"%b\x80\0\0\0\0\1%b" % (frame_bytes.to_bytes(2, "big"), text_bytes.to_bytes(2, "big"))


_HEAD = _head(FRAME_BYTES)
_TAIL = b"x" * (FRAME_BYTES - SENT.stop - 1) + b"\0"
_FLOOD_HEAD = _head(FLOOD_FRAME_BYTES)
_FLOOD_TAIL = b"0" * 16 + b"x" * (FLOOD_FRAME_BYTES - SENT.stop - 1) + b"\0"


def said_template(session: bytes) -> bytes:
    """Return what fills in a session's frames: ``template % (serverbound number, nanoseconds)``."""
    return _HEAD + session + b"%08x00000000%016x" + _TAIL


def flood_template(session: bytes) -> bytes:
    """Return what fills in the frames that the origin sends by itself: ``template % clientbound number``."""
    return _FLOOD_HEAD + session + b"00000000%08x" + _FLOOD_TAIL


def session_text(session: int) -> bytes:
    """Return a session's number as it stands in frames."""
    return b"%08x" % session


def opcode_of(frame: bytes) -> int:
    """Return the opcode of a whole frame; 0 for one that has none."""
    return int.from_bytes(frame[6:8], "big") if len(frame) >= TEXT_AT else 0


def notice_text(frame: bytes) -> str:
    """Return the text that a frame shows the player, empty for any other frame."""
    body = frame[8:]
    for cls in NOTICES:
        if opcode_of(frame) == cls.OPCODE:
            try:
                packet = cls.decode(body)
            except PacketFault:
                return ""
            return packet.text.decode("latin-1")
    return ""

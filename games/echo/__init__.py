"""The echo pack: a toy game for tests and tutorials.

======  =====  ======  ================================================
offset  bytes  what    meaning
======  =====  ======  ================================================
0       2      length  unsigned big-endian, counts the whole frame
2       1      opcode  1 say (serverbound), 2 said, 3 notice (clientbound)
3       …      body    the text, to the frame's end
======  =====  ======  ================================================

Its server answers each `Say` with a `Said` of the same text.
"""

from collections.abc import Mapping
from typing import Annotated

from games.envelope import Envelope
from games.fields import Rest
from games.pack import Dialect, Opcode, Pack
from games.packet import Direction, Packet, packet
from games.registry import refuse_settings
from wire.layout import FrameLayout

MAX_TEXT_BYTES = 1021

LAYOUT = FrameLayout(min_frame_bytes=3, max_frame_bytes=3 + MAX_TEXT_BYTES)
ENVELOPE = Envelope(layout=LAYOUT, header_bytes=3, opcode_offset_bytes=2, opcode_width_bytes=1)

Text = Annotated[bytes, Rest(MAX_TEXT_BYTES)]


@packet(1, Direction.SERVERBOUND)
class Say(Packet):
    """The player says something."""

    text: Text


@packet(2, Direction.CLIENTBOUND)
class Said(Packet):
    """The server's answer: the same text."""

    text: Text


@packet(3, Direction.CLIENTBOUND)
class Notice(Packet):
    """A text of the operator or the relay."""

    text: Text


def notice(text: str | bytes) -> bytes:
    """Return the frame that shows ``text`` to the player."""
    body = (text if isinstance(text, bytes) else text.encode())[:MAX_TEXT_BYTES]
    return ENVELOPE.seal(Notice.OPCODE, Notice(text=body).encode())


def build_pack(framing: Mapping[str, object]) -> Pack:
    """Build the pack; it has no settings."""
    refuse_settings("echo", framing)
    return Pack(
        name="echo",
        summary="a toy for tests and tutorials: what is said comes back",
        serverbound=LAYOUT,
        clientbound=LAYOUT,
        dialects={"plain": Dialect("plain", "the only one", ENVELOPE, ENVELOPE)},
        opcodes=(
            Opcode(1, "SAY", Direction.SERVERBOUND),
            Opcode(2, "SAID", Direction.CLIENTBOUND),
            Opcode(3, "NOTICE", Direction.CLIENTBOUND),
        ),
        packets=(Say, Said, Notice),
        notice=notice,
        chat_line=notice,
    )

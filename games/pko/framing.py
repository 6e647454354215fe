"""How the game's frames are built, and in which dialects: sections 1.1 to 1.8 of the protocol notes.

======  ====  ============  =================================================================
offset  size  field         meaning
======  ====  ============  =================================================================
0       2     length        unsigned big-endian, counts itself: the whole frame
2       4     session word  0x80000000 for an ordinary message; otherwise a call or its answer
6       2     opcode        unsigned big-endian
8       4     counter       to the server only, in dialects that have one
…       …     body
-2      2     trailer       0x8D1C, to the server only, in one dialect; not on calls
======  ====  ============  =================================================================

A frame of two bytes, a bare length, is the keep-alive.
"""

from games.envelope import Envelope
from games.pack import Dialect
from wire.errors import EncodeError
from wire.layout import FrameLayout

KEEP_ALIVE = b"\x00\x02"
KEEP_ALIVE_SECONDS = 2.0
"""Both sides send a keep-alive when they have sent nothing for so long [1.3]."""

HEADER_BYTES = 8

ORDINARY = 0x80000000
"""The session word of a one-way message."""

_LAST_CALL = 0x7FFFFFFF

TRAILER = b"\x8d\x1c"

SERVERBOUND_LAYOUT = FrameLayout(
    min_frame_bytes=HEADER_BYTES,
    max_frame_bytes=16384,  # a gate's own limit; the largest honest frame is about 1.7 KiB [1.2]
    bare_frame_bytes=(2,),
)
CLIENTBOUND_LAYOUT = FrameLayout(
    min_frame_bytes=HEADER_BYTES,
    max_frame_bytes=65535,  # the client takes 64 KiB; login replies reach 18 KiB [1.2]
    bare_frame_bytes=(2,),
)


def call_word(number: int) -> int:
    """Return the session word of synchronous call ``number``, 1 to 0x7FFFFFFF; raises EncodeError."""
    if not 1 <= number <= _LAST_CALL:
        raise EncodeError(f"call {number}: 1 to {_LAST_CALL} are possible")
    return number


def answer_word(number: int) -> int:
    """Return the session word of the answer to call ``number``."""
    return call_word(number) + ORDINARY


def is_call(session_word: int | None) -> bool:
    """Whether a frame with this session word is a synchronous call; 0 is taken as one-way."""
    return session_word is not None and 1 <= session_word <= _LAST_CALL


def is_answer(session_word: int | None) -> bool:
    """Whether a frame with this session word answers a call."""
    return session_word is not None and session_word > ORDINARY


def _envelope(layout: FrameLayout, *, counter_bytes: int = 0, trailer: bytes = b"") -> Envelope:
    return Envelope(
        layout=layout,
        header_bytes=HEADER_BYTES,
        opcode_offset_bytes=6,
        session_word_offset_bytes=2,
        ordinary_session_word=ORDINARY,
        counter_bytes=counter_bytes,
        trailer=trailer,
    )


CLIENTBOUND = _envelope(CLIENTBOUND_LAYOUT)
"""To the client all dialects are framed alike."""

_COUNTED = _envelope(SERVERBOUND_LAYOUT, counter_bytes=4)
_COUNTED_WITH_TRAILER = _envelope(SERVERBOUND_LAYOUT, counter_bytes=4, trailer=TRAILER)

_DIALECTS = (
    Dialect(
        "classic",
        "the 1.3x line as it was: no packet counter, no trailer",
        _envelope(SERVERBOUND_LAYOUT),
        CLIENTBOUND,
        style="classic",
    ),
    Dialect(
        "counter",
        "classic with a packet counter behind the opcode of what a client sends",
        _COUNTED,
        CLIENTBOUND,
        style="classic",
        counter_resets=frozenset({431, 438}),
    ),
    Dialect(
        "counter+trailer",
        "classic with the packet counter, and a trailer on what a client sends outside of calls",
        _COUNTED_WITH_TRAILER,
        CLIENTBOUND,
        style="classic",
        counter_resets=frozenset({431, 438}),
    ),
    Dialect(
        "tg",
        "the line with a key exchange before the login; packets can be read only while it is not encrypted",
        _COUNTED,
        CLIENTBOUND,
        style="tg",
        counter_resets=frozenset({438, 355}),
    ),
)

DIALECTS = {dialect.name: dialect for dialect in _DIALECTS}
"""The first is the one used when none is named."""

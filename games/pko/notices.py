"""Texts of the relay as frames of the game, for players to read.

What is not ASCII becomes a question mark, because the client's charset is not known; bytes are shown as they are.
"""

from games.pko.bounds import MAX_NOTICE_BYTES
from games.pko.chat import PopupNotice, SystemInfo
from games.pko.framing import CLIENTBOUND


def popup(text: str | bytes) -> bytes:
    """Return the frame that shows ``text`` in a box, which the player must close; cut to its bound."""
    return CLIENTBOUND.seal(PopupNotice.OPCODE, PopupNotice(text=_readable(text)).encode())


def chat_line(text: str | bytes) -> bytes:
    """Return the frame that shows ``text`` as a line in the chat window; cut to its bound."""
    return CLIENTBOUND.seal(SystemInfo.OPCODE, SystemInfo(text=_readable(text)).encode())


def _readable(text: str | bytes) -> bytes:
    raw = text if isinstance(text, bytes) else text.encode("ascii", "replace")
    return raw.replace(b"\0", b"?")[:MAX_NOTICE_BYTES]

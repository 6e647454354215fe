"""Texts of the relay as frames of the game, for players to read.

What is not ASCII becomes a question mark, because the client's charset is not known.
"""

from games.pko.bounds import MAX_NOTICE_BYTES
from games.pko.chat import PopupNotice, SystemInfo
from games.pko.framing import CLIENTBOUND


def popup(text: str) -> bytes:
    """Return the frame that shows ``text`` in a box, which the player must close; cut to its bound."""
    return CLIENTBOUND.seal(PopupNotice.OPCODE, PopupNotice(text=_readable(text)).encode())


def chat_line(text: str) -> bytes:
    """Return the frame that shows ``text`` as a line in the chat window; cut to its bound."""
    return CLIENTBOUND.seal(SystemInfo.OPCODE, SystemInfo(text=_readable(text)).encode())


def _readable(text: str) -> bytes:
    return text.replace("\0", "?").encode("ascii", "replace")[:MAX_NOTICE_BYTES]

"""Features: what an operator adds to a game, written in Python, running on live traffic.

All a feature needs is imported from here; packets come from the game's pack, such as `games.pko.chat`::

    from core.features import Feature, Session, handles
    from games.pko.chat import Say


    class Parrot(Feature):
        @handles
        def said(self, session: Session, packet: Say) -> None:
            session.tell(b"You said: " + packet.text)
"""

from core.features.api import (
    DROP,
    Command,
    Event,
    Feature,
    RawPacket,
    Settings,
    Verdict,
    command,
    every,
    handles,
    handles_opcode,
)
from core.features.kept import Fleet, PerAccount, PerCharacter, PerSession, Scratch
from core.features.ports import BanKind, Timer
from core.features.session import Session
from games.packet import Direction
from wire.interest import Selector

__all__ = [
    "DROP",
    "BanKind",
    "Command",
    "Direction",
    "Event",
    "Feature",
    "Fleet",
    "PerAccount",
    "PerCharacter",
    "PerSession",
    "RawPacket",
    "Scratch",
    "Selector",
    "Session",
    "Settings",
    "Timer",
    "Verdict",
    "command",
    "every",
    "handles",
    "handles_opcode",
]

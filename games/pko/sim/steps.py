"""The steps of a scripted player and what may come at each: the table behind `player`."""

from collections.abc import Mapping
from enum import Enum

from games.packet import Packet
from games.pko.action import MoveNotice
from games.pko.chat import PopupNotice, Said, SystemInfo
from games.pko.connection import (
    BeginPlayReply,
    EnterMap,
    EnterMapRefused,
    Greeting,
    LoginAccepted,
    LoginRefused,
    LogoutReply,
    MapCrash,
)
from games.pko.ping import CheckPing


class Step(Enum):
    """What a player is doing, in the words of its reasons."""

    GREETING = "waiting for the greeting"
    LOGIN = "waiting for the answer to its login"
    BEGIN = "waiting for the answer to begin-play"
    MAP = "waiting for the map"
    PLAY = "playing"
    SETTLE = "waiting for its last echoes"
    LOGOUT = "waiting for the answer to its logout"
    HANGUP = "waiting for the server to close"
    FINISHED = "finished"


_IN_WORLD = frozenset({Step.PLAY, Step.SETTLE, Step.LOGOUT})

EXPECTED: Mapping[type[Packet], frozenset[Step]] = {
    Greeting: frozenset({Step.GREETING}),
    LoginAccepted: frozenset({Step.LOGIN}),
    LoginRefused: frozenset({Step.LOGIN}),
    BeginPlayReply: frozenset({Step.BEGIN}),
    EnterMap: frozenset({Step.MAP}),
    EnterMapRefused: frozenset({Step.MAP}),
    MoveNotice: _IN_WORLD,
    Said: _IN_WORLD,
    CheckPing: _IN_WORLD,
    LogoutReply: frozenset({Step.LOGOUT}),
    # Texts of a server's or a relay's operator may come at any time.
    SystemInfo: frozenset(Step),
    PopupNotice: frozenset(Step),
    MapCrash: frozenset(Step),
}
"""At which steps a packet may come; any other is the end of the player."""

"""Who is playing: what a game's packets tell about the player of one session.

A pack has a row per packet that says something (`Pack.follows`): a function that writes it into the `Player` and
returns what step that was. The core calls it for features; it knows no session and no clock.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from games.packet import Packet


class Step(Enum):
    """What a packet meant for the session."""

    NOTHING = "nothing"
    LOGIN = "login"
    """The client wants to log in: account and hardware address are known, and not proven."""
    OUT_OF_TURN = "out_of_turn"
    """A login while another is unanswered: the server's answer could be taken for the wrong one's."""
    LOGIN_REFUSED = "login_refused"
    LOGGED_IN = "logged_in"
    """The game server has accepted the account."""
    CHARACTER = "character"
    """The client has chosen a character."""
    CHARACTER_REFUSED = "character_refused"
    ENTERED = "entered"
    """The character is on a map, for the first time."""
    CHANGED_MAP = "changed_map"
    LEFT = "left"
    """The character is out of the game; the player may choose another."""


@dataclass(slots=True)
class Player:
    """What is known of who plays; names are bytes as on the wire, empty where not known. Positions in centimetres."""

    account: bytes = b""
    hardware_address: bytes = b""
    is_logged_in: bool = False
    characters: tuple[bytes, ...] = ()
    character: bytes = b""
    is_in_game: bool = False
    map_name: bytes = b""
    world_id: int = 0
    x: int = 0
    y: int = 0
    main_id: int = 0
    """Another number that the game knows the character by; in PKO the character's own while it is on a ship."""
    is_logging_in: bool = False
    """A login is on its way to the server."""

    def forget_character(self) -> None:
        """The character is out of the game."""
        self.character = b""
        self.is_in_game = False
        self.map_name = b""
        self.world_id = self.main_id = self.x = self.y = 0

    def forget_all(self) -> None:
        """Nobody is logged in."""
        self.account = self.hardware_address = b""
        self.is_logging_in = self.is_logged_in = False
        self.characters = ()
        self.forget_character()


Follow = Callable[[Player, Any], Step]
Follows = Mapping[type[Packet], Follow]

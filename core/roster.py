"""The roster: every session of this core, and what is known of who plays it.

Tunnels (`core.core_tunnel`) write it when a session begins and ends; the registry (`core.admin.registry`) publishes it,
and operators' orders (`core.admin.orders`) find sessions in it. Nothing here runs per packet.

Who plays is known from the features' inspector where there are features, and from the edge's word otherwise.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from core.features.inspector import Inspector
from core.features.session import Peer
from tunnel.session import Session
from wire.errors import MisuseError

AT_LOGIN = "login"
LOGGED_IN = "logged_in"
IN_GAME = "in_game"
STATES = (AT_LOGIN, LOGGED_IN, IN_GAME)
"""How far a player has come: connected; let in by the game server; with a character on a map."""


@dataclass(frozen=True, slots=True)
class Names:
    """What the edge's rules have seen of who plays, as bytes on the wire; empty where not known."""

    account: bytes = b""
    hardware_address: bytes = b""
    character: bytes = b""
    is_logged_in: bool = False
    is_opaque: bool = False


_NOBODY = Names()


class Seat:
    """One session. Texts are in the game's charset, empty where not known."""

    __slots__ = ("_charset", "inspector", "names", "peer", "session")

    def __init__(self, peer: Peer, session: Session, inspector: Inspector | None, charset: str) -> None:
        self.peer = peer
        self.session = session
        self.inspector = inspector
        self.names = _NOBODY
        self._charset = charset

    @property
    def id(self) -> str:
        """The session's id: 32 hexadecimal digits."""
        return self.peer.session_id.hex()

    @property
    def edge(self) -> str:
        """The name of the edge."""
        return self.peer.edge

    @property
    def region(self) -> str:
        """Where that edge stands."""
        return self.peer.region

    @property
    def address(self) -> str:
        """The player's address."""
        return str(self.peer.address)

    @property
    def account(self) -> str:
        """The account; at the login it is only what the client claims."""
        return self._text(self.names.account if self.inspector is None else self.inspector.session.player.account)

    @property
    def character(self) -> str:
        """The character that plays, or played last."""
        inspector = self.inspector
        return self._text(self.names.character if inspector is None else inspector.session.player.character)

    @property
    def map_name(self) -> str:
        """The map the character is on; known with features only."""
        return "" if self.inspector is None else self._text(self.inspector.session.player.map_name)

    @property
    def state(self) -> str:
        """One of STATES."""
        if self.inspector is not None:
            player = self.inspector.session.player
            return IN_GAME if player.is_in_game else LOGGED_IN if player.is_logged_in else AT_LOGIN
        if not self.names.is_logged_in:
            return AT_LOGIN
        return IN_GAME if self.names.character else LOGGED_IN

    @property
    def is_opaque(self) -> bool:
        """Whether the stream is encrypted, as far as is known, so that nothing can be put between its frames."""
        return self.names.is_opaque if self.inspector is None else self.inspector.is_opaque

    def _text(self, raw: bytes) -> str:
        """Return bytes as a text that every format can hold: what the charset does not have is a question mark."""
        return raw.decode(self._charset, "replace").replace("\ufffd", "?")[:256] if raw else ""


class Roster:
    """All seats, by session id; ``on_change`` is told the id of each that began, ended or got another name."""

    def __init__(self, charset: str = "latin-1") -> None:
        self.seats: dict[str, Seat] = {}
        self.on_change: Callable[[str], None] = lambda _: None
        self._charset = charset

    def opened(self, peer: Peer, session: Session, inspector: Inspector | None) -> None:
        """Note a session; raises MisuseError for an id that another one has."""
        session_id = peer.session_id.hex()
        if session_id in self.seats:
            raise MisuseError(f"session {session_id} is there already")
        self.seats[session_id] = Seat(peer, session, inspector, self._charset)
        self.on_change(session_id)

    def named(self, session: Session, names: Names) -> None:
        """Note what the edge says of who plays."""
        seat = self.seats.get(session.session_id.hex())
        if seat is not None and seat.session is session:
            seat.names = names
            self.on_change(seat.id)

    def changed(self, session_id: str) -> None:
        """The features have seen who plays."""
        if session_id in self.seats:
            self.on_change(session_id)

    def ended(self, session: Session) -> None:
        """Forget a session; nothing happens for one that was never noted."""
        session_id = session.session_id.hex()
        seat = self.seats.get(session_id)
        if seat is not None and seat.session is session:
            del self.seats[session_id]
            self.on_change(session_id)

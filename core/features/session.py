"""A player's session as features see it: who it is, and what can be done to it."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from typing import TYPE_CHECKING, Protocol

from games.packet import Packet
from games.players import Player

if TYPE_CHECKING:
    from core.features.api import RawPacket


@dataclass(frozen=True, slots=True)
class Peer:
    """Where a session comes from: the player's address and port, the edge's address they dialled, and that edge.

    ``since`` is when they connected, in seconds of `time.time`.
    """

    session_id: bytes
    address: IPv4Address | IPv6Address
    port: int
    listen_address: IPv4Address | IPv6Address
    listen_port: int
    edge: str
    region: str
    since: float


class Outlet(Protocol):
    """What carries out a session's actions: the core's inspector, or the test kit."""

    @property
    def is_open(self) -> bool:
        """Whether the session lasts."""
        ...

    @property
    def is_opaque(self) -> bool:
        """Whether the stream is encrypted."""
        ...

    def send(self, packet: Packet | RawPacket) -> bool:
        """Send a packet to whom its direction says; False when that cannot be."""
        ...

    def show(self, text: str | bytes, *, popup: bool) -> bool:
        """Show the player a text; False when that cannot be."""
        ...

    def close(self, text: str | bytes) -> None:
        """End the session."""
        ...


class Session:
    """One player's connection. Names are texts in the game's charset (``game.charset``), empty where not known."""

    __slots__ = ("_charset", "_outlet", "peer", "player", "scratch")

    def __init__(self, peer: Peer, player: Player, outlet: Outlet, charset: str = "latin-1") -> None:
        self.peer = peer
        self.player = player
        self.scratch: dict[object, object] = {}  # what `Scratch` keeps
        self._outlet = outlet
        self._charset = charset

    def __repr__(self) -> str:
        return f"<Session {self.id} account={self.account!r} character={self.character!r}>"

    @property
    def id(self) -> str:
        """The session's id, as it stands in logs: 32 hexadecimal digits."""
        return self.peer.session_id.hex()

    @property
    def address(self) -> IPv4Address | IPv6Address:
        """The player's address."""
        return self.peer.address

    @property
    def edge(self) -> str:
        """The name of the edge the player is connected to."""
        return self.peer.edge

    @property
    def region(self) -> str:
        """Where that edge stands."""
        return self.peer.region

    @property
    def since(self) -> float:
        """When the player connected, in seconds of `time.time`."""
        return self.peer.since

    @property
    def account(self) -> str:
        """The account; before `is_logged_in` it is only what the client claims."""
        return self.text(self.player.account)

    @property
    def hardware_address(self) -> str:
        """The hardware address, as the client says it."""
        return self.text(self.player.hardware_address)

    @property
    def character(self) -> str:
        """The character that plays."""
        return self.text(self.player.character)

    @property
    def map_name(self) -> str:
        """The map the character is on."""
        return self.text(self.player.map_name)

    @property
    def is_logged_in(self) -> bool:
        """Whether the game server has accepted the account."""
        return self.player.is_logged_in

    @property
    def is_in_game(self) -> bool:
        """Whether the character is on a map."""
        return self.player.is_in_game

    @property
    def is_open(self) -> bool:
        """Whether the session lasts."""
        return self._outlet.is_open

    @property
    def is_opaque(self) -> bool:
        """Whether the stream is encrypted: then nothing can be read of it, or sent into it."""
        return self._outlet.is_opaque

    def text(self, raw: bytes) -> str:
        """Return bytes of a packet as text; never fails, and `raw` makes the same bytes of it again."""
        return raw.decode(self._charset, "surrogateescape")

    def raw(self, text: str) -> bytes:
        """Return text as bytes of a packet; what the charset does not have becomes a question mark."""
        try:
            return text.encode(self._charset, "surrogateescape")
        except UnicodeEncodeError:
            return text.encode(self._charset, "replace")

    def send(self, packet: Packet | RawPacket) -> bool:
        """Send a packet to the player or to the game server, as its direction says.

        In a handler, a packet that goes the same way as the one being handled follows it. False, and counted, when it
        cannot be sent: the session is over or encrypted, the player reads too slowly, or a value is out of its bounds
        (which also counts as the feature's fault).
        """
        return self._outlet.send(packet)

    def tell(self, text: str | bytes) -> bool:
        """Show the player a line in the chat window; cut to what the game allows."""
        return self._outlet.show(text if isinstance(text, bytes) else self.raw(text), popup=False)

    def popup(self, text: str | bytes) -> bool:
        """Show the player a box, which must be closed."""
        return self._outlet.show(text if isinstance(text, bytes) else self.raw(text), popup=True)

    def close(self, text: str | bytes = b"") -> None:
        """End the session, behind what was sent before; the player is shown ``text`` in a box."""
        self._outlet.close(text if isinstance(text, bytes) else self.raw(text))
